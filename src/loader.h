/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The BPF objects: load, attach, replace, and the maps they share. The only file
 * that needs privilege. One thread.
 */
#ifndef EXITSTAT_LOADER_H
#define EXITSTAT_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <exitstat/abi.h>
#include <exitstat/config.h>
#include <exitstat/status.h>

#include "loader_optional.h"
#include "loader_programs.h"

struct es_loader;

/*
 * Creates the maps for o->slots vCPUs and loads the lifecycle program; nothing is
 * attached yet and KVM need not be there. On failure a negative errno, and in err one
 * line that names the cause and the remedy.
 */
struct es_loader_options {
	unsigned int slots;
	bool latency;
	enum es_mmu_mode mmu;
	const char *
		pin_dir; /* folder of a BPF file system, or NULL: nothing outlives this process; see loader_pin.h */
};
int es_loader_new(const struct es_loader_options *o, struct es_loader **out, char *err, size_t size);
void es_loader_free(struct es_loader *l);

/* Attach to the end of vCPUs (kvm must be loaded), if that is not done; detach and attach again after kvm.ko was replaced. */
int es_loader_attach_life(struct es_loader *l, char *err, size_t size);
void es_loader_detach_life(struct es_loader *l);
bool es_loader_life_attached(const struct es_loader *l);
/*
 * Load the exit programs against the KVM that is loaded now, and attach them. Those
 * attached before are detached only when the new ones are ready. isa: the vendor's, whose exit codes
 * tell what else is worth a program. build: that KVM's name, for es_loader_build.
 */
int es_loader_attach_exits(struct es_loader *l, enum es_isa isa, const char *build, char *err, size_t size);
/* Of the KVM for which the programs that are attached were loaded, perhaps by a daemon before; "": there are none that may stay. */
const char *es_loader_build(const struct es_loader *l);
/* Do the programs outlive this process? One line of where, or why not. */
bool es_loader_pin_explain(const struct es_loader *l, char *buf, size_t size);
/*
 * What of the MMU is measured, or was until the programs were taken off. With the exit programs come those on
 * the MMU, unless the options say no or they cannot be had: then exits are counted without them.
 */
const struct es_mmu_measured *es_loader_mmu(const struct es_loader *l);
/* A bit for each enum es_flag that is measured, in the same sense. */
uint32_t es_loader_flags(const struct es_loader *l);
bool es_loader_optional_attached(const struct es_loader *l, enum es_optional_id id);
/* One line: what these programs count, or why not. */
void es_loader_optional_explain(const struct es_loader *l, enum es_optional_id id, char *buf, size_t size);
/* Has the slots' pf[] read anew from KVM, and look_* from their threads. Any number of slots. */
void es_loader_read_threads(struct es_loader *l, const uint32_t *slots, size_t n);
/* Take the exit programs off KVM. Open intervals of living vCPUs are closed with the present time. */
void es_loader_detach_exits(struct es_loader *l);
bool es_loader_attached(const struct es_loader *l);
/* Are KVM's types known? If not, less is measured: see bpf/compat.h. As of the last attach. */
bool es_loader_typed(const struct es_loader *l);
/* Another number after each of these: what was announced may be incomplete, and open intervals were closed. */
uint64_t es_loader_epoch(const struct es_loader *l);
bool es_loader_latency(const struct es_loader *l);
/* Does this kernel tell how long threads wait for a CPU? As of the last attach. */
bool es_loader_waits(const struct es_loader *l);

/* The slots, mapped; n of them. */
struct es_slot *es_loader_slots(const struct es_loader *l, unsigned int *n);
/*
 * An fd of them, the caller's. Who maps them to be read only must give it up afterwards: the kernel maps nothing from an
 * fd that can only be read (bpf_map_mmap() wants VM_SHARED). Negative errno.
 */
int es_loader_slots_fd(const struct es_loader *l);
/* Marks a slot in that state: its programs announce what it does next. False: it is in another one by now. */
bool es_loader_park(struct es_loader *l, uint32_t slot, uint8_t state);
/* Ends a slot whose VM is known to be gone, as the lifecycle program would have. Only where that is not attached. */
void es_loader_slot_end(struct es_loader *l, uint32_t slot, uint64_t now);
/* Clears a slot whose vCPU ended and whose counts were read, and gives it back. */
int es_loader_slot_free(struct es_loader *l, uint32_t slot);
/*
 * Takes threads that are gone out of the table of who ran which vCPU, if any vCPU ever came to another thread. For after
 * VMs ended and once in a while. Not those of living ones, who may change them at the same moment.
 */
void es_loader_forget_threads(struct es_loader *l);

/*
 * An fd of the announcements (struct es_event), the caller's: readable when a slot changed hands, not for ES_EVENT_BUSY.
 * With it nothing can be taken or changed. Negative errno.
 */
int es_loader_events_fd(const struct es_loader *l);
/* Takes the oldest max of them away; >= 0: how many. */
int es_loader_events_take(struct es_loader *l, struct es_event *out, uint32_t max);
typedef void es_announced_fn(void *ctx, enum es_event_type type, uint32_t slot);

/* What was lost since the start, by enum es_health. */
void es_loader_lost(const struct es_loader *l, uint64_t out[ES_HEALTH_MAX]);
/* What else, which takes longer to find out. */
struct es_loader_health {
	uint64_t missed;     /* runs the kernel skipped, of detached programs too */
	uint64_t mmu_strays; /* MMU events that belong to no VM known */
};
void es_loader_health(const struct es_loader *l, struct es_loader_health *out);
/* What the programs have run since they were loaded while the kernel's statistics were on, detached ones included. */
void es_loader_counts(const struct es_loader *l, struct es_cost_counts *out);
/* Appends the programs to st->programs, and fills map_bytes. */
void es_loader_status(struct es_loader *l, struct es_status *st);

#endif
