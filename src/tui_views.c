// SPDX-License-Identifier: GPL-2.0-only
/* What all views share: the frame around them, tables, selection and scrolling. */
#include <ncurses.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <exitstat/tui.h>
#include <exitstat/util.h>

#define TITLE_LINE 0

static void clock_text(char *buf, size_t size, const struct es_top *top)
{
	time_t s;
	struct tm tm;

	*buf = '\0';
	if (!top->sum || top->sum->taken.realtime_ns == ES_NONE)
		return;
	s = (time_t)(top->sum->taken.realtime_ns / 1000000000);
	if (localtime_r(&s, &tm))
		strftime(buf, size, "%T", &tm);
}

static void draw_title(struct es_tui *t, unsigned int columns)
{
	const struct es_top *top = t->feed->top;
	_cleanup_free_ char *host = NULL;
	char clock[16], where[ES_CELL_MAX], right[96];
	size_t size;
	FILE *f = open_memstream(&host, &size);
	unsigned int x, right_width;

	clock_text(clock, sizeof(clock), top);
	t->feed->ops->where(t->feed, where);
	snprintf(right, sizeof(right), "%.64s  %s", where, clock);
	right_width = es_text_width(right);
	x = es_screen_text(TITLE_LINE, 0, 0, ES_TONE_STRONG, "exitstat");
	if (f && top->sum)
		es_render_host(f, top->sum, &t->style);
	if (f)
		fclose(f);
	if (host && columns > x + right_width + 4)
		es_screen_text(TITLE_LINE, x + 2, columns - right_width - x - 4, ES_TONE_PLAIN, host);
	if (columns > right_width + x)
		es_screen_text(TITLE_LINE, columns - right_width, 0, ES_TONE_PLAIN, right);
}

#define HINTS_MAX  16
#define HINTS_KEPT 2 /* the last ones: help and quit */

/* What the keys do here, as far as there is room: less space between them first, then those go that are not needed most. */
static void draw_keys(const struct es_tui *t, unsigned int y)
{
	struct es_key_line k[HINTS_MAX];
	unsigned int n = 0, width = 0, gap, x = 0;

	for (size_t i = 0; n < HINTS_MAX && es_tui_key_line(t, t->view, i, &k[n]); i++) {
		if (!k[n].hint)
			continue;
		if (!k[n].hint_label)
			k[n].hint_label = k[n].label;
		width += es_text_width(k[n].hint_label) + 1 + es_text_width(k[n].hint);
		n++;
	}
	gap = n && width + 2 * (n - 1) <= (unsigned int)COLS ? 2 : 1;
	while (n && width + gap * (n - 1) > (unsigned int)COLS) {
		unsigned int kept = n > HINTS_KEPT ? HINTS_KEPT : 0, gone = n - kept - 1;

		width -= es_text_width(k[gone].hint_label) + 1 + es_text_width(k[gone].hint);
		memmove(&k[gone], &k[gone + 1], kept * sizeof(*k));
		n--;
	}
	for (unsigned int i = 0; i < n; i++) {
		x = es_screen_text(y, x, 0, ES_TONE_KEY, k[i].hint_label) + 1;
		x = es_screen_text(y, x, 0, ES_TONE_PLAIN, k[i].hint) + gap;
	}
}

/* The line at the bottom: the filter being typed, or the keys. */
static void draw_hints(struct es_tui *t, unsigned int y)
{
	unsigned int x = 0;

	if (!t->editing) {
		draw_keys(t, y);
		return;
	}
	x = es_screen_text(y, 0, 0, ES_TONE_KEY, "Filter: ");
	x = es_screen_text(y, x, 0, ES_TONE_PLAIN, t->lists[t->view].filter);
	x = es_screen_text(y, x, 0, ES_TONE_HEADING, " ");
	es_screen_text(y, x + 2, 0, ES_TONE_DIM, "Enter keeps it, Esc clears it");
}

/* One line that says what is not as usual; blank if all is well. */
static void draw_status(struct es_tui *t, unsigned int y)
{
	const struct es_tui_list *l = &t->lists[t->view];
	const char *ellipsis = es_glyph(ES_GLYPH_ELLIPSIS, t->style.utf8);
	char text[2 * ES_CELL_MAX], clean[2 * ES_CELL_MAX], clock[16], count[ES_CELL_MAX];
	uint64_t dropped = t->feed->top->sum ? t->feed->top->sum->health.dropped : 0;
	enum es_tone tone = ES_TONE_WARN;

	clock_text(clock, sizeof(clock), t->feed->top);
	if (t->feed->lost) {
		if (t->feed->ops == &es_feed_replay)
			snprintf(text, sizeof(text), "%s", t->feed->err);
		else
			snprintf(text, sizeof(text), "daemon gone, reconnecting%s  (%s)", ellipsis,
				 t->feed->err);
		tone = ES_TONE_BAD;
	} else if (!t->paused && t->feed->ops->slow(t->feed)) {
		snprintf(text, sizeof(text), "waiting for exitstatd%s", ellipsis);
	} else if (t->paused) {
		snprintf(text, sizeof(text), "paused at %s; p goes on", clock);
	} else if (t->feed->notice) {
		snprintf(text, sizeof(text), "%s", t->feed->notice);
	} else if (*l->filter && !t->editing) {
		snprintf(text, sizeof(text), "only '%s': %zu shown; Esc shows all", l->filter, l->n);
	} else if (dropped && dropped != ES_NONE) {
		snprintf(text, sizeof(text), "no room: %.32s events not counted, see `exitstat status`",
			 es_fmt_group(count, dropped));
	} else {
		return;
	}
	es_text_clean(clean, sizeof(clean), text, t->style.utf8);
	/* What the view has put there is worth less. */
	es_screen_line(y, ES_TONE_PLAIN);
	es_screen_text(y, 0, 0, tone, clean);
}

void es_tui_draw_wrapped(unsigned int y, unsigned int end, unsigned int indent, unsigned int width,
			 enum es_tone tone, const char *text)
{
	char line[ES_CELL_MAX];

	if (width < 2 * indent + 1)
		return;
	width -= 2 * indent;
	for (; *text && y < end; y++) {
		size_t n = strlen(text), last = 0;

		for (size_t i = 0; n > width && i <= width; i++)
			last = text[i] == ' ' ? i : last;
		n = n <= width ? n : last ? last : width;
		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		es_screen_text(y, indent, 0, tone, line);
		text += n + (text[n] == ' ');
	}
}

void es_tui_draw_rendered(struct es_tui *t, const struct es_vm_row *row, unsigned int y, enum es_tone tone,
			  void (*render)(FILE *, const struct es_top *, const struct es_vm_row *,
					 const struct es_style *))
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	render(f, t->feed->top, row, &t->style);
	fclose(f);
	if (text)
		es_screen_text(y, 0, 0, tone, text);
}

void es_tui_place(struct es_tui_list *l, const void *const *rows, size_t n, size_t page,
		  void (*key)(char buf[ES_ROW_KEY], const void *row))
{
	char buf[ES_ROW_KEY];

	for (size_t i = 0; key && i < n && *l->selected; i++) {
		key(buf, rows[i]);
		if (strcmp(buf, l->selected) == 0) {
			l->at = i;
			break;
		}
	}
	l->n = n;
	l->page = page ? page : 1;
	if (l->at >= n)
		l->at = n ? n - 1 : 0;
	if (l->scroll > l->at)
		l->scroll = l->at;
	if (l->at >= l->scroll + l->page)
		l->scroll = l->at - l->page + 1;
	if (l->scroll + l->page > n)
		l->scroll = n > l->page ? n - l->page : 0;
	if (key && n)
		key(l->selected, rows[l->at]);
}

static void draw_heading(const struct es_tui *t, const struct es_layout *l, unsigned int y)
{
	const struct es_tui_list *list = &t->lists[t->view];
	unsigned int x = 0;

	es_screen_line(y, ES_TONE_HEADING);
	for (unsigned int i = 0; i < l->n; i++) {
		const struct es_column *c = l->at[i].column;
		unsigned int w = es_text_width(c->title),
			     pad = c->right && l->at[i].width > w ? l->at[i].width - w : 0;
		bool sorted = c == list->sort;

		x += i ? l->gap : 0;
		es_screen_text(y, x + pad, l->at[i].width, sorted ? ES_TONE_SORTED : ES_TONE_HEADING,
			       c->title);
		/* The mark stands in the gap, where there always is room. */
		if (sorted)
			es_screen_text(y, x + pad + w, 1, ES_TONE_SORTED,
				       es_glyph(list->reverse ? ES_GLYPH_UP : ES_GLYPH_DOWN, t->style.utf8));
		x += l->at[i].width;
	}
}

enum es_tone es_time_tone(unsigned int piece)
{
	static const enum es_tone tones[ES_SGRS] = {
		[ES_SGR_OFF] = ES_TONE_PLAIN, [ES_SGR_BOLD] = ES_TONE_STRONG,	[ES_SGR_DIM] = ES_TONE_DIM,
		[ES_SGR_GOOD] = ES_TONE_GOOD, [ES_SGR_WARN] = ES_TONE_WARN,	[ES_SGR_BAD] = ES_TONE_BAD,
		[ES_SGR_IO] = ES_TONE_IO,     [ES_SGR_PAGING] = ES_TONE_PAGING,
	};

	return tones[es_time_sgr(piece)];
}

/* A bar of pieces: each in its colour, its text cut at the columns where the next begins. */
static void draw_pieces(const char *text, const unsigned int columns[ES_TIME_PIECES], unsigned int y,
			unsigned int x)
{
	char piece[ES_CELL_MAX];

	for (unsigned int i = 0; i < ES_TIME_PIECES; i++) {
		size_t used = 0;

		for (unsigned int n = columns[i]; n && *text; n--)
			do
				piece[used++] = *text++;
			while (((unsigned char)*text & 0xc0) == 0x80);
		piece[used] = '\0';
		if (used)
			x = es_screen_text(y, x, 0, es_time_tone(i), piece);
	}
}

static void draw_row(const struct es_tui *t, const struct es_layout *l, const void *row, unsigned int y,
		     enum es_tone (*tone_of)(const void *row, const struct es_column *column))
{
	char buf[ES_CELL_MAX];
	unsigned int x = 0;

	for (unsigned int i = 0; i < l->n; i++) {
		const struct es_column *c = l->at[i].column;
		unsigned int w, width = l->at[i].width, columns[ES_TIME_PIECES] = { 0 };

		x += i ? l->gap : 0;
		c->cell(buf, row, c->flex || !c->right ? width : 0, &t->style);
		w = es_text_width(buf);
		es_screen_text(y, x + (c->right && w < width ? width - w : 0), width, tone_of(row, c), buf);
		if (c->pieces)
			c->pieces(columns, row, w);
		if (c->pieces && w <= width)
			draw_pieces(buf, columns, y, x);
		x += width;
	}
}

void es_tui_draw_table(struct es_tui *t, const struct es_tui_table *table, unsigned int y, unsigned int end)
{
	struct es_tui_list *list = &t->lists[t->view];
	bool sum = table->sum && table->n && end > y + 2;
	struct es_layout *l = &list->layout;

	if (end <= y)
		return;
	end -= sum;
	es_layout(l, list->columns, table->rows, table->n, true, &t->style);
	draw_heading(t, l, y++);
	es_tui_place(list, table->rows, table->n, end - y, table->key);
	for (size_t i = list->scroll; i < table->n && y < end; i++, y++) {
		draw_row(t, l, table->rows[i], y, table->tone_of);
		if (i == list->at)
			es_screen_select(y);
	}
	if (sum)
		draw_row(t, l, table->sum, y, table->tone_of);
}

/* --- which view --- */

static const struct {
	enum es_tui_view all, one;
} views[ES_ASPECTS] = {
	[ES_ASPECT_REASONS] = { ES_VIEW_VMS, ES_VIEW_VM },
	[ES_ASPECT_PAGING] = { ES_VIEW_PAGING, ES_VIEW_VM_PAGING },
	[ES_ASPECT_TIME] = { ES_VIEW_TIME, ES_VIEW_VM_TIME },
	[ES_ASPECT_LATENCY] = { ES_VIEW_LATENCY, ES_VIEW_VM_LATENCY },
};

enum es_tui_view es_tui_view_of(enum es_aspect aspect, bool one_vm)
{
	return one_vm ? views[aspect].one : views[aspect].all;
}

enum es_aspect es_tui_aspect(enum es_tui_view view)
{
	for (enum es_aspect a = 0; a < ES_ASPECTS; a++)
		if (views[a].all == view || views[a].one == view)
			return a;
	return ES_ASPECT_REASONS;
}

void es_tui_go(struct es_tui *t, enum es_tui_view view)
{
	t->view = view;
	t->feed->top->vcpus = view == ES_VIEW_VM_TIME;
}

void es_tui_draw(struct es_tui *t)
{
	static void (*const draw[ES_VIEWS])(struct es_tui *, unsigned int, unsigned int) = {
		[ES_VIEW_VMS] = es_tui_draw_vms,	 [ES_VIEW_VM] = es_tui_draw_vm,
		[ES_VIEW_PAGING] = es_tui_draw_vms,	 [ES_VIEW_VM_PAGING] = es_tui_draw_vm_paging,
		[ES_VIEW_TIME] = es_tui_draw_time,	 [ES_VIEW_VM_TIME] = es_tui_draw_vm_time,
		[ES_VIEW_LATENCY] = es_tui_draw_latency, [ES_VIEW_VM_LATENCY] = es_tui_draw_vm_latency,
		[ES_VIEW_REASON] = es_tui_draw_reason,	 [ES_VIEW_HELP] = es_tui_draw_help,
	};
	static const unsigned int status_line[ES_VIEWS] = {
		[ES_VIEW_VMS] = 2,	 [ES_VIEW_VM] = 4,	   [ES_VIEW_PAGING] = 2,
		[ES_VIEW_VM_PAGING] = 5, [ES_VIEW_TIME] = 2,	   [ES_VIEW_VM_TIME] = 4,
		[ES_VIEW_LATENCY] = 2,	 [ES_VIEW_VM_LATENCY] = 4, [ES_VIEW_REASON] = 5,
	};
	unsigned int rows, columns;

	es_screen_size(&rows, &columns);
	t->style.width = columns;
	erase();
	draw_title(t, columns);
	if (rows > 2)
		draw[t->view](t, 1, rows - 1);
	if (status_line[t->view] && rows > status_line[t->view] + 1)
		draw_status(t, status_line[t->view]);
	draw_hints(t, rows - 1);
	refresh();
}
