/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A host full of guests that are not there: what exitstatd-sim, which is exitstatd but for
 * the programs on KVM, shares with the process that writes its slots.
 */
#ifndef SIM_H
#define SIM_H

#include <stdint.h>

#include <exitstat/abi.h>

/* Out of the environment: SIM_VMS, SIM_VCPUS (of each), SIM_BUSY (percent of the VMs), SIM_HZ. */
struct sim_options {
	unsigned int vms, vcpus, busy, hz;
};

/* The announcements: written by the guests, read by the daemon. */
struct sim_ring {
	uint64_t full;	     /* announcements that found no place */
	uint32_t head, tail; /* written, read; they only grow */
	uint32_t mask;
	int event_fd; /* readable: a vCPU came or went */
	struct es_event events[];
};

/* Runs the guests until the parent is gone. Never returns. */
void sim_guests(const struct sim_options *o, struct es_slot *slots, struct sim_ring *ring,
		uint64_t kernel_text, uint32_t pid) __attribute__((noreturn));

#endif
