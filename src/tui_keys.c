// SPDX-License-Identifier: GPL-2.0-only
/* One table of keys: what they do, and what help and the bottom line say of them. */
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <exitstat/tui.h>
#include <exitstat/util.h>

#define ESCAPE 27

/* Beside the views of a key. */
#define ONLY_LIVE   (1U << 30)
#define ONLY_REPLAY (1U << 31)

static struct es_tui_list *list(struct es_tui *t)
{
	return &t->lists[t->view];
}

/* Goes by rows; the row's key is read again when it is drawn. */
static void move_to(struct es_tui *t, size_t at)
{
	struct es_tui_list *l = list(t);

	l->at = l->n && at >= l->n ? l->n - 1 : at;
	l->selected[0] = '\0';
}

static void go_up(struct es_tui *t)
{
	move_to(t, list(t)->at ? list(t)->at - 1 : 0);
}

static void go_down(struct es_tui *t)
{
	move_to(t, list(t)->at + 1);
}

/* The picture moves with the selection, so that what was below comes into sight. */
static void page_up(struct es_tui *t)
{
	struct es_tui_list *l = list(t);

	l->scroll = l->scroll > l->page ? l->scroll - l->page : 0;
	move_to(t, l->at > l->page ? l->at - l->page : 0);
}

static void page_down(struct es_tui *t)
{
	struct es_tui_list *l = list(t);

	l->scroll += l->page;
	move_to(t, l->at + l->page);
}

static void go_first(struct es_tui *t)
{
	move_to(t, 0);
}

static void go_last(struct es_tui *t)
{
	move_to(t, list(t)->n ? list(t)->n - 1 : 0);
}

static void open_vm(struct es_tui *t)
{
	struct es_tui_list *l = list(t);

	if (!l->n || !*l->selected || es_top_watch(t->feed->top, l->selected))
		return;
	es_tui_go(t, es_tui_view_of(es_tui_aspect(t->view), true));
	list(t)->at = list(t)->scroll = 0;
	list(t)->selected[0] = list(t)->filter[0] = '\0';
}

/* The selected reason's histogram. */
static void open_reason(struct es_tui *t)
{
	struct es_tui_list *l = list(t);

	if (!l->n || !*l->selected)
		return;
	t->reason = (uint32_t)strtoul(l->selected, NULL, 10);
	t->reason_of = t->view;
	es_tui_go(t, ES_VIEW_REASON);
	list(t)->at = list(t)->scroll = 0;
	list(t)->selected[0] = '\0';
}

/* One step back: first the filter goes, then the view. */
static void go_back(struct es_tui *t)
{
	if (t->view == ES_VIEW_HELP) {
		t->view = t->help_of;
	} else if (t->view == ES_VIEW_REASON) {
		es_tui_go(t, t->reason_of);
	} else if (*list(t)->filter) {
		list(t)->filter[0] = '\0';
	} else if (ES_VIEW_BIT(t->view) & ES_VIEW_ONE_VM) {
		es_top_watch(t->feed->top, NULL);
		es_tui_go(t, es_tui_view_of(es_tui_aspect(t->view), false));
	}
}

/* To the same VM, or the same place in the list of VMs, seen as that, and back. */
static void toggle(struct es_tui *t, enum es_aspect aspect)
{
	const struct es_tui_list *from = list(t);
	bool one_vm = !(ES_VIEW_BIT(t->view) & ES_VIEW_ALL_VMS);

	es_tui_go(t, es_tui_view_of(es_tui_aspect(t->view) == aspect ? ES_ASPECT_REASONS : aspect, one_vm));
	if (one_vm)
		return;
	memcpy(list(t)->filter, from->filter, sizeof(from->filter));
	memcpy(list(t)->selected, from->selected, sizeof(from->selected));
}

static void toggle_paging(struct es_tui *t)
{
	toggle(t, ES_ASPECT_PAGING);
}

static void toggle_time(struct es_tui *t)
{
	toggle(t, ES_ASPECT_TIME);
}

static void toggle_latency(struct es_tui *t)
{
	toggle(t, ES_ASPECT_LATENCY);
}

/* A column to sort by: one that is not worth showing is passed over, unlike one for which there is no room. */
static bool sorts(const struct es_tui_list *l, const struct es_column *c)
{
	if (!c->sortable || !c->live)
		return false;
	for (unsigned int i = 0; c->worth && i < l->layout.n; i++)
		if (l->layout.at[i].column == c)
			return true;
	return !c->worth;
}

static void next_sort(struct es_tui *t, int step)
{
	struct es_tui_list *l = list(t);
	size_t n = 0, i;

	while (l->columns[n].key)
		n++;
	i = (size_t)(l->sort - l->columns);
	do
		i = (i + n + (size_t)step) % n;
	while (!sorts(l, &l->columns[i]));
	l->sort = &l->columns[i];
	l->reverse = false;
}

static void sort_right(struct es_tui *t)
{
	next_sort(t, 1);
}

static void sort_left(struct es_tui *t)
{
	next_sort(t, -1);
}

static void reverse(struct es_tui *t)
{
	list(t)->reverse = !list(t)->reverse;
}

static void edit_filter(struct es_tui *t)
{
	t->editing = true;
}

static void pause_or_go(struct es_tui *t)
{
	t->paused = !t->paused;
	/* What happened meanwhile is not one long interval. */
	if (!t->paused)
		t->feed->ops->restart(t->feed);
}

static void toggle_ended(struct es_tui *t)
{
	t->hide_ended = !t->hide_ended;
}

static void slower(struct es_tui *t)
{
	uint64_t ns = t->feed->interval_ns * 2;

	t->feed->interval_ns = ns > ES_INTERVAL_MAX_NS ? ES_INTERVAL_MAX_NS : ns;
}

static void faster(struct es_tui *t)
{
	uint64_t ns = t->feed->interval_ns / 2;

	t->feed->interval_ns = ns < ES_INTERVAL_MIN_NS ? ES_INTERVAL_MIN_NS : ns;
}

static void replay_faster(struct es_tui *t)
{
	es_replay_speed(t->feed, true);
}

static void replay_slower(struct es_tui *t)
{
	es_replay_speed(t->feed, false);
}

static void step_forward(struct es_tui *t)
{
	t->paused = true;
	es_replay_move(t->feed, 1, 0);
}

static void step_back(struct es_tui *t)
{
	t->paused = true;
	es_replay_move(t->feed, -1, 0);
}

static void leap_forward(struct es_tui *t)
{
	es_replay_move(t->feed, 0, 1);
}

static void leap_back(struct es_tui *t)
{
	es_replay_move(t->feed, 0, -1);
}

static void show_help(struct es_tui *t)
{
	if (t->view == ES_VIEW_HELP) {
		t->view = t->help_of;
		return;
	}
	t->help_of = t->view;
	t->view = ES_VIEW_HELP;
	list(t)->at = 0;
}

static void quit(struct es_tui *t)
{
	t->quit = true;
}

static const struct key {
	unsigned int views;
	unsigned int chars[3];
	int keys[3]; /* KEY_* */
	struct es_key_line line;
	void (*act)(struct es_tui *t);
} keys[] = {
	{ ES_VIEW_ALL_VMS,
	  { '\r', '\n' },
	  { KEY_ENTER, KEY_RIGHT },
	  { "Enter", "open the selected VM, reason by reason (or event by event)", "open", NULL },
	  open_vm },
	{ ES_VIEW_REASONS,
	  { '\r', '\n' },
	  { KEY_ENTER, KEY_RIGHT },
	  { "Enter", "the histogram of the selected reason", "open", NULL },
	  open_reason },
	{ ES_VIEW_ALL & ~ES_VIEW_ALL_VMS,
	  { ESCAPE },
	  { KEY_LEFT, KEY_BACKSPACE },
	  { "Esc", "clear the filter, then go back to where this was opened", "back", NULL },
	  go_back },
	{ ES_VIEW_ALL_VMS, { ESCAPE }, { 0 }, { "Esc", "clear the filter", NULL, NULL }, go_back },
	{ ES_VIEW_LIVE,
	  { 'm', 'M' },
	  { 0 },
	  { "m", "paging: what it costs and what KVM does for it, and back", "paging", NULL },
	  toggle_paging },
	{ ES_VIEW_LIVE,
	  { 't', 'T' },
	  { 0 },
	  { "t", "time: how much of it in the guest, KVM, VMM, waiting, idle, and back", "time", NULL },
	  toggle_time },
	{ ES_VIEW_LIVE,
	  { 'l', 'L' },
	  { 0 },
	  { "l", "latency: how long exits take, as percentiles and histograms, and back", "latency", NULL },
	  toggle_latency },
	{ ES_VIEW_LISTS,
	  { '/' },
	  { KEY_F(4) },
	  { "/", "show only names that hold a text (or match a glob)", "filter", NULL },
	  edit_filter },
	{ ES_VIEW_LISTS,
	  { 's', '>' },
	  { KEY_F(6) },
	  { "s", "order by the next column (also >)", "sort", NULL },
	  sort_right },
	{ ES_VIEW_LISTS,
	  { 'S', '<' },
	  { 0 },
	  { "S", "order by the column before (also <)", NULL, NULL },
	  sort_left },
	{ ES_VIEW_LISTS, { 'r', 'R' }, { 0 }, { "r", "reverse the order", NULL, NULL }, reverse },
	{ ES_VIEW_LIVE,
	  { 'p', ' ' },
	  { 0 },
	  { "p", "stop the picture, and go on (also Space)", "pause", NULL },
	  pause_or_go },
	{ ES_VIEW_LIVE | ONLY_LIVE,
	  { '+', '=' },
	  { 0 },
	  { "+", "double the interval", "interval", "+/-" },
	  slower },
	{ ES_VIEW_LIVE | ONLY_LIVE, { '-' }, { 0 }, { "-", "halve the interval", NULL, NULL }, faster },
	{ ES_VIEW_LIVE | ONLY_REPLAY,
	  { '.' },
	  { 0 },
	  { ".", "stop, one look forward", "step", ",/." },
	  step_forward },
	{ ES_VIEW_LIVE | ONLY_REPLAY, { ',' }, { 0 }, { ",", "stop, one look back", NULL, NULL }, step_back },
	{ ES_VIEW_LIVE | ONLY_REPLAY,
	  { ']' },
	  { 0 },
	  { "]", "a tenth of the recording forward", NULL, NULL },
	  leap_forward },
	{ ES_VIEW_LIVE | ONLY_REPLAY,
	  { '[' },
	  { 0 },
	  { "[", "a tenth of the recording back", NULL, NULL },
	  leap_back },
	{ ES_VIEW_LIVE | ONLY_REPLAY,
	  { '+', '=' },
	  { 0 },
	  { "+", "twice as fast", "speed", "+/-" },
	  replay_faster },
	{ ES_VIEW_LIVE | ONLY_REPLAY, { '-' }, { 0 }, { "-", "half as fast", NULL, NULL }, replay_slower },
	{ ES_VIEW_ALL_VMS,
	  { 'e' },
	  { 0 },
	  { "e", "hide or show the VMs that ended", NULL, NULL },
	  toggle_ended },
	{ ES_VIEW_ALL, { 'k' }, { KEY_UP }, { "Up, k", "one line up", NULL, NULL }, go_up },
	{ ES_VIEW_ALL, { 'j' }, { KEY_DOWN }, { "Down, j", "one line down", NULL, NULL }, go_down },
	{ ES_VIEW_ALL, { 'b' - 'a' + 1 }, { KEY_PPAGE }, { "PgUp", "one page up", NULL, NULL }, page_up },
	{ ES_VIEW_ALL, { 'f' - 'a' + 1 }, { KEY_NPAGE }, { "PgDn", "one page down", NULL, NULL }, page_down },
	{ ES_VIEW_ALL, { 'g' }, { KEY_HOME }, { "Home, g", "to the first line", NULL, NULL }, go_first },
	{ ES_VIEW_ALL, { 'G' }, { KEY_END }, { "End, G", "to the last line", NULL, NULL }, go_last },
	{ ES_VIEW_ALL,
	  { 'h', '?' },
	  { KEY_F(1) },
	  { "h", "this help, and back (also ?)", "help", NULL },
	  show_help },
	{ ES_VIEW_ALL, { 'q', 'Q' }, { KEY_F(10) }, { "q", "quit (also Ctrl-C)", "quit", NULL }, quit },
};

static bool key_is_of(const struct key *k, const struct es_tui *t, enum es_tui_view view)
{
	unsigned int other = t->feed->ops == &es_feed_replay ? ONLY_LIVE : ONLY_REPLAY;

	return (k->views & ES_VIEW_BIT(view)) && !(k->views & other);
}

bool es_tui_key_line(const struct es_tui *t, enum es_tui_view view, size_t n, struct es_key_line *out)
{
	for (size_t i = 0; i < ES_ARRAY_SIZE(keys); i++) {
		if (!key_is_of(&keys[i], t, view) || n--)
			continue;
		*out = keys[i].line;
		return true;
	}
	return false;
}

static void drop_last_character(char *s)
{
	size_t n = strlen(s);

	while (n && ((unsigned char)s[n - 1] & 0xc0) == 0x80)
		n--;
	s[n ? n - 1 : 0] = '\0';
}

static void edit_key(struct es_tui *t, bool is_key, unsigned int ch)
{
	char *filter = list(t)->filter, bytes[8];
	mbstate_t state = { 0 };
	size_t n;

	if (ch == '\r' || ch == '\n' || (is_key && ch == KEY_ENTER)) {
		t->editing = false;
	} else if (!is_key && ch == ESCAPE) {
		t->editing = false;
		filter[0] = '\0';
	} else if ((is_key && ch == KEY_BACKSPACE) || ch == 127 || ch == '\b') {
		drop_last_character(filter);
	} else if (!is_key && ch >= ' ') {
		n = wcrtomb(bytes, (wchar_t)ch, &state);
		if (n != (size_t)-1 && strlen(filter) + n < ES_FILTER_MAX)
			strncat(filter, bytes, n);
	}
}

static bool key_means(const struct key *k, bool is_key, unsigned int ch)
{
	for (size_t i = 0; i < ES_ARRAY_SIZE(k->chars); i++)
		if (ch && (is_key ? (unsigned int)k->keys[i] : k->chars[i]) == ch)
			return true;
	return !is_key && ch == 127 && k->act == go_back;
}

void es_tui_key(struct es_tui *t, bool is_key, unsigned int ch)
{
	if (t->editing) {
		edit_key(t, is_key, ch);
		return;
	}
	for (size_t i = 0; i < ES_ARRAY_SIZE(keys); i++) {
		if (!key_is_of(&keys[i], t, t->view) || !key_means(&keys[i], is_key, ch))
			continue;
		keys[i].act(t);
		return;
	}
}
