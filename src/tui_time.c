// SPDX-License-Identifier: GPL-2.0-only
/* Where the time goes: of all VMs, and of one VM's vCPUs. */
#include <stdio.h>
#include <string.h>

#include <exitstat/tui.h>
#include <exitstat/util.h>

static void key_of(char buf[ES_ROW_KEY], const void *row)
{
	const struct es_time_row *r = row;

	if (r->of == ES_TIME_OF_VCPU)
		snprintf(buf, ES_ROW_KEY, "%u", r->vcpu_id);
	else
		snprintf(buf, ES_ROW_KEY, "%s", r->vm->id);
}

static enum es_tone tone_of(const void *row, const struct es_column *column)
{
	const struct es_time_row *r = row;

	if (r->of == ES_TIME_OF_ALL)
		return ES_TONE_STRONG;
	if (r->vm->state == ES_VM_ENDED || strcmp(column->key, "bar") == 0)
		return ES_TONE_DIM;
	return strcmp(column->key, "name") == 0 ? ES_TONE_STRONG : ES_TONE_PLAIN;
}

/* What the bars mean and what is not measured, on the last lines. Returns the line where they begin. */
static unsigned int draw_key(struct es_tui *t, const struct es_time_table *table, unsigned int first,
			     unsigned int end)
{
	const char *remark = es_time_remark(table->order, table->n),
		   *gap = t->style.width < ES_TIME_KEY_WIDTH ? " " : "  ";
	unsigned int x = 0;

	if (end < first + 5)
		return end;
	if (remark)
		es_screen_text(--end, 0, 0, ES_TONE_DIM, remark);
	end--;
	for (unsigned int i = 0; i < ES_TIME_PARTS; i++) {
		x = es_screen_text(end, x, 0, ES_TONE_PLAIN, i ? gap : "");
		x = es_screen_text(end, x, 0, es_time_tone(i), es_time_glyph(i, t->style.utf8));
		x = es_screen_text(end, x + 1, 0, ES_TONE_PLAIN, es_time_words[i].name);
	}
	if (t->view == ES_VIEW_TIME && end > first + 6)
		es_screen_text(--end, 0, 0, ES_TONE_DIM, ES_TIME_OF_WHAT);
	return end;
}

static void draw_table(struct es_tui *t, struct es_time_table *table, unsigned int y, unsigned int end)
{
	struct es_tui_table rows = { table->order, table->n, table->n > 1 ? &table->sum : NULL, key_of,
				     tone_of };

	es_tui_draw_table(t, &rows, y, table->n ? draw_key(t, table, y, end) : end);
}

/* The sum alone, and why there is no more. */
static void draw_sum(struct es_tui *t, struct es_time_table *table, const char *why, unsigned int y,
		     unsigned int end)
{
	table->order[table->n++] = &table->sum;
	es_tui_draw_table(t, &(struct es_tui_table){ table->order, 1, NULL, key_of, tone_of }, y,
			  draw_key(t, table, y, end));
	if (end > y + 4)
		es_screen_text(y + 3, 2, 0, ES_TONE_DIM, why);
}

void es_tui_draw_time(struct es_tui *t, unsigned int first, unsigned int end)
{
	struct es_tui_list *l = &t->lists[ES_VIEW_TIME];
	struct es_top_query q = { .filter = l->filter,
				  .hide_ended = t->hide_ended,
				  .aspect = ES_ASPECT_TIME,
				  .sort = l->sort,
				  .reverse = l->reverse };
	struct es_time_table table;

	es_tui_draw_summary(t, first);
	if (es_top_times(t->feed->top, &q, &table))
		return;
	draw_table(t, &table, first + 2, end);
	if (!table.n && end > first + 4)
		es_tui_draw_nothing(t, first + 4, end);
	else if (t->feed->top->sum && es_times_all_off(t->feed->top->sum))
		es_screen_text(first + 1, 0, 0, ES_TONE_WARN, ES_NO_TIMES);
	es_time_table_free(&table);
}

/* Why the vCPUs are not there one by one. */
static const char *why_none(const struct es_tui *t, const struct es_vm_row *row)
{
	if (*t->lists[t->view].filter)
		return "no such vCPU; Esc shows all";
	if (t->feed->ops == &es_feed_replay)
		return "a recording has no vCPUs one by one, only their sum";
	return row->sum->state == ES_VM_ENDED ? "its vCPUs one by one are not known any more"
					      : "waiting for the next look";
}

void es_tui_draw_vm_time(struct es_tui *t, unsigned int first, unsigned int end)
{
	struct es_tui_list *l = &t->lists[ES_VIEW_VM_TIME];
	struct es_top_query q = { .filter = l->filter, .sort = l->sort, .reverse = l->reverse };
	struct es_time_table table;
	struct es_vm_row row;

	if (es_top_watched(t->feed->top, &row)) {
		es_screen_text(first + 1, 2, 0, ES_TONE_DIM, "this VM is gone; Esc goes back to the list");
		return;
	}
	es_tui_draw_rendered(t, &row, first, ES_TONE_STRONG, es_render_vm_title);
	es_screen_text(first + 1, 0, 0, ES_TONE_PLAIN, ES_TIME_OF_WHAT);
	if (es_times_off(&row.sum->counts)) {
		es_screen_text(first + 2, 0, 0, ES_TONE_WARN, ES_NO_TIMES);
		return;
	}
	if (es_top_vcpu_times(&row, &q, &table))
		return;
	if (table.n)
		draw_table(t, &table, first + 4, end);
	else
		draw_sum(t, &table, why_none(t, &row), first + 4, end);
	es_time_table_free(&table);
}
