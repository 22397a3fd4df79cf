// SPDX-License-Identifier: GPL-2.0-only
/* The page's first sentences: how often, how much of it is paging, and what explains the difference. */
#include <math.h>
#include <string.h>

#include <exitstat/paging.h>
#include <exitstat/report.h>
#include <exitstat/util.h>

/* Less of a difference is not worth a word. */
#define ALIKE 0.05
#define ABOUT 0.75

static void say_run(const struct es_page *pg, size_t side)
{
	es_page_label(pg->f, pg->p->compare.sides[side].run);
}

static void say_run_strong(const struct es_page *pg, size_t side)
{
	fputs("<strong>", pg->f);
	say_run(pg, side);
	fputs("</strong>", pg->f);
}

/* "a", "a and b", "a, b and c" */
static const char *joint(size_t i, size_t n)
{
	return i == 0 ? "" : i + 1 == n ? " and " : ", ";
}

static void one_run(const struct es_page *pg)
{
	const struct es_compare *c = &pg->p->compare;
	const struct es_run_vm *vm = c->sides[0].vm;
	const struct es_run *run = c->sides[0].run;
	char buf[ES_CELL_MAX], sentence[ES_PAGING_SENTENCE];

	fputs("<strong>", pg->f);
	es_html_text(pg->f, vm->name);
	fputs("</strong>", pg->f);
	if (c->total.side[0].count == ES_NONE) {
		fputs(" ran on a KVM that reports no exits, so none were counted.", pg->f);
		return;
	}
	fprintf(pg->f, " exited %s times", es_fmt_group(buf, c->total.side[0].count));
	if (vm->span_ns != ES_NONE) {
		fputs(" in ", pg->f);
		es_html_escape(pg->f, es_fmt_time(buf, vm->span_ns, true));
	}
	if (pg->r->per != ES_PER_TOTAL && c->total.side[0].n >= 0) {
		fputs(", ", pg->f);
		es_html_escape(pg->f, es_report_say_n(buf, c->total.side[0].n, pg->r->per));
	}
	fputs(". ", pg->f);
	es_html_text(pg->f, es_paging_sentence(sentence, run->host.isa, vm->paging, vm->nested, &vm->counts));
}

/* How far a side's exits are from the first one's, as a ratio either way; 0: not known. */
static double distance(const struct es_compare *c, size_t side)
{
	double ratio = c->total.side[side].ratio;

	return ratio > 0 && isfinite(ratio) ? fabs(log(ratio)) : 0;
}

/*
 * The side to tell about: the first of those that differ about as much as the one that differs most, since runs are given
 * in an order of sense (the reboot after the boot). 0: none differs.
 */
static size_t most_different(const struct es_compare *c)
{
	double most = 0;

	for (size_t i = 1; i < c->n_sides; i++)
		most = fmax(most, distance(c, i));
	for (size_t i = 1; i < c->n_sides && most > log(1 + ALIKE); i++)
		if (distance(c, i) >= most * ABOUT)
			return i;
	return 0;
}

static void say_explained(const struct es_page *pg, size_t side)
{
	const struct es_compare *c = &pg->p->compare;
	size_t at[3], n;
	double all;

	/* Less than half of it would be no explanation. */
	n = es_compare_main(c, side, at, &all);
	n = all >= 0.5 ? n : 0;
	for (size_t i = 0; i < n; i++) {
		fputs(i ? joint(i, n) : " Most of the difference is ", pg->f);
		es_html_text(pg->f, c->reasons[at[i]].name);
		fprintf(pg->f, " (%.0f%%)", c->reasons[at[i]].side[side].explained * 100);
	}
	if (n)
		fputs(".", pg->f);
}

/* "X exits 3.2 times as often as Y", "X has 40% less exits than Y" */
static void say_ratio(const struct es_page *pg, size_t side)
{
	double ratio = pg->p->compare.total.side[side].ratio;
	bool total = pg->r->per == ES_PER_TOTAL;

	say_run_strong(pg, side);
	if (ratio > 1)
		fprintf(pg->f, total ? " has %.*f times the exits of " : " exits %.*f times as often as ",
			ratio < 9.95 ? 1 : 0, ratio);
	else
		fprintf(pg->f, total ? " has %.0f%% fewer exits than " : " exits %.0f%% less often than ",
			(1 - ratio) * 100);
	say_run_strong(pg, 0);
}

static void say_difference(const struct es_page *pg)
{
	const struct es_compare *c = &pg->p->compare;
	size_t other = most_different(c);
	char a[ES_CELL_MAX], b[ES_CELL_MAX];

	if (c->total.side[0].n < 0) {
		fputs("Exits were not measured in ", pg->f);
		say_run_strong(pg, 0);
		fputs(", so there is nothing to compare with.", pg->f);
		return;
	}
	if (!other) {
		fprintf(pg->f, "The %zu runs exit alike, about %s.", c->n_sides,
			es_report_say_n(a, c->total.side[0].n, pg->r->per));
		return;
	}
	say_ratio(pg, other);
	fprintf(pg->f, ": %s against %s.", es_report_fmt_n(b, c->total.side[other].n, pg->r->per),
		es_report_say_n(a, c->total.side[0].n, pg->r->per));
	say_explained(pg, other);
}

/* "15.0% of the exits in nested-boot" */
static void say_share(const struct es_page *pg, size_t side, const char *of)
{
	char buf[ES_CELL_MAX];

	es_html_escape(pg->f, es_fmt_share(buf, pg->p->compare.sides[side].paging.exit_share));
	fprintf(pg->f, "%s in ", of);
	say_run(pg, side);
}

static void say_paging(const struct es_page *pg)
{
	const struct es_compare *c = &pg->p->compare;
	size_t known[ES_SIDES_MAX], n = 0, least = 0, most = 0;

	for (size_t i = 0; i < c->n_sides; i++) {
		double share = c->sides[i].paging.exit_share;

		if (!(share >= 0))
			continue;
		least = !n || share < c->sides[least].paging.exit_share ? i : least;
		most = !n || share > c->sides[most].paging.exit_share ? i : most;
		known[n++] = i;
	}
	if (!n)
		return;
	fputs(" Paging is the reason for ", pg->f);
	if (n > ES_REPORT_COLUMNS) {
		say_share(pg, least, " of the exits");
		fputs(" up to ", pg->f);
		say_share(pg, most, "");
	}
	for (size_t i = 0; n <= ES_REPORT_COLUMNS && i < n; i++) {
		fputs(joint(i, n), pg->f);
		say_share(pg, known[i], i ? "" : " of the exits");
	}
	fputs(".", pg->f);
}

void es_report_summary(const struct es_page *pg)
{
	fputs("<p class=\"lead\">", pg->f);
	if (pg->p->compare.n_sides == 1) {
		one_run(pg);
	} else {
		say_difference(pg);
		say_paging(pg);
	}
	fputs("</p>\n", pg->f);
}
