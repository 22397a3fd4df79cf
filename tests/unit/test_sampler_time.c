// SPDX-License-Identifier: GPL-2.0-only
/* The time account: what is shown adds up, never decreases, and comes to what was measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <exitstat/util.h>

#include "../../src/sampler_time.h"

#define ROUNDS 20000

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static uint64_t sum_of(const uint64_t *parts)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < ES_TIME_PARTS; i++)
		sum += parts[i];
	return sum;
}

/* --- the ledger --- */

static void settle_by_hand(void **state)
{
	static const struct {
		uint64_t shown[ES_TIME_PARTS], measured[ES_TIME_PARTS], sum, want[ES_TIME_PARTS];
	} cases[] = {
		{ { 0 }, { 1, 2, 3, 4, 5 }, 15, { 1, 2, 3, 4, 5 } },
		/* Two of the guest's were a wait: it stays, and the wait is kept back. */
		{ { 10, 0, 0, 0, 0 }, { 8, 0, 0, 0, 4 }, 12, { 10, 0, 0, 0, 2 } },
		{ { 10, 0, 0, 0, 2 }, { 13, 0, 0, 0, 4 }, 17, { 13, 0, 0, 0, 4 } },
		/* In proportion, to the last one. */
		{ { 10, 0, 0, 0, 0 }, { 7, 2, 2, 2, 0 }, 13, { 10, 1, 1, 1, 0 } },
		{ { 9, 0, 0, 0, 0 }, { 7, 1, 1, 1, 1 }, 11, { 9, 1, 0, 1, 0 } },
		/* Later than the snapshot. */
		{ { 5, 5, 0, 0, 0 }, { 8, 9, 0, 0, 0 }, 10, { 5, 5, 0, 0, 0 } },
		/* Nothing is made up where time is missing. */
		{ { 5, 5, 0, 0, 0 }, { 5, 6, 0, 0, 0 }, 100, { 5, 6, 0, 0, 0 } },
		{ { 5, 5, 0, 0, 0 }, { 5, 6, 0, 0, 0 }, 3, { 5, 5, 0, 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++) {
		uint64_t shown[ES_TIME_PARTS];

		memcpy(shown, cases[i].shown, sizeof(shown));
		es_time_settle(shown, cases[i].measured, cases[i].sum);
		assert_int_equal(sum_of(shown), sum_of(cases[i].want));
		if (i != 4) /* which ones get the odd two does not matter */
			assert_memory_equal(shown, cases[i].want, sizeof(shown));
	}
}

/* Time goes on and moves between the parts; the last word is what was measured. */
static void settle_at_random(void **state)
{
	uint64_t shown[ES_TIME_PARTS] = { 0 }, measured[ES_TIME_PARTS] = { 0 }, before[ES_TIME_PARTS],
		 seed = 7;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		unsigned int from = next(&seed) % ES_TIME_PARTS, to = next(&seed) % ES_TIME_PARTS;
		uint64_t move = next(&seed) % 1000;

		measured[to] += next(&seed) % 1000000;
		if (i % 3 == 0 && measured[from] >= move) {
			measured[from] -= move;
			measured[to] += move;
		}
		memcpy(before, shown, sizeof(before));
		es_time_settle(shown, measured, sum_of(measured));
		assert_int_equal(sum_of(shown), sum_of(measured));
		for (unsigned int k = 0; k < ES_TIME_PARTS; k++)
			assert_true(shown[k] >= before[k]);
	}
	for (unsigned int k = 0; k < ES_TIME_PARTS; k++)
		measured[k] += 1000000;
	es_time_settle(shown, measured, sum_of(measured));
	assert_memory_equal(shown, measured, sizeof(shown));
}

/* --- a vCPU, as the programs would keep its slot --- */

struct vcpu {
	struct es_slot s;
	uint64_t now, seed, wait; /* wait: in the state that is open, not known before it ends */
};

static void leave(struct vcpu *v, enum es_state to)
{
	enum es_state from = v->s.state & ~ES_STATE_PARKED;
	uint64_t ns = v->now - v->s.since_ns;

	if (from == ES_STATE_NEW) {
		if (!v->s.first_ns)
			v->s.first_ns = v->now;
		else
			v->s.unwatched_ns += ns;
	} else if (from == ES_STATE_IDLE) {
		/* A part of it was before the halt. */
		v->s.time_ns[ES_STATE_KERNEL] += ns / 7;
		v->s.time_ns[ES_STATE_IDLE] += ns - ns / 7;
	} else {
		v->s.time_ns[from] += ns - v->wait;
		v->s.time_ns[ES_STATE_RUNQUEUE] += v->wait;
	}
	v->s.state = to;
	v->s.since_ns = v->now;
	v->s.seq += 2;
	v->wait = 0;
}

static void run(struct vcpu *v)
{
	uint64_t ns = next(&v->seed) % 1000000;

	v->now += ns;
	if (next(&v->seed) % 4 == 0 && (v->s.state & ~ES_STATE_PARKED) != ES_STATE_IDLE)
		v->wait += ns;
	if (next(&v->seed) % 2)
		leave(v, (enum es_state)(next(&v->seed) % 50 ? 1 + next(&v->seed) % 4 : 0));
	if (next(&v->seed) % 10 == 0)
		v->s.state |= ES_STATE_PARKED;
}

static void look(struct vcpu *v)
{
	v->s.look_seq = v->s.seq - (next(&v->seed) % 2 ? 2 : 0);
	v->s.look_wait_ns = v->wait + next(&v->seed) % 2 * 100;
	v->s.look_queued = next(&v->seed) % 2;
	v->s.look_halted = next(&v->seed) % 8 == 0;
}

static uint64_t watched(const struct vcpu *v)
{
	uint64_t end = (v->s.state & ~ES_STATE_PARKED) == ES_STATE_NEW ? v->s.since_ns : v->now;

	return v->s.first_ns ? end - v->s.first_ns - v->s.unwatched_ns : 0;
}

static struct es_time show(const struct es_account *a, uint64_t now)
{
	struct es_counts c;

	es_counts_init(&c);
	es_account_show(a, &c);
	es_counts_advance(&c, now);
	return c.time;
}

static void account_at_random(void **state)
{
	struct vcpu v = { .now = 1000, .seed = 11 };
	struct es_account a = { 0 };
	const enum es_state states[] = { ES_STATE_GUEST, ES_STATE_KERNEL, ES_STATE_IDLE, ES_STATE_VMM };
	struct es_time t, before = { 0 };
	uint64_t seen = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t seq = v.s.seq;

		run(&v);
		look(&v);
		/* Slots at rest are not read again, but shown. */
		if (v.s.seq != seq || next(&v.seed) % 2)
			es_account_take(&a, &v.s, v.now, seen);
		seen = v.now;
		t = show(&a, v.now);
		assert_int_equal(t.total_ns, watched(&v));
		assert_int_equal(sum_of(ES_U64S(t)), t.total_ns);
		for (unsigned int k = 0; k < ES_N_U64S(t); k++)
			assert_true(ES_U64S(t)[k] >= ES_U64S(before)[k]);
		before = t;
	}
	/* All parts go on for long: what was guessed wrong has caught up. */
	for (size_t i = 0; i < ES_ARRAY_SIZE(states); i++) {
		leave(&v, states[i]);
		v.now += 60000000000;
	}
	v.wait = 50000000000;
	leave(&v, ES_STATE_NEW);
	v.now += 10;
	v.s.ended_ns = v.now;
	es_account_take(&a, &v.s, v.now + 5, seen);
	t = show(&a, v.now + 1000);
	assert_memory_equal(&t, &v.s.time_ns[ES_STATE_GUEST], ES_TIME_PARTS * sizeof(uint64_t));
	assert_int_equal(t.total_ns, watched(&v));
}

/* A slot whose parts do not add up to the clock's time is not made to: sum and total tell. */
static void lost_time_shows(void **state)
{
	for (int off = -500; off <= 500; off += 1000) {
		struct es_slot s = { .state = ES_STATE_GUEST, .since_ns = 3000, .first_ns = 1000 };
		struct es_account a = { 0 };
		struct es_time t;

		s.time_ns[ES_STATE_KERNEL] = (uint64_t)(2000 + off);
		es_account_take(&a, &s, 5000, 0);
		t = show(&a, 5000);
		assert_int_equal(t.total_ns, 4000);
		assert_int_equal(sum_of(ES_U64S(t)), (uint64_t)(4000 + off));
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settle_by_hand),
		cmocka_unit_test(settle_at_random),
		cmocka_unit_test(account_at_random),
		cmocka_unit_test(lost_time_shows),
	};

	return cmocka_run_group_tests_name("sampler_time", tests, NULL, NULL);
}
