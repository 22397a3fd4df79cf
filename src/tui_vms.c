// SPDX-License-Identifier: GPL-2.0-only
/* The first view: all VMs. */
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
	return strcmp(column->key, "name") == 0 ? ES_TONE_STRONG : ES_TONE_PLAIN;
}

/* Breaks lines at spaces, since the remedy tends to stand at the end. */
static void draw_wrapped(unsigned int y, unsigned int end, unsigned int width, const char *text)
{
	char line[ES_CELL_MAX];

	for (; *text && y < end; y++) {
		size_t n = strlen(text), last = 0;

		for (size_t i = 0; n > width && i <= width; i++)
			last = text[i] == ' ' ? i : last;
		n = n <= width ? n : last ? last : width;
		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		es_screen_text(y, 2, 0, ES_TONE_WARN, line);
		text += n + (text[n] == ' ');
	}
}

static void draw_nothing(struct es_tui *t, unsigned int y, unsigned int end)
{
	const char *why = !t->feed->top->sum		  ? "waiting for the first answer of exitstatd"
			  : *t->lists[ES_VIEW_VMS].filter ? "no VM of that name; Esc shows all"
			  : t->hide_ended		  ? "no VM runs; e shows those that ended"
							  : "no VM has been seen yet";

	char notice[ES_CELL_MAX];

	es_screen_text(y, 2, 0, ES_TONE_DIM, why);
	if (!t->feed->notice || t->style.width < 20)
		return;
	es_text_clean(notice, sizeof(notice), t->feed->notice, t->style.utf8);
	draw_wrapped(y + 2, end, t->style.width - 4, notice);
}

void es_tui_draw_vms(struct es_tui *t, unsigned int first, unsigned int end)
{
	struct es_tui_list *l = &t->lists[ES_VIEW_VMS];
	struct es_top_query q = { l->filter, t->hide_ended, l->sort, l->reverse };
	_cleanup_free_ char *summary = NULL;
	struct es_vm_table table;
	size_t size;
	FILE *f = open_memstream(&summary, &size);

	if (f && t->feed->top->sum)
		es_render_summary(f, t->feed->top, &t->style);
	if (f)
		fclose(f);
	if (summary)
		es_screen_text(first, 0, 0, ES_TONE_PLAIN, summary);
	if (es_top_vms(t->feed->top, &q, &table))
		return;
	es_tui_draw_table(t, table.order, table.n, first + 2, end, key_of, tone_of);
	if (!table.n && end > first + 4)
		draw_nothing(t, first + 4, end);
	es_vm_table_free(&table);
}
