/* SPDX-License-Identifier: GPL-2.0-only */
#include <exitstat/diff.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <exitstat/hist.h>
#include <exitstat/util.h>

uint64_t es_diff_u64(uint64_t a, uint64_t b)
{
	return a == ES_NONE || b == ES_NONE || b < a ? ES_NONE : b - a;
}

/* d, which holds the later values, becomes the difference to a. */
static void sub_u64s(uint64_t *d, const uint64_t *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		d[i] = es_diff_u64(a[i], d[i]);
}

static void sub_hist(uint64_t *d, const uint64_t *a)
{
	bool known = es_hist_known(d) && es_hist_known(a);

	for (size_t i = 0; known && i < ES_HIST_BUCKETS; i++) {
		d[i] = es_diff_u64(a[i], d[i]);
		known = d[i] != ES_NONE;
	}
	if (known)
		return;
	memset(d, 0, ES_HIST_BUCKETS * sizeof(*d));
	d[0] = ES_NONE;
}

static void sub_reason(struct es_reason *d, const struct es_reason *a)
{
	d->count = es_diff_u64(a->count, d->count);
	d->time_ns = es_diff_u64(a->time_ns, d->time_ns);
	sub_hist(d->hist, a->hist);
	sub_u64s(d->flags, a->flags, ES_FLAGS);
}

/* The times of both snapshots, which are those of all their VMs. */
struct span {
	uint64_t from_ns, to_ns;
};

/* Both as of their snapshots' times, the difference with nothing open. */
static void sub_time(struct es_counts *d, const struct es_counts *a, const struct span *span)
{
	struct es_counts then;

	es_counts_advance(d, span->to_ns);
	memset(&d->open, 0, sizeof(d->open));
	if (!a)
		return;
	then = *a;
	es_counts_advance(&then, span->from_ns);
	sub_u64s(ES_U64S(d->time), ES_U64S(then.time), ES_N_U64S(d->time));
}

/* a NULL: the VM or vCPU is new, and all it did was in between. */
static void sub_counts(struct es_counts *d, const struct es_counts *a, const struct span *span)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n_reasons; i++) {
		struct es_reason *r = &d->reasons[i];
		const struct es_reason *before = a ? es_counts_find(a, r->code) : NULL;

		if (before)
			sub_reason(r, before);
		/* The greatest time since the VM's start is not the greatest one in between. */
		r->max_ns = ES_NONE;
		if (r->count)
			d->reasons[kept++] = *r;
	}
	d->n_reasons = kept;
	sub_time(d, a, span);
	if (!a)
		return;
	sub_u64s(ES_U64S(d->mmu), ES_U64S(a->mmu), ES_N_U64S(d->mmu));
	sub_u64s(ES_U64S(d->cr), ES_U64S(a->cr), ES_N_U64S(d->cr));
}

static const struct es_vcpu *find_vcpu(const struct es_vm *vm, uint32_t vcpu_id)
{
	size_t lo = 0, hi = vm->n_per_vcpu;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (vm->vcpus[mid].vcpu_id < vcpu_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < vm->n_per_vcpu && vm->vcpus[lo].vcpu_id == vcpu_id ? &vm->vcpus[lo] : NULL;
}

static int diff_vcpus(struct es_vm *d, const struct es_vm *a, const struct es_vm *b, const struct span *span)
{
	/* Not told apart before: unknown, not new. */
	if (a && !a->n_per_vcpu)
		return 0;
	for (size_t i = 0; i < b->n_per_vcpu; i++) {
		const struct es_vcpu *before = a ? find_vcpu(a, b->vcpus[i].vcpu_id) : NULL;
		struct es_vcpu *v = es_vm_add_vcpu(d, b->vcpus[i].vcpu_id);

		if (!v || es_counts_copy(&v->counts, &b->vcpus[i].counts) < 0)
			return -ENOMEM;
		sub_counts(&v->counts, before ? &before->counts : NULL, span);
	}
	return 0;
}

static struct es_vm *diff_vm(const struct es_vm *a, const struct es_vm *b, const struct span *span)
{
	struct es_vm *d = es_vm_new(b->id, b->name);

	if (!d)
		return NULL;
	d->pid = b->pid;
	d->uid = b->uid;
	d->n_vcpus = b->n_vcpus;
	d->since_ns = b->since_ns;
	d->ended_ns = b->ended_ns;
	d->state = b->state;
	d->paging = b->paging;
	d->nested = b->nested;
	if (es_counts_copy(&d->counts, &b->counts) < 0 || diff_vcpus(d, a, b, span) < 0) {
		es_vm_unref(d);
		return NULL;
	}
	sub_counts(&d->counts, a ? &a->counts : NULL, span);
	return d;
}

static bool did_nothing(const struct es_vm *d)
{
	const uint64_t *time = ES_U64S(d->counts.time);

	for (size_t i = 0; i < ES_N_U64S(d->counts.time); i++)
		if (time[i] && time[i] != ES_NONE)
			return false;
	return !d->counts.n_reasons;
}

static int compare_ids(const void *pa, const void *pb)
{
	const struct es_vm *const *a = pa, *const *b = pb;

	return strcmp((*a)->id, (*b)->id);
}

/* The VMs of s by id, for bsearch; NULL when out of memory. */
static struct es_vm **sorted_by_id(const struct es_snapshot *s)
{
	struct es_vm **vms = calloc(s->n_vms + 1, sizeof(*vms));

	if (!vms)
		return NULL;
	if (s->n_vms)
		memcpy(vms, s->vms, s->n_vms * sizeof(*vms));
	qsort(vms, s->n_vms, sizeof(*vms), compare_ids);
	return vms;
}

static int diff_vms(struct es_snapshot *d, const struct es_snapshot *a, const struct es_snapshot *b)
{
	const struct span span = { a->taken.monotonic_ns, b->taken.monotonic_ns };
	_cleanup_free_ struct es_vm **before = sorted_by_id(a);

	if (!before)
		return -ENOMEM;
	for (size_t i = 0; i < b->n_vms; i++) {
		struct es_vm **at = bsearch(&b->vms[i], before, a->n_vms, sizeof(*before), compare_ids);
		struct es_vm *vm = diff_vm(at ? *at : NULL, b->vms[i], &span);
		int r;

		if (!vm)
			return -ENOMEM;
		if (at && vm->state == ES_VM_ENDED && did_nothing(vm)) {
			es_vm_unref(vm);
			continue;
		}
		r = es_snapshot_add(d, vm);
		if (r < 0)
			return r;
	}
	return 0;
}

int es_diff(const struct es_snapshot *a, const struct es_snapshot *b, struct es_snapshot **out)
{
	uint64_t slots_used = b->health.slots_used, slots_max = b->health.slots_max;
	struct es_snapshot *d;
	int r;

	if (a->taken.monotonic_ns != ES_NONE && b->taken.monotonic_ns != ES_NONE &&
	    b->taken.monotonic_ns < a->taken.monotonic_ns)
		return -EINVAL;
	d = es_snapshot_new();
	if (!d)
		return -ENOMEM;
	d->host = b->host;
	d->taken = b->taken;
	d->taken.interval_ns = es_diff_u64(a->taken.monotonic_ns, b->taken.monotonic_ns);
	d->health = b->health;
	sub_u64s(ES_U64S(d->health), ES_U64S(a->health), ES_N_U64S(d->health));
	d->health.slots_used = slots_used;
	d->health.slots_max = slots_max;
	r = diff_vms(d, a, b);
	if (r < 0) {
		es_snapshot_unref(d);
		return r;
	}
	*out = d;
	return 0;
}

uint64_t es_unattributed_other(const struct es_health_counts *h)
{
	return h->unattributed_mmu == ES_NONE ? h->unattributed
					      : es_diff_u64(h->unattributed_mmu, h->unattributed);
}

double es_per_second(uint64_t count, uint64_t interval_ns)
{
	if (count == ES_NONE || interval_ns == ES_NONE || !interval_ns)
		return 0;
	return (double)count * 1e9 / (double)interval_ns;
}

double es_share(uint64_t part, uint64_t whole)
{
	if (part == ES_NONE || whole == ES_NONE || !whole)
		return -1;
	return (double)part / (double)whole;
}
