// SPDX-License-Identifier: GPL-2.0-only
/* The help screen: the key table, and the columns of the view it was called from. */
#include <stdio.h>
#include <string.h>

#include <exitstat/tui.h>
#include <exitstat/util.h>

#define LABEL_WIDTH 18
#define LINES_MAX   64

struct help_line {
	const char *label, *text;
	enum es_tone tone; /* of the label */
};

static size_t collect(const struct es_tui *t, struct help_line lines[LINES_MAX])
{
	static const char *const titles[ES_VIEWS] = {
		[ES_VIEW_VMS] = "Columns of the list of VMs (s chooses the order)",
		[ES_VIEW_VM] = "Columns of one VM (s chooses the order)",
		[ES_VIEW_PAGING] = "Columns of the VMs' paging (s chooses the order)",
		[ES_VIEW_VM_PAGING] = "Columns of one VM's paging (s chooses the order)",
		[ES_VIEW_TIME] = "Columns of the VMs' time (s chooses the order)",
		[ES_VIEW_VM_TIME] = "Columns of one VM's time (s chooses the order)",
		[ES_VIEW_LATENCY] = "Columns of the VMs' latencies (s chooses the order)",
		[ES_VIEW_VM_LATENCY] = "Columns of one VM's latencies (s chooses the order)",
		[ES_VIEW_REASON] = "Columns of the histogram of one reason",
	};
	const struct es_column *c = t->lists[t->help_of].columns;
	struct es_key_line k;
	size_t n = 0;

	lines[n++] = (struct help_line){ "Keys", "", ES_TONE_STRONG };
	for (size_t i = 0; n < LINES_MAX - 3 && es_tui_key_line(t, t->help_of, i, &k); i++)
		lines[n++] = (struct help_line){ k.label, k.help, ES_TONE_KEY };
	lines[n++] = (struct help_line){ "", "", ES_TONE_PLAIN };
	lines[n++] = (struct help_line){ titles[t->help_of], "", ES_TONE_STRONG };
	for (; c->key && n < LINES_MAX; c++)
		if (c->live)
			lines[n++] = (struct help_line){ c->title, c->help, ES_TONE_KEY };
	return n;
}

void es_tui_draw_help(struct es_tui *t, unsigned int first, unsigned int end)
{
	struct es_tui_list *l = &t->lists[ES_VIEW_HELP];
	struct help_line lines[LINES_MAX];
	size_t n = collect(t, lines), page = end - first - 1;
	char more[64];

	l->n = n;
	l->page = 1;
	/* Here the selection is the first line shown. */
	if (l->at + page > n)
		l->at = n > page ? n - page : 0;
	for (size_t i = l->at; i < n && i < l->at + page; i++) {
		unsigned int y = first + (unsigned int)(i - l->at);

		es_screen_text(y, 1, 0, lines[i].tone, lines[i].label);
		if (*lines[i].text)
			es_screen_text(y, LABEL_WIDTH, 0, ES_TONE_PLAIN, lines[i].text);
	}
	if (l->at + page < n) {
		snprintf(more, sizeof(more), "%zu more lines below", n - l->at - page);
		es_screen_text(end - 1, 1, 0, ES_TONE_DIM, more);
	}
}
