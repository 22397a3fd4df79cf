/* SPDX-License-Identifier: GPL-2.0-only */
#include "es_test.h"

#include <errno.h>
#include <math.h>

#include <exitstat/diff.h>
#include <exitstat/hist.h>

/* One VM called name in a snapshot taken at monotonic_ns. */
static struct es_snapshot *one(uint64_t monotonic_ns, const char *name, struct es_vm **vm)
{
	struct es_snapshot *s = es_snapshot_new();

	*vm = es_sample_vm(name, 1);
	s->taken.monotonic_ns = monotonic_ns;
	assert_int_equal(es_snapshot_add(s, *vm), 0);
	return s;
}

static struct es_snapshot *diff(struct es_snapshot *a, struct es_snapshot *b)
{
	struct es_snapshot *d = NULL;

	assert_int_equal(es_diff(a, b, &d), 0);
	es_snapshot_unref(a);
	es_snapshot_unref(b);
	return d;
}

static void counters_are_subtracted(void **state)
{
	struct es_vm *x, *y;
	struct es_snapshot *a = one(1000, "guest1", &x), *b = one(3000, "guest1", &y), *d;
	const struct es_reason *r;

	(void)state;
	es_sample_reason(&x->counts, 10, 100, 1000);
	es_sample_reason(&y->counts, 10, 150, 4000)->flags[ES_FLAG_ENCLAVE] = 4;
	es_sample_reason(&x->counts, 12, 5, 50);
	es_sample_reason(&y->counts, 12, 5, 50);
	es_sample_reason(&y->counts, 99, 1, 7);
	x->counts.time.guest_ns = 10;
	y->counts.time.guest_ns = 25;
	y->counts.time.idle_ns = 5;
	x->counts.mmu.faults.tdp = 3;
	y->counts.mmu.faults.tdp = 3;
	y->state = ES_VM_PAUSED;
	/* Histograms that only grow, as real ones do. */
	memset(x->counts.reasons[0].hist, 0, sizeof(x->counts.reasons[0].hist));
	x->counts.reasons[0].hist[3] = 100;
	memset(y->counts.reasons[0].hist, 0, sizeof(y->counts.reasons[0].hist));
	y->counts.reasons[0].hist[3] = 120;
	y->counts.reasons[0].hist[9] = 30;
	d = diff(a, b);
	assert_int_equal(d->taken.monotonic_ns, 3000);
	assert_int_equal(d->taken.interval_ns, 2000);
	assert_int_equal(d->n_vms, 1);
	assert_int_equal(d->vms[0]->state, ES_VM_PAUSED);
	assert_int_equal(d->vms[0]->counts.n_reasons, 2);
	r = es_counts_find(&d->vms[0]->counts, 10);
	assert_int_equal(r->count, 50);
	assert_int_equal(r->time_ns, 3000);
	assert_int_equal(r->max_ns, ES_NONE);
	assert_int_equal(r->flags[ES_FLAG_ENCLAVE], 4);
	assert_int_equal(r->hist[3], 20);
	assert_int_equal(r->hist[9], 30);
	r = es_counts_find(&d->vms[0]->counts, 99);
	assert_int_equal(r->count, 1);
	assert_int_equal(r->max_ns, ES_NONE);
	assert_int_equal(es_exits_total(&d->vms[0]->counts), 51);
	assert_int_equal(d->vms[0]->counts.time.guest_ns, 15);
	assert_int_equal(d->vms[0]->counts.time.idle_ns, ES_NONE);
	assert_int_equal(d->vms[0]->counts.mmu.faults.tdp, 0);
	assert_int_equal(d->vms[0]->counts.mmu.zap_all, ES_NONE);
	es_snapshot_unref(d);
}

static void new_vm_counts_from_its_start(void **state)
{
	struct es_snapshot *a = es_snapshot_new(), *b, *d;
	struct es_vm *y;

	(void)state;
	b = one(2000, "guest1", &y);
	a->taken.monotonic_ns = 1000;
	es_sample_reason(&y->counts, 10, 150, 4000);
	y->counts.time.guest_ns = 25;
	es_sample_reason(&es_vm_add_vcpu(y, 3)->counts, 10, 150, 4000);
	d = diff(a, b);
	assert_int_equal(d->vms[0]->counts.reasons[0].count, 150);
	assert_int_equal(d->vms[0]->counts.reasons[0].max_ns, ES_NONE);
	assert_true(es_hist_known(d->vms[0]->counts.reasons[0].hist));
	assert_int_equal(d->vms[0]->counts.time.guest_ns, 25);
	assert_int_equal(d->vms[0]->n_per_vcpu, 1);
	assert_int_equal(d->vms[0]->vcpus[0].counts.reasons[0].count, 150);
	es_snapshot_unref(d);
}

/* Snapshots that share a VM: only their times tell how long its vCPUs stayed where they are. */
static void shared_vm_went_on(void **state)
{
	struct es_vm *x;
	struct es_snapshot *a = one(1500, "guest1", &x), *b = es_snapshot_new(), *d;

	(void)state;
	x->counts.time = (struct es_time){ .guest_ns = 10, .idle_ns = 5, .total_ns = 15 };
	x->counts.open = (struct es_open){ .as_of_ns = 1000, .vcpus = { [ES_TIME_IDLE] = 2 } };
	b->taken.monotonic_ns = 1800;
	assert_int_equal(es_snapshot_add(b, es_vm_ref(x)), 0);
	d = diff(a, b);
	assert_int_equal(d->vms[0]->counts.time.idle_ns, 600);
	assert_int_equal(d->vms[0]->counts.time.guest_ns, 0);
	assert_int_equal(d->vms[0]->counts.time.total_ns, 600);
	es_counts_advance(&d->vms[0]->counts, 5000); /* an interval is over */
	assert_int_equal(d->vms[0]->counts.time.idle_ns, 600);
	es_snapshot_unref(d);
}

static void gone_vm_is_left_out(void **state)
{
	struct es_snapshot *a, *b = es_snapshot_new(), *d;
	struct es_vm *x;

	(void)state;
	a = one(1000, "guest1", &x);
	b->taken.monotonic_ns = 2000;
	d = diff(a, b);
	assert_int_equal(d->n_vms, 0);
	es_snapshot_unref(d);
}

static void ended_vm_stays_while_it_did_something(void **state)
{
	struct es_vm *x, *y;
	struct es_snapshot *a, *b, *d;

	(void)state;
	for (unsigned int did = 0; did < 2; did++) {
		a = one(1000, "guest1", &x);
		b = one(2000, "guest1", &y);
		es_sample_reason(&x->counts, 10, 5, 50);
		es_sample_reason(&y->counts, 10, 5 + did, 50 + did);
		y->state = ES_VM_ENDED;
		d = diff(a, b);
		assert_int_equal(d->n_vms, did);
		es_snapshot_unref(d);
	}
	/* New and over already: what it did was in between. */
	a = es_snapshot_new();
	b = one(2000, "guest1", &y);
	es_sample_reason(&y->counts, 10, 5, 50);
	y->state = ES_VM_ENDED;
	d = diff(a, b);
	assert_int_equal(d->n_vms, 1);
	es_snapshot_unref(d);
}

static void impossible_pairs_are_unknown(void **state)
{
	struct es_vm *x, *y;
	struct es_snapshot *a = one(1000, "guest1", &x), *b = one(2000, "guest1", &y), *d;
	const struct es_reason *r;

	(void)state;
	es_sample_reason(&x->counts, 10, 9, 500);
	es_sample_reason(&y->counts, 10, 8, 400);
	es_sample_reason(&x->counts, 11, 9, ES_NONE);
	es_sample_reason(&y->counts, 11, 12, 400);
	x->counts.time.guest_ns = 50;
	y->counts.time.guest_ns = 40;
	d = diff(a, b);
	r = es_counts_find(&d->vms[0]->counts, 10);
	assert_int_equal(r->count, ES_NONE);
	assert_int_equal(r->time_ns, ES_NONE);
	assert_false(es_hist_known(r->hist));
	r = es_counts_find(&d->vms[0]->counts, 11);
	assert_int_equal(r->count, 3);
	assert_int_equal(r->time_ns, ES_NONE);
	assert_false(es_hist_known(r->hist));
	assert_int_equal(d->vms[0]->counts.time.guest_ns, ES_NONE);
	es_snapshot_unref(d);
}

static void two_boots_are_refused(void **state)
{
	struct es_vm *x, *y;
	struct es_snapshot *a = one(2000, "guest1", &x), *b = one(1000, "guest1", &y), *d = NULL;

	(void)state;
	assert_int_equal(es_diff(a, b, &d), -EINVAL);
	assert_null(d);
	a->taken.monotonic_ns = ES_NONE;
	assert_int_equal(es_diff(a, b, &d), 0);
	assert_int_equal(d->taken.interval_ns, ES_NONE);
	es_snapshot_unref(d);
	es_snapshot_unref(a);
	es_snapshot_unref(b);
}

static void vcpus_pair_by_id(void **state)
{
	struct es_vm *x, *y;
	struct es_snapshot *a = one(1000, "guest1", &x), *b = one(2000, "guest1", &y), *d;

	(void)state;
	es_sample_reason(&es_vm_add_vcpu(x, 0)->counts, 10, 5, 50);
	es_sample_reason(&es_vm_add_vcpu(x, 2)->counts, 10, 6, 60);
	es_sample_reason(&es_vm_add_vcpu(y, 2)->counts, 10, 16, 160);
	es_sample_reason(&es_vm_add_vcpu(y, 1)->counts, 10, 9, 90);
	es_sample_reason(&es_vm_add_vcpu(y, 0)->counts, 10, 5, 50);
	d = diff(a, b);
	assert_int_equal(d->vms[0]->n_per_vcpu, 3);
	assert_int_equal(d->vms[0]->vcpus[0].counts.n_reasons, 0);
	assert_int_equal(d->vms[0]->vcpus[1].counts.reasons[0].count, 9);
	assert_int_equal(d->vms[0]->vcpus[2].counts.reasons[0].count, 10);
	es_snapshot_unref(d);
}

/* The first snapshot was taken without per-vCPU counts: they are unknown, not all new. */
static void vcpus_unknown_before_stay_unknown(void **state)
{
	struct es_vm *x, *y;
	struct es_snapshot *a = one(1000, "guest1", &x), *b = one(2000, "guest1", &y), *d;

	(void)state;
	es_sample_reason(&es_vm_add_vcpu(y, 0)->counts, 10, 5, 50);
	d = diff(a, b);
	assert_int_equal(d->vms[0]->n_per_vcpu, 0);
	es_snapshot_unref(d);
}

static void health_is_subtracted_but_for_slots(void **state)
{
	struct es_snapshot *a = es_snapshot_new(), *b = es_snapshot_new(), *d;

	(void)state;
	a->health = (struct es_health_counts){ 10, 100, 5, 6, 7, 8, ES_NONE, 1 };
	b->health = (struct es_health_counts){ 4, 100, 5, 16, 7, 9, 1, 4 };
	d = diff(a, b);
	assert_int_equal(d->health.slots_used, 4);
	assert_int_equal(d->health.slots_max, 100);
	assert_int_equal(d->health.dropped, 0);
	assert_int_equal(d->health.missed, 10);
	assert_int_equal(d->health.unknown_reasons, 1);
	assert_int_equal(d->health.read_errors, ES_NONE);
	assert_int_equal(d->health.unattributed_mmu, 3);
	d->health.unattributed = 7;
	assert_int_equal(es_unattributed_other(&d->health), 4);
	d->health.unattributed_mmu = ES_NONE; /* of a recording that is older than that member */
	assert_int_equal(es_unattributed_other(&d->health), 7);
	es_snapshot_unref(d);
}

/* (c - b) + (b - a) = c - a, for every counter of random VMs. */
static void differences_add_up(void **state)
{
	struct es_snapshot *s[3], *d[3];
	struct es_vm *vm[3];
	struct es_counts sum;
	unsigned int seed = 7;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		s[i] = one(1000 * i, "guest1", &vm[i]);
		if (i)
			assert_int_equal(es_counts_copy(&vm[i]->counts, &vm[i - 1]->counts), 0);
		for (unsigned int k = 0; k < 60; k++) {
			struct es_reason *r = es_counts_reason(&vm[i]->counts, rand_r(&seed) % 90);

			r->count += rand_r(&seed) % 1000;
			r->time_ns += rand_r(&seed);
			r->hist[rand_r(&seed) % ES_HIST_BUCKETS]++;
		}
	}
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(es_diff(s[i == 1 ? 1 : 0], s[i == 0 ? 1 : 2], &d[i]), 0);
	assert_int_equal(es_counts_copy(&sum, &d[0]->vms[0]->counts), 0);
	assert_int_equal(es_counts_add(&sum, &d[1]->vms[0]->counts), 0);
	assert_int_equal(es_exits_total(&sum), es_exits_total(&d[2]->vms[0]->counts));
	assert_int_equal(es_exits_total(&d[2]->vms[0]->counts),
			 es_exits_total(&vm[2]->counts) - es_exits_total(&vm[0]->counts));
	for (size_t i = 0; i < d[2]->vms[0]->counts.n_reasons; i++) {
		const struct es_reason *want = &d[2]->vms[0]->counts.reasons[i];
		const struct es_reason *got = es_counts_find(&sum, want->code);

		assert_int_equal(got->count, want->count);
		assert_int_equal(got->time_ns, want->time_ns);
		assert_memory_equal(got->hist, want->hist, sizeof(want->hist));
	}
	es_counts_clear(&sum);
	for (unsigned int i = 0; i < 3; i++) {
		es_snapshot_unref(s[i]);
		es_snapshot_unref(d[i]);
	}
}

static void small_sums(void **state)
{
	(void)state;
	assert_int_equal(es_diff_u64(3, 10), 7);
	assert_int_equal(es_diff_u64(10, 3), ES_NONE);
	assert_int_equal(es_diff_u64(ES_NONE, 3), ES_NONE);
	assert_int_equal(es_diff_u64(3, ES_NONE), ES_NONE);
	assert_int_equal(es_diff_u64(0, ES_NONE - 1), ES_NONE - 1);
	assert_true(fabs(es_per_second(500, 2000000000) - 250) < 1e-9);
	assert_true(es_per_second(500, 0) == 0);
	assert_true(es_per_second(500, ES_NONE) == 0);
	assert_true(es_per_second(ES_NONE, 5) == 0);
	assert_true(fabs(es_share(1, 4) - 0.25) < 1e-9);
	assert_true(es_share(1, 0) < 0);
	assert_true(es_share(ES_NONE, 4) < 0);
	assert_true(es_share(4, ES_NONE) < 0);
	assert_true(es_share(0, 4) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_are_subtracted),
		cmocka_unit_test(new_vm_counts_from_its_start),
		cmocka_unit_test(shared_vm_went_on),
		cmocka_unit_test(gone_vm_is_left_out),
		cmocka_unit_test(ended_vm_stays_while_it_did_something),
		cmocka_unit_test(impossible_pairs_are_unknown),
		cmocka_unit_test(two_boots_are_refused),
		cmocka_unit_test(vcpus_pair_by_id),
		cmocka_unit_test(vcpus_unknown_before_stay_unknown),
		cmocka_unit_test(health_is_subtracted_but_for_slots),
		cmocka_unit_test(differences_add_up),
		cmocka_unit_test(small_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
