/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The exit counters of a patched KVM: its debugfs files as numbers, and what they say
 * about ours. Everything but the functions that take a path is pure.
 */
#ifndef EXITSTAT_KERNEL_COUNTS_H
#define EXITSTAT_KERNEL_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <exitstat/abi.h>
#include <exitstat/snapshot.h>

/*
 * KVM counts by slot: a code up to 190 is its own slot, 191 sums the codes that have none,
 * from 192 on are SVM's 0x400 to 0x403, 0x407 and -1 to -4.
 */
#define ES_KERNEL_SLOTS	201
#define ES_KERNEL_OTHER	191
/* The longest exit_stats that can be: a line a slot, code and two decimal u64. */
#define ES_KERNEL_TEXT_MAX (ES_KERNEL_SLOTS * sizeof("0xffffffff 18446744073709551615 18446744073709551615"))

unsigned int es_kernel_slot(uint32_t code);
/* The code of a slot; not of ES_KERNEL_OTHER, which has none. */
uint32_t es_kernel_code(unsigned int slot);

struct es_kernel_counts { uint64_t n[ES_KERNEL_SLOTS]; };
/*
 * Reads the text of exit_stats: lines "0x7b COUNT CYCLES", and one "other COUNT CYCLES". 0, or
 * -EBADMSG for anything else: a code twice, a number beyond 2^62, a line that does not end.
 */
int es_kernel_parse(const char *text, size_t len, struct es_kernel_counts *out);

/* Is this a folder that KVM names, "PID-FD"? Nothing else may become part of a path. */
bool es_kernel_folder_valid(const char *folder);
/* Reads a VM's file. kvm: "/sys/kernel/debug/kvm", or another path to it. 0 or negative errno; -ENOENT: no such VM, or no such file; -EBADMSG as above. */
int es_kernel_read(const char *kvm, const char *folder, struct es_kernel_counts *out);
/* The folder's inode: the same name again is another VM. 0: there is none. */
uint64_t es_kernel_inode(const char *kvm, const char *folder);

/*
 * Is KVM patched, as far as can be told with no VM at hand? Its module parameter exit_cpuid tells, readable
 * for everybody. sys: "/sys".
 */
bool es_kernel_patched(const char *sys);
/* Can the folders be read (only root can, where the host left it at that)? 0, or negative errno with the remedy in why. */
int es_kernel_reachable(const char *sys, char *why, size_t size);

/* --- VMs that were there at a moment --- */

struct es_kernel_seen { struct es_kernel_folder *folders; size_t n; bool known; };
/* Takes the folders there are now; known is false if that cannot be done. */
void es_kernel_seen_take(struct es_kernel_seen *seen, const char *kvm);
void es_kernel_seen_clear(struct es_kernel_seen *seen);
bool es_kernel_seen_has(const struct es_kernel_seen *seen, const char *folder, uint64_t inode);

/* --- comparing --- */

/*
 * One look at a VM: the kernel's counters, ours, the kernel's again. in_flight: exits
 * among ours that KVM may not have counted when it was read the second time.
 */
struct es_kernel_look {
	struct es_kernel_counts before, bpf, after;
	uint32_t in_flight[ES_KERNEL_SLOTS];
};

/*
 * What all looks together prove of a VM. base is what the kernel counted and we did not:
 * the exits before our programs saw the VM, so it never changes while they stay attached.
 * KVM counts an exit right after the tracepoint we count it in, so for each slot
 *	before - bpf <= base <= after - bpf + in_flight
 * and every look narrows lo..hi. A look outside of it is a difference that came
 * since the first one: off, more (or fewer) exits by the kernel's count.
 */
struct es_kernel_track {
	uint64_t epoch;	/* the caller's: of which attachment this is */
	bool whole;	/* base is 0: KVM made the VM after we attached */
	bool looked;	/* lo and hi are of one look at least */
	int64_t lo[ES_KERNEL_SLOTS], hi[ES_KERNEL_SLOTS], off[ES_KERNEL_SLOTS];
};

void es_kernel_track_init(struct es_kernel_track *t, uint64_t epoch, bool whole);
/* Does the look agree with all that is known? */
bool es_kernel_track_fits(const struct es_kernel_track *t, const struct es_kernel_look *look);
/* Learns from a look: narrows where it fits, and where it does not believes that the counts differ. */
void es_kernel_track_learn(struct es_kernel_track *t, const struct es_kernel_look *look);

enum es_kernel_verdict { ES_KERNEL_UNKNOWN, ES_KERNEL_EXACT, ES_KERNEL_WITHIN, ES_KERNEL_DIFFER };
/* within: the widest lo..hi of any slot; ES_NONE before the first look. */
enum es_kernel_verdict es_kernel_track_verdict(const struct es_kernel_track *t, uint64_t *within);
const char *es_kernel_verdict_name(enum es_kernel_verdict v);	/* "exact", "within", "differ", "unknown" */

/* --- telling --- */

#define ES_KERNEL_DIFFERS 8
struct es_kernel_differ {
	unsigned int slot;
	uint64_t kernel, bpf;	/* as both count now, base included */
	int64_t off;
};

struct es_kernel_vm {
	char *id, *name;
	uint32_t pid;
	enum es_isa isa;
	enum es_kernel_verdict verdict;
	bool whole;
	uint64_t within;	/* ES_NONE unless exact or within */
	uint64_t kernel_total, bpf_total;	/* ES_NONE if not read */
	char why[192];		/* of "unknown", else "" */
	struct es_kernel_differ differs[ES_KERNEL_DIFFERS];
	unsigned int n_differs;
};

struct es_kernel_report {
	bool present;		/* KVM is patched */
	char detail[192];	/* one line: what is compared, or why not and the remedy */
	struct es_kernel_vm *vms;
	size_t n_vms;
};
void es_kernel_report_free(struct es_kernel_report *r);	/* NULL is fine */

#endif
