/* SPDX-License-Identifier: GPL-2.0-only */
/* From slots to snapshots: which slots make a VM, what they counted, when a VM is over. */
#ifndef EXITSTAT_SAMPLER_H
#define EXITSTAT_SAMPLER_H

#include <exitstat/kernel_counts.h>
#include <exitstat/kvm_host.h>
#include <exitstat/snapshot.h>

#include "keeper.h"

struct es_sampler;

/* proc: "/proc"; NULL: its processes are not those that the kernel means. NULL when out of memory. */
struct es_sampler *es_sampler_new(struct es_keeper *keeper, const char *proc);
void es_sampler_free(struct es_sampler *sp);
/*
 * Reads the slots of vCPUs that did something since the last call; a vCPU at rest costs nothing. VMs seen for the first time
 * take their paging mode from host. *out: the living VMs, and each that ended since the last es_sampler_release, with its
 * final counts.
 * per_vcpu: with each vCPU's own counts, as VMs that ended always come.
 * 0 or -ENOMEM (nothing is lost: the next call tells it).
 */
int es_sampler_sample(struct es_sampler *sp, const struct es_kvm_host *host, bool per_vcpu,
		      struct es_snapshot **out);

/*
 * Between two samples: these VMs of the last one alone, as they are now but for their states. 0; -ESRCH: one is not there any
 * more, only a sample can tell; -ENOMEM.
 */
int es_sampler_look(struct es_sampler *sp, const struct es_snapshot *at, bool per_vcpu,
		    struct es_snapshot **out);
/* The ends of VMs that the last sample told are known: forgets them, and gives their slots back. */
void es_sampler_release(struct es_sampler *sp);
/* When es_keeper_events_fd() is readable: takes the announcements. Did a vCPU come or go since the last sample? */
bool es_sampler_listen(struct es_sampler *sp);
/*
 * Between two samples: takes in vCPUs that came and went since the last one. Nothing is
 * told by this, the next sample does. 0 or -ENOMEM.
 */
int es_sampler_follow(struct es_sampler *sp, const struct es_kvm_host *host);
/* One of the VMs known; its strings are valid until the next sample. */
struct es_sampler_vm {
	const char *id, *name, *debugfs;
	uint32_t pid, uid;
	enum es_isa isa; /* ES_ISA_NONE: no exit yet */
	size_t n_vcpus;
	bool ending;			/* a vCPU of it is gone: so is the VM, or soon */
	struct es_kernel_track **track; /* kept with the VM, freed with it */
};
size_t es_sampler_vms(const struct es_sampler *sp);
void es_sampler_vm(const struct es_sampler *sp, size_t i, struct es_sampler_vm *out);
/*
 * What VM i's slots say now, and which of those exits KVM may not have counted yet (see struct
 * es_kernel_look). 0, or -EAGAIN: a program is writing, look again.
 */
int es_sampler_vm_counts(struct es_sampler *sp, size_t i, struct es_kernel_look *look);

/* vCPUs that have a slot, and exits counted so far under codes that have no name. */
unsigned int es_sampler_slots_used(const struct es_sampler *sp);
uint64_t es_sampler_unknown_reasons(const struct es_sampler *sp);
/* Slots that the last sample looked at. */
size_t es_sampler_visited(const struct es_sampler *sp);
/* True when any vCPU was ever seen to leave a guest. */
bool es_sampler_seen_exits(const struct es_sampler *sp);

#endif
