// SPDX-License-Identifier: GPL-2.0-only
/* The latency view: tables of percentiles, and the histogram of one reason. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/hist.h>
#include <exitstat/reasons.h>
#include <exitstat/render.h>
#include <exitstat/util.h>

#define ROW(p) ((const struct es_bucket_row *)(p))

#define BAR_WIDTH 40 /* where nothing limits it */
#define BESIDE	  48 /* columns of a text table that are not its bar */
#define BAR_LEAST 8

/* --- tables --- */

void es_latency_axis(struct es_reason_row *rows, size_t n)
{
	unsigned int begin = ES_HIST_BUCKETS, end = 0;

	for (size_t i = 0; i < n; i++) {
		const struct es_reason *r = rows[i].now;

		for (unsigned int b = 0; r && es_hist_known(r->hist) && b < ES_HIST_BUCKETS; b++) {
			if (!r->hist[b])
				continue;
			begin = b < begin ? b : begin;
			end = b + 1 > end ? b + 1 : end;
		}
	}
	for (size_t i = 0; i < n; i++) {
		rows[i].axis_begin = end ? begin : 0;
		rows[i].axis_end = end;
	}
}

void es_render_latency_foot(FILE *f, const struct es_reason_row *any, const struct es_style *st)
{
	char from[ES_CELL_MAX], to[ES_CELL_MAX];

	if (any->axis_begin == any->axis_end)
		return;
	/* The last bucket has no end. */
	fprintf(f, "Histograms from %s to %s%s. " ES_BUCKET_ERROR,
		es_fmt_time(from, es_hist_low(any->axis_begin), st->utf8),
		any->axis_end == ES_HIST_BUCKETS ? "over " : "",
		es_fmt_time(to, es_hist_high(any->axis_end - 1 - (any->axis_end == ES_HIST_BUCKETS)),
			    st->utf8));
}

void es_render_latency_table(FILE *f, const struct es_column *columns, struct es_reason_row *rows,
			     const void *const *order, size_t n, const struct es_style *st)
{
	struct es_layout l;

	es_latency_axis(rows, n);
	es_layout(&l, columns, order, n, false, st);
	es_layout_heading(f, &l, st);
	for (size_t i = 0; i < n; i++) {
		const struct es_reason_row *r = order[i];
		bool sum = r->label && !r->vm;

		fputs(sum ? es_sgr(ES_SGR_BOLD, st) : "", f);
		es_layout_row(f, &l, r, st);
		fputs(sum ? es_sgr(ES_SGR_OFF, st) : "", f);
	}
	if (!n || rows->axis_begin == rows->axis_end)
		return;
	fputs(es_sgr(ES_SGR_DIM, st), f);
	es_render_latency_foot(f, rows, st);
	fprintf(f, "%s\n", es_sgr(ES_SGR_OFF, st));
}

/* --- one reason --- */

size_t es_bucket_rows(const struct es_reason *sum, const struct es_reason *now, uint64_t span_ns,
		      struct es_bucket_row rows[ES_HIST_BUCKETS])
{
	uint64_t total = es_hist_sum(sum->hist), below = 0, most = 0;
	bool now_known = now && es_hist_known(now->hist);
	size_t n = 0, used = 0;

	if (!total || total == ES_NONE)
		return 0;
	for (unsigned int b = 0; b < ES_HIST_BUCKETS; b++)
		most = sum->hist[b] > most ? sum->hist[b] : most;
	for (unsigned int b = 0; b < ES_HIST_BUCKETS; b++) {
		below += sum->hist[b];
		if (!n && !sum->hist[b])
			continue;
		rows[n++] = (struct es_bucket_row){ .bucket = b,
						    .sum = sum->hist[b],
						    .now = now_known ? now->hist[b]
							   : now     ? ES_NONE
								     : 0,
						    .below = below,
						    .total = total,
						    .most = most,
						    .span_ns = span_ns };
		used = sum->hist[b] ? n : used;
	}
	return used;
}

static double rate(const struct es_bucket_row *r)
{
	return r->span_ns == ES_NONE || !r->span_ns || r->now == ES_NONE ? -1
									 : es_per_second(r->now, r->span_ns);
}

static void cell_from(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_time(buf, es_hist_low(ROW(p)->bucket), st->utf8);
}

static void cell_to(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	if (es_hist_high(ROW(p)->bucket) == UINT64_MAX)
		strcpy(buf, "more");
	else
		es_fmt_time(buf, es_hist_high(ROW(p)->bucket), st->utf8);
}

static void cell_count(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_group(buf, ROW(p)->sum);
}

static void cell_rate(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_rate(buf, rate(ROW(p)), st);
}

static void cell_share(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_share(buf, es_share(ROW(p)->sum, ROW(p)->total));
}

static void cell_below(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	/* Nothing but all of them is 100%. */
	if (ROW(p)->below < ROW(p)->total && es_share(ROW(p)->below, ROW(p)->total) >= 0.9995)
		snprintf(buf, ES_CELL_MAX, "99.9%%");
	else
		es_fmt_share(buf, es_share(ROW(p)->below, ROW(p)->total));
}

static void cell_bar(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	if (!width)
		width = !st->width			 ? BAR_WIDTH
			: st->width > BESIDE + BAR_LEAST ? st->width - BESIDE
							 : BAR_LEAST;
	es_bar(buf, es_share(ROW(p)->sum, ROW(p)->most), width, st->utf8);
}

#define NUMBER(name, heading, text, importance, columns)                                         \
	{                                                                                        \
		.key = #name, .title = heading, .help = text, .right = true, .keep = importance, \
		.live = columns, .cell = cell_##name                                             \
	}

const struct es_column es_bucket_columns[] = {
	{ .key = "from",
	  .title = "FROM",
	  .help = "the exits of this row took as long, or longer",
	  .right = true,
	  .keep = 100,
	  .live = 7,
	  .cell = cell_from },
	NUMBER(to, "BELOW", "and less than this", 90, 7),
	NUMBER(count, "EXITS", "how many, since the VM was first seen (or in the change that is shown)", 70,
	       11),
	NUMBER(rate, "EXITS/s", "how many per second", 60, 7),
	NUMBER(share, "SHARE", "share of all exits of this reason", 50, 6),
	NUMBER(below, "SO FAR", "share of those in this row and above it", 40, 6),
	{ .key = "bar",
	  .title = "HOW MANY",
	  .help = "the exits as bars; the longest is the most frequent",
	  .flex = true,
	  .keep = 80,
	  .live = 10,
	  .cell = cell_bar },
	{ 0 },
};

void es_render_figures(FILE *f, const struct es_reason *r, uint64_t bound_ns, const struct es_style *st)
{
	static const struct {
		const char *name;
		unsigned int permille;
	} percentiles[] = { { "p50", 500 }, { "p90", 900 }, { "p99", 990 }, { "p99.9", 999 } };
	bool known = r->time_ns != ES_NONE && r->count != ES_NONE && r->count;
	char text[ES_CELL_MAX];

	fprintf(f, "avg %s", es_fmt_time(text, known ? r->time_ns / r->count : ES_NONE, st->utf8));
	for (size_t i = 0; i < ES_ARRAY_SIZE(percentiles); i++) {
		uint64_t ns = es_hist_known(r->hist)
				      ? es_hist_percentile(r->hist, percentiles[i].permille, bound_ns)
				      : ES_NONE;

		fprintf(f, "  %s %s", percentiles[i].name, es_fmt_time(text, ns, st->utf8));
	}
	if (r->max_ns != ES_NONE)
		fprintf(f, "  max %s", es_fmt_time(text, r->max_ns, st->utf8));
}

static void write_reason(FILE *f, const struct es_reason *r, enum es_isa isa, uint64_t span_ns,
			 const struct es_style *st)
{
	char name[ES_REASON_NAME_MAX], text[ES_CELL_MAX];

	fprintf(f, "%s%s%s: %s exit%s", es_sgr(ES_SGR_BOLD, st), es_reason_name(isa, r->code, name),
		es_sgr(ES_SGR_OFF, st), es_fmt_group(text, r->count), r->count == 1 ? "" : "s");
	if (span_ns != ES_NONE && span_ns && r->count != ES_NONE)
		fprintf(f, ", %s/s", es_fmt_rate(text, es_per_second(r->count, span_ns), st));
	if (r->time_ns != ES_NONE)
		fprintf(f, ", %s", es_fmt_time(text, r->time_ns, st->utf8));
	fputc('\n', f);
}

int es_render_one_reason(FILE *f, const struct es_counts *c, enum es_isa isa, uint32_t code, uint64_t span_ns,
			 const struct es_style *st)
{
	const struct es_reason *r = es_counts_find(c, code);
	struct es_bucket_row rows[ES_HIST_BUCKETS];
	const void *order[ES_HIST_BUCKETS];
	char name[ES_REASON_NAME_MAX];
	struct es_layout l;
	size_t n;

	if (!r || !r->count) {
		fprintf(f, "%s: no exits\n", es_reason_name(isa, code, name));
		return 0;
	}
	write_reason(f, r, isa, span_ns, st);
	if (!es_hist_known(r->hist)) {
		fputs(ES_NO_TIMES "\n", f);
		return 0;
	}
	es_render_figures(f, r, r->max_ns, st);
	fputc('\n', f);
	n = es_bucket_rows(r, r, span_ns, rows);
	for (size_t i = 0; i < n; i++)
		order[i] = &rows[i];
	es_layout(&l, es_bucket_columns, order, n, false, st);
	es_layout_heading(f, &l, st);
	for (size_t i = 0; i < n; i++)
		es_layout_row(f, &l, order[i], st);
	fprintf(f, "%s%s%s\n", es_sgr(ES_SGR_DIM, st), ES_BUCKET_ERROR, es_sgr(ES_SGR_OFF, st));
	return 0;
}
