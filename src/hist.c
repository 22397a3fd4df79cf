/* SPDX-License-Identifier: GPL-2.0-only */
#include <exitstat/hist.h>

#include <exitstat/snapshot.h>

bool es_hist_known(const uint64_t hist[ES_HIST_BUCKETS])
{
	return hist[0] != ES_NONE;
}

unsigned int es_hist_bucket(uint64_t ns)
{
	unsigned int log2;

	if (ns < (1ULL << ES_HIST_SHIFT))
		return 0;
	log2 = 63 - __builtin_clzll(ns);
	return log2 - ES_HIST_SHIFT + 1 < ES_HIST_BUCKETS ? log2 - ES_HIST_SHIFT + 1 : ES_HIST_BUCKETS - 1;
}

uint64_t es_hist_low(unsigned int bucket)
{
	return bucket ? 1ULL << (bucket + ES_HIST_SHIFT - 1) : 0;
}

uint64_t es_hist_high(unsigned int bucket)
{
	return bucket < ES_HIST_BUCKETS - 1 ? 1ULL << (bucket + ES_HIST_SHIFT) : UINT64_MAX;
}

uint64_t es_hist_sum(const uint64_t hist[ES_HIST_BUCKETS])
{
	uint64_t sum = 0;

	if (!es_hist_known(hist))
		return ES_NONE;
	for (unsigned int i = 0; i < ES_HIST_BUCKETS; i++)
		sum += hist[i];
	return sum;
}

/* The rank-th of the n samples of a bucket, taken as spread evenly over as much of it as the greatest of all leaves. */
static uint64_t within(unsigned int bucket, uint64_t rank, uint64_t n, uint64_t max_ns)
{
	uint64_t low = es_hist_low(bucket), high = es_hist_high(bucket), last = high - 1, ns;

	/* The last bucket has no end: where the greatest time is not known, say its start. */
	if (high == UINT64_MAX && max_ns == ES_NONE)
		return low;
	if (max_ns < last)
		last = max_ns;
	if (last <= low)
		return last;
	ns = low + (uint64_t)((double)(last - low) * ((double)rank / (double)n));
	return ns < last ? ns : last;
}

uint64_t es_hist_percentile(const uint64_t hist[ES_HIST_BUCKETS], unsigned int permille, uint64_t max_ns)
{
	uint64_t sum = es_hist_sum(hist), rank, seen = 0;

	if (!sum || sum == ES_NONE)
		return ES_NONE;
	if (permille > 1000)
		permille = 1000;
	/* Rounded up, in two parts because sum * permille may not fit. */
	rank = sum / 1000 * permille + (sum % 1000 * permille + 999) / 1000;
	if (!rank)
		rank = 1;
	for (unsigned int i = 0; i < ES_HIST_BUCKETS; i++) {
		if (seen + hist[i] >= rank)
			return within(i, rank - seen, hist[i], max_ns);
		seen += hist[i];
	}
	return ES_NONE;
}
