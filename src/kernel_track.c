// SPDX-License-Identifier: GPL-2.0-only
/* What looks at the kernel's counters and ours prove: see struct es_kernel_track. Pure. */
#include <exitstat/kernel_counts.h>
#include <exitstat/util.h>

static const char *const verdict_names[] = {
	[ES_KERNEL_UNKNOWN] = "unknown",
	[ES_KERNEL_EXACT] = "exact",
	[ES_KERNEL_WITHIN] = "within",
	[ES_KERNEL_DIFFER] = "differ",
};

const char *es_kernel_verdict_name(enum es_kernel_verdict v)
{
	return (size_t)v < ES_ARRAY_SIZE(verdict_names) ? verdict_names[v] : "unknown";
}

void es_kernel_track_init(struct es_kernel_track *t, uint64_t epoch, bool whole)
{
	*t = (struct es_kernel_track){ .epoch = epoch, .whole = whole };
	for (unsigned int i = 0; i < ES_KERNEL_SLOTS; i++) {
		t->lo[i] = INT64_MIN;
		t->hi[i] = INT64_MAX;
	}
}

/* Counts are below 2^62 by the parser; ours would take a century to get there, so wrapping does not hurt. */
static int64_t look_lo(const struct es_kernel_look *k, unsigned int i)
{
	return (int64_t)(k->before.n[i] - k->bpf.n[i]);
}

static int64_t look_hi(const struct es_kernel_look *k, unsigned int i)
{
	return (int64_t)(k->after.n[i] - k->bpf.n[i] + k->in_flight[i]);
}

/* By how much a look contradicts what is known: how many more exits the kernel has, at least. */
static int64_t contradiction(const struct es_kernel_track *t, const struct es_kernel_look *k, unsigned int i)
{
	int64_t most = t->whole ? 0 : t->hi[i], least = t->whole ? 0 : t->lo[i];

	if (look_lo(k, i) > most)
		return look_lo(k, i) - most;
	if (look_hi(k, i) < least)
		return look_hi(k, i) - least;
	/* A counter that runs backwards contradicts itself. */
	return look_hi(k, i) < look_lo(k, i) ? look_hi(k, i) - look_lo(k, i) : 0;
}

bool es_kernel_track_fits(const struct es_kernel_track *t, const struct es_kernel_look *look)
{
	for (unsigned int i = 0; i < ES_KERNEL_SLOTS; i++)
		if (contradiction(t, look, i))
			return false;
	return true;
}

void es_kernel_track_learn(struct es_kernel_track *t, const struct es_kernel_look *look)
{
	for (unsigned int i = 0; i < ES_KERNEL_SLOTS; i++) {
		int64_t off = contradiction(t, look, i);

		if (off) {
			t->off[i] = off;
			continue;
		}
		if (look_lo(look, i) > t->lo[i])
			t->lo[i] = look_lo(look, i);
		if (look_hi(look, i) < t->hi[i])
			t->hi[i] = look_hi(look, i);
	}
	t->looked = true;
}

enum es_kernel_verdict es_kernel_track_verdict(const struct es_kernel_track *t, uint64_t *within)
{
	bool differ = false;

	*within = ES_NONE;
	if (!t->looked)
		return ES_KERNEL_UNKNOWN;
	for (unsigned int i = 0; i < ES_KERNEL_SLOTS; i++) {
		uint64_t width = (uint64_t)t->hi[i] - (uint64_t)t->lo[i];

		differ = differ || t->off[i];
		if (*within == ES_NONE || width > *within)
			*within = width;
	}
	if (!differ)
		return *within ? ES_KERNEL_WITHIN : ES_KERNEL_EXACT;
	*within = ES_NONE;
	return ES_KERNEL_DIFFER;
}
