/* SPDX-License-Identifier: GPL-2.0-only */
/* What `top` knows, without a terminal: the newest look, the last interval, the rates before. */
#ifndef EXITSTAT_TOP_H
#define EXITSTAT_TOP_H

#include <exitstat/client.h>
#include <exitstat/render.h>

/* Intervals remembered. More than the widest sparkline anyone will look at costs memory only. */
#define ES_HISTORY_MAX 128

/* Rates of one VM or reason, oldest first; -1 is not known. */
struct es_series {
	uint32_t code; /* of the reason */
	size_t n;
	float rate[ES_HISTORY_MAX];
};

struct es_vm_history {
	char *id;
	struct es_series total;
	struct es_series *reasons;
	size_t n_reasons;
	struct es_series *events; /* code: place in es_paging_events(); those that occurred */
	size_t n_events;
};

/* Sorted by id. */
struct es_history {
	struct es_vm_history *vms;
	size_t n;
};

/* Adds the interval now to the VMs of sum, and forgets the others. 0 or -ENOMEM. */
int es_history_add(struct es_history *h, const struct es_snapshot *sum, const struct es_snapshot *now);
void es_history_clear(struct es_history *h);
/* NULL if there is none. */
const struct es_vm_history *es_history_vm(const struct es_history *h, const char *id);
const struct es_series *es_history_reason(const struct es_vm_history *vm, uint32_t code);
const struct es_series *es_history_event(const struct es_vm_history *vm, size_t place);

struct es_top {
	struct es_snapshot *sum; /* newest totals; NULL before the first */
	struct es_snapshot *now; /* last interval; NULL: no rates are known */
	struct es_history history;
	bool baseline; /* the next totals begin a new span, they are not compared with the last */
	char *watched; /* id of the VM that must not go away under the reader's eyes, or NULL */
	bool vcpus;    /* its vCPUs are wanted one by one (or, with a feed's vm, those of all it names) */
};

void es_top_clear(struct es_top *t);
/* Is the watched VM missing from sum, so that it has to be asked for by id? */
bool es_top_misses(const struct es_top *t, const struct es_snapshot *sum);
/*
 * Takes over sum, the newest totals, and seed, an interval to show if sum cannot be compared
 * (NULL: none). A watched VM that is not in sum is kept as ended, with what was seen last.
 * 1: there is something new to show, 0: sum is no newer than the last. -ENOMEM.
 */
int es_top_put(struct es_top *t, struct es_snapshot *sum, struct es_snapshot *seed);
/* Forgets what was shown, but not what is watched: time is about to jump. */
void es_top_rewind(struct es_top *t);
/* NULL: none. */
int es_top_watch(struct es_top *t, const char *id);

/* Rows to show, in order. vm: name, glob or part of a name in any letter case; NULL or "": all. */
struct es_top_query {
	const char *filter;
	bool hide_ended;
	enum es_aspect aspect;
	const struct es_column *sort; /* of the table that is asked for; NULL: as is usual there */
	bool reverse;
};
/* The columns of the VMs in that view, and the usual order. */
const struct es_column *es_aspect_columns(enum es_aspect aspect);
const struct es_column *es_aspect_sort(enum es_aspect aspect);
struct es_vm_table {
	struct es_vm_row *rows;
	const void **order;
	size_t n;
};
int es_top_vms(const struct es_top *t, const struct es_top_query *q, struct es_vm_table *out);
void es_vm_table_free(struct es_vm_table *t);

/* The same VMs, and their sum, as to where their time went. */
struct es_time_table {
	struct es_time_row *rows, sum;
	const void **order; /* with room for one more */
	size_t n;
};
int es_top_times(const struct es_top *t, const struct es_top_query *q, struct es_time_table *out);
/* The vCPUs of one VM, if they are known one by one; the sum is the VM. The filter is part of a vCPU's number. */
int es_top_vcpu_times(const struct es_vm_row *vm, const struct es_top_query *q, struct es_time_table *out);
void es_time_table_free(struct es_time_table *t);

struct es_reason_table {
	struct es_reason_row *rows;
	const void **order;
	size_t n;
};
/* The reasons of one VM; the filter is part of a reason's name or class. */
int es_top_reasons(const struct es_top *t, const struct es_vm_row *vm, const struct es_top_query *q,
		   struct es_reason_table *out);
void es_reason_table_free(struct es_reason_table *t);
/* How long exits take: of the VMs, all reasons in one, or of one VM's reasons; and the sum of them. */
struct es_latency_table {
	struct es_reason_row *rows; /* n, and the sum */
	struct es_reason *merged;   /* what rows of sums point to */
	const void **order;	    /* with room for one more */
	size_t n;
};
int es_top_latencies(const struct es_top *t, const struct es_top_query *q, struct es_latency_table *out);
int es_top_reason_latencies(const struct es_top *t, const struct es_vm_row *vm, const struct es_top_query *q,
			    struct es_latency_table *out);
void es_latency_table_free(struct es_latency_table *t);
struct es_event_table {
	struct es_event_row *rows;
	const void **order;
	size_t n;
};
/* The events of paging of one VM, none if none is measured; the filter is part of an event's name. */
int es_top_events(const struct es_top *t, const struct es_vm_row *vm, const struct es_top_query *q,
		  struct es_event_table *out);
void es_event_table_free(struct es_event_table *t);
/* What dominates a VM's paging: in the last interval, or in total where nothing happened in it; then it says so. */
const char *es_vm_sentence(char buf[ES_CELL_MAX], const struct es_vm_row *vm);
/* The row of the watched VM, wherever the filter of the list stands. -ENOENT: it is not there. */
int es_top_watched(const struct es_top *t, struct es_vm_row *out);

/* Totals over all VMs, for the heading. rate and outside are negative if not known. */
struct es_top_summary {
	size_t vms, running, paused, ended;
	double rate, outside;
};
void es_top_summarise(const struct es_top *t, struct es_top_summary *out);
/* "6 VMs, 1 paused · 118k exits/s · outside the guests 12.3% of busy time" */
void es_render_summary(FILE *f, const struct es_top *t, const struct es_style *st);
/* One VM in two lines: who it is; what it does. */
void es_render_vm_title(FILE *f, const struct es_top *t, const struct es_vm_row *row,
			const struct es_style *st);
void es_render_vm_rates(FILE *f, const struct es_top *t, const struct es_vm_row *row,
			const struct es_style *st);
void es_render_vm_paging(FILE *f, const struct es_top *t, const struct es_vm_row *row,
			 const struct es_style *st);
/* One round of --batch. each: a table of reasons (paging's events, vCPUs) for each VM, too. */
int es_render_top(FILE *f, const struct es_top *t, const struct es_top_query *q, bool each,
		  const struct es_style *st);

/*
 * Keeps a struct es_top fed, without ever blocking: from the daemon (tui_feed.c), where a restarted or silent one is
 * reconnected to, and what it says then is a new baseline; or from a recording (tui_replay.c).
 */
struct es_feed;
struct es_feed_ops {
	/* The first connection, or the file, which may fail. 0 or negative errno with err; -ESRCH: no such VM. */
	int (*open)(struct es_feed *f);
	void (*close)(struct es_feed *f);
	/* A new start after a pause. */
	void (*restart)(struct es_feed *f);
	/* Does what can be done now. 1: a round is complete, 0: not yet; -ESRCH: no such VM, on the first round only; -ENOMEM. */
	int (*step)(struct es_feed *f);
	/* Has the daemon kept us waiting for so long that the reader should know? */
	bool (*slow)(const struct es_feed *f);
	/* When to step again if fd stays silent, in ms from now; fd -1: none to poll. */
	int (*wait)(const struct es_feed *f, int *fd, short *events);
	/* "every 1s", "replay 12 of 300  2x" */
	void (*where)(const struct es_feed *f, char buf[ES_CELL_MAX]);
};
extern const struct es_feed_ops es_feed_daemon, es_feed_replay;

enum es_feed_phase { ES_FEED_DOWN, ES_FEED_SEED, ES_FEED_TOTALS, ES_FEED_WATCHED, ES_FEED_RESTING };
struct es_replay;
struct es_feed {
	const struct es_feed_ops *ops;
	const char *vm;
	struct es_top *top;
	uint64_t interval_ns;
	char *notice;		 /* what to show in a line of its own, or NULL */
	bool lost;		 /* the daemon is gone, or does not answer; the recording cannot be read any more */
	char err[ES_CLIENT_ERR]; /* why */
	bool urgent;		 /* step even while paused: another place in the recording was asked for */
	bool done;		 /* the recording is at its end */

	const char *socket; /* of the daemon */
	struct es_client *client;
	enum es_feed_phase phase;
	struct es_snapshot *seed, *sum; /* of the round under way */
	uint64_t round_ns, sent_ns, retry_ns;
	uint64_t heard, heard_ns; /* bytes of the daemon, and when they came */

	const char *path; /* of the recording */
	bool hurry;	  /* do not wait between its looks */
	struct es_replay *replay;
};

/* For keys, over a recording; elsewhere they do nothing. Places are looks: to the n-th from here, tenths of all. */
void es_replay_move(struct es_feed *f, int looks, int tenths);
/* Faster by a factor of two, or slower. */
void es_replay_speed(struct es_feed *f, bool faster);
/* n times as fast as it was recorded. */
#define ES_SPEED_MAX 4096
int es_replay_set_speed(struct es_feed *f, uint64_t n);

#endif
