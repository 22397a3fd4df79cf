// SPDX-License-Identifier: GPL-2.0-only
/* Which VMs of which runs are one part of the page, and in which colours. */
#include <errno.h>
#include <string.h>

#include <exitstat/report.h>
#include <exitstat/util.h>

/* The sides of one part: the runs that have the VM. */
struct sides {
	const struct es_run *runs[ES_SIDES_MAX];
	const struct es_run_vm *vms[ES_SIDES_MAX];
	size_t n;
};

static void sides_add(struct sides *s, const struct es_run *run, const struct es_run_vm *vm)
{
	s->runs[s->n] = run;
	s->vms[s->n++] = vm;
}

static int part_add(struct es_report *r, const struct sides *s, char err[ES_ERR_MAX])
{
	struct es_report_part *more = reallocarray(r->parts, r->n_parts + 1, sizeof(*more));
	int e;

	if (!more) {
		snprintf(err, ES_ERR_MAX, "out of memory");
		return -ENOMEM;
	}
	r->parts = more;
	more += r->n_parts;
	memset(more, 0, sizeof(*more));
	more->name = s->vms[0]->name;
	e = es_compare(s->runs, s->vms, s->n, r->per, &more->compare, err);
	if (!e)
		r->n_parts++;
	return e;
}

/* Each run has one VM, whatever it is called: those are what is to be compared. */
static bool one_each(const struct es_report *r)
{
	for (size_t i = 0; i < r->n_runs; i++)
		if (r->runs[i].n_vms != 1)
			return false;
	return r->n_runs > 0;
}

static int add_single(struct es_report *r, char err[ES_ERR_MAX])
{
	struct sides s = { .n = 0 };

	for (size_t i = 0; i < r->n_runs; i++)
		sides_add(&s, &r->runs[i], &r->runs[i].vms[0]);
	return part_add(r, &s, err);
}

/* The name that comes next after name (NULL: the first) in any of the runs; NULL at the end. */
static const char *next_name(const struct es_report *r, const char *name)
{
	const char *best = NULL;

	for (size_t i = 0; i < r->n_runs; i++)
		for (size_t k = 0; k < r->runs[i].n_vms; k++) {
			const char *is = r->runs[i].vms[k].name;

			if ((!name || strcmp(is, name) > 0) && (!best || strcmp(is, best) < 0))
				best = is;
		}
	return best;
}

static int add_by_name(struct es_report *r, char err[ES_ERR_MAX])
{
	for (const char *name = next_name(r, NULL); name; name = next_name(r, name)) {
		struct sides s = { .n = 0 };
		int e;

		if (r->n_parts == ES_REPORT_VMS_MAX) {
			snprintf(err, ES_ERR_MAX,
				 "more than %d VMs are too many for a page; choose some with --vm",
				 ES_REPORT_VMS_MAX);
			return -E2BIG;
		}
		for (size_t i = 0; i < r->n_runs; i++) {
			const struct es_run_vm *vm = es_run_vm(&r->runs[i], name);

			if (vm)
				sides_add(&s, &r->runs[i], vm);
		}
		e = part_add(r, &s, err);
		if (e)
			return e;
	}
	return 0;
}

int es_report_init(struct es_report *r, const struct es_run *runs, size_t n, enum es_per per,
		   char err[ES_ERR_MAX])
{
	int e;

	*r = (struct es_report){ .per = per, .runs = runs, .n_runs = n };
	e = one_each(r) ? add_single(r, err) : add_by_name(r, err);
	if (e)
		es_report_clear(r);
	return e;
}

void es_report_clear(struct es_report *r)
{
	for (size_t i = 0; i < r->n_parts; i++)
		es_compare_clear(&r->parts[i].compare);
	free(r->parts);
	*r = (struct es_report){ 0 };
}

/* --- colours --- */

/*
 * Told apart with each of the common kinds of colour blindness, and three times as bright or dark as the page behind them. They are
 * never alone: each bar and panel has its run's name beside it.
 */
static const struct es_report_colour any[ES_SIDES_MAX] = {
	{ "#0069b4", "#5aa9f0" }, { "#c2500f", "#f0924c" }, { "#00806b", "#3cc9a7" },
	{ "#8b4fa8", "#c795e0" }, { "#8a6d00", "#d9b93a" }, { "#3f8fc9", "#a9d3f5" },
	{ "#b8436f", "#f08fb4" }, { "#5f6770", "#aab2bb" },
};
/* A hue for each way of paging, dark and bright: what is alike looks alike. */
static const struct es_report_colour nested[] = { { "#17508f", "#5aa2ee" }, { "#4a8fd6", "#a8d0f8" } };
static const struct es_report_colour shadow[] = { { "#a8420a", "#f08a3c" }, { "#da7a20", "#f9c690" } };

static enum es_paging paging_of(const struct es_run *run)
{
	enum es_paging mode = run->n_vms ? run->vms[0].paging : ES_PAGING_NONE;

	for (size_t i = 1; i < run->n_vms; i++)
		if (run->vms[i].paging != mode)
			return ES_PAGING_NONE;
	return mode;
}

static bool by_hue(const struct es_report *r, struct es_report_colour out[ES_SIDES_MAX])
{
	size_t n_nested = 0, n_shadow = 0;

	for (size_t i = 0; i < r->n_runs; i++) {
		enum es_paging mode = paging_of(&r->runs[i]);
		bool is_shadow = mode == ES_PAGING_SHADOW;
		size_t *n = is_shadow ? &n_shadow : &n_nested;

		if (mode == ES_PAGING_NONE || *n == ES_ARRAY_SIZE(nested))
			return false;
		out[i] = (is_shadow ? shadow : nested)[(*n)++];
	}
	return n_nested && n_shadow;
}

void es_report_colours(const struct es_report *r, struct es_report_colour out[ES_SIDES_MAX])
{
	memcpy(out, any, sizeof(any));
	if (!by_hue(r, out))
		memcpy(out, any, sizeof(any));
}
