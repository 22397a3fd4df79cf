// SPDX-License-Identifier: GPL-2.0-only
/* The programs and what they cost, in `exitstat status`. */
#include <errno.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/util.h>

#include "render_status.h"

/* A program, or a sum: those have no program. */
struct row {
	const char *sum;
	const json_t *program; /* of status.programs; of cost.programs if it is gone */
	uint64_t events, ns, interval_ns;
};

static void cell_name(char buf[ES_CELL_MAX], const void *row, unsigned int width, const struct es_style *st)
{
	const struct row *r = row;

	(void)width;
	if (r->sum)
		strcpy(buf, r->sum);
	else
		es_status_string(buf, r->program, "name", st);
}

static void cell_hook(char buf[ES_CELL_MAX], const void *row, unsigned int width, const struct es_style *st)
{
	const struct row *r = row;

	(void)width;
	buf[0] = '\0';
	if (!r->sum)
		es_status_string(buf, r->program, "hook", st);
}

static void cell_attached(char buf[ES_CELL_MAX], const void *row, unsigned int width,
			  const struct es_style *st)
{
	const struct row *r = row;

	(void)width, (void)st;
	strcpy(buf, r->sum ? "" : json_is_true(json_object_get(r->program, "attached")) ? "yes" : "no");
}

static void cell_rate(char buf[ES_CELL_MAX], const void *row, unsigned int width, const struct es_style *st)
{
	struct es_style exact = *st;
	const struct row *r = row;

	(void)width;
	exact.exact = true;
	es_fmt_rate(buf, r->events == ES_NONE ? -1 : es_share(r->events, r->interval_ns) * 1e9, &exact);
}

static void cell_time(char buf[ES_CELL_MAX], const void *row, unsigned int width, const struct es_style *st)
{
	const struct row *r = row;

	(void)width;
	es_fmt_time(buf, !r->events || r->events == ES_NONE || r->ns == ES_NONE ? ES_NONE : r->ns / r->events,
		    st->utf8);
}

static void cell_cpu(char buf[ES_CELL_MAX], const void *row, unsigned int width, const struct es_style *st)
{
	const struct row *r = row;

	(void)width, (void)st;
	es_fmt_share(buf, es_share(r->ns, r->interval_ns));
}

static void cell_missed(char buf[ES_CELL_MAX], const void *row, unsigned int width, const struct es_style *st)
{
	const struct row *r = row;

	(void)width, (void)st;
	buf[0] = '\0';
	if (!r->sum)
		es_fmt_group(buf, es_status_number(r->program, "missed"));
}

static const struct es_column columns[] = {
	{ .key = "name", .title = "PROGRAM", .keep = 100, .cell = cell_name },
	{ .key = "hook", .title = "HOOK", .keep = 50, .cell = cell_hook },
	{ .key = "attached", .title = "ATTACHED", .keep = 70, .cell = cell_attached },
	{ .key = "rate", .title = "EVENTS/S", .right = true, .keep = 80, .cell = cell_rate },
	{ .key = "time", .title = "TIME/EVENT", .right = true, .keep = 80, .cell = cell_time },
	{ .key = "cpu", .title = "CPU", .right = true, .keep = 90, .cell = cell_cpu },
	{ .key = "missed", .title = "MISSED", .right = true, .keep = 60, .cell = cell_missed },
	{ 0 },
};

static const char *name_of(const json_t *program)
{
	const char *name = json_string_value(json_object_get(program, "name"));

	return name ? name : "-";
}

static const json_t *find(const json_t *programs, const char *name)
{
	const json_t *p;
	size_t i;

	json_array_foreach(programs, i, p)
	{
		if (!strcmp(name_of(p), name))
			return p;
	}
	return NULL;
}

/* Programs as the daemon lists them, then those that went during the measurement, then the sums. */
static size_t fill(struct row *rows, const json_t *programs, const json_t *cost)
{
	const json_t *costs = json_object_get(cost, "programs"), *p;
	uint64_t interval_ns = es_status_number(cost, "interval_ns");
	size_t n = 0, i;

	json_array_foreach(programs, i, p)
	{
		const json_t *c = find(costs, name_of(p));

		rows[n++] = (struct row){ NULL, p, es_status_number(c, "events"), es_status_number(c, "ns"),
					  interval_ns };
	}
	json_array_foreach(costs, i, p)
	{
		if (!find(programs, name_of(p)))
			rows[n++] = (struct row){ NULL, p, es_status_number(p, "events"),
						  es_status_number(p, "ns"), interval_ns };
	}
	if (interval_ns == ES_NONE)
		return n;
	rows[n++] = (struct row){ "all programs", NULL, es_status_number(cost, "events"),
				  es_status_number(cost, "programs_ns"), interval_ns };
	rows[n++] =
		(struct row){ "exitstatd", NULL, ES_NONE, es_status_number(cost, "daemon_ns"), interval_ns };
	return n;
}

/* Of the programs on kvm_exit, one or another of which is attached. */
static uint64_t count_exits(const json_t *programs)
{
	uint64_t sum = 0;
	const json_t *p;
	size_t i;

	json_array_foreach(programs, i, p)
	{
		uint64_t n = es_status_number(p, "events");

		if (n != ES_NONE && !strncmp(name_of(p), "kvm_exit", strlen("kvm_exit")))
			sum += n;
	}
	return sum;
}

/* What the programs take for each exit, its entry and what KVM does between the two. */
static void write_per_exit(FILE *f, const json_t *cost, const struct es_style *st)
{
	uint64_t exits = count_exits(json_object_get(cost, "programs"));
	uint64_t ns = es_status_number(cost, "programs_ns");
	char buf[ES_CELL_MAX];

	if (exits && ns != ES_NONE)
		fprintf(f, ": %s of programs an exit", es_fmt_time(buf, ns / exits, st->utf8));
}

static void write_heading(FILE *f, const json_t *cost, const struct es_style *st)
{
	char buf[ES_CELL_MAX];

	fprintf(f, "\n%sCOST%s  ", es_sgr(ES_SGR_BOLD, st), es_sgr(ES_SGR_OFF, st));
	if (json_is_string(json_object_get(cost, "why"))) {
		es_status_string(buf, cost, "why", st);
		fprintf(f, "not measured: %s\n", buf);
		return;
	}
	fprintf(f, "over %s", es_fmt_time(buf, es_status_number(cost, "interval_ns"), st->utf8));
	write_per_exit(f, cost, st);
	fputc('\n', f);
}

int es_render_cost(FILE *f, const json_t *status, const struct es_style *st)
{
	const json_t *programs = json_object_get(status, "programs"), *cost = json_object_get(status, "cost");
	size_t max = json_array_size(programs) + json_array_size(json_object_get(cost, "programs")) + 2, n;
	_cleanup_free_ struct row *rows = calloc(max, sizeof(*rows));
	_cleanup_free_ const void **order = calloc(max, sizeof(*order));
	struct es_layout l;

	if (!rows || !order)
		return -ENOMEM;
	n = fill(rows, programs, cost);
	if (json_is_object(cost))
		write_heading(f, cost, st);
	else if (n) /* an older daemon */
		fputc('\n', f);
	if (!n)
		return 0;
	for (size_t i = 0; i < n; i++)
		order[i] = &rows[i];
	es_layout(&l, columns, order, n, false, st);
	es_layout_heading(f, &l, st);
	for (size_t i = 0; i < n; i++)
		es_layout_row(f, &l, order[i], st);
	return 0;
}
