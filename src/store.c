// SPDX-License-Identifier: GPL-2.0-only
/* A ring of immutable snapshots, and the VMs that ended. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <exitstat/store.h>
#include <exitstat/util.h>

/* A VM that ended, and since when: ended_ns, or when we were told if that is not known. */
struct ended {
	struct es_vm *vm;
	uint64_t at_ns;
};

struct es_store {
	struct es_store_options o;
	struct es_snapshot *latest;
	struct es_snapshot **ring; /* newest at head, older ones before it */
	unsigned int head, used;
	struct ended *ended; /* oldest first; room for o.ended_max, so that keeping one never fails */
	unsigned int n_ended;
	uint64_t generation;
};

static int alloc_members(struct es_store *st, const struct es_store_options *o)
{
	_cleanup_free_ struct ended *ended = calloc(o->ended_max + 1, sizeof(*ended));
	_cleanup_free_ struct es_snapshot **ring = calloc(o->ring, sizeof(*ring));

	if (!ended || !ring)
		return -ENOMEM;
	st->ended = es_steal_ptr(&ended);
	st->ring = es_steal_ptr(&ring);
	st->o = *o;
	return 0;
}

struct es_store *es_store_new(const struct es_store_options *o)
{
	struct es_store_options at_least = *o;
	struct es_store *st = calloc(1, sizeof(*st));

	if (at_least.ring < 2)
		at_least.ring = 2;
	if (st && alloc_members(st, &at_least) < 0) {
		free(st);
		return NULL;
	}
	return st;
}

static void free_members(struct es_store *st)
{
	for (unsigned int i = 0; i < st->o.ring; i++)
		es_snapshot_unref(st->ring[i]);
	for (unsigned int i = 0; i < st->n_ended; i++)
		es_vm_unref(st->ended[i].vm);
	free(st->ring);
	free(st->ended);
}

void es_store_free(struct es_store *st)
{
	if (!st)
		return;
	es_snapshot_unref(st->latest);
	free_members(st);
	free(st);
}

static void forget_oldest(struct es_store *st, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		es_vm_unref(st->ended[i].vm);
	st->n_ended -= n;
	memmove(st->ended, st->ended + n, st->n_ended * sizeof(*st->ended));
}

int es_store_configure(struct es_store *st, const struct es_store_options *o)
{
	struct es_store next = { .latest = st->latest, .generation = st->generation };
	struct es_store_options at_least = *o;
	unsigned int keep;

	if (at_least.ring < 2)
		at_least.ring = 2;
	if (alloc_members(&next, &at_least) < 0)
		return -ENOMEM;
	if (st->n_ended > at_least.ended_max)
		forget_oldest(st, st->n_ended - at_least.ended_max);
	for (; next.n_ended < st->n_ended; next.n_ended++) {
		next.ended[next.n_ended] = st->ended[next.n_ended];
		es_vm_ref(next.ended[next.n_ended].vm);
	}
	keep = st->used < at_least.ring ? st->used : at_least.ring;
	for (unsigned int i = 0; i < keep; i++)
		next.ring[keep - 1 - i] = es_snapshot_ref(es_store_tick(st, i));
	next.used = keep;
	next.head = keep ? keep - 1 : 0;
	free_members(st);
	*st = next;
	return 0;
}

/* Oldest first; a VM told twice (a recording does that) replaces itself. */
static void keep_ended(struct es_store *st, struct es_vm *vm, uint64_t now_ns)
{
	uint64_t at = vm->ended_ns == ES_NONE ? now_ns : vm->ended_ns;
	unsigned int i;

	for (i = 0; i < st->n_ended; i++)
		if (!strcmp(st->ended[i].vm->id, vm->id)) {
			es_vm_unref(st->ended[i].vm);
			st->ended[i].vm = es_vm_ref(vm);
			return;
		}
	while (i > 0 && st->ended[i - 1].at_ns > at)
		i--;
	memmove(st->ended + i + 1, st->ended + i, (st->n_ended - i) * sizeof(*st->ended));
	st->ended[i] = (struct ended){ es_vm_ref(vm), at };
	st->n_ended++;
	if (st->n_ended > st->o.ended_max)
		forget_oldest(st, 1);
}

void es_store_add_ended(struct es_store *st, struct es_vm *vm, uint64_t now_ns)
{
	keep_ended(st, vm, now_ns);
}

static void expire_ended(struct es_store *st, uint64_t now_ns)
{
	unsigned int n = 0;

	while (n < st->n_ended && now_ns > st->ended[n].at_ns &&
	       now_ns - st->ended[n].at_ns > st->o.ended_keep_ns)
		n++;
	forget_oldest(st, n);
}

/* What is answered: the live VMs of s in its order, then the ended ones, the newest first. */
static struct es_snapshot *make_view(const struct es_store *st, const struct es_snapshot *s)
{
	struct es_snapshot *view = es_snapshot_new();

	if (!view)
		return NULL;
	view->host = s->host;
	view->taken = s->taken;
	view->health = s->health;
	for (size_t i = 0; i < s->n_vms; i++)
		if (s->vms[i]->state != ES_VM_ENDED && es_snapshot_add(view, es_vm_ref(s->vms[i])) < 0)
			goto fail;
	for (unsigned int i = st->n_ended; i > 0; i--)
		if (es_snapshot_add(view, es_vm_ref(st->ended[i - 1].vm)) < 0)
			goto fail;
	return view;
fail:
	es_snapshot_unref(view);
	return NULL;
}

static void push(struct es_store *st, struct es_snapshot *view)
{
	const struct es_snapshot *newest = es_store_tick(st, 0);

	/* Two looks at one instant are one: the last line of a recording stays the last. */
	if (!newest || newest->taken.monotonic_ns != view->taken.monotonic_ns) {
		st->head = (st->head + 1) % st->o.ring;
		if (st->used < st->o.ring)
			st->used++;
	}
	es_snapshot_unref(st->ring[st->head]);
	st->ring[st->head] = es_snapshot_ref(view);
}

int es_store_put(struct es_store *st, struct es_snapshot *s, bool tick)
{
	struct es_snapshot *view;

	/* First of all: a VM that ended is told once, and its final counts must not be lost. */
	for (size_t i = 0; i < s->n_vms; i++)
		if (s->vms[i]->state == ES_VM_ENDED)
			keep_ended(st, s->vms[i], s->taken.monotonic_ns);
	expire_ended(st, s->taken.monotonic_ns);
	view = make_view(st, s);
	es_snapshot_unref(s);
	if (!view)
		return -ENOMEM;
	if (tick)
		push(st, view);
	es_snapshot_unref(st->latest);
	st->latest = view;
	st->generation++;
	return 0;
}

struct es_snapshot *es_store_latest(const struct es_store *st)
{
	return st->latest;
}

struct es_snapshot *es_store_tick(const struct es_store *st, unsigned int n)
{
	if (n >= st->used)
		return NULL;
	return st->ring[(st->head + st->o.ring - n) % st->o.ring];
}

uint64_t es_store_generation(const struct es_store *st)
{
	return st->generation;
}
