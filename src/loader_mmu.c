// SPDX-License-Identifier: GPL-2.0-only
#include "loader_mmu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <exitstat/util.h>

#include "loader_types.h"
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

struct es_mmu_programs {
	struct mmu *skel;
	struct es_mmu_measured measured;
	char absent[512];
};

static void note_absent(struct es_mmu_programs *p, const char *name)
{
	size_t used = strlen(p->absent);

	snprintf(p->absent + used, sizeof(p->absent) - used, "%s%s", used ? ", " : "", name);
}

/*
 * Leaves out what this KVM has not, what was not asked for, and kvm_cr on SVM, whose exit codes say the same (and
 * more: without decode assists KVM emulates the access and the event does not fire). Without types it is not known
 * what KVM has, nor what is done for a nested guest.
 */
static int choose(struct es_mmu_programs *p, const struct es_kvm_types *types, enum es_mmu_mode mode,
		  enum es_isa isa)
{
	bool typed = es_kvm_typed(types);
	int r = 0;

	for (size_t i = 0; !r && i < ES_ARRAY_SIZE(tracepoints); i++) {
		const struct tracepoint *t = &tracepoints[i];
		struct bpf_program *prog = bpf_object__find_program_by_name(p->skel->obj, t->name);
		bool there = !typed || es_kvm_types_tracepoint(types, t->name);
		bool by_code = (t->events & CR) && isa == ES_ISA_SVM;

		if (!there)
			note_absent(p, t->name);
		p->measured.cr |= by_code;
		if (!there || by_code || (t->full && mode != ES_MMU_FULL)) {
			r = bpf_program__set_autoload(prog, false);
			continue;
		}
		p->measured.events |= t->events & ~(typed ? CR : CR | NESTED);
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

/* As mmu__open(), which knows of one object: both have the same programs and maps. */
static int open_object(struct es_mmu_programs *p, bool typed)
{
	struct bpf_object_skeleton *s;

	p->skel = calloc(1, sizeof(*p->skel));
	if (!p->skel || mmu__create_skeleton(p->skel))
		return -ENOMEM;
	s = p->skel->skeleton;
	if (!typed)
		s->data = (void *)mmu_raw__elf_bytes(&s->data_sz);
	return bpf_object__open_skeleton(s, NULL);
}

int es_mmu_programs_load(struct bpf_object *life, const struct es_kvm_types *types, enum es_mmu_mode mode,
			 enum es_isa isa, struct es_mmu_programs **out)
{
	struct es_mmu_programs *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	r = open_object(p, es_kvm_typed(types));
	if (!r)
		r = choose(p, types, mode, isa);
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

static void leave_out(struct es_mmu_programs *p, struct bpf_program *prog)
{
	const char *name = bpf_program__name(prog);

	for (size_t i = 0; i < ES_ARRAY_SIZE(tracepoints); i++) {
		if (!strcmp(tracepoints[i].name, name))
			p->measured.events &= ~tracepoints[i].events;
	}
	note_absent(p, name);
	bpf_program__unload(prog);
}

/* Without types it comes out only now which tracepoints there are. */
int es_mmu_programs_attach(struct es_mmu_programs *p)
{
	const struct bpf_object_skeleton *s = p->skel->skeleton;

	for (int i = 0; i < s->prog_cnt; i++) {
		struct bpf_program *prog = *s->progs[i].prog;

		if (!bpf_program__autoload(prog))
			continue;
		*s->progs[i].link = bpf_program__attach(prog);
		if (!*s->progs[i].link && errno != ENOENT)
			return -errno;
		if (!*s->progs[i].link)
			leave_out(p, prog);
	}
	return 0;
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
