/* SPDX-License-Identifier: GPL-2.0-only */
/* From slots to snapshots: which slots make a VM, what they counted, when a VM is over. */
#ifndef EXITSTAT_SAMPLER_H
#define EXITSTAT_SAMPLER_H

#include <exitstat/kvm_host.h>
#include <exitstat/snapshot.h>

#include "loader.h"

struct es_sampler;

/* proc: "/proc". NULL when out of memory. */
struct es_sampler *es_sampler_new(struct es_loader *loader, const char *proc);
void es_sampler_free(struct es_sampler *sp);
/*
 * Reads every slot in use; no system call for those. VMs seen for the first time
 * take their paging mode from host. *out: the living VMs, and each that ended since
 * the last call, once, with its final counts; its slots are free when this returns.
 * per_vcpu: with each vCPU's own counts, as VMs that ended always come.
 * 0 or -ENOMEM (nothing is lost: the next call tells it).
 */
int es_sampler_sample(struct es_sampler *sp, const struct es_kvm_host *host, bool per_vcpu,
		      struct es_snapshot **out);
/* vCPUs that have a slot, and exits counted so far under codes that have no name. */
unsigned int es_sampler_slots_used(const struct es_sampler *sp);
uint64_t es_sampler_unknown_reasons(const struct es_sampler *sp);
/* True when any vCPU was ever seen to leave a guest. */
bool es_sampler_seen_exits(const struct es_sampler *sp);

#endif
