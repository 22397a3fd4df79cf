/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The view from inside: a KVM with the patch of kernel-patch/ answers CPUID leaves with the exits
 * that it counted for the VM that asks, summed over its vCPUs. Everything here is pure: who calls
 * says how CPUID is read, so that tests can play the host.
 */
#ifndef EXITSTAT_GUEST_H
#define EXITSTAT_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <exitstat/render.h>
#include <exitstat/snapshot.h>

#define ES_GUEST_SCHEMA "exitstat-guest/1"

/* Subleaf (ECX) of FE and FD: the exit number. An undefined one answers 0, 0, 0, 0xffffffff. */
#define ES_LEAF_ALL    0x4fffffffU /* all exits, and cycles */
#define ES_LEAF_COUNT  0x4ffffffeU /* exits of one number */
#define ES_LEAF_CYCLES 0x4ffffffdU /* exits of one number, and cycles */

enum es_reg { ES_EAX, ES_EBX, ES_ECX, ES_EDX, ES_REGS };
/* CPUID, not to be merged with another read of the same leaf: each is an exit. */
typedef void (*es_cpuid_fn)(uint32_t leaf, uint32_t subleaf, uint32_t regs[ES_REGS]);

/* Cycles are the host's TSC, from the exit until KVM was done with it. */
struct es_guest_count {
	uint32_t code;
	uint64_t count, cycles;
};

/* One look, or the difference of two (taken.interval_ns is then known). ES_NONE: not known. */
struct es_guest {
	struct es_host host;	/* names: the guest's own; isa: the processor's below it */
	struct es_taken taken;	/* filled in by who calls, as are the names */
	struct es_guest_count *reasons;	/* each code that KVM defines and we can name, sorted, zeros too */
	size_t n_reasons;
	uint64_t all;		/* KVM's own sum, read last: the look's own exits are in it */
	uint64_t other;		/* exits under codes that are not in reasons; known only if nothing exited but the look */
};

/*
 * Reads everything: 0, -ENOMEM, or -ENODEV if no patched KVM answers. Told by an undefined number
 * that is answered as one and a sum that grows, never by a plausible-looking number.
 * g is the caller's to clear after 0.
 */
int es_guest_look(es_cpuid_fn cpuid, struct es_guest *g);
void es_guest_clear(struct es_guest *g);
/*
 * What happened between a and b (b later): 0, -ENOMEM, or -ERANGE if b is not a later look at the same
 * counters (the VM was migrated or restored, or the clock went backwards). *d is the caller's to clear after 0.
 */
int es_guest_diff(const struct es_guest *a, const struct es_guest *b, struct es_guest *d);
const struct es_guest_count *es_guest_find(const struct es_guest *g, uint32_t code);
/* Sums over reasons; ES_NONE if a part is not known or they exceed 64 bits. */
uint64_t es_guest_total(const struct es_guest *g);
uint64_t es_guest_cycles(const struct es_guest *g);

/* Why es_guest_look() found nothing, and what to do, in one line. Returns buf. */
const char *es_guest_explain(es_cpuid_fn cpuid, char *buf, size_t size);

extern const struct es_column es_guest_columns[];

struct es_guest_view {
	const struct es_column *sort;	/* NULL: by rate if there is one, else by count */
	unsigned int rows;		/* reasons at most, 0: all */
};
/* now: what the rates are of (sum itself if that is a difference), NULL: none are shown. 0 or -ENOMEM. */
int es_render_guest(FILE *f, const struct es_guest *sum, const struct es_guest *now,
		    const struct es_guest_view *v, const struct es_style *st);
/* pretty: indented, else one line. */
int es_render_guest_json(FILE *f, const struct es_guest *g, bool pretty);

#endif
