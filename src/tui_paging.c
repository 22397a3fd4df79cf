// SPDX-License-Identifier: GPL-2.0-only
/* One VM's paging: what it costs, what dominates, event by event. */
#include <stdio.h>
#include <string.h>

#include <exitstat/tui.h>
#include <exitstat/util.h>

#define SENTENCE_LINES 2 /* at 80 columns, nearly always */

static void key_of(char buf[ES_ROW_KEY], const void *row)
{
	snprintf(buf, ES_ROW_KEY, "%s", ((const struct es_event_row *)row)->event->key);
}

static enum es_tone tone_of(const void *row, const struct es_column *column)
{
	const struct es_event_row *r = row;

	if (strcmp(column->key, "history") == 0)
		return ES_TONE_SPARK;
	if (strcmp(column->key, "event") == 0)
		return r->sum && r->sum != ES_NONE ? ES_TONE_PAGING : ES_TONE_DIM;
	return strcmp(column->key, "what") == 0 ? ES_TONE_DIM : ES_TONE_PLAIN;
}

void es_tui_draw_vm_paging(struct es_tui *t, unsigned int first, unsigned int end)
{
	struct es_tui_list *l = &t->lists[ES_VIEW_VM_PAGING];
	struct es_top_query q = { .filter = l->filter, .sort = l->sort, .reverse = l->reverse };
	char sentence[ES_CELL_MAX];
	struct es_event_table table;
	unsigned int body = first + 2 + SENTENCE_LINES + 1;
	struct es_vm_row row;

	if (es_top_watched(t->feed->top, &row)) {
		es_screen_text(first + 1, 2, 0, ES_TONE_DIM, "this VM is gone; Esc goes back to the list");
		return;
	}
	es_tui_draw_rendered(t, &row, first, ES_TONE_STRONG, es_render_vm_title);
	es_tui_draw_rendered(t, &row, first + 1, ES_TONE_PLAIN, es_render_vm_paging);
	es_vm_sentence(sentence, &row);
	/* The longest may reach into the line of the status, which is seldom there. */
	es_tui_draw_wrapped(first + 2, body, 0, t->style.width, ES_TONE_KEY, sentence);
	if (es_top_events(t->feed->top, &row, &q, &table))
		return;
	es_tui_draw_table(t, &(struct es_tui_table){ table.order, table.n, NULL, key_of, tone_of }, body,
			  end);
	if (!table.n && end > body + 2 && *l->filter)
		es_screen_text(body + 2, 2, 0, ES_TONE_DIM, "no such event; Esc shows all");
	else if (!table.n && end > body + 2)
		es_tui_draw_wrapped(body + 2, end, 2, t->style.width, ES_TONE_DIM, ES_NO_EVENTS);
	es_event_table_free(&table);
}
