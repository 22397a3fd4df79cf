/* SPDX-License-Identifier: GPL-2.0-only */
/* What `exitstat record` is made of: which VMs belong into the next line, and the file. */
#ifndef EXITSTAT_RECORD_H
#define EXITSTAT_RECORD_H

#include <exitstat/client.h>
#include <exitstat/snapshot.h>

/* --- cmd_record_vms.c --- */

/* An ended VM stays in the lines as long as in the daemon's answers, and as many of them. */
#define ES_RECORD_KEEP_NS  (600ULL * 1000000000)
#define ES_RECORD_KEEP_MAX 64

struct es_record_vms {
	const char *vm;		  /* as given with --vm, or NULL */
	uint64_t begin_ns;	  /* of the first line, on the monotonic clock */
	struct es_snapshot *last; /* the line before, or NULL */
	bool came;		  /* a VM is, or was, in the lines */
};

void es_record_vms_clear(struct es_record_vms *v);
/*
 * An answer for one name leaves out the ended VMs behind a living one. A VM that is new in it, or no longer in it, may
 * have such company: then all VMs have to be asked for.
 */
bool es_record_hides(const struct es_record_vms *v, const struct es_snapshot *answer);
/*
 * The next line: the VMs of answer that are meant and did not end before the recording began, and those that ended
 * in it and are no longer in the answer. 0 and *line is the caller's (v keeps its own reference); -EALREADY: no newer
 * than the line before; -EINVAL: older; -ENOMEM.
 */
int es_record_take(struct es_record_vms *v, const struct es_snapshot *answer, struct es_snapshot **line);

/* --- cmd_record_file.c --- */

struct es_record_file {
	const char *path; /* "-": standard output */
	int fd;
	bool regular;
	uint64_t bytes, looks; /* written, whole */
};

/* A new file, or with force an empty one; what is no regular file (a pipe, a device) is taken as it is. 0 or -errno with err. */
int es_record_open(struct es_record_file *f, const char *path, bool force, char err[ES_CLIENT_ERR]);
/* A whole line, or none: what was written of a line that failed is taken back where that can be. 0 or -errno with err. */
int es_record_write(struct es_record_file *f, const struct es_snapshot *s, char err[ES_CLIENT_ERR]);
/* To the disk, and closed. 0 or -errno with err. */
int es_record_close(struct es_record_file *f, char err[ES_CLIENT_ERR]);

#endif
