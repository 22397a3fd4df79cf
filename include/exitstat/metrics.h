/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What Prometheus is told: a page of text of the newest view of the store, over HTTP. It sees the store, nobody's
 * processes, slots or programs. docs/metrics.md lists the families.
 */
#ifndef EXITSTAT_METRICS_H
#define EXITSTAT_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <systemd/sd-event.h>

#include <exitstat/snapshot.h>
#include <exitstat/status.h>
#include <exitstat/store.h>

/* How many series there can be. */
struct es_metrics_options {
	uint64_t vms;	 /* at most; those beyond are counted in exitstat_vms_left_out */
	bool histograms; /* of exit times: 18 series for each class of reasons */
};

enum es_metrics_format { ES_METRICS_TEXT, ES_METRICS_OPENMETRICS, ES_METRICS_FORMATS };

/*
 * Writes the page: text format 0.0.4, or OpenMetrics 1.0.0. What is not measured is left out. VM names come as they are, with
 * what the format cannot hold escaped; of several live VMs of one name the first has it, the others are NAME@ID, and
 * a VM that ended makes room for a live one of its name. Whose name would then still be another's is left out.
 */
void es_metrics_write(FILE *f, enum es_metrics_format format, const struct es_metrics_options *o,
		      const struct es_snapshot *s, const struct es_status *st);
/* Each family: name, type, help, and its labels ("vm,reason"). NULL at the end. For docs and tests. */
struct es_metrics_family {
	const char *name, *type, *labels, *help;
};
const struct es_metrics_family *es_metrics_family(size_t i);

struct es_metrics_ops {
	void (*refresh)(void *ctx); /* sample, if the newest view is too old */
	void (*status)(void *ctx, struct es_status *st);
};

struct es_metrics;

/* "127.0.0.1:9942", "[::1]:9942": a listening socket, the caller's. Negative errno with one line in err. */
int es_metrics_listen(const char *address, char *err, size_t size);
/* Answers on that socket, which stays the caller's. 0 or negative errno. */
int es_metrics_new(sd_event *event, int listen_fd, const struct es_store *store, const struct es_metrics_ops *ops,
		   void *ctx, const struct es_metrics_options *o, struct es_metrics **out);
void es_metrics_free(struct es_metrics *m); /* NULL is fine */

#endif
