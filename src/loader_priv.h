/* SPDX-License-Identifier: GPL-2.0-only */
/* What the loader's files share, and nobody else sees. */
#ifndef EXITSTAT_LOADER_PRIV_H
#define EXITSTAT_LOADER_PRIV_H

#include "loader.h"
#include "loader_pin.h"

struct ring_buffer;
struct vcpu_life;

struct es_loader {
	struct vcpu_life *life;
	struct es_programs life_programs; /* one, while it is attached */
	struct es_programs programs;	  /* on exits, and what can be done without */
	struct ring_buffer *ring;
	struct es_slot *slots;
	size_t slots_bytes;
	unsigned int n_slots;
	bool latency;
	enum es_mmu_mode mmu_mode;
	struct es_pins pins;
	struct es_keep *keep;	    /* the pins' */
	uint64_t thread_moves;	    /* ES_HEALTH_THREAD_MOVES, as of es_loader_forget_threads */
	struct es_cost_counts gone; /* what programs that are gone have run */
	uint64_t epoch;
	struct es_event *events; /* room for what is taken from the ring */
	uint32_t n_events, max_events;
};

/* ES_NONE: cannot be read. */
uint64_t es_loader_health_count(const struct es_loader *l, uint32_t which);

/* loader_slots.c: maps the slots and opens the ring, once the lifecycle object is loaded. 0 or negative errno. */
int es_loader_open_slots(struct es_loader *l);
/* After a daemon died: a slot that it was just giving back is not lost, nor given twice. */
void es_loader_repair_free_slots(struct es_loader *l);
/* The ring's size, a page or more. */
uint32_t es_loader_ring_bytes(unsigned int slots);

#endif
