// SPDX-License-Identifier: GPL-2.0-only
/* The columns of a reason table, for snapshot and top alike. */
#include <stdio.h>
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

/* Greater first; unknown (negative) last. */
static int descending(double a, double b)
{
	return a > b ? -1 : a < b;
}

static double known(uint64_t v)
{
	return v == ES_NONE ? -1 : (double)v;
}

static int by_count(const void *a, const void *b)
{
	return descending(known(ROW(a)->sum->count), known(ROW(b)->sum->count));
}

static int by_rate(const void *a, const void *b)
{
	int c = descending(es_reason_rate(ROW(a)), es_reason_rate(ROW(b)));

	return c ? c : by_count(a, b);
}

static int by_time(const void *a, const void *b)
{
	int c = descending(known(now_time(ROW(a))), known(now_time(ROW(b))));

	return c ? c : by_count(a, b);
}

static int by_avg(const void *a, const void *b)
{
	return descending(known(average(ROW(a))), known(average(ROW(b))));
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
	{ "name", "REASON", "why the guest exited, as the kernel names it", false, true, false, 100, 20,
	  cell_name, by_name },
	{ "class", "CLASS", "paging, io, msr, interrupt, …", false, true, false, 20, 11, cell_class,
	  by_class },
	{ "count", "EXITS", "exits counted", true, true, false, 90, 11, cell_count, by_count },
	{ "rate", "EXITS/s", "exits per second", true, true, false, 80, 7, cell_rate, by_rate },
	{ "share", "SHARE", "share of the VM's exits", true, false, false, 70, 6, cell_share, NULL },
	{ "time", "TIME", "time from these exits to the next entries, idle left out", true, true, false, 60,
	  0, cell_time, by_time },
	{ "tshare", "TIME%", "share of the VM's time outside the guest", true, false, false, 50, 6,
	  cell_time_share, NULL },
	{ "avg", "AVG", "average time of one exit", true, true, false, 55, 7, cell_avg, by_avg },
	{ "p50", "P50", "half of the exits took no longer", true, false, false, 30, 0, cell_p50, NULL },
	{ "p99", "P99", "99 of 100 exits took no longer", true, false, false, 40, 7, cell_p99, NULL },
	{ "max", "MAX", "the longest one", true, false, false, 25, 0, cell_max, NULL },
	{ "history", "RATE OVER TIME", "the rate over the last intervals, newest right", false, false, true,
	  0, 14, cell_history, NULL },
	{ 0 },
};
