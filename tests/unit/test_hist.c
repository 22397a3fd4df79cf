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
	assert_in_range(p50, es_hist_low(5), es_hist_high(5) - 1);
	assert_in_range(p99, es_hist_low(5), es_hist_high(5) - 1);
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

/* A generator of its own, so that a failure can be repeated. */
static uint64_t draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Latencies as they come: few octaves or many, spread evenly over the logarithm. */
static uint64_t latency(uint64_t *seed, unsigned int least_bits, unsigned int bits)
{
	unsigned int shift = 63 - least_bits - (unsigned int)(draw(seed) % bits);

	return (draw(seed) | 1ULL << 63) >> shift;
}

static int ascending(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return a < b ? -1 : a > b;
}

/* What a percentile is by definition: the least of the samples that so many of them do not exceed. */
static uint64_t exact(const uint64_t *sorted, size_t n, unsigned int permille)
{
	size_t rank = (n * permille + 999) / 1000;

	return sorted[rank ? rank - 1 : 0];
}

static void assert_near(uint64_t got, uint64_t want, uint64_t max)
{
	unsigned int bucket = es_hist_bucket(want);

	assert_int_equal(es_hist_bucket(got), bucket);
	if (bucket && bucket < ES_HIST_BUCKETS - 1) {
		assert_true(got < 2 * want);
		assert_true(want < 2 * got);
	}
	if (max != ES_NONE)
		assert_true(got <= max);
}

#define SAMPLES_MAX 3000
static void one_set(uint64_t *seed)
{
	static const unsigned int permilles[] = { 0, 1, 10, 250, 500, 501, 900, 990, 999, 1000 };
	size_t n = 1 + draw(seed) % (draw(seed) % 4 ? SAMPLES_MAX : 12);
	unsigned int least = (unsigned int)(draw(seed) % 30), bits = 1 + (unsigned int)(draw(seed) % 12);
	uint64_t raw[SAMPLES_MAX], hist[ES_HIST_BUCKETS] = { 0 }, max;

	for (size_t i = 0; i < n; i++) {
		raw[i] = latency(seed, least, bits);
		hist[es_hist_bucket(raw[i])]++;
	}
	qsort(raw, n, sizeof(*raw), ascending);
	max = raw[n - 1];
	for (size_t i = 0; i < ES_ARRAY_SIZE(permilles); i++) {
		uint64_t want = exact(raw, n, permilles[i]);

		assert_near(es_hist_percentile(hist, permilles[i], max), want, max);
		assert_near(es_hist_percentile(hist, permilles[i], ES_NONE), want, ES_NONE);
	}
	/* The greatest time is known, so the last percentile is no estimate. */
	assert_int_equal(es_hist_percentile(hist, 1000, max), max);
}

/* Random latencies, sorted, against their histogram: always in the same bucket. */
static void percentiles_of_raw_latencies(void **state)
{
	uint64_t seed = 0x9e3779b97f4a7c15;

	(void)state;
	for (unsigned int i = 0; i < 2000; i++)
		one_set(&seed);
}

static void percentiles_grow_with_their_share(void **state)
{
	uint64_t seed = 88172645463325252;

	(void)state;
	for (unsigned int k = 0; k < 200; k++) {
		uint64_t hist[ES_HIST_BUCKETS] = { 0 }, before = 0;

		for (unsigned int i = 0; i < 100; i++)
			hist[es_hist_bucket(latency(&seed, 5, 32))]++;
		for (unsigned int permille = 0; permille <= 1000; permille++) {
			uint64_t now = es_hist_percentile(hist, permille, ES_NONE);

			assert_true(now >= before);
			before = now;
		}
	}
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
		cmocka_unit_test(percentiles_of_raw_latencies),
		cmocka_unit_test(percentiles_grow_with_their_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
