// SPDX-License-Identifier: GPL-2.0-only
#include "sampler_cells.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_STEP 4

/* --- memory --- */

static int make_room(struct es_cells *c)
{
	size_t room = c->room + ROOM_STEP;
	struct es_cell_rest *rest;
	struct es_tally *tally;

	if (c->n < c->room)
		return 0;
	tally = reallocarray(c->tally, room, sizeof(*tally));
	if (!tally)
		return -ENOMEM;
	c->tally = tally;
	rest = reallocarray(c->rest, room, sizeof(*rest));
	if (!rest)
		return -ENOMEM;
	c->rest = rest;
	c->room = (uint8_t)room;
	return 0;
}

/* Makes the part of cell i's histogram that is kept as wide as what is in use now. The buckets that come in are 0. */
static int widen(struct es_cells *c, unsigned int i, unsigned int low, unsigned int high)
{
	struct es_cell_rest *r = &c->rest[i];
	unsigned int n = high - low, more = n - r->n, after = c->n_hist - r->at - r->n;
	uint64_t *hist = reallocarray(c->hist, c->n_hist + more, sizeof(*hist)), *mine;

	if (!hist)
		return -ENOMEM;
	c->hist = hist;
	mine = &hist[r->at];
	memmove(mine + n, mine + r->n, after * sizeof(*hist));
	memmove(mine + (r->n ? r->low - low : 0), mine, r->n * sizeof(*hist));
	if (r->n) {
		memset(mine, 0, (r->low - low) * sizeof(*hist));
		memset(mine + (r->low - low) + r->n, 0, (more - (r->low - low)) * sizeof(*hist));
	} else {
		memset(mine, 0, n * sizeof(*hist));
	}
	for (unsigned int k = 0; k < c->n; k++) {
		if (k != i && c->rest[k].at >= r->at && (c->rest[k].at > r->at || k > i))
			c->rest[k].at = (uint16_t)(c->rest[k].at + more);
	}
	r->low = (uint8_t)low;
	r->n = (uint8_t)n;
	c->n_hist = (uint16_t)(c->n_hist + more);
	return 0;
}

/* Of the cell's histogram and what is kept of it, the buckets in use. */
static int fit_hist(struct es_cells *c, unsigned int i, const __u64 *hist)
{
	const struct es_cell_rest *r = &c->rest[i];
	unsigned int low = 0, high = ES_HIST_BUCKETS;

	while (high && !hist[high - 1])
		high--;
	while (low < high && !hist[low])
		low++;
	if (r->n) {
		low = low < r->low && low < high ? low : r->low;
		high = high > (unsigned int)r->low + r->n ? high : (unsigned int)r->low + r->n;
	}
	return high - low > r->n ? widen(c, i, low, high) : 0;
}

static int fit_flags(struct es_cell_rest *r, const struct es_cell *cell)
{
	static const __u32 none[ES_FLAGS];

	if (r->flags || !memcmp(cell->flags, none, sizeof(none)))
		return 0;
	r->flags = calloc(ES_FLAGS, sizeof(*r->flags));
	return r->flags ? 0 : -ENOMEM;
}

/* --- the sum --- */

/* Of a reason that has counted nothing yet: what never will. */
static void set_unknown(struct es_reason *r, const struct es_cells_measured *m)
{
	if (!m->latency)
		r->time_ns = r->max_ns = r->hist[0] = ES_NONE;
	for (unsigned int f = 0; f < ES_FLAGS; f++) {
		if (!(m->flags & 1u << f))
			r->flags[f] = ES_NONE;
	}
}

/* The sum's reason for cell i; one that is new has counted nothing yet. */
static struct es_reason *reason_of(struct es_cells *c, unsigned int i, const struct es_cells_measured *m,
				   struct es_counts *sum)
{
	uint32_t code = c->tally[i].code;
	size_t place = c->rest[i].place;
	struct es_reason *r;

	if (place < sum->n_reasons && sum->reasons[place].code == code)
		return &sum->reasons[place];
	r = es_counts_reason(sum, code);
	if (!r)
		return NULL;
	c->rest[i].place = (uint8_t)(r - sum->reasons);
	if (!r->count)
		set_unknown(r, m);
	return r;
}

static int new_cell(struct es_cells *c, const struct es_cell *cell)
{
	if (make_room(c))
		return -ENOMEM;
	c->tally[c->n] = (struct es_tally){ .code = cell->code };
	c->rest[c->n] = (struct es_cell_rest){ .at = c->n_hist };
	c->n++;
	return 0;
}

static bool take_flags(struct es_cell_rest *r, const struct es_cell *cell, struct es_reason *sum)
{
	bool any = false;

	for (unsigned int f = 0; r->flags && f < ES_FLAGS; f++) {
		/* Right also if the cell's number went round since the last look. */
		uint32_t more = cell->flags[f] - (uint32_t)r->flags[f];

		if (!more)
			continue;
		r->flags[f] += more;
		sum->flags[f] = (sum->flags[f] == ES_NONE ? 0 : sum->flags[f]) + more;
		any = true;
	}
	return any;
}

static void take_times(struct es_cells *c, unsigned int i, const struct es_cell *cell, struct es_reason *sum)
{
	struct es_cell_rest *r = &c->rest[i];
	uint64_t *kept = &c->hist[r->at];

	sum->time_ns += cell->time_ns - c->tally[i].time_ns;
	c->tally[i].time_ns = cell->time_ns;
	r->max_ns = cell->max_ns;
	if (cell->max_ns > sum->max_ns)
		sum->max_ns = cell->max_ns;
	for (unsigned int b = 0; b < r->n; b++) {
		sum->hist[r->low + b] += cell->hist[r->low + b] - kept[b];
		kept[b] = cell->hist[r->low + b];
	}
}

int es_cells_take(struct es_cells *c, unsigned int i, const struct es_cell *cell,
		  const struct es_cells_measured *m, struct es_counts *sum)
{
	struct es_reason *reason;
	bool news = es_cells_news(c, i, cell);

	if (i >= c->n && new_cell(c, cell))
		return -ENOMEM;
	reason = reason_of(c, i, m, sum);
	if (!reason || fit_flags(&c->rest[i], cell) || (m->latency && fit_hist(c, i, cell->hist)))
		return -ENOMEM;
	reason->count += cell->count - c->tally[i].count;
	c->tally[i].count = cell->count;
	if (m->latency)
		take_times(c, i, cell, reason);
	return take_flags(&c->rest[i], cell, reason) || news;
}

static void copy_times(struct es_reason *r, const struct es_cells *c, unsigned int i)
{
	const struct es_cell_rest *rest = &c->rest[i];

	r->time_ns = c->tally[i].time_ns;
	r->max_ns = rest->max_ns;
	if (rest->n)
		memcpy(&r->hist[rest->low], &c->hist[rest->at], rest->n * sizeof(*r->hist));
}

int es_cells_copy(const struct es_cells *c, const struct es_cells_measured *m, struct es_counts *out)
{
	for (unsigned int i = 0; i < c->n; i++) {
		const struct es_cell_rest *rest = &c->rest[i];
		struct es_reason *r = es_counts_reason(out, c->tally[i].code);

		if (!r)
			return -ENOMEM;
		set_unknown(r, m);
		r->count = c->tally[i].count;
		if (m->latency)
			copy_times(r, c, i);
		for (unsigned int f = 0; rest->flags && f < ES_FLAGS; f++) {
			if (rest->flags[f])
				r->flags[f] = rest->flags[f];
		}
	}
	return 0;
}

void es_cells_clear(struct es_cells *c)
{
	for (unsigned int i = 0; i < c->n; i++)
		free(c->rest[i].flags);
	free(c->tally);
	free(c->rest);
	free(c->hist);
	*c = (struct es_cells){ 0 };
}
