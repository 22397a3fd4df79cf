/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exit reasons by vendor: one table each, in reasons_vmx.def and reasons_svm.def,
 * as ES_REASON(code, NAME, "tracefs name", class, "what it means in a few words").
 */
#ifndef EXITSTAT_REASONS_H
#define EXITSTAT_REASONS_H

#include <stddef.h>
#include <stdint.h>

#include <exitstat/snapshot.h>

enum es_class {
	ES_CLASS_PAGING, ES_CLASS_CR, ES_CLASS_IO, ES_CLASS_MSR, ES_CLASS_INTERRUPT, ES_CLASS_HALT,
	ES_CLASS_HYPERCALL, ES_CLASS_INSTRUCTION, ES_CLASS_NESTED, ES_CLASS_OTHER, ES_CLASSES
};

struct es_reason_info {
	uint32_t code;
	const char *name;	/* kernel macro without EXIT_REASON_ / SVM_EXIT_ */
	const char *tracefs;	/* as the kvm_exit tracepoint prints it; NULL when that has no name for it */
	enum es_class class;
	const char *help;
};

/* NULL for a code that the table does not hold, and for ES_ISA_NONE. */
const struct es_reason_info *es_reason_info(enum es_isa isa, uint32_t code);
/* By name or by tracefs name, letter case aside; NULL if there is none. */
const struct es_reason_info *es_reason_by_name(enum es_isa isa, const char *name);
/* The whole table, sorted by code as u32. */
const struct es_reason_info *es_reason_table(enum es_isa isa, size_t *n);

#define ES_REASON_NAME_MAX 40
/* The name, or the number (decimal for VMX, 0x… for SVM) written into buf. Returns the string. */
const char *es_reason_name(enum es_isa isa, uint32_t code, char buf[ES_REASON_NAME_MAX]);
enum es_class es_reason_class(enum es_isa isa, uint32_t code);	/* OTHER when not in the table */
/*
 * The class in a VM of that paging mode, which is what JSON and tables show: VMX has one code for
 * exceptions and NMIs, and under shadow paging those are page faults, else they are not.
 */
enum es_class es_reason_class_for(enum es_isa isa, enum es_paging paging, uint32_t code);
const char *es_class_name(enum es_class c);
const char *es_flag_name(enum es_flag f);	/* member names of "flags" in JSON: "bus_lock", … */

#endif
