/* SPDX-License-Identifier: GPL-2.0-only */
#include "es_test.h"

#include <errno.h>

#include <exitstat/hist.h>

static void counts_start_unknown(void **state)
{
	struct es_counts c;
	const uint64_t *mmu = (const uint64_t *)&c.mmu;

	(void)state;
	es_counts_init(&c);
	assert_int_equal(c.n_reasons, 0);
	assert_int_equal(c.time.guest_ns, ES_NONE);
	assert_int_equal(c.time.runqueue_ns, ES_NONE);
	for (size_t i = 0; i < sizeof(c.mmu) / sizeof(*mmu); i++)
		assert_int_equal(mmu[i], ES_NONE);
	assert_int_equal(c.cr[ES_CR8].write, ES_NONE);
	assert_int_equal(es_exits_total(&c), 0);
	assert_int_equal(es_exits_time_ns(&c), 0);
	es_counts_clear(&c);
}

static void reasons_stay_sorted(void **state)
{
	struct es_counts c;

	(void)state;
	es_counts_init(&c);
	/* 37 and 101 are coprime: every code below 101 once, far from sorted. */
	for (uint32_t i = 0; i < 101; i++) {
		struct es_reason *r = es_counts_reason(&c, i * 37 % 101);

		assert_non_null(r);
		assert_int_equal(r->count, 0);
		assert_true(es_hist_known(r->hist));
		r->count = i * 37 % 101 + 1;
	}
	assert_int_equal(es_counts_reason(&c, UINT32_MAX)->count, 0);
	assert_int_equal(c.n_reasons, 102);
	for (uint32_t i = 0; i < 101; i++) {
		assert_int_equal(c.reasons[i].code, i);
		assert_ptr_equal(es_counts_find(&c, i), &c.reasons[i]);
		assert_ptr_equal(es_counts_reason(&c, i), &c.reasons[i]);
		assert_int_equal(c.reasons[i].count, i + 1);
	}
	assert_null(es_counts_find(&c, 101));
	es_counts_clear(&c);
	assert_null(es_counts_find(&c, 0));
}

static void copy_is_deep(void **state)
{
	struct es_counts a, b;

	(void)state;
	es_counts_init(&a);
	for (uint32_t i = 0; i < 5; i++)
		es_sample_reason(&a, i, i + 1, 100 * i);
	a.mmu.zap_all = 9;
	assert_int_equal(es_counts_copy(&b, &a), 0);
	a.reasons[0].count = 77;
	assert_int_equal(b.reasons[0].count, 1);
	assert_int_equal(b.mmu.zap_all, 9);
	/* A copy grows like any other. */
	for (uint32_t i = 5; i < 40; i++)
		es_sample_reason(&b, i, 1, 1);
	assert_int_equal(b.n_reasons, 40);
	es_counts_clear(&a);
	es_counts_clear(&b);
	assert_int_equal(es_counts_copy(&b, &a), 0);
	assert_null(b.reasons);
	es_counts_clear(&b);
}

static void add_merges(void **state)
{
	struct es_counts a, b;

	(void)state;
	es_counts_init(&a);
	es_counts_init(&b);
	es_sample_reason(&a, 10, 5, 500);
	es_sample_reason(&a, 30, 1, ES_NONE);
	es_sample_reason(&b, 5, 2, 20);
	es_sample_reason(&b, 10, 7, 7000)->flags[ES_FLAG_BUS_LOCK] = 3;
	es_sample_reason(&b, 30, 2, 80);
	es_sample_reason(&b, 40, 1, 1);
	a.time.guest_ns = 10;
	b.time.guest_ns = 5;
	b.time.idle_ns = 3;
	b.cr[ES_CR3].write = 12;
	assert_int_equal(es_counts_add(&a, &b), 0);
	assert_int_equal(a.n_reasons, 4);
	assert_int_equal(es_counts_find(&a, 10)->count, 12);
	assert_int_equal(es_counts_find(&a, 10)->time_ns, 7500);
	assert_int_equal(es_counts_find(&a, 10)->max_ns, 10000);
	assert_int_equal(es_counts_find(&a, 10)->flags[ES_FLAG_BUS_LOCK], 3);
	assert_int_equal(es_hist_sum(es_counts_find(&a, 10)->hist), 12);
	/* Unknown on one side: the other side's. */
	assert_int_equal(es_counts_find(&a, 30)->count, 3);
	assert_int_equal(es_counts_find(&a, 30)->time_ns, 80);
	assert_int_equal(es_hist_sum(es_counts_find(&a, 30)->hist), 2);
	assert_int_equal(es_counts_find(&a, 5)->count, 2);
	assert_int_equal(a.time.guest_ns, 15);
	assert_int_equal(a.time.idle_ns, 3);
	assert_int_equal(a.time.vmm_ns, ES_NONE);
	assert_int_equal(a.cr[ES_CR3].write, 12);
	assert_int_equal(a.cr[ES_CR3].read, ES_NONE);
	assert_int_equal(es_exits_total(&a), 12 + 3 + 2 + 1);
	assert_int_equal(es_exits_time_ns(&a), 7500 + 80 + 20 + 1);
	es_counts_clear(&a);
	es_counts_clear(&b);
}

static void time_is_unknown_only_if_all_is(void **state)
{
	struct es_counts c;

	(void)state;
	es_counts_init(&c);
	es_sample_reason(&c, 1, 5, ES_NONE);
	assert_int_equal(es_exits_time_ns(&c), ES_NONE);
	es_sample_reason(&c, 2, 5, 7);
	assert_int_equal(es_exits_time_ns(&c), 7);
	assert_int_equal(es_exits_total(&c), 10);
	es_counts_clear(&c);
}

/* A sum must not come out as "not measured", nor start again at nothing. */
static void sums_do_not_wrap(void **state)
{
	struct es_counts c;

	(void)state;
	es_counts_init(&c);
	es_sample_reason(&c, 1, ES_NONE - 1, 0);
	es_sample_reason(&c, 2, 1, 0);
	assert_int_equal(es_exits_total(&c), ES_NONE - 1);
	es_sample_reason(&c, 3, 1000, 0);
	assert_int_equal(es_exits_total(&c), ES_NONE - 1);
	es_counts_clear(&c);
}

static void vm_lives_as_long_as_it_is_used(void **state)
{
	struct es_vm *vm = es_vm_new("id", NULL);
	struct es_snapshot *a = es_snapshot_new(), *b = es_snapshot_new();

	(void)state;
	assert_string_equal(vm->name, "");
	assert_int_equal(vm->since_ns, ES_NONE);
	assert_int_equal(vm->uid, UINT32_MAX);
	assert_int_equal(es_snapshot_add(a, es_vm_ref(vm)), 0);
	assert_int_equal(es_snapshot_add(b, es_vm_ref(vm)), 0);
	es_vm_unref(vm);
	es_snapshot_unref(a);
	assert_string_equal(b->vms[0]->id, "id");
	es_snapshot_ref(b);
	es_snapshot_unref(b);
	assert_string_equal(b->vms[0]->id, "id");
	es_snapshot_unref(b);
	es_snapshot_unref(NULL);
	es_vm_unref(NULL);
}

static void vcpus_are_in_order(void **state)
{
	static const uint32_t ids[] = { 3, 0, 7, 1, 255, 2, 100, 4, 5 };
	struct es_vm *vm = es_vm_new("id", "name");

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(ids); i++) {
		struct es_vcpu *v = es_vm_add_vcpu(vm, ids[i]);

		assert_int_equal(v->vcpu_id, ids[i]);
		assert_int_equal(v->counts.time.guest_ns, ES_NONE);
		es_sample_reason(&v->counts, ids[i], 1, 1);
	}
	for (size_t i = 0; i < vm->n_per_vcpu; i++) {
		assert_true(!i || vm->vcpus[i - 1].vcpu_id < vm->vcpus[i].vcpu_id);
		assert_int_equal(vm->vcpus[i].counts.reasons[0].code, vm->vcpus[i].vcpu_id);
	}
	es_vm_unref(vm);
}

static void new_snapshot_knows_nothing(void **state)
{
	struct es_snapshot *s = es_snapshot_new();

	(void)state;
	assert_int_equal(s->n_vms, 0);
	assert_int_equal(s->host.isa, ES_ISA_NONE);
	assert_int_equal(s->host.tdp, ES_UNKNOWN);
	assert_int_equal(s->taken.monotonic_ns, ES_NONE);
	assert_int_equal(s->health.dropped, ES_NONE);
	es_snapshot_unref(s);
}

static void words(void **state)
{
	(void)state;
	assert_string_equal(es_isa_name(ES_ISA_VMX), "vmx");
	assert_null(es_isa_name(ES_ISA_NONE));
	assert_null(es_isa_name((enum es_isa)99));
	assert_string_equal(es_paging_name(ES_PAGING_SHADOW), "shadow");
	assert_null(es_paging_name(ES_PAGING_NONE));
	assert_string_equal(es_vm_state_name(ES_VM_ENDED), "ended");
	assert_int_equal(es_isa_parse("svm"), ES_ISA_SVM);
	assert_int_equal(es_isa_parse(""), -EINVAL);
	assert_int_equal(es_paging_parse("ept"), ES_PAGING_EPT);
	assert_int_equal(es_paging_parse("EPT"), -EINVAL);
	assert_int_equal(es_vm_state_parse("running"), ES_VM_RUNNING);
	assert_int_equal(es_vm_state_parse("runnin"), -EINVAL);
}

/* What was open goes on; two that are of different times come to the later one. */
static void open_time_goes_on(void **state)
{
	struct es_counts a, b;

	(void)state;
	es_counts_init(&a);
	es_counts_init(&b);
	a.time = (struct es_time){ .guest_ns = 10, .idle_ns = 5, .total_ns = 15 };
	a.open = (struct es_open){ .as_of_ns = 1000, .vcpus = { [ES_TIME_IDLE] = 1 } };
	b.time = (struct es_time){ .guest_ns = 7, .total_ns = 7 };
	b.open = (struct es_open){ .as_of_ns = 1300, .vcpus = { [ES_TIME_GUEST] = 2 } };
	assert_int_equal(es_counts_add(&a, &b), 0);
	assert_int_equal(a.open.as_of_ns, 1300);
	assert_int_equal(a.time.idle_ns, 305);
	assert_int_equal(a.time.guest_ns, 17);
	assert_int_equal(a.time.total_ns, 322);
	es_counts_advance(&a, 1200); /* not backwards, and not to a time that is not known */
	es_counts_advance(&a, ES_NONE);
	assert_int_equal(a.time.total_ns, 322);
	es_counts_advance(&a, 1310);
	assert_int_equal(a.time.idle_ns, 315);
	assert_int_equal(a.time.guest_ns, 37);
	assert_int_equal(a.time.total_ns, 352);
	assert_int_equal(a.time.kernel_ns, 0);
	assert_int_equal(b.open.as_of_ns, 1300);
	/* The other way round, into one that has nothing yet. */
	es_counts_init(&a);
	assert_int_equal(es_counts_add(&a, &b), 0);
	assert_memory_equal(&a.time, &b.time, sizeof(a.time));
	assert_memory_equal(&a.open, &b.open, sizeof(a.open));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_start_unknown),
		cmocka_unit_test(reasons_stay_sorted),
		cmocka_unit_test(copy_is_deep),
		cmocka_unit_test(add_merges),
		cmocka_unit_test(time_is_unknown_only_if_all_is),
		cmocka_unit_test(sums_do_not_wrap),
		cmocka_unit_test(vm_lives_as_long_as_it_is_used),
		cmocka_unit_test(vcpus_are_in_order),
		cmocka_unit_test(new_snapshot_knows_nothing),
		cmocka_unit_test(words),
		cmocka_unit_test(open_time_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
