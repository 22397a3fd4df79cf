/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Snapshots as text. Everything here is pure: structs in, bytes out, no terminal,
 * no locale but the character classes of wcwidth(3).
 */
#ifndef EXITSTAT_RENDER_H
#define EXITSTAT_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include <exitstat/paging.h>
#include <exitstat/reasons.h>
#include <exitstat/snapshot.h>
#include <exitstat/times.h>

/* What VMs are looked at for: a view of snapshot, top and replay each. */
enum es_aspect { ES_ASPECT_REASONS, ES_ASPECT_PAGING, ES_ASPECT_TIME, ES_ASPECT_LATENCY, ES_ASPECTS };

/* How the reader's end can show text. */
struct es_style {
	bool utf8;	    /* block characters, µ and …; else ASCII only */
	bool colour;	    /* SGR sequences may be written */
	bool exact;	    /* counts in full, grouped by thousands; else three digits and a unit */
	unsigned int width; /* columns at most, 0: no limit */
};

/* One cell of a table, or one number with its unit. Longer texts are cut. */
#define ES_CELL_MAX 512

/*
 * Text of strangers (names, messages): control characters, broken UTF-8, bidi
 * overrides and invisible format characters come out as '?', heaps of combining
 * marks are cut to two. Without utf8 everything beyond ASCII is '?'. Returns the
 * width in columns.
 */
unsigned int es_text_clean(char *buf, size_t size, const char *text, bool utf8);
/* The same, cut to width columns with an ellipsis. width 0: no limit. */
unsigned int es_text_fit(char *buf, size_t size, const char *text, unsigned int width, bool utf8);
/* Columns that a clean text takes. */
unsigned int es_text_width(const char *text);
/* Writes text padded with spaces to width, on the left if right is set. */
void es_text_pad(FILE *f, const char *text, unsigned int width, bool right);

/* Numbers. ES_NONE (a negative number for doubles) comes out as "-". All return buf. */
const char *es_fmt_count(char buf[ES_CELL_MAX], uint64_t v, const struct es_style *st);
const char *es_fmt_group(char buf[ES_CELL_MAX], uint64_t v); /* 1,234,567 */
const char *es_fmt_short(char buf[ES_CELL_MAX], double v);   /* 98.2k */
const char *es_fmt_rate(char buf[ES_CELL_MAX], double v, const struct es_style *st);
const char *es_fmt_share(char buf[ES_CELL_MAX], double share);		/* 12.3%, <0.1% */
const char *es_fmt_time(char buf[ES_CELL_MAX], uint64_t ns, bool utf8); /* 2.37µs, 1m05s */
const char *es_fmt_bytes(char buf[ES_CELL_MAX], uint64_t bytes);	/* 16.0 MiB */

/* Parts of speech that have an ASCII twin. */
enum es_glyph {
	ES_GLYPH_DOT,
	ES_GLYPH_ELLIPSIS,
	ES_GLYPH_MICRO,
	ES_GLYPH_DOWN,
	ES_GLYPH_UP,
	ES_GLYPH_MARK,
	ES_GLYPHS
};
const char *es_glyph(enum es_glyph g, bool utf8);

/* Bars of a part each: of the parts of time, and of what is not told apart. Without colours they differ all the same. */
const char *es_time_glyph(unsigned int piece, bool utf8);

/* SGR sequences, "" without colour. ES_SGR_OFF ends each. */
enum es_sgr { ES_SGR_OFF, ES_SGR_BOLD, ES_SGR_DIM, ES_SGR_GOOD, ES_SGR_WARN, ES_SGR_BAD, ES_SGR_IO, ES_SGR_PAGING, ES_SGRS };
const char *es_sgr(enum es_sgr c, const struct es_style *st);
enum es_sgr es_time_sgr(unsigned int piece);

/*
 * A row of bars, one column a value, the newest last, scaled to the greatest;
 * negative values (not measured) are blank, 0 is the base line. Of more than width
 * values the newest are shown, fewer are padded on the left.
 */
void es_spark(char *buf, size_t size, const float *values, size_t n, unsigned int width, bool utf8);
/* A bar as long as that share (1: all) of width; what is more than nothing can be seen. At most ES_CELL_MAX / 4 wide. */
void es_bar(char buf[ES_CELL_MAX], double share, unsigned int width, bool utf8);

/*
 * Columns: one table is parser (--sort), help, heading and content. A row is
 * whatever the table's functions know; rows are given as an array of pointers.
 */
struct es_column {
	const char *key;   /* word for --sort; NULL ends the table */
	const char *title; /* says the unit too */
	const char *help;
	bool right; /* aligned to the right */
	bool sortable;
	bool flex;	   /* takes what room is left (at most one of a table) */
	bool only_live;	   /* in top, not in tables */
	unsigned int keep; /* columns with the smallest go first when room is short */
	unsigned int live; /* width in top, where columns must not dance; 0: not in top */
	/* Has the row anything to show there? The column is left out where no row has. NULL: it always stands. */
	bool (*worth)(const void *row);
	/* width: columns to fill for a flex column, 0 for no limit. */
	void (*cell)(char buf[ES_CELL_MAX], const void *row, unsigned int width, const struct es_style *st);
	/* Of a cell that is a bar of pieces: the columns of each; all 0 where it is plain text. */
	void (*pieces)(unsigned int columns[ES_TIME_PIECES], const void *row, unsigned int width);
	int (*compare)(const void *a, const void *b); /* the order a reader wants first comes first */
};

const struct es_column *es_column_find(const struct es_column *table, const char *key);
/* "rate|name|pid": the words for --sort, of n tables (some may be NULL) each once. */
const char *es_column_words(char buf[ES_CELL_MAX], const struct es_column *const *tables, size_t n);
/* For compare: greater first, so what is unknown, being negative, comes last. */
int es_descending(double a, double b);
/* Stable order by the column's compare. Returns 0 or -ENOMEM. */
int es_rows_sort(const void **rows, size_t n, const struct es_column *by, bool reverse);

#define ES_COLUMNS_MAX 24
struct es_layout {
	struct {
		const struct es_column *column;
		unsigned int width;
	} at[ES_COLUMNS_MAX];
	unsigned int n, gap;
	unsigned int dropped; /* columns left out for want of room */
};
/* Which columns, how wide: by content (live false) or by the table's fixed widths (live true). */
void es_layout(struct es_layout *l, const struct es_column *table, const void *const *rows, size_t n,
	       bool live, const struct es_style *st);
void es_layout_heading(FILE *f, const struct es_layout *l, const struct es_style *st);
void es_layout_row(FILE *f, const struct es_layout *l, const void *row, const struct es_style *st);

/*
 * One exit reason as shown. now is what the rates are of, sum what the counts
 * are of: the same, but in top, where now is the last interval.
 */
struct es_reason_row {
	enum es_isa isa;
	enum es_paging paging; /* of the VM: some reasons' class goes by it */
	uint32_t code;
	const struct es_reason *sum;
	const struct es_reason *now;	 /* NULL: none in the interval */
	uint64_t span_ns;		 /* what now covers, ES_NONE unknown */
	uint64_t now_total, now_time_ns; /* of all reasons, for the shares */
	const float *history;		 /* rates, oldest first; NULL: none */
	size_t n_history;
	const char *label; /* not a reason but a sum with this name */
	const struct es_vm *vm; /* the sum of its reasons; else NULL */
	unsigned int axis_begin, axis_end; /* buckets that the histograms of all rows show; equal: none */
};
extern const struct es_column es_reason_columns[];
/* About how long they take: of reasons, and of VMs as the sums of their reasons. */
extern const struct es_column es_latency_columns[], es_vm_latency_columns[];
/* All reasons of c in one: counts and times added up, histograms too. */
void es_reason_sum(struct es_reason *sum, const struct es_counts *c);
/* The histogram and the greatest time of r into those of sum. */
void es_reason_merge(struct es_reason *sum, const struct es_reason *r);
/*
 * A row for each reason of sum, in its order, and room for one more; now: the interval, NULL if nothing happened in it (span_ns known)
 * or there is none (ES_NONE). 0 or -ENOMEM.
 */
int es_reason_rows(const struct es_counts *sum, const struct es_counts *now, enum es_isa isa,
		   enum es_paging paging, uint64_t span_ns, struct es_reason_row **rows);
double es_reason_rate(const struct es_reason_row *row);
/* As JSON has it. */
enum es_class es_reason_row_class(const struct es_reason_row *row);

/* One VM as shown; sum and now as above. */
struct es_vm_row {
	const struct es_vm *sum;
	const struct es_vm *now; /* NULL: nothing happened, or no interval is known (span_ns ES_NONE) */
	enum es_isa isa;
	uint64_t span_ns;
	uint64_t taken_ns; /* of sum, CLOCK_MONOTONIC */
	struct es_paging_cost cost; /* of now */
	const float *history;
	size_t n_history;
};
extern const struct es_column es_vm_columns[];
extern const struct es_column es_paging_columns[]; /* the same rows, about paging */
double es_vm_rate(const struct es_vm_row *row);
/* Share of the busy (not idle) time spent outside the guest; negative when not known. */
double es_vm_outside(const struct es_vm_row *row);
/* Share of all vCPU time spent halted; negative when not known. */
double es_vm_idle(const struct es_vm_row *row);
/* Paging's share of the time outside the guest, or of the exits where their time is not measured; negative when not known. */
double es_vm_cost(const struct es_vm_row *row);
/* Exits for paging per second; negative when not known. */
double es_vm_paging_rate(const struct es_vm_row *row);

/* One event of paging as shown; sum and now as above. */
struct es_event_row {
	const struct es_paging_event *event;
	size_t place;	   /* in es_paging_events() */
	uint64_t sum, now; /* counts; ES_NONE unknown */
	uint64_t span_ns;
	const float *history;
	size_t n_history;
};
extern const struct es_column es_event_columns[];
/* A row for each event that is shown for a VM; 0 or -ENOMEM. now: NULL if nothing happened. */
int es_event_rows(const struct es_counts *sum, const struct es_counts *now, bool nested, uint64_t span_ns,
		  struct es_event_row **rows, size_t *n);
double es_event_rate(const struct es_event_row *row);
/* Of an event of a VM in the row's interval; negative when not known. */
double es_vm_event_rate(const struct es_vm_row *row, const struct es_paging_event *e);

/* The VM of that id, NULL if there is none (or no snapshot). */
const struct es_vm *es_snapshot_by_id(const struct es_snapshot *s, const char *id);
/* A row for each VM of sum, in its order. now: the last interval, NULL if there is none. 0 or -ENOMEM. */
int es_vm_rows(const struct es_snapshot *sum, const struct es_snapshot *now, struct es_vm_row **rows);

/* How long of the snapshot's span (an interval, or since first seen) the VM lived. ES_NONE if unknown. */
uint64_t es_vm_span(const struct es_snapshot *s, const struct es_vm *vm);
/* "nested paging (npt)", "shadow paging", "paging mode unknown". */
const char *es_paging_phrase(const struct es_vm *vm);
/* "npt", "shadow", "npt+nested", "-". */
const char *es_paging_word(const struct es_vm *vm, char buf[ES_CELL_MAX]);

/* "host1, Linux 6.1.0-26-amd64, AMD SVM" */
void es_render_host(FILE *f, const struct es_snapshot *s, const struct es_style *st);
/* "2026-11-22 10:00:00", local time. */
void es_render_when(FILE *f, uint64_t realtime_ns);
/* The time of a VM, of one of its vCPUs, or of several VMs, as shown. */
enum es_time_subject { ES_TIME_OF_VM, ES_TIME_OF_VCPU, ES_TIME_OF_ALL };
struct es_time_row {
	enum es_time_subject of;
	const struct es_vm *vm;	 /* NULL of all */
	uint32_t vcpu_id, vcpus; /* vcpus: of how many, 0 not known */
	size_t vms, left_out; /* of all: how many, and how many of these are not in the sum */
	bool nothing;		 /* not in the interval, or there is none */
	struct es_time_split split;
};
extern const struct es_column es_time_columns[]; /* of VMs, with their vCPUs below them */
extern const struct es_column es_vcpu_time_columns[]; /* of one VM's vCPUs */
/* counts NULL: nothing happened. */
struct es_time_row es_time_row_of_vm(const struct es_vm *vm, const struct es_counts *counts);
struct es_time_row es_time_row_of_vcpu(const struct es_vm *vm, const struct es_vcpu *vcpu, const struct es_counts *counts);
/*
 * The sum of rows of VMs. Those of which less is known than of others are left out, which the row's name says: a sum of
 * parts that are known of some only would be no sum.
 */
struct es_time_row es_time_row_of_all(const void *const *rows, size_t n);
/* What the glyphs of the bars mean: "█ guest  ▓ kernel …" */
void es_render_time_key(FILE *f, const struct es_style *st);
#define ES_TIME_KEY_WIDTH 44 /* where there is less room, its parts stand closer */
/* What is not measured of rows that have a bar, in a line; NULL: all is. */
const char *es_time_remark(const void *const *rows, size_t n);
#define ES_TIME_OF_WHAT "100% is the time of all vCPUs of a VM: n vCPUs live n seconds a second."
/* Rows, for one more of which there is room, and their sum (NULL: none), as a table with its key. vcpus: of one VM. */
int es_render_time_table(FILE *f, const void **rows, size_t n, const struct es_time_row *sum, bool vcpus,
			 const struct es_style *st);

/* Gives the rows one axis: from the first bucket that any of them has to the last. */
void es_latency_axis(struct es_reason_row *rows, size_t n);
/* "Histograms from 512ns to 16.8ms. Percentiles are within a factor of two." */
void es_render_latency_foot(FILE *f, const struct es_reason_row *any, const struct es_style *st);
/* n rows, a sum among them, in that order, as a table with its foot. */
void es_render_latency_table(FILE *f, const struct es_column *columns, struct es_reason_row *rows, const void *const *order,
			     size_t n, const struct es_style *st);

/* A bucket of one reason's histogram; sum and now as above, below: how many of sum are in it and in those before it. */
struct es_bucket_row {
	unsigned int bucket;
	uint64_t sum, now, below, total, most;
	uint64_t span_ns;
};
extern const struct es_column es_bucket_columns[];
/* The buckets from the first that is not empty to the last, returned how many. now may be NULL. */
size_t es_bucket_rows(const struct es_reason *sum, const struct es_reason *now, uint64_t span_ns,
		      struct es_bucket_row rows[ES_HIST_BUCKETS]);
/* "avg 14.2µs  p50 11.0µs  p90 …", and the greatest where it is known. bound_ns: none took longer, as far as is known. */
#define ES_BUCKET_ERROR "Percentiles are within a factor of two."
void es_render_figures(FILE *f, const struct es_reason *r, uint64_t bound_ns, const struct es_style *st);
/* One reason: its figures, and its histogram. */
int es_render_one_reason(FILE *f, const struct es_counts *c, enum es_isa isa, uint32_t code, uint64_t span_ns,
			 const struct es_style *st);

/* What the paging view is about; vm's mode, and the counts of the VM or of one of its vCPUs. */
struct es_paging_subject {
	enum es_isa isa;
	const struct es_vm *vm;
	const struct es_counts *counts;
	uint64_t span_ns;
};
/* "Paging: 1,462 exits (15.0%), 198.1/s; 380ms (19.1% of the time outside the guest)" */
void es_render_paging_cost(FILE *f, const struct es_paging_subject *p, const struct es_style *st);
/* The sentence, and the events as a table; or why there are none. */
int es_render_paging(FILE *f, const struct es_paging_subject *p, const struct es_style *st);
#define ES_NO_EVENTS "Events are not measured: exitstatd runs with --no-mmu, or this KVM has none; see `exitstat status`."

/* Whole outputs. 0, or -ENOMEM; what f says (ferror) is the caller's to ask. */
struct es_snapshot_view {
	const struct es_column *sort; /* of the aspect's columns; NULL: as is usual there */
	bool per_vcpu;
	enum es_aspect aspect;
	bool one_reason; /* of the latency view: only this one, with its histogram */
	uint32_t reason;
};
int es_render_times(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v, const struct es_style *st);
int es_render_snapshot(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v,
		       const struct es_style *st);
int es_render_json(FILE *f, const struct es_snapshot *s, bool per_vcpu);
/* One field: nothing for ES_NONE; text quoted as RFC 4180 says, if it has to be. */
void es_csv_u64(FILE *f, uint64_t v);
void es_csv_text(FILE *f, const char *text, bool terminal);
/* One row a VM (or vCPU) and reason; names are cleaned for a terminal only. */
int es_render_csv(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v, bool terminal);
/* One row a VM (or vCPU), reason and bucket that is not empty. */
int es_render_latency_csv(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v, bool terminal);
/* One row a VM (or vCPU): where its time went. */
int es_render_time_csv(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v, bool terminal);
/* One row a VM (or vCPU) and event of paging, its cost first. */
int es_render_paging_csv(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v, bool terminal);
/* now: the last interval, NULL if there is none. */
int es_render_list(FILE *f, const struct es_snapshot *sum, const struct es_snapshot *now,
		   const struct es_column *sort, const struct es_style *st);
/* GetStatus' answer, as docs/protocol.md describes it. */
int es_render_status(FILE *f, const json_t *status, const struct es_style *st);
int es_render_list_json(FILE *f, const struct es_snapshot *sum, const struct es_snapshot *now);

#endif
