/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * BPF objects without which exits are counted all the same, a part of the loader. Of each only those programs are loaded
 * whose tracepoints the KVM that is loaded now has; a program is called as its tracepoint.
 */
#ifndef EXITSTAT_LOADER_OPTIONAL_H
#define EXITSTAT_LOADER_OPTIONAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <exitstat/abi.h>
#include <exitstat/config.h>
#include <exitstat/snapshot.h>

struct bpf_object;
struct es_kvm_types;
struct es_optional;
struct es_programs;

enum es_optional_id { ES_OPTIONAL_MMU, ES_OPTIONAL_NESTED, ES_OPTIONALS };

/* What is measured of the MMU, as a snapshot shows it: the rest is null. */
struct es_mmu_measured {
	uint64_t events; /* a bit an enum es_mmu_event */
	bool cr;	 /* by kvm_cr, or (SVM) by exit code */
	bool pf[ES_PFS];
};

struct es_measured {
	struct es_mmu_measured mmu;
	uint32_t flags; /* a bit an enum es_flag: of ES_OPTIONAL_FLAGS */
};

#define ES_OPTIONAL_FLAGS (1u << ES_FLAG_L2 | 1u << ES_FLAG_L2_REFLECTED)

struct es_optional_host {
	struct bpf_object *life; /* its maps are shared, the layout in them is known */
	const struct es_kvm_types *types;
	enum es_mmu_mode mmu;
	enum es_isa isa;
};

/* What an object is. */
struct es_optional_kind {
	const char *name;
	const void *(*elf)(size_t *size), *(*elf_raw)(size_t *size); /* the latter for a KVM without types */
	/* What is measured whatever programs there are; NULL: nothing. 0 or negative errno. */
	int (*begin)(const struct es_optional_host *host, struct es_measured *m);
	/* Is that tracepoint's program asked for? */
	bool (*wanted)(const char *tracepoint, const struct es_optional_host *host);
	/* What its program measures. typed: it knows KVM's types. */
	void (*measures)(const char *tracepoint, bool typed, struct es_measured *m);
};
extern const struct es_optional_kind es_optional_mmu, es_optional_nested;

/* 0 or negative errno. */
int es_optional_load(const struct es_optional_kind *kind, const struct es_optional_host *host,
		     struct es_optional **out);
int es_optional_attach(struct es_optional *o, struct es_programs *to);
/* Its programs stay where they were attached. NULL is fine. */
void es_optional_free(struct es_optional *o);

/* These two once it is attached. What this object measures; nothing else is set. */
const struct es_measured *es_optional_measured(const struct es_optional *o);
/* "kvm_mmu_split_huge_page, ...": tracepoints that this KVM has not; "" if it has all. */
const char *es_optional_absent(const struct es_optional *o);

/* Before an object is loaded: every map that both know by name becomes the one of from. 0 or negative errno. */
int es_share_maps(struct bpf_object *to, struct bpf_object *from);

#endif
