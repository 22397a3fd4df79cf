// SPDX-License-Identifier: GPL-2.0-only
/* The page around its parts: head, title, remarks, and what all parts write alike. */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#include <exitstat/report.h>
#include <exitstat/util.h>

/* Columns of a label that are shown whole where room is short. */
#define LABEL_WIDTH 24

#ifndef ES_VERSION
#define ES_VERSION "unknown"
#endif

const char *es_report_unit(enum es_per per)
{
	static const char *const units[] = {
		[ES_PER_SECOND] = "exits per second",
		[ES_PER_GUEST_SECOND] = "exits per second in the guest",
		[ES_PER_TOTAL] = "exits",
	};

	return units[per];
}

const char *es_report_unit_short(enum es_per per)
{
	static const char *const units[] = {
		[ES_PER_SECOND] = "per s",
		[ES_PER_GUEST_SECOND] = "per guest s",
		[ES_PER_TOTAL] = "exits",
	};

	return units[per];
}

const char *es_report_fmt_n(char buf[ES_CELL_MAX], double n, enum es_per per)
{
	const struct es_style st = { .utf8 = true, .exact = true };

	if (!(n >= 0))
		return strcpy(buf, "not measured");
	/* Up to 2^53 a double is the count itself. */
	if (per == ES_PER_TOTAL && n < 9e15)
		return es_fmt_group(buf, (uint64_t)llround(n));
	return es_fmt_rate(buf, n, &st);
}

const char *es_report_fmt_ns(char buf[ES_CELL_MAX], double ns, enum es_per per)
{
	(void)per;
	if (!(ns >= 0))
		return strcpy(buf, "not measured");
	return es_fmt_time(buf, (uint64_t)llround(fmin(ns, 9e18)), true);
}

const char *es_report_say_n(char buf[ES_CELL_MAX], double n, enum es_per per)
{
	static const char *const suffixes[] = {
		[ES_PER_SECOND] = "/s",
		[ES_PER_GUEST_SECOND] = " per guest second",
		[ES_PER_TOTAL] = " exits",
	};
	size_t used;

	es_report_fmt_n(buf, n, per);
	used = strlen(buf);
	if (n >= 0)
		snprintf(buf + used, ES_CELL_MAX - used, "%s", suffixes[per]);
	return buf;
}

void es_page_heading(const struct es_page *pg, int deeper, const char *id, const char *text)
{
	int level = pg->level + deeper;

	fprintf(pg->f, "<h%d id=\"%s", level, id);
	if (pg->part)
		fprintf(pg->f, "-%zu", pg->part + 1);
	fputs("\">", pg->f);
	es_html_escape(pg->f, text);
	fprintf(pg->f, "</h%d>\n", level);
}

void es_page_table(FILE *f, const char *label, const char *classes, size_t n_sides)
{
	fputs("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"", f);
	es_html_escape(f, label);
	fprintf(f, "\">\n<table class=\"%s n%zu\">\n", classes, n_sides);
}

void es_page_table_end(FILE *f)
{
	fputs("</table>\n</div>\n", f);
}

size_t es_page_colour(const struct es_page *pg, size_t side)
{
	return (size_t)(pg->p->compare.sides[side].run - pg->r->runs);
}

/* colour: of the swatch before it; none: ES_SIDES_MAX. They stay on one line unless the label is long. */
static void label_with(FILE *f, const struct es_run *run, size_t colour)
{
	char clean[ES_CELL_MAX];
	bool whole = es_text_clean(clean, sizeof(clean), run->label, true) <= LABEL_WIDTH;

	fputs(whole ? "<span class=\"label\">" : "<span>", f);
	if (colour < ES_SIDES_MAX)
		fprintf(f, "<span class=\"swatch r%zu\"></span>", colour);
	es_html_escape(f, clean);
	fputs("</span>", f);
}

void es_page_label(FILE *f, const struct es_run *run)
{
	label_with(f, run, ES_SIDES_MAX);
}

void es_page_swatch(FILE *f, const struct es_report *r, size_t run)
{
	label_with(f, &r->runs[run], run);
}

void es_page_run(const struct es_page *pg, size_t side)
{
	es_page_swatch(pg->f, pg->r, es_page_colour(pg, side));
}

void es_page_cell(const struct es_page *pg, size_t side, bool zero)
{
	fprintf(pg->f, "<td class=\"num%s\"", zero ? " zero" : "");
	es_html_data_text(pg->f, "data-side", pg->p->compare.sides[side].run->label);
}

void es_page_cell_end(FILE *f, const char *text)
{
	fputc('>', f);
	if (text)
		es_html_escape(f, text);
	else
		fputs(ES_HTML_UNKNOWN, f);
	fputs("</td>", f);
}

void es_page_count(const struct es_page *pg, size_t side, const char *data, uint64_t v)
{
	char buf[ES_CELL_MAX];

	es_page_cell(pg, side, v == 0);
	es_html_data(pg->f, data, v);
	es_page_cell_end(pg->f, v == ES_NONE ? NULL : es_fmt_group(buf, v));
}

void es_page_time(const struct es_page *pg, size_t side, const char *data, uint64_t ns)
{
	char buf[ES_CELL_MAX];

	es_page_cell(pg, side, ns == 0);
	es_html_data(pg->f, data, ns);
	es_page_cell_end(pg->f, ns == ES_NONE ? NULL : es_fmt_time(buf, ns, true));
}

void es_page_run_column(const struct es_page *pg)
{
	const struct es_compare *c = &pg->p->compare;
	unsigned int width = 0;

	if (c->n_sides < 2)
		return;
	for (size_t i = 0; i < c->n_sides; i++) {
		char clean[ES_CELL_MAX];
		unsigned int w = es_text_clean(clean, sizeof(clean), c->sides[i].run->label, true);

		width = w > width ? w : width;
	}
	/* Longer ones end in an ellipsis; the title attribute has them whole. */
	fprintf(pg->f, "<col style=\"width:min(%uch,38vw)\"/>",
		(width < LABEL_WIDTH ? width : LABEL_WIDTH) + 3);
}

void es_page_run_head(const struct es_page *pg, size_t side)
{
	const char *label = pg->p->compare.sides[side].run->label;

	if (pg->p->compare.n_sides < 2)
		return;
	fputs("<th scope=\"row\"", pg->f);
	es_html_data_text(pg->f, "title", label);
	fputc('>', pg->f);
	es_html_text(pg->f, label);
	fputs("</th>", pg->f);
}

/* --- head and foot --- */

static void write_title(FILE *f, const struct es_report *r)
{
	if (r->title) {
		es_html_text(f, r->title);
		return;
	}
	if (r->n_parts == 1) {
		fputs("Why ", f);
		es_html_text(f, r->parts[0].name);
		fputs(" exits", f);
	} else if (r->n_parts) {
		fprintf(f, "Why %zu VMs exit", r->n_parts);
	} else {
		fputs("No VM was seen", f);
	}
}

/* Which runs, in their colours: the key to all charts. */
static void write_key(FILE *f, const struct es_report *r)
{
	fputs("<ul class=\"key\">\n", f);
	for (size_t i = 0; i < r->n_runs; i++) {
		fputs("<li>", f);
		es_page_swatch(f, r, i);
		fputs("</li>\n", f);
	}
	fputs("</ul>\n", f);
}

static void write_colours(FILE *f, const struct es_report *r)
{
	struct es_report_colour colours[ES_SIDES_MAX];

	es_report_colours(r, colours);
	fputs(":root{", f);
	for (size_t i = 0; i < r->n_runs; i++)
		fprintf(f, "--r%zu:%s;", i, colours[i].light);
	fputs("}\n@media screen and (prefers-color-scheme:dark){:root{", f);
	for (size_t i = 0; i < r->n_runs; i++)
		fprintf(f, "--r%zu:%s;", i, colours[i].dark);
	fputs("}}\n", f);
	for (size_t i = 0; i < r->n_runs; i++)
		fprintf(f, ".r%zu{--run:var(--r%zu)}\n", i, i);
}

static void write_head(FILE *f, const struct es_report *r)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	      "style-src 'unsafe-inline'; img-src data:\"/>\n"
	      "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
	      "<meta name=\"generator\" content=\"exitstat " ES_VERSION "\"/>\n"
	      "<link rel=\"icon\" href=\"data:,\"/>\n<title>",
	      f);
	write_title(f, r);
	for (size_t i = 0; i < r->n_runs; i++) {
		fputs(i ? ", " : ": ", f);
		es_html_text(f, r->runs[i].label);
	}
	fputs("</title>\n<style>\n", f);
	fputs(es_report_css, f);
	write_colours(f, r);
	fputs("</style>\n</head>\n", f);
}

static void write_remarks(const struct es_page *pg)
{
	const struct es_compare *c = &pg->p->compare;

	if (!c->n_warnings)
		return;
	fputs("<aside class=\"remarks\">\n<p><strong>Mind when reading these numbers</strong> (", pg->f);
	for (size_t i = 0; i < c->n_sides; i++) {
		fprintf(pg->f, "%s%c is ", i ? ", " : "", (char)('A' + i));
		es_page_label(pg->f, c->sides[i].run);
	}
	fputs("):</p>\n<ul>\n", pg->f);
	for (size_t i = 0; i < c->n_warnings; i++) {
		fputs("<li>", pg->f);
		es_html_text(pg->f, c->warnings[i]);
		fputs("</li>\n", pg->f);
	}
	fputs("</ul>\n</aside>\n", pg->f);
}

static int write_charts(const struct es_page *pg)
{
	int e;

	es_report_runs(pg);
	es_report_time(pg);
	e = es_report_bars(pg);
	if (!e)
		e = es_report_lines(pg);
	if (!e)
		e = es_report_latency(pg);
	if (e)
		return e;
	es_report_events(pg);
	es_report_tables(pg);
	return 0;
}

/* One VM: its sentences belong to the page's title. */
static int write_only(const struct es_page *pg)
{
	es_report_summary(pg);
	write_remarks(pg);
	fputs("</header>\n<div", pg->f);
	es_html_data_text(pg->f, "data-vm", pg->p->name);
	fputs(">\n", pg->f);
	int e = write_charts(pg);
	fputs("</div>\n", pg->f);
	return e;
}

static void write_contents(FILE *f, const struct es_report *r)
{
	fprintf(f, "<p class=\"lead\">%zu VMs in %zu %s.</p>\n<nav aria-label=\"VMs\"><ul>\n", r->n_parts,
		r->n_runs, r->n_runs == 1 ? "recording" : "recordings");
	for (size_t i = 0; i < r->n_parts; i++) {
		fprintf(f, "<li><a href=\"#vm-%zu\">", i + 1);
		es_html_text(f, r->parts[i].name);
		fputs("</a></li>\n", f);
	}
	fputs("</ul></nav>\n</header>\n", f);
}

static int write_several(FILE *f, const struct es_report *r)
{
	write_contents(f, r);
	for (size_t i = 0; i < r->n_parts; i++) {
		struct es_page pg = { .f = f, .r = r, .p = &r->parts[i], .part = i, .level = 3 };
		int e;

		fputs("<section class=\"vm\"", f);
		es_html_data_text(f, "data-vm", pg.p->name);
		fprintf(f, ">\n<h2 class=\"vm\" id=\"vm-%zu\">", i + 1);
		es_html_text(f, pg.p->name);
		fputs("</h2>\n", f);
		es_report_summary(&pg);
		write_remarks(&pg);
		e = write_charts(&pg);
		fputs("</section>\n", f);
		if (e)
			return e;
	}
	return 0;
}

static int write_body(FILE *f, const struct es_report *r)
{
	struct es_page pg = { .f = f, .r = r, .p = r->parts, .level = 2 };
	int e = 0;

	fputs("<body>\n<main>\n<header>\n", f);
	write_key(f, r);
	fputs("<h1>", f);
	write_title(f, r);
	fputs("</h1>\n", f);
	if (r->n_parts == 1)
		e = write_only(&pg);
	else if (r->n_parts)
		e = write_several(f, r);
	else
		fputs("<p class=\"lead\">There is no VM in these recordings.</p>\n</header>\n", f);
	if (e)
		return e;
	es_report_measured(&pg);
	fputs("</main>\n<footer><p>exitstat " ES_VERSION "</p></footer>\n</body>\n</html>\n", f);
	return 0;
}

/* HTML is UTF-8 wherever it is made, so what may be shown must not depend on the terminal's locale. */
int es_report_write(FILE *f, const struct es_report *r)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = (locale_t)0;
	int e;

	if (utf8)
		before = uselocale(utf8);
	write_head(f, r);
	e = write_body(f, r);
	if (utf8) {
		uselocale(before);
		freelocale(utf8);
	}
	return e;
}
