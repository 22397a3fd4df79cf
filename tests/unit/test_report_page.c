// SPDX-License-Identifier: GPL-2.0-only
/* Whole pages: well-formed whatever the runs hold, with nothing of strangers in the markup, and true numbers. */
#include <ctype.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>

#include <exitstat/paging.h>
#include <exitstat/report.h>

#include "es_test.h"

#define S 1000000000ULL

/* --- a checker of markup: tags match, attributes are quoted, ids are there once --- */

struct checker {
	const char *at;
	char open[64][32];
	unsigned int depth;
	char *ids[4096];
	size_t n_ids;
};

static void take(char *to, size_t size, const char *from, size_t len)
{
	assert_true(len < size);
	memcpy(to, from, len);
	to[len] = '\0';
}

static void check_id(struct checker *c, const char *value, size_t len)
{
	char *id = strndup(value, len);

	for (size_t i = 0; i < c->n_ids; i++)
		assert_string_not_equal(c->ids[i], id);
	assert_true(c->n_ids < ES_ARRAY_SIZE(c->ids));
	c->ids[c->n_ids++] = id;
}

/* One ` name="value"`. */
static void check_attribute(struct checker *c)
{
	char name[32];
	size_t len;
	const char *p = c->at, *value;

	len = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:");
	assert_in_range(len, 1, sizeof(name) - 1);
	take(name, sizeof(name), p, len);
	p += len;
	if (strncmp(p, "=\"", 2) != 0)
		fail_msg("attribute %s without a quoted value: %.80s", name, c->at);
	value = p + 2;
	len = strcspn(value, "\"<>");
	if (value[len] != '"')
		fail_msg("attribute %s: %.80s", name, c->at);
	assert_int_not_equal(strncmp(name, "on", 2), 0); /* no handlers */
	if (strcmp(name, "id") == 0)
		check_id(c, value, len);
	c->at = value + len + 1;
}

static void close_tag(struct checker *c)
{
	char name[32];
	size_t len = strcspn(c->at, ">");

	take(name, sizeof(name), c->at + 2, len - 2);
	if (!c->depth || strcmp(c->open[c->depth - 1], name) != 0)
		fail_msg("</%s> closes <%s>", name, c->depth ? c->open[c->depth - 1] : "");
	c->depth--;
	c->at += len + 1;
}

static void open_tag(struct checker *c)
{
	size_t len = strspn(++c->at, "abcdefghijklmnopqrstuvwxyz0123456789");

	if (!len)
		fail_msg("a stray <: %.80s", c->at - 1);
	assert_true(c->depth < ES_ARRAY_SIZE(c->open));
	take(c->open[c->depth++], sizeof(c->open[0]), c->at, len);
	c->at += len;
	while (*c->at == ' ') {
		c->at++;
		check_attribute(c);
	}
	if (*c->at == '/') {
		c->depth--;
		c->at++;
	}
	if (*c->at++ != '>')
		fail_msg("in <%s>: %.80s", c->open[c->depth], c->at - 1);
}

static void check_references(const struct checker *c, const char *page)
{
	static const char before[] = "aria-labelledby=\"";

	for (const char *p = strstr(page, before); p; p = strstr(p, before)) {
		p += sizeof(before) - 1;
		while (*p != '"') {
			size_t len = strcspn(p, " \""), k = 0;

			while (k < c->n_ids && (strlen(c->ids[k]) != len || strncmp(c->ids[k], p, len) != 0))
				k++;
			if (k == c->n_ids)
				fail_msg("no id %.*s", (int)len, p);
			p += len + (p[len] == ' ');
		}
	}
}

static void check_markup(const char *page)
{
	static const char doctype[] = "<!DOCTYPE html>\n";
	struct checker *c = calloc(1, sizeof(*c));

	assert_int_equal(strncmp(page, doctype, strlen(doctype)), 0);
	c->at = page + strlen(doctype);
	while (*c->at) {
		if (strncmp(c->at, "</", 2) == 0)
			close_tag(c);
		else if (*c->at == '<')
			open_tag(c);
		else
			c->at++;
	}
	assert_int_equal(c->depth, 0);
	check_references(c, page);
	for (size_t i = 0; i < c->n_ids; i++)
		free(c->ids[i]);
	free(c);
}

/* What no page may hold. */
static void check_harmless(const char *page)
{
	static const char *const never[] = { "<script", "javascript:", "http:",	      "https:", "url(",
					     "@import", "<iframe",     "<img",	      "nan",	"inf%",
					     "inf\"",	"(null)",      "\xe2\x80\xae" };
	const char *body = strstr(page, "<body>");

	assert_non_null(body);
	for (size_t i = 0; i < ES_ARRAY_SIZE(never); i++)
		if (strcasestr(body, never[i]))
			fail_msg("%s in the page: %.100s", never[i], strcasestr(body, never[i]));
	for (const char *p = page; *p; p++)
		assert_true((unsigned char)*p >= 0x20 || *p == '\n');
	assert_non_null(strstr(page, "default-src 'none'"));
	/* What an empty or negative number would become. */
	assert_null(strstr(body, "width=\"-"));
	assert_null(strstr(body, "data-count=\"-"));
}

/* --- runs --- */

static struct es_run_vm *add_vm(struct es_run *run, const char *name, enum es_paging paging)
{
	struct es_run_vm *vm;

	run->vms = reallocarray(run->vms, run->n_vms + 1, sizeof(*run->vms));
	vm = &run->vms[run->n_vms++];
	*vm = (struct es_run_vm){
		.name = strdup(name), .paging = paging, .n_vcpus = 2, .instances = 1, .span_ns = 10 * S
	};
	es_counts_init(&vm->counts);
	return vm;
}

static void new_run(struct es_run *run, const char *label)
{
	*run = (struct es_run){ .path = strdup(label),
				.label = strdup(label),
				.host = { .hostname = "host", .kernel = "6.1.0", .isa = ES_ISA_SVM },
				.begin_realtime_ns = 1790000000 * S,
				.end_realtime_ns = 1790000010 * S,
				.span_ns = 10 * S,
				.lines = 11,
				.latency = true };
}

static void add_points(struct es_run_vm *vm, size_t n)
{
	vm->points = calloc(n, sizeof(*vm->points));
	vm->n_points = n;
	for (size_t i = 0; i < n; i++)
		vm->points[i] = (struct es_run_point){ .at_ns = (i + 1) * S,
						       .span_ns = S,
						       .exits = 100 * i,
						       .time_ns = 1000000 * i,
						       .paging_exits = 50 * i,
						       .paging_time_ns = 400000 * i,
						       .guest_ns = S / 2 };
}

/* A run with something in it. */
static void usual(struct es_run *run, const char *label, enum es_paging paging)
{
	struct es_run_vm *vm;

	new_run(run, label);
	vm = add_vm(run, "guest1", paging);
	if (paging == ES_PAGING_SHADOW)
		es_sample_reason(&vm->counts, 0x79, 40409, 3990000000);
	else
		es_sample_reason(&vm->counts, 0x400, 1462, 380000000);
	es_sample_reason(&vm->counts, 0x72, 1118, 50000000);
	es_sample_reason(&vm->counts, 0x6ff, 3, 900);
	vm->counts.time = (struct es_time){ .guest_ns = 5 * S,
					    .kernel_ns = 3 * S,
					    .vmm_ns = S,
					    .runqueue_ns = S / 2,
					    .idle_ns = S / 2,
					    .total_ns = 10 * S };
	vm->counts.mmu.faults.tdp = 6001;
	vm->counts.cr[ES_CR3] = (struct es_cr_count){ .read = 5, .write = 17024 };
	add_points(vm, 10);
}

static char *page_of(const struct es_run *runs, size_t n, enum es_per per, const char *title)
{
	char err[ES_ERR_MAX] = "";
	struct es_report r;
	char *page = NULL;
	size_t len;
	FILE *f;

	if (es_report_init(&r, runs, n, per, err))
		fail_msg("%s", err);
	r.title = title;
	f = open_memstream(&page, &len);
	assert_int_equal(es_report_write(f, &r), 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(strlen(page), len);
	es_report_clear(&r);
	check_markup(page);
	check_harmless(page);
	return page;
}

static void clear_runs(struct es_run *runs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		es_run_clear(&runs[i]);
}

static void has(const char *page, const char *what)
{
	if (!strstr(page, what))
		fail_msg("no %s in the page", what);
}

static void has_not(const char *page, const char *what)
{
	if (strstr(page, what))
		fail_msg("%s in the page: %.200s", what, strstr(page, what) - 60);
}

/* --- tests --- */

static void one_run_is_not_compared(void **state)
{
	struct es_run run;
	_cleanup_free_ char *page = NULL;

	(void)state;
	usual(&run, "only", ES_PAGING_NPT);
	page = page_of(&run, 1, ES_PER_SECOND, NULL);
	has(page, "<h1>Why guest1 exits</h1>");
	has(page, "2,583 times");
	has(page, "data-count=\"1462\">1,462</td>");
	has(page, "data-time-ns=\"380000000\" data-time-ns-per=\"38000000\">380ms</td>");
	has_not(page, "data-ratio");
	has_not(page, "data-explained");
	has(page, "<tr data-total=\"total\">");
	has(page, "data-event=\"cr.cr3.write\"");
	has(page, "data-event=\"mmu.faults.tdp\"");
	/* What nobody measured is one line and no row. */
	has_not(page, "data-event=\"mmu.zap_all\"");
	has(page, "<code>mmu.zap_all</code>");
	clear_runs(&run, 1);
}

static void runs_side_by_side(void **state)
{
	static const enum es_per pers[] = { ES_PER_SECOND, ES_PER_GUEST_SECOND, ES_PER_TOTAL };
	struct es_run runs[ES_SIDES_MAX];

	(void)state;
	for (size_t i = 0; i < ES_SIDES_MAX; i++) {
		char label[16];

		snprintf(label, sizeof(label), "run-%zu", i);
		usual(&runs[i], label, i & 1 ? ES_PAGING_SHADOW : ES_PAGING_NPT);
	}
	for (size_t n = 2; n <= ES_SIDES_MAX; n += 2)
		for (size_t k = 0; k < ES_ARRAY_SIZE(pers); k++) {
			_cleanup_free_ char *page = page_of(runs, n, pers[k], "A <title> & more");

			has(page, "<h1>A &lt;title&gt; &amp; more</h1>");
			has(page, "data-side=\"run-1\" data-explained=\"1\"");
			has(page, ">new</td>");
			has(page, ">gone</td>");
		}
	clear_runs(runs, ES_SIDES_MAX);
}

static void names_cannot_become_markup(void **state)
{
	static const char bad[] =
		"\"><script>alert('x')</script>\n\033[31m\xe2\x80\xae<img src=x onerror=y>&amp;";
	struct es_run runs[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		usual(&runs[i], bad, i ? ES_PAGING_SHADOW : ES_PAGING_NPT);
		free(runs[i].vms[0].name);
		runs[i].vms[0].name = strdup(bad);
		snprintf(runs[i].host.hostname, sizeof(runs[i].host.hostname), "<b>h%zu\n", i);
		snprintf(runs[i].host.kernel, sizeof(runs[i].host.kernel), "\"'><i>%zu", i);
	}
	for (size_t n = 1; n <= 2; n++) {
		_cleanup_free_ char *page = page_of(runs, n, ES_PER_SECOND, n == 1 ? bad : NULL);

		has(page, "&quot;&gt;&lt;script&gt;");
		has_not(page, "<b>h");
	}
	clear_runs(runs, 2);
}

static void several_vms_are_sections(void **state)
{
	struct es_run runs[2];
	_cleanup_free_ char *page = NULL;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		usual(&runs[i], i ? "b" : "a", ES_PAGING_NPT);
		es_sample_reason(&add_vm(&runs[i], "guest2", ES_PAGING_SHADOW)->counts, 0x78, 5, 500);
	}
	es_sample_reason(&add_vm(&runs[1], "guest3", ES_PAGING_NONE)->counts, 0x78, 5, 500);
	page = page_of(runs, 2, ES_PER_SECOND, NULL);
	has(page, "Why 3 VMs exit");
	has(page, "3 VMs in 2 recordings");
	has(page, "<a href=\"#vm-3\">guest3</a>");
	has(page, "<section class=\"vm\" data-vm=\"guest2\">");
	has(page, "id=\"reasons-3\"");
	clear_runs(runs, 2);
}

static void nothing_at_all(void **state)
{
	struct es_run run;
	_cleanup_free_ char *page = NULL;

	(void)state;
	new_run(&run, "empty");
	page = page_of(&run, 1, ES_PER_SECOND, NULL);
	has(page, "There is no VM in these recordings.");
	has(page, "How it was measured");
	clear_runs(&run, 1);
}

static void no_exits(void **state)
{
	struct es_run runs[2];
	_cleanup_free_ char *page = NULL, *both = NULL;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		new_run(&runs[i], i ? "b" : "a");
		add_points(add_vm(&runs[i], "idle", ES_PAGING_NPT), 1);
		runs[i].vms[0].points[0].exits = 0;
	}
	page = page_of(runs, 1, ES_PER_SECOND, NULL);
	has(page, "exited 0 times");
	has(page, "There were no exits.");
	both = page_of(runs, 2, ES_PER_SECOND, NULL);
	has(both, "There were no exits.");
	clear_runs(runs, 2);
}

static void exits_that_nobody_counted(void **state)
{
	struct es_run runs[2];
	_cleanup_free_ char *page = NULL, *both = NULL;

	(void)state;
	new_run(&runs[0], "pvm");
	add_vm(&runs[0], "guest1", ES_PAGING_SHADOW)->counts.exits_unknown = true;
	usual(&runs[1], "b", ES_PAGING_SHADOW);
	page = page_of(runs, 1, ES_PER_SECOND, NULL);
	has(page, "reports no exits");
	has(page, "<tr data-total=\"total\">");
	has_not(page, "data-count=\"0\"");
	both = page_of(runs, 2, ES_PER_SECOND, NULL);
	has(both, "nothing to compare with");
	has_not(both, "data-side=\"pvm\" data-count");
	clear_runs(runs, 2);
}

static void times_that_nobody_took(void **state)
{
	struct es_run run;
	_cleanup_free_ char *page = NULL;

	(void)state;
	new_run(&run, "fast");
	run.latency = false;
	es_sample_reason(&add_vm(&run, "guest1", ES_PAGING_NPT)->counts, 0x400, 100, ES_NONE);
	add_points(&run.vms[0], 1);
	run.vms[0].points[0] = (struct es_run_point){ .at_ns = S,
						      .span_ns = S,
						      .exits = 100,
						      .time_ns = ES_NONE,
						      .paging_exits = 100,
						      .paging_time_ns = ES_NONE,
						      .guest_ns = ES_NONE };
	page = page_of(&run, 1, ES_PER_SECOND, NULL);
	has(page, "Times were not measured: exitstatd ran with --no-latency.");
	has(page, "no, counts only");
	has_not(page, "data-time-ns");
	has_not(page, "data-p50-ns");
	has_not(page, "data-p999-ns");
	has_not(page, "data-share");
	has(page, "data-count=\"100\"");
	clear_runs(&run, 1);
}

/* One run whose time is known, one of an older version, one that measured none. */
static void parts_of_time(void **state)
{
	struct es_run runs[3];
	_cleanup_free_ char *page = NULL;

	(void)state;
	usual(&runs[0], "whole", ES_PAGING_NPT);
	usual(&runs[1], "old", ES_PAGING_NPT);
	runs[1].vms[0].counts.time = (struct es_time){ .guest_ns = 5 * S,
						       .kernel_ns = ES_NONE,
						       .vmm_ns = ES_NONE,
						       .runqueue_ns = ES_NONE,
						       .idle_ns = S,
						       .total_ns = ES_NONE };
	new_run(&runs[2], "counts");
	es_sample_reason(&add_vm(&runs[2], "guest1", ES_PAGING_NPT)->counts, 0x400, 100, ES_NONE);
	page = page_of(runs, 3, ES_PER_SECOND, NULL);
	has(page, "<title>whole: in the guest 50.0%, in the kernel (KVM) 30.0%, in the VMM 10.0%, waiting "
		  "for a CPU "
		  "5.0%, idle 5.0%</title>");
	has(page, "<rect class=\"seg waiting\" x=\"90.0000%\" width=\"5.0000%\" height=\"18\" "
		  "data-part=\"waiting\" "
		  "data-side=\"whole\" data-raw=\"500000000\" data-value=\"0.050000000000000003\"/>");
	/* 430000900 ns outside the guest, of 6.43 s; no part gets any of it. */
	has(page, "data-part=\"rest\" data-side=\"old\" data-raw=\"430000900\"");
	has_not(page, "data-part=\"kernel\" data-side=\"old\"");
	has(page, "<td class=\"bar\"><span class=\"none\">not measured</span></td>");
	has_not(page, "data-side=\"counts\" data-share");
	has_not(page, "data-side=\"counts\" data-ns");
	clear_runs(runs, 3);
}

static void no_time_at_all(void **state)
{
	struct es_run run;
	_cleanup_free_ char *page = NULL;

	(void)state;
	usual(&run, "a", ES_PAGING_SHADOW);
	run.vms[0].span_ns = 0;
	run.span_ns = 0;
	run.begin_realtime_ns = ES_NONE;
	for (size_t i = 0; i < run.vms[0].n_points; i++)
		run.vms[0].points[i].span_ns = 0;
	run.vms[0].points[0].at_ns = 0;
	run.vms[0].n_points = 1;
	page = page_of(&run, 1, ES_PER_SECOND, NULL);
	has(page, "Nothing was measured over time.");
	has(page, "data-count=\"40409\"");
	has_not(page, "data-count-per");
	clear_runs(&run, 1);
}

static void numbers_near_the_end_of_their_range(void **state)
{
	struct es_run runs[2];
	char want[64];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct es_reason *r;

		new_run(&runs[i], i ? "b" : "a");
		r = es_sample_reason(&add_vm(&runs[i], "guest1", ES_PAGING_NPT)->counts, 0x400, INT64_MAX - i,
				     INT64_MAX);
		r->max_ns = INT64_MAX;
		es_sample_reason(&runs[i].vms[0].counts, 0x72, 1, INT64_MAX / 2);
		runs[i].vms[0].counts.mmu.guest_walks = INT64_MAX;
		runs[i].vms[0].span_ns = i ? INT64_MAX : 1;
		add_points(&runs[i].vms[0], 2);
		runs[i].vms[0].points[1] =
			(struct es_run_point){ INT64_MAX, 1, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, 1 };
	}
	for (size_t n = 1; n <= 2; n++)
		for (enum es_per per = ES_PER_SECOND; per <= ES_PER_TOTAL; per += 2) {
			_cleanup_free_ char *page = page_of(runs, n, per, NULL);

			snprintf(want, sizeof(want), "data-count=\"%" PRId64 "\"", INT64_MAX);
			has(page, want);
			has(page, "9,223,372,036,854,775,807");
		}
	clear_runs(runs, 2);
}

/* Bars of a chart: the sum of what stands in the markup as width follows the values. */
static void bars_follow_their_values(void **state)
{
	struct es_run runs[2];
	_cleanup_free_ char *page = NULL;
	double value = 0, percent = 0, top = 0;
	unsigned int n = 0;

	(void)state;
	usual(&runs[0], "a", ES_PAGING_NPT);
	usual(&runs[1], "b", ES_PAGING_SHADOW);
	page = page_of(runs, 2, ES_PER_TOTAL, NULL);
	for (const char *p = strstr(page, "data-chart=\"count\"");
	     p && p < strstr(page, "data-chart=\"time\"");
	     p = strstr(p + 1, "<rect class=\"fill\" height=\"12\"")) {
		if (sscanf(p,
			   "<rect class=\"fill\" height=\"12\" width=\"%lf%%\" data-side=\"%*c\" "
			   "data-raw=\"%lf\"",
			   &percent, &value) != 2)
			continue;
		top = value > top ? value : top;
		assert_float_equal(percent, value / 40409 * 100, 1e-4);
		n++;
	}
	assert_float_equal(top, 40409, 0);
	assert_in_range(n, 4, 100);
	clear_runs(runs, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_run_is_not_compared),
		cmocka_unit_test(runs_side_by_side),
		cmocka_unit_test(names_cannot_become_markup),
		cmocka_unit_test(several_vms_are_sections),
		cmocka_unit_test(nothing_at_all),
		cmocka_unit_test(no_exits),
		cmocka_unit_test(exits_that_nobody_counted),
		cmocka_unit_test(times_that_nobody_took),
		cmocka_unit_test(parts_of_time),
		cmocka_unit_test(no_time_at_all),
		cmocka_unit_test(numbers_near_the_end_of_their_range),
		cmocka_unit_test(bars_follow_their_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
