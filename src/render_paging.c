// SPDX-License-Identifier: GPL-2.0-only
/* The paging view of a VM: what it costs, what dominates, and the events with their rates. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/render.h>
#include <exitstat/util.h>

#define ROW(p) ((const struct es_event_row *)(p))

double es_event_rate(const struct es_event_row *r)
{
	if (r->span_ns == ES_NONE || !r->span_ns || r->now == ES_NONE)
		return -1;
	return es_per_second(r->now, r->span_ns);
}

int es_event_rows(const struct es_counts *sum, const struct es_counts *now, bool nested, uint64_t span_ns,
		  struct es_event_row **rows, size_t *n)
{
	size_t n_events;
	const struct es_paging_event *events = es_paging_events(&n_events);

	*n = 0;
	*rows = calloc(n_events, sizeof(**rows));
	if (!*rows)
		return -ENOMEM;
	for (size_t i = 0; i < n_events; i++) {
		struct es_event_row row = { .event = &events[i], .place = i, .span_ns = span_ns };

		if (!es_paging_event_shown(row.event, nested, sum))
			continue;
		row.sum = es_paging_event_count(row.event, sum);
		row.now = now ? es_paging_event_count(row.event, now) : row.sum == ES_NONE ? ES_NONE : 0;
		(*rows)[(*n)++] = row;
	}
	return 0;
}

static void cell_event(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	es_text_fit(buf, ES_CELL_MAX, ROW(p)->event->name, width, st->utf8);
}

static void cell_count(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	es_fmt_group(buf, ROW(p)->sum);
}

static void cell_rate(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_rate(buf, es_event_rate(ROW(p)), st);
}

static void cell_what(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	es_text_fit(buf, ES_CELL_MAX, ROW(p)->event->help, width, st->utf8);
}

static void cell_history(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	es_spark(buf, ES_CELL_MAX, ROW(p)->history, ROW(p)->n_history, width, st->utf8);
}

static int by_place(const void *a, const void *b)
{
	return ROW(a)->place < ROW(b)->place ? -1 : ROW(a)->place > ROW(b)->place;
}

static int by_count(const void *a, const void *b)
{
	uint64_t x = ROW(a)->sum, y = ROW(b)->sum;

	return es_descending(x == ES_NONE ? -1 : (double)x, y == ES_NONE ? -1 : (double)y);
}

static int by_rate(const void *a, const void *b)
{
	int c = es_descending(es_event_rate(ROW(a)), es_event_rate(ROW(b)));

	return c ? c : by_count(a, b);
}

const struct es_column es_event_columns[] = {
	{ .key = "event",
	  .title = "EVENT",
	  .help = "what KVM or the guest did; in this order",
	  .sortable = true,
	  .keep = 100,
	  .live = 22,
	  .cell = cell_event,
	  .compare = by_place },
	{ .key = "count",
	  .title = "COUNT",
	  .help = "how often",
	  .right = true,
	  .sortable = true,
	  .keep = 90,
	  .live = 11,
	  .cell = cell_count,
	  .compare = by_count },
	{ .key = "rate",
	  .title = "PER SEC",
	  .help = "how often per second",
	  .right = true,
	  .sortable = true,
	  .keep = 80,
	  .live = 7,
	  .cell = cell_rate,
	  .compare = by_rate },
	{ .key = "what",
	  .title = "WHAT IT IS",
	  .help = "the event in a few words",
	  .keep = 20,
	  .live = 34,
	  .cell = cell_what },
	{ .key = "history",
	  .title = "RATE OVER TIME",
	  .help = "the rate over the last intervals, newest right",
	  .flex = true,
	  .only_live = true,
	  .keep = 75,
	  .live = 14,
	  .cell = cell_history },
	{ 0 },
};

void es_render_paging_cost(FILE *f, const struct es_paging_subject *p, const struct es_style *st)
{
	struct es_paging_cost cost;
	char text[ES_CELL_MAX];

	es_paging_cost(p->isa, p->vm->paging, p->counts, &cost);
	if (cost.exits == ES_NONE) {
		fprintf(f, "Paging: cost not known (%s)\n",
			es_exits_total(p->counts) == ES_NONE ? "no exits are reported"
							     : "paging mode unknown");
		return;
	}
	if (!cost.exits) {
		fputs("Paging: no exits\n", f);
		return;
	}
	fprintf(f, "Paging: %s exit%s", es_fmt_group(text, cost.exits), cost.exits == 1 ? "" : "s");
	if (cost.exit_share >= 0)
		fprintf(f, " (%s)", es_fmt_share(text, cost.exit_share));
	if (p->span_ns != ES_NONE && p->span_ns)
		fprintf(f, ", %s/s", es_fmt_rate(text, es_per_second(cost.exits, p->span_ns), st));
	if (cost.time_ns == ES_NONE)
		fputs("; their time was not measured", f);
	else
		fprintf(f, "; %s", es_fmt_time(text, cost.time_ns, st->utf8));
	if (cost.time_share >= 0)
		fprintf(f, " (%s of the time outside the guest)", es_fmt_share(text, cost.time_share));
	fputc('\n', f);
}

static int render_events(FILE *f, const struct es_paging_subject *p, const struct es_style *st)
{
	_cleanup_free_ struct es_event_row *rows = NULL;
	_cleanup_free_ const void **order = NULL;
	struct es_layout l;
	size_t n;
	int r = es_event_rows(p->counts, p->counts, p->vm->nested, p->span_ns, &rows, &n);

	if (!r)
		order = calloc(n + 1, sizeof(*order));
	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = &rows[i];
	es_layout(&l, es_event_columns, order, n, false, st);
	es_layout_heading(f, &l, st);
	for (size_t i = 0; i < n; i++)
		es_layout_row(f, &l, order[i], st);
	return 0;
}

int es_render_paging(FILE *f, const struct es_paging_subject *p, const struct es_style *st)
{
	char sentence[ES_PAGING_SENTENCE];

	fprintf(f, "%s\n", es_paging_sentence(sentence, p->isa, p->vm->paging, p->vm->nested, p->counts));
	if (es_paging_events_known(p->counts))
		return render_events(f, p, st);
	fprintf(f, "%s%s%s\n", es_sgr(ES_SGR_DIM, st), ES_NO_EVENTS, es_sgr(ES_SGR_OFF, st));
	return 0;
}
