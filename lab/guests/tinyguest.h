/* SPDX-License-Identifier: GPL-2.0-only */
/* What tinyguest.c and the guest's code in tinyguest.S share. */
#ifndef TINYGUEST_H
#define TINYGUEST_H

#define TG_PORT_IO    0xe9 /* --io */
#define TG_PORT_ACK   0xea /* the guest took the interrupt that ended a HLT */
#define TG_PORT_ROUND 0xeb /* a round is over */
#define TG_PORT_MARK  0xec /* before the first and after the last query */
#define TG_VECTOR     0x40
#define TG_GDT	      0x4000
#define TG_IDT	      0x5000

#define TG_CPUID  0
#define TG_TOUCH  1
#define TG_CR3	  2
#define TG_INVLPG 3
#define TG_IO	  4
#define TG_HLT	  5
#define TG_MSR	  6
#define TG_SPIN	  7
#define TG_FF	  8
#define TG_QUERY  9
#define TG_MMIO	  10
#define TG_REMAP  11
#define TG_TIMER  12
#define TG_NR	  13

#define TG_WANT	      0
#define TG_DID	      104
#define TG_TOUCH_BASE 208
#define TG_INVLPG_AT  216
#define TG_HALTING    224
#define TG_STOP	      232
#define TG_FF_EXITS   240
#define TG_FF_CYCLES  248
#define TG_FF_BAD     256
#define TG_QUERY_AT   264
#define TG_MMIO_AT    272
#define TG_REMAP_AT   280
#define TG_REMAP_PTE  288
#define TG_SPUN	      296

/* --timer: ahead of the write by more than KVM takes for it, and how long after it all is over. */
#define TG_TIMER_AHEAD	200000
#define TG_TIMER_AFTER	5000
#define TG_TSC_DEADLINE 0x6e0 /* the MSR */
#define TG_SPIN_GAP	1000  /* cycles: a loop that took longer was left in between */

#define TG_LEAF_ALL	 0x4fffffff /* all exits and their cycles */
#define TG_LEAF_EXITS	 0x4ffffffe /* exits of one number */
#define TG_LEAF_CYCLES	 0x4ffffffd /* and their cycles */
#define TG_LEAF_CYCLES_2 0x4ffffffc /* the same */
#define TG_QUERY_SIZE	 24

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

/* One page a vCPU, in the guest's memory. */
struct tg_params {
	uint64_t want[TG_NR]; /* operations a round */
	uint64_t did[TG_NR];  /* operations done, all rounds */
	uint64_t touch_base;
	uint64_t invlpg_at;
	uint64_t halting; /* set by the guest before HLT, cleared by who wakes it */
	uint64_t stop;	  /* set from outside: end the round */
	/* Last answer of TG_LEAF_ALL, and how many were not as they must be. */
	uint64_t ff_exits, ff_cycles, ff_bad;
	uint64_t query_at;  /* where the guest finds what to ask, once its rounds are over */
	uint64_t mmio_at;   /* an address without memory behind it */
	uint64_t remap_at;  /* a page that --remap maps to two frames by turns */
	uint64_t remap_pte; /* and its entry in the guest's page tables */
	uint64_t spun;	    /* cycles in --spin, without the loops that took longer than TG_SPIN_GAP */
};

struct tg_query {
	uint32_t leaf, index;
	uint32_t eax, ebx, ecx, edx;
};

_Static_assert(offsetof(struct tg_params, did) == TG_DID, "tinyguest.S");
_Static_assert(offsetof(struct tg_params, stop) == TG_STOP, "tinyguest.S");
_Static_assert(offsetof(struct tg_params, query_at) == TG_QUERY_AT, "tinyguest.S");
_Static_assert(offsetof(struct tg_params, remap_pte) == TG_REMAP_PTE, "tinyguest.S");
_Static_assert(offsetof(struct tg_params, spun) == TG_SPUN, "tinyguest.S");
_Static_assert(sizeof(struct tg_query) == TG_QUERY_SIZE, "tinyguest.S");

extern const char tg_start[], tg_handler[], tg_end[];
#endif
#endif
