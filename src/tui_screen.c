// SPDX-License-Identifier: GPL-2.0-only
/* The terminal: its beginning, its end, its colours. */
#include <errno.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exitstat/tui.h>
#include <exitstat/util.h>

/* Without colour the attributes alone must do. */
static const struct {
	attr_t attributes;
	short colour; /* -1: the terminal's own */
} tones[ES_TONES] = {
	[ES_TONE_PLAIN] = { A_NORMAL, -1 },
	[ES_TONE_STRONG] = { A_BOLD, -1 },
	[ES_TONE_DIM] = { A_DIM, -1 },
	[ES_TONE_HEADING] = { A_REVERSE, -1 },
	[ES_TONE_SORTED] = { A_REVERSE | A_BOLD, -1 },
	[ES_TONE_KEY] = { A_BOLD, -1 },
	[ES_TONE_GOOD] = { A_NORMAL, COLOR_GREEN },
	[ES_TONE_WARN] = { A_BOLD, COLOR_YELLOW },
	[ES_TONE_BAD] = { A_BOLD, COLOR_RED },
	[ES_TONE_SPARK] = { A_NORMAL, COLOR_CYAN },
	[ES_TONE_PAGING] = { A_NORMAL, COLOR_MAGENTA },
	[ES_TONE_IO] = { A_NORMAL, COLOR_CYAN },
};

static void begin_colours(void)
{
	short background = use_default_colors() == OK ? -1 : COLOR_BLACK;

	for (short i = 0; i < ES_TONES; i++)
		if (tones[i].colour >= 0)
			init_pair((short)(i + 1), tones[i].colour, background);
}

int es_screen_begin(bool colour, void **screen)
{
	/* initscr() would end the program on a terminal that it does not know. */
	SCREEN *s = newterm(NULL, stdout, stdin);

	if (!s)
		return -ENOTTY;
	*screen = s;
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	if (colour && has_colors() && start_color() == OK)
		begin_colours();
	return 0;
}

void es_screen_end(void *screen)
{
	endwin();
	delscreen(screen);
}

void es_screen_size(unsigned int *rows, unsigned int *columns)
{
	*rows = (unsigned int)LINES;
	*columns = (unsigned int)COLS;
}

static void set_tone(enum es_tone tone)
{
	short pair = COLOR_PAIRS > ES_TONES && tones[tone].colour >= 0 ? (short)(tone + 1) : 0;

	attr_set(tones[tone].attributes, pair, NULL);
}

unsigned int es_screen_text(unsigned int y, unsigned int x, unsigned int width, enum es_tone tone,
			    const char *text)
{
	char cut[4 * ES_CELL_MAX];
	unsigned int room = x < (unsigned int)COLS ? (unsigned int)COLS - x : 0;
	unsigned int used;

	width = width && width < room ? width : room;
	if (!width || y >= (unsigned int)LINES)
		return x;
	/* In a locale of single bytes the text is ASCII, and so is the mark where it is cut. */
	used = es_text_fit(cut, sizeof(cut), text, width, MB_CUR_MAX > 1);
	set_tone(tone);
	mvaddstr((int)y, (int)x, cut);
	set_tone(ES_TONE_PLAIN);
	return x + used;
}

void es_screen_line(unsigned int y, enum es_tone tone)
{
	set_tone(tone);
	move((int)y, 0);
	for (int i = 0; i < COLS; i++)
		addch(' ');
	set_tone(ES_TONE_PLAIN);
}

void es_screen_select(unsigned int y)
{
	mvchgat((int)y, 0, -1, A_REVERSE, 0, NULL);
}
