/* SPDX-License-Identifier: GPL-2.0-only */
/* Log2 time histograms: buckets as in abi.h. */
#ifndef EXITSTAT_HIST_H
#define EXITSTAT_HIST_H

#include <stdbool.h>
#include <stdint.h>

#include <exitstat/abi.h>

bool es_hist_known(const uint64_t hist[ES_HIST_BUCKETS]);	/* false: not measured (hist[0] is ES_NONE) */
unsigned int es_hist_bucket(uint64_t ns);			/* the bucket ns falls in; the BPF side must agree */
uint64_t es_hist_low(unsigned int bucket);			/* first ns of the bucket */
uint64_t es_hist_high(unsigned int bucket);			/* first ns after it; UINT64_MAX for the last */
uint64_t es_hist_sum(const uint64_t hist[ES_HIST_BUCKETS]);
/*
 * The time that permille (500 = median, 999) of the samples do not exceed, linear within its bucket: always in the
 * bucket of the true value, so within a factor of two of it (below 64 ns, and from the last bucket's start, no more is
 * known than that), and never over max_ns when that is known (ES_NONE: not). ES_NONE for an empty or unknown histogram.
 */
uint64_t es_hist_percentile(const uint64_t hist[ES_HIST_BUCKETS], unsigned int permille, uint64_t max_ns);

#endif
