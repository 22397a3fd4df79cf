/* SPDX-License-Identifier: GPL-2.0-only */
/* keeper.h without BPF: slots in memory, written by who wants to see what becomes of them. */
#ifndef FAKE_KEEPER_H
#define FAKE_KEEPER_H

#include "../../src/keeper.h"

struct es_keeper {
	struct es_slot *slots;
	unsigned int n_slots;
	bool attached, latency, life, waits, typed;
	bool deaf; /* announcements are lost */
	uint64_t epoch, ring_full;
	struct es_event *events;
	size_t n_events, cap_events;
	unsigned int *freed, *thread_reads; /* by slot: how often */
	struct es_mmu_measured measured;
	uint32_t flags;
	const char *sys, *proc; /* where the files are that only root reads */
	/* What read_threads finds: a vCPU's thread as it is. */
	void (*look)(struct es_slot *s);
};

/* Attached, with latency and the lifecycle program; slots are zero and cost memory only when touched. */
int fake_keeper_init(struct es_keeper *l, unsigned int n_slots);
void fake_keeper_clear(struct es_keeper *l);

void fake_announce(struct es_keeper *l, enum es_event_type type, uint32_t slot);
/* As slot_new and kvm_exit in bpf/ would: a vCPU with count exits of code, of 10 ns each. */
struct es_slot *fake_begin(struct es_keeper *l, uint32_t slot, uint64_t kvm, uint32_t vcpu_id, uint64_t born,
			   uint32_t code, uint64_t count);
void fake_end(struct es_keeper *l, uint32_t slot, uint64_t when);
/* The vCPU is in this state now: it did something, so it is announced if it was parked. */
void fake_act(struct es_keeper *l, struct es_slot *s, enum es_state state);
/* Another thread zapped a page of the VM that this slot stands for. */
void fake_zap(struct es_keeper *l, struct es_slot *s);

#endif
