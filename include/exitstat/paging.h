/* SPDX-License-Identifier: GPL-2.0-only */
/* What address translation costs a VM, out of its counts. Pure. */
#ifndef EXITSTAT_PAGING_H
#define EXITSTAT_PAGING_H

#include <exitstat/reasons.h>
#include <exitstat/snapshot.h>

/*
 * Paging cost: the exits, and the time in them, that exist only because of how guest addresses are
 * translated. What the processor's own walks of the page tables cost is not in it: they are no exits.
 *
 * All of class paging: EPT_VIOLATION, EPT_MISCONFIG, NPF, and what logs written pages; guest page faults,
 * INVLPG, INVPCID and their kin, which KVM intercepts under shadow paging only (in a VM with nested paging
 * they come from a hypervisor inside it that shadows).
 * Under shadow paging reads and writes of CR3 too. Not CR0 and CR4: KVM intercepts those in any mode.
 *
 * VMX has one code for all exceptions and one for all control registers. Under shadow paging these count:
 * - of EXCEPTION_NMI as many as were #PF (flag page_fault). No such flag: all, unless faults.shadow says 0.
 * - of CR_ACCESS as many as cr3 says, read and write. cr3 not measured: all (nearly all of them are CR3's).
 * - of the time of such a reason the same part; an estimate, since times are kept per reason.
 * Mode not known: the cost is not known either.
 */
struct es_paging_cost {
	uint64_t exits, time_ns;	 /* ES_NONE: not measured */
	double exit_share, time_share;	 /* of all exits, of all exit time; negative: not known */
};
/* Does an exit of this code count as paging in a VM of that mode, if only in part? ES_PAGING_NONE: none does. */
bool es_paging_exit(enum es_isa isa, enum es_paging mode, uint32_t code);
void es_paging_cost(enum es_isa isa, enum es_paging mode, const struct es_counts *c, struct es_paging_cost *out);

#define ES_PAGING_SENTENCE 256
/*
 * One plain sentence on what dominates: "Shadow paging is 78% of the exits and 64% of the time outside
 * the guest, mostly INVLPG: the guest drops translations, as after page table changes."
 * ASCII, at most 160 columns. c: of one interval or in total.
 */
const char *es_paging_sentence(char buf[ES_PAGING_SENTENCE], enum es_isa isa, enum es_paging mode, bool nested,
			       const struct es_counts *c);

/* What paging makes KVM do, a counter each: all of struct es_counts' mmu and cr, in the order for readers. */
enum es_paging_shown {
	ES_PAGING_SHOWN,
	ES_PAGING_SHOWN_L2,   /* in a VM that runs guests itself */
	ES_PAGING_SHOWN_FULL, /* if measured: exitstatd --mmu full */
};
struct es_paging_event {
	const char *key;  /* its place in JSON: "mmu.faults.tdp" */
	const char *name; /* in tables */
	const char *help;
	size_t at; /* in struct es_counts */
	enum es_paging_shown shown;
};
const struct es_paging_event *es_paging_events(size_t *n);
uint64_t es_paging_event_count(const struct es_paging_event *e, const struct es_counts *c);
/* Is it for this VM? Measured or not does not matter, but for those of --mmu full. */
bool es_paging_event_shown(const struct es_paging_event *e, bool nested, const struct es_counts *c);
/* Is any of them measured? */
bool es_paging_events_known(const struct es_counts *c);

#endif
