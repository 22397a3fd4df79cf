/* SPDX-License-Identifier: GPL-2.0-only */
/* The full screen of top. */
#ifndef EXITSTAT_TUI_H
#define EXITSTAT_TUI_H

#include <exitstat/cli.h>
#include <exitstat/top.h>

#define ES_INTERVAL_MIN_NS 100000000ULL
#define ES_INTERVAL_MAX_NS 60000000000ULL

/* Runs until the user quits. Returns what to exit with; everything has been said. */
enum es_exit es_tui_run(struct es_feed *feed, const struct es_args *args);

/* cmd_top.c: all of top but its options, for replay too. */
extern const struct es_column *const es_top_sorts[ES_ASPECTS];
enum es_exit es_top_check(const char *verb, const struct es_args *args);
enum es_exit es_top_run(struct es_feed *feed, const struct es_args *args);

/* --- the rest is between the tui_*.c files --- */

enum es_tone {
	ES_TONE_PLAIN,
	ES_TONE_STRONG,
	ES_TONE_DIM,
	ES_TONE_HEADING,
	ES_TONE_SORTED, /* the heading of the column that gives the order */
	ES_TONE_KEY,
	ES_TONE_GOOD,
	ES_TONE_WARN,
	ES_TONE_BAD,
	ES_TONE_SPARK,
	ES_TONE_PAGING,
	ES_TONE_IO,
	ES_TONES
};

/* tui_screen.c: the only file that knows colours, and the terminal's beginning and end. */
int es_screen_begin(bool colour, void **screen); /* 0, -ENOTTY: this terminal cannot */
void es_screen_end(void *screen);
/* Writes text (clean already), cut to width; returns the column behind it. */
unsigned int es_screen_text(unsigned int y, unsigned int x, unsigned int width, enum es_tone tone,
			    const char *text);
/* The whole line in this tone. */
void es_screen_line(unsigned int y, enum es_tone tone);
void es_screen_select(unsigned int y); /* marks a line as the selected one */
void es_screen_size(unsigned int *rows, unsigned int *columns);

/* Two for each aspect: of all VMs, and of one, which follows it. es_tui_view_of() */
enum es_tui_view {
	ES_VIEW_VMS,
	ES_VIEW_VM,
	ES_VIEW_PAGING,
	ES_VIEW_VM_PAGING,
	ES_VIEW_TIME,
	ES_VIEW_VM_TIME,
	ES_VIEW_LATENCY,
	ES_VIEW_VM_LATENCY,
	ES_VIEW_REASON, /* the histogram of one reason of a VM */
	ES_VIEW_HELP,
	ES_VIEWS
};
#define ES_VIEW_BIT(v) (1U << (v))
#define ES_VIEW_ALL_VMS                                                                               \
	(ES_VIEW_BIT(ES_VIEW_VMS) | ES_VIEW_BIT(ES_VIEW_PAGING) | ES_VIEW_BIT(ES_VIEW_TIME) |         \
	 ES_VIEW_BIT(ES_VIEW_LATENCY))
/* Of reasons, which can be opened in their turn. */
#define ES_VIEW_REASONS	(ES_VIEW_BIT(ES_VIEW_VM) | ES_VIEW_BIT(ES_VIEW_VM_LATENCY))
#define ES_VIEW_ONE_VM	(ES_VIEW_REASONS | ES_VIEW_BIT(ES_VIEW_VM_PAGING) | ES_VIEW_BIT(ES_VIEW_VM_TIME))
#define ES_VIEW_LISTS	(ES_VIEW_ALL_VMS | ES_VIEW_ONE_VM)
#define ES_VIEW_LIVE	(ES_VIEW_LISTS | ES_VIEW_BIT(ES_VIEW_REASON))
#define ES_VIEW_ALL	(ES_VIEW_LIVE | ES_VIEW_BIT(ES_VIEW_HELP))

#define ES_FILTER_MAX 64
#define ES_ROW_KEY    160

/* A scrolled list. The selection stays on its row wherever the order moves that. */
struct es_tui_list {
	const struct es_column *columns, *sort;
	bool reverse;
	char filter[ES_FILTER_MAX];
	char selected[ES_ROW_KEY]; /* VM id, reason code */
	size_t at, scroll, n, page;
	struct es_layout layout; /* as drawn last */
};

struct es_tui {
	struct es_feed *feed;
	struct es_style style;
	enum es_tui_view view;
	enum es_tui_view help_of, reason_of; /* the views that help, and the one of a reason, go back to */
	uint32_t reason;
	struct es_tui_list lists[ES_VIEWS];
	bool editing, paused, hide_ended, quit;
};

/* tui_views.c */
enum es_tui_view es_tui_view_of(enum es_aspect aspect, bool one_vm);
enum es_aspect es_tui_aspect(enum es_tui_view view);
/* Goes there, with what it needs: the watched VM's vCPUs one by one. */
void es_tui_go(struct es_tui *t, enum es_tui_view view);

/* tui_keys.c. is_key: a KEY_* of curses, else a character. */
void es_tui_key(struct es_tui *t, bool is_key, unsigned int ch);
struct es_key_line {
	const char *label, *help;
	const char *hint;	/* for the bottom line; NULL: not there */
	const char *hint_label; /* NULL: the label */
};
/* The n-th key of a view for help and hints, false behind the last. */
bool es_tui_key_line(const struct es_tui *t, enum es_tui_view view, size_t n, struct es_key_line *out);

/* tui_views.c */
void es_tui_draw(struct es_tui *t);
/* tui_vms.c (the lists of VMs), tui_vm.c, tui_paging.c, tui_time.c, tui_latency.c, tui_help.c: each draws between the lines first and end. */
void es_tui_draw_vms(struct es_tui *t, unsigned int first, unsigned int end);
void es_tui_draw_vm(struct es_tui *t, unsigned int first, unsigned int end);
void es_tui_draw_vm_paging(struct es_tui *t, unsigned int first, unsigned int end);
void es_tui_draw_time(struct es_tui *t, unsigned int first, unsigned int end);
void es_tui_draw_vm_time(struct es_tui *t, unsigned int first, unsigned int end);
void es_tui_draw_latency(struct es_tui *t, unsigned int first, unsigned int end);
void es_tui_draw_vm_latency(struct es_tui *t, unsigned int first, unsigned int end);
void es_tui_draw_reason(struct es_tui *t, unsigned int first, unsigned int end);
void es_tui_draw_help(struct es_tui *t, unsigned int first, unsigned int end);
/* Breaks a text at spaces onto the lines from y to end, indented; what does not fit is cut. */
void es_tui_draw_wrapped(unsigned int y, unsigned int end, unsigned int indent, unsigned int width, enum es_tone tone,
			 const char *text);
/* What one of the es_render functions writes, onto one line. */
void es_tui_draw_rendered(struct es_tui *t, const struct es_vm_row *row, unsigned int y, enum es_tone tone,
			  void (*render)(FILE *, const struct es_top *, const struct es_vm_row *,
					 const struct es_style *));
/* Places selection and scroll for n rows on page lines. key: the row's key into the buffer. */
void es_tui_place(struct es_tui_list *l, const void *const *rows, size_t n, size_t page,
		  void (*key)(char buf[ES_ROW_KEY], const void *row));
/* A table with heading, from line y to end. */
struct es_tui_table {
	const void *const *rows;
	size_t n;
	const void *sum; /* a line below the rows that is none of them, or NULL */
	void (*key)(char buf[ES_ROW_KEY], const void *row);
	enum es_tone (*tone_of)(const void *row, const struct es_column *column); /* of one cell */
};
void es_tui_draw_table(struct es_tui *t, const struct es_tui_table *table, unsigned int y, unsigned int end);
/* Of a piece of a bar. */
enum es_tone es_time_tone(unsigned int piece);
/* Why there is no VM to be seen. */
void es_tui_draw_nothing(struct es_tui *t, unsigned int y, unsigned int end);
/* Of rows of reasons: their code is their key. */
void es_tui_reason_key(char buf[ES_ROW_KEY], const void *row);
enum es_tone es_tui_reason_tone(const void *row, const struct es_column *column);
/* The line about all VMs. */
void es_tui_draw_summary(struct es_tui *t, unsigned int y);

#endif
