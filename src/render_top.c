// SPDX-License-Identifier: GPL-2.0-only
/* The lines of top that are not columns, and a whole round of --batch. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <exitstat/top.h>
#include <exitstat/util.h>

void es_render_summary(FILE *f, const struct es_top *t, const struct es_style *st)
{
	const char *dot = es_glyph(ES_GLYPH_DOT, st->utf8);
	struct es_top_summary s;
	char text[ES_CELL_MAX];

	es_top_summarise(t, &s);
	fprintf(f, "%zu VM%s", s.vms, s.vms == 1 ? "" : "s");
	if (s.paused)
		fprintf(f, ", %zu paused", s.paused);
	if (s.ended)
		fprintf(f, ", %zu ended", s.ended);
	if (s.rate >= 0)
		fprintf(f, " %s %s exits/s", dot, es_fmt_rate(text, s.rate, st));
	if (s.outside >= 0)
		fprintf(f, " %s outside the guest%s %s of busy time", dot, s.vms == 1 ? "" : "s",
			es_fmt_share(text, s.outside));
}

void es_render_vm_title(FILE *f, const struct es_top *t, const struct es_vm_row *row,
			const struct es_style *st)
{
	const char *dot = es_glyph(ES_GLYPH_DOT, st->utf8);
	const struct es_vm *vm = row->sum;
	char text[ES_CELL_MAX];

	es_text_fit(text, sizeof(text), vm->name, st->width ? st->width / 2 : 0, st->utf8);
	fprintf(f, "%s %s pid %u %s %u vCPU%s %s %s %s ", text, dot, vm->pid, dot, vm->n_vcpus,
		vm->n_vcpus == 1 ? "" : "s", dot, es_paging_phrase(vm), dot);
	if (vm->state == ES_VM_ENDED && vm->ended_ns <= t->sum->taken.monotonic_ns)
		fprintf(f, "ended %s ago, final counts",
			es_fmt_time(text, t->sum->taken.monotonic_ns - vm->ended_ns, st->utf8));
	else
		fputs(es_vm_state_name(vm->state), f);
}

void es_render_vm_rates(FILE *f, const struct es_top *t, const struct es_vm_row *row,
			const struct es_style *st)
{
	const char *dot = es_glyph(ES_GLYPH_DOT, st->utf8);
	double rate = es_vm_rate(row), outside = es_vm_outside(row), idle = es_vm_idle(row);
	uint64_t seen = es_vm_span(t->sum, row->sum);
	char text[ES_CELL_MAX];

	if (rate >= 0)
		fprintf(f, "%s exits/s %s ", es_fmt_rate(text, rate, st), dot);
	if (outside >= 0)
		fprintf(f, "outside the guest %s %s ", es_fmt_share(text, outside), dot);
	if (idle >= 0)
		fprintf(f, "idle %s %s ", es_fmt_share(text, idle), dot);
	fprintf(f, "%s exits", es_fmt_group(text, es_exits_total(&row->sum->counts)));
	if (seen != ES_NONE)
		fprintf(f, " in %s", es_fmt_time(text, seen, st->utf8));
}

void es_render_vm_paging(FILE *f, const struct es_top *t, const struct es_vm_row *row,
			 const struct es_style *st)
{
	const char *dot = es_glyph(ES_GLYPH_DOT, st->utf8);
	double rate = es_vm_rate(row), paging = es_vm_paging_rate(row);
	char text[ES_CELL_MAX];

	(void)t;
	if (rate < 0) {
		fputs("no rates are known", f);
		return;
	}
	fprintf(f, "%s exits/s", es_fmt_rate(text, rate, st));
	if (paging < 0)
		return;
	fprintf(f, " %s for paging %s", dot, es_fmt_rate(text, paging, st));
	if (row->cost.exit_share >= 0)
		fprintf(f, " (%s)", es_fmt_share(text, row->cost.exit_share));
	if (row->cost.time_share >= 0)
		fprintf(f, " %s %s of the time outside the guest", dot,
			es_fmt_share(text, row->cost.time_share));
}

static void write_clock(FILE *f, uint64_t realtime_ns)
{
	time_t s = (time_t)(realtime_ns / 1000000000);
	struct tm tm;
	char text[16];

	if (realtime_ns != ES_NONE && localtime_r(&s, &tm) && strftime(text, sizeof(text), "%T", &tm))
		fprintf(f, "%s  ", text);
}

static int write_reasons(FILE *f, const struct es_top *t, const struct es_vm_row *vm,
			 const struct es_column *sort, const struct es_style *st)
{
	struct es_top_query q = { .sort = sort ? es_column_find(es_reason_columns, sort->key) : NULL };
	struct es_reason_table table;
	struct es_layout l;
	char name[ES_CELL_MAX];
	int r = es_top_reasons(t, vm, &q, &table);

	if (r || !table.n) {
		es_reason_table_free(&table);
		return r;
	}
	es_text_clean(name, sizeof(name), vm->sum->name, st->utf8);
	fprintf(f, "\n%s, by reason (counts and MAX since first seen, the rest of the last interval):\n",
		name);
	es_layout(&l, es_reason_columns, table.order, table.n, false, st);
	es_layout_heading(f, &l, st);
	for (size_t i = 0; i < table.n; i++)
		es_layout_row(f, &l, table.order[i], st);
	es_reason_table_free(&table);
	return 0;
}

/* What dominates, and the events. */
static int write_paging(FILE *f, const struct es_top *t, const struct es_vm_row *vm,
			const struct es_style *st)
{
	struct es_top_query q = { 0 };
	char name[ES_CELL_MAX], sentence[ES_CELL_MAX];
	struct es_event_table table;
	struct es_layout l;
	int r = es_top_events(t, vm, &q, &table);

	if (r)
		return r;
	es_text_clean(name, sizeof(name), vm->sum->name, st->utf8);
	fprintf(f, "\n%s: %s\n", name, es_vm_sentence(sentence, vm));
	if (table.n) {
		es_layout(&l, es_event_columns, table.order, table.n, false, st);
		es_layout_heading(f, &l, st);
	} else {
		fputs(ES_NO_EVENTS "\n", f);
	}
	for (size_t i = 0; i < table.n; i++)
		es_layout_row(f, &l, table.order[i], st);
	es_event_table_free(&table);
	return 0;
}

static void write_round_title(FILE *f, const struct es_top *t, const struct es_style *st)
{
	char span[ES_CELL_MAX];

	write_clock(f, t->sum->taken.realtime_ns);
	es_render_host(f, t->sum, st);
	fprintf(f, " %s ", es_glyph(ES_GLYPH_DOT, st->utf8));
	es_render_summary(f, t, st);
	if (t->now && t->now->taken.interval_ns != ES_NONE)
		fprintf(f, " %s over %s", es_glyph(ES_GLYPH_DOT, st->utf8),
			es_fmt_time(span, t->now->taken.interval_ns, st->utf8));
	fputc('\n', f);
}

static int write_vcpu_times(FILE *f, const struct es_vm_row *vm, const struct es_style *st)
{
	struct es_top_query q = { .aspect = ES_ASPECT_TIME };
	struct es_time_table table;
	char name[ES_CELL_MAX];
	int r = es_top_vcpu_times(vm, &q, &table);

	if (r)
		return r;
	es_text_clean(name, sizeof(name), vm->sum->name, st->utf8);
	if (table.n && !es_times_off(&vm->sum->counts)) {
		fprintf(f, "\n%s, by vCPU:\n", name);
		r = es_render_time_table(f, table.order, table.n, table.n > 1 ? &table.sum : NULL, true, st);
	}
	es_time_table_free(&table);
	return r;
}

static int write_times(FILE *f, const struct es_top *t, const struct es_top_query *q,
		       const struct es_style *st)
{
	struct es_time_table table;
	int r = es_top_times(t, q, &table);

	if (r)
		return r;
	if (es_times_all_off(t->sum))
		fputs(ES_NO_TIMES "\n", f);
	else
		r = es_render_time_table(f, table.order, table.n, table.n > 1 ? &table.sum : NULL, false, st);
	es_time_table_free(&table);
	return r;
}

static int write_latencies(FILE *f, const struct es_top *t, const struct es_top_query *q,
			   const struct es_style *st)
{
	struct es_latency_table table;
	int r = es_top_latencies(t, q, &table);

	if (r)
		return r;
	if (es_times_all_off(t->sum)) {
		fputs(ES_NO_TIMES "\n", f);
	} else {
		table.order[table.n] = &table.rows[table.n];
		es_render_latency_table(f, es_vm_latency_columns, table.rows, table.order,
					table.n + (table.n > 1), st);
	}
	es_latency_table_free(&table);
	return 0;
}

static int write_reason_latencies(FILE *f, const struct es_top *t, const struct es_vm_row *vm,
				  const struct es_style *st)
{
	struct es_top_query q = { .aspect = ES_ASPECT_LATENCY };
	struct es_latency_table table;
	char name[ES_CELL_MAX];
	int r = es_top_reason_latencies(t, vm, &q, &table);

	if (r)
		return r;
	if (table.n && !es_times_off(&vm->sum->counts)) {
		es_text_clean(name, sizeof(name), vm->sum->name, st->utf8);
		fprintf(f,
			"\n%s, by reason (counts and MAX since first seen, the rest of the last interval):\n",
			name);
		table.order[table.n] = &table.rows[table.n];
		es_render_latency_table(f, es_latency_columns, table.rows, table.order, table.n + 1, st);
	}
	es_latency_table_free(&table);
	return 0;
}

static int write_vms(FILE *f, const struct es_top_query *q, const struct es_vm_table *table,
		     const struct es_style *st)
{
	struct es_layout l;

	es_layout(&l, es_aspect_columns(q->aspect), table->order, table->n, false, st);
	es_layout_heading(f, &l, st);
	for (size_t i = 0; i < table->n; i++)
		es_layout_row(f, &l, table->order[i], st);
	return 0;
}

static int write_vm(FILE *f, const struct es_top *t, const struct es_top_query *q, const struct es_vm_row *vm,
		    const struct es_style *st)
{
	switch (q->aspect) {
	case ES_ASPECT_PAGING:
		return write_paging(f, t, vm, st);
	case ES_ASPECT_TIME:
		return write_vcpu_times(f, vm, st);
	case ES_ASPECT_LATENCY:
		return write_reason_latencies(f, t, vm, st);
	default:
		return write_reasons(f, t, vm, q->sort, st);
	}
}

int es_render_top(FILE *f, const struct es_top *t, const struct es_top_query *q, bool each,
		  const struct es_style *st)
{
	struct es_top_query vms = *q;
	struct es_vm_table table;
	int r;

	if (q->aspect == ES_ASPECT_TIME || q->aspect == ES_ASPECT_LATENCY) {
		/* Those tables have rows of their own; the VMs one by one follow them by name. */
		vms.aspect = ES_ASPECT_REASONS;
		vms.sort = es_column_find(es_vm_columns, "name");
	}
	r = es_top_vms(t, &vms, &table);
	if (r)
		return r;
	write_round_title(f, t, st);
	r = q->aspect == ES_ASPECT_TIME	     ? write_times(f, t, q, st)
	    : q->aspect == ES_ASPECT_LATENCY ? write_latencies(f, t, q, st)
					     : write_vms(f, q, &table, st);
	for (size_t i = 0; i < table.n && each && !r; i++)
		r = write_vm(f, t, q, table.order[i], st);
	es_vm_table_free(&table);
	return r;
}
