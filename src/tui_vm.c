// SPDX-License-Identifier: GPL-2.0-only
/* The second view: one VM, reason by reason. */
#include <stdio.h>
#include <string.h>

#include <exitstat/reasons.h>
#include <exitstat/tui.h>
#include <exitstat/util.h>

#define PEAK_WIDTH 20 /* room for the number behind the sparkline */

void es_tui_reason_key(char buf[ES_ROW_KEY], const void *row)
{
	snprintf(buf, ES_ROW_KEY, "%u", ((const struct es_reason_row *)row)->code);
}

enum es_tone es_tui_reason_tone(const void *row, const struct es_column *column)
{
	static const enum es_tone classes[ES_CLASSES] = {
		[ES_CLASS_PAGING] = ES_TONE_PAGING, [ES_CLASS_CR] = ES_TONE_PAGING,
		[ES_CLASS_IO] = ES_TONE_IO,	    [ES_CLASS_INTERRUPT] = ES_TONE_GOOD,
		[ES_CLASS_HALT] = ES_TONE_DIM,
	};
	const struct es_reason_row *r = row;

	if (r->label)
		return ES_TONE_STRONG;
	if (strcmp(column->key, "history") == 0 || strcmp(column->key, "buckets") == 0)
		return ES_TONE_SPARK;
	if (strcmp(column->key, "name") == 0 || strcmp(column->key, "class") == 0)
		return classes[es_reason_row_class(r)];
	return ES_TONE_PLAIN;
}

static void draw_total_rate(struct es_tui *t, const struct es_vm_row *row, unsigned int y)
{
	char bars[ES_CELL_MAX], peak[ES_CELL_MAX], number[ES_CELL_MAX];
	unsigned int width = t->style.width, x = es_screen_text(y, 0, 0, ES_TONE_DIM, "exits/s ");
	size_t shown;
	float top = -1;

	if (width < x + PEAK_WIDTH + 8 || !row->n_history)
		return;
	width -= x + PEAK_WIDTH;
	shown = row->n_history < width ? row->n_history : width;
	for (size_t i = row->n_history - shown; i < row->n_history; i++)
		top = row->history[i] > top ? row->history[i] : top;
	es_spark(bars, sizeof(bars), row->history, row->n_history, (unsigned int)shown, t->style.utf8);
	x = es_screen_text(y, x, 0, ES_TONE_SPARK, bars);
	snprintf(peak, sizeof(peak), " peak %.16s", es_fmt_rate(number, top, &t->style));
	es_screen_text(y, x, 0, ES_TONE_DIM, peak);
}

void es_tui_draw_vm(struct es_tui *t, unsigned int first, unsigned int end)
{
	struct es_tui_list *l = &t->lists[ES_VIEW_VM];
	struct es_top_query q = { .filter = l->filter, .sort = l->sort, .reverse = l->reverse };
	struct es_reason_table table;
	struct es_vm_row row;

	if (es_top_watched(t->feed->top, &row)) {
		es_screen_text(first + 1, 2, 0, ES_TONE_DIM, "this VM is gone; Esc goes back to the list");
		return;
	}
	es_tui_draw_rendered(t, &row, first, ES_TONE_STRONG, es_render_vm_title);
	es_tui_draw_rendered(t, &row, first + 1, ES_TONE_PLAIN, es_render_vm_rates);
	draw_total_rate(t, &row, first + 2);
	if (es_top_reasons(t->feed->top, &row, &q, &table))
		return;
	es_tui_draw_table(
		t,
		&(struct es_tui_table){ table.order, table.n, NULL, es_tui_reason_key, es_tui_reason_tone },
		first + 4, end);
	if (!table.n && end > first + 6)
		es_screen_text(first + 6, 2, 0, ES_TONE_DIM,
			       *l->filter ? "no such reason; Esc shows all" : "no exits have been seen yet");
	es_reason_table_free(&table);
}
