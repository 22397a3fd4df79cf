/* SPDX-License-Identifier: GPL-2.0-only */
/* Ownership helpers, in the manner of systemd's and the kernel's. */
#ifndef EXITSTAT_UTIL_H
#define EXITSTAT_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((__cleanup__(f)))

static inline void es_freep(void *p) { free(*(void **)p); }
static inline void es_closep(int *fd) { if (*fd >= 0) close(*fd); }
static inline void es_fclosep(FILE **f) { if (*f) fclose(*f); }

#define _cleanup_free_ _cleanup_(es_freep)
#define _cleanup_close_ _cleanup_(es_closep)
#define _cleanup_fclose_ _cleanup_(es_fclosep)

#define ES_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Gives ownership away: x = es_steal_fd(&fd). */
static inline int es_steal_fd(int *fd) { int v = *fd; *fd = -1; return v; }
#define es_steal_ptr(p) ({ __typeof__(*(p)) _v = *(p); *(p) = NULL; _v; })

#endif
