/* SPDX-License-Identifier: GPL-2.0-only */
/* What tinyguest.c and the guest's code in tinyguest.S share. */
#ifndef TINYGUEST_H
#define TINYGUEST_H

#define TG_PORT_IO    0xe9 /* --io */
#define TG_PORT_ACK   0xea /* the guest took the interrupt that ended a HLT */
#define TG_PORT_ROUND 0xeb /* a round is over */
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
#define TG_NR	  8

#define TG_WANT	      0
#define TG_DID	      64
#define TG_TOUCH_BASE 128
#define TG_INVLPG_AT  136
#define TG_HALTING    144
#define TG_STOP	      152

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
};

_Static_assert(offsetof(struct tg_params, did) == TG_DID, "tinyguest.S");
_Static_assert(offsetof(struct tg_params, stop) == TG_STOP, "tinyguest.S");

extern const char tg_start[], tg_handler[], tg_end[];
#endif
#endif
