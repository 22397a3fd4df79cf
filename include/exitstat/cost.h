/* SPDX-License-Identifier: GPL-2.0-only */
/* What the BPF programs and the daemon cost over an interval that somebody asked for. */
#ifndef EXITSTAT_COST_H
#define EXITSTAT_COST_H

#include <stdint.h>

#define ES_COST_PROGRAMS 32
#define ES_COST_WHY	 160
#define ES_COST_MAX_NS	 60000000000ULL	/* the longest interval there is */

struct es_cost_program {
	char name[32];
	uint64_t runs, ns;
};

/*
 * So far, from any beginning. Programs go by name: what one has run that was replaced, or taken off, is still
 * in here. Of the kernel's BPF statistics, so it grows only while those are on.
 */
struct es_cost_counts {
	struct es_cost_program programs[ES_COST_PROGRAMS];
	unsigned int n;
	uint64_t daemon_ns;	/* the daemon's CPU time; ES_NONE: not known */
	uint64_t samples;
};

/* Adds to the program of that name. */
void es_cost_add(struct es_cost_counts *c, const char *name, uint64_t runs, uint64_t ns);

struct es_cost {
	char why[ES_COST_WHY];	/* "", or why it was not measured: then the rest is nothing */
	uint64_t interval_ns;
	struct es_cost_counts in;	/* the interval */
};

#endif
