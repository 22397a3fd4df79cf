/* SPDX-License-Identifier: GPL-2.0-only */
#include "es_test.h"

#include <exitstat/hist.h>

static void buckets_cover_all(void **state)
{
	(void)state;
	assert_int_equal(es_hist_low(0), 0);
	for (unsigned int i = 0; i < ES_HIST_BUCKETS; i++) {
		assert_int_equal(es_hist_bucket(es_hist_low(i)), i);
		if (i + 1 < ES_HIST_BUCKETS) {
			assert_int_equal(es_hist_high(i), es_hist_low(i + 1));
			assert_int_equal(es_hist_bucket(es_hist_high(i) - 1), i);
		}
	}
	assert_int_equal(es_hist_high(ES_HIST_BUCKETS - 1), UINT64_MAX);
}

/* The numbers abi.h names. */
static void buckets_of_the_abi(void **state)
{
	(void)state;
	assert_int_equal(es_hist_bucket(0), 0);
	assert_int_equal(es_hist_bucket(63), 0);
	assert_int_equal(es_hist_bucket(64), 1);
	assert_int_equal(es_hist_bucket(127), 1);
	assert_int_equal(es_hist_bucket(128), 2);
	assert_int_equal(es_hist_bucket((1ULL << 36) - 1), 30);
	assert_int_equal(es_hist_bucket(1ULL << 36), 31);
	assert_int_equal(es_hist_bucket(UINT64_MAX), 31);
}

static void unknown_is_unknown(void **state)
{
	uint64_t hist[ES_HIST_BUCKETS] = { ES_NONE };

	(void)state;
	assert_false(es_hist_known(hist));
	assert_int_equal(es_hist_sum(hist), ES_NONE);
	assert_int_equal(es_hist_percentile(hist, 500, 10), ES_NONE);
}

static void empty_has_no_percentile(void **state)
{
	uint64_t hist[ES_HIST_BUCKETS] = { 0 };

	(void)state;
	assert_true(es_hist_known(hist));
	assert_int_equal(es_hist_sum(hist), 0);
	assert_int_equal(es_hist_percentile(hist, 500, ES_NONE), ES_NONE);
}

static void percentile_is_in_its_bucket(void **state)
{
	uint64_t hist[ES_HIST_BUCKETS] = { 0 };
	uint64_t p50, p99;

	(void)state;
	hist[5] = 990;
	hist[20] = 10;
	p50 = es_hist_percentile(hist, 500, ES_NONE);
	p99 = es_hist_percentile(hist, 990, ES_NONE);
	assert_in_range(p50, es_hist_low(5), es_hist_high(5));
	assert_in_range(p99, es_hist_low(5), es_hist_high(5));
	assert_true(p50 < p99);
	assert_in_range(es_hist_percentile(hist, 991, ES_NONE), es_hist_low(20), es_hist_high(20));
	assert_in_range(es_hist_percentile(hist, 1000, ES_NONE), es_hist_low(20), es_hist_high(20));
	assert_int_equal(es_hist_percentile(hist, 5000, ES_NONE), es_hist_percentile(hist, 1000, ES_NONE));
}

static void percentile_of_a_sample(void **state)
{
	uint64_t hist[ES_HIST_BUCKETS] = { 0 };

	(void)state;
	hist[3] = 1;
	for (unsigned int permille = 0; permille <= 1000; permille += 100)
		assert_in_range(es_hist_percentile(hist, permille, ES_NONE), es_hist_low(3), es_hist_high(3));
}

static void percentile_is_never_over_max(void **state)
{
	uint64_t hist[ES_HIST_BUCKETS] = { 0 };

	(void)state;
	hist[10] = 100;
	assert_int_equal(es_hist_percentile(hist, 999, es_hist_low(10) + 1), es_hist_low(10) + 1);
	assert_int_equal(es_hist_percentile(hist, 999, 0), 0);
}

static void last_bucket_has_no_end(void **state)
{
	uint64_t hist[ES_HIST_BUCKETS] = { 0 };
	uint64_t low = es_hist_low(31);

	(void)state;
	hist[31] = 7;
	assert_int_equal(es_hist_percentile(hist, 500, ES_NONE), low);
	assert_in_range(es_hist_percentile(hist, 500, low + 1000), low, low + 1000);
}

static void huge_counts_do_not_wrap(void **state)
{
	uint64_t hist[ES_HIST_BUCKETS] = { 0 };

	(void)state;
	hist[1] = UINT64_MAX / 4;
	hist[2] = UINT64_MAX / 4;
	assert_in_range(es_hist_percentile(hist, 500, ES_NONE), es_hist_low(1), es_hist_high(1));
	assert_in_range(es_hist_percentile(hist, 999, ES_NONE), es_hist_low(2), es_hist_high(2));
	/* Not a histogram at all, as a recording may hold one: an answer, not a crash. */
	for (unsigned int i = 0; i < ES_HIST_BUCKETS; i++)
		hist[i] = INT64_MAX;
	(void)es_hist_percentile(hist, 999, ES_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_cover_all),
		cmocka_unit_test(buckets_of_the_abi),
		cmocka_unit_test(unknown_is_unknown),
		cmocka_unit_test(empty_has_no_percentile),
		cmocka_unit_test(percentile_is_in_its_bucket),
		cmocka_unit_test(percentile_of_a_sample),
		cmocka_unit_test(percentile_is_never_over_max),
		cmocka_unit_test(last_bucket_has_no_end),
		cmocka_unit_test(huge_counts_do_not_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
