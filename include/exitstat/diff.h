/* SPDX-License-Identifier: GPL-2.0-only */
/* The one place where one snapshot is subtracted from another. */
#ifndef EXITSTAT_DIFF_H
#define EXITSTAT_DIFF_H

#include <exitstat/snapshot.h>

/*
 * What happened between a and b (b later): VMs are paired by id; a VM that is
 * only in b counts from its start, one that is only in a is left out, an ended
 * one that did nothing in between is left out. Counters are subtracted (a smaller
 * later value, which no correct pair has, gives ES_NONE), max_ns becomes ES_NONE,
 * ES_NONE on either side gives ES_NONE unless the VM or reason is new. Reasons
 * with count 0 in the interval are left out. since_ns, ended_ns, state, names are
 * b's. taken is b's with interval_ns = the span on the monotonic clock. health:
 * slots_* are b's, the counters are subtracted.
 * Snapshots of two boots of the host (b's clock behind a's) give -EINVAL.
 * *out gets a new snapshot: 0, -EINVAL or -ENOMEM.
 */
int es_diff(const struct es_snapshot *a, const struct es_snapshot *b, struct es_snapshot **out);

/* Counter difference with the rules above. */
uint64_t es_diff_u64(uint64_t a, uint64_t b);

/*
 * Of the events that belong to nobody, those that are missed in somebody's exits or times. MMU events are not among
 * them: that a kernel thread's zaps are nobody's is as it should be.
 */
uint64_t es_unattributed_other(const struct es_health_counts *h);

/* count per second over interval_ns; 0 when the interval is 0 or unknown or the count unknown. */
double es_per_second(uint64_t count, uint64_t interval_ns);
/* part / whole as 0…1; negative when either is unknown or whole is 0. */
double es_share(uint64_t part, uint64_t whole);

#endif
