/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs of VMs side by side, by class and by reason. Any number of sides; ratio and
 * explained compare each with the first. Pure.
 */
#ifndef EXITSTAT_COMPARE_H
#define EXITSTAT_COMPARE_H

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
	size_t n_warnings;
};

/*
 * 0; -EXDEV: the sides cannot be compared at all (VMX with SVM), with the reason in err; -EINVAL: no guest time
 * was measured, which ES_PER_GUEST_SECOND needs, or no side or too many; -ENOMEM. Sides point into the runs, which must outlive out.
 */
int es_compare(const struct es_run *const *runs, const struct es_run_vm *const *vms, size_t n, enum es_per per,
	       struct es_compare *out, char err[ES_ERR_MAX]);
void es_compare_clear(struct es_compare *c);

/*
 * The reasons that explain the difference of a side to the first: as few as make up nine tenths of it, three at most,
 * each in the direction of the whole. Indices into reasons[]; *explained: their sum. 0: nothing to explain.
 */
size_t es_compare_main(const struct es_compare *c, size_t side, size_t at[3], double *explained);

#endif
