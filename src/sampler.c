// SPDX-License-Identifier: GPL-2.0-only
#include "sampler.h"

#include <errno.h>
#include <stdlib.h>

#include <exitstat/util.h>

#include "sampler_priv.h"

/* --- there and gone --- */

static int alloc_members(struct es_sampler *sp)
{
	size_t n = 1;

	while (n < sp->n_slots)
		n *= 2;
	sp->mask = n - 1;
	sp->owner = calloc(sp->n_slots, sizeof(*sp->owner));
	sp->active = calloc(sp->n_slots, sizeof(*sp->active));
	sp->pending = calloc(sp->n_slots, sizeof(*sp->pending));
	sp->some.slots = calloc(sp->n_slots, sizeof(*sp->some.slots));
	sp->some.states = calloc(sp->n_slots, sizeof(*sp->some.states));
	sp->some.parked = calloc(sp->n_slots, sizeof(*sp->some.parked));
	sp->happened = calloc((size_t)sp->n_slots * 2, sizeof(*sp->happened));
	sp->by_kvm = calloc(n, sizeof(struct vm *));
	sp->look = malloc(sizeof(*sp->look));
	return sp->owner && sp->active && sp->pending && sp->some.slots && sp->some.states &&
			       sp->some.parked && sp->happened && sp->by_kvm && sp->look
		       ? 0
		       : -ENOMEM;
}

struct es_sampler *es_sampler_new(struct es_keeper *keeper, const char *proc)
{
	struct es_sampler *sp = calloc(1, sizeof(*sp));

	if (!sp)
		return NULL;
	sp->keeper = keeper;
	sp->proc = proc;
	sp->epoch = ES_NONE; /* the first look is at all slots: a daemon before may have left them */
	sp->slots = es_keeper_slots(keeper, &sp->n_slots);
	if (alloc_members(sp)) {
		es_sampler_free(sp);
		return NULL;
	}
	return sp;
}

void es_sampler_free(struct es_sampler *sp)
{
	if (!sp)
		return;
	for (size_t i = 0; i < sp->n_vms; i++)
		es_sampler_free_vm(sp->vms[i]);
	free(sp->vms);
	free(sp->owner);
	free(sp->active);
	free(sp->pending);
	free(sp->some.slots);
	free(sp->some.states);
	free(sp->some.parked);
	free(sp->happened);
	free(sp->by_kvm);
	free(sp->look);
	free(sp);
}

/* --- the snapshot --- */

/* Each vCPU for itself is four fifths of a snapshot: only for who asks, and for the last word on a VM. */
static struct es_vm *new_view(const struct es_sampler *sp, const struct vm *vm, bool per_vcpu)
{
	struct es_vm *view = es_vm_new(vm->id, vm->name);
	int r;

	if (!view)
		return NULL;
	view->pid = vm->pid;
	view->uid = vm->uid;
	view->n_vcpus = vm->n_vcpus;
	view->since_ns = vm->since_ns;
	view->ended_ns = vm->ended_ns;
	view->state = vm->state;
	view->paging = vm->paging;
	view->nested = vm->nested;
	r = es_counts_copy(&view->counts, &vm->counts);
	for (size_t i = 0; !r && per_vcpu && i < vm->n_vcpus; i++) {
		struct es_vcpu *v = es_vm_add_vcpu(view, vm->vcpus[i]->vcpu_id);

		r = v ? es_sampler_counts(sp, vm->vcpus[i], &v->counts) : -ENOMEM;
		if (!r && vm->no_waits)
			v->counts.time.runqueue_ns = ES_NONE;
	}
	if (vm->no_waits)
		view->counts.time.runqueue_ns = ES_NONE;
	if (r) {
		es_vm_unref(view);
		return NULL;
	}
	return view;
}

/* VMs that did nothing since the last call share their view with the last snapshot. */
static int add_view(const struct es_sampler *sp, struct vm *vm, bool per_vcpu, struct es_snapshot *snap)
{
	per_vcpu |= vm->state == ES_VM_ENDED;
	if (vm->changed || !vm->view || (per_vcpu && !vm->view->n_per_vcpu)) {
		struct es_vm *view = new_view(sp, vm, per_vcpu);

		if (!view)
			return -ENOMEM;
		es_vm_unref(vm->view);
		vm->view = view;
		vm->changed = false;
	}
	return es_snapshot_add(snap, es_vm_ref(vm->view));
}

/* What its thread does now is in the slot, and may be other than what was read. */
static bool looks_different(const struct es_slot *s, const struct vcpu *v)
{
	bool looked = s->look_seq == v->seq;

	return (looked && s->look_halted) != v->asleep || (looked && s->look_queued) != v->queued;
}

/*
 * The slots of vCPUs that did something since the last sample, and a last time when they have come to rest: what
 * they did without changing seq is then behind them.
 */
static int read_active(struct es_sampler *sp, uint64_t now)
{
	int r = 0;

	es_keeper_read_threads(sp->keeper, sp->active, sp->n_active);
	sp->visited = sp->n_active;
	for (size_t i = 0; !r && i < sp->n_active; i++) {
		struct vm *vm = sp->owner[sp->active[i]].vm;
		struct vcpu *v = sp->owner[sp->active[i]].vcpu;
		const struct es_slot *s = &sp->slots[v->slot];

		if (vm->silent || es_sampler_moved(sp, v)) {
			v->settled = false;
			r = es_sampler_take(sp, vm, v, false, now);
		} else if (!v->settled || v->queued || looks_different(s, v)) {
			r = es_sampler_take(sp, vm, v, !v->settled, now);
			v->settled = !r;
		}
	}
	return r;
}

/* Neither gone nor parked. */
static bool is_awake(const struct es_sampler *sp, const struct vcpu *v)
{
	return v->slot != NO_SLOT && (v->place != NO_PLACE || es_sampler_moved(sp, v));
}

/* Of one VM; whether its vCPUs are at rest is left to the samples. */
static int read_vm(struct es_sampler *sp, struct vm *vm, uint64_t now)
{
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < vm->n_vcpus; i++) {
		if (is_awake(sp, vm->vcpus[i]))
			sp->some.slots[n++] = vm->vcpus[i]->slot;
	}
	es_keeper_read_threads(sp->keeper, sp->some.slots, n);
	for (size_t i = 0; !r && i < n; i++) {
		struct vcpu *v = sp->owner[sp->some.slots[i]].vcpu;

		if (vm->silent || es_sampler_moved(sp, v))
			v->settled = v->parking = false;
		r = es_sampler_take(sp, vm, v, false, now);
	}
	vm->seen_ns = now;
	return r;
}

int es_sampler_sample(struct es_sampler *sp, const struct es_kvm_host *host, bool per_vcpu,
		      struct es_snapshot **out)
{
	struct es_snapshot *snap = es_snapshot_new();
	uint64_t now, realtime;
	int r = snap ? 0 : -ENOMEM;

	/* The time first: what a program adds while we read is then never in the future. */
	now = es_monotonic_ns();
	realtime = es_clock_ns(CLOCK_REALTIME);
	es_sampler_hear(sp, now);
	if (!r)
		r = es_sampler_follow_slots(sp, host, now);
	if (!r)
		r = read_active(sp, now);
	if (!r)
		es_sampler_judge(sp, now);
	for (size_t i = 0; !r && i < sp->n_vms; i++)
		r = add_view(sp, sp->vms[i], per_vcpu, snap);
	if (r) {
		es_snapshot_unref(snap);
		return r;
	}
	es_sampler_park(sp);
	for (size_t i = 0; i < sp->n_vms; i++) {
		sp->vms[i]->told = sp->vms[i]->state == ES_VM_ENDED;
		sp->told |= sp->vms[i]->told;
	}
	sp->sampled_ns = now;
	sp->news = false;
	snap->taken.monotonic_ns = now;
	snap->taken.realtime_ns = realtime;
	*out = snap;
	return 0;
}

static struct vm *vm_of(const struct es_sampler *sp, const struct es_vm *view)
{
	for (size_t i = 0; i < sp->n_vms; i++) {
		if (sp->vms[i]->view == view)
			return sp->vms[i];
	}
	return NULL;
}

int es_sampler_look(struct es_sampler *sp, const struct es_snapshot *at, bool per_vcpu,
		    struct es_snapshot **out)
{
	struct es_snapshot *snap = es_snapshot_new();
	int r = snap ? 0 : -ENOMEM;

	if (r)
		return r;
	snap->taken.monotonic_ns = es_monotonic_ns();
	snap->taken.realtime_ns = es_clock_ns(CLOCK_REALTIME);
	for (size_t i = 0; !r && i < at->n_vms; i++) {
		struct vm *vm = vm_of(sp, at->vms[i]);
		struct es_vm *view;

		r = vm && !vm->ending ? read_vm(sp, vm, snap->taken.monotonic_ns) : -ESRCH;
		if (r)
			break;
		view = new_view(sp, vm, per_vcpu);
		r = view ? es_snapshot_add(snap, view) : -ENOMEM;
	}
	if (r) {
		es_snapshot_unref(snap);
		return r;
	}
	*out = snap;
	return 0;
}

bool es_sampler_listen(struct es_sampler *sp)
{
	es_sampler_hear(sp, es_monotonic_ns());
	return sp->news;
}

/* --- what is known of it all --- */

unsigned int es_sampler_slots_used(const struct es_sampler *sp)
{
	return sp->slots_used;
}

uint64_t es_sampler_unknown_reasons(const struct es_sampler *sp)
{
	return sp->unknown_reasons;
}

bool es_sampler_seen_exits(const struct es_sampler *sp)
{
	return sp->seen_exits;
}

size_t es_sampler_visited(const struct es_sampler *sp)
{
	return sp->visited;
}
