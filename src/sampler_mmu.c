// SPDX-License-Identifier: GPL-2.0-only
#include "sampler_mmu.h"

#include <exitstat/util.h>

#define VMX_EPT_MISCONFIG 49

/* SVM's exit codes for control registers (APM Vol. 2, appendix C): read 0x00 + n, write 0x10 + n, and these. */
#define SVM_WRITE_CR	  0x10
#define SVM_CR0_SEL_WRITE 0x65
#define SVM_WRITE_CR_TRAP 0x90 /* + n: SEV-ES, after the write */
#define SVM_CRS		  16

#define FAULTS                                                                                \
	(1ull << ES_MMU_FAULT_TDP | 1ull << ES_MMU_FAULT_SHADOW | 1ull << ES_MMU_FAULT_MMIO | \
	 1ull << ES_MMU_NESTED_FAULTS)

/* clang-format off */
#define AT(member) offsetof(struct es_mmu, member)

/* Where an event is shown; with: where shadow paging shows it. */
static const struct place {
	size_t at, with;
} places[ES_MMU_EVENTS] = {
	[ES_MMU_FAULT_TDP] = { AT(faults.tdp), 0 },
	[ES_MMU_FAULT_SHADOW] = { AT(faults.shadow), 0 },
	[ES_MMU_FAULT_MMIO] = { AT(faults.mmio), 0 },
	[ES_MMU_GUEST_WALKS] = { AT(guest_walks), 0 },
	[ES_MMU_PAGES_CREATED] = { AT(shadow_pages.created), 0 },
	[ES_MMU_PAGES_REUSED] = { AT(shadow_pages.reused), 0 },
	[ES_MMU_PAGES_SYNCED] = { AT(shadow_pages.synced), 0 },
	[ES_MMU_PAGES_UNSYNCED] = { AT(shadow_pages.unsynced), 0 },
	[ES_MMU_PAGES_ZAPPED] = { AT(shadow_pages.zapped), 0 },
	[ES_MMU_SPTES_4K] = { AT(sptes.s4k), 0 },
	[ES_MMU_SPTES_2M] = { AT(sptes.s2m), 0 },
	[ES_MMU_SPTES_1G] = { AT(sptes.s1g), 0 },
	[ES_MMU_ZAP_ALL] = { AT(zap_all), 0 },
	[ES_MMU_HUGE_SPLITS] = { AT(huge_splits), 0 },
	[ES_MMU_SPTE_REQUESTS] = { AT(spte_requests), 0 },
	[ES_MMU_TDP_CHANGES] = { AT(tdp_changes), 0 },
	[ES_MMU_FAST_ATTEMPTS] = { AT(fast_attempts), 0 },
	[ES_MMU_NESTED_FAULTS] = { AT(nested.faults), AT(faults.shadow) },
	[ES_MMU_NESTED_GUEST_WALKS] = { AT(nested.guest_walks), AT(guest_walks) },
	[ES_MMU_NESTED_CREATED] = { AT(nested.created), AT(shadow_pages.created) },
	[ES_MMU_NESTED_REUSED] = { AT(nested.reused), AT(shadow_pages.reused) },
	[ES_MMU_NESTED_SYNCED] = { AT(nested.synced), AT(shadow_pages.synced) },
	[ES_MMU_NESTED_UNSYNCED] = { AT(nested.unsynced), AT(shadow_pages.unsynced) },
	[ES_MMU_NESTED_ZAPPED] = { AT(nested.zapped), AT(shadow_pages.zapped) },
	[ES_MMU_NESTED_4K] = { AT(nested.s4k), AT(sptes.s4k) },
	[ES_MMU_NESTED_2M] = { AT(nested.s2m), AT(sptes.s2m) },
	[ES_MMU_NESTED_1G] = { AT(nested.s1g), AT(sptes.s1g) },
};

static const size_t pf_places[ES_PFS] = {
	[ES_PF_FIXED] = AT(faults.fixed), [ES_PF_FAST] = AT(faults.fast),
	[ES_PF_SPURIOUS] = AT(faults.spurious), [ES_PF_EMULATED] = AT(faults.emulated),
};

static const enum es_cr cr_places[ES_CR_REGS] = { ES_CR0, ES_CR3, ES_CR4, ES_CR8 };
/* clang-format on */

static uint64_t *member(struct es_mmu *mmu, size_t at)
{
	return (uint64_t *)((char *)mmu + at);
}

static void take_events(struct es_mmu *mmu, const struct es_slot *s, bool shadow,
			const struct es_mmu_measured *m)
{
	for (unsigned int e = 0; e < ES_MMU_EVENTS; e++) {
		uint64_t n = s->mmu[e] + s->mmu_others[e];

		if (!(m->events & (1ull << e)))
			continue;
		/* The nested twins come after those with which they are shown. */
		if (shadow && places[e].with)
			*member(mmu, places[e].with) += n;
		else
			*member(mmu, places[e].at) = n;
	}
}

static void take_faults(struct es_counts *c, const struct es_slot *s, const struct es_cells *cells,
			const struct es_mmu_measured *m)
{
	/* On top of what take_events set just now; else it would add up from look to look. */
	for (unsigned int i = 0; s->isa == ES_ISA_VMX && i < cells->n; i++) {
		if (cells->tally[i].code == VMX_EPT_MISCONFIG && m->events & (1ull << ES_MMU_FAULT_MMIO))
			c->mmu.faults.mmio += cells->tally[i].count;
	}
	for (unsigned int i = 0; i < ES_PFS; i++) {
		if (m->pf[i] && s->pf[i] >= s->pf_born[i])
			*member(&c->mmu, pf_places[i]) = s->pf[i] - s->pf_born[i];
	}
}

static struct es_cr_count *cr_of(struct es_counts *c, uint32_t number)
{
	static const struct {
		uint32_t number;
		enum es_cr cr;
	} crs[] = { { 0, ES_CR0 }, { 3, ES_CR3 }, { 4, ES_CR4 }, { 8, ES_CR8 } };

	for (size_t i = 0; i < ES_ARRAY_SIZE(crs); i++) {
		if (crs[i].number == number)
			return &c->cr[crs[i].cr];
	}
	return NULL;
}

static void take_cr_of_code(struct es_counts *c, const struct es_tally *t)
{
	bool write = t->code >= SVM_WRITE_CR;
	uint32_t number = t->code % SVM_CRS;
	struct es_cr_count *cr;

	if (t->code == SVM_CR0_SEL_WRITE)
		number = 0;
	else if (t->code >= SVM_WRITE_CR + SVM_CRS && t->code / SVM_CRS != SVM_WRITE_CR_TRAP / SVM_CRS)
		return;
	cr = cr_of(c, number);
	if (cr)
		*(write ? &cr->write : &cr->read) += t->count;
}

static void take_cr(struct es_counts *c, const struct es_slot *s, const struct es_cells *cells)
{
	for (unsigned int i = 0; i < ES_CR_REGS; i++) {
		c->cr[cr_places[i]].read = s->cr[i];
		c->cr[cr_places[i]].write = s->cr[ES_CR_REGS + i];
	}
	for (unsigned int i = 0; s->isa == ES_ISA_SVM && i < cells->n; i++)
		take_cr_of_code(c, &cells->tally[i]);
}

void es_sampler_take_mmu(struct es_counts *c, const struct es_slot *s, const struct es_cells *cells,
			 enum es_paging paging, const struct es_mmu_measured *m)
{
	struct es_mmu_measured measured = *m;

	/* A KVM without kvm_exit has no kvm_page_fault and no kvm_cr either. */
	if (c->exits_unknown)
		measured.events &= ~FAULTS;
	take_events(&c->mmu, s, paging == ES_PAGING_SHADOW, &measured);
	take_faults(c, s, cells, &measured);
	if (m->cr && !c->exits_unknown)
		take_cr(c, s, cells);
}

bool es_mmu_nested(const struct es_mmu *mmu)
{
	const uint64_t *n = (const uint64_t *)&mmu->nested;

	for (size_t i = 0; i < sizeof(mmu->nested) / sizeof(*n); i++) {
		if (n[i] && n[i] != ES_NONE)
			return true;
	}
	return false;
}
