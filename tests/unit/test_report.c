// SPDX-License-Identifier: GPL-2.0-only
/* What the page is made of: escaping, axes, bars, points, colours, and which VMs are shown together. */
#include <errno.h>
#include <locale.h>
#include <math.h>

#include <exitstat/report.h>

#include "es_test.h"

static char *escaped(void (*write)(FILE *f, const char *text), const char *text)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	assert_non_null(f);
	write(f, text);
	assert_int_equal(fclose(f), 0);
	return out;
}

static void assert_text(void (*write)(FILE *f, const char *text), const char *in, const char *want)
{
	_cleanup_free_ char *out = escaped(write, in);

	assert_string_equal(out, want);
}

static void markup_is_escaped(void **state)
{
	(void)state;
	assert_text(es_html_escape, "", "");
	assert_text(es_html_escape, "plain", "plain");
	assert_text(es_html_escape, "<script>alert('x')</script>",
		    "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
	assert_text(es_html_escape, "\" onload=\"x", "&quot; onload=&quot;x");
	assert_text(es_html_escape, "a & b &amp; <", "a &amp; b &amp;amp; &lt;");
	assert_text(es_html_escape, "µ – × é 数", "µ – × é 数");
}

static void text_of_strangers_is_cleaned(void **state)
{
	char long_name[2 * ES_CELL_MAX];
	_cleanup_free_ char *out = NULL;

	(void)state;
	assert_text(es_html_text, "a\nb\tc\x01\x7f", "a?b?c??");
	assert_text(es_html_text, "\033[31mred", "?[31mred");
	assert_text(es_html_text,
		    "abc\xe2\x80\xae"
		    "cba",
		    "abc?cba"); /* right-to-left override */
	assert_text(es_html_text,
		    "a\xe2\x80\x8b\xef\xbb\xbf"
		    "b",
		    "a??b"); /* zero width */
	assert_text(es_html_text, "bad \xff\xc3 (",
		    "bad ?"
		    "? (");
	assert_text(es_html_text, "<\"\n>", "&lt;&quot;?&gt;");
	memset(long_name, '<', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	out = escaped(es_html_text, long_name);
	assert_true(strlen(out) < ES_CELL_MAX * 6);
}

static void data_of_what_is_known(void **state)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	(void)state;
	es_html_data(f, "data-a", 18446744073709551614ULL);
	es_html_data(f, "data-b", ES_NONE);
	es_html_data(f, "data-c", 0);
	es_html_data_double(f, "data-d", 1.0 / 3);
	es_html_data_double(f, "data-e", NAN);
	es_html_data_double(f, "data-f", INFINITY);
	es_html_data_text(f, "data-g", "\"<\n");
	fclose(f);
	assert_string_equal(out,
			    " data-a=\"18446744073709551614\" data-c=\"0\" data-d=\"0.33333333333333331\""
			    " data-g=\"&quot;&lt;?\"");
	free(out);
}

static void axes_end_on_round_numbers(void **state)
{
	static const struct {
		double top;
		unsigned int want;
		double step, max;
	} cases[] = {
		{ 10, 5, 2, 10 },	 { 11, 5, 5, 15 }, { 7552, 3, 5000, 10000 }, { 0.3, 3, 0.1, 0.3 },
		{ 100, 4, 50, 100 },	 { 1, 1, 1, 1 },   { 0.021, 3, 0.01, 0.03 }, { 1e18, 4, 5e17, 1e18 },
		{ 999, 3, 500, 1000 },	 { 0, 3, 0.5, 1 }, { -5, 3, 0.5, 1 },	     { NAN, 3, 0.5, 1 },
		{ INFINITY, 3, 0.5, 1 }, { 5, 0, 5, 5 },
	};

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++) {
		struct es_scale s = es_scale_nice(cases[i].top, cases[i].want);

		assert_float_equal(s.step, cases[i].step, cases[i].step * 1e-9);
		assert_float_equal(s.max, cases[i].max, cases[i].max * 1e-9);
		assert_int_equal(s.steps, llround(s.max / s.step));
	}
}

/* Of any top: high enough, not twice as high as needed and a step, and as many steps as asked for at most. */
static void axes_hold_what_is_drawn(void **state)
{
	(void)state;
	for (double top = 1e-9; top < 1e19; top *= 1.37)
		for (unsigned int want = 1; want < 12; want++) {
			struct es_scale s = es_scale_nice(top, want);

			assert_true(s.max >= top * (1 - 1e-9));
			assert_true(s.max - s.step < top);
			assert_in_range(s.steps, 1, want);
		}
}

static void clocks_tick_as_clocks_do(void **state)
{
	static const struct {
		double span, step;
	} cases[] = { { 4, 1 },	    { 19.4, 5 },   { 59, 15 },	     { 60, 15 },
		      { 300, 60 },  { 3600, 900 }, { 86400, 21600 }, { 7 * 86400, 2 * 86400 },
		      { 0.4, 0.1 }, { 0, 1 } };

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++)
		assert_float_equal(es_scale_clock(cases[i].span, 5), cases[i].step, cases[i].step * 1e-9);
	for (double span = 1e-6; span < 1e9; span *= 1.21)
		assert_true(span / es_scale_clock(span, 5) <= 5 * (1 + 1e-9));
}

static void ticks_are_named(void **state)
{
	static const struct {
		double v;
		const char *text;
	} counts[] = { { 0, "0" },	    { 500, "500" },    { 1000, "1k" }, { 1500, "1.5k" },
		       { 2e6, "2M" },	    { 2.5e9, "2.5G" }, { 0.2, "0.2" }, { 0.30000000000000004, "0.3" },
		       { 999.99999, "1k" }, { 1e18, "1E" } };
	static const struct {
		double s, step;
		const char *text;
	} seconds[] = { { 0, 5, "0" },	       { 5, 5, "5s" },		{ 90, 30, "1m30s" },
			{ 120, 60, "2m" },     { 5400, 1800, "1h30m" }, { 129600, 43200, "1d12h" },
			{ 0.2, 0.1, "200ms" }, { 1e-5, 1e-5, "10µs" },	{ 1e-7, 1e-7, "100ns" } };
	char buf[32];

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(counts); i++)
		assert_string_equal(es_tick_count(buf, counts[i].v), counts[i].text);
	for (size_t i = 0; i < ES_ARRAY_SIZE(seconds); i++)
		assert_string_equal(es_tick_seconds(buf, seconds[i].s, seconds[i].step), seconds[i].text);
}

static void bars_are_as_long_as_their_numbers(void **state)
{
	(void)state;
	assert_float_equal(es_bar_percent(0, 10), 0, 0);
	assert_float_equal(es_bar_percent(10, 10), 100, 0);
	assert_float_equal(es_bar_percent(2.5, 10), 25, 1e-9);
	assert_float_equal(es_bar_percent(1, 9.2e18), 100 / 9.2e18, 1e-25);
	assert_float_equal(es_bar_percent(-1, 10), 0, 0); /* not known */
	assert_float_equal(es_bar_percent(NAN, 10), 0, 0);
	assert_float_equal(es_bar_percent(5, 0), 0, 0);
	assert_float_equal(es_bar_percent(INFINITY, 10), 100, 0);
	assert_float_equal(es_log_percent(1e3, 1e3, 1e6), 0, 1e-9);
	assert_float_equal(es_log_percent(1e4, 1e3, 1e6), 100.0 / 3, 1e-9);
	assert_float_equal(es_log_percent(1e9, 1e3, 1e6), 100, 1e-9);
	assert_float_equal(es_log_percent(0, 1e3, 1e6), 0, 0);
	assert_float_equal(es_log_percent(5, 1e3, 1e3), 0, 0);
}

static void numbers_are_said(void **state)
{
	char buf[ES_CELL_MAX];

	(void)state;
	assert_string_equal(es_report_fmt_n(buf, 40409, ES_PER_TOTAL), "40,409");
	assert_string_equal(es_report_fmt_n(buf, 2088.14, ES_PER_SECOND), "2,088.1");
	assert_string_equal(es_report_fmt_n(buf, -1, ES_PER_SECOND), "not measured");
	assert_string_equal(es_report_fmt_n(buf, NAN, ES_PER_TOTAL), "not measured");
	assert_string_equal(es_report_say_n(buf, 2, ES_PER_SECOND), "2.0/s");
	assert_string_equal(es_report_say_n(buf, -1, ES_PER_SECOND), "not measured");
	assert_string_equal(es_report_fmt_ns(buf, 2.5e6, ES_PER_SECOND), "2.50ms");
	assert_string_equal(es_report_fmt_ns(buf, -1, ES_PER_TOTAL), "not measured");
	assert_non_null(es_report_fmt_ns(buf, 1e300, ES_PER_TOTAL));
	assert_non_null(es_report_fmt_n(buf, 1e300, ES_PER_TOTAL));
}

#define POINTS 1000
static void neighbours_are_put_together(void **state)
{
	struct es_run_point points[POINTS], out[POINTS];
	struct es_run_vm vm = { .points = points, .n_points = POINTS };

	(void)state;
	for (size_t i = 0; i < POINTS; i++)
		points[i] = (struct es_run_point){ .at_ns = (i + 1) * 500,
						   .span_ns = 500,
						   .exits = i,
						   .time_ns = 2 * i,
						   .paging_exits = i % 7,
						   .paging_time_ns = ES_NONE,
						   .guest_ns = 1 };
	for (size_t max = 1; max <= POINTS; max += 37) {
		size_t n = es_report_points(&vm, out, max);
		uint64_t exits = 0, span = 0;

		assert_in_range(n, 1, max);
		for (size_t i = 0; i < n; i++) {
			exits += out[i].exits;
			span += out[i].span_ns;
			assert_int_equal(out[i].time_ns, 2 * out[i].exits);
			assert_true(out[i].paging_time_ns == ES_NONE);
		}
		assert_int_equal(exits, (uint64_t)POINTS * (POINTS - 1) / 2);
		assert_int_equal(span, POINTS * 500);
		assert_int_equal(out[n - 1].at_ns, POINTS * 500);
	}
	points[1].exits = ES_NONE;
	points[2].time_ns = ES_NONE - 1;
	assert_int_equal(es_report_points(&vm, out, 1), 1);
	assert_true(out[0].exits == ES_NONE);
	assert_true(out[0].time_ns == ES_NONE); /* not a sum that has wrapped */
	vm.n_points = 0;
	assert_int_equal(es_report_points(&vm, out, 10), 0);
}

/* --- parts and colours --- */

/* Runs with VMs of these names, separated by spaces. */
static void make_run(struct es_run *run, const char *label, const char *names, enum es_paging paging)
{
	_cleanup_free_ char *copy = strdup(names);
	char *rest = copy, *name;

	*run = (struct es_run){
		.path = strdup(label), .label = strdup(label), .span_ns = 1000000000, .lines = 2
	};
	run->host.isa = ES_ISA_SVM;
	run->vms = calloc(64, sizeof(*run->vms));
	while ((name = strsep(&rest, " "))) {
		struct es_run_vm *vm = &run->vms[run->n_vms];

		if (!*name)
			continue;
		run->n_vms++;
		vm->name = strdup(name);
		vm->paging = paging;
		vm->span_ns = 1000000000;
		es_counts_init(&vm->counts);
		es_sample_reason(&vm->counts, 0x72, 10, 1000);
	}
}

static void clear_runs(struct es_run *runs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		es_run_clear(&runs[i]);
}

static void vms_are_paired(void **state)
{
	struct es_run runs[3];
	struct es_report r;
	char err[ES_ERR_MAX];

	(void)state;
	make_run(&runs[0], "a", "web", ES_PAGING_NPT);
	make_run(&runs[1], "b", "db", ES_PAGING_NPT);
	make_run(&runs[2], "c", "db web", ES_PAGING_NPT);
	/* One in each: those, whatever they are called. */
	assert_int_equal(es_report_init(&r, runs, 2, ES_PER_SECOND, err), 0);
	assert_int_equal(r.n_parts, 1);
	assert_string_equal(r.parts[0].name, "web");
	assert_int_equal(r.parts[0].compare.n_sides, 2);
	es_report_clear(&r);
	/* Else by name, in its order, those that have it. */
	assert_int_equal(es_report_init(&r, runs, 3, ES_PER_SECOND, err), 0);
	assert_int_equal(r.n_parts, 2);
	assert_string_equal(r.parts[0].name, "db");
	assert_int_equal(r.parts[0].compare.n_sides, 2);
	assert_ptr_equal(r.parts[0].compare.sides[0].run, &runs[1]);
	assert_ptr_equal(r.parts[0].compare.sides[1].run, &runs[2]);
	assert_string_equal(r.parts[1].name, "web");
	assert_ptr_equal(r.parts[1].compare.sides[0].run, &runs[0]);
	es_report_clear(&r);
	clear_runs(runs, 3);
}

static void no_vms_and_too_many(void **state)
{
	char names[64 * 8] = "", err[ES_ERR_MAX];
	struct es_run runs[1];
	struct es_report r;

	(void)state;
	make_run(&runs[0], "a", "", ES_PAGING_NPT);
	assert_int_equal(es_report_init(&r, runs, 1, ES_PER_SECOND, err), 0);
	assert_int_equal(r.n_parts, 0);
	es_report_clear(&r);
	clear_runs(runs, 1);
	for (unsigned int i = 0; i <= ES_REPORT_VMS_MAX; i++)
		sprintf(names + strlen(names), "vm%02u ", i);
	make_run(&runs[0], "a", names, ES_PAGING_NPT);
	assert_int_equal(es_report_init(&r, runs, 1, ES_PER_SECOND, err), -E2BIG);
	assert_non_null(strstr(err, "--vm"));
	clear_runs(runs, 1);
}

static void vendors_are_not_mixed(void **state)
{
	struct es_run runs[2];
	char err[ES_ERR_MAX] = "";
	struct es_report r;

	(void)state;
	make_run(&runs[0], "a", "vm", ES_PAGING_NPT);
	make_run(&runs[1], "b", "vm", ES_PAGING_NPT);
	runs[1].host.isa = ES_ISA_VMX;
	assert_int_equal(es_report_init(&r, runs, 2, ES_PER_SECOND, err), -EXDEV);
	assert_true(*err);
	clear_runs(runs, 2);
}

static void check_colours(const enum es_paging *modes, size_t n, bool hues)
{
	static const char *const labels[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
	struct es_report_colour colours[ES_SIDES_MAX], plain[ES_SIDES_MAX];
	struct es_run runs[ES_SIDES_MAX];
	struct es_report r = { .runs = runs, .n_runs = n }, none = { .n_runs = 0 };

	for (size_t i = 0; i < n; i++)
		make_run(&runs[i], labels[i], "vm", modes[i]);
	es_report_colours(&none, plain);
	es_report_colours(&r, colours);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(colours[i].light == plain[i].light, !hues);
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(colours[i].light, colours[k].light);
			assert_string_not_equal(colours[i].dark, colours[k].dark);
		}
	}
	clear_runs(runs, n);
}

static void a_hue_for_each_way_of_paging(void **state)
{
	static const enum es_paging four[] = { ES_PAGING_NPT, ES_PAGING_NPT, ES_PAGING_SHADOW,
					       ES_PAGING_SHADOW };
	static const enum es_paging same[] = { ES_PAGING_EPT, ES_PAGING_EPT };
	static const enum es_paging unknown[] = { ES_PAGING_NPT, ES_PAGING_NONE, ES_PAGING_SHADOW };
	static const enum es_paging eight[] = {
		ES_PAGING_NPT, ES_PAGING_NPT, ES_PAGING_NPT, ES_PAGING_SHADOW,
		ES_PAGING_NPT, ES_PAGING_NPT, ES_PAGING_NPT, ES_PAGING_SHADOW
	};

	(void)state;
	check_colours(four, 4, true);
	check_colours(four + 1, 2, true);
	check_colours(same, 2, false);
	check_colours(unknown, 3, false);
	check_colours(eight, 8, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(markup_is_escaped),
		cmocka_unit_test(text_of_strangers_is_cleaned),
		cmocka_unit_test(data_of_what_is_known),
		cmocka_unit_test(axes_end_on_round_numbers),
		cmocka_unit_test(axes_hold_what_is_drawn),
		cmocka_unit_test(clocks_tick_as_clocks_do),
		cmocka_unit_test(ticks_are_named),
		cmocka_unit_test(bars_are_as_long_as_their_numbers),
		cmocka_unit_test(numbers_are_said),
		cmocka_unit_test(neighbours_are_put_together),
		cmocka_unit_test(vms_are_paired),
		cmocka_unit_test(no_vms_and_too_many),
		cmocka_unit_test(vendors_are_not_mixed),
		cmocka_unit_test(a_hue_for_each_way_of_paging),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
