/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's memory: a ring of immutable snapshots, and the VMs that ended. */
#ifndef EXITSTAT_STORE_H
#define EXITSTAT_STORE_H

#include <exitstat/snapshot.h>

struct es_store_options {
	unsigned int ring;		/* snapshots kept, at least 2 */
	uint64_t ended_keep_ns;		/* how long an ended VM stays in the answers */
	unsigned int ended_max;		/* and how many of them at most; the oldest goes first */
};

struct es_store;

struct es_store *es_store_new(const struct es_store_options *o);	/* NULL: out of memory */
void es_store_free(struct es_store *st);
/* Other limits for a store in use; what they no longer allow is forgotten. 0 or -ENOMEM (nothing changed). */
int es_store_configure(struct es_store *st, const struct es_store_options *o);
/*
 * Takes over s (one reference): the live VMs, and each VM that ended since the
 * last put, once, with its final counts. The store adds the ended VMs it keeps.
 * tick: push into the ring (the timer's sample); else replace only the newest
 * view (a sample on demand). 0 or -ENOMEM (the old view stays).
 */
int es_store_put(struct es_store *st, struct es_snapshot *s, bool tick);
/* A VM that ended before there was this store. */
void es_store_add_ended(struct es_store *st, struct es_vm *vm, uint64_t now_ns);
/* The newest view; NULL before the first put. Borrowed: take a reference to keep it. */
struct es_snapshot *es_store_latest(const struct es_store *st);
/* The n-th newest tick of the ring, 0 the newest; NULL when there is none. Borrowed. */
struct es_snapshot *es_store_tick(const struct es_store *st, unsigned int n);
/* A number that changes with every put: key for caches of rendered text. */
uint64_t es_store_generation(const struct es_store *st);

#endif
