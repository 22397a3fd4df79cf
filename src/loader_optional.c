// SPDX-License-Identifier: GPL-2.0-only
#include "loader_optional.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "loader_programs.h"
#include "loader_types.h"

struct es_optional {
	const struct es_optional_kind *kind;
	bool typed;
	struct bpf_object *obj;
	struct es_measured measured;
	char absent[512];
};

static void note_absent(struct es_optional *o, const struct bpf_program *prog)
{
	size_t used = strlen(o->absent);

	snprintf(o->absent + used, sizeof(o->absent) - used, "%s%s", used ? ", " : "",
		 bpf_program__name(prog));
}

/* Leaves out what this KVM has not, which is not known without types, and what is not asked for. */
static void choose(struct es_optional *o, const struct es_optional_host *host)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, o->obj)
	{
		const char *name = bpf_program__name(prog);
		bool there = !o->typed || es_kvm_types_tracepoint(host->types, name);

		if (!there)
			note_absent(o, prog);
		bpf_program__set_autoload(prog, there && o->kind->wanted(name, host));
	}
}

int es_share_maps(struct bpf_object *to, struct bpf_object *from)
{
	struct bpf_map *m, *theirs;

	bpf_object__for_each_map(m, to)
	{
		int r;

		theirs = bpf_object__find_map_by_name(from, bpf_map__name(m));
		r = theirs && !bpf_map__is_internal(m) ? bpf_map__reuse_fd(m, bpf_map__fd(theirs)) : 0;
		if (r)
			return r;
	}
	return 0;
}

static int open_object(struct es_optional *o)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = o->kind->name);
	size_t size;
	const void *elf = o->typed ? o->kind->elf(&size) : o->kind->elf_raw(&size);

	o->obj = bpf_object__open_mem(elf, size, &opts);
	return o->obj ? 0 : -errno;
}

int es_optional_load(const struct es_optional_kind *kind, const struct es_optional_host *host,
		     struct es_optional **out)
{
	struct es_optional *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->kind = kind;
	o->typed = es_kvm_typed(host->types);
	r = open_object(o);
	if (!r) {
		choose(o, host);
		r = es_share_maps(o->obj, host->life);
	}
	if (!r)
		r = bpf_object__load(o->obj);
	if (!r && kind->begin)
		r = kind->begin(host, &o->measured);
	if (r) {
		es_optional_free(o);
		return r;
	}
	*out = o;
	return 0;
}

/* 1: without types it comes out only now that there is no such tracepoint. */
static int attach_all(struct es_optional *o, struct es_programs *to)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, o->obj)
	{
		int r;

		if (!bpf_program__autoload(prog))
			continue;
		r = es_programs_attach(to, prog);
		if (r && r != -ENOENT)
			return r;
		if (r)
			note_absent(o, prog);
		else
			o->kind->measures(bpf_program__name(prog), o->typed, &o->measured);
	}
	return 0;
}

int es_optional_attach(struct es_optional *o, struct es_programs *to)
{
	unsigned int before = to->n;
	int r = attach_all(o, to);

	if (r)
		es_programs_drop(to, before);
	return r;
}

void es_optional_free(struct es_optional *o)
{
	if (!o)
		return;
	bpf_object__close(o->obj);
	free(o);
}

const struct es_measured *es_optional_measured(const struct es_optional *o)
{
	return &o->measured;
}

const char *es_optional_absent(const struct es_optional *o)
{
	return o->absent;
}
