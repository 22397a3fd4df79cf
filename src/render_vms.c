// SPDX-License-Identifier: GPL-2.0-only
/* The columns of a VM table, for list and top alike. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/reasons.h>
#include <exitstat/render.h>
#include <exitstat/util.h>

#define ROW(p)		((const struct es_vm_row *)(p))
#define TOP_REASONS	3 /* shown where room is no question */
#define TOP_REASONS_MAX 16

uint64_t es_vm_span(const struct es_snapshot *s, const struct es_vm *vm)
{
	uint64_t end = vm->ended_ns < s->taken.monotonic_ns ? vm->ended_ns : s->taken.monotonic_ns;
	uint64_t begin = vm->since_ns;

	if (end == ES_NONE)
		return ES_NONE;
	if (s->taken.interval_ns != ES_NONE && s->taken.interval_ns <= s->taken.monotonic_ns) {
		uint64_t start = s->taken.monotonic_ns - s->taken.interval_ns;
		begin = begin == ES_NONE || begin < start ? start : begin;
	}
	return begin == ES_NONE || begin > end ? ES_NONE : end - begin;
}

const char *es_paging_phrase(const struct es_vm *vm)
{
	static const char *const phrases[][2] = {
		[ES_PAGING_NONE] = { "paging mode unknown", "paging mode unknown, runs guests itself" },
		[ES_PAGING_EPT] = { "nested paging (ept)", "nested paging (ept), runs guests itself" },
		[ES_PAGING_NPT] = { "nested paging (npt)", "nested paging (npt), runs guests itself" },
		[ES_PAGING_SHADOW] = { "shadow paging", "shadow paging, runs guests itself" },
	};

	return phrases[vm->paging][vm->nested];
}

const char *es_paging_word(const struct es_vm *vm, char buf[ES_CELL_MAX])
{
	const char *word = es_paging_name(vm->paging);

	snprintf(buf, ES_CELL_MAX, "%s%s", word ? word : "-", vm->nested ? "+L2" : "");
	return buf;
}

double es_vm_rate(const struct es_vm_row *r)
{
	if (r->span_ns == ES_NONE || !r->span_ns)
		return -1;
	return r->now ? es_per_second(es_exits_total(&r->now->counts), r->span_ns) : 0;
}

double es_vm_outside(const struct es_vm_row *r)
{
	uint64_t guest, outside;

	if (!r->now)
		return -1;
	guest = r->now->counts.time.guest_ns;
	outside = es_exits_time_ns(&r->now->counts);
	return guest == ES_NONE || outside == ES_NONE ? -1 : es_share(outside, guest + outside);
}

double es_vm_idle(const struct es_vm_row *r)
{
	struct es_time_split s;

	if (!r->now)
		return -1;
	es_time_split(&s, &r->now->counts);
	return es_time_share(&s, ES_TIME_IDLE);
}

static void cell_name(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	es_text_fit(buf, ES_CELL_MAX, ROW(p)->sum->name, width, st->utf8);
}

static void cell_pid(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	snprintf(buf, ES_CELL_MAX, "%u", ROW(p)->sum->pid);
}

static void cell_vcpus(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	snprintf(buf, ES_CELL_MAX, "%u", ROW(p)->sum->n_vcpus);
}

static void cell_paging(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_paging_word(ROW(p)->sum, buf);
}

static void cell_state(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	snprintf(buf, ES_CELL_MAX, "%s", es_vm_state_name(ROW(p)->sum->state));
}

static void cell_rate(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_rate(buf, es_vm_rate(ROW(p)), st);
}

static void cell_outside(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_share(buf, es_vm_outside(ROW(p)));
}

static void cell_cost(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_share(buf, es_vm_cost(ROW(p)));
}

static void cell_idle(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_share(buf, es_vm_idle(ROW(p)));
}

static void cell_total(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_count(buf, es_exits_total(&ROW(p)->sum->counts), st);
}

static void cell_age(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	const struct es_vm *vm = ROW(p)->sum;
	uint64_t end = vm->state == ES_VM_ENDED ? vm->ended_ns : ROW(p)->taken_ns;

	(void)width;
	es_fmt_time(buf, end == ES_NONE || end < vm->since_ns ? ES_NONE : end - vm->since_ns, st->utf8);
}

static void cell_history(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	es_spark(buf, ES_CELL_MAX, ROW(p)->history, ROW(p)->n_history, width, st->utf8);
}

/* The n greatest reasons by count, in order. An insertion sort: n is small. */
static size_t greatest(const struct es_counts *c, const struct es_reason **out, size_t n)
{
	size_t have = 0;

	for (size_t i = 0; i < c->n_reasons; i++) {
		const struct es_reason *r = &c->reasons[i];
		size_t at = have;

		if (!r->count || r->count == ES_NONE)
			continue;
		while (at && out[at - 1]->count < r->count)
			at--;
		if (at == n)
			continue;
		have += have < n;
		memmove(&out[at + 1], &out[at], (have - at - 1) * sizeof(*out));
		out[at] = r;
	}
	return have;
}

/* As many as fit whole; a cut share would be a wrong number. */
static void cell_top(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	const struct es_vm_row *r = ROW(p);
	const struct es_reason *top[TOP_REASONS_MAX];
	char name[ES_REASON_NAME_MAX], part[ES_REASON_NAME_MAX + 16];
	size_t n = 0, used = 0;
	uint64_t total;

	(void)st;
	buf[0] = '\0';
	if (r->now)
		n = greatest(&r->now->counts, top, width ? TOP_REASONS_MAX : TOP_REASONS);
	total = n ? es_exits_total(&r->now->counts) : 0;
	for (size_t i = 0; i < n; i++) {
		double percent = 100 * es_share(top[i]->count, total);
		int len = snprintf(part, sizeof(part), "%s%s %.0f%%", used ? "  " : "",
				   es_reason_name(r->isa, top[i]->code, name), percent);

		if (percent < 0.5 || (used && width && used + (size_t)len > width))
			break;
		if (used + (size_t)len >= ES_CELL_MAX)
			break;
		memcpy(buf + used, part, (size_t)len + 1);
		used += (size_t)len;
	}
	if (!r->now && (r->span_ns == ES_NONE || !r->span_ns))
		strcpy(buf, "-");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(ROW(a)->sum->name, ROW(b)->sum->name);
}

static int by_pid(const void *a, const void *b)
{
	return es_descending(ROW(b)->sum->pid, ROW(a)->sum->pid);
}

static int by_vcpus(const void *a, const void *b)
{
	return es_descending(ROW(a)->sum->n_vcpus, ROW(b)->sum->n_vcpus);
}

static int by_paging(const void *a, const void *b)
{
	return (int)ROW(b)->sum->paging - (int)ROW(a)->sum->paging;
}

static int by_state(const void *a, const void *b)
{
	return (int)ROW(a)->sum->state - (int)ROW(b)->sum->state;
}

static int by_rate(const void *a, const void *b)
{
	int ended = (ROW(a)->sum->state == ES_VM_ENDED) - (ROW(b)->sum->state == ES_VM_ENDED);

	return ended ? ended : es_descending(es_vm_rate(ROW(a)), es_vm_rate(ROW(b)));
}

static int by_outside(const void *a, const void *b)
{
	return es_descending(es_vm_outside(ROW(a)), es_vm_outside(ROW(b)));
}

static int by_cost(const void *a, const void *b)
{
	return es_descending(es_vm_cost(ROW(a)), es_vm_cost(ROW(b)));
}

static int by_idle(const void *a, const void *b)
{
	return es_descending(es_vm_idle(ROW(a)), es_vm_idle(ROW(b)));
}

static int by_total(const void *a, const void *b)
{
	return es_descending((double)es_exits_total(&ROW(a)->sum->counts),
			     (double)es_exits_total(&ROW(b)->sum->counts));
}

static int by_age(const void *a, const void *b)
{
	return es_descending((double)ROW(b)->sum->since_ns, (double)ROW(a)->sum->since_ns);
}

const struct es_column es_vm_columns[] = {
	{ .key = "name",
	  .title = "VM",
	  .help = "the VM's name",
	  .sortable = true,
	  .keep = 100,
	  .live = 14,
	  .cell = cell_name,
	  .compare = by_name },
	{ .key = "pid",
	  .title = "PID",
	  .help = "process that runs it",
	  .right = true,
	  .sortable = true,
	  .keep = 70,
	  .live = 7,
	  .cell = cell_pid,
	  .compare = by_pid },
	{ .key = "vcpus",
	  .title = "vCPUs",
	  .help = "vCPUs seen so far",
	  .right = true,
	  .sortable = true,
	  .keep = 60,
	  .live = 5,
	  .cell = cell_vcpus,
	  .compare = by_vcpus },
	{ .key = "paging",
	  .title = "PAGING",
	  .help = "ept, npt (nested paging) or shadow; +L2: it runs guests itself",
	  .sortable = true,
	  .keep = 75,
	  .live = 6,
	  .cell = cell_paging,
	  .compare = by_paging },
	{ .key = "state",
	  .title = "STATE",
	  .help = "running, paused or ended",
	  .sortable = true,
	  .keep = 80,
	  .live = 7,
	  .cell = cell_state,
	  .compare = by_state },
	{ .key = "rate",
	  .title = "EXITS/s",
	  .help = "exits per second",
	  .right = true,
	  .sortable = true,
	  .keep = 90,
	  .live = 7,
	  .cell = cell_rate,
	  .compare = by_rate },
	{ .key = "outside",
	  .title = "OUTSIDE",
	  .help = "share of the busy (not idle) vCPU time spent outside the guest",
	  .right = true,
	  .sortable = true,
	  .keep = 65,
	  .live = 7,
	  .cell = cell_outside,
	  .compare = by_outside },
	{ .key = "cost",
	  .title = "PAGING%",
	  .help = "paging's share of the time outside the guest (of the exits, if they are not timed)",
	  .right = true,
	  .sortable = true,
	  .keep = 45,
	  .live = 7,
	  .cell = cell_cost,
	  .compare = by_cost },
	{ .key = "idle",
	  .title = "IDLE",
	  .help = "share of the vCPU time spent halted",
	  .right = true,
	  .sortable = true,
	  .keep = 20,
	  .live = 6,
	  .cell = cell_idle,
	  .compare = by_idle },
	{ .key = "total",
	  .title = "EXITS",
	  .help = "exits since the VM was first seen",
	  .right = true,
	  .sortable = true,
	  .keep = 30,
	  .live = 7,
	  .cell = cell_total,
	  .compare = by_total },
	{ .key = "age",
	  .title = "SEEN",
	  .help = "for how long the VM has been watched",
	  .right = true,
	  .sortable = true,
	  .keep = 25,
	  .live = 6,
	  .cell = cell_age,
	  .compare = by_age },
	{ .key = "history",
	  .title = "RATE OVER TIME",
	  .help = "exits/s over the last intervals, newest right",
	  .only_live = true,
	  .keep = 10,
	  .live = 30,
	  .cell = cell_history },
	{ .key = "top",
	  .title = "TOP REASONS",
	  .help = "the most frequent reasons and their shares of the exits",
	  .flex = true,
	  .keep = 50,
	  .live = 19,
	  .cell = cell_top },
	{ 0 },
};
