// SPDX-License-Identifier: GPL-2.0-only
#include "sampler_time.h"

#include <exitstat/util.h>

_Static_assert((int)ES_STATE_GUEST == (int)ES_TIME_GUEST + 1 &&
		       (int)ES_STATE_KERNEL == (int)ES_TIME_KERNEL + 1 &&
		       (int)ES_STATE_VMM == (int)ES_TIME_VMM + 1 &&
		       (int)ES_STATE_IDLE == (int)ES_TIME_IDLE + 1 &&
		       (int)ES_STATE_RUNQUEUE == (int)ES_TIME_RUNQUEUE + 1,
	       "a part for each state but ES_STATE_NEW");

void es_time_settle(uint64_t shown[ES_TIME_PARTS], const uint64_t measured[ES_TIME_PARTS], uint64_t sum)
{
	uint64_t grown[ES_TIME_PARTS], growth = 0, total = 0, excess, upto = 0, kept = 0;

	for (unsigned int i = 0; i < ES_TIME_PARTS; i++) {
		grown[i] = measured[i] > shown[i] ? measured[i] - shown[i] : 0;
		growth += grown[i];
		total += shown[i] + grown[i];
	}
	excess = total > sum ? total - sum : 0;
	if (excess > growth)
		excess = growth;
	for (unsigned int i = 0; i < ES_TIME_PARTS; i++) {
		uint64_t before = kept;

		/* By running sums: the roundings then make up for each other. */
		upto += grown[i];
		kept = growth ? (uint64_t)((unsigned __int128)upto * excess / growth) : 0;
		shown[i] += grown[i] - (kept - before);
	}
}

/* What the account is of at this look, with what goes on. */
struct look {
	enum es_state state;
	int open;	 /* what goes on, as es_account.open */
	uint64_t end_ns; /* until when */
	uint64_t parts[ES_TIME_PARTS];
	uint64_t sum;	/* of the states that are over by then, and what goes on */
	uint64_t total; /* by the clock */
};

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Since when, in its present state, the vCPU is known to sleep although the state says otherwise; 0 = it does not. */
static uint64_t asleep_since(struct es_account *a, const struct es_slot *s, const struct look *l)
{
	bool looked = s->look_seq == s->seq && s->look_halted;

	if (!looked || l->state == ES_STATE_IDLE) {
		a->halted_ns = 0;
	} else if (!a->halted_ns || a->halted_seq != s->seq) {
		a->halted_ns = l->end_ns > s->since_ns ? l->end_ns : s->since_ns;
		a->halted_seq = s->seq;
	}
	return a->halted_ns;
}

/* The state that the vCPU is in: all of its time, waits for a CPU and sleep taken apart as far as they were seen. */
static void add_open(struct es_account *a, const struct es_slot *s, struct look *l)
{
	uint64_t ns = minus(l->end_ns, s->since_ns), asleep = asleep_since(a, s, l), idle, wait = 0;
	bool looked = s->look_seq == s->seq;

	idle = asleep ? minus(l->end_ns, asleep) : 0;
	if (looked)
		wait = s->look_wait_ns < ns - idle ? s->look_wait_ns : ns - idle;
	l->parts[l->state - ES_STATE_GUEST] += ns - idle - wait;
	l->parts[ES_TIME_IDLE] += idle;
	l->parts[ES_TIME_RUNQUEUE] += wait;
	l->sum += ns;
	if (s->ended_ns)
		return;
	l->open = (int)l->state - ES_STATE_GUEST;
	if (asleep)
		l->open = ES_TIME_IDLE;
	else if (looked && s->look_queued)
		l->open = ES_TIME_RUNQUEUE;
}

static void look_at(struct es_account *a, const struct es_slot *s, uint64_t now, struct look *l)
{
	l->state = s->state & ES_STATE_MASK;
	l->open = -1;
	l->sum = 0;
	for (unsigned int i = 0; i < ES_TIME_PARTS; i++) {
		l->parts[i] = s->time_ns[ES_STATE_GUEST + i];
		l->sum += l->parts[i];
	}
	l->end_ns = s->ended_ns ? s->ended_ns : now;
	if (l->state == ES_STATE_NEW || l->state >= ES_STATES) {
		l->end_ns = s->since_ns; /* where it stopped */
	} else {
		/* What a program wrote after now was read is later than this look. */
		l->sum = minus(l->sum, minus(s->since_ns, l->end_ns));
		add_open(a, s, l);
	}
	l->total = s->first_ns ? minus(minus(l->end_ns, s->first_ns), s->unwatched_ns) : 0;
}

void es_account_take(struct es_account *a, const struct es_slot *s, uint64_t now, uint64_t seen_ns)
{
	uint64_t *shown = ES_U64S(a->shown), seen;
	struct look l;

	look_at(a, s, now, &l);
	if (a->begun && a->open >= 0) {
		seen = minus(seen_ns, a->as_of_ns);
		shown[a->open] += seen;
		a->shown.total_ns += seen;
	}
	es_time_settle(shown, l.parts, l.sum);
	if (l.total > a->shown.total_ns)
		a->shown.total_ns = l.total;
	a->as_of_ns = now;
	a->open = l.open;
	a->begun = true;
}

void es_account_show(const struct es_account *a, struct es_counts *c)
{
	c->time = a->shown;
	c->open = (struct es_open){ .as_of_ns = a->as_of_ns };
	if (a->open >= 0)
		c->open.vcpus[a->open] = 1;
}
