/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The snapshot: what one look at all VMs gave. The sampler makes it, the store
 * keeps it, JSON carries it (schema exitstat/1), and the client renders it.
 *
 * A snapshot is immutable once it has left its maker. All times are ns, all
 * counters u64. ES_NONE in any u64 member means "not measured": null in JSON, an
 * empty field in CSV, "-" in tables, never 0.
 */
#ifndef EXITSTAT_SNAPSHOT_H
#define EXITSTAT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <exitstat/abi.h>

#define ES_SCHEMA	"exitstat/1"
#define ES_NONE		UINT64_MAX

enum es_isa { ES_ISA_NONE, ES_ISA_VMX, ES_ISA_SVM };
enum es_paging { ES_PAGING_NONE, ES_PAGING_EPT, ES_PAGING_NPT, ES_PAGING_SHADOW };
enum es_vm_state { ES_VM_RUNNING, ES_VM_PAUSED, ES_VM_ENDED };
/* tdp, "is nested paging on": -1 unknown (null) */
enum es_tristate { ES_UNKNOWN = -1, ES_NO = 0, ES_YES = 1 };

struct es_reason {
	uint32_t code;
	uint64_t count;
	uint64_t time_ns;	/* ES_NONE when latency is off */
	uint64_t max_ns;	/* ES_NONE also in a difference */
	uint64_t hist[ES_HIST_BUCKETS];	/* hist[0] is ES_NONE when latency is off: es_hist_known() */
	uint64_t flags[ES_FLAGS];
};

/*
 * Page faults that KVM was asked to handle: tdp and shadow by the exit that brought them (EPT_VIOLATION, NPF;
 * EXCP_PF, EXCEPTION_NMI), mmio those on device memory; fast to emulated are how KVM ended them. docs/mmu.md.
 */
struct es_faults { uint64_t tdp, shadow, mmio, fast, spurious, fixed, emulated; };
struct es_shadow_pages { uint64_t created, reused, synced, unsynced, zapped; };
struct es_sptes { uint64_t s4k, s2m, s1g; };
/* What KVM does to shadow a nested hypervisor's EPT or NPT; in none of the other numbers. */
struct es_nested_mmu {
	uint64_t faults, guest_walks;
	uint64_t created, reused, synced, unsynced, zapped; /* shadow pages */
	uint64_t s4k, s2m, s1g;				    /* SPTEs set */
};
struct es_mmu {
	struct es_faults faults;
	uint64_t guest_walks; /* only with exitstatd --mmu full */
	struct es_shadow_pages shadow_pages;
	struct es_sptes sptes;
	uint64_t zap_all, huge_splits;
	uint64_t spte_requests, tdp_changes, fast_attempts; /* only with exitstatd --mmu full */
	struct es_nested_mmu nested;
};

enum es_cr { ES_CR0, ES_CR3, ES_CR4, ES_CR8, ES_CRS };
struct es_cr_count { uint64_t read, write; };

/*
 * Where a vCPU's time went since its first entry: in the guest, in KVM, in the VMM, waiting for a CPU, halted.
 * total_ns goes by the clock alone (from the first entry to now or the end, less what was not watched) and
 * is the sum of the five. docs/numbers.md
 */
enum es_time_part { ES_TIME_GUEST, ES_TIME_KERNEL, ES_TIME_VMM, ES_TIME_RUNQUEUE, ES_TIME_IDLE, ES_TIME_PARTS };
struct es_time { uint64_t guest_ns, kernel_ns, vmm_ns, runqueue_ns, idle_ns, total_ns; };
/*
 * Which of them go on: that many vCPUs were in each at as_of_ns, the time that struct es_time is of. Who
 * reads a VM that snapshots share brings it up to the snapshot's time: es_counts_advance(). Not in JSON.
 */
struct es_open { uint64_t as_of_ns; uint32_t vcpus[ES_TIME_PARTS]; };

/* What a VM and a vCPU have in common. reasons[] is sorted by code, no code twice. */
struct es_counts {
	struct es_reason *reasons;
	size_t n_reasons;
	bool exits_unknown; /* this KVM reports no exits: exits.total and time_ns are null, not 0 */
	struct es_time time;
	struct es_open open;
	struct es_mmu mmu;
	struct es_cr_count cr[ES_CRS];
};

struct es_vcpu {
	uint32_t vcpu_id;
	struct es_counts counts;
};

struct es_vm {
	char *id;		/* unique for a boot of the host, printable ASCII */
	char *name;		/* any bytes but NUL, valid UTF-8 */
	uint32_t pid;
	uint32_t uid;		/* owner: for filtering, not in JSON; UINT32_MAX unknown */
	uint32_t n_vcpus;
	uint64_t since_ns;	/* CLOCK_MONOTONIC of the host */
	uint64_t ended_ns;	/* ES_NONE while it lives */
	enum es_vm_state state;
	enum es_paging paging;
	bool nested;
	struct es_counts counts;	/* sum over the vCPUs, gone ones included */
	struct es_vcpu *vcpus;		/* per vCPU, sorted by vcpu_id; n_per_vcpu may be 0 */
	size_t n_per_vcpu;
};

struct es_host {
	char hostname[65];
	char kernel[65];
	enum es_isa isa;
	enum es_tristate tdp;
};

struct es_taken { uint64_t realtime_ns, monotonic_ns, interval_ns; /* ES_NONE unless a difference */ };

struct es_health_counts {
	uint64_t slots_used, slots_max, dropped, missed, unattributed, unknown_reasons, read_errors;
	uint64_t unattributed_mmu; /* the part of unattributed that is MMU events, kernel threads' zaps above all */
};

struct es_snapshot {
	struct es_host host;
	struct es_taken taken;
	struct es_vm **vms;	/* VMs are shared between snapshots: es_vm_ref/es_vm_unref */
	size_t n_vms;
	struct es_health_counts health;
};

/* All-unknown counts: every u64 ES_NONE, no reasons. */
void es_counts_init(struct es_counts *c);
void es_counts_clear(struct es_counts *c);
/* Deep copy; 0 or -ENOMEM (dst is then initialised and empty). */
int es_counts_copy(struct es_counts *dst, const struct es_counts *src);
/*
 * dst += src, reason by reason; a member that is ES_NONE on one side takes the
 * other side's value. max_ns is the greater one; time is as of the later of both. 0 or -ENOMEM.
 */
int es_counts_add(struct es_counts *dst, const struct es_counts *src);
/* Brings time up to now, CLOCK_MONOTONIC: what is open went on. Nothing to do for counts that were read from JSON. */
void es_counts_advance(struct es_counts *c, uint64_t now);
/* Finds the reason or inserts it zeroed in its place; NULL when out of memory. */
struct es_reason *es_counts_reason(struct es_counts *c, uint32_t code);
const struct es_reason *es_counts_find(const struct es_counts *c, uint32_t code);

/*
 * exits.total and exits.time_ns of the contract: sums over reasons[]. ES_NONE if exits_unknown; time also if no
 * reason has one (and there is at least one).
 */
uint64_t es_exits_total(const struct es_counts *c);
uint64_t es_exits_time_ns(const struct es_counts *c);

/* A VM with one reference, all unknown, id and name copied (NULL: ""). NULL when out of memory. */
struct es_vm *es_vm_new(const char *id, const char *name);
struct es_vm *es_vm_ref(struct es_vm *vm);
void es_vm_unref(struct es_vm *vm);	/* NULL is fine */
/* Appends a zero-initialised vCPU (counts all unknown), kept in order of vcpu_id. */
struct es_vcpu *es_vm_add_vcpu(struct es_vm *vm, uint32_t vcpu_id);

/* An empty snapshot with one reference; references are counted, not locked (one thread). */
struct es_snapshot *es_snapshot_new(void);
struct es_snapshot *es_snapshot_ref(struct es_snapshot *s);
void es_snapshot_unref(struct es_snapshot *s);
/* Takes over the caller's reference to vm. 0 or -ENOMEM (vm is then unref'ed). */
int es_snapshot_add(struct es_snapshot *s, struct es_vm *vm);

/* Words of the contract: "vmx", "ept", "running", …; NULL for the NONE values. */
const char *es_isa_name(enum es_isa isa);
const char *es_paging_name(enum es_paging p);
const char *es_vm_state_name(enum es_vm_state s);
/* The enum value of a word, or -EINVAL. */
int es_isa_parse(const char *word);
int es_paging_parse(const char *word);
int es_vm_state_parse(const char *word);

/*
 * Does V (a name, a pid, an id or a glob of * ? [a-z] [!a-z] and \) mean this VM? Exact
 * name, id or decimal pid first; a pattern only if it holds one of *?[.
 */
bool es_vm_matches(const struct es_vm *vm, const char *v);
/*
 * The VMs of s that V means (NULL: all). Live ones come before ended ones of the
 * same name; when V is not a glob and a live VM matches, ended ones are left out.
 * A new snapshot that shares the VMs; NULL when out of memory.
 */
struct es_snapshot *es_snapshot_select(const struct es_snapshot *s, const char *v);
/* Up to n names near to v (edit distance, no case), best first, in out[]; returns how many. Pointers into s. */
size_t es_snapshot_near(const struct es_snapshot *s, const char *v, const char **out, size_t n);

#endif
