// SPDX-License-Identifier: GPL-2.0-only
/* The numbers, by class and by reason: counts and what they explain, times, and the MMU's events. */
#include <math.h>
#include <string.h>

#include <exitstat/report.h>
#include <exitstat/util.h>

/* Totals that differ by a smaller part have no difference to speak of. */
#define ALIKE 0.05

static void count_cell(const struct es_page *pg, const struct es_compare_row *row, size_t side)
{
	es_page_count(pg, side, "data-count", row->side[side].count);
}

static void rate_cell(const struct es_page *pg, const struct es_compare_row *row, size_t side)
{
	const struct es_style st = { .utf8 = true, .exact = true };
	double n = row->side[side].n;
	char buf[ES_CELL_MAX];

	es_page_cell(pg, side, n == 0);
	es_html_data_double(pg->f, "data-count-per", n >= 0 ? n : NAN);
	es_page_cell_end(pg->f, n >= 0 ? es_fmt_rate(buf, n, &st) : NULL);
}

static void ratio_cell(const struct es_page *pg, const struct es_compare_row *row, size_t side)
{
	double ratio = row->side[side].ratio;
	char buf[ES_CELL_MAX];

	es_page_cell(pg, side, false);
	es_html_data_double(pg->f, "data-ratio", ratio >= 0 ? ratio : NAN);
	if (isinf(ratio))
		strcpy(buf, "new");
	else if (ratio == 0)
		strcpy(buf, "gone");
	else if (ratio > 0 && ratio < 0.005)
		strcpy(buf, "<0.01×");
	else
		snprintf(buf, sizeof(buf), "%.*f×", ratio < 9.995 ? 2 : ratio < 99.95 ? 1 : 0, ratio);
	/* Both known and no ratio: 0 / 0. */
	es_page_cell_end(pg->f, ratio >= 0 ? buf : row->side[0].n >= 0 && row->side[side].n >= 0 ? "" : NULL);
}

/* What explains next to nothing explains it by thousands of percent: not shown, but in data-*. */
static bool alike(double a, double b)
{
	return fabs(a - b) < ALIKE * fmax(a, b);
}

static void part_cell(const struct es_page *pg, size_t side, const char *data, double part, bool shown)
{
	char buf[ES_CELL_MAX];

	es_page_cell(pg, side, fabs(part) < 0.0005);
	es_html_data_double(pg->f, data, part);
	/* The minus sign is as wide as a digit. */
	snprintf(buf, sizeof(buf), "%s%.1f%%", part <= -0.0005 ? "−" : "", fabs(part) * 100);
	es_page_cell_end(pg->f, !shown ? "" : isfinite(part) ? buf : NULL);
}

static void explained_cell(const struct es_page *pg, const struct es_compare_row *row, size_t side)
{
	const struct es_compare_cell *total = pg->p->compare.total.side;

	part_cell(pg, side, "data-explained", row->side[side].explained, !alike(total[side].n, total[0].n));
}

static void explained_time_cell(const struct es_page *pg, const struct es_compare_row *row, size_t side)
{
	const struct es_compare_cell *total = pg->p->compare.total.side;

	part_cell(pg, side, "data-explained-time", row->side[side].explained_time,
		  !alike(total[side].ns, total[0].ns));
}

static void share_cell(const struct es_page *pg, size_t side, uint64_t part, uint64_t whole)
{
	bool known = part != ES_NONE && whole != ES_NONE && whole;
	char buf[ES_CELL_MAX];

	es_page_cell(pg, side, known && !part);
	es_page_cell_end(pg->f, known ? es_fmt_share(buf, (double)part / (double)whole) : NULL);
}

static void exits_share_cell(const struct es_page *pg, const struct es_compare_row *row, size_t side)
{
	share_cell(pg, side, row->side[side].count, pg->p->compare.total.side[side].count);
}

static void time_cell(const struct es_page *pg, const struct es_compare_row *row, size_t side)
{
	const struct es_compare_cell *cell = &row->side[side];
	char buf[ES_CELL_MAX];

	es_page_cell(pg, side, cell->time_ns == 0);
	es_html_data(pg->f, "data-time-ns", cell->time_ns);
	es_html_data_double(pg->f, "data-time-ns-per", cell->ns >= 0 ? cell->ns : NAN);
	es_page_cell_end(pg->f, cell->time_ns == ES_NONE ? NULL : es_fmt_time(buf, cell->time_ns, true));
}

static void time_share_cell(const struct es_page *pg, const struct es_compare_row *row, size_t side)
{
	share_cell(pg, side, row->side[side].time_ns, pg->p->compare.total.side[side].time_ns);
}

static void mean_cell(const struct es_page *pg, const struct es_compare_row *row, size_t side)
{
	const struct es_compare_cell *cell = &row->side[side];
	bool known = cell->time_ns != ES_NONE && cell->count != ES_NONE && cell->count;
	char buf[ES_CELL_MAX];

	es_page_cell(pg, side, false);
	es_page_cell_end(pg->f, known		   ? es_fmt_time(buf, cell->time_ns / cell->count, true)
				: cell->count == 0 ? ""
						   : NULL);
}

/* Columns of one side. */
enum { NOT_FIRST = 1, NOT_TOTAL = 2, ALONE = 4 };
struct column {
	const char *title;
	void (*cell)(const struct es_page *pg, const struct es_compare_row *row, size_t side);
	unsigned int
		flags; /* NOT_FIRST: compares with the first side; NOT_TOTAL: no use where n is the count; ALONE: of one run only */
};

struct table {
	const char *id, *title, *note;
	struct column columns[5]; /* title NULL ends them */
};

static const struct table tables[] = {
	{ "exits",
	  "Exits",
	  NULL,
	  { { "exits", count_cell, 0 },
	    { NULL, rate_cell, NOT_TOTAL }, /* its title is the unit */
	    { "share", exits_share_cell, ALONE },
	    { "ratio", ratio_cell, NOT_FIRST },
	    { "explains", explained_cell, NOT_FIRST } } },
	{ "times",
	  "Time in exits",
	  NULL,
	  { { "time", time_cell, 0 },
	    { "share", time_share_cell, ALONE },
	    { "mean", mean_cell, 0 },
	    { "explains", explained_time_cell, NOT_FIRST } } },
};

static bool has(const struct es_page *pg, const struct column *col, size_t side)
{
	return col->cell && !(col->flags & NOT_FIRST && side == 0) &&
	       !(col->flags & NOT_TOTAL && pg->r->per == ES_PER_TOTAL) &&
	       !(col->flags & ALONE && pg->p->compare.n_sides > 1);
}

static size_t columns_of(const struct es_page *pg, const struct table *t, size_t side)
{
	size_t n = 0;

	for (size_t k = 0; k < ES_ARRAY_SIZE(t->columns); k++)
		n += has(pg, &t->columns[k], side);
	return n;
}

/* The sides of one table: of many runs it would be wider than a page, and cut on paper. */
struct span {
	size_t from, to;
};

static size_t columns_of_all(const struct es_page *pg, const struct table *t, struct span sides)
{
	size_t n = 1;

	for (size_t i = sides.from; i < sides.to; i++)
		n += columns_of(pg, t, i);
	return n;
}

static void table_head(const struct es_page *pg, const struct table *t, struct span sides)
{
	fputs("<thead>\n<tr><td></td>", pg->f);
	for (size_t i = sides.from; i < sides.to; i++) {
		fprintf(pg->f, "<th scope=\"colgroup\" class=\"first r%zu\" colspan=\"%zu\">",
			es_page_colour(pg, i), columns_of(pg, t, i));
		es_page_run(pg, i);
		fputs("</th>", pg->f);
	}
	fputs("</tr>\n<tr><td></td>", pg->f);
	for (size_t i = sides.from; i < sides.to; i++)
		for (size_t k = 0; k < ES_ARRAY_SIZE(t->columns); k++)
			if (has(pg, &t->columns[k], i))
				fprintf(pg->f, "<th scope=\"col\" class=\"num%s\">%s</th>", k ? "" : " first",
					t->columns[k].title ? t->columns[k].title
							    : es_report_unit_short(pg->r->per));
	fputs("</tr>\n</thead>\n", pg->f);
}

/* kind: the name of the data-* attribute that holds the row's name. */
static void table_row(const struct es_page *pg, const struct table *t, struct span sides,
		      const struct es_compare_row *row, const char *kind, const char *help)
{
	fputs("<tr", pg->f);
	es_html_data_text(pg->f, kind, row->name);
	fputs("><th scope=\"row\"", pg->f);
	if (help)
		es_html_data_text(pg->f, "title", help);
	fputc('>', pg->f);
	es_html_text(pg->f, row->name);
	fputs("</th>", pg->f);
	for (size_t i = sides.from; i < sides.to; i++)
		for (size_t k = 0; k < ES_ARRAY_SIZE(t->columns); k++)
			if (has(pg, &t->columns[k], i))
				t->columns[k].cell(pg, row, i);
	fputs("</tr>\n", pg->f);
}

static void group_head(const struct es_page *pg, size_t width, const char *title)
{
	fprintf(pg->f, "<tbody>\n<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"%zu\">%s</th></tr>\n",
		width, title);
}

static void write_table(const struct es_page *pg, const struct table *t, struct span sides)
{
	const struct es_compare *c = &pg->p->compare;
	size_t width = columns_of_all(pg, t, sides);

	es_page_table(pg->f, t->title, "numbers", sides.to - sides.from);
	table_head(pg, t, sides);
	group_head(pg, width, "By class");
	for (size_t i = 0; i < c->n_classes; i++)
		table_row(pg, t, sides, &c->classes[i], "data-class", NULL);
	fputs("</tbody>\n", pg->f);
	group_head(pg, width, "By reason");
	for (size_t i = 0; i < c->n_reasons; i++) {
		const struct es_reason_info *info =
			es_reason_info(c->sides[0].run->host.isa, c->reasons[i].code);

		table_row(pg, t, sides, &c->reasons[i], "data-reason", info ? info->help : NULL);
	}
	fputs("</tbody>\n<tfoot>\n", pg->f);
	table_row(pg, t, sides, &c->total, "data-total", NULL);
	fputs("</tfoot>\n", pg->f);
	es_page_table_end(pg->f);
}

static void explain_columns(const struct es_page *pg)
{
	const struct es_compare *c = &pg->p->compare;

	if (c->n_sides < 2)
		return;
	fputs("<p class=\"note\">The ratio is to ", pg->f);
	es_page_label(pg->f, c->sides[0].run);
	fputs(", in ", pg->f);
	fputs(es_report_unit(pg->r->per), pg->f);
	fputs("; “explains” is the row’s part in the difference of the totals, which adds up to 100%; empty "
	      "where these differ by less than 5%.</p>\n",
	      pg->f);
}

void es_report_tables(const struct es_page *pg)
{
	size_t n = pg->p->compare.n_sides;

	fputs("<section>\n", pg->f);
	es_page_heading(pg, 0, "numbers", "All numbers");
	explain_columns(pg);
	for (size_t i = 0; i < ES_ARRAY_SIZE(tables); i++) {
		es_page_heading(pg, 1, tables[i].id, tables[i].title);
		for (size_t from = 0; from < n; from += ES_REPORT_COLUMNS)
			write_table(pg, &tables[i],
				    (struct span){ from, from + ES_REPORT_COLUMNS < n
								 ? from + ES_REPORT_COLUMNS
								 : n });
	}
	fputs("</section>\n", pg->f);
}
