/* SPDX-License-Identifier: GPL-2.0-only */
/* The programs on KVM's MMU, a part of the loader: which of them this kernel can have, load, attach. */
#ifndef EXITSTAT_LOADER_MMU_H
#define EXITSTAT_LOADER_MMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <exitstat/abi.h>
#include <exitstat/config.h>
#include <exitstat/snapshot.h>

/* What is measured, as a snapshot shows it: the rest is null. */
struct es_mmu_measured {
	uint64_t events; /* a bit an enum es_mmu_event */
	bool cr;	 /* by kvm_cr, or (SVM) by exit code */
	bool pf[ES_PFS];
};

struct es_mmu_programs;
struct es_kvm_types;
struct bpf_object;

/*
 * Loads the programs for the tracepoints that the KVM loaded now has, on the maps of the object life, whose
 * layout is known. 0 or negative errno.
 */
int es_mmu_programs_load(struct bpf_object *life, const struct es_kvm_types *types, enum es_mmu_mode mode,
			 enum es_isa isa, struct es_mmu_programs **out);
int es_mmu_programs_attach(struct es_mmu_programs *p);
void es_mmu_programs_detach(struct es_mmu_programs *p);
void es_mmu_programs_free(struct es_mmu_programs *p); /* NULL is fine */

struct bpf_object *es_mmu_programs_object(const struct es_mmu_programs *p);
/* These two once they are attached. */
const struct es_mmu_measured *es_mmu_programs_measured(const struct es_mmu_programs *p);
/* "kvm_mmu_split_huge_page, ...": tracepoints that this KVM has not; "" if it has all. */
const char *es_mmu_programs_absent(const struct es_mmu_programs *p);

/* Before an object is loaded: every map that both know by name becomes the one of from. 0 or negative errno. */
int es_share_maps(struct bpf_object *to, struct bpf_object *from);

#endif
