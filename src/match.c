/* SPDX-License-Identifier: GPL-2.0-only */
/* Which VMs a word of the user means, and which ones it may have meant. */
#include <exitstat/snapshot.h>

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/*
 * --- patterns ---
 *
 * Not fnmatch(3): its time grows with the power of the number of stars, and the
 * pattern may come from a hostile client. Here a star that fails is never tried
 * again once a later one was reached, so the time is at most pattern times name.
 */

#define GLOB_MAX 512 /* a longer pattern matches nothing */

/* The length of the UTF-8 character at s, 1 for what is none. */
static size_t char_len(const char *s)
{
	unsigned char c = *s;
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

	return strnlen(s, n) == n ? n : 1;
}

/* Characters as numbers that keep the order of UTF-8, for ranges. */
static unsigned int char_at(const char *s, size_t len)
{
	unsigned int c = 0;

	for (size_t i = 0; i < len; i++)
		c = c << 8 | (unsigned char)s[i];
	return c;
}

/*
 * Is c in the set that begins behind the '[' at p? *end gets what follows its ']';
 * NULL if there is none, and the '[' stands for itself.
 */
static bool in_set(const char *p, unsigned int c, const char **end)
{
	bool negate = *p == '!' || *p == '^', in = false;
	const char *first = p += negate;

	*end = NULL;
	while (*p && (*p != ']' || p == first)) {
		size_t n = char_len(p);
		unsigned int low = char_at(p, n), high = low;

		p += n;
		if (p[0] == '-' && p[1] && p[1] != ']') {
			n = char_len(++p);
			high = char_at(p, n);
			p += n;
		}
		in = in || (c >= low && c <= high);
	}
	if (*p == ']')
		*end = p + 1;
	return in != negate;
}

/* One element of the pattern, not a star, against the character at s: what follows it, or NULL. */
static const char *match_one(const char *p, const char *s, size_t len)
{
	const char *end;
	bool in;

	if (*p == '?')
		return p + 1;
	if (*p == '[') {
		in = in_set(p + 1, char_at(s, len), &end);
		if (end)
			return in ? end : NULL;
	}
	if (*p == '\\' && p[1])
		p++;
	return char_len(p) == len && !strncmp(p, s, len) ? p + len : NULL;
}

static bool glob(const char *p, const char *s)
{
	const char *star = NULL, *retry = NULL;

	while (*s) {
		size_t len = char_len(s);
		const char *next;

		if (*p == '*') {
			star = ++p;
			retry = s;
			continue;
		}
		next = *p ? match_one(p, s, len) : NULL;
		if (next) {
			p = next;
			s += len;
		} else if (star) {
			retry += char_len(retry);
			s = retry;
			p = star;
		} else {
			return false;
		}
	}
	while (*p == '*')
		p++;
	return !*p;
}

/* --- selection --- */

static bool matches_pid(const struct es_vm *vm, const char *v)
{
	char pid[16];

	if (!vm->pid || !isdigit((unsigned char)*v))
		return false;
	snprintf(pid, sizeof(pid), "%u", vm->pid);
	return !strcmp(pid, v);
}

static bool matches_exactly(const struct es_vm *vm, const char *v)
{
	return !strcmp(vm->name, v) || !strcmp(vm->id, v) || matches_pid(vm, v);
}

static bool matches_glob(const struct es_vm *vm, const char *v)
{
	return strpbrk(v, "*?[") && strnlen(v, GLOB_MAX) < GLOB_MAX && glob(v, vm->name);
}

bool es_vm_matches(const struct es_vm *vm, const char *v)
{
	return matches_exactly(vm, v) || matches_glob(vm, v);
}

static bool matches_any(const struct es_vm *vm, const char *v)
{
	(void)vm;
	(void)v;
	return true;
}

typedef bool (*match_fn)(const struct es_vm *vm, const char *v);

/* Adds to out the VMs of s that match and have ended, or that live. */
static int take(struct es_snapshot *out, const struct es_snapshot *s, match_fn match, const char *v,
		bool ended)
{
	for (size_t i = 0; i < s->n_vms; i++) {
		struct es_vm *vm = s->vms[i];
		int r;

		if ((vm->state == ES_VM_ENDED) != ended || !match(vm, v))
			continue;
		r = es_snapshot_add(out, es_vm_ref(vm));
		if (r < 0)
			return r;
	}
	return 0;
}

struct es_snapshot *es_snapshot_select(const struct es_snapshot *s, const char *v)
{
	struct es_snapshot *out = es_snapshot_new();
	match_fn match = v ? matches_exactly : matches_any;
	int r;

	if (!out)
		return NULL;
	out->host = s->host;
	out->taken = s->taken;
	out->health = s->health;
	r = take(out, s, match, v, false);
	if (!r && (!v || !out->n_vms))
		r = take(out, s, match, v, true);
	/* Only now as a pattern: a VM may well be called "web[1]". */
	if (!r && v && !out->n_vms) {
		r = take(out, s, matches_glob, v, false);
		if (!r)
			r = take(out, s, matches_glob, v, true);
	}
	if (r < 0) {
		es_snapshot_unref(out);
		return NULL;
	}
	return out;
}

/* --- names that look alike --- */

#define NEAR_MAX 64 /* longer words are not compared: a client chooses v, the daemon pays */
#define NEAR_NO	 UINT_MAX

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein distance, no case, of words of at most NEAR_MAX bytes. */
static unsigned int distance(const char *a, size_t n, const char *b, size_t m)
{
	unsigned int row[NEAR_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			unsigned int above = row[j];
			bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + !same);
			diagonal = above;
		}
	}
	return row[m];
}

/* 0 is the same but for case; NEAR_NO: nothing alike. */
static unsigned int unlikeness(const char *v, size_t len, const char *name)
{
	size_t n = strnlen(name, NEAR_MAX + 1);
	unsigned int limit = 1 + len / 3, d;

	if (n > NEAR_MAX)
		return NEAR_NO;
	if (n <= len + limit && len <= n + limit) {
		d = distance(v, len, name, n);
		if (d <= limit)
			return d;
	}
	/* A part of the name, as "web" of "prod-web-17". */
	return (len >= 2 && strcasestr(name, v)) || (n >= 3 && strcasestr(v, name)) ? limit + 1 : NEAR_NO;
}

size_t es_snapshot_near(const struct es_snapshot *s, const char *v, const char **out, size_t n)
{
	enum { BEST_MAX = 32 };
	unsigned int score[BEST_MAX];
	size_t len = strnlen(v, NEAR_MAX + 1), found = 0;

	if (n > BEST_MAX)
		n = BEST_MAX;
	if (!len || len > NEAR_MAX || !n)
		return 0;
	for (size_t i = 0; i < s->n_vms; i++) {
		const char *name = s->vms[i]->name;
		unsigned int d = unlikeness(v, len, name);
		bool again = false;
		size_t at;

		for (size_t j = 0; j < found; j++)
			again = again || !strcmp(out[j], name);
		if (d == NEAR_NO || again || (found == n && d >= score[n - 1]))
			continue;
		at = found < n ? found++ : n - 1;
		for (; at && score[at - 1] > d; at--) {
			score[at] = score[at - 1];
			out[at] = out[at - 1];
		}
		score[at] = d;
		out[at] = name;
	}
	return found;
}
