/* SPDX-License-Identifier: GPL-2.0-only */
/* A sample for comparisons: a guest's boot with nested and with shadow paging, of 10 s and 20 s. */
#ifndef ES_TEST_BOOTS_H
#define ES_TEST_BOOTS_H

#include <exitstat/compare.h>

#define S 1000000000ULL

enum {
	READ_CR3 = 0x03,
	WRITE_CR3 = 0x13,
	EXCP_PF = 0x4e,
	CPUID = 0x72,
	INVLPG = 0x79,
	IOIO = 0x7b,
	NPF = 0x400
};

struct boots {
	struct es_run run[2];
	struct es_run_vm vm[2];
	const struct es_run *runs[2];
	const struct es_run_vm *vms[2];
	struct es_compare c;
};

void es_boots(struct boots *b);
/* One more reason, 1 µs each. */
void es_boots_reason(struct boots *b, size_t side, uint32_t code, uint64_t count);
/* Not c: that is the test's own. */
void es_boots_clear(struct boots *b);

#endif
