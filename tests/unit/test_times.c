/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of vCPU time: what is known of their sum, what is not shared out, and bars that fill their width. */
#include "es_test.h"

#include <exitstat/times.h>

#define MS 1000000ULL

static struct es_counts counts_of(uint64_t guest, uint64_t kernel, uint64_t vmm, uint64_t idle,
				  uint64_t waiting)
{
	struct es_counts c;

	es_counts_init(&c);
	c.time = (struct es_time){ guest, kernel, vmm, waiting, idle, ES_NONE };
	return c;
}

static void all_known(void **state)
{
	struct es_counts c = counts_of(500 * MS, 200 * MS, 100 * MS, 150 * MS, 50 * MS);
	struct es_time_split s;

	(void)state;
	/* Exit time is another cut through the same time: it is not added. */
	es_sample_reason(&c, 0x72, 1000, 333 * MS);
	es_time_split(&s, &c);
	assert_int_equal(s.whole_ns, 1000 * MS);
	assert_int_equal(s.rest_ns, 0);
	assert_true(es_time_apart(&s));
	assert_int_equal((int)(es_time_share(&s, ES_TIME_GUEST) * 1000), 500);
	assert_int_equal((int)(es_time_share(&s, ES_TIME_KERNEL) * 1000), 200);
	assert_int_equal((int)(es_time_share(&s, ES_TIME_VMM) * 1000), 100);
	assert_int_equal((int)(es_time_share(&s, ES_TIME_RUNQUEUE) * 1000), 50);
	assert_int_equal((int)(es_time_share(&s, ES_TIME_IDLE) * 1000), 150);
	es_counts_clear(&c);
}

/* As before the kernel's, the VMM's and the waiting time were measured. */
static void not_told_apart(void **state)
{
	struct es_counts c = counts_of(600 * MS, ES_NONE, ES_NONE, 100 * MS, ES_NONE);
	struct es_time_split s;

	(void)state;
	es_sample_reason(&c, 0x72, 1000, 300 * MS);
	es_time_split(&s, &c);
	assert_int_equal(s.whole_ns, 1000 * MS);
	assert_int_equal(s.rest_ns, 300 * MS);
	assert_false(es_time_apart(&s));
	assert_true(es_time_share(&s, ES_TIME_KERNEL) < 0);
	assert_int_equal((int)(es_time_share(&s, ES_TIME_IDLE) * 1000), 100);
	es_counts_clear(&c);
	/* Nor is the exit time known: then nor is the sum. */
	c = counts_of(600 * MS, ES_NONE, ES_NONE, 100 * MS, ES_NONE);
	es_sample_reason(&c, 0x72, 1000, ES_NONE);
	es_time_split(&s, &c);
	assert_int_equal(s.whole_ns, ES_NONE);
	assert_true(es_time_share(&s, ES_TIME_GUEST) < 0);
	es_counts_clear(&c);
}

static void parts_unknown(void **state)
{
	struct es_counts c = counts_of(800 * MS, 100 * MS, 50 * MS, 50 * MS, ES_NONE);
	struct es_time_split s;

	(void)state;
	/* Where waiting is not measured it is in the others. */
	es_time_split(&s, &c);
	assert_int_equal(s.whole_ns, 1000 * MS);
	assert_true(es_time_share(&s, ES_TIME_RUNQUEUE) < 0);
	/* Any other part would be missing in the sum. */
	for (unsigned int i = 0; i < ES_TIME_PARTS; i++) {
		c = counts_of(MS, MS, MS, MS, MS);
		if (i == ES_TIME_RUNQUEUE)
			continue;
		*(uint64_t *)((char *)&c.time + es_time_words[i].at) = ES_NONE;
		es_time_split(&s, &c);
		assert_int_equal(s.whole_ns, ES_NONE);
	}
}

static void sums(void **state)
{
	struct es_counts a = counts_of(1, 2, 3, 4, 5), b = counts_of(10, 20, 30, 40, ES_NONE);
	struct es_counts huge = counts_of(ES_NONE - 1, ES_NONE - 1, 1, 1, 1);
	struct es_time_split sum = { .whole_ns = 0 }, s;

	(void)state;
	es_time_split(&s, &a);
	es_time_split_add(&sum, &s);
	es_time_split_add(&sum, &s);
	assert_int_equal(sum.ns[ES_TIME_RUNQUEUE], 10);
	assert_int_equal(sum.whole_ns, 30);
	es_time_split(&s, &b);
	es_time_split_add(&sum, &s);
	assert_int_equal(sum.ns[ES_TIME_RUNQUEUE], ES_NONE);
	assert_int_equal(sum.ns[ES_TIME_GUEST], 12);
	/* Numbers of a recording that somebody made up do not wrap, nor become unknown. */
	es_time_split(&s, &huge);
	assert_int_equal(s.whole_ns, ES_NONE - 1);
}

static void bars_fill_their_width(void **state)
{
	uint64_t seed = 88172645463325252, n[5];
	unsigned int columns[ES_TIME_PIECES];
	struct es_time_split s;

	(void)state;
	for (unsigned int k = 0; k < 20000; k++) {
		struct es_counts c;
		unsigned int width = 1 + k % 200, sum = 0;

		for (unsigned int i = 0; i < 5; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			n[i] = k % 7 == i ? 0 : seed >> (24 + seed % 40);
		}
		c = counts_of(n[0], n[1], n[2], n[3], n[4]);
		es_time_split(&s, &c);
		es_time_bar(&s, width, columns);
		for (unsigned int i = 0; i < ES_TIME_PIECES; i++) {
			double wanted = i < ES_TIME_PARTS ? es_time_share(&s, i) * width : 0;

			sum += columns[i];
			assert_true(columns[i] > wanted - 1 && columns[i] < wanted + 1);
		}
		assert_int_equal(sum, s.whole_ns ? width : 0);
	}
}

/* What is not told apart has its own piece: no other part gets any of it. */
static void bars_invent_nothing(void **state)
{
	struct es_counts c = counts_of(250 * MS, ES_NONE, ES_NONE, 250 * MS, ES_NONE);
	unsigned int columns[ES_TIME_PIECES];
	struct es_time_split s;

	(void)state;
	es_sample_reason(&c, 0x72, 1000, 500 * MS);
	es_time_split(&s, &c);
	es_time_bar(&s, 20, columns);
	assert_int_equal(columns[ES_TIME_GUEST], 5);
	assert_int_equal(columns[ES_TIME_IDLE], 5);
	assert_int_equal(columns[ES_TIME_REST], 10);
	es_counts_clear(&c);
	c = counts_of(MS, ES_NONE, MS, MS, MS);
	es_time_split(&s, &c);
	es_time_bar(&s, 20, columns);
	for (unsigned int i = 0; i < ES_TIME_PIECES; i++)
		assert_int_equal(columns[i], 0);
}

static void off(void **state)
{
	struct es_counts c = counts_of(ES_NONE, ES_NONE, ES_NONE, ES_NONE, ES_NONE);
	struct es_snapshot *s = es_sample_snapshot();

	(void)state;
	assert_false(es_times_off(&c)); /* nothing happened: nobody knows */
	es_sample_reason(&c, 0x72, 10, ES_NONE);
	assert_true(es_times_off(&c));
	c.time.guest_ns = 0;
	assert_false(es_times_off(&c));
	es_counts_clear(&c);
	/* One VM without times among others is not the daemon's doing. */
	assert_true(es_times_off(&s->vms[2]->counts));
	assert_false(es_times_all_off(s));
	es_snapshot_unref(s);
	s = es_snapshot_new();
	assert_false(es_times_all_off(s));
	es_snapshot_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_known),
		cmocka_unit_test(not_told_apart),
		cmocka_unit_test(parts_unknown),
		cmocka_unit_test(sums),
		cmocka_unit_test(bars_fill_their_width),
		cmocka_unit_test(bars_invent_nothing),
		cmocka_unit_test(off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
