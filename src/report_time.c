// SPDX-License-Identifier: GPL-2.0-only
/* Where the vCPUs' time went: a bar a run, and the numbers. */
#include <math.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/report.h>
#include <exitstat/util.h>

/* In the order of es_time_words, and what is not told apart. */
static const struct {
	const char *class, *title;
} pieces[ES_TIME_PIECES] = {
	[ES_TIME_GUEST] = { "guest", "in the guest" },
	[ES_TIME_KERNEL] = { "kernel", "in the kernel (KVM)" },
	[ES_TIME_VMM] = { "vmm", "in the VMM" },
	[ES_TIME_RUNQUEUE] = { "waiting", "waiting for a CPU" },
	[ES_TIME_IDLE] = { "idle", "idle" },
	[ES_TIME_REST] = { "rest", "outside the guest, not told apart" },
};

static void split_of(const struct es_page *pg, size_t side, struct es_time_split *s)
{
	es_time_split(s, &pg->p->compare.sides[side].vm->counts);
}

static uint64_t piece_ns(const struct es_time_split *s, unsigned int piece)
{
	if (piece != ES_TIME_REST)
		return s->ns[piece];
	return s->whole_ns == ES_NONE ? ES_NONE : s->rest_ns;
}

/* Is there a share of anything? */
static bool known(const struct es_time_split *s)
{
	return s->whole_ns != ES_NONE && s->whole_ns;
}

static void bar_title(const struct es_page *pg, size_t side, const struct es_time_split *s)
{
	const char *comma = ": ";
	char share[ES_CELL_MAX];

	fputs("<title>", pg->f);
	es_html_text(pg->f, pg->p->compare.sides[side].run->label);
	for (unsigned int i = 0; i < ES_TIME_PIECES; i++) {
		uint64_t ns = piece_ns(s, i);

		if (ns == ES_NONE || (i == ES_TIME_REST && !ns))
			continue;
		fprintf(pg->f, "%s%s ", comma, pieces[i].title);
		es_html_escape(pg->f, es_fmt_share(share, es_share(ns, s->whole_ns)));
		comma = ", ";
	}
	fputs("</title>", pg->f);
}

static void bar(const struct es_page *pg, size_t side, const struct es_time_split *s)
{
	const char *label = pg->p->compare.sides[side].run->label;
	double x = 0;

	fputs("<svg role=\"img\" width=\"100%\" height=\"18\">", pg->f);
	bar_title(pg, side, s);
	for (unsigned int i = 0; i < ES_TIME_PIECES; i++) {
		uint64_t ns = piece_ns(s, i);
		double share = es_share(ns, s->whole_ns);

		if (!(share > 0))
			continue;
		fprintf(pg->f,
			"<rect class=\"seg %s\" x=\"%.4f%%\" width=\"%.4f%%\" height=\"18\" data-part=\"%s\"",
			pieces[i].class, x, share * 100, pieces[i].class);
		es_html_data_text(pg->f, "data-side", label);
		es_html_data(pg->f, "data-raw", ns);
		es_html_data_double(pg->f, "data-value", share);
		fputs("/>", pg->f);
		x += share * 100;
	}
	fputs("</svg>", pg->f);
}

static void bars(const struct es_page *pg)
{
	fputs("<table class=\"spent\">\n<colgroup>", pg->f);
	es_page_run_column(pg);
	fputs("<col/></colgroup>\n<tbody>\n", pg->f);
	for (size_t i = 0; i < pg->p->compare.n_sides; i++) {
		struct es_time_split s;

		split_of(pg, i, &s);
		fprintf(pg->f, "<tr class=\"r%zu\">", es_page_colour(pg, i));
		es_page_run_head(pg, i);
		fputs("<td class=\"bar\">", pg->f);
		if (known(&s))
			bar(pg, i, &s);
		else
			fputs("<span class=\"none\">not measured</span>", pg->f);
		fputs("</td></tr>\n", pg->f);
	}
	fputs("</tbody>\n</table>\n", pg->f);
}

/* --- the numbers --- */

static void number_cells(const struct es_page *pg, size_t side, uint64_t ns, uint64_t whole)
{
	char buf[ES_CELL_MAX];
	double share = es_share(ns, whole);

	es_page_cell(pg, side, ns == 0);
	es_html_data_double(pg->f, "data-share", share >= 0 ? share : NAN);
	es_page_cell_end(pg->f, share >= 0 ? es_fmt_share(buf, share) : NULL);
	es_page_time(pg, side, "data-ns", ns);
}

static void number_head(const struct es_page *pg, size_t from, size_t to)
{
	fputs("<thead>\n<tr><td></td>", pg->f);
	for (size_t i = from; i < to; i++) {
		fprintf(pg->f, "<th scope=\"colgroup\" class=\"first r%zu\" colspan=\"2\">",
			es_page_colour(pg, i));
		es_page_run(pg, i);
		fputs("</th>", pg->f);
	}
	fputs("</tr>\n<tr><td></td>", pg->f);
	for (size_t i = from; i < to; i++)
		fputs("<th scope=\"col\" class=\"num first\">share</th><th scope=\"col\" "
		      "class=\"num\">time</th>",
		      pg->f);
	fputs("</tr>\n</thead>\n", pg->f);
}

static void number_row(const struct es_page *pg, unsigned int piece, size_t from, size_t to)
{
	fprintf(pg->f,
		"<tr data-part=\"%s\"><th scope=\"row\"><svg width=\"12\" height=\"12\" aria-hidden=\"true\">"
		"<rect class=\"seg %s\" width=\"12\" height=\"12\" rx=\"2\"/></svg>%s</th>",
		pieces[piece].class, pieces[piece].class, pieces[piece].title);
	for (size_t i = from; i < to; i++) {
		struct es_time_split s;

		split_of(pg, i, &s);
		number_cells(pg, i, piece_ns(&s, piece), s.whole_ns);
	}
	fputs("</tr>\n", pg->f);
}

/* Has one of the runs time that is not told apart? */
static bool any_rest(const struct es_page *pg)
{
	struct es_time_split s;

	for (size_t i = 0; i < pg->p->compare.n_sides; i++) {
		split_of(pg, i, &s);
		if (s.rest_ns)
			return true;
	}
	return false;
}

static void numbers(const struct es_page *pg, size_t from, size_t to)
{
	es_page_table(pg->f, "Where the time went", "numbers parts", to - from);
	number_head(pg, from, to);
	fputs("<tbody>\n", pg->f);
	for (unsigned int i = 0; i < ES_TIME_PIECES; i++)
		if (i != ES_TIME_REST || any_rest(pg))
			number_row(pg, i, from, to);
	fputs("</tbody>\n<tfoot>\n<tr data-part=\"all\"><th scope=\"row\">all vCPUs’ time</th>", pg->f);
	for (size_t i = from; i < to; i++) {
		struct es_time_split s;

		split_of(pg, i, &s);
		number_cells(pg, i, s.whole_ns, s.whole_ns);
	}
	fputs("</tr>\n</tfoot>\n", pg->f);
	es_page_table_end(pg->f);
}

void es_report_time(const struct es_page *pg)
{
	size_t n = pg->p->compare.n_sides;
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		struct es_time_split s;

		split_of(pg, i, &s);
		any = any || known(&s);
	}
	fputs("<section>\n", pg->f);
	es_page_heading(pg, 0, "spent", "Where the time went");
	if (!any) {
		fputs("<p class=\"none\">Times were not measured, or no vCPU ran.</p>\n</section>\n", pg->f);
		return;
	}
	fputs("<p class=\"note\">Of each run’s vCPUs; all their time is 100%, and n vCPUs live n seconds a "
	      "second.</p>\n",
	      pg->f);
	bars(pg);
	for (size_t from = 0; from < n; from += ES_REPORT_COLUMNS)
		numbers(pg, from, from + ES_REPORT_COLUMNS < n ? from + ES_REPORT_COLUMNS : n);
	fputs("</section>\n", pg->f);
}
