/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the time of vCPUs went, out of their counts. Pure. */
#ifndef EXITSTAT_TIMES_H
#define EXITSTAT_TIMES_H

#include <exitstat/snapshot.h>

struct es_time_word {
	const char *key;  /* in JSON and CSV: "guest_ns" */
	const char *name; /* in the views: "guest" */
	size_t at; /* in struct es_time */
};
extern const struct es_time_word es_time_words[ES_TIME_PARTS];
uint64_t es_time_part_ns(const struct es_time *t, enum es_time_part part);

/*
 * The parts and their sum, which is all the time that the vCPUs have lived: n vCPUs live n seconds a second. A vCPU is in
 * one part at a time. What is not measured is not shared out among the rest:
 * - kernel, VMM and waiting all unknown, but exit time known: that is rest_ns, outside the guest and not told apart;
 * - only waiting unknown: it is in the parts in which the vCPU waited;
 * - else the sum, and so the shares, are not known.
 */
struct es_time_split {
	uint64_t ns[ES_TIME_PARTS]; /* ES_NONE: not measured */
	uint64_t rest_ns;	    /* 0: none */
	uint64_t whole_ns;	    /* ES_NONE: not known */
};
void es_time_split(struct es_time_split *s, const struct es_counts *c);
/* Is kernel, VMM or waiting known? */
bool es_time_apart(const struct es_time_split *s);
/* sum += s; a part that is unknown in one of them is unknown in the sum. */
void es_time_split_add(struct es_time_split *sum, const struct es_time_split *s);
/* 0…1; negative: not known. */
double es_time_share(const struct es_time_split *s, enum es_time_part part);

/* Columns of a bar of that width: one number a part, and the rest. They fill it exactly, or are all 0 where there are no shares. */
enum { ES_TIME_REST = ES_TIME_PARTS, ES_TIME_PIECES };
void es_time_bar(const struct es_time_split *s, unsigned int width, unsigned int columns[ES_TIME_PIECES]);

/* Exits were counted, and of nothing was the time measured: so it is with exitstatd --no-latency. */
bool es_times_off(const struct es_counts *c);
/* The same of all VMs that had exits. */
bool es_times_all_off(const struct es_snapshot *s);
#define ES_NO_TIMES "Times are not measured with exitstatd --no-latency; restart it without that."

#endif
