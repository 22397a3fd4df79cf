/* SPDX-License-Identifier: GPL-2.0-only */
/* What loaded BPF objects are, run and take up, as the kernel tells it. */
#ifndef EXITSTAT_LOADER_COST_H
#define EXITSTAT_LOADER_COST_H

#include <stdbool.h>

#include <exitstat/cost.h>
#include <exitstat/status.h>

struct bpf_object;

/* These three take NULL for an object that is not loaded. Programs that are called, not attached, do not count. */
void es_object_status(const struct bpf_object *obj, bool attached, struct es_status *st);
void es_object_counts(const struct bpf_object *obj, struct es_cost_counts *c);
/* Bytes of its maps; without those that it was given by another object unless all. */
uint64_t es_object_maps_bytes(const struct bpf_object *obj, bool all);

/* The kernel's BPF statistics, on until the fd is closed. Negative errno: why says why not. */
int es_bpf_stats_on(char why[ES_COST_WHY]);

#endif
