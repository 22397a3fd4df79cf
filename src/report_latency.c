// SPDX-License-Identifier: GPL-2.0-only
/* How long an exit of each reason takes: percentiles as numbers, and on a logarithmic axis. */
#include <errno.h>
#include <math.h>

#include <exitstat/hist.h>
#include <exitstat/report.h>
#include <exitstat/util.h>

#define REASONS_MAX 10

/* Of one reason on one side; ES_NONE: not measured. */
struct latency {
	uint64_t p50, p90, p99, p999, max;
};

struct axis {
	double lo, hi; /* powers of ten, ns */
};

static struct latency latency_of(const struct es_compare *c, uint32_t code, size_t side)
{
	const struct es_reason *r = es_counts_find(&c->sides[side].vm->counts, code);

	if (!r || !es_hist_known(r->hist))
		return (struct latency){ ES_NONE, ES_NONE, ES_NONE, ES_NONE, ES_NONE };
	return (struct latency){
		.p50 = es_hist_percentile(r->hist, 500, r->max_ns),
		.p90 = es_hist_percentile(r->hist, 900, r->max_ns),
		.p99 = es_hist_percentile(r->hist, 990, r->max_ns),
		.p999 = es_hist_percentile(r->hist, 999, r->max_ns),
		.max = r->max_ns,
	};
}

/* Time decides which reasons are shown: it is what latency makes. -1: none measured. */
static double time_of(const struct es_compare *c, const struct es_compare_row *row)
{
	double most = -1;

	for (size_t i = 0; i < c->n_sides; i++)
		if (latency_of(c, row->code, i).p50 != ES_NONE)
			most = fmax(most, row->side[i].ns);
	return most;
}

static size_t choose(const struct es_compare *c, const struct es_compare_row *rows[REASONS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_reasons; i++) {
		double t = time_of(c, &c->reasons[i]);
		size_t at;

		if (t < 0)
			continue;
		for (at = n; at > 0 && time_of(c, rows[at - 1]) < t; at--)
			if (at < REASONS_MAX)
				rows[at] = rows[at - 1];
		if (at < REASONS_MAX)
			rows[at] = &c->reasons[i];
		n = n < REASONS_MAX ? n + 1 : n;
	}
	return n;
}

static void widen(struct axis *a, uint64_t ns)
{
	if (ns == ES_NONE || !ns)
		return;
	a->lo = fmin(a->lo, (double)ns);
	a->hi = fmax(a->hi, (double)ns);
}

static struct axis axis_of(const struct es_compare *c, const struct es_compare_row *const *rows, size_t n)
{
	struct axis a = { INFINITY, 0 };

	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; i < c->n_sides; i++) {
			struct latency l = latency_of(c, rows[k]->code, i);

			widen(&a, l.p50);
			widen(&a, l.p999);
			widen(&a, l.max);
		}
	if (!(a.hi > 0))
		return (struct axis){ 1e3, 1e6 };
	a.lo = pow(10, floor(log10(a.lo)));
	a.hi = pow(10, ceil(log10(a.hi) - 1e-9));
	if (a.hi <= a.lo)
		a.hi = a.lo * 10;
	return a;
}

static double at(const struct axis *a, uint64_t ns)
{
	return es_log_percent((double)ns, a->lo, a->hi);
}

/* Every how many decades a label: they must not touch on a narrow page. */
static unsigned int label_step(const struct axis *a)
{
	return (unsigned int)ceil(log10(a->hi / a->lo) / 4 - 1e-9);
}

static void grid(FILE *f, const struct axis *a, double height)
{
	for (double v = a->lo; v <= a->hi * 1.001; v *= 10)
		fprintf(f, "<line class=\"grid\" x1=\"%.3f%%\" x2=\"%.3f%%\" y1=\"0\" y2=\"%.0f\"/>",
			es_log_percent(v, a->lo, a->hi), es_log_percent(v, a->lo, a->hi), height);
}

static void drawing(const struct es_page *pg, const struct axis *a, const struct latency *l)
{
	grid(pg->f, a, 22);
	if (l->p50 == ES_NONE)
		return;
	fprintf(pg->f, "<line class=\"far\" x1=\"%.3f%%\" x2=\"%.3f%%\" y1=\"11\" y2=\"11\"/>", at(a, l->p50),
		at(a, l->p999));
	fprintf(pg->f, "<line class=\"tail\" x1=\"%.3f%%\" x2=\"%.3f%%\" y1=\"11\" y2=\"11\"/>",
		at(a, l->p50), at(a, l->p99));
	fprintf(pg->f, "<line class=\"body\" x1=\"%.3f%%\" x2=\"%.3f%%\" y1=\"11\" y2=\"11\"/>",
		at(a, l->p50), at(a, l->p90));
	fprintf(pg->f, "<circle class=\"mid\" cx=\"%.3f%%\" cy=\"11\" r=\"4\"/>", at(a, l->p50));
	if (l->max != ES_NONE && l->max)
		fprintf(pg->f, "<circle class=\"max\" cx=\"%.3f%%\" cy=\"11\" r=\"3\"/>", at(a, l->max));
}

static void latency_row(const struct es_page *pg, const struct es_compare_row *row, size_t side,
			const struct axis *a, bool max)
{
	const char *label = pg->p->compare.sides[side].run->label;
	struct latency l = latency_of(&pg->p->compare, row->code, side);
	char p50[ES_CELL_MAX], p99[ES_CELL_MAX];

	fprintf(pg->f, "<tr class=\"r%zu\">", es_page_colour(pg, side));
	es_page_run_head(pg, side);
	fputs("<td class=\"graph\"><svg role=\"img\" width=\"100%\" height=\"22\"><title>", pg->f);
	es_html_text(pg->f, row->name);
	fputs(", ", pg->f);
	es_html_text(pg->f, label);
	if (l.p50 == ES_NONE) {
		fputs(": not measured", pg->f);
	} else {
		fputs(": half within ", pg->f);
		es_html_escape(pg->f, es_fmt_time(p50, l.p50, true));
		fputs(", 99% within ", pg->f);
		es_html_escape(pg->f, es_fmt_time(p99, l.p99, true));
	}
	fputs("</title>", pg->f);
	drawing(pg, a, &l);
	fputs("</svg></td>", pg->f);
	es_page_time(pg, side, "data-p50-ns", l.p50);
	es_page_time(pg, side, "data-p90-ns", l.p90);
	es_page_time(pg, side, "data-p99-ns", l.p99);
	es_page_time(pg, side, "data-p999-ns", l.p999);
	if (max)
		es_page_time(pg, side, "data-max-ns", l.max);
	fputs("</tr>\n", pg->f);
}

static void axis_head(const struct es_page *pg, const struct axis *a, bool max)
{
	FILE *f = pg->f;
	unsigned int skip = label_step(a), i = 0;
	char text[32];

	fputs("<colgroup>", f);
	es_page_run_column(pg);
	fprintf(f,
		"<col/><col span=\"%d\" class=\"value\"/></colgroup>\n<thead><tr>%s"
		"<td class=\"graph\"><svg aria-hidden=\"true\" width=\"100%%\" height=\"16\">",
		max ? 5 : 4, pg->p->compare.n_sides > 1 ? "<td></td>" : "");
	for (double v = a->lo; v <= a->hi * 1.001; v *= 10, i++)
		if (i % skip == 0)
			fprintf(f, "<text class=\"x\" x=\"%.3f%%\" y=\"12\">%s</text>",
				es_log_percent(v, a->lo, a->hi),
				es_tick_seconds(text, v / 1e9, v / 1e9 * (1 + 1e-9)));
	fprintf(f,
		"</svg></td><th scope=\"col\" class=\"num\">p50</th><th scope=\"col\" class=\"num\">p90</th>"
		"<th scope=\"col\" class=\"num\">p99</th><th scope=\"col\" "
		"class=\"num\">p99.9</th>%s</tr></thead>\n",
		max ? "<th scope=\"col\" class=\"num\">longest</th>" : "");
}

/* Exits that are known not to have been take no time: no row. */
static bool occurred(const struct es_compare_row *row, size_t side)
{
	return row->side[side].count != 0;
}

static void latency_group(const struct es_page *pg, const struct es_compare_row *row, const struct axis *a,
			  bool max)
{
	fputs("<tbody", pg->f);
	es_html_data_text(pg->f, "data-reason", row->name);
	fprintf(pg->f, ">\n<tr><th scope=\"rowgroup\" colspan=\"%d\">",
		5 + max + (pg->p->compare.n_sides > 1));
	es_html_text(pg->f, row->name);
	fputs("</th></tr>\n", pg->f);
	for (size_t i = 0; i < pg->p->compare.n_sides; i++)
		if (occurred(row, i))
			latency_row(pg, row, i, a, max);
	fputs("</tbody>\n", pg->f);
}

/* Longest times are known since a VM was first seen, not of a part of its life. */
static bool max_known(const struct es_compare *c, const struct es_compare_row *const *rows, size_t n)
{
	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; i < c->n_sides; i++)
			if (latency_of(c, rows[k]->code, i).max != ES_NONE)
				return true;
	return false;
}

int es_report_latency(const struct es_page *pg)
{
	const struct es_compare *c = &pg->p->compare;
	const struct es_compare_row *rows[REASONS_MAX];
	size_t n = choose(c, rows);
	struct axis a = axis_of(c, rows, n);
	bool max = max_known(c, rows, n);

	fputs("<section>\n", pg->f);
	es_page_heading(pg, 0, "latency", "How long an exit takes");
	if (!n) {
		fputs("<p class=\"none\">Times were not measured, or there were no exits.</p>\n</section>\n",
		      pg->f);
		return 0;
	}
	fprintf(pg->f,
		"<p class=\"note\">%s, on a logarithmic axis. The ring is the median; the bar ends where "
		"90%% are done, the line where 99%% are, the thin line where 99.9%% are%s. Percentiles are "
		"within a "
		"factor of two%s.</p>\n",
		n < REASONS_MAX ? "Each reason" : "The reasons that take most time",
		max ? "; the dot is the longest" : "", max ? ", and never above the longest" : "");
	es_page_table(pg->f, "How long an exit takes", "latency", c->n_sides);
	axis_head(pg, &a, max);
	for (size_t i = 0; i < n; i++)
		latency_group(pg, rows[i], &a, max);
	es_page_table_end(pg->f);
	fputs("</section>\n", pg->f);
	return 0;
}
