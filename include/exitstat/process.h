/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A process or thread by its folder in /proc. What is read through one open folder is of one process: when that is gone, the
 * files are, too, while a path would lead to whoever has its number now.
 */
#ifndef EXITSTAT_PROCESS_H
#define EXITSTAT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Is this the /proc of the host's first pid namespace, whose numbers the kernel's programs tell? In another one, such as a
 * container's, they are other processes'.
 */
bool es_process_sees_host(const char *proc);

/* proc: "/proc"; tests pass fixtures; NULL: processes cannot be looked at, -ENOTSUP. A file descriptor, or a negative errno: see es_process_gone. */
int es_process_open(const char *proc, uint32_t pid);
int es_process_open_thread(const char *proc, uint32_t pid, uint32_t tid);
/* Does this error of an open or a read mean that there is no such process or thread any more? */
bool es_process_gone(int error);

struct es_process_stat {
	char state;	   /* R, S, D, T, t, Z, … */
	uint64_t start_ns; /* CLOCK_MONOTONIC, when it began or a little before that: to 10 ms, and a suspended host adds to it */
};

/* From the file stat. 0 or a negative errno, -EBADMSG: it makes no sense. */
int es_process_read_stat(int dir, struct es_process_stat *out);
/*
 * Did it begin only after that moment? Then it is not the one that was seen with this number at the time. False if that is not
 * known.
 */
bool es_process_younger(int dir, uint64_t monotonic_ns);

/* Of the calling process: memory in bytes, CPU time in ns. ES_NONE: not known. */
uint64_t es_process_own_rss(void);
uint64_t es_process_own_cpu(void);

#endif
