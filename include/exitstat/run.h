/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file of snapshots as one measurement, a run: what each VM did from its first line
 * to its last. The file is a recording (JSON Lines, a snapshot a line) or a single
 * snapshot, pretty-printed or not. Files are read line by line: a run needs memory for
 * its VMs and one point a line, not for the file.
 */
#ifndef EXITSTAT_RUN_H
#define EXITSTAT_RUN_H

#include <exitstat/json.h>
#include <exitstat/snapshot.h>

/* One interval of one VM, for charts. ES_NONE: not measured. */
struct es_run_point {
	uint64_t at_ns;	  /* its end, since the run began */
	uint64_t span_ns; /* its length */
	uint64_t exits, time_ns;
	uint64_t paging_exits, paging_time_ns; /* see paging.h */
	uint64_t guest_ns;
};

/* The VMs of one name in a file, as one: a guest that was stopped and started again goes on. */
struct es_run_vm {
	char *name;
	enum es_paging paging;	 /* ES_PAGING_NONE also if it changed from one of them to the next */
	bool mixed;		 /* it did */
	bool nested;	       /* any of them */
	uint32_t n_vcpus;      /* of the last of them */
	unsigned int instances;	 /* how many VMs had this name */
	uint64_t span_ns;	 /* how long they lived within the run, summed; ES_NONE unknown */
	struct es_counts counts; /* what they did within the run; max_ns is known only in totals */
	struct es_run_point *points; /* none in a file of one snapshot; none for intervals without such a VM */
	size_t n_points;
};

struct es_run {
	char *path;	/* as given */
	char *label;	/* the file's name without folder and .jsonl or .json */
	struct es_host host;
	uint64_t begin_realtime_ns, end_realtime_ns; /* ES_NONE unknown; the same in a single snapshot of totals */
	uint64_t span_ns; /* from the first line to the last; of a single snapshot its interval, or the oldest VM's age */
	size_t lines;	  /* snapshots in the file */
	bool totals;	  /* a single snapshot, and no difference: VMs count since they were first seen */
	bool cut;	  /* the last line is not whole: the recorder died, what came before counts */
	bool latency;	  /* times were measured */
	unsigned int vanished; /* VMs whose end is missing: exitstatd was restarted, or forgot them */
	struct es_health_counts health; /* within the run: the counters less those of the first line */
	struct es_run_vm *vms; /* sorted by name; those that ended before the run are not in it */
	size_t n_vms;
};

/*
 * Reads path, VMs that vm means only (NULL: all). 0; -ENOENT and the like; -EBADMSG: not a
 * recording, or damaged; -ESRCH: no such VM in it (only if vm is given). err: one line with file, line and reason.
 */
int es_run_load(const char *path, const char *vm, struct es_run *out, char err[ES_ERR_MAX]);
void es_run_clear(struct es_run *r);
const struct es_run_vm *es_run_vm(const struct es_run *r, const char *name);

#endif
