// SPDX-License-Identifier: GPL-2.0-only
#include "loader_cost.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <exitstat/util.h>

static bool is_attachable(const struct bpf_program *p)
{
	return bpf_program__fd(p) >= 0 && strcmp(bpf_program__section_name(p), "raw_tp") != 0;
}

static bool program_info(const struct bpf_program *p, struct bpf_prog_info *info)
{
	uint32_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_program__fd(p) >= 0 && !bpf_obj_get_info_by_fd(bpf_program__fd(p), info, &len);
}

/* A program goes by its event's name: there are several for some, of which one is loaded. */
static const char *event_of(const struct bpf_program *p)
{
	const char *slash = strrchr(bpf_program__section_name(p), '/');

	return slash ? slash + 1 : bpf_program__name(p);
}

static void program_status(const struct bpf_program *p, bool attached, struct es_program_status *ps)
{
	struct bpf_prog_info info;

	snprintf(ps->name, sizeof(ps->name), "%s", event_of(p));
	snprintf(ps->hook, sizeof(ps->hook), "%s", bpf_program__section_name(p));
	ps->attached = attached;
	ps->runs = ps->run_ns = ps->missed = ES_NONE;
	if (!program_info(p, &info))
		return;
	ps->missed = info.recursion_misses;
	if (info.run_cnt) { /* counted only while the statistics are on */
		ps->runs = info.run_cnt;
		ps->run_ns = info.run_time_ns;
	}
}

void es_object_status(const struct bpf_object *obj, bool attached, struct es_status *st)
{
	struct bpf_program *p;

	if (!obj)
		return;
	bpf_object__for_each_program(p, obj)
	{
		if (is_attachable(p) && st->n_programs < ES_STATUS_PROGRAMS)
			program_status(p, attached, &st->programs[st->n_programs++]);
	}
}

void es_object_counts(const struct bpf_object *obj, struct es_cost_counts *c)
{
	struct bpf_prog_info info;
	struct bpf_program *p;

	if (!obj)
		return;
	bpf_object__for_each_program(p, obj)
	{
		if (is_attachable(p) && program_info(p, &info))
			es_cost_add(c, event_of(p), info.run_cnt, info.run_time_ns);
	}
}

/* What its entries would take, for a kernel that does not tell what they do. */
static uint64_t map_bytes_guess(const struct bpf_map *m)
{
	uint64_t each = (bpf_map__key_size(m) + 7) / 8 * 8 + (bpf_map__value_size(m) + 7) / 8 * 8;

	if (bpf_map__type(m) == BPF_MAP_TYPE_RINGBUF)
		each = 1;
	return each * bpf_map__max_entries(m);
}

static uint64_t map_bytes(const struct bpf_map *m)
{
	_cleanup_fclose_ FILE *f = NULL;
	unsigned long long bytes;
	char path[64], line[128];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(m));
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			return bytes;
	return map_bytes_guess(m);
}

uint64_t es_object_maps_bytes(const struct bpf_object *obj, bool all)
{
	uint64_t sum = 0;
	struct bpf_map *m;

	if (!obj)
		return 0;
	bpf_object__for_each_map(m, obj)
	{
		if (bpf_map__fd(m) >= 0 && (all || bpf_map__is_internal(m)))
			sum += map_bytes(m);
	}
	return sum;
}

int es_bpf_stats_on(char why[ES_COST_WHY])
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	if (fd >= 0)
		return fd;
	fd = -errno;
	snprintf(why, ES_COST_WHY, "the kernel's BPF statistics cannot be switched on: %s", strerror(-fd));
	return fd;
}
