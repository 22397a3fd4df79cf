// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text of strangers made safe for a terminal. VM names come from command lines
 * that anyone on the host can choose, so nothing of them may reach the terminal
 * as a control: no escape sequences, no reordering, no invisible characters.
 */
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include <exitstat/render.h>
#include <exitstat/util.h>

#define REPLACEMENT '?'
/* More marks than this on one character only serve to paint over other lines. */
#define MARKS_MAX 2

struct range {
	uint32_t first, last;
};

/* Format characters (Unicode category Cf, and the separators that act like them). */
static const struct range invisible[] = {
	{ 0x00ad, 0x00ad },   { 0x061c, 0x061c },   { 0x115f, 0x1160 }, { 0x180b, 0x180f },
	{ 0x200b, 0x200f },   { 0x2028, 0x202e },   { 0x2060, 0x206f }, { 0x3164, 0x3164 },
	{ 0xd800, 0xdfff },   { 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 }, { 0xfff0, 0xfffb },
	{ 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

static bool is_invisible(uint32_t c)
{
	for (size_t i = 0; i < ES_ARRAY_SIZE(invisible); i++)
		if (c >= invisible[i].first && c <= invisible[i].last)
			return true;
	return false;
}

/* Decodes one character; returns its length, 1 with *c = REPLACEMENT for broken bytes. */
static size_t decode(const unsigned char *s, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s[0] < 0x80   ? 1
		     : s[0] < 0xc2 ? 0
		     : s[0] < 0xe0 ? 2
		     : s[0] < 0xf0 ? 3
		     : s[0] < 0xf5 ? 4
				   : 0;

	*c = REPLACEMENT;
	if (len == 1)
		*c = s[0];
	if (len < 2)
		return 1;
	uint32_t v = s[0] & (0xff >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 1;
		v = v << 6 | (s[i] & 0x3f);
	}
	if (v < least[len] || v > 0x10ffff)
		return 1;
	*c = v;
	return len;
}

/*
 * The columns of a character that may be shown, -1 for one that may not. wcwidth
 * only knows ASCII when the locale is C; es_style.utf8 is false then.
 */
static int columns(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || is_invisible(c))
		return -1;
	return c < 0x7f ? 1 : wcwidth((wchar_t)c);
}

struct cursor {
	const unsigned char *s;
	bool utf8;
	unsigned int marks;
};

/* The next character as it will be shown: bytes (at most 4) and columns. 0 at the end. */
static size_t next(struct cursor *cur, char out[4], unsigned int *width)
{
	while (*cur->s) {
		uint32_t c;
		size_t len = decode(cur->s, &c);
		int w = columns(c);

		if (w == 0 && cur->utf8 && cur->marks++ >= MARKS_MAX) {
			cur->s += len;
			continue;
		}
		if (w)
			cur->marks = 0;
		if (w < 0 || (len > 1 && !cur->utf8) || c == REPLACEMENT) {
			out[0] = REPLACEMENT;
			w = 1;
			cur->s += len;
			len = 1;
		} else {
			memcpy(out, cur->s, len);
			cur->s += len;
		}
		*width = w;
		return len;
	}
	return 0;
}

unsigned int es_text_fit(char *buf, size_t size, const char *text, unsigned int width, bool utf8)
{
	struct cursor cur = { .s = (const unsigned char *)text, .utf8 = utf8 };
	const char *ellipsis = es_glyph(ES_GLYPH_ELLIPSIS, utf8);
	unsigned int mark = utf8 ? 1 : strlen(ellipsis), total = 0, cut_at = 0, w;
	size_t used = 0, cut = 0, len;
	char ch[4];

	if (width && mark >= width) {
		ellipsis = ".";
		mark = 1;
	}
	while ((len = next(&cur, ch, &w))) {
		bool over = width && total + w > width;

		if (over || used + len + strlen(ellipsis) >= size) {
			memcpy(buf + cut, ellipsis, strlen(ellipsis) + 1);
			return cut_at + mark;
		}
		memcpy(buf + used, ch, len);
		used += len;
		total += w;
		if (!width || total + mark <= width) {
			cut = used;
			cut_at = total;
		}
	}
	buf[used] = '\0';
	return total;
}

unsigned int es_text_clean(char *buf, size_t size, const char *text, bool utf8)
{
	return es_text_fit(buf, size, text, 0, utf8);
}

unsigned int es_text_width(const char *text)
{
	struct cursor cur = { .s = (const unsigned char *)text, .utf8 = true };
	unsigned int total = 0, w;
	char ch[4];

	while (next(&cur, ch, &w))
		total += w;
	return total;
}

void es_text_pad(FILE *f, const char *text, unsigned int width, bool right)
{
	unsigned int have = es_text_width(text);
	int pad = have < width ? (int)(width - have) : 0;

	fprintf(f, "%*s%s%*s", right ? pad : 0, "", text, right ? 0 : pad, "");
}

const char *es_glyph(enum es_glyph g, bool utf8)
{
	static const char *const glyphs[ES_GLYPHS][2] = {
		[ES_GLYPH_DOT] = { "-", "·" },	 [ES_GLYPH_ELLIPSIS] = { "..", "…" },
		[ES_GLYPH_MICRO] = { "u", "µ" }, [ES_GLYPH_DOWN] = { "v", "▼" },
		[ES_GLYPH_UP] = { "^", "▲" },	 [ES_GLYPH_MARK] = { ">", "▸" },
	};

	return glyphs[g][utf8];
}

const char *es_sgr(enum es_sgr c, const struct es_style *st)
{
	static const char *const codes[ES_SGRS] = {
		[ES_SGR_OFF] = "\033[0m",   [ES_SGR_BOLD] = "\033[1m",	  [ES_SGR_DIM] = "\033[2m",
		[ES_SGR_GOOD] = "\033[32m", [ES_SGR_WARN] = "\033[33m",	  [ES_SGR_BAD] = "\033[31m",
		[ES_SGR_IO] = "\033[36m",   [ES_SGR_PAGING] = "\033[35m",
	};

	return st->colour ? codes[c] : "";
}
