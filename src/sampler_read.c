// SPDX-License-Identifier: GPL-2.0-only
/* One slot: a copy of it as it was at one moment, and what is new in it. */
#include <errno.h>
#include <string.h>

#include <exitstat/reasons.h>
#include <exitstat/util.h>

#include "sampler_mmu.h"
#include "sampler_priv.h"

#define READ_TRIES	  1000 /* a writer holds a slot for less than a microsecond */
#define VMX_EXCEPTION_NMI 0

bool es_sampler_moved(const struct es_sampler *sp, const struct vcpu *v)
{
	const struct es_slot *s = &sp->slots[v->slot];

	return __atomic_load_n(&s->seq, __ATOMIC_ACQUIRE) != v->seq ||
	       __atomic_load_n(&s->others, __ATOMIC_ACQUIRE) != v->others;
}

const struct look *es_sampler_read(struct es_sampler *sp, uint32_t slot, const struct es_cells *kept)
{
	const struct es_slot *s = &sp->slots[slot];
	struct look *l = sp->look;

	for (int tries = 0; tries < READ_TRIES; tries++) {
		uint32_t seq = __atomic_load_n(&s->seq, __ATOMIC_ACQUIRE);

		if (seq & 1)
			continue;
		memcpy(&l->slot, s, offsetof(struct es_slot, cell_of));
		if (l->slot.cells_used > ES_CELLS)
			l->slot.cells_used = ES_CELLS;
		l->n = 0;
		for (unsigned int i = ES_CELL_NONE + 1; i < l->slot.cells_used; i++) {
			if (kept && !es_cells_news(kept, i - 1, &s->cells[i]))
				continue;
			l->slot.cells[l->n] = s->cells[i];
			l->cells[l->n++] = (uint8_t)i;
		}
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&s->seq, __ATOMIC_RELAXED) == seq)
			return l;
	}
	return NULL;
}

/* sum holds was, and is to hold is in its place. What was measured once stays measured. */
static uint64_t replaced(uint64_t sum, uint64_t was, uint64_t is)
{
	if (is == was || is == ES_NONE)
		return sum;
	if (sum == ES_NONE)
		return is;
	return sum + is - (was == ES_NONE ? 0 : was);
}

/* True: there was something to replace. */
static bool replace(uint64_t *sum, const uint64_t *was, const uint64_t *is, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		any |= was[i] != is[i];
		sum[i] = replaced(sum[i], was[i], is[i]);
	}
	return any;
}

/* --- reasons --- */

/* Page faults are seen at the next entry, which counts-only mode does not watch, in what only a KVM with types shows. */
static void set_page_faults(const struct es_sampler *sp, struct es_counts *c, uint64_t was, uint64_t is)
{
	struct es_reason *r = es_counts_reason(c, VMX_EXCEPTION_NMI);
	bool seen = es_keeper_latency(sp->keeper) && es_keeper_typed(sp->keeper);

	if (r)
		r->flags[ES_FLAG_PAGE_FAULT] =
			seen ? replaced(r->flags[ES_FLAG_PAGE_FAULT], was, is) : ES_NONE;
}

static struct es_cells_measured measured(const struct es_sampler *sp)
{
	return (struct es_cells_measured){ .latency = es_keeper_latency(sp->keeper),
					   .flags = es_keeper_flags(sp->keeper) };
}

static int take_cell(struct es_sampler *sp, struct vm *vm, struct vcpu *v, unsigned int i,
		     const struct es_cell *cell)
{
	const struct es_cells_measured m = measured(sp);
	uint64_t count = i < v->cells.n ? v->cells.tally[i].count : 0;
	int r = es_cells_take(&v->cells, i, cell, &m, &vm->counts);

	if (r < 0)
		return r;
	vm->changed |= r;
	if (!count && !es_reason_info(sp->look->slot.isa, cell->code))
		v->unnamed |= 1ull << i;
	vm->nested |= cell->flags[ES_FLAG_L2] != 0;
	v->excepted |= cell->code == VMX_EXCEPTION_NMI && sp->look->slot.isa == ES_ISA_VMX;
	if (v->unnamed & (1ull << i))
		sp->unknown_reasons += cell->count - count;
	return 0;
}

/* The last cell may have been handed out for an exit that is about to be counted. */
static int take_cells(struct es_sampler *sp, struct vm *vm, struct vcpu *v)
{
	const struct look *l = sp->look;
	int r = 0;

	for (unsigned int k = 0; !r && k < l->n && l->slot.cells[k].count; k++)
		r = take_cell(sp, vm, v, l->cells[k] - 1, &l->slot.cells[k]);
	if (!r && v->excepted) {
		set_page_faults(sp, &vm->counts, v->page_faults, l->slot.page_faults);
		v->page_faults = l->slot.page_faults;
	}
	return r;
}

int es_sampler_counts(const struct es_sampler *sp, const struct vcpu *v, struct es_counts *out)
{
	const struct es_cells_measured m = measured(sp);
	int r;

	*out = v->counts;
	r = es_cells_copy(&v->cells, &m, out);
	if (!r && v->excepted)
		set_page_faults(sp, out, 0, v->page_faults);
	return r;
}

/* --- the rest --- */

static bool same_open(const struct es_open *a, const struct es_open *b)
{
	return !memcmp(a->vcpus, b->vcpus, sizeof(a->vcpus));
}

/* As of the VM's time, which is that of the vCPU of it that was read last. */
static bool take_time(struct es_sampler *sp, struct vm *vm, struct vcpu *v, uint64_t now)
{
	struct es_open was = v->counts.open;
	uint64_t seen = vm->seen_ns > sp->sampled_ns ? vm->seen_ns : sp->sampled_ns;
	struct es_time before;

	if (!es_keeper_latency(sp->keeper) || v->counts.exits_unknown)
		return false;
	es_counts_advance(&vm->counts, now);
	es_counts_advance(&v->counts, vm->counts.open.as_of_ns);
	before = v->counts.time;
	es_account_take(&v->account, &sp->look->slot, now, seen);
	es_account_show(&v->account, &v->counts);
	es_counts_advance(&v->counts, vm->counts.open.as_of_ns);
	for (unsigned int i = 0; i < ES_TIME_PARTS; i++)
		vm->counts.open.vcpus[i] += v->counts.open.vcpus[i] - was.vcpus[i];
	return replace(ES_U64S(vm->counts.time), ES_U64S(before), ES_U64S(v->counts.time),
		       ES_N_U64S(before)) ||
	       !same_open(&was, &v->counts.open);
}

static bool take_mmu(struct es_sampler *sp, struct vm *vm, struct vcpu *v)
{
	struct es_cr_count cr[ES_CRS];
	struct es_mmu mmu = v->counts.mmu;
	bool any;

	memcpy(cr, v->counts.cr, sizeof(cr));
	es_sampler_take_mmu(&v->counts, &sp->look->slot, &v->cells, vm->paging, es_keeper_mmu(sp->keeper));
	any = replace(ES_U64S(vm->counts.mmu), ES_U64S(mmu), ES_U64S(v->counts.mmu), ES_N_U64S(mmu));
	any |= replace(ES_U64S(vm->counts.cr), ES_U64S(cr), ES_U64S(v->counts.cr), ES_N_U64S(cr));
	vm->nested |= es_mmu_nested(&v->counts.mmu);
	return any;
}

/* In user space, as far as is known: a vCPU that is halted in KVM may be said to be, too. */
static bool in_vmm(const struct vcpu *v)
{
	return v->state == ES_STATE_VMM && !v->asleep;
}

static void take_state(struct es_sampler *sp, struct vm *vm, struct vcpu *v, uint64_t now)
{
	const struct es_slot *s = &sp->look->slot;
	bool looked = s->look_seq == s->seq, was_silent = v->counts.exits_unknown;

	vm->n_vmm -= in_vmm(v);
	v->state = s->state & ES_STATE_MASK;
	v->asleep = looked && s->look_halted;
	v->queued = looked && s->look_queued;
	v->since_ns = s->since_ns;
	v->pid = s->tgid;
	v->tid = s->tid;
	vm->n_vmm += in_vmm(v);
	v->counts.exits_unknown = vm->silent && !s->isa;
	vm->n_silent += v->counts.exits_unknown;
	vm->n_silent -= was_silent;
	vm->counts.exits_unknown = vm->n_silent != 0;
	vm->pid = s->tgid;
	if (s->isa)
		vm->isa = s->isa;
	sp->seen_exits |= s->isa != 0;
	v->others = s->others;
	if (v->seq != s->seq)
		v->seq_ns = now;
	v->seq = s->seq;
}

int es_sampler_take(struct es_sampler *sp, struct vm *vm, struct vcpu *v, bool all, uint64_t now)
{
	const struct look *l = es_sampler_read(sp, v->slot, all ? NULL : &v->cells);
	int r;

	if (!l)
		return 0;
	r = take_cells(sp, vm, v);
	if (r)
		return r;
	vm->changed |= vm->pid != l->slot.tgid;
	take_state(sp, vm, v, now);
	vm->changed |= take_time(sp, vm, v, now);
	vm->changed |= take_mmu(sp, vm, v);
	return 0;
}
