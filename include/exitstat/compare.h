/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs of VMs side by side, by class and by reason. Any number of sides; ratio and
 * explained compare each with the first. Pure.
 */
#ifndef EXITSTAT_COMPARE_H
#define EXITSTAT_COMPARE_H

#include <stdio.h>

#include <exitstat/paging.h>
#include <exitstat/reasons.h>
#include <exitstat/run.h>

enum es_per { ES_PER_SECOND, ES_PER_GUEST_SECOND, ES_PER_TOTAL };

#define ES_SIDES_MAX 8

/* One number on one side. */
struct es_compare_cell {
	uint64_t count, time_ns; /* as counted; time ES_NONE: not measured */
	double n, ns;		 /* the same per second, per guest-second or in total; negative: not known */
	double ratio;		 /* n / n of the first side; INFINITY if that is 0 and this is not; negative: not known, or 0 / 0 */
	double explained;	 /* (n - first n) / (total n - first total n); NAN where the totals are equal or unknown */
	double explained_time;	 /* the same of ns */
};

struct es_compare_row {
	enum es_class class;
	uint32_t code;			  /* of a reason row */
	char name[ES_REASON_NAME_MAX];	  /* of the reason, of the class, or "total" */
	struct es_compare_cell side[ES_SIDES_MAX];
};

#define ES_COMPARE_WARNINGS 24

struct es_compare {
	size_t n_sides;
	enum es_per per;
	struct {
		const struct es_run *run;
		const struct es_run_vm *vm;
		double divisor; /* seconds (or guest-seconds) that n and ns were divided by; 1 for total, negative: not known */
		struct es_paging_cost paging;
	} sides[ES_SIDES_MAX];
	struct es_compare_row *reasons; /* greatest difference first, then by count */
	size_t n_reasons;
	struct es_compare_row classes[ES_CLASSES]; /* only those that occur, same order; each the sum of its reasons */
	size_t n_classes;
	struct es_compare_row total;
	/* What makes the sides hard to compare, a sentence each. Sides are called A, B, ... They may quote the files. */
	char *warnings[ES_COMPARE_WARNINGS];
	size_t n_warnings, n_run_warnings; /* the first n_run_warnings are about the files, the others about the VMs */
};

/*
 * 0; -EXDEV: the sides cannot be compared at all (VMX with SVM), with the reason in err; -EINVAL: no guest time
 * was measured, which ES_PER_GUEST_SECOND needs, or no side or too many; -ENOMEM. Sides point into the runs, which must outlive out.
 */
int es_compare(const struct es_run *const *runs, const struct es_run_vm *const *vms, size_t n, enum es_per per,
	       struct es_compare *out, char err[ES_ERR_MAX]);
void es_compare_clear(struct es_compare *c);

/*
 * The reasons that explain the difference of a side to the first: those that make up a tenth of it, or are needed for nine tenths,
 * three at most, each in the direction of the whole. Indices into reasons[]; *explained: their sum. 0: nothing to explain.
 */
size_t es_compare_main(const struct es_compare *c, size_t side, size_t at[3], double *explained);

/*
 * VMs of two runs side by side: those of one name; where each run has just one VM, those, whatever their names.
 * Their order is that of the names. 0 or -ENOMEM; *pairs is the caller's to free.
 */
struct es_run_pair {
	const struct es_run_vm *vms[2];
};
int es_run_pairs(const struct es_run *a, const struct es_run *b, struct es_run_pair **pairs, size_t *n);

/* --- render_compare.c, _json.c, _csv.c: what `exitstat compare` prints, of two sides --- */

struct es_style;
/* "B has 8.9x the exits per second of A; INVLPG and EXCP_PF (shadow paging) explain 91% of the difference." */
#define ES_COMPARE_SENTENCE 512
const char *es_compare_sentence(char buf[ES_COMPARE_SENTENCE], const struct es_compare *c);
/* "per second", "per guest-second", "in total" */
const char *es_per_phrase(enum es_per per);
/* "Exits per second, host1, Linux 6.1, AMD SVM"; the host only if both are of one. */
void es_render_compare_title(FILE *f, const struct es_compare *c, const struct es_style *st);
/* Both sides in a few lines, the sentence, classes, reasons. 0 or -ENOMEM. */
int es_render_compare(FILE *f, const struct es_compare *c, const struct es_style *st);
/* One object of the schema exitstat-compare/1, docs/compare.md. 0 or -ENOMEM. */
int es_render_compare_json(FILE *f, const struct es_run *const runs[2], const struct es_compare *pairs, size_t n,
			   enum es_per per);
/* A row a pair of VMs and reason, as counted: --per has no part in it. 0. */
int es_render_compare_csv(FILE *f, const struct es_compare *pairs, size_t n, bool terminal);

#endif
