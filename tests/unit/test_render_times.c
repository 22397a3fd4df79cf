/* SPDX-License-Identifier: GPL-2.0-only */
/* The time view against golden files: all known, not told apart, not measured; wide, narrow, in ASCII, in colour. */
#include "es_test.h"

#include <locale.h>
#include <time.h>

#include <exitstat/render.h>
#include <exitstat/top.h>

#define MS 1000000ULL

static const struct es_style plain = { .utf8 = true, .exact = true };
static const struct es_style ascii = { .exact = true };
static const struct es_style coloured = { .utf8 = true, .exact = true, .colour = true };
static const struct es_style at80 = { .utf8 = true, .exact = true, .width = 80 };
static const struct es_style at40 = { .utf8 = true, .exact = true, .width = 40 };

static const struct es_snapshot_view per_vm, per_vcpu = { .per_vcpu = true };

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

/* guest1 with all five parts, of both vCPUs; the shadow VM with those that are not told apart; of the third nothing. */
static struct es_snapshot *with_times(uint64_t seconds)
{
	static const uint64_t ms[2][5] = { { 700, 200, 50, 10, 40 }, { 500, 100, 100, 50, 250 } };
	struct es_snapshot *s = es_sample_snapshot();
	struct es_vm *guest1 = s->vms[0];

	memset(&guest1->counts.time, 0, sizeof(guest1->counts.time));
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < 5; k++) {
			ES_U64S(guest1->vcpus[i].counts.time)[k] = ms[i][k] * MS * seconds;
			ES_U64S(guest1->counts.time)[k] += ms[i][k] * MS * seconds;
			guest1->vcpus[i].counts.time.total_ns = 1000 * MS * seconds;
		}
	guest1->counts.time.total_ns = 2000 * MS * seconds;
	s->vms[1]->counts.time.guest_ns = 250 * MS * seconds;
	s->vms[1]->counts.time.idle_ns = 500 * MS * seconds;
	s->taken.monotonic_ns += seconds * 1000 * MS;
	return s;
}

static void snapshots(void **state)
{
	const struct {
		const char *golden;
		const struct es_style *style;
		bool per_vcpu;
		const char *sort;
	} cases[] = {
		{ "cli-time.txt", &plain, false, NULL },
		{ "cli-time-ascii.txt", &ascii, true, NULL },
		{ "cli-time-colour.txt", &coloured, true, "name" },
		{ "cli-time-80.txt", &at80, false, "idle" },
		{ "cli-time-40.txt", &at40, false, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++) {
		struct es_snapshot *s = with_times(1);
		struct es_snapshot_view v = { .per_vcpu = cases[i].per_vcpu, .aspect = ES_ASPECT_TIME };
		struct output o;

		if (cases[i].sort)
			v.sort = es_column_find(es_time_columns, cases[i].sort);
		assert_int_equal(es_render_snapshot(output(&o), s, &v, cases[i].style), 0);
		assert_output(&o, cases[i].golden);
		es_snapshot_unref(s);
	}
}

/* The usual view names the five, too. */
static void summary(void **state)
{
	struct es_snapshot *s = with_times(1);
	struct es_snapshot_view v = { .sort = NULL };
	struct output o;

	(void)state;
	assert_int_equal(es_render_snapshot(output(&o), s, &v, &plain), 0);
	fclose(o.f);
	assert_non_null(strstr(o.text,
			       "\nvCPU time: guest 1.20s (60.0%), kernel 300ms (15.0%), VMM 150ms (7.5%), "
			       "waiting 60.0ms (3.0%), idle 290ms (14.5%)\n"));
	assert_non_null(strstr(o.text,
			       "\nvCPU time: outside the guest 250ms (25.0%), in the guest 250ms (25.0%), "
			       "idle 500ms (50.0%)\n"));
	free(o.text);
	es_snapshot_unref(s);
}

static void csv(void **state)
{
	struct es_snapshot *s = with_times(1);
	struct output o;

	(void)state;
	es_render_time_csv(output(&o), s, &per_vm, false);
	assert_output(&o, "cli-time.csv");
	es_render_time_csv(output(&o), s, &per_vcpu, false);
	assert_output(&o, "cli-time-vcpu.csv");
	es_snapshot_unref(s);
}

static void batch(void **state)
{
	struct es_top_query q = { .aspect = ES_ASPECT_TIME };
	struct es_style st = { .utf8 = true };
	struct es_top t = { 0 };
	struct output o;

	(void)state;
	assert_int_equal(es_top_put(&t, with_times(10), NULL), 1);
	/* Totals of a first look are no interval: nothing is said of them. */
	es_render_top(output(&o), &t, &q, false, &st);
	assert_output(&o, "cli-top-batch-time-first.txt");
	assert_int_equal(es_top_put(&t, with_times(12), NULL), 1);
	es_render_top(output(&o), &t, &q, true, &st);
	assert_output(&o, "cli-top-batch-time.txt");
	es_top_clear(&t);
}

static void no_latency(void **state)
{
	struct es_snapshot_view v = { .aspect = ES_ASPECT_TIME };
	struct es_snapshot *s = es_snapshot_new();
	struct es_vm *vm = es_sample_vm("guest1", 1);
	struct output o;

	(void)state;
	es_sample_reason(&vm->counts, 0x72, 2000, ES_NONE);
	assert_int_equal(es_snapshot_add(s, vm), 0);
	s->taken.monotonic_ns = s->taken.realtime_ns = 0;
	assert_int_equal(es_render_snapshot(output(&o), s, &v, &plain), 0);
	fclose(o.f);
	assert_string_equal(strchr(o.text, '\n'), "\n\n" ES_NO_TIMES "\n");
	free(o.text);
	es_snapshot_unref(s);
}

/* At any width: no line is wider, and no column dances. */
static void any_width(void **state)
{
	struct es_snapshot_view v = { .per_vcpu = true, .aspect = ES_ASPECT_TIME };
	struct es_snapshot *s = with_times(1);

	(void)state;
	for (unsigned int width = 24; width < 200; width++) {
		struct es_style st = { .utf8 = true, .width = width };
		struct output o;

		assert_int_equal(es_render_times(output(&o), s, &v, &st), 0);
		fclose(o.f);
		for (char *line = strtok(o.text, "\n"); line; line = strtok(NULL, "\n"))
			if (strncmp(line, "100%", 4) != 0 && *line != '?' && strncmp(line, "█ guest", 7) != 0)
				assert_true(es_text_width(line) <= width);
		free(o.text);
	}
	es_snapshot_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshots), cmocka_unit_test(summary),	   cmocka_unit_test(csv),
		cmocka_unit_test(batch),     cmocka_unit_test(no_latency), cmocka_unit_test(any_width),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
