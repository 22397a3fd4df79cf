/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one reader of recordings: JSON Lines, a whole snapshot (schema exitstat/1, totals) a line, as `exitstat
 * record` writes them, or a single snapshot spread over any number of lines. docs/recordings.md.
 *
 * Files are anybody's: lines are bounded, and besides each snapshot the file as a whole is checked. Times and
 * counts never go back, no id stands twice in a line, host and kernel stay the same.
 */
#ifndef EXITSTAT_RECORDING_H
#define EXITSTAT_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <exitstat/json.h>
#include <exitstat/snapshot.h>

/* Longer lines are not read, and not written: a snapshot of some 2,500 VMs. */
#define ES_RECORDING_LINE_MAX (64UL << 20)

struct es_recording;

/*
 * seekable: nothing but a regular file will do, and anything else is refused without waiting for it.
 * 0 or negative errno with one line in err that names the file.
 */
int es_recording_open(const char *path, bool seekable, struct es_recording **out, char err[ES_ERR_MAX]);
void es_recording_close(struct es_recording *r); /* NULL is fine */
/* The path for messages: of a long one its end. */
const char *es_recording_name(const struct es_recording *r);

/*
 * The next snapshot: 1, and *out is the caller's. 0: the end. -EBADMSG: not a recording, or a damaged one (also one
 * without a whole line); -ENOMEM and the like. err: "FILE:LINE: reason".
 *
 * A last line that does not parse and has no newline is the mark of a recorder that was killed: then the line before
 * was the last, and es_recording_cut() is true.
 */
int es_recording_next(struct es_recording *r, struct es_snapshot **out, char err[ES_ERR_MAX]);
bool es_recording_cut(const struct es_recording *r);

/* The line of the file where the last snapshot stood, from 1. */
size_t es_recording_line(const struct es_recording *r);
/* Where the next snapshot is looked for; going there again later, line is what es_recording_line() said then. 0 or -errno. */
uint64_t es_recording_tell(const struct es_recording *r);
int es_recording_seek(struct es_recording *r, uint64_t offset, size_t line);

#endif
