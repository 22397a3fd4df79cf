/* SPDX-License-Identifier: GPL-2.0-only */
/* What this kernel tells of KVM's types, a part of the loader, and which programs can thus be had. */
#ifndef EXITSTAT_LOADER_TYPES_H
#define EXITSTAT_LOADER_TYPES_H

#include <stdbool.h>

struct btf;

/* Types of the KVM that is loaded: a module's, or the kernel's own if it is built in. */
struct es_kvm_types {
	struct btf *kernel, *module;
};

/* 0 or negative errno: this kernel has no types at all. A module without any is no error. */
int es_kvm_types_load(struct es_kvm_types *t);
void es_kvm_types_free(struct es_kvm_types *t);

bool es_kvm_types_tracepoint(const struct es_kvm_types *t, const char *name);

/*
 * May the programs be those that know KVM's types (tp_btf)? False: those on raw tracepoints, for a KVM that has no
 * types, or one whose kvm_exit does not yet name its vCPU first (to 5.14; 5.15 had both).
 */
bool es_kvm_typed(const struct es_kvm_types *t);

#endif
