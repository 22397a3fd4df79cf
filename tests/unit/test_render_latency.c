/* SPDX-License-Identifier: GPL-2.0-only */
/* The latency view against golden files: tables, one reason's histogram, wide, narrow, in ASCII; what is not known. */
#include "es_test.h"

#include <locale.h>
#include <time.h>

#include <exitstat/diff.h>
#include <exitstat/hist.h>
#include <exitstat/render.h>
#include <exitstat/top.h>

static const struct es_style plain = { .utf8 = true, .exact = true };
static const struct es_style ascii = { .exact = true };
static const struct es_style coloured = { .utf8 = true, .exact = true, .colour = true };
static const struct es_style at80 = { .utf8 = true, .exact = true, .width = 80 };
static const struct es_style at40 = { .utf8 = true, .exact = true, .width = 40 };

struct output {
	char *text;
	size_t size;
	FILE *f;
};

static FILE *output(struct output *o)
{
	o->f = open_memstream(&o->text, &o->size);
	assert_non_null(o->f);
	return o->f;
}

static void assert_output(struct output *o, const char *golden)
{
	fclose(o->f);
	es_assert_golden(golden, o->text);
	free(o->text);
}

/* Latencies of all lengths: 100 exits in each bucket from the first on, and a few in the last. */
static void fill(struct es_reason *r, unsigned int buckets)
{
	memset(r->hist, 0, sizeof(r->hist));
	for (unsigned int b = 0; b < buckets; b++)
		r->hist[b] = 100 * (buckets - b);
	r->hist[ES_HIST_BUCKETS - 1] = 1;
	r->count = es_hist_sum(r->hist);
	r->time_ns = 100000000000;
	r->max_ns = 99000000000;
}

static struct es_snapshot *sample(void)
{
	struct es_snapshot *s = es_sample_snapshot();

	fill(&s->vms[0]->counts.reasons[0], 6);
	return s;
}

static void tables(void **state)
{
	const struct {
		const char *golden;
		const struct es_style *style;
		bool per_vcpu;
		const char *sort;
	} cases[] = {
		{ "cli-latency.txt", &plain, false, NULL },
		{ "cli-latency-ascii.txt", &ascii, true, "p99" },
		{ "cli-latency-colour.txt", &coloured, false, "name" },
		{ "cli-latency-80.txt", &at80, false, "p50" },
		{ "cli-latency-40.txt", &at40, false, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++) {
		struct es_snapshot_view v = { .per_vcpu = cases[i].per_vcpu, .aspect = ES_ASPECT_LATENCY };
		struct es_snapshot *s = sample();
		struct output o;

		if (cases[i].sort)
			v.sort = es_column_find(es_latency_columns, cases[i].sort);
		assert_int_equal(es_render_snapshot(output(&o), s, &v, cases[i].style), 0);
		assert_output(&o, cases[i].golden);
		es_snapshot_unref(s);
	}
}

static void one_reason(void **state)
{
	const struct {
		const char *golden;
		const struct es_style *style;
		uint32_t reason;
	} cases[] = {
		{ "cli-reason.txt", &plain, 0x72 },
		{ "cli-reason-ascii.txt", &ascii, 0x72 },
		{ "cli-reason-80.txt", &at80, 0x400 },
		{ "cli-reason-40.txt", &at40, 0x72 },
	};

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++) {
		struct es_snapshot_view v = { .aspect = ES_ASPECT_LATENCY,
					      .one_reason = true,
					      .reason = cases[i].reason };
		struct es_snapshot *s = sample();
		struct output o;

		assert_int_equal(es_render_snapshot(output(&o), s, &v, cases[i].style), 0);
		assert_output(&o, cases[i].golden);
		es_snapshot_unref(s);
	}
}

/* The ends of the scale are said as what they are: from 0 to below 64 ns, and 68.7 s or more. */
static void buckets(void **state)
{
	struct es_bucket_row rows[ES_HIST_BUCKETS];
	struct es_reason r = { .code = 0x72 };
	uint64_t sum = 0;
	size_t n;

	(void)state;
	assert_int_equal(es_bucket_rows(&r, NULL, 0, rows), 0);
	fill(&r, 3);
	n = es_bucket_rows(&r, NULL, 0, rows);
	assert_int_equal(n, ES_HIST_BUCKETS);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(rows[i].bucket, i);
		sum += rows[i].sum;
		assert_int_equal(rows[i].below, sum);
		assert_int_equal(rows[i].total, 601);
		assert_int_equal(rows[i].now, 0);
	}
	assert_int_equal(sum, 601);
	/* From the first that is not empty to the last. */
	memset(r.hist, 0, sizeof(r.hist));
	r.hist[7] = 5;
	r.hist[9] = 1;
	n = es_bucket_rows(&r, &r, 1000000000, rows);
	assert_int_equal(n, 3);
	assert_int_equal(rows[0].bucket, 7);
	assert_int_equal(rows[1].sum, 0);
	assert_int_equal(rows[2].now, 1);
	/* Not measured in the interval is not none in it. */
	r.hist[7] = 4;
	struct es_reason unknown = { .hist = { ES_NONE } };
	n = es_bucket_rows(&r, &unknown, 1000000000, rows);
	assert_int_equal(rows[0].now, ES_NONE);
	r.hist[0] = ES_NONE;
	assert_int_equal(es_bucket_rows(&r, NULL, 0, rows), 0);
}

static void csv(void **state)
{
	struct es_snapshot_view v = { .aspect = ES_ASPECT_LATENCY };
	struct es_snapshot *s = sample();
	struct output o;

	(void)state;
	es_render_latency_csv(output(&o), s, &v, false);
	assert_output(&o, "cli-latency.csv");
	v.one_reason = true;
	v.reason = 0x78;
	es_render_latency_csv(output(&o), s, &v, false);
	fclose(o.f);
	assert_null(strstr(o.text, "CPUID"));
	assert_non_null(strstr(o.text, ",HLT,120,halt,"));
	free(o.text);
	es_snapshot_unref(s);
}

/* A second later: 500 more of one reason, none of the others. */
static struct es_snapshot *later(void)
{
	struct es_snapshot *s = sample();
	struct es_reason *r = &s->vms[0]->counts.reasons[0];

	s->taken.monotonic_ns += 1000000000;
	s->taken.realtime_ns += 1000000000;
	r->hist[4] += 500;
	r->count += 500;
	r->time_ns += 500 * 1000;
	return s;
}

static void batch(void **state)
{
	struct es_top_query q = { .aspect = ES_ASPECT_LATENCY };
	struct es_style st = { .utf8 = true };
	struct es_top t = { 0 };
	struct output o;

	(void)state;
	assert_int_equal(es_top_put(&t, sample(), NULL), 1);
	assert_int_equal(es_top_put(&t, later(), NULL), 1);
	es_render_top(output(&o), &t, &q, true, &st);
	assert_output(&o, "cli-top-batch-latency.txt");
	es_top_clear(&t);
}

/* The greatest of an interval is not known. Yet no percentile of it is over the greatest of all time. */
static void interval_is_bounded_by_all_time(void **state)
{
	struct es_reason sum = { .count = 10, .time_ns = 10000, .max_ns = 1100 };
	struct es_reason now = { .count = 5, .time_ns = 5000, .max_ns = ES_NONE };
	struct es_reason_row row = { .isa = ES_ISA_SVM, .code = 0x72, .sum = &sum, .now = &now };
	char buf[ES_CELL_MAX];

	(void)state;
	sum.hist[5] = 10;
	now.hist[5] = 5;
	for (const struct es_column *c = es_latency_columns; c->key; c++) {
		if (strcmp(c->key, "p999") != 0)
			continue;
		c->cell(buf, &row, 0, &plain);
		assert_string_equal(buf, "1.10µs");
	}
}

static void sums_are_of_all_rows(void **state)
{
	struct es_top_query q = { .aspect = ES_ASPECT_LATENCY };
	struct es_top t = { 0 };
	struct es_latency_table table;
	const struct es_reason *all;
	struct es_vm_row vm;
	uint64_t count = 0;

	(void)state;
	assert_int_equal(es_top_put(&t, sample(), NULL), 1);
	assert_int_equal(es_top_put(&t, later(), NULL), 1);
	assert_int_equal(es_top_latencies(&t, &q, &table), 0);
	assert_int_equal(table.n, 3);
	for (size_t i = 0; i < table.n; i++)
		count += table.rows[i].sum->count;
	all = table.rows[table.n].sum;
	assert_int_equal(all->count, count);
	assert_int_equal(table.rows[table.n].now->count, 500);
	assert_int_equal(es_hist_sum(table.rows[table.n].now->hist), 500);
	assert_int_equal(all->max_ns, 99000000000);
	es_latency_table_free(&table);
	assert_int_equal(es_top_watch(&t, t.sum->vms[0]->id), 0);
	assert_int_equal(es_top_watched(&t, &vm), 0);
	q.filter = "cpu";
	assert_int_equal(es_top_reason_latencies(&t, &vm, &q, &table), 0);
	assert_int_equal(table.n, 1);
	/* The sum is the VM, whatever the filter hides. */
	assert_int_equal(table.rows[1].sum->count, es_exits_total(&vm.sum->counts));
	es_latency_table_free(&table);
	es_top_clear(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables),
		cmocka_unit_test(one_reason),
		cmocka_unit_test(buckets),
		cmocka_unit_test(csv),
		cmocka_unit_test(batch),
		cmocka_unit_test(interval_is_bounded_by_all_time),
		cmocka_unit_test(sums_are_of_all_rows),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
