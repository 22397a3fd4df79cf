/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Measures what the BPF programs cost, for whoever asks. The kernel counts that only while its BPF
 * statistics are on, which slows every BPF program of the host a little: they are on while somebody waits for
 * a measurement, and not a moment longer.
 */
#ifndef EXITSTAT_DAEMON_COST_H
#define EXITSTAT_DAEMON_COST_H

#include <systemd/sd-event.h>

#include <exitstat/cost.h>

struct es_cost_ops {
	/*
	 * Switches the kernel's statistics on. They stay on until the fd that is returned is closed, or longer if
	 * somebody else has them on, too. Negative errno: why says why not.
	 */
	int (*on)(void *ctx, char why[ES_COST_WHY]);
	void (*counts)(void *ctx, struct es_cost_counts *out);
};

struct es_costs;

struct es_costs *es_costs_new(sd_event *event, const struct es_cost_ops *ops, void *ctx);
/* After the last es_cost_end(). */
void es_costs_free(struct es_costs *c);

/* One measurement. Any number of them may go on at a time; each has its own beginning and end. */
struct es_cost_run;

/*
 * Begins one that ends by itself after for_ns (ES_COST_MAX_NS at most): then ready is called, from the event
 * loop. 0, or a negative errno and why.
 */
int es_cost_begin(struct es_costs *c, uint64_t for_ns, void (*ready)(void *ctx), void *ctx,
		  struct es_cost_run **out, char why[ES_COST_WHY]);
/* Once ready was called. Lives as long as the run. */
const struct es_cost *es_cost_result(const struct es_cost_run *run);
/* Gives it up, done or not. NULL is fine. */
void es_cost_end(struct es_cost_run *run);

#endif
