// SPDX-License-Identifier: GPL-2.0-only
/* The columns of a reason table, for snapshot and top alike. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/hist.h>
#include <exitstat/reasons.h>
#include <exitstat/render.h>

#define ROW(p) ((const struct es_reason_row *)(p))

static uint64_t now_time(const struct es_reason_row *r)
{
	return r->now ? r->now->time_ns : ES_NONE;
}

int es_reason_rows(const struct es_counts *sum, const struct es_counts *now, enum es_isa isa,
		   uint64_t span_ns, struct es_reason_row **rows)
{
	struct es_reason_row row = { .isa = isa, .span_ns = span_ns };

	row.now_total = now ? es_exits_total(now) : 0;
	row.now_time_ns = now ? es_exits_time_ns(now) : 0;
	*rows = calloc(sum->n_reasons + 1, sizeof(**rows));
	if (!*rows)
		return -ENOMEM;
	for (size_t i = 0; i < sum->n_reasons; i++) {
		row.sum = &sum->reasons[i];
		row.code = row.sum->code;
		row.now = now ? es_counts_find(now, row.code) : NULL;
		(*rows)[i] = row;
	}
	return 0;
}

double es_reason_rate(const struct es_reason_row *r)
{
	if (r->span_ns == ES_NONE || !r->span_ns)
		return -1;
	if (!r->now)
		return 0;
	return r->now->count == ES_NONE ? -1 : es_per_second(r->now->count, r->span_ns);
}

static double count_share(const struct es_reason_row *r)
{
	return r->now					 ? es_share(r->now->count, r->now_total)
	       : r->now_total && r->now_total != ES_NONE ? 0
							 : -1;
}

static double time_share(const struct es_reason_row *r)
{
	return es_share(now_time(r), r->now_time_ns);
}

static uint64_t percentile(const struct es_reason_row *r, unsigned int permille)
{
	if (!r->now || !es_hist_known(r->now->hist))
		return ES_NONE;
	return es_hist_percentile(r->now->hist, permille, r->now->max_ns);
}

static uint64_t average(const struct es_reason_row *r)
{
	uint64_t ns = now_time(r);

	return ns == ES_NONE || !r->now->count || r->now->count == ES_NONE ? ES_NONE : ns / r->now->count;
}

static void cell_name(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	char name[ES_REASON_NAME_MAX];
	const struct es_reason_row *r = ROW(p);

	es_text_fit(buf, ES_CELL_MAX, r->label ? r->label : es_reason_name(r->isa, r->code, name), width,
		    st->utf8);
}

static void cell_class(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	snprintf(buf, ES_CELL_MAX, "%s",
		 ROW(p)->label ? "" : es_class_name(es_reason_class(ROW(p)->isa, ROW(p)->code)));
}

static void cell_count(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	struct es_style exact = *st;

	/* Counts are never rounded: whoever watches one wants to see it move. */
	(void)width;
	exact.exact = true;
	es_fmt_count(buf, ROW(p)->sum->count, &exact);
}

static void cell_rate(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_rate(buf, es_reason_rate(ROW(p)), st);
}

static void cell_share(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_share(buf, count_share(ROW(p)));
}

static void cell_time(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_time(buf, now_time(ROW(p)), st->utf8);
}

static void cell_time_share(char buf[ES_CELL_MAX], const void *p, unsigned int width,
			    const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_share(buf, time_share(ROW(p)));
}

static void cell_avg(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_time(buf, average(ROW(p)), st->utf8);
}

static void cell_p50(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_time(buf, percentile(ROW(p), 500), st->utf8);
}

static void cell_p99(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_time(buf, percentile(ROW(p), 990), st->utf8);
}

static void cell_max(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_time(buf, ROW(p)->sum->max_ns, st->utf8);
}

static void cell_history(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	es_spark(buf, ES_CELL_MAX, ROW(p)->history, ROW(p)->n_history, width, st->utf8);
}

static double known(uint64_t v)
{
	return v == ES_NONE ? -1 : (double)v;
}

static int by_count(const void *a, const void *b)
{
	return es_descending(known(ROW(a)->sum->count), known(ROW(b)->sum->count));
}

static int by_rate(const void *a, const void *b)
{
	int c = es_descending(es_reason_rate(ROW(a)), es_reason_rate(ROW(b)));

	return c ? c : by_count(a, b);
}

static int by_time(const void *a, const void *b)
{
	int c = es_descending(known(now_time(ROW(a))), known(now_time(ROW(b))));

	return c ? c : by_count(a, b);
}

static int by_avg(const void *a, const void *b)
{
	return es_descending(known(average(ROW(a))), known(average(ROW(b))));
}

static int by_name(const void *a, const void *b)
{
	char na[ES_REASON_NAME_MAX], nb[ES_REASON_NAME_MAX];

	return strcmp(es_reason_name(ROW(a)->isa, ROW(a)->code, na),
		      es_reason_name(ROW(b)->isa, ROW(b)->code, nb));
}

static int by_class(const void *a, const void *b)
{
	int c = strcmp(es_class_name(es_reason_class(ROW(a)->isa, ROW(a)->code)),
		       es_class_name(es_reason_class(ROW(b)->isa, ROW(b)->code)));

	return c ? c : by_rate(a, b);
}

const struct es_column es_reason_columns[] = {
	{ .key = "name",
	  .title = "REASON",
	  .help = "why the guest exited, as the kernel names it",
	  .sortable = true,
	  .keep = 100,
	  .live = 20,
	  .cell = cell_name,
	  .compare = by_name },
	{ .key = "class",
	  .title = "CLASS",
	  .help = "paging, io, msr, interrupt, ...",
	  .sortable = true,
	  .keep = 20,
	  .live = 11,
	  .cell = cell_class,
	  .compare = by_class },
	{ .key = "count",
	  .title = "EXITS",
	  .help = "exits counted",
	  .right = true,
	  .sortable = true,
	  .keep = 90,
	  .live = 11,
	  .cell = cell_count,
	  .compare = by_count },
	{ .key = "rate",
	  .title = "EXITS/s",
	  .help = "exits per second",
	  .right = true,
	  .sortable = true,
	  .keep = 80,
	  .live = 7,
	  .cell = cell_rate,
	  .compare = by_rate },
	{ .key = "share",
	  .title = "SHARE",
	  .help = "share of the VM's exits",
	  .right = true,
	  .keep = 70,
	  .live = 6,
	  .cell = cell_share },
	{ .key = "time",
	  .title = "TIME",
	  .help = "time from these exits to the next entries, idle left out",
	  .right = true,
	  .sortable = true,
	  .keep = 60,
	  .cell = cell_time,
	  .compare = by_time },
	{ .key = "tshare",
	  .title = "TIME%",
	  .help = "share of the VM's time outside the guest",
	  .right = true,
	  .keep = 50,
	  .live = 6,
	  .cell = cell_time_share },
	{ .key = "avg",
	  .title = "AVG",
	  .help = "average time of one exit",
	  .right = true,
	  .sortable = true,
	  .keep = 55,
	  .live = 7,
	  .cell = cell_avg,
	  .compare = by_avg },
	{ .key = "p50",
	  .title = "P50",
	  .help = "half of the exits took no longer",
	  .right = true,
	  .keep = 30,
	  .cell = cell_p50 },
	{ .key = "p99",
	  .title = "P99",
	  .help = "99 of 100 exits took no longer",
	  .right = true,
	  .keep = 40,
	  .live = 7,
	  .cell = cell_p99 },
	{ .key = "max",
	  .title = "MAX",
	  .help = "the longest one",
	  .right = true,
	  .keep = 25,
	  .cell = cell_max },
	{ .key = "history",
	  .title = "RATE OVER TIME",
	  .help = "the rate over the last intervals, newest right",
	  .flex = true,
	  .only_live = true,
	  .keep = 75,
	  .live = 14,
	  .cell = cell_history },
	{ 0 },
};
