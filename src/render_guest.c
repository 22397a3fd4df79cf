// SPDX-License-Identifier: GPL-2.0-only
/* `exitstat guest`: a guest's own exits, counted by its KVM, as a table and as JSON. */
#include <errno.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/guest.h>
#include <exitstat/json.h>
#include <exitstat/reasons.h>
#include <exitstat/render.h>
#include <exitstat/util.h>

#define GUEST_COLUMNS_MAX 10

/* An exit is counted when it begins and its cycles when it ends, so a change may have cycles alone. */
static bool occurred(const struct es_guest_count *c)
{
	return c->count || c->cycles;
}

/* --- columns --- */

struct guest_row {
	enum es_isa isa;
	struct es_guest_count sum;
	uint64_t total, cycles; /* of all rows, for the shares */
	double rate;		/* negative: not known */
	const char *label;	/* not a reason but their sum */
};

#define ROW(p) ((const struct guest_row *)(p))

static uint64_t average(const struct guest_row *r)
{
	bool known = r->sum.cycles != ES_NONE && r->sum.count != ES_NONE && r->sum.count;

	return known ? r->sum.cycles / r->sum.count : ES_NONE;
}

static void cell_name(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	char name[ES_REASON_NAME_MAX];

	es_text_fit(buf, ES_CELL_MAX,
		    ROW(p)->label ? ROW(p)->label : es_reason_name(ROW(p)->isa, ROW(p)->sum.code, name),
		    width, st->utf8);
}

static void cell_class(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	snprintf(buf, ES_CELL_MAX, "%s",
		 ROW(p)->label ? "" : es_class_name(es_reason_class(ROW(p)->isa, ROW(p)->sum.code)));
}

static void cell_count(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_group(buf, ROW(p)->sum.count);
}

static void cell_rate(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_rate(buf, ROW(p)->rate, st);
}

static void cell_share(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_share(buf, es_share(ROW(p)->sum.count, ROW(p)->total));
}

static const char *fmt_cycles(char buf[ES_CELL_MAX], uint64_t cycles)
{
	return es_fmt_short(buf, cycles == ES_NONE ? -1 : (double)cycles);
}

static void cell_cycles(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	fmt_cycles(buf, ROW(p)->sum.cycles);
}

static void cell_cycles_share(char buf[ES_CELL_MAX], const void *p, unsigned int width,
			      const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_share(buf, es_share(ROW(p)->sum.cycles, ROW(p)->cycles));
}

static void cell_average(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_group(buf, average(ROW(p)));
}

/* Greater first, unknown last. */
static int descending(uint64_t a, uint64_t b)
{
	/* ES_NONE is the greatest number there is: one more makes it the least. */
	a++;
	b++;
	return a > b ? -1 : a < b;
}

static int by_count(const void *a, const void *b)
{
	return descending(ROW(a)->sum.count, ROW(b)->sum.count);
}

static int by_cycles(const void *a, const void *b)
{
	int c = descending(ROW(a)->sum.cycles, ROW(b)->sum.cycles);

	return c ? c : by_count(a, b);
}

static int by_average(const void *a, const void *b)
{
	return descending(average(ROW(a)), average(ROW(b)));
}

static int by_rate(const void *a, const void *b)
{
	double ra = ROW(a)->rate, rb = ROW(b)->rate;

	return ra > rb ? -1 : ra < rb ? 1 : by_count(a, b);
}

static int by_name(const void *a, const void *b)
{
	char na[ES_REASON_NAME_MAX], nb[ES_REASON_NAME_MAX];

	return strcmp(es_reason_name(ROW(a)->isa, ROW(a)->sum.code, na),
		      es_reason_name(ROW(b)->isa, ROW(b)->sum.code, nb));
}

static int by_class(const void *a, const void *b)
{
	int c = strcmp(es_class_name(es_reason_class(ROW(a)->isa, ROW(a)->sum.code)),
		       es_class_name(es_reason_class(ROW(b)->isa, ROW(b)->sum.code)));

	return c ? c : by_rate(a, b);
}

const struct es_column es_guest_columns[] = {
	{ .key = "name",
	  .title = "REASON",
	  .help = "why the guest exited, as the kernel names it",
	  .sortable = true,
	  .keep = 100,
	  .cell = cell_name,
	  .compare = by_name },
	{ .key = "class",
	  .title = "CLASS",
	  .help = "paging, io, msr, interrupt, ...",
	  .sortable = true,
	  .keep = 20,
	  .cell = cell_class,
	  .compare = by_class },
	{ .key = "count",
	  .title = "EXITS",
	  .help = "exits counted",
	  .right = true,
	  .sortable = true,
	  .keep = 90,
	  .cell = cell_count,
	  .compare = by_count },
	{ .key = "rate",
	  .title = "EXITS/s",
	  .help = "exits per second",
	  .right = true,
	  .sortable = true,
	  .keep = 80,
	  .cell = cell_rate,
	  .compare = by_rate },
	{ .key = "share",
	  .title = "SHARE",
	  .help = "share of the exits",
	  .right = true,
	  .keep = 70,
	  .cell = cell_share },
	{ .key = "cycles",
	  .title = "CYCLES",
	  .help = "cycles that KVM spent on these exits",
	  .right = true,
	  .sortable = true,
	  .keep = 60,
	  .cell = cell_cycles,
	  .compare = by_cycles },
	{ .key = "cshare",
	  .title = "CYCLES%",
	  .help = "share of the cycles",
	  .right = true,
	  .keep = 50,
	  .cell = cell_cycles_share },
	{ .key = "avg",
	  .title = "CYCLES/EXIT",
	  .help = "cycles of one exit, on average",
	  .right = true,
	  .sortable = true,
	  .keep = 55,
	  .cell = cell_average,
	  .compare = by_average },
	{ 0 },
};

/* A column of which nothing is known would be all dashes. */
static void choose_columns(struct es_column out[GUEST_COLUMNS_MAX], bool rates)
{
	size_t n = 0;

	_Static_assert(ES_ARRAY_SIZE(es_guest_columns) <= GUEST_COLUMNS_MAX, "room for each column");
	for (const struct es_column *c = es_guest_columns; c->key; c++)
		if (rates || c->cell != cell_rate)
			out[n++] = *c;
	out[n] = (struct es_column){ 0 };
}

/* --- the table --- */

struct guest_table {
	struct guest_row *rows; /* one a reason that occurred, and the sum */
	const void **order;
	size_t n;
};

static void table_free(struct guest_table *t)
{
	free(t->rows);
	free(t->order);
}

static double rate_of(uint64_t count, const struct es_guest *now)
{
	uint64_t span = now ? now->taken.interval_ns : ES_NONE;

	return span == ES_NONE || !span || count == ES_NONE ? -1 : es_per_second(count, span);
}

static int table_make(struct guest_table *t, const struct es_guest *sum, const struct es_guest *now)
{
	struct guest_row row = { .isa = sum->host.isa,
				 .total = es_guest_total(sum),
				 .cycles = es_guest_cycles(sum) };

	t->rows = calloc(sum->n_reasons + 1, sizeof(*t->rows));
	t->order = calloc(sum->n_reasons + 1, sizeof(*t->order));
	if (!t->rows || !t->order)
		return -ENOMEM;
	for (size_t i = 0; i < sum->n_reasons; i++) {
		const struct es_guest_count *c = now ? es_guest_find(now, sum->reasons[i].code) : NULL;

		if (!occurred(&sum->reasons[i]))
			continue;
		row.sum = sum->reasons[i];
		row.rate = rate_of(c ? c->count : ES_NONE, now);
		t->rows[t->n++] = row;
	}
	row.label = "total";
	row.sum = (struct es_guest_count){ .count = row.total, .cycles = row.cycles };
	row.rate = rate_of(now ? es_guest_total(now) : ES_NONE, now);
	t->rows[t->n] = row;
	for (size_t i = 0; i <= t->n; i++)
		t->order[i] = &t->rows[i];
	return 0;
}

static void write_title(FILE *f, const struct es_guest *sum, const struct es_guest *now,
			const struct es_style *st)
{
	const struct es_snapshot s = { .host = sum->host };
	const char *dot = es_glyph(ES_GLYPH_DOT, st->utf8);
	char span[ES_CELL_MAX];

	fputs(es_sgr(ES_SGR_DIM, st), f);
	if (sum->taken.interval_ns != ES_NONE)
		fprintf(f, "Change over %s", es_fmt_time(span, sum->taken.interval_ns, st->utf8));
	else
		fputs("Totals since this VM was created", f);
	if (now && now != sum)
		fprintf(f, ", rates over %s", es_fmt_time(span, now->taken.interval_ns, st->utf8));
	fprintf(f, " %s ", dot);
	es_render_host(f, &s, st);
	fprintf(f, " %s ", dot);
	es_render_when(f, sum->taken.realtime_ns);
	fprintf(f, "%s\n", es_sgr(ES_SGR_OFF, st));
}

static void write_summary(FILE *f, const struct es_guest *sum, const struct es_guest *now,
			  const struct es_style *st)
{
	uint64_t total = es_guest_total(sum);
	char text[ES_CELL_MAX];

	fprintf(f, "%s exit%s", es_fmt_group(text, total), total == 1 ? "" : "s");
	if (now)
		fprintf(f, ", %s/s", es_fmt_rate(text, rate_of(es_guest_total(now), now), st));
	fprintf(f, ", %s cycles of the host", fmt_cycles(text, es_guest_cycles(sum)));
	if (now)
		fprintf(f, ", %s/s", es_fmt_short(text, rate_of(es_guest_cycles(now), now)));
	if (sum->other && sum->other != ES_NONE)
		fprintf(f, "%s; %s more exit%s under codes without a name here%s", es_sgr(ES_SGR_WARN, st),
			es_fmt_group(text, sum->other), sum->other == 1 ? "" : "s", es_sgr(ES_SGR_OFF, st));
	fputc('\n', f);
}

static void write_table(FILE *f, const struct guest_table *t, bool rates, unsigned int limit,
			const struct es_style *st)
{
	struct es_column columns[GUEST_COLUMNS_MAX];
	size_t shown = limit && limit < t->n ? limit : t->n;
	struct es_layout l;

	choose_columns(columns, rates);
	es_layout(&l, columns, t->order, t->n + 1, false, st);
	es_layout_heading(f, &l, st);
	for (size_t i = 0; i < shown; i++)
		es_layout_row(f, &l, t->order[i], st);
	if (shown < t->n)
		fprintf(f, "%sand %zu more%s\n", es_sgr(ES_SGR_DIM, st), t->n - shown,
			es_sgr(ES_SGR_OFF, st));
	fputs(es_sgr(ES_SGR_BOLD, st), f);
	es_layout_row(f, &l, t->order[t->n], st);
	fputs(es_sgr(ES_SGR_OFF, st), f);
}

int es_render_guest(FILE *f, const struct es_guest *sum, const struct es_guest *now,
		    const struct es_guest_view *v, const struct es_style *st)
{
	const struct es_column *sort =
		v->sort ? v->sort : es_column_find(es_guest_columns, now ? "rate" : "count");
	struct guest_table t = { 0 };
	int r = table_make(&t, sum, now);

	if (!r)
		r = es_rows_sort(t.order, t.n, sort, false);
	if (!r) {
		write_title(f, sum, now, st);
		write_summary(f, sum, now, st);
		write_table(f, &t, now, v->rows, st);
	}
	table_free(&t);
	return r;
}

/* --- JSON --- */

static void write_reasons(struct es_json *j, const struct es_guest *g)
{
	char name[ES_REASON_NAME_MAX];

	es_json_array(j, "reasons");
	for (size_t i = 0; i < g->n_reasons; i++) {
		const struct es_guest_count *c = &g->reasons[i];

		if (!occurred(c))
			continue;
		es_json_object(j, NULL);
		es_json_u64(j, "code", c->code);
		es_json_string(j, "name", es_reason_name(g->host.isa, c->code, name));
		es_json_string(j, "class", es_class_name(es_reason_class(g->host.isa, c->code)));
		es_json_u64(j, "count", c->count);
		es_json_u64(j, "cycles", c->cycles);
		es_json_object_end(j);
	}
	es_json_array_end(j);
}

int es_render_guest_json(FILE *f, const struct es_guest *g, bool pretty)
{
	_cleanup_free_ char *text = NULL;
	struct es_json j;
	size_t len;

	es_json_init(&j, pretty);
	es_json_object(&j, NULL);
	es_json_string(&j, "schema", ES_GUEST_SCHEMA);
	es_json_object(&j, "host");
	es_json_string(&j, "hostname", g->host.hostname);
	es_json_string(&j, "kernel", g->host.kernel);
	es_json_string(&j, "isa", es_isa_name(g->host.isa));
	es_json_object_end(&j);
	es_json_object(&j, "taken");
	es_json_u64(&j, "realtime_ns", g->taken.realtime_ns);
	es_json_u64(&j, "monotonic_ns", g->taken.monotonic_ns);
	es_json_u64(&j, "interval_ns", g->taken.interval_ns);
	es_json_object_end(&j);
	es_json_object(&j, "exits");
	es_json_u64(&j, "total", es_guest_total(g));
	es_json_u64(&j, "cycles", es_guest_cycles(g));
	es_json_u64(&j, "all", g->all);
	es_json_u64(&j, "other", g->other);
	write_reasons(&j, g);
	es_json_object_end(&j);
	es_json_object_end(&j);
	text = es_json_take(&j, &len);
	if (!text)
		return -ENOMEM;
	fwrite(text, 1, len, f);
	fputc('\n', f);
	return 0;
}
