// SPDX-License-Identifier: GPL-2.0-only
/* The columns of a VM table that is about paging. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/render.h>
#include <exitstat/util.h>

#define ROW(p) ((const struct es_vm_row *)(p))

#define BAR_MIN	    4 /* columns; below, the number alone must do */
#define NUMBER_ROOM 6 /* "100%", "<0.1%", and a space */

double es_vm_cost(const struct es_vm_row *r)
{
	return r->cost.time_share >= 0 ? r->cost.time_share : r->cost.exit_share;
}

/* Where nothing happened, nothing happened for paging, too. */
double es_vm_paging_rate(const struct es_vm_row *r)
{
	if (r->span_ns == ES_NONE || !r->span_ns || r->cost.exits == ES_NONE)
		return -1;
	return es_per_second(r->cost.exits, r->span_ns);
}

double es_vm_event_rate(const struct es_vm_row *r, const struct es_paging_event *e)
{
	struct es_event_row row = { .span_ns = r->span_ns, .now = 0 };

	if (r->now)
		row.now = es_paging_event_count(e, &r->now->counts);
	else if (es_paging_event_count(e, &r->sum->counts) == ES_NONE)
		row.now = ES_NONE;
	return es_event_rate(&row);
}

/* The rate of some events together: those at the places of struct es_counts; unknown if one is. */
static double rate_of(const struct es_vm_row *r, const size_t *at, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		double rate = es_vm_event_rate(r, &(struct es_paging_event){ .at = at[i] });

		if (rate < 0)
			return -1;
		sum += rate;
	}
	return sum;
}

#define AT(member) offsetof(struct es_counts, member)
/* A cell and an order for the rate of one or more counters. */
#define RATE_COLUMN(name, ...)                                                            \
	static double rate_##name(const void *p)                                          \
	{                                                                                 \
		static const size_t at[] = { __VA_ARGS__ };                               \
		return rate_of(ROW(p), at, ES_ARRAY_SIZE(at));                            \
	}                                                                                 \
	static void cell_##name(char buf[ES_CELL_MAX], const void *p, unsigned int width, \
				const struct es_style *st)                                \
	{                                                                                 \
		(void)width;                                                              \
		es_fmt_rate(buf, rate_##name(p), st);                                     \
	}                                                                                 \
	static int by_##name(const void *a, const void *b)                                \
	{                                                                                 \
		return es_descending(rate_##name(a), rate_##name(b));                     \
	}

RATE_COLUMN(tdp, AT(mmu.faults.tdp))
RATE_COLUMN(shadow, AT(mmu.faults.shadow))
RATE_COLUMN(mmio, AT(mmu.faults.mmio))
RATE_COLUMN(sptes, AT(mmu.sptes.s4k), AT(mmu.sptes.s2m), AT(mmu.sptes.s1g))
RATE_COLUMN(pages, AT(mmu.shadow_pages.created))
RATE_COLUMN(cr3, AT(cr[ES_CR3].read), AT(cr[ES_CR3].write))
RATE_COLUMN(l2, AT(mmu.nested.faults))

static void cell_name(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	es_text_fit(buf, ES_CELL_MAX, ROW(p)->sum->name, width, st->utf8);
}

static void cell_mode(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_paging_word(ROW(p)->sum, buf);
}

static void cell_exits(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_rate(buf, es_vm_rate(ROW(p)), st);
}

static void cell_rate(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_rate(buf, es_vm_paging_rate(ROW(p)), st);
}

static void cell_share(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_share(buf, ROW(p)->cost.exit_share);
}

/* "64.0% ████▌": of what is 100% in a column of that width. */
static void cell_cost(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	double share = es_vm_cost(ROW(p));
	char number[ES_CELL_MAX], bar[ES_CELL_MAX];

	es_fmt_share(number, share);
	snprintf(buf, ES_CELL_MAX, "%.16s", number);
	if (!(share >= 0) || width < NUMBER_ROOM + BAR_MIN || width >= ES_CELL_MAX / 4)
		return;
	es_bar(bar, share, width - NUMBER_ROOM, st->utf8);
	snprintf(buf, ES_CELL_MAX, "%5.16s %.384s", number, bar);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(ROW(a)->sum->name, ROW(b)->sum->name);
}

static int by_mode(const void *a, const void *b)
{
	return (int)ROW(b)->sum->paging - (int)ROW(a)->sum->paging;
}

static int by_exits(const void *a, const void *b)
{
	return es_descending(es_vm_rate(ROW(a)), es_vm_rate(ROW(b)));
}

static int by_rate(const void *a, const void *b)
{
	return es_descending(es_vm_paging_rate(ROW(a)), es_vm_paging_rate(ROW(b)));
}

static int by_share(const void *a, const void *b)
{
	return es_descending(ROW(a)->cost.exit_share, ROW(b)->cost.exit_share);
}

static int by_cost(const void *a, const void *b)
{
	int c = es_descending(es_vm_cost(ROW(a)), es_vm_cost(ROW(b)));

	return c ? c : by_rate(a, b);
}

#define EVENT_COLUMN(name, heading, text, importance, columns)                                 \
	{                                                                                      \
		.key = #name, .title = heading, .help = text, .right = true, .sortable = true, \
		.keep = importance, .live = columns, .cell = cell_##name, .compare = by_##name \
	}

const struct es_column es_paging_columns[] = {
	{ .key = "name",
	  .title = "VM",
	  .help = "the VM's name",
	  .sortable = true,
	  .keep = 100,
	  .live = 14,
	  .cell = cell_name,
	  .compare = by_name },
	{ .key = "paging",
	  .title = "PAGING",
	  .help = "ept, npt (nested paging) or shadow; +L2: it runs guests itself",
	  .sortable = true,
	  .keep = 85,
	  .live = 6,
	  .cell = cell_mode,
	  .compare = by_mode },
	{ .key = "rate",
	  .title = "EXITS/s",
	  .help = "exits per second",
	  .right = true,
	  .sortable = true,
	  .keep = 60,
	  .live = 7,
	  .cell = cell_exits,
	  .compare = by_exits },
	{ .key = "prate",
	  .title = "PAGING/s",
	  .help = "of these, exits for paging",
	  .right = true,
	  .sortable = true,
	  .keep = 80,
	  .live = 8,
	  .cell = cell_rate,
	  .compare = by_rate },
	{ .key = "share",
	  .title = "SHARE",
	  .help = "share of the exits that are for paging",
	  .right = true,
	  .sortable = true,
	  .keep = 65,
	  .live = 6,
	  .cell = cell_share,
	  .compare = by_share },
	{ .key = "cost",
	  .title = "PAGING COST",
	  .help = "paging's share of the time outside the guest (of the exits, if they are not timed)",
	  .sortable = true,
	  .flex = true,
	  .keep = 90,
	  .live = 13,
	  .cell = cell_cost,
	  .compare = by_cost },
	EVENT_COLUMN(tdp, "TDP/s", "faults on EPT or NPT per second", 75, 6),
	EVENT_COLUMN(shadow, "SHADOW/s", "page faults under shadow paging per second", 74, 8),
	EVENT_COLUMN(mmio, "MMIO/s", "accesses to emulated device memory per second", 50, 6),
	EVENT_COLUMN(l2, "L2/s", "faults of guests that the VM runs, per second", 10, 6),
	EVENT_COLUMN(sptes, "SPTEs/s", "entries of all sizes set in page tables, per second", 55, 7),
	EVENT_COLUMN(pages, "PAGES/s", "shadow pages (page tables) made per second", 40, 7),
	EVENT_COLUMN(cr3, "CR3/s", "reads and writes of CR3 that exited, per second", 45, 6),
	{ 0 },
};
