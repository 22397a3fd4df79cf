// SPDX-License-Identifier: GPL-2.0-only
/* `exitstat status` for people, from the daemon's JSON: a daemon of another version is shown as far as it goes. */
#include <errno.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/render.h>
#include <exitstat/util.h>

#include "render_status.h"

#define LABEL_WIDTH 11

uint64_t es_status_number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v) : ES_NONE;
}

void es_status_string(char buf[ES_CELL_MAX], const json_t *o, const char *key, const struct es_style *st)
{
	const char *s = json_string_value(json_object_get(o, key));

	es_text_clean(buf, ES_CELL_MAX, s && *s ? s : "-", st->utf8);
}

static const struct {
	const char *word, *phrase;
	enum es_sgr colour;
} states[] = {
	{ "attached", "attached to KVM and counting", ES_SGR_GOOD },
	{ "waiting", "waiting for KVM to be loaded", ES_SGR_WARN },
	{ "silent", "attached, but this KVM reports no exits", ES_SGR_WARN },
	{ "detached", "detached; `sudo exitstat attach` counts again", ES_SGR_WARN },
	{ "failed", "not counting: attaching to KVM failed", ES_SGR_BAD },
	{ "replay", "replaying a recording", ES_SGR_GOOD },
};

static void write_state(FILE *f, const json_t *status, const struct es_style *st)
{
	char word[ES_CELL_MAX], notice[ES_CELL_MAX];
	const char *phrase = word;
	enum es_sgr colour = ES_SGR_WARN;

	es_status_string(word, status, "attach", st);
	for (size_t i = 0; i < ES_ARRAY_SIZE(states); i++)
		if (strcmp(states[i].word, word) == 0) {
			phrase = states[i].phrase;
			colour = states[i].colour;
		}
	fprintf(f, "exitstatd is %s%s%s\n", es_sgr(colour, st), phrase, es_sgr(ES_SGR_OFF, st));
	es_status_string(notice, status, "notice", st);
	if (strcmp(notice, "-") != 0)
		fprintf(f, "%s\n", notice);
}

static void write_host(FILE *f, const json_t *status, const struct es_style *st)
{
	const json_t *host = json_object_get(status, "host"), *tdp = json_object_get(host, "tdp");
	char name[ES_CELL_MAX], kernel[ES_CELL_MAX], isa[ES_CELL_MAX];

	es_status_string(name, host, "hostname", st);
	es_status_string(kernel, host, "kernel", st);
	es_status_string(isa, host, "isa", st);
	fprintf(f, "%-*s%s, Linux %s, %s, nested paging %s\n", LABEL_WIDTH, "Host", name, kernel,
		strcmp(isa, "-") == 0 ? "no KVM vendor module seen" : isa,
		json_is_true(tdp)    ? "on"
		: json_is_false(tdp) ? "off"
				     : "unknown");
	fprintf(f, "%-*scounts%s\n", LABEL_WIDTH, "Measures",
		json_is_true(json_object_get(status, "latency")) ? " and times" : "; times are off");
}

static uint64_t average(uint64_t sum, uint64_t n)
{
	return sum == ES_NONE || n == ES_NONE || !n ? ES_NONE : sum / n;
}

static void write_maps(FILE *f, uint64_t bytes, uint64_t slots)
{
	char a[ES_CELL_MAX], b[ES_CELL_MAX], c[ES_CELL_MAX];

	fprintf(f, "%-*s%s of the kernel's memory, %s a vCPU (for %s)\n", LABEL_WIDTH, "Maps",
		es_fmt_bytes(a, bytes), es_fmt_bytes(b, average(bytes, slots)), es_fmt_group(c, slots));
}

static void write_daemon(FILE *f, const json_t *status, const struct es_style *st)
{
	const json_t *d = json_object_get(status, "daemon");
	uint64_t up = es_status_number(d, "uptime_ns"), cpu = es_status_number(d, "cpu_ns");
	char a[ES_CELL_MAX], b[ES_CELL_MAX], c[ES_CELL_MAX], e[ES_CELL_MAX];

	fprintf(f, "%-*sup %s, CPU time %s (%s of one CPU), memory %s\n", LABEL_WIDTH, "Daemon",
		es_fmt_time(a, up, st->utf8), es_fmt_time(b, cpu, st->utf8),
		es_fmt_share(c, es_share(cpu, up)), es_fmt_bytes(e, es_status_number(d, "rss_bytes")));
	write_maps(f, es_status_number(d, "map_bytes"),
		   es_status_number(json_object_get(status, "health"), "slots_max"));
	fprintf(f, "%-*s%s taken, %s each on average, the last in %s, the longest in %s\n", LABEL_WIDTH,
		"Samples", es_fmt_group(a, es_status_number(d, "samples")),
		es_fmt_time(e, average(es_status_number(d, "sample_ns_sum"), es_status_number(d, "samples")),
			    st->utf8),
		es_fmt_time(b, es_status_number(d, "sample_ns_last"), st->utf8),
		es_fmt_time(c, es_status_number(d, "sample_ns_max"), st->utf8));
	fprintf(f, "%-*s%s connected, %s refused, %s requests\n", LABEL_WIDTH, "Clients",
		es_fmt_group(a, es_status_number(d, "clients")),
		es_fmt_group(b, es_status_number(d, "clients_refused")),
		es_fmt_group(c, es_status_number(d, "requests")));
}

static void write_features(FILE *f, const json_t *status, const struct es_style *st)
{
	const json_t *features = json_object_get(status, "features"), *p;
	char name[ES_CELL_MAX], detail[ES_CELL_MAX];
	size_t i;

	if (json_array_size(features))
		fprintf(f, "\n%sFEATURES%s\n", es_sgr(ES_SGR_BOLD, st), es_sgr(ES_SGR_OFF, st));
	json_array_foreach(features, i, p)
	{
		bool on = json_is_true(json_object_get(p, "on"));

		es_status_string(name, p, "name", st);
		es_status_string(detail, p, "detail", st);
		fprintf(f, "%s%-5s%s", es_sgr(on ? ES_SGR_GOOD : ES_SGR_WARN, st), on ? "on" : "off",
			es_sgr(ES_SGR_OFF, st));
		es_text_pad(f, name, 18, false);
		fprintf(f, " %s\n", detail);
	}
}

/* Each counter of things lost, with what it means and what helps. */
static const struct {
	const char *key, *label, *meaning;
} losses[] = {
	{ "dropped", "dropped", "in no total: no slot (exitstatd --slots), or short of cells" },
	{ "missed", "missed", "events the kernel skipped because a program was running already" },
	{ "unattributed", "unattributed", "events that belong to no vCPU known" },
	{ "unattributed_mmu", "  of the MMU", "of those: what kernel threads do to shadow pages, above all" },
	{ "unknown_reasons", "unknown reasons",
	  "exits with a code this version has no name for (counted by number)" },
	{ "short_cells", "short of cells", "exits not in the totals: too many kinds of reason on one vCPU" },
	{ "read_errors", "read errors",
	  "kernel memory, or counters of a patched KVM, that could not be read" },
	{ "ring_full", "ring full", "announcements not sent; found by the sampler anyway" },
};

static void write_losses(FILE *f, const json_t *status, const struct es_style *st)
{
	const json_t *health = json_object_get(status, "health");
	char a[ES_CELL_MAX], b[ES_CELL_MAX];

	fprintf(f, "\n%sLOSSES%s\n", es_sgr(ES_SGR_BOLD, st), es_sgr(ES_SGR_OFF, st));
	for (size_t i = 0; i < ES_ARRAY_SIZE(losses); i++) {
		uint64_t n = es_status_number(health, losses[i].key);
		bool bad = n && n != ES_NONE;

		fprintf(f, "%s%-16s %14s%s  %s\n", bad ? es_sgr(ES_SGR_WARN, st) : "", losses[i].label,
			es_fmt_group(a, n), bad ? es_sgr(ES_SGR_OFF, st) : "", losses[i].meaning);
	}
	fprintf(f, "%-16s %14s  vCPU slots in use, of %s\n", "slots",
		es_fmt_group(a, es_status_number(health, "slots_used")),
		es_fmt_group(b, es_status_number(health, "slots_max")));
}

/* --- the kernel's own counters --- */

#define KERNEL_ROWS 12 /* VMs in full; of more, only those that are not right */

static const struct {
	const char *word;
	const char *of_many; /* in the summary */
	bool right;
} verdicts[] = {
	{ "exact", "exact", true },
	{ "within", "not known to the last exit yet", true },
	{ "differ", "differ", false },
	{ "unknown", "not known", false },
};

/* The verdict's place in the table; a word that is not in it is "unknown". */
static size_t verdict_of(const json_t *vm)
{
	const char *word = json_string_value(json_object_get(vm, "verdict"));
	size_t i = 0;

	while (word && i < ES_ARRAY_SIZE(verdicts) - 1 && strcmp(verdicts[i].word, word))
		i++;
	return word ? i : ES_ARRAY_SIZE(verdicts) - 1;
}

static void kernel_name(char buf[ES_CELL_MAX], const void *vm, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_status_string(buf, vm, "name", st);
}

static void kernel_pid(char buf[ES_CELL_MAX], const void *vm, unsigned int width, const struct es_style *st)
{
	uint64_t pid = es_status_number(vm, "pid");

	(void)width, (void)st;
	if (pid == ES_NONE)
		strcpy(buf, "-");
	else
		snprintf(buf, ES_CELL_MAX, "%llu", (unsigned long long)pid);
}

static void kernel_total(char buf[ES_CELL_MAX], const void *vm, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_group(buf, es_status_number(vm, "kernel_total"));
}

static void kernel_bpf(char buf[ES_CELL_MAX], const void *vm, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_group(buf, es_status_number(vm, "bpf_total"));
}

/* "CPUID 12 more by the kernel" of each reason that is off. */
static void write_offs(FILE *f, const json_t *vm, const struct es_style *st)
{
	char name[ES_CELL_MAX], n[ES_CELL_MAX];
	const json_t *d;
	size_t i;

	json_array_foreach(json_object_get(vm, "differs"), i, d)
	{
		json_int_t off = json_integer_value(json_object_get(d, "off"));
		uint64_t code = es_status_number(d, "code");

		es_status_string(name, d, "name", st);
		if (!strcmp(name, "-") && code != ES_NONE)
			snprintf(name, sizeof(name), "reason %#llx", (unsigned long long)code);
		es_fmt_group(n, off < 0 ? -(uint64_t)off : (uint64_t)off);
		fprintf(f, "%s %s %s %s", i ? "," : ":", name, n, off < 0 ? "less" : "more");
	}
	if (i)
		fputs(" by the kernel", f);
}

static void kernel_verdict(char buf[ES_CELL_MAX], const void *vm, unsigned int width,
			   const struct es_style *st)
{
	const char *since = json_is_false(json_object_get(vm, "whole_life")) ? " since attached" : "";
	const char *word = verdicts[verdict_of(vm)].word;
	char text[ES_CELL_MAX], n[ES_CELL_MAX];
	FILE *f = fmemopen(buf, ES_CELL_MAX, "w");

	(void)width;
	buf[0] = '\0';
	if (!f)
		return;
	if (!strcmp(word, "unknown")) {
		es_status_string(text, vm, "why", st);
		fprintf(f, "not known: %s", text);
	} else if (!strcmp(word, "differ")) {
		fputs("DIFFER", f);
		write_offs(f, vm, st);
	} else if (!strcmp(word, "within")) {
		fprintf(f, "agree within %s%s", es_fmt_group(n, es_status_number(vm, "within")), since);
	} else {
		fprintf(f, "exact%s", since);
	}
	fclose(f);
	buf[ES_CELL_MAX - 1] = '\0';
}

static const struct es_column kernel_columns[] = {
	{ .key = "vm", .title = "VM", .keep = 100, .cell = kernel_name },
	{ .key = "pid", .title = "PID", .right = true, .keep = 50, .cell = kernel_pid },
	{ .key = "kernel", .title = "KERNEL", .right = true, .keep = 80, .cell = kernel_total },
	{ .key = "bpf", .title = "BPF", .right = true, .keep = 80, .cell = kernel_bpf },
	{ .key = "verdict", .title = "EXITS", .keep = 90, .cell = kernel_verdict },
	{ 0 },
};

static void write_kernel_sums(FILE *f, const size_t n[ES_ARRAY_SIZE(verdicts)], size_t all)
{
	char a[ES_CELL_MAX];
	const char *between = ":";

	fprintf(f, "%s VMs", es_fmt_group(a, all));
	for (size_t i = 0; i < ES_ARRAY_SIZE(verdicts); i++)
		if (n[i]) {
			fprintf(f, "%s %s %s", between, es_fmt_group(a, n[i]), verdicts[i].of_many);
			between = ",";
		}
	fputc('\n', f);
}

static int write_kernel_vms(FILE *f, const json_t *vms, const struct es_style *st)
{
	size_t all = json_array_size(vms), n[ES_ARRAY_SIZE(verdicts)] = { 0 }, shown = 0, hidden = 0, i;
	static const size_t order[] = { 2, 3, 1, 0 }; /* differences first, then what is not known */
	const void *rows[KERNEL_ROWS];
	struct es_layout l;
	const json_t *vm;

	for (size_t k = 0; k < ES_ARRAY_SIZE(order); k++) {
		const size_t v = order[k];

		json_array_foreach(vms, i, vm)
		{
			if (verdict_of(vm) != v)
				continue;
			n[v]++;
			if (verdicts[v].right && all > KERNEL_ROWS)
				continue;
			if (shown < KERNEL_ROWS)
				rows[shown++] = vm;
			else
				hidden++;
		}
	}
	if (all > KERNEL_ROWS)
		write_kernel_sums(f, n, all);
	if (!shown)
		return 0;
	es_layout(&l, kernel_columns, rows, shown, false, st);
	es_layout_heading(f, &l, st);
	for (i = 0; i < shown; i++)
		es_layout_row(f, &l, rows[i], st);
	if (hidden)
		fprintf(f, "(and %zu more; all with --format json)\n", hidden);
	return 0;
}

static int write_kernel(FILE *f, const json_t *status, const struct es_style *st)
{
	const json_t *k = json_object_get(status, "kernel_counters");
	char detail[ES_CELL_MAX];

	if (!json_is_object(k))
		return 0; /* a recording, or an older daemon */
	es_status_string(detail, k, "detail", st);
	fprintf(f, "\n%sKERNEL COUNTERS%s  %s\n", es_sgr(ES_SGR_BOLD, st), es_sgr(ES_SGR_OFF, st), detail);
	return write_kernel_vms(f, json_object_get(k, "vms"), st);
}

int es_render_status(FILE *f, const json_t *status, const struct es_style *st)
{
	int r;

	write_state(f, status, st);
	fputc('\n', f);
	write_host(f, status, st);
	write_daemon(f, status, st);
	r = es_render_cost(f, status, st);
	write_features(f, status, st);
	write_losses(f, status, st);
	return r ? r : write_kernel(f, status, st);
}
