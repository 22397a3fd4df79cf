/* SPDX-License-Identifier: GPL-2.0-only */
/* Ownership helpers, in the manner of systemd's and the kernel's, and the clock. */
#ifndef EXITSTAT_UTIL_H
#define EXITSTAT_UTIL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((__cleanup__(f)))

static inline void es_freep(void *p) { free(*(void **)p); }
static inline void es_closep(int *fd) { if (*fd >= 0) close(*fd); }
static inline void es_fclosep(FILE **f) { if (*f) fclose(*f); }

#define _cleanup_free_ _cleanup_(es_freep)
#define _cleanup_close_ _cleanup_(es_closep)
#define _cleanup_fclose_ _cleanup_(es_fclosep)

#define ES_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Structs that hold nothing but u64 counters are treated as arrays of them. */
#define ES_U64S(s)	 ((uint64_t *)&(s))
#define ES_N_U64S(s)	 (sizeof(s) / (sizeof(uint64_t)))

/* Gives ownership away: x = es_steal_fd(&fd). */
static inline int es_steal_fd(int *fd) { int v = *fd; *fd = -1; return v; }
#define es_steal_ptr(p) ({ __typeof__(*(p)) _v = *(p); *(p) = NULL; _v; })

/* CLOCK_MONOTONIC, CLOCK_REALTIME, ... in ns. */
static inline uint64_t es_clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static inline uint64_t es_monotonic_ns(void) { return es_clock_ns(CLOCK_MONOTONIC); }

#endif
