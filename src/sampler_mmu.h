/* SPDX-License-Identifier: GPL-2.0-only */
/* From a slot's MMU counters to those of a snapshot. Pure. */
#ifndef EXITSTAT_SAMPLER_MMU_H
#define EXITSTAT_SAMPLER_MMU_H

#include <exitstat/snapshot.h>

#include "loader_optional.h"
#include "sampler_cells.h"

/*
 * Sets what m says is measured in c->mmu and c->cr, and leaves the rest. c holds exits_unknown already; cells are the slot's:
 * EPT_MISCONFIG exits are faults on device memory, and SVM has exit codes for accesses to control registers.
 * paging: under shadow paging nothing nested is shadowed apart, a guest's guest has the same shadow pages as
 * the guest itself.
 */
void es_sampler_take_mmu(struct es_counts *c, const struct es_slot *s, const struct es_cells *cells,
			 enum es_paging paging, const struct es_mmu_measured *m);
/* Did the VM shadow a nested hypervisor's tables? */
bool es_mmu_nested(const struct es_mmu *mmu);

#endif
