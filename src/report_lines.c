// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits and paging over time, a panel a run on common axes. Each interval is a step: its area is what happened in it. The
 * curve is in a box of 1000 by 1000 that is stretched to the panel, text is outside of it and is not.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include <exitstat/report.h>
#include <exitstat/util.h>

#define POINTS_MAX 240
#define BOX	   1000.0
/* Runs whose lengths differ more get time axes of their own. */
#define UNLIKE 8

struct panel {
	struct es_run_point points[POINTS_MAX];
	size_t n;
	double span_s; /* the time axis ends here */
	double peak;   /* exits per second; negative: not known */
};

struct plot {
	FILE *f;
	double span_ns;
	double top; /* the value at the upper edge */
	double height;
};

typedef double (*value_fn)(const struct es_run_point *p);

static double rate(uint64_t n, const struct es_run_point *p)
{
	return n == ES_NONE || p->span_ns == ES_NONE || !p->span_ns ? -1
								    : (double)n / ((double)p->span_ns / 1e9);
}

static double share(uint64_t part, uint64_t whole)
{
	return part == ES_NONE || whole == ES_NONE || !whole ? -1 : (double)part / (double)whole;
}

static double exit_rate(const struct es_run_point *p)
{
	return rate(p->exits, p);
}

static double paging_rate(const struct es_run_point *p)
{
	return rate(p->paging_exits, p);
}

static double paging_share(const struct es_run_point *p)
{
	return share(p->paging_exits, p->exits);
}

static double paging_time_share(const struct es_run_point *p)
{
	return share(p->paging_time_ns, p->time_ns);
}

static double begin_of(const struct es_run_point *p)
{
	return p->span_ns < p->at_ns ? (double)(p->at_ns - p->span_ns) : 0;
}

static double across(const struct plot *pl, double ns)
{
	return fmin(ns / pl->span_ns, 1) * BOX;
}

static double down(const struct plot *pl, double v)
{
	return BOX - fmin(v / pl->top, 1) * BOX;
}

/* From i on, how many intervals are known and follow each other without a gap. */
static size_t unbroken(const struct panel *pa, size_t i, value_fn value)
{
	size_t from = i;

	for (; i < pa->n && value(&pa->points[i]) >= 0; i++)
		if (i > from && begin_of(&pa->points[i]) - (double)pa->points[i - 1].at_ns >
					0.5 * (double)pa->points[i].span_ns)
			break;
	return i - from;
}

/* The steps as a line, or down to the axis as an area. */
static void path(const struct plot *pl, const struct panel *pa, value_fn value, const char *class, bool area)
{
	fprintf(pl->f, "<path class=\"%s\" d=\"", class);
	for (size_t i = 0; i < pa->n;) {
		size_t n = unbroken(pa, i, value);
		double x = across(pl, begin_of(&pa->points[i]));

		if (!n) {
			i++;
			continue;
		}
		fprintf(pl->f, "M%.1f %.1f", x, area ? BOX : down(pl, value(&pa->points[i])));
		for (size_t k = i; k < i + n; k++)
			fprintf(pl->f, "V%.1fH%.1f", down(pl, value(&pa->points[k])),
				across(pl, (double)pa->points[k].at_ns));
		if (area)
			fprintf(pl->f, "V%.0fZ", BOX);
		i += n;
	}
	fputs("\"/>", pl->f);
}

static void time_axis(const struct plot *pl)
{
	double span_s = pl->span_ns / 1e9, step = es_scale_clock(span_s, 5);
	char text[32];

	for (unsigned int i = 0; i * step <= span_s * (1 + 1e-9) && i < 20; i++) {
		double percent = i * step / span_s * 100;

		fprintf(pl->f, "<text class=\"x\" x=\"%.2f%%\" y=\"%.0f\">%s</text>", fmin(percent, 100),
			pl->height + 18, es_tick_seconds(text, i * step, step));
	}
}

static void grid_line(const struct plot *pl, double v, const char *label)
{
	double y = floor((1 - v / pl->top) * pl->height) + 0.5;

	fprintf(pl->f, "<line class=\"%s\" x1=\"0\" x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"/>",
		v > 0 ? "grid" : "axis", y, y);
	fprintf(pl->f, "<text class=\"y\" x=\"-8\" y=\"%.1f\">%s</text>", y, label);
}

static void begin_svg(const struct es_page *pg, size_t side, const struct plot *pl, const char *name,
		      bool axis)
{
	const char *label = pg->p->compare.sides[side].run->label;

	fprintf(pg->f, "<svg class=\"plot %s\" role=\"img\" width=\"100%%\" height=\"%.0f\"", name,
		pl->height + (axis ? 24 : 8));
	es_html_data_double(pg->f, "data-top", pl->top);
	es_html_data_double(pg->f, "data-span-ns", pl->span_ns);
	fprintf(pg->f, " aria-labelledby=\"%s-t%zu-%zu %s-d%zu-%zu\"><title id=\"%s-t%zu-%zu\">", name,
		pg->part, side, name, pg->part, side, name, pg->part, side);
	es_html_text(pg->f, label);
}

static void begin_desc(const struct es_page *pg, size_t side, const char *name)
{
	fprintf(pg->f, "</title><desc id=\"%s-d%zu-%zu\">", name, pg->part, side);
}

static void begin_box(const struct plot *pl)
{
	fprintf(pl->f,
		"<svg width=\"100%%\" height=\"%.0f\" viewBox=\"0 0 1000 1000\" "
		"preserveAspectRatio=\"none\">",
		pl->height);
}

static void rate_plot(const struct es_page *pg, size_t side, const struct panel *pa, const struct es_scale *y)
{
	struct plot pl = { .f = pg->f, .span_ns = pa->span_s * 1e9, .top = y->max, .height = 130 };
	char text[ES_CELL_MAX], tick[32];

	begin_svg(pg, side, &pl, "rate", false);
	fputs(": exits per second over time", pg->f);
	begin_desc(pg, side, "rate");
	fputs("Highest ", pg->f);
	es_html_escape(pg->f, es_report_say_n(text, pa->peak, ES_PER_SECOND));
	fprintf(pg->f, ", in %zu intervals; the darker area is exits for paging.</desc>", pa->n);
	for (unsigned int i = 0; i <= y->steps; i++)
		grid_line(&pl, i * y->step, es_tick_count(tick, i * y->step));
	begin_box(&pl);
	path(&pl, pa, exit_rate, "all", true);
	path(&pl, pa, paging_rate, "part", true);
	path(&pl, pa, exit_rate, "edge", false);
	fputs("</svg></svg>\n", pg->f);
}

static void share_plot(const struct es_page *pg, size_t side, const struct panel *pa)
{
	struct plot pl = { .f = pg->f, .span_ns = pa->span_s * 1e9, .top = 1, .height = 64 };

	begin_svg(pg, side, &pl, "share", true);
	fputs(": paging’s share of the exits, and of the time in exits, over time", pg->f);
	begin_desc(pg, side, "share");
	fputs("From 0 to 100 percent; the dashed line is the share of time.</desc>", pg->f);
	grid_line(&pl, 0, "0%");
	grid_line(&pl, 0.5, "50%");
	grid_line(&pl, 1, "100%");
	begin_box(&pl);
	path(&pl, pa, paging_share, "line", false);
	path(&pl, pa, paging_time_share, "line dash", false);
	fputs("</svg>", pg->f);
	time_axis(&pl);
	fputs("</svg>\n", pg->f);
}

/* --- the panels --- */

/* Time 0 is when the VM was first seen: recorders are started before, some sooner than others. */
static void measure_panel(const struct es_run_vm *vm, struct panel *pa)
{
	uint64_t origin;

	pa->n = es_report_points(vm, pa->points, POINTS_MAX);
	origin = pa->n ? (uint64_t)begin_of(&pa->points[0]) : 0;
	pa->peak = -1;
	pa->span_s = 0;
	for (size_t i = 0; i < pa->n; i++) {
		pa->points[i].at_ns -= origin < pa->points[i].at_ns ? origin : pa->points[i].at_ns;
		pa->peak = fmax(pa->peak, exit_rate(&pa->points[i]));
		pa->span_s = fmax(pa->span_s, (double)pa->points[i].at_ns / 1e9);
	}
}

/* One time axis for all, if the short ones can still be read on it. */
static bool common_axis(struct panel *panels, size_t n)
{
	double longest = 0, shortest = INFINITY;

	for (size_t i = 0; i < n; i++) {
		if (!(panels[i].span_s > 0))
			continue;
		longest = fmax(longest, panels[i].span_s);
		shortest = fmin(shortest, panels[i].span_s);
	}
	if (longest > shortest * UNLIKE)
		return false;
	for (size_t i = 0; i < n; i++)
		panels[i].span_s = longest;
	return true;
}

static void write_panel(const struct es_page *pg, size_t side, const struct panel *pa,
			const struct es_scale *y)
{
	char text[ES_CELL_MAX];

	fprintf(pg->f, "<figure class=\"panel r%zu\"", es_page_colour(pg, side));
	es_html_data_text(pg->f, "data-side", pg->p->compare.sides[side].run->label);
	fprintf(pg->f, " data-points=\"%zu\">\n<figcaption><strong>", pa->n);
	es_page_run(pg, side);
	fputs("</strong>", pg->f);
	if (!(pa->peak >= 0) || !(pa->span_s > 0)) {
		fputs("</figcaption>\n<p class=\"none\">Nothing was measured over time.</p>\n</figure>\n",
		      pg->f);
		return;
	}
	fputs(" peak ", pg->f);
	es_html_escape(pg->f, es_report_say_n(text, pa->peak, ES_PER_SECOND));
	fputs("</figcaption>\n<div class=\"plots\">\n", pg->f);
	rate_plot(pg, side, pa, y);
	share_plot(pg, side, pa);
	fputs("</div>\n</figure>\n", pg->f);
}

static void legend(const struct es_page *pg, bool common)
{
	size_t n = pg->p->compare.n_sides;

	fputs("<ul class=\"legend\">\n"
	      "<li><svg width=\"22\" height=\"12\" aria-hidden=\"true\"><rect class=\"all\" width=\"22\" "
	      "height=\"12\"/>"
	      "<path class=\"edge\" d=\"M0 1H22\"/></svg>exits per second</li>\n"
	      "<li><svg width=\"22\" height=\"12\" aria-hidden=\"true\"><rect class=\"part\" width=\"22\" "
	      "height=\"12\"/>"
	      "</svg>of these, for paging</li>\n"
	      "<li><svg width=\"22\" height=\"12\" aria-hidden=\"true\"><path class=\"line\" d=\"M0 "
	      "6H22\"/></svg>"
	      "paging’s share of the exits</li>\n"
	      "<li><svg width=\"22\" height=\"12\" aria-hidden=\"true\"><path class=\"line dash\" d=\"M0 "
	      "6H22\"/></svg>"
	      "and of the time in exits</li>\n</ul>\n",
	      pg->f);
	fprintf(pg->f,
		"<p class=\"note\">Each step is an interval of the recording; time begins when the VM was "
		"first seen in it.%s</p>\n",
		n < 2	 ? ""
		: common ? " All runs are drawn on the same axes."
			 : " All runs have the same scale; time axes differ, since the runs are of very "
			   "different lengths.");
}

int es_report_lines(const struct es_page *pg)
{
	const struct es_compare *c = &pg->p->compare;
	_cleanup_free_ struct panel *panels = calloc(c->n_sides, sizeof(*panels));
	struct es_scale y;
	double top = 0;

	if (!panels)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_sides; i++) {
		measure_panel(c->sides[i].vm, &panels[i]);
		top = fmax(top, panels[i].peak);
	}
	y = es_scale_nice(top, 4);
	fputs("<section>\n", pg->f);
	es_page_heading(pg, 0, "time", "Over time");
	legend(pg, common_axis(panels, c->n_sides));
	fputs("<div class=\"pair\">\n", pg->f);
	for (size_t i = 0; i < c->n_sides; i++)
		write_panel(pg, i, &panels[i], &y);
	fputs("</div>\n</section>\n", pg->f);
	return 0;
}
