/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What survives exitstatd, a part of the loader: maps and programs in a folder of the BPF file system, and beside them what the
 * next daemon must know of them. Without that folder the same things are in this process' own memory.
 */
#ifndef EXITSTAT_LOADER_PIN_H
#define EXITSTAT_LOADER_PIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader_optional.h"

struct bpf_object;

#define ES_BUILD_MAX 128 /* a KVM build's name, see collector.c */

struct es_keep {
	/* What the maps are for: another daemon can use them if it wants the same. */
	uint32_t abi, slot_bytes, slots, latency, mmu;
	uint32_t maps_ready;
	/* Which programs are attached. */
	uint64_t programs;	  /* a hash of all that this daemon has */
	uint32_t links_ready;	  /* 0: while they are changed */
	char build[ES_BUILD_MAX]; /* of the KVM that they were loaded for */
	bool typed, waits;
	struct es_keep_optional {
		bool attached;
		struct es_measured measured; /* also by programs that are gone: what they counted stands */
		char failure[192], absent[512];
	} optional[ES_OPTIONALS];
	uint64_t missed_before; /* by programs that are gone */
	uint32_t freeing;	/* a slot plus one: it is being cleared and put among the free ones */
};

struct es_pins {
	char dir[256]; /* "": nothing is pinned */
	char why[192]; /* then: why not */
	int lock_fd, keep_fd;
	bool adopted; /* there was something, and it is used */
	struct es_keep *keep;
};

/*
 * want: what the maps will be for. dir NULL or "": nothing is pinned. Else the folder is made if it is missing and
 * held until es_pins_close; what there is from a daemon that wanted something else is removed, and that is logged.
 * 0 or negative errno with one line in err.
 */
int es_pins_open(struct es_pins *p, const char *dir, const struct es_keep *want, char *err, size_t size);
/* All stays where it is. */
void es_pins_close(struct es_pins *p);
/* Before an object is loaded: its maps will be those in the folder, or be there from then on. 0 or negative errno. */
int es_pins_maps(const struct es_pins *p, struct bpf_object *obj);
/* "DIR/links", "DIR/life": for loader_programs.h. */
void es_pins_folder(const struct es_pins *p, const char *name, char *path, size_t size);
/* Removes all from the folder; what this process uses goes on until it ends. why: for status. */
void es_pins_give_up(struct es_pins *p, const char *why);

/*
 * Removes dir and all that is pinned there: programs that nobody else holds are off KVM then. >= 0: how many; or negative
 * errno, -EBUSY: a daemon uses it.
 */
int es_pins_remove(const char *dir);

#endif
