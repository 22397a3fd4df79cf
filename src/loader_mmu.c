// SPDX-License-Identifier: GPL-2.0-only
/* The programs on KVM's MMU: a part of the loader. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <exitstat/util.h>

#include "loader_optional.h"
#include "mmu.skel.h"
#include "mmu_raw.skel.h"

#define EVENT(e) (1ull << ES_MMU_##e)
#define SIZES(s) (EVENT(s##4K) | EVENT(s##2M) | EVENT(s##1G))
#define BOTH(e)	 (EVENT(PAGES_##e) | EVENT(NESTED_##e))
#define CR	 (1ull << 63)
#define NESTED	 (~0ull << ES_MMU_NESTED_FAULTS) /* the last of the events */

/* Programs are called as their tracepoints. full: too hot for what they tell, see docs/mmu.md. */
static const struct tracepoint {
	const char *name;
	bool full;
	uint64_t events;
} tracepoints[] = {
	{ "kvm_page_fault", false,
	  EVENT(FAULT_TDP) | EVENT(FAULT_SHADOW) | EVENT(FAULT_MMIO) | EVENT(NESTED_FAULTS) },
	{ "kvm_cr", false, CR },
	{ "kvm_mmu_get_page", false, BOTH(CREATED) | BOTH(REUSED) },
	{ "kvm_mmu_sync_page", false, BOTH(SYNCED) },
	{ "kvm_mmu_unsync_page", false, BOTH(UNSYNCED) },
	{ "kvm_mmu_prepare_zap_page", false, BOTH(ZAPPED) },
	{ "kvm_mmu_set_spte", false, SIZES(SPTES_) | SIZES(NESTED_) },
	{ "kvm_mmu_zap_all_fast", false, EVENT(ZAP_ALL) },
	{ "kvm_mmu_split_huge_page", false, EVENT(HUGE_SPLITS) },
	{ "kvm_mmu_pagetable_walk", true, EVENT(GUEST_WALKS) | EVENT(NESTED_GUEST_WALKS) },
	{ "kvm_mmu_spte_requested", true, EVENT(SPTE_REQUESTS) },
	{ "kvm_tdp_mmu_spte_changed", true, EVENT(TDP_CHANGES) },
	{ "fast_page_fault", true, EVENT(FAST_ATTEMPTS) },
};

static const struct tracepoint *tracepoint_of(const char *name)
{
	for (size_t i = 0; i < ES_ARRAY_SIZE(tracepoints); i++) {
		if (!strcmp(tracepoints[i].name, name))
			return &tracepoints[i];
	}
	return NULL;
}

/* SVM's exit codes say it (and more: without decode assists KVM emulates the access and kvm_cr does not fire). */
static bool cr_by_code(const struct es_optional_host *host)
{
	return host->isa == ES_ISA_SVM;
}

static bool wanted(const char *tracepoint, const struct es_optional_host *host)
{
	const struct tracepoint *t = tracepoint_of(tracepoint);

	return t && !((t->events & CR) && cr_by_code(host)) && (!t->full || host->mmu == ES_MMU_FULL);
}

/* Without types it is not known what is done for a nested guest. */
static void measures(const char *tracepoint, bool typed, struct es_measured *m)
{
	uint64_t events = tracepoint_of(tracepoint)->events;

	m->mmu.events |= events & ~(typed ? CR : CR | NESTED);
	m->mmu.cr |= events & CR;
}

/* Which of its fault counters this KVM has. */
static int begin(const struct es_optional_host *host, struct es_measured *m)
{
	struct es_kvm_layout layout = { 0 };
	uint32_t key = 0;

	if (bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(host->life, "layout"), &key, &layout))
		return -errno;
	for (size_t i = 0; i < ES_PFS; i++)
		m->mmu.pf[i] = layout.pf[i] != 0;
	m->mmu.cr = cr_by_code(host);
	return 0;
}

const struct es_optional_kind es_optional_mmu = {
	.name = "mmu",
	.elf = mmu__elf_bytes,
	.elf_raw = mmu_raw__elf_bytes,
	.begin = begin,
	.wanted = wanted,
	.measures = measures,
};
