// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits by reason as bars, the runs of a reason below each other: by count and by time. A table that would also be read
 * without its bars; each is an SVG by itself, so that lengths follow the page's width and text does not.
 */
#include <errno.h>
#include <math.h>

#include <exitstat/report.h>
#include <exitstat/util.h>

#define REASONS_MAX 12
/* Percent of the longest: shorter bars cannot be seen. */
#define BAR_LEAST 0.4

/* One of the two charts. */
struct measure {
	const char *name, *title, *unknown;
	double (*value)(const struct es_compare_cell *cell);
	uint64_t (*raw)(const struct es_compare_cell *cell);
	const char *(*text)(char buf[ES_CELL_MAX], double v, enum es_per per);
};

static double count_value(const struct es_compare_cell *cell)
{
	return cell->n;
}

static uint64_t count_raw(const struct es_compare_cell *cell)
{
	return cell->count;
}

static double time_value(const struct es_compare_cell *cell)
{
	return cell->ns;
}

static uint64_t time_raw(const struct es_compare_cell *cell)
{
	return cell->time_ns;
}

static const struct measure measures[] = {
	{ "count", "By count", "No exits were counted: this KVM reports none.", count_value, count_raw,
	  es_report_fmt_n },
	{ "time", "By time", "Times were not measured: exitstatd ran with --no-latency.", time_value,
	  time_raw, es_report_fmt_ns },
};

static double greatest(const struct es_compare_row *row, size_t n_sides, const struct measure *m)
{
	double most = -1;

	for (size_t i = 0; i < n_sides; i++)
		most = fmax(most, m->value(&row->side[i]));
	return most;
}

/* The rows with the longest bars, longest first. */
struct chart {
	const struct es_compare_row *rows[REASONS_MAX];
	size_t n, left_out;
};

/* Can one of its bars be seen beside the longest? */
static bool visible(const struct es_compare *c, const struct es_compare_row *row, const double longest[])
{
	for (size_t i = 0; i < ES_ARRAY_SIZE(measures); i++)
		if (es_bar_percent(greatest(row, c->n_sides, &measures[i]), longest[i]) >= BAR_LEAST)
			return true;
	return false;
}

static void choose(const struct es_compare *c, struct chart *ch)
{
	double longest[ES_ARRAY_SIZE(measures)] = { 0 };

	*ch = (struct chart){ .n = 0 };
	for (size_t i = 0; i < c->n_reasons; i++)
		for (size_t k = 0; k < ES_ARRAY_SIZE(measures); k++)
			longest[k] = fmax(longest[k], greatest(&c->reasons[i], c->n_sides, &measures[k]));
	for (size_t i = 0; i < c->n_reasons; i++) {
		const struct es_compare_row *row = &c->reasons[i];
		double most = greatest(row, c->n_sides, &measures[0]);
		size_t at = ch->n;

		if (!visible(c, row, longest)) {
			ch->left_out += most > 0;
			continue;
		}
		for (; at > 0 && greatest(ch->rows[at - 1], c->n_sides, &measures[0]) < most; at--)
			if (at < REASONS_MAX)
				ch->rows[at] = ch->rows[at - 1];
		if (at < REASONS_MAX)
			ch->rows[at] = row;
		if (ch->n < REASONS_MAX)
			ch->n++;
		else
			ch->left_out++;
	}
}

static void bar(const struct es_page *pg, const struct es_compare_row *row, size_t side,
		const struct measure *m, double max)
{
	const char *label = pg->p->compare.sides[side].run->label;
	const struct es_compare_cell *cell = &row->side[side];
	double v = m->value(cell);
	char text[ES_CELL_MAX];

	m->text(text, v, pg->r->per);
	fprintf(pg->f, "<tr class=\"r%zu\">", es_page_colour(pg, side));
	es_page_run_head(pg, side);
	fputs("<td class=\"bar\"><svg role=\"img\" width=\"100%\" height=\"12\"><title>", pg->f);
	es_html_text(pg->f, row->name);
	fputs(", ", pg->f);
	es_html_text(pg->f, label);
	fputs(": ", pg->f);
	es_html_escape(pg->f, text);
	fputs("</title><rect class=\"fill\" height=\"12\"", pg->f);
	fprintf(pg->f, " width=\"%.4f%%\"", es_bar_percent(v, max));
	es_html_data_text(pg->f, "data-side", label);
	es_html_data(pg->f, "data-raw", m->raw(cell));
	es_html_data_double(pg->f, "data-value", v >= 0 ? v : NAN);
	fprintf(pg->f, "/></svg></td><td class=\"num%s\">", v == 0 ? " zero" : v > 0 ? "" : " none");
	es_html_escape(pg->f, text);
	fputs("</td></tr>\n", pg->f);
}

static void group(const struct es_page *pg, const struct es_compare_row *row, const struct measure *m,
		  double max)
{
	const struct es_compare *c = &pg->p->compare;
	const struct es_reason_info *info = es_reason_info(c->sides[0].run->host.isa, row->code);

	fputs("<tbody", pg->f);
	es_html_data_text(pg->f, "data-reason", row->name);
	fprintf(pg->f, ">\n<tr><th scope=\"rowgroup\" colspan=\"%d\">", c->n_sides > 1 ? 3 : 2);
	es_html_text(pg->f, row->name);
	if (info) {
		fputs(" <small", pg->f);
		es_html_data_text(pg->f, "title", info->help);
		fputc('>', pg->f);
		es_html_text(pg->f, info->help);
		fputs("</small>", pg->f);
	}
	fputs("</th></tr>\n", pg->f);
	for (size_t i = 0; i < c->n_sides; i++)
		bar(pg, row, i, m, max);
	fputs("</tbody>\n", pg->f);
}

static void figure(const struct es_page *pg, const struct chart *ch, const struct measure *m)
{
	static const char *const units[][3] = {
		{ "exits per second", "exits per second in the guest", "exits" },
		{ "time in exits, per second", "time in exits, per second in the guest", "time in exits" },
	};
	size_t n = pg->p->compare.n_sides;
	double max = -1;

	for (size_t i = 0; i < ch->n; i++)
		max = fmax(max, greatest(ch->rows[i], n, m));
	fputs("<figure>\n<figcaption>", pg->f);
	fprintf(pg->f, "<strong>%s</strong> %s</figcaption>\n", m->title, units[m - measures][pg->r->per]);
	if (max < 0) {
		fprintf(pg->f, "<p class=\"none\">%s</p>\n</figure>\n", m->unknown);
		return;
	}
	fprintf(pg->f, "<table class=\"bars\" data-chart=\"%s\">\n<colgroup>", m->name);
	es_page_run_column(pg);
	fputs("<col/><col class=\"value\"/></colgroup>\n", pg->f);
	for (size_t i = 0; i < ch->n; i++)
		group(pg, ch->rows[i], m, max);
	fputs("</table>\n</figure>\n", pg->f);
}

int es_report_bars(const struct es_page *pg)
{
	const struct es_compare *c = &pg->p->compare;
	struct chart ch;

	choose(c, &ch);
	fputs("<section>\n", pg->f);
	es_page_heading(pg, 0, "reasons", "Exits by reason");
	if (!ch.n) {
		fprintf(pg->f, "<p class=\"none\">%s</p>\n</section>\n",
			greatest(&c->total, c->n_sides, &measures[0]) < 0 ? measures[0].unknown
									  : "There were no exits.");
		return 0;
	}
	fputs("<div class=\"pair\">\n", pg->f);
	for (size_t i = 0; i < ES_ARRAY_SIZE(measures); i++)
		figure(pg, &ch, &measures[i]);
	fputs("</div>\n", pg->f);
	if (ch.left_out)
		fprintf(pg->f,
			"<p class=\"note\">%zu %s too rare to be seen here. All are in the tables "
			"below.</p>\n",
			ch.left_out, ch.left_out == 1 ? "reason is" : "reasons are");
	fputs("</section>\n", pg->f);
	return 0;
}
