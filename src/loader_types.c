// SPDX-License-Identifier: GPL-2.0-only
#include "loader_types.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <bpf/btf.h>

int es_kvm_types_load(struct es_kvm_types *t)
{
	t->kernel = btf__load_vmlinux_btf();
	if (!t->kernel)
		return -errno;
	t->module = btf__load_module_btf("kvm", t->kernel);
	return 0;
}

void es_kvm_types_free(struct es_kvm_types *t)
{
	btf__free(t->module);
	btf__free(t->kernel);
}

/* Looks through the kernel's, too. */
static const struct btf *all(const struct es_kvm_types *t)
{
	return t->module ? t->module : t->kernel;
}

/* The kernel makes a type for each tracepoint: a pointer to a function with a context and the tracepoint's arguments. */
static int tracepoint_type(const struct es_kvm_types *t, const char *name)
{
	char type[64];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return btf__find_by_name_kind(all(t), type, BTF_KIND_TYPEDEF);
}

bool es_kvm_types_tracepoint(const struct es_kvm_types *t, const char *name)
{
	return tracepoint_type(t, name) > 0;
}

/* What the type points at, NULL if it is no pointer. */
static const struct btf_type *target(const struct btf *btf, int type)
{
	const struct btf_type *p = btf__type_by_id(btf, btf__resolve_type(btf, type));

	return p && btf_is_ptr(p) ? btf__type_by_id(btf, btf__resolve_type(btf, p->type)) : NULL;
}

bool es_kvm_typed(const struct es_kvm_types *t)
{
	int type = tracepoint_type(t, "kvm_exit");
	const struct btf_type *function = type > 0 ? target(all(t), type) : NULL, *first;

	if (!function || !btf_is_func_proto(function) || btf_vlen(function) < 2)
		return false;
	first = target(all(t), btf_params(function)[1].type);
	return first && btf_is_struct(first) &&
	       !strcmp(btf__name_by_offset(all(t), first->name_off), "kvm_vcpu");
}
