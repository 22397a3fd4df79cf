/* SPDX-License-Identifier: GPL-2.0-only */
#include "es_test.h"

#include <errno.h>
#include <math.h>

#include <exitstat/compare.h>

#include "boots.h"

static char err[ES_ERR_MAX];

static void compared(struct boots *b, enum es_per per)
{
	if (es_compare(b->runs, b->vms, 2, per, &b->c, err))
		fail_msg("%s", err);
}

static void done(struct boots *b)
{
	es_compare_clear(&b->c);
	es_boots_clear(b);
}

static const struct es_compare_row *row(const struct es_compare *c, const char *name)
{
	for (size_t i = 0; i < c->n_reasons; i++)
		if (!strcmp(c->reasons[i].name, name))
			return &c->reasons[i];
	for (size_t i = 0; i < c->n_classes; i++)
		if (!strcmp(c->classes[i].name, name))
			return &c->classes[i];
	fail_msg("no row %s", name);
	return NULL;
}

/* Does some warning hold this text? */
static bool warned(const struct es_compare *c, const char *text)
{
	for (size_t i = 0; i < c->n_warnings; i++)
		if (strstr(c->warnings[i], text))
			return true;
	return false;
}

static void near(double a, double b)
{
	if (!(fabs(a - b) < 1e-9))
		fail_msg("%.12g is not %.12g", a, b);
}

static void sums(const struct es_compare *c, const struct es_compare_row *rows, size_t n)
{
	for (size_t k = 0; k < c->n_sides; k++) {
		uint64_t count = 0, time = 0;
		double per = 0, explained = 0, explained_time = 0;

		for (size_t i = 0; i < n; i++) {
			count += rows[i].side[k].count;
			time += rows[i].side[k].time_ns;
			per += rows[i].side[k].n;
			explained += rows[i].side[k].explained;
			explained_time += rows[i].side[k].explained_time;
		}
		assert_int_equal(count, c->total.side[k].count);
		assert_int_equal(time, c->total.side[k].time_ns);
		near(per, c->total.side[k].n);
		if (k) {
			near(explained, 1);
			near(explained_time, 1);
		}
	}
}

static void rows_sum_to_the_totals(void **state)
{
	static const enum es_per all[] = { ES_PER_SECOND, ES_PER_GUEST_SECOND, ES_PER_TOTAL };

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(all); i++) {
		struct boots b;

		es_boots(&b);
		compared(&b, all[i]);
		sums(&b.c, b.c.reasons, b.c.n_reasons);
		sums(&b.c, b.c.classes, b.c.n_classes);
		done(&b);
	}
}

static void rates_ratios_and_parts(void **state)
{
	const struct es_compare_row *r;
	struct boots b;
	double whole = 81020 / 20.0 - 8000 / 10.0;

	(void)state;
	es_boots(&b);
	compared(&b, ES_PER_SECOND);
	assert_int_equal(b.c.total.side[0].count, 8000);
	assert_int_equal(b.c.total.side[1].count, 81020);
	near(b.c.total.side[0].n, 800);
	near(b.c.total.side[1].n, 4051);
	near(b.c.total.side[1].ratio, 4051 / 800.0);
	near(b.c.total.side[0].ratio, 1);
	near(b.c.total.side[1].explained, 1);
	r = row(&b.c, "CPUID");
	near(r->side[0].n, 100);
	near(r->side[1].n, 100);
	near(r->side[1].ratio, 1);
	near(r->side[1].explained, 0);
	near(r->side[1].ns, 100000);
	r = row(&b.c, "NPF");
	assert_int_equal(r->side[1].count, 0);
	assert_int_equal(r->side[1].time_ns, 0);
	near(r->side[1].ratio, 0);
	near(r->side[1].explained, -400 / whole);
	r = row(&b.c, "INVLPG");
	assert_true(isinf(r->side[1].ratio));
	near(r->side[1].explained, 2000 / whole);
	/* The greatest difference first, up or down. */
	assert_string_equal(b.c.reasons[0].name, "INVLPG");
	assert_string_equal(b.c.reasons[1].name, "EXCP_PF");
	assert_string_equal(b.c.reasons[2].name, "WRITE_CR3");
	assert_string_equal(b.c.reasons[3].name, "NPF");
	assert_string_equal(b.c.reasons[b.c.n_reasons - 1].name, "CPUID");
	assert_string_equal(b.c.classes[0].name, "paging");
	assert_int_equal(row(&b.c, "cr")->side[1].count, 16020);
	/* Paging under shadow paging is CR3 too. */
	assert_int_equal(b.c.sides[0].paging.exits, 4000);
	assert_int_equal(b.c.sides[1].paging.exits, 76020);
	assert_int_equal(b.c.n_warnings, 0);
	done(&b);
}

static void per_guest_second_and_total(void **state)
{
	struct boots b;

	(void)state;
	es_boots(&b);
	compared(&b, ES_PER_GUEST_SECOND);
	near(b.c.total.side[0].n, 8000 / 5.0);
	near(b.c.total.side[1].n, 81020 / 10.0);
	es_compare_clear(&b.c);
	compared(&b, ES_PER_TOTAL);
	near(b.c.total.side[1].ratio, 81020 / 8000.0);
	es_compare_clear(&b.c);
	b.vm[1].counts.time.guest_ns = ES_NONE;
	assert_int_equal(es_compare(b.runs, b.vms, 2, ES_PER_GUEST_SECOND, &b.c, err), -EINVAL);
	assert_non_null(strstr(err, "shadow.jsonl has no guest time"));
	/* Without the VM's own span, that of the run. */
	b.vm[0].span_ns = ES_NONE;
	compared(&b, ES_PER_SECOND);
	near(b.c.total.side[0].n, 800);
	done(&b);
}

static void the_main_reasons_explain(void **state)
{
	struct boots b;
	size_t at[3], n;
	double explained, whole = 81020 - 8000;

	(void)state;
	es_boots(&b);
	compared(&b, ES_PER_TOTAL);
	n = es_compare_main(&b.c, 1, at, &explained);
	assert_int_equal(n, 3);
	assert_string_equal(b.c.reasons[at[0]].name, "INVLPG");
	assert_string_equal(b.c.reasons[at[2]].name, "WRITE_CR3");
	near(explained, 76000 / whole);
	es_compare_clear(&b.c);
	/* One that is nearly all stands alone. */
	b.vm[1].counts.reasons[es_counts_find(&b.vm[1].counts, INVLPG) - b.vm[1].counts.reasons].count =
		4000000;
	compared(&b, ES_PER_TOTAL);
	assert_int_equal(es_compare_main(&b.c, 1, at, &explained), 1);
	done(&b);
}

static void the_same_twice_has_nothing_to_explain(void **state)
{
	struct boots b;
	size_t at[3];
	double explained;

	(void)state;
	es_boots(&b);
	b.runs[1] = b.runs[0];
	b.vms[1] = b.vms[0];
	compared(&b, ES_PER_SECOND);
	near(b.c.total.side[1].ratio, 1);
	assert_true(isnan(b.c.total.side[1].explained));
	assert_true(isnan(b.c.reasons[0].side[1].explained));
	assert_int_equal(es_compare_main(&b.c, 1, at, &explained), 0);
	assert_int_equal(b.c.n_warnings, 0);
	done(&b);
}

static void vendors_do_not_mix(void **state)
{
	struct boots b;

	(void)state;
	es_boots(&b);
	b.run[1].host.isa = ES_ISA_VMX;
	assert_int_equal(es_compare(b.runs, b.vms, 2, ES_PER_SECOND, &b.c, err), -EXDEV);
	assert_non_null(strstr(err, "nested.jsonl is of AMD (SVM), shadow.jsonl of Intel (VMX)"));
	done(&b);
}

static void what_makes_it_hard_is_said(void **state)
{
	struct boots b;

	(void)state;
	es_boots(&b);
	strcpy(b.run[1].host.kernel, "6.12");
	strcpy(b.run[1].host.hostname, "other");
	b.run[1].cut = true;
	b.run[0].vanished = 1;
	b.run[1].health.missed = 3;
	b.vm[1].n_vcpus = 4;
	b.vm[1].nested = true;
	b.vm[1].instances = 2;
	b.vm[1].span_ns = 21 * S;
	b.vm[1].counts.time.guest_ns = 11 * S;
	for (size_t i = 0; i < b.vm[0].counts.n_reasons; i++)
		b.vm[0].counts.reasons[i].time_ns = ES_NONE;
	compared(&b, ES_PER_SECOND);
	assert_true(warned(&b.c, "different kernels: 6.1 and 6.12"));
	assert_true(warned(&b.c, "different hosts: host and other"));
	assert_true(warned(&b.c, "B ends in the middle of a line"));
	assert_true(warned(&b.c, "A misses exits"));
	assert_true(warned(&b.c, "B lost events (of all VMs): 3 skipped by the kernel"));
	assert_true(warned(&b.c, "A has 1 vCPU, B has 4"));
	assert_true(warned(&b.c, "B ran guests of its own"));
	assert_true(warned(&b.c, "A adds up 1 VM of that name, B 2"));
	assert_true(warned(&b.c, "different spans: A 10.0 s, B 21.0 s"));
	assert_true(warned(&b.c, "the guest ran 5.0 s on A, 11.0 s on B"));
	assert_true(warned(&b.c, "Times were measured on B only"));
	assert_int_equal(b.c.n_warnings, 11);
	assert_true(row(&b.c, "CPUID")->side[0].ns < 0);
	assert_true(isnan(row(&b.c, "CPUID")->side[1].explained_time));
	/* A reason that A does not have took no time there, but how should A know? */
	assert_int_equal(row(&b.c, "INVLPG")->side[0].time_ns, ES_NONE);
	done(&b);
}

static void unknown_exits_are_not_none(void **state)
{
	struct boots b;

	(void)state;
	es_boots(&b);
	es_counts_clear(&b.vm[0].counts);
	b.vm[0].counts.exits_unknown = true;
	compared(&b, ES_PER_SECOND);
	assert_int_equal(b.c.total.side[0].count, ES_NONE);
	assert_true(b.c.total.side[0].n < 0);
	assert_true(b.c.total.side[1].ratio < 0);
	assert_int_equal(row(&b.c, "INVLPG")->side[0].count, ES_NONE);
	assert_true(isnan(row(&b.c, "INVLPG")->side[1].explained));
	assert_true(warned(&b.c, "A has no exits"));
	done(&b);
}

static void exceptions_are_paging_where_they_are_faults(void **state)
{
	enum { EXCEPTION_NMI = 0, EPT_VIOLATION = 48 };
	struct boots b;

	(void)state;
	es_boots(&b);
	for (size_t i = 0; i < 2; i++) {
		es_counts_clear(&b.vm[i].counts);
		b.run[i].host.isa = ES_ISA_VMX;
	}
	b.vm[0].paging = ES_PAGING_EPT;
	es_boots_reason(&b, 0, EXCEPTION_NMI, 3), es_boots_reason(&b, 0, EPT_VIOLATION, 100);
	es_boots_reason(&b, 1, EXCEPTION_NMI, 5000);
	compared(&b, ES_PER_TOTAL);
	assert_int_equal(b.c.n_classes, 1);
	sums(&b.c, b.c.classes, b.c.n_classes);
	assert_int_equal(row(&b.c, "EXCEPTION_NMI")->class, ES_CLASS_PAGING);
	done(&b);
}

static void many_sides(void **state)
{
	struct boots b;
	const struct es_run *runs[ES_SIDES_MAX + 1];
	const struct es_run_vm *vms[ES_SIDES_MAX + 1];
	size_t at[3];
	double explained;

	(void)state;
	es_boots(&b);
	for (size_t i = 0; i <= ES_SIDES_MAX; i++) {
		runs[i] = b.runs[i % 2];
		vms[i] = b.vms[i % 2];
	}
	assert_int_equal(es_compare(runs, vms, ES_SIDES_MAX + 1, ES_PER_TOTAL, &b.c, err), -EINVAL);
	assert_int_equal(es_compare(runs, vms, 0, ES_PER_TOTAL, &b.c, err), -EINVAL);
	assert_int_equal(es_compare(runs, vms, ES_SIDES_MAX, ES_PER_TOTAL, &b.c, err), 0);
	near(b.c.total.side[7].ratio, 81020 / 8000.0);
	near(b.c.total.side[6].ratio, 1);
	assert_int_equal(es_compare_main(&b.c, 7, at, &explained), 3);
	es_compare_clear(&b.c);
	assert_int_equal(es_compare(runs, vms, 1, ES_PER_TOTAL, &b.c, err), 0);
	assert_int_equal(b.c.n_reasons, 3);
	assert_string_equal(b.c.reasons[0].name, "NPF"); /* without a difference: by count */
	done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_sum_to_the_totals),
		cmocka_unit_test(rates_ratios_and_parts),
		cmocka_unit_test(per_guest_second_and_total),
		cmocka_unit_test(the_main_reasons_explain),
		cmocka_unit_test(the_same_twice_has_nothing_to_explain),
		cmocka_unit_test(vendors_do_not_mix),
		cmocka_unit_test(what_makes_it_hard_is_said),
		cmocka_unit_test(unknown_exits_are_not_none),
		cmocka_unit_test(exceptions_are_paging_where_they_are_faults),
		cmocka_unit_test(many_sides),
	};

	return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
