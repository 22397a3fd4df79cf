// SPDX-License-Identifier: GPL-2.0-only
#include "daemon_cost.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/util.h>

#define NS_PER_US 1000ULL
#define ACCURACY  1000 /* us */

struct es_costs {
	sd_event *event;
	const struct es_cost_ops *ops;
	void *ctx;
	int fd;		    /* holds the statistics on, or -1 */
	unsigned int users; /* of fd */
};

struct es_cost_run {
	struct es_costs *costs;
	sd_event_source *timer;
	void (*ready)(void *ctx);
	void *ctx;
	bool measuring; /* uses fd */
	uint64_t begin_ns;
	struct es_cost_counts before;
	struct es_cost result;
};

static struct es_cost_program *find(struct es_cost_counts *c, const char *name)
{
	for (unsigned int i = 0; i < c->n; i++)
		if (!strcmp(c->programs[i].name, name))
			return &c->programs[i];
	return NULL;
}

void es_cost_add(struct es_cost_counts *c, const char *name, uint64_t runs, uint64_t ns)
{
	struct es_cost_program *p = find(c, name);

	if (!p) {
		if (c->n == ES_COST_PROGRAMS)
			return;
		p = &c->programs[c->n++];
		*p = (struct es_cost_program){ 0 };
		snprintf(p->name, sizeof(p->name), "%s", name);
	}
	p->runs += runs;
	p->ns += ns;
}

/* --- the statistics' being on --- */

static int hold(struct es_costs *c, char why[ES_COST_WHY])
{
	if (!c->users) {
		c->fd = c->ops->on(c->ctx, why);
		if (c->fd < 0)
			return c->fd;
	}
	c->users++;
	return 0;
}

static void release(struct es_cost_run *run)
{
	struct es_costs *c = run->costs;

	if (!run->measuring)
		return;
	run->measuring = false;
	if (--c->users)
		return;
	close(c->fd);
	c->fd = -1;
}

/* --- a measurement --- */

static void look(struct es_costs *c, struct es_cost_counts *out, uint64_t *when_ns)
{
	memset(out, 0, sizeof(*out));
	*when_ns = es_monotonic_ns();
	c->ops->counts(c->ctx, out);
}

/* now becomes what came since before. */
static void subtract(struct es_cost_counts *now, struct es_cost_counts *before)
{
	for (unsigned int i = 0; i < now->n; i++) {
		struct es_cost_program *p = &now->programs[i];
		const struct es_cost_program *was = find(before, p->name);

		if (!was)
			continue; /* loaded in between */
		p->runs = es_diff_u64(was->runs, p->runs);
		p->ns = es_diff_u64(was->ns, p->ns);
	}
	now->daemon_ns = es_diff_u64(before->daemon_ns, now->daemon_ns);
	now->samples = es_diff_u64(before->samples, now->samples);
}

static int on_time(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct es_cost_run *run = ctx;
	uint64_t end_ns;

	(void)source, (void)usec;
	look(run->costs, &run->result.in, &end_ns);
	release(run);
	subtract(&run->result.in, &run->before);
	run->result.interval_ns = end_ns - run->begin_ns;
	run->ready(run->ctx);
	return 0;
}

int es_cost_begin(struct es_costs *c, uint64_t for_ns, void (*ready)(void *ctx), void *ctx,
		  struct es_cost_run **out, char why[ES_COST_WHY])
{
	struct es_cost_run *run = calloc(1, sizeof(*run));
	int r = run ? hold(c, why) : -ENOMEM;

	if (!run)
		snprintf(why, ES_COST_WHY, "out of memory");
	if (r < 0) {
		free(run);
		return r;
	}
	run->costs = c;
	run->measuring = true;
	run->ready = ready;
	run->ctx = ctx;
	look(c, &run->before, &run->begin_ns);
	r = sd_event_add_time(c->event, &run->timer, CLOCK_MONOTONIC, (run->begin_ns + for_ns) / NS_PER_US,
			      ACCURACY, on_time, run);
	if (r < 0) {
		snprintf(why, ES_COST_WHY, "no timer: %s", strerror(-r));
		es_cost_end(run);
		return r;
	}
	*out = run;
	return 0;
}

const struct es_cost *es_cost_result(const struct es_cost_run *run)
{
	return &run->result;
}

void es_cost_end(struct es_cost_run *run)
{
	if (!run)
		return;
	release(run);
	sd_event_source_disable_unref(run->timer);
	free(run);
}

/* --- life --- */

struct es_costs *es_costs_new(sd_event *event, const struct es_cost_ops *ops, void *ctx)
{
	struct es_costs *c = calloc(1, sizeof(*c));

	if (c)
		*c = (struct es_costs){ .event = sd_event_ref(event), .ops = ops, .ctx = ctx, .fd = -1 };
	return c;
}

void es_costs_free(struct es_costs *c)
{
	if (!c)
		return;
	es_closep(&c->fd);
	sd_event_unref(c->event);
	free(c);
}
