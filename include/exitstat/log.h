/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's log: lines on stderr, with a journal priority when stderr is the journal. */
#ifndef EXITSTAT_LOG_H
#define EXITSTAT_LOG_H

#include <syslog.h>

/* Looks where stderr goes; before that, lines are plain. */
void es_log_init(void);
/*
 * One line. priority is syslog's (LOG_ERR, …). Control characters, which a VM's
 * name or a client may bring in, come out as '?', so that a line stays one line.
 */
void es_log(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define es_error(...) es_log(LOG_ERR, __VA_ARGS__)
#define es_warn(...)  es_log(LOG_WARNING, __VA_ARGS__)
#define es_info(...)  es_log(LOG_INFO, __VA_ARGS__)

#endif
