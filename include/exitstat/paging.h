/* SPDX-License-Identifier: GPL-2.0-only */
/* What address translation costs a VM, out of its counts. Pure. */
#ifndef EXITSTAT_PAGING_H
#define EXITSTAT_PAGING_H

#include <exitstat/reasons.h>
#include <exitstat/snapshot.h>

/*
 * Paging cost: the exits, and the time in them, that exist only because of how guest addresses are
 * translated. Nested paging: EPT_VIOLATION, EPT_MISCONFIG, NPF (class paging). Shadow paging: page faults
 * (of VMX' EXCEPTION_NMI the share that was #PF, if known), INVLPG and its kin, and reads and writes of CR3.
 */
struct es_paging_cost {
	uint64_t exits, time_ns;	 /* ES_NONE: not measured */
	double exit_share, time_share;	 /* of all exits, of all exit time; negative: not known */
};
/* Does an exit of this code count as paging in a VM of that mode? */
bool es_paging_exit(enum es_isa isa, enum es_paging mode, uint32_t code);
void es_paging_cost(enum es_isa isa, enum es_paging mode, const struct es_counts *c, struct es_paging_cost *out);

#define ES_PAGING_SENTENCE 256
/*
 * One plain sentence on what dominates: "Shadow paging is 78% of the exits and 64% of the time outside
 * the guest, mostly INVLPG: the guest changes its page tables often." c: of one interval or in total.
 */
const char *es_paging_sentence(char buf[ES_PAGING_SENTENCE], enum es_isa isa, enum es_paging mode, bool nested,
			       const struct es_counts *c);

#endif
