// SPDX-License-Identifier: GPL-2.0-only
/* How long exits take: of all VMs, of one VM's reasons, and the histogram of one of these. */
#include <stdio.h>
#include <string.h>

#include <exitstat/reasons.h>
#include <exitstat/tui.h>
#include <exitstat/util.h>

static void vm_key(char buf[ES_ROW_KEY], const void *row)
{
	snprintf(buf, ES_ROW_KEY, "%s", ((const struct es_reason_row *)row)->vm->id);
}

static enum es_tone vm_tone(const void *row, const struct es_column *column)
{
	const struct es_reason_row *r = row;

	if (!r->vm)
		return ES_TONE_STRONG;
	if (r->vm->state == ES_VM_ENDED)
		return ES_TONE_DIM;
	if (strcmp(column->key, "buckets") == 0)
		return ES_TONE_SPARK;
	return strcmp(column->key, "name") == 0 ? ES_TONE_STRONG : ES_TONE_PLAIN;
}

/* Below the table, on the last line. Returns where that begins. */
static unsigned int draw_foot(struct es_tui *t, const struct es_latency_table *table, unsigned int first,
			      unsigned int end)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f;

	if (!table->n || end < first + 5)
		return end;
	f = open_memstream(&text, &size);
	if (!f)
		return end;
	es_render_latency_foot(f, &table->rows[0], &t->style);
	fclose(f);
	if (text)
		es_screen_text(end - 1, 0, 0, ES_TONE_DIM, text);
	return end - 1;
}

void es_tui_draw_latency(struct es_tui *t, unsigned int first, unsigned int end)
{
	struct es_tui_list *l = &t->lists[ES_VIEW_LATENCY];
	struct es_top_query q = { .filter = l->filter,
				  .hide_ended = t->hide_ended,
				  .aspect = ES_ASPECT_LATENCY,
				  .sort = l->sort,
				  .reverse = l->reverse };
	struct es_latency_table table;

	es_tui_draw_summary(t, first);
	if (es_top_latencies(t->feed->top, &q, &table))
		return;
	es_tui_draw_table(t,
			  &(struct es_tui_table){ table.order, table.n,
						  table.n > 1 ? &table.rows[table.n] : NULL, vm_key,
						  vm_tone },
			  first + 2, draw_foot(t, &table, first + 2, end));
	if (!table.n && end > first + 4)
		es_tui_draw_nothing(t, first + 4, end);
	else if (t->feed->top->sum && es_times_all_off(t->feed->top->sum))
		es_screen_text(first + 1, 0, 0, ES_TONE_WARN, ES_NO_TIMES);
	es_latency_table_free(&table);
}

void es_tui_draw_vm_latency(struct es_tui *t, unsigned int first, unsigned int end)
{
	struct es_tui_list *l = &t->lists[ES_VIEW_VM_LATENCY];
	struct es_top_query q = { .filter = l->filter, .sort = l->sort, .reverse = l->reverse };
	struct es_latency_table table;
	struct es_vm_row row;

	if (es_top_watched(t->feed->top, &row)) {
		es_screen_text(first + 1, 2, 0, ES_TONE_DIM, "this VM is gone; Esc goes back to the list");
		return;
	}
	es_tui_draw_rendered(t, &row, first, ES_TONE_STRONG, es_render_vm_title);
	es_tui_draw_rendered(t, &row, first + 1, ES_TONE_PLAIN, es_render_vm_rates);
	if (es_times_off(&row.sum->counts))
		es_screen_text(first + 2, 0, 0, ES_TONE_WARN, ES_NO_TIMES);
	if (es_top_reason_latencies(t->feed->top, &row, &q, &table))
		return;
	es_tui_draw_table(t,
			  &(struct es_tui_table){ table.order, table.n,
						  table.n > 1 ? &table.rows[table.n] : NULL,
						  es_tui_reason_key, es_tui_reason_tone },
			  first + 4, draw_foot(t, &table, first + 4, end));
	if (!table.n && end > first + 6)
		es_screen_text(first + 6, 2, 0, ES_TONE_DIM,
			       *l->filter ? "no such reason; Esc shows all" : "no exits have been seen yet");
	es_latency_table_free(&table);
}

/* --- one reason --- */

static void bucket_key(char buf[ES_ROW_KEY], const void *row)
{
	snprintf(buf, ES_ROW_KEY, "%u", ((const struct es_bucket_row *)row)->bucket);
}

static enum es_tone bucket_tone(const void *row, const struct es_column *column)
{
	if (strcmp(column->key, "bar") == 0)
		return ES_TONE_SPARK;
	return ((const struct es_bucket_row *)row)->sum ? ES_TONE_PLAIN : ES_TONE_DIM;
}

/* "now  avg 14.2µs  p50 …" */
static void draw_figures(struct es_tui *t, unsigned int y, const char *when, const struct es_reason *r,
			 uint64_t bound_ns)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	fprintf(f, "%s  ", when);
	if (r && r->count)
		es_render_figures(f, r, bound_ns, &t->style);
	else
		fputs("no exits", f);
	fclose(f);
	if (text)
		es_screen_text(y, 0, 0, ES_TONE_PLAIN, text);
}

static void draw_reason_head(struct es_tui *t, const struct es_vm_row *vm, const struct es_reason *sum,
			     const struct es_reason *now, unsigned int y)
{
	const struct es_reason_info *info = es_reason_info(vm->isa, t->reason);
	char name[ES_REASON_NAME_MAX];
	unsigned int x = es_screen_text(y, 0, 0, ES_TONE_KEY, es_reason_name(vm->isa, t->reason, name));

	if (info)
		es_screen_text(y, x + 2, 0, ES_TONE_PLAIN, info->help);
	if (vm->span_ns != ES_NONE)
		draw_figures(t, y + 1, "now", now, now && now->max_ns != ES_NONE ? now->max_ns : sum->max_ns);
	draw_figures(t, y + 2, "all", sum, sum->max_ns);
}

void es_tui_draw_reason(struct es_tui *t, unsigned int first, unsigned int end)
{
	static const struct es_reason none = { .max_ns = ES_NONE };
	const struct es_reason *sum, *now = NULL;
	struct es_bucket_row buckets[ES_HIST_BUCKETS];
	const void *order[ES_HIST_BUCKETS];
	struct es_vm_row row;
	size_t n;

	if (es_top_watched(t->feed->top, &row)) {
		es_screen_text(first + 1, 2, 0, ES_TONE_DIM, "this VM is gone; Esc goes back");
		return;
	}
	sum = es_counts_find(&row.sum->counts, t->reason);
	sum = sum ? sum : &none;
	if (row.now)
		now = es_counts_find(&row.now->counts, t->reason);
	es_tui_draw_rendered(t, &row, first, ES_TONE_STRONG, es_render_vm_title);
	draw_reason_head(t, &row, sum, now, first + 1);
	n = es_bucket_rows(sum, now, row.span_ns, buckets);
	for (size_t i = 0; i < n; i++)
		order[i] = &buckets[i];
	if (n && end > first + 8)
		es_screen_text(--end, 0, 0, ES_TONE_DIM, ES_BUCKET_ERROR);
	es_tui_draw_table(t, &(struct es_tui_table){ order, n, NULL, bucket_key, bucket_tone }, first + 5,
			  end);
	if (!n && end > first + 7)
		es_screen_text(first + 7, 2, 0, ES_TONE_DIM,
			       es_times_off(&row.sum->counts) ? ES_NO_TIMES : "no exits for this reason");
}
