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

/* Columns of a histogram in a table for which there is less room than that. */
#define BUCKETS_LEAST 11
#define ROOMY	      110

static uint64_t now_time(const struct es_reason_row *r)
{
	return r->now ? r->now->time_ns : ES_NONE;
}

int es_reason_rows(const struct es_counts *sum, const struct es_counts *now, enum es_isa isa,
		   enum es_paging paging, uint64_t span_ns, struct es_reason_row **rows)
{
	struct es_reason_row row = { .isa = isa, .paging = paging, .span_ns = span_ns };

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
	/* The greatest of an interval is not known, but it is no greater than that of all time. */
	return es_hist_percentile(r->now->hist, permille,
				  r->now->max_ns == ES_NONE ? r->sum->max_ns : r->now->max_ns);
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

enum es_class es_reason_row_class(const struct es_reason_row *r)
{
	return es_reason_class_for(r->isa, r->paging, r->code);
}

static void cell_class(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	snprintf(buf, ES_CELL_MAX, "%s", ROW(p)->label ? "" : es_class_name(es_reason_row_class(ROW(p))));
}

static void cell_count(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	struct es_style exact = *st;

	/* Counts are never rounded: whoever watches one wants to see it move. */
	(void)width;
	exact.exact = true;
	es_fmt_count(buf, ROW(p)->sum->count, &exact);
}

static double known(uint64_t v)
{
	return v == ES_NONE ? -1 : (double)v;
}

/* A cell and an order for the exits of L2; they are of the same exits as the counts. */
#define FLAG(name, flag)                                                                                \
	static void cell_##name(char buf[ES_CELL_MAX], const void *p, unsigned int width,               \
				const struct es_style *st)                                              \
	{                                                                                               \
		(void)width;                                                                            \
		es_fmt_count(buf, ROW(p)->sum->flags[flag], st);                                        \
	}                                                                                               \
	static int by_##name(const void *a, const void *b)                                              \
	{                                                                                               \
		return es_descending(known(ROW(a)->sum->flags[flag]), known(ROW(b)->sum->flags[flag])); \
	}

FLAG(l2, ES_FLAG_L2)
FLAG(reflected, ES_FLAG_L2_REFLECTED)

static bool has_l2(const void *p)
{
	return known(ROW(p)->sum->flags[ES_FLAG_L2]) > 0;
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

static void cell_tshare(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_share(buf, time_share(ROW(p)));
}

static void cell_avg(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_time(buf, average(ROW(p)), st->utf8);
}

/* A cell and an order for a percentile. */
#define PERCENTILE(name, permille)                                                        \
	static void cell_##name(char buf[ES_CELL_MAX], const void *p, unsigned int width, \
				const struct es_style *st)                                \
	{                                                                                 \
		(void)width;                                                              \
		es_fmt_time(buf, percentile(ROW(p), permille), st->utf8);                 \
	}                                                                                 \
	static int by_##name(const void *a, const void *b)                                \
	{                                                                                 \
		return es_descending(known(percentile(ROW(a), permille)),                 \
				     known(percentile(ROW(b), permille)));                \
	}

PERCENTILE(p50, 500)
PERCENTILE(p90, 900)
PERCENTILE(p99, 990)
PERCENTILE(p999, 999)

static void cell_max(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_time(buf, ROW(p)->sum->max_ns, st->utf8);
}

static void cell_history(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	es_spark(buf, ES_CELL_MAX, ROW(p)->history, ROW(p)->n_history, width, st->utf8);
}

/* A column a bucket, or several where there is no room: the table's rows have one axis. */
static void cell_buckets(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	const struct es_reason_row *r = ROW(p);
	unsigned int n = r->axis_end - r->axis_begin, each;
	float values[ES_HIST_BUCKETS] = { 0 };

	*buf = '\0';
	if (!n || !r->now || !es_hist_known(r->now->hist) || !es_hist_sum(r->now->hist))
		return;
	if (!width && st->width && st->width < ROOMY)
		width = BUCKETS_LEAST;
	each = width && n > width ? (n + width - 1) / width : 1;
	for (unsigned int i = 0; i < n; i++)
		values[i / each] += (float)r->now->hist[r->axis_begin + i];
	n = (n + each - 1) / each;
	es_spark(buf, ES_CELL_MAX, values, n, n, st->utf8);
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

static int by_max(const void *a, const void *b)
{
	return es_descending(known(ROW(a)->sum->max_ns), known(ROW(b)->sum->max_ns));
}

static int by_tshare(const void *a, const void *b)
{
	return es_descending(time_share(ROW(a)), time_share(ROW(b)));
}

static int by_label(const void *a, const void *b)
{
	return strcmp(ROW(a)->label, ROW(b)->label);
}

static int by_name(const void *a, const void *b)
{
	char na[ES_REASON_NAME_MAX], nb[ES_REASON_NAME_MAX];

	return strcmp(es_reason_name(ROW(a)->isa, ROW(a)->code, na),
		      es_reason_name(ROW(b)->isa, ROW(b)->code, nb));
}

static int by_class(const void *a, const void *b)
{
	int c = strcmp(es_class_name(es_reason_row_class(ROW(a))),
		       es_class_name(es_reason_row_class(ROW(b))));

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
	{ .key = "l2",
	  .title = "OF L2",
	  .help = "exits of guests that the VM runs itself (L2), where it runs any",
	  .right = true,
	  .sortable = true,
	  .keep = 73,
	  .live = 7,
	  .worth = has_l2,
	  .cell = cell_l2,
	  .compare = by_l2 },
	{ .key = "reflected",
	  .title = "TO L1",
	  .help = "of these, handed on to the VM's own hypervisor (L1); KVM handled the others itself",
	  .right = true,
	  .sortable = true,
	  .keep = 72,
	  .live = 7,
	  .worth = has_l2,
	  .cell = cell_reflected,
	  .compare = by_reflected },
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
	  .cell = cell_tshare },
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
	  .sortable = true,
	  .keep = 30,
	  .cell = cell_p50,
	  .compare = by_p50 },
	{ .key = "p99",
	  .title = "P99",
	  .help = "99 of 100 exits took no longer",
	  .right = true,
	  .sortable = true,
	  .keep = 40,
	  .live = 7,
	  .cell = cell_p99,
	  .compare = by_p99 },
	{ .key = "max",
	  .title = "MAX",
	  .help = "the longest one",
	  .right = true,
	  .sortable = true,
	  .keep = 25,
	  .cell = cell_max,
	  .compare = by_max },
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

/* What the two tables of latencies have in common. */
#define LATENCY(name, heading, text, importance, columns)                                      \
	{                                                                                      \
		.key = #name, .title = heading, .help = text, .right = true, .sortable = true, \
		.keep = importance, .live = columns, .cell = cell_##name, .compare = by_##name \
	}
#define LATENCIES                                                                                         \
	LATENCY(rate, "EXITS/s", "exits per second", 55, 7),                                              \
		LATENCY(time, "TIME", "time from these exits to the next entries, idle left out", 20, 0), \
		LATENCY(tshare, "TIME%", "share of the time outside the guest, of all rows", 50, 6),      \
		LATENCY(avg, "AVG", "average time of one exit", 30, 6),                                   \
		LATENCY(p50, "P50", "half of the exits took no longer (within a factor of two)", 80, 6),  \
		LATENCY(p90, "P90", "9 of 10 exits took no longer", 60, 6),                               \
		LATENCY(p99, "P99", "99 of 100 exits took no longer", 85, 6),                             \
		LATENCY(p999, "P99.9", "999 of 1,000 exits took no longer", 70, 6),                       \
		LATENCY(max, "MAX", "the longest one since the VM was first seen", 45, 6),                \
	{                                                                                                 \
		.key = "buckets", .title = "HISTOGRAM",                                                   \
		.help = "how many took how long: a column for each doubling", .flex = true, .keep = 75,   \
		.live = 11, .cell = cell_buckets                                                          \
	}

const struct es_column es_latency_columns[] = {
	{ .key = "name",
	  .title = "REASON",
	  .help = "why the guest exited, as the kernel names it",
	  .sortable = true,
	  .keep = 100,
	  .live = 14,
	  .cell = cell_name,
	  .compare = by_name },
	{ .key = "count",
	  .title = "EXITS",
	  .help = "exits counted",
	  .right = true,
	  .sortable = true,
	  .keep = 40,
	  .cell = cell_count,
	  .compare = by_count },
	LATENCIES,
	{ 0 },
};

const struct es_column es_vm_latency_columns[] = {
	{ .key = "name",
	  .title = "VM",
	  .help = "the VM's name",
	  .sortable = true,
	  .keep = 100,
	  .live = 14,
	  .cell = cell_name,
	  .compare = by_label },
	LATENCIES,
	{ 0 },
};

void es_reason_sum(struct es_reason *sum, const struct es_counts *c)
{
	*sum = (struct es_reason){ .count = es_exits_total(c), .time_ns = es_exits_time_ns(c) };
	for (size_t i = 0; i < c->n_reasons; i++)
		es_reason_merge(sum, &c->reasons[i]);
}

/* Unknown if any part is. */
static void merge_flags(uint64_t *sum, const uint64_t *flags)
{
	for (unsigned int f = 0; f < ES_FLAGS; f++) {
		if (sum[f] == ES_NONE || flags[f] == ES_NONE)
			sum[f] = ES_NONE;
		else
			sum[f] += flags[f];
	}
}

void es_reason_merge(struct es_reason *sum, const struct es_reason *r)
{
	if (r->max_ns == ES_NONE || sum->max_ns == ES_NONE)
		sum->max_ns = ES_NONE;
	else if (r->max_ns > sum->max_ns)
		sum->max_ns = r->max_ns;
	if (!es_hist_known(r->hist) || !es_hist_known(sum->hist))
		sum->hist[0] = ES_NONE;
	else
		for (size_t b = 0; b < ES_HIST_BUCKETS; b++)
			sum->hist[b] += r->hist[b];
	merge_flags(sum->flags, r->flags);
}
