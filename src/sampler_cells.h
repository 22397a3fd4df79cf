/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was read of a vCPU's reasons, in a third of the slot's memory, and the sum of a VM's vCPUs that follows
 * it: so that what did not change need not be added up again. Pure.
 */
#ifndef EXITSTAT_SAMPLER_CELLS_H
#define EXITSTAT_SAMPLER_CELLS_H

#include <exitstat/abi.h>
#include <exitstat/snapshot.h>

/* What of a cell is measured: times, and a bit for each enum es_flag that is. The rest is unknown. */
struct es_cells_measured {
	bool latency;
	uint32_t flags;
};

/* By these a cell's news are told. */
struct es_tally {
	uint64_t count, time_ns;
	uint32_t code;
};

struct es_cell_rest {
	uint64_t max_ns;
	uint64_t *flags; /* of each enum es_flag; NULL: all are 0, as nearly always */
	uint8_t low, n;	 /* buckets of the histogram that are kept: the others are 0 */
	uint16_t at;	 /* where, in es_cells.hist */
	uint8_t place;	 /* where the sum has the code, as far as is known */
};

/* A slot's cells from ES_CELL_NONE + 1 on, as they were handed out. All zero: none yet. */
struct es_cells {
	struct es_tally *tally;
	struct es_cell_rest *rest;
	uint64_t *hist;
	uint16_t n_hist;
	uint8_t n, room;
};

/* Cell i (from 0) of a slot: is anything of it new? Flags come after the count, so who wants to be sure takes it anyway. */
static inline bool es_cells_news(const struct es_cells *c, unsigned int i, const struct es_cell *cell)
{
	return i >= c->n || cell->count != c->tally[i].count || cell->time_ns != c->tally[i].time_ns;
}

/*
 * Keeps cell i as it is now; sum, of whose vCPUs this is one, holds it in place of what was kept. i is at most one
 * more than were taken before. 1: something changed; 0: not; -ENOMEM: not taken.
 */
int es_cells_take(struct es_cells *c, unsigned int i, const struct es_cell *cell,
		  const struct es_cells_measured *m, struct es_counts *sum);
/* Adds the reasons to out, which has none of them. 0 or -ENOMEM. */
int es_cells_copy(const struct es_cells *c, const struct es_cells_measured *m, struct es_counts *out);
void es_cells_clear(struct es_cells *c);

#endif
