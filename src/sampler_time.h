/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a vCPU's time went: from its slot to what is shown of it. Pure. */
#ifndef EXITSTAT_SAMPLER_TIME_H
#define EXITSTAT_SAMPLER_TIME_H

#include <exitstat/abi.h>
#include <exitstat/snapshot.h>

/*
 * What is shown of a vCPU, kept from look to look. What is found later may move time from one part to
 * another (a wait for a CPU and a halt are known only when they are over), but what was shown never
 * shrinks: it waits until the slot's number has caught up.
 */
struct es_account {
	bool begun;
	struct es_time shown;
	uint64_t as_of_ns;   /* of shown */
	int open;	     /* the enum es_time_part that goes on since then, or negative */
	uint64_t halted_ns;  /* the look that found it asleep in a state that says otherwise, 0 = none did */
	uint32_t halted_seq; /* in which state */
};

/*
 * Takes in a consistent copy of the slot. now: the time of this look, read before the copy was made.
 * seen_ns: until when what goes on may have been shown already.
 */
void es_account_take(struct es_account *a, const struct es_slot *s, uint64_t now, uint64_t seen_ns);
/* Sets what is shown in c. */
void es_account_show(const struct es_account *a, struct es_counts *c);

/*
 * shown[] becomes measured[] as far as nothing decreases; what those parts that cannot decrease have too much
 * is kept back from the ones that grew, in proportion, so that all of them are sum. They are, if sum is
 * not less than they were and measured[] adds up to sum or more. When all of measured[] is at least shown[], and adds up
 * to sum, shown[] becomes equal to it.
 */
void es_time_settle(uint64_t shown[ES_TIME_PARTS], const uint64_t measured[ES_TIME_PARTS], uint64_t sum);

#endif
