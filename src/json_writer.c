/* SPDX-License-Identifier: GPL-2.0-only */
#include <exitstat/json.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exitstat/util.h>

#define DEPTH_MAX ES_ARRAY_SIZE(((struct es_json *)0)->comma)

void es_json_init(struct es_json *j, bool pretty)
{
	*j = (struct es_json){ .pretty = pretty };
}

void es_json_free(struct es_json *j)
{
	free(j->buf);
	es_json_init(j, j->pretty);
}

/* Where n more bytes can be written, or NULL. Always leaves room for the closing NUL. */
static char *reserve(struct es_json *j, size_t n)
{
	size_t cap = j->cap ? j->cap : 256;
	char *buf;

	if (j->err)
		return NULL;
	if (j->cap - j->len > n)
		return j->buf + j->len;
	while (cap - j->len <= n) {
		if (__builtin_mul_overflow(cap, 2, &cap))
			goto out_of_memory;
	}
	buf = realloc(j->buf, cap);
	if (!buf)
		goto out_of_memory;
	j->buf = buf;
	j->cap = cap;
	return buf + j->len;

out_of_memory:
	j->err = -ENOMEM;
	return NULL;
}

static void put(struct es_json *j, const char *s, size_t n)
{
	char *p = reserve(j, n);

	if (p) {
		memcpy(p, s, n);
		j->len += n;
	}
}

static bool *comma(struct es_json *j)
{
	return &j->comma[j->depth < DEPTH_MAX ? j->depth : DEPTH_MAX - 1];
}

static char *indent(const struct es_json *j, char *p)
{
	*p++ = '\n';
	memset(p, ' ', 2 * (size_t)j->depth);
	return p + 2 * (size_t)j->depth;
}

static size_t indent_len(const struct es_json *j)
{
	return j->pretty ? 1 + 2 * (size_t)j->depth : 0;
}

/* What can stand in a string as it is, and is ASCII. */
static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static size_t plain_len(const char *s)
{
	size_t n = 0;

	while (is_plain((unsigned char)s[n]))
		n++;
	return n;
}

static void put_string(struct es_json *j, const char *s);

/* Comma, line, key: with one look at the buffer, as this is done for every number. */
static void start(struct es_json *j, const char *key)
{
	size_t n = key ? plain_len(key) : 0;
	char *p = reserve(j, n + 5 + indent_len(j));
	bool *more = comma(j);

	if (!p)
		return;
	if (*more)
		*p++ = ',';
	*more = true;
	if (j->pretty && j->depth)
		p = indent(j, p);
	if (key && !key[n]) {
		*p++ = '"';
		p = mempcpy(p, key, n);
		*p++ = '"';
		*p++ = ':';
		if (j->pretty)
			*p++ = ' ';
		key = NULL;
	}
	j->len = p - j->buf;
	if (!key)
		return;
	put_string(j, key);
	put(j, ": ", j->pretty ? 2 : 1);
}

static void open_with(struct es_json *j, const char *key, char bracket)
{
	start(j, key);
	put(j, &bracket, 1);
	j->depth++;
	*comma(j) = false;
}

static void close_with(struct es_json *j, char bracket)
{
	bool filled = *comma(j);
	char *p;

	if (j->depth)
		j->depth--;
	p = reserve(j, 1 + indent_len(j));
	if (!p)
		return;
	if (filled && j->pretty)
		p = indent(j, p);
	*p++ = bracket;
	j->len = p - j->buf;
}

void es_json_object(struct es_json *j, const char *key)
{
	open_with(j, key, '{');
}

void es_json_object_end(struct es_json *j)
{
	close_with(j, '}');
}

void es_json_array(struct es_json *j, const char *key)
{
	open_with(j, key, '[');
}

void es_json_array_end(struct es_json *j)
{
	close_with(j, ']');
}

static unsigned int count_digits(uint64_t v)
{
	unsigned int n = 1;

	for (; v >= 10000; v /= 10000)
		n += 4;
	return n + (v >= 10) + (v >= 100) + (v >= 1000);
}

/* By hand: a snapshot of 1,000 VMs holds half a million numbers, and snprintf costs 100 ns each. */
static void put_u64(struct es_json *j, uint64_t v)
{
	unsigned int n = count_digits(v);
	char *p = reserve(j, n);

	if (!p)
		return;
	j->len += n;
	for (p += n; v >= 10; v /= 10)
		*--p = (char)('0' + v % 10);
	*--p = (char)('0' + v);
}

void es_json_u64(struct es_json *j, const char *key, uint64_t v)
{
	if (v == ES_NONE) {
		es_json_null(j, key);
		return;
	}
	start(j, key);
	put_u64(j, v);
}

void es_json_i64(struct es_json *j, const char *key, int64_t v)
{
	start(j, key);
	if (v < 0)
		put(j, "-", 1);
	put_u64(j, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void es_json_double(struct es_json *j, const char *key, double v)
{
	char text[40], *p;

	if (!isfinite(v)) {
		es_json_null(j, key);
		return;
	}
	/* The fewest digits that read back as the same number. */
	for (int digits = 15; digits <= 17; digits += 2) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	p = strchr(text, ','); /* a locale's decimal point */
	if (p)
		*p = '.';
	start(j, key);
	put(j, text, strlen(text));
}

void es_json_bool(struct es_json *j, const char *key, bool v)
{
	start(j, key);
	put(j, v ? "true" : "false", v ? 4 : 5);
}

void es_json_null(struct es_json *j, const char *key)
{
	start(j, key);
	put(j, "null", 4);
}

/*
 * Lead bytes of UTF-8: how many bytes the character has, and what the second one
 * may be (that is where overlong forms, surrogates and what is over U+10FFFF show).
 */
static const struct {
	unsigned char first, last, len, low, high;
} utf8_leads[] = {
	{ 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf }, { 0xe1, 0xec, 3, 0x80, 0xbf },
	{ 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf }, { 0xf0, 0xf0, 4, 0x90, 0xbf },
	{ 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

/* The length of the character of two or more bytes at s; 0 if it is not UTF-8. */
static size_t utf8_len(const unsigned char *s)
{
	for (size_t i = 0; i < ES_ARRAY_SIZE(utf8_leads); i++) {
		size_t len = utf8_leads[i].len;

		if (s[0] < utf8_leads[i].first || s[0] > utf8_leads[i].last)
			continue;
		if (s[1] < utf8_leads[i].low || s[1] > utf8_leads[i].high)
			return 0;
		for (size_t k = 2; k < len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return len;
	}
	return 0;
}

static void put_escape(struct es_json *j, unsigned char c)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *at = memchr(from, c, sizeof(from) - 1);
	char text[8];

	if (at)
		snprintf(text, sizeof(text), "\\%c", to[at - from]);
	else
		snprintf(text, sizeof(text), "\\u%04x", c);
	put(j, text, strlen(text));
}

static void put_string(struct es_json *j, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	put(j, "\"", 1);
	while (*p) {
		size_t n = plain_len((const char *)p);

		if (n) {
			put(j, (const char *)p, n);
			p += n;
		} else if (*p < 0x80) {
			put_escape(j, *p++);
		} else if ((n = utf8_len(p))) {
			put(j, (const char *)p, n);
			p += n;
		} else {
			put(j, "\xef\xbf\xbd", 3);
			p++;
		}
	}
	put(j, "\"", 1);
}

void es_json_string(struct es_json *j, const char *key, const char *s)
{
	if (!s) {
		es_json_null(j, key);
		return;
	}
	start(j, key);
	put_string(j, s);
}

char *es_json_take(struct es_json *j, size_t *len)
{
	char *text = NULL, *end = reserve(j, 0);

	if (end) {
		*end = '\0';
		if (len)
			*len = j->len;
		text = es_steal_ptr(&j->buf);
	}
	es_json_free(j);
	return text;
}
