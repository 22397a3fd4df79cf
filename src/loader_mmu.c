// SPDX-License-Identifier: GPL-2.0-only
#include "loader_mmu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <exitstat/util.h>

#include "mmu.skel.h"

#define EVENT(e) (1ull << ES_MMU_##e)
#define SIZES(s) (EVENT(s##4K) | EVENT(s##2M) | EVENT(s##1G))
#define BOTH(e)	 (EVENT(PAGES_##e) | EVENT(NESTED_##e))
#define CR	 (1ull << 63)

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

struct es_mmu_programs {
	struct mmu *skel;
	struct es_mmu_measured measured;
	char absent[512];
};

/* Types of the KVM that is loaded: a module's, or the kernel's own if it is built in. */
struct kvm_types {
	struct btf *kernel, *module;
};

static void kvm_types_free(struct kvm_types *t)
{
	btf__free(t->module);
	btf__free(t->kernel);
}

static int kvm_types_load(struct kvm_types *t)
{
	t->kernel = btf__load_vmlinux_btf();
	if (!t->kernel)
		return -errno;
	t->module = btf__load_module_btf("kvm", t->kernel);
	return 0;
}

static bool has_tracepoint(const struct kvm_types *t, const char *name)
{
	char type[64];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	/* Looks through the kernel's, too. */
	return btf__find_by_name_kind(t->module ? t->module : t->kernel, type, BTF_KIND_TYPEDEF) > 0;
}

static void note_absent(struct es_mmu_programs *p, const char *name)
{
	size_t used = strlen(p->absent);

	snprintf(p->absent + used, sizeof(p->absent) - used, "%s%s", used ? ", " : "", name);
}

/*
 * Leaves out what this KVM has not, what was not asked for, and kvm_cr on SVM, whose exit codes say the same (and
 * more: without decode assists KVM emulates the access and the event does not fire).
 */
static int choose(struct es_mmu_programs *p, enum es_mmu_mode mode, enum es_isa isa)
{
	_cleanup_(kvm_types_free) struct kvm_types types = { 0 };
	int r = kvm_types_load(&types);

	for (size_t i = 0; !r && i < ES_ARRAY_SIZE(tracepoints); i++) {
		const struct tracepoint *t = &tracepoints[i];
		struct bpf_program *prog = bpf_object__find_program_by_name(p->skel->obj, t->name);
		bool there = has_tracepoint(&types, t->name);
		bool by_code = (t->events & CR) && isa == ES_ISA_SVM;

		if (!there)
			note_absent(p, t->name);
		p->measured.cr |= by_code;
		if (!there || by_code || (t->full && mode != ES_MMU_FULL)) {
			r = bpf_program__set_autoload(prog, false);
			continue;
		}
		p->measured.events |= t->events & ~CR;
		p->measured.cr |= t->events & CR;
	}
	return r;
}

int es_share_maps(struct bpf_object *to, struct bpf_object *from)
{
	struct bpf_map *m, *theirs;

	bpf_object__for_each_map(m, to)
	{
		int r;

		theirs = bpf_object__find_map_by_name(from, bpf_map__name(m));
		r = theirs && !bpf_map__is_internal(m) ? bpf_map__reuse_fd(m, bpf_map__fd(theirs)) : 0;
		if (r)
			return r;
	}
	return 0;
}

/* Which of its fault counters this KVM has. */
static int read_layout(struct es_mmu_programs *p, struct bpf_object *life)
{
	struct es_kvm_layout layout = { 0 };
	uint32_t key = 0;

	if (bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(life, "layout"), &key, &layout))
		return -errno;
	for (size_t i = 0; i < ES_PFS; i++)
		p->measured.pf[i] = layout.pf[i] != 0;
	return 0;
}

int es_mmu_programs_load(struct bpf_object *life, enum es_mmu_mode mode, enum es_isa isa,
			 struct es_mmu_programs **out)
{
	struct es_mmu_programs *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->skel = mmu__open();
	r = p->skel ? choose(p, mode, isa) : -errno;
	if (!r)
		r = es_share_maps(p->skel->obj, life);
	if (!r)
		r = mmu__load(p->skel);
	if (!r)
		r = read_layout(p, life);
	if (r) {
		es_mmu_programs_free(p);
		return r;
	}
	*out = p;
	return 0;
}

int es_mmu_programs_attach(struct es_mmu_programs *p)
{
	return mmu__attach(p->skel);
}

void es_mmu_programs_detach(struct es_mmu_programs *p)
{
	mmu__detach(p->skel);
}

void es_mmu_programs_free(struct es_mmu_programs *p)
{
	if (!p)
		return;
	mmu__destroy(p->skel);
	free(p);
}

struct bpf_object *es_mmu_programs_object(const struct es_mmu_programs *p)
{
	return p->skel->obj;
}

const struct es_mmu_measured *es_mmu_programs_measured(const struct es_mmu_programs *p)
{
	return &p->measured;
}

const char *es_mmu_programs_absent(const struct es_mmu_programs *p)
{
	return p->absent;
}
