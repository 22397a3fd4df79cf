/* SPDX-License-Identifier: GPL-2.0-only */
/* Does a patched KVM count what we count? Looked at only when somebody asks. */
#ifndef EXITSTAT_DAEMON_KERNEL_H
#define EXITSTAT_DAEMON_KERNEL_H

#include <exitstat/kernel_counts.h>

#include "sampler.h"

struct es_kernel_compare;

/* sys: "/sys"; KVM's folder in debugfs comes from the keeper. NULL when out of memory. */
struct es_kernel_compare *es_kernel_compare_new(const char *sys, struct es_keeper *keeper);
void es_kernel_compare_free(struct es_kernel_compare *kc);
/*
 * The programs were attached just now: VMs that exist already have exits that nobody of us
 * saw, and all that was learned of them is void.
 */
void es_kernel_compare_attached(struct es_kernel_compare *kc);
/* Files that were there and could not be read or made no sense. */
uint64_t es_kernel_compare_errors(const struct es_kernel_compare *kc);

struct es_kernel_ask {
	const char *off; /* why counts cannot be compared now, NULL if they can */
	bool all;	 /* every VM, else those of uid */
	uint32_t uid;
};
/* NULL when out of memory. May wait for 1 ms. */
struct es_kernel_report *es_kernel_compare_run(struct es_kernel_compare *kc, struct es_sampler *sp,
					       const struct es_kvm_host *host,
					       const struct es_kernel_ask *ask);

#endif
