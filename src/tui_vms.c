// SPDX-License-Identifier: GPL-2.0-only
/* All VMs: why they exit, or their paging. */
#include <stdio.h>
#include <string.h>

#include <exitstat/tui.h>
#include <exitstat/util.h>

static void key_of(char buf[ES_ROW_KEY], const void *row)
{
	snprintf(buf, ES_ROW_KEY, "%s", ((const struct es_vm_row *)row)->sum->id);
}

static enum es_tone tone_of(const void *row, const struct es_column *column)
{
	static const enum es_tone states[] = {
		[ES_VM_RUNNING] = ES_TONE_GOOD,
		[ES_VM_PAUSED] = ES_TONE_WARN,
		[ES_VM_ENDED] = ES_TONE_DIM,
	};
	enum es_vm_state state = ((const struct es_vm_row *)row)->sum->state;

	if (state == ES_VM_ENDED)
		return ES_TONE_DIM;
	if (strcmp(column->key, "state") == 0)
		return states[state];
	if (strcmp(column->key, "history") == 0)
		return ES_TONE_SPARK;
	if (column->flex && strcmp(column->key, "cost") == 0)
		return ES_TONE_PAGING;
	return strcmp(column->key, "name") == 0 ? ES_TONE_STRONG : ES_TONE_PLAIN;
}

void es_tui_draw_nothing(struct es_tui *t, unsigned int y, unsigned int end)
{
	const char *why = !t->feed->top->sum	      ? "waiting for the first answer of exitstatd"
			  : *t->lists[t->view].filter ? "no VM of that name; Esc shows all"
			  : t->hide_ended	      ? "no VM runs; e shows those that ended"
						      : "no VM has been seen yet";

	char notice[ES_CELL_MAX];

	es_screen_text(y, 2, 0, ES_TONE_DIM, why);
	if (!t->feed->notice || t->style.width < 20)
		return;
	es_text_clean(notice, sizeof(notice), t->feed->notice, t->style.utf8);
	es_tui_draw_wrapped(y + 2, end, 2, t->style.width, ES_TONE_WARN, notice);
}

void es_tui_draw_summary(struct es_tui *t, unsigned int y)
{
	_cleanup_free_ char *summary = NULL;
	size_t size;
	FILE *f = open_memstream(&summary, &size);

	if (f && t->feed->top->sum)
		es_render_summary(f, t->feed->top, &t->style);
	if (f)
		fclose(f);
	if (summary)
		es_screen_text(y, 0, 0, ES_TONE_PLAIN, summary);
}

void es_tui_draw_vms(struct es_tui *t, unsigned int first, unsigned int end)
{
	struct es_tui_list *l = &t->lists[t->view];
	struct es_top_query q = { .filter = l->filter,
				  .hide_ended = t->hide_ended,
				  .sort = l->sort,
				  .reverse = l->reverse,
				  .aspect = es_tui_aspect(t->view) };
	struct es_vm_table table;

	es_tui_draw_summary(t, first);
	if (es_top_vms(t->feed->top, &q, &table))
		return;
	es_tui_draw_table(t, &(struct es_tui_table){ table.order, table.n, NULL, key_of, tone_of }, first + 2,
			  end);
	if (!table.n && end > first + 4)
		es_tui_draw_nothing(t, first + 4, end);
	es_vm_table_free(&table);
}
