// SPDX-License-Identifier: GPL-2.0-only
/* `exitstat compare` for people: who the two are, a sentence, classes, reasons. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include <exitstat/compare.h>
#include <exitstat/diff.h>
#include <exitstat/render.h>
#include <exitstat/util.h>

#define ABOUT_SAME 0.05 /* ratios this near to 1 are no difference to speak of */
#define BAR_MAX	   12

const char *es_per_phrase(enum es_per per)
{
	static const char *const phrases[] = {
		[ES_PER_SECOND] = "per second",
		[ES_PER_GUEST_SECOND] = "per guest-second",
		[ES_PER_TOTAL] = "in total",
	};

	return phrases[per];
}

/* --- the sentence --- */

/* A text that grows at its end, and never beyond it. */
struct sentence {
	char *buf;
	size_t used;
};

static void add(struct sentence *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct sentence *s, const char *fmt, ...)
{
	size_t left = ES_COMPARE_SENTENCE - s->used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s->buf + s->used, left, fmt, ap);
	va_end(ap);
	s->used += n < 0 ? 0 : (size_t)n < left ? (size_t)n : left - 1;
}

static const char *times(char buf[ES_CELL_MAX], double ratio)
{
	char whole[ES_CELL_MAX];

	if (ratio < 0.005)
		return strcpy(buf, "<0.01x");
	if (ratio >= 99.95)
		snprintf(buf, ES_CELL_MAX, "%.32sx",
			 es_fmt_group(whole, (uint64_t)llround(fmin(ratio, 1e15))));
	else
		snprintf(buf, ES_CELL_MAX, "%.*fx", ratio < 9.995 ? 2 : 1, ratio);
	return buf;
}

static void add_total(struct sentence *s, const struct es_compare *c, double a, double b)
{
	const struct es_style exact = { .exact = true };
	const char *of = c->per == ES_PER_TOTAL ? "" : " ",
		   *per = c->per == ES_PER_TOTAL ? "" : es_per_phrase(c->per);
	char text[ES_CELL_MAX], other[ES_CELL_MAX];

	if (a == 0)
		add(s, "A has no exits, B has %.40s%s%s", es_fmt_rate(text, b, &exact), of, per);
	else if (b == 0)
		add(s, "B has no exits, A has %.40s%s%s", es_fmt_rate(text, a, &exact), of, per);
	else if (fabs(b / a - 1) <= ABOUT_SAME)
		add(s, "A and B have about as many exits%s%s (%.40s and %.40s)", of, per,
		    es_fmt_rate(text, a, &exact), es_fmt_rate(other, b, &exact));
	else if (b > a)
		add(s, "B has %.40s the exits%s%s of A", times(text, b / a), of, per);
	else
		add(s, "A has %.40s the exits%s%s of B", times(text, a / b), of, per);
}

/* Are all of these there because of how that side, the one with more of them, translates addresses? */
static bool all_paging(const struct es_compare *c, const size_t *at, size_t n, size_t side)
{
	for (size_t i = 0; i < n; i++)
		if (!es_paging_exit(c->sides[side].run->host.isa, c->sides[side].vm->paging,
				    c->reasons[at[i]].code))
			return false;
	return n > 0;
}

/* What goes against the rest, most of all: NULL if nothing does. */
static const struct es_compare_row *against(const struct es_compare *c)
{
	const struct es_compare_row *least = NULL;

	for (size_t i = 0; i < c->n_reasons; i++)
		if (c->reasons[i].side[1].explained < 0 &&
		    (!least || c->reasons[i].side[1].explained < least->side[1].explained))
			least = &c->reasons[i];
	return least;
}

static void add_reasons(struct sentence *s, const struct es_compare *c, double a, double b)
{
	static const char *const modes[] = {
		[ES_PAGING_NONE] = "",
		[ES_PAGING_EPT] = " (nested paging)",
		[ES_PAGING_NPT] = " (nested paging)",
		[ES_PAGING_SHADOW] = " (shadow paging)",
	};
	const struct es_compare_row *other = against(c);
	size_t at[3], n, more = b > a;
	double explained;

	n = es_compare_main(c, 1, at, &explained);
	for (size_t i = 0; i < n; i++)
		add(s, "%s%s", !i ? "; " : i + 1 < n ? ", " : " and ", c->reasons[at[i]].name);
	if (!n)
		return;
	add(s, "%s explain%s ", all_paging(c, at, n, more) ? modes[c->sides[more].vm->paging] : "",
	    n == 1 ? "s" : "");
	if (explained < 1.005 || !other)
		add(s, "%.0f%% of the difference", explained * 100);
	else
		add(s, "%.0f%% of the difference, while %s %s", explained * 100, other->name,
		    more ? "fell" : "rose");
}

const char *es_compare_sentence(char buf[ES_COMPARE_SENTENCE], const struct es_compare *c)
{
	struct sentence s = { .buf = buf };
	double a = c->total.side[0].n, b = c->total.side[1].n;

	*buf = '\0';
	if (a < 0 || b < 0) {
		add(&s, "The exits %s of %s are not known, so the two cannot be compared",
		    es_per_phrase(c->per),
		    a >= 0   ? "B"
		    : b >= 0 ? "A"
			     : "A and B");
	} else if (a == 0 && b == 0) {
		add(&s, "Neither A nor B has exits");
	} else {
		add_total(&s, c, a, b);
		if (a == 0 || b == 0 || fabs(b / a - 1) > ABOUT_SAME)
			add_reasons(&s, c, a, b);
	}
	add(&s, ".");
	return buf;
}

/* --- columns --- */

struct row {
	const struct es_compare *c;
	const struct es_compare_row *row;
	bool reason;
	double widest; /* the greatest part explained by any row, for the bars */
};

#define ROW(p) ((const struct row *)(p))
/* A cell that looks at nothing but its row. */
#define CELL(name) \
	static void name(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)

static void put_rate(char buf[ES_CELL_MAX], const struct row *r, size_t side, const struct es_style *st)
{
	const struct es_compare_cell *cell = &r->row->side[side];

	if (r->c->per == ES_PER_TOTAL)
		es_fmt_group(buf, cell->count);
	else
		es_fmt_rate(buf, cell->n, st);
}

static void put_time(char buf[ES_CELL_MAX], const struct row *r, size_t side, const struct es_style *st)
{
	double ns = r->row->side[side].ns;

	es_fmt_time(buf, ns < 0 || ns > 1e18 ? ES_NONE : (uint64_t)llround(ns), st->utf8);
}

CELL(cell_name)
{
	es_text_fit(buf, ES_CELL_MAX, ROW(p)->row->name, width, st->utf8);
}

CELL(cell_class)
{
	(void)width, (void)st;
	snprintf(buf, ES_CELL_MAX, "%s", ROW(p)->reason ? es_class_name(ROW(p)->row->class) : "");
}

CELL(cell_exits_a)
{
	(void)width, (void)st;
	es_fmt_group(buf, ROW(p)->row->side[0].count);
}

CELL(cell_exits_b)
{
	(void)width, (void)st;
	es_fmt_group(buf, ROW(p)->row->side[1].count);
}

CELL(cell_rate_a)
{
	(void)width;
	put_rate(buf, ROW(p), 0, st);
}

CELL(cell_rate_b)
{
	(void)width;
	put_rate(buf, ROW(p), 1, st);
}

CELL(cell_ratio)
{
	double ratio = ROW(p)->row->side[1].ratio;

	(void)width, (void)st;
	if (ratio < 0)
		strcpy(buf, "-");
	else if (isinf(ratio))
		strcpy(buf, "new");
	else if (ratio == 0)
		strcpy(buf, "gone");
	else
		times(buf, ratio);
}

CELL(cell_time_a)
{
	(void)width;
	put_time(buf, ROW(p), 0, st);
}

CELL(cell_time_b)
{
	(void)width;
	put_time(buf, ROW(p), 1, st);
}

CELL(cell_explained)
{
	double part = ROW(p)->row->side[1].explained * 100;

	(void)width, (void)st;
	if (isnan(part))
		strcpy(buf, "-");
	else
		snprintf(buf, ES_CELL_MAX, "%.1f%%", fabs(part) < 0.05 ? 0.0 : part);
}

/* Against the rest: hollow. */
CELL(cell_bar)
{
	static const char *const glyphs[2][2] = { { "#", "-" }, { "█", "░" } };
	double part = ROW(p)->row->side[1].explained;
	size_t used = 0, n = 0;

	(void)width;
	if (!isnan(part) && ROW(p)->widest > 0)
		n = (size_t)lround(fmin(1, fabs(part) / ROW(p)->widest) * BAR_MAX);
	*buf = '\0';
	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(buf + used, ES_CELL_MAX - used, "%s", glyphs[st->utf8][part < 0]);
}

/* Titles are per second; %s in them is what the numbers are per. */
static const struct es_column columns[] = {
	{ .key = "name", .title = "REASON", .keep = 100, .cell = cell_name },
	{ .key = "class", .title = "CLASS", .keep = 15, .cell = cell_class },
	{ .key = "exits_a", .title = "EXITS A", .right = true, .keep = 20, .cell = cell_exits_a },
	{ .key = "exits_b", .title = "EXITS B", .right = true, .keep = 25, .cell = cell_exits_b },
	{ .key = "rate_a", .title = "A", .right = true, .keep = 90, .cell = cell_rate_a },
	{ .key = "rate_b", .title = "B", .right = true, .keep = 95, .cell = cell_rate_b },
	{ .key = "ratio", .title = "RATIO", .right = true, .keep = 70, .cell = cell_ratio },
	{ .key = "time_a", .title = "TIME A", .right = true, .keep = 50, .cell = cell_time_a },
	{ .key = "time_b", .title = "TIME B", .right = true, .keep = 55, .cell = cell_time_b },
	{ .key = "explained", .title = "EXPLAINS", .right = true, .keep = 80, .cell = cell_explained },
	{ .key = "bar", .title = "", .keep = 30, .cell = cell_bar },
	{ 0 },
};

/* What differs between the units, and between classes and reasons. */
static const struct {
	const char *key, *titles[3];
} per_titles[] = {
	{ "exits_a", { "EXITS A", "EXITS A", NULL } }, /* NULL: the column is not there */
	{ "exits_b", { "EXITS B", "EXITS B", NULL } },
	{ "rate_a", { "A/s", "A/guest-s", "EXITS A" } },
	{ "rate_b", { "B/s", "B/guest-s", "EXITS B" } },
	{ "time_a", { "TIME A/s", "TIME A/gs", "TIME A" } },
	{ "time_b", { "TIME B/s", "TIME B/gs", "TIME B" } },
};

static void make_columns(struct es_column out[ES_COLUMNS_MAX], enum es_per per, bool reasons)
{
	size_t n = 0;

	for (const struct es_column *c = columns; c->key; c++) {
		const char *title = c->title;

		for (size_t i = 0; i < ES_ARRAY_SIZE(per_titles); i++)
			if (!strcmp(c->key, per_titles[i].key))
				title = per_titles[i].titles[per];
		if (!strcmp(c->key, "class") && !reasons)
			continue;
		if (!strcmp(c->key, "name") && !reasons)
			title = "CLASS";
		if (!title)
			continue;
		out[n] = *c;
		out[n++].title = title;
	}
	out[n] = (struct es_column){ 0 };
}

/* --- tables --- */

static double widest_part(const struct es_compare_row *rows, size_t n)
{
	double widest = 0;

	for (size_t i = 0; i < n; i++)
		if (!isnan(rows[i].side[1].explained))
			widest = fmax(widest, fabs(rows[i].side[1].explained));
	return widest;
}

static int render_table(FILE *f, const struct es_compare *c, const struct es_compare_row *rows, size_t n,
			bool reasons, const struct es_style *st)
{
	_cleanup_free_ struct row *all = calloc(n + 1, sizeof(*all));
	_cleanup_free_ const void **order = calloc(n + 1, sizeof(*order));
	struct es_column table[ES_COLUMNS_MAX];
	double widest = widest_part(rows, n);
	struct es_layout l;

	if (!all || !order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		all[i] = (struct row){ c, &rows[i], reasons, widest };
	all[n] = (struct row){ c, &c->total, false, 0 }; /* without a bar: it would always be a full one */
	for (size_t i = 0; i <= n; i++)
		order[i] = &all[i];
	make_columns(table, c->per, reasons);
	es_layout(&l, table, order, n + 1, false, st);
	es_layout_heading(f, &l, st);
	for (size_t i = 0; i < n; i++)
		es_layout_row(f, &l, order[i], st);
	fputs(es_sgr(ES_SGR_BOLD, st), f);
	es_layout_row(f, &l, order[n], st);
	fputs(es_sgr(ES_SGR_OFF, st), f);
	return 0;
}

/* --- heading --- */

static void write_host(FILE *f, const struct es_run *run, const struct es_style *st)
{
	struct es_snapshot s = { .host = run->host };

	es_render_host(f, &s, st);
}

static bool same_host(const struct es_run *a, const struct es_run *b)
{
	return !strcmp(a->host.hostname, b->host.hostname) && !strcmp(a->host.kernel, b->host.kernel) &&
	       a->host.isa == b->host.isa;
}

/* "A  nested.jsonl · guest1 · nested paging (npt) · 1 vCPU · 10.0s · 2026-11-22 09:41:32" */
static void write_side(FILE *f, const struct es_compare *c, size_t side, const struct es_style *st)
{
	const struct es_run *run = c->sides[side].run;
	const struct es_run_vm *vm = c->sides[side].vm;
	const struct es_vm as_vm = { .paging = vm->paging, .nested = vm->nested };
	const char *dot = es_glyph(ES_GLYPH_DOT, st->utf8);
	char file[ES_CELL_MAX], name[ES_CELL_MAX], span[ES_CELL_MAX];

	es_text_clean(file, sizeof(file), run->path, st->utf8);
	es_text_clean(name, sizeof(name), vm->name, st->utf8);
	fprintf(f, "%s%c%s  %s %s %s%s%s", es_sgr(ES_SGR_BOLD, st), (char)('A' + side),
		es_sgr(ES_SGR_OFF, st), file, dot, es_sgr(ES_SGR_BOLD, st), name, es_sgr(ES_SGR_OFF, st));
	if (vm->instances > 1)
		fprintf(f, " (%u VMs)", vm->instances);
	fprintf(f, " %s %s %s %u vCPU%s %s ", dot, es_paging_phrase(&as_vm), dot, vm->n_vcpus,
		vm->n_vcpus == 1 ? "" : "s", dot);
	fprintf(f, "%s%s", es_fmt_time(span, vm->span_ns, st->utf8), run->totals ? " since first seen" : "");
	if (run->begin_realtime_ns != ES_NONE) {
		fprintf(f, " %s ", dot);
		es_render_when(f, run->begin_realtime_ns);
	}
	fputc('\n', f);
	if (same_host(c->sides[0].run, c->sides[1].run))
		return;
	fputs("   ", f);
	write_host(f, run, st);
	fputc('\n', f);
}

/* "   8,000 exits, 800.0/s · outside the guest 28.7% of busy time · paging 50.0% of exits, 47.9% of their time" */
static void write_numbers(FILE *f, const struct es_compare *c, size_t side, const struct es_style *st)
{
	const struct es_run_vm *vm = c->sides[side].vm;
	const struct es_paging_cost *paging = &c->sides[side].paging;
	const char *dot = es_glyph(ES_GLYPH_DOT, st->utf8);
	uint64_t total = es_exits_total(&vm->counts), ns = es_exits_time_ns(&vm->counts),
		 guest = vm->counts.time.guest_ns;
	char text[ES_CELL_MAX];

	fprintf(f, "   %s exit%s", es_fmt_group(text, total), total == 1 ? "" : "s");
	if (c->per != ES_PER_TOTAL && c->total.side[side].n >= 0)
		fprintf(f, ", %s%s", es_fmt_rate(text, c->total.side[side].n, st),
			c->per == ES_PER_SECOND ? "/s" : " per guest-second");
	if (ns != ES_NONE && guest != ES_NONE && ns + guest)
		fprintf(f, " %s outside the guest %s of busy time", dot,
			es_fmt_share(text, es_share(ns, ns + guest)));
	if (paging->exit_share >= 0)
		fprintf(f, " %s paging %s of exits", dot, es_fmt_share(text, paging->exit_share));
	if (paging->time_share >= 0)
		fprintf(f, ", %s of their time", es_fmt_share(text, paging->time_share));
	fputc('\n', f);
}

void es_render_compare_title(FILE *f, const struct es_compare *c, const struct es_style *st)
{
	fprintf(f, "%sExits %s", es_sgr(ES_SGR_DIM, st), es_per_phrase(c->per));
	if (same_host(c->sides[0].run, c->sides[1].run)) {
		fprintf(f, " %s ", es_glyph(ES_GLYPH_DOT, st->utf8));
		write_host(f, c->sides[0].run, st);
	}
	fprintf(f, "%s\n", es_sgr(ES_SGR_OFF, st));
}

int es_render_compare(FILE *f, const struct es_compare *c, const struct es_style *st)
{
	struct es_style exact = *st;
	char sentence[ES_COMPARE_SENTENCE];
	int r;

	exact.exact = true;
	for (size_t i = 0; i < 2; i++) {
		write_side(f, c, i, &exact);
		write_numbers(f, c, i, &exact);
	}
	fprintf(f, "\n%s%s%s\n", es_sgr(ES_SGR_BOLD, st), es_compare_sentence(sentence, c),
		es_sgr(ES_SGR_OFF, st));
	if (!c->n_reasons)
		return 0;
	fputc('\n', f);
	r = render_table(f, c, c->classes, c->n_classes, false, &exact);
	fputc('\n', f);
	return r ? r : render_table(f, c, c->reasons, c->n_reasons, true, &exact);
}
