// SPDX-License-Identifier: GPL-2.0-only
#include "loader_programs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <exitstat/util.h>

#define MAPS_MAX 256

bool es_program_has_hook(const struct bpf_program *p)
{
	return bpf_program__fd(p) >= 0 && strcmp(bpf_program__section_name(p), "raw_tp") != 0;
}

/* --- on and off --- */

int es_programs_attach(struct es_programs *ps, const struct bpf_program *p)
{
	struct es_attached *a = &ps->list[ps->n];
	struct bpf_link *link;
	int fd;

	if (ps->n == ES_PROGRAMS_MAX)
		return -E2BIG;
	fd = fcntl(bpf_program__fd(p), F_DUPFD_CLOEXEC, 0);
	link = fd < 0 ? NULL : bpf_program__attach(p);
	if (!link) {
		int r = -errno;

		es_closep(&fd);
		return r;
	}
	*a = (struct es_attached){ .fd = fd, .link = link };
	snprintf(a->hook, sizeof(a->hook), "%s", bpf_program__section_name(p));
	ps->n++;
	return 0;
}

static void drop_link(struct es_attached *a)
{
	if (!a->link)
		return;
	if (bpf_link__pin_path(a->link))
		bpf_link__unpin(a->link);
	bpf_link__destroy(a->link);
	a->link = NULL;
}

void es_programs_detach(struct es_programs *ps)
{
	for (unsigned int i = ps->n; i-- > 0;)
		drop_link(&ps->list[i]);
}

void es_programs_drop(struct es_programs *ps, unsigned int from)
{
	while (ps->n > from) {
		drop_link(&ps->list[--ps->n]);
		close(ps->list[ps->n].fd);
	}
}

void es_programs_close(struct es_programs *ps)
{
	for (unsigned int i = ps->n; i-- > 0;) {
		struct es_attached *a = &ps->list[i];

		bpf_link__destroy(a->link);
		close(a->fd);
	}
	ps->n = 0;
}

/* --- in the file system --- */

/* Its place in the order in which they are attached, and its hook: "03:tp_btf:kvm_exit". */
static int file_of(char path[PATH_MAX], const char *dir, unsigned int place, const char *hook)
{
	int n = snprintf(path, PATH_MAX, "%s/%02u:%s", dir, place, hook);

	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	for (char *p = path + strlen(dir) + 1; *p; p++) {
		if (*p == '/')
			*p = ':';
	}
	return 0;
}

int es_programs_pin(struct es_programs *ps, const char *dir)
{
	char path[PATH_MAX];
	int r = 0;

	for (unsigned int i = 0; !r && i < ps->n; i++) {
		struct es_attached *a = &ps->list[i];

		if (bpf_link__pin_path(a->link))
			continue;
		r = file_of(path, dir, i, a->hook);
		if (!r)
			r = bpf_link__pin(a->link, path);
		/* Links that are only fds of perf events: the file system does not know them. */
		if (r == -EINVAL)
			r = -EOPNOTSUPP;
	}
	return r;
}

static int program_of(const struct bpf_link *link)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd;

	if (bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &len))
		return -errno;
	fd = bpf_prog_get_fd_by_id(info.prog_id);
	return fd < 0 ? -errno : fd;
}

static int adopt_one(struct es_programs *ps, const char *dir, const char *name)
{
	struct es_attached *a = &ps->list[ps->n];
	const char *hook = strchr(name, ':');
	char path[PATH_MAX], *colon;

	if (!hook)
		return -EBADMSG;
	if (ps->n == ES_PROGRAMS_MAX)
		return -E2BIG;
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	*a = (struct es_attached){ .link = bpf_link__open(path) };
	if (!a->link)
		return -errno;
	a->fd = program_of(a->link);
	if (a->fd < 0) {
		bpf_link__destroy(a->link);
		return a->fd;
	}
	snprintf(a->hook, sizeof(a->hook), "%s", hook + 1);
	colon = strchr(a->hook, ':');
	if (colon)
		*colon = '/';
	ps->n++;
	return 0;
}

int es_programs_adopt(struct es_programs *ps, const char *dir)
{
	struct dirent **list;
	int n = scandir(dir, &list, NULL, alphasort), r = n < 0 ? -errno : 0;

	for (int i = 0; i < n; i++) {
		if (!r && list[i]->d_name[0] != '.')
			r = adopt_one(ps, dir, list[i]->d_name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	if (r)
		es_programs_close(ps);
	return r;
}

/* --- what they did --- */

static bool program_info(int fd, struct bpf_prog_info *info)
{
	uint32_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, info, &len);
}

/* A program goes by its event's name: there are several for some, of which one is loaded. */
static const char *event_of(const char *hook)
{
	const char *slash = strrchr(hook, '/');

	return slash ? slash + 1 : hook;
}

static void program_status(const char *hook, int fd, bool attached, struct es_status *st)
{
	struct es_program_status *ps = &st->programs[st->n_programs];
	struct bpf_prog_info info;

	if (st->n_programs == ES_STATUS_PROGRAMS)
		return;
	st->n_programs++;
	snprintf(ps->name, sizeof(ps->name), "%s", event_of(hook));
	snprintf(ps->hook, sizeof(ps->hook), "%s", hook);
	ps->attached = attached;
	ps->runs = ps->run_ns = ps->missed = ES_NONE;
	if (!program_info(fd, &info))
		return;
	ps->missed = info.recursion_misses;
	if (info.run_cnt) { /* counted only while the statistics are on */
		ps->runs = info.run_cnt;
		ps->run_ns = info.run_time_ns;
	}
}

void es_programs_status(const struct es_programs *ps, struct es_status *st)
{
	for (unsigned int i = 0; i < ps->n; i++)
		program_status(ps->list[i].hook, ps->list[i].fd, ps->list[i].link != NULL, st);
}

void es_program_status_off(const struct bpf_program *p, struct es_status *st)
{
	program_status(bpf_program__section_name(p), bpf_program__fd(p), false, st);
}

uint64_t es_programs_missed(const struct es_programs *ps)
{
	struct bpf_prog_info info;
	uint64_t sum = 0;

	for (unsigned int i = 0; i < ps->n; i++) {
		if (program_info(ps->list[i].fd, &info))
			sum += info.recursion_misses;
	}
	return sum;
}

void es_programs_counts(const struct es_programs *ps, struct es_cost_counts *c)
{
	struct bpf_prog_info info;

	for (unsigned int i = 0; i < ps->n; i++) {
		if (program_info(ps->list[i].fd, &info))
			es_cost_add(c, event_of(ps->list[i].hook), info.run_cnt, info.run_time_ns);
	}
}

/* --- what they take up --- */

/* What its entries would take, for a kernel that does not tell what they do. */
static uint64_t map_bytes_guess(const struct bpf_map_info *m)
{
	uint64_t each = (m->key_size + 7) / 8 * 8 + (m->value_size + 7) / 8 * 8;

	if (m->type == BPF_MAP_TYPE_RINGBUF)
		each = 1;
	return each * m->max_entries;
}

static uint64_t map_bytes(uint32_t id)
{
	_cleanup_close_ int fd = bpf_map_get_fd_by_id(id);
	_cleanup_fclose_ FILE *f = NULL;
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	unsigned long long bytes;
	char path[64], line[128];

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			return bytes;
	return map_bytes_guess(&info);
}

struct ids {
	uint32_t id[MAPS_MAX];
	unsigned int n;
};

static void add_id(struct ids *ids, uint32_t id)
{
	for (unsigned int i = 0; i < ids->n; i++) {
		if (ids->id[i] == id)
			return;
	}
	if (ids->n < MAPS_MAX)
		ids->id[ids->n++] = id;
}

static void add_program_maps(struct ids *ids, int fd)
{
	uint32_t of[64] = { 0 }, len;
	struct bpf_prog_info info = { 0 };

	info.nr_map_ids = ES_ARRAY_SIZE(of);
	info.map_ids = (uint64_t)(uintptr_t)of;
	len = sizeof(info);
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return;
	for (uint32_t i = 0; i < info.nr_map_ids && i < ES_ARRAY_SIZE(of); i++)
		add_id(ids, of[i]);
}

uint64_t es_programs_map_bytes(const struct es_programs *const *lists, unsigned int n,
			       const struct bpf_object *obj)
{
	struct bpf_map_info info;
	uint64_t sum = 0;
	struct ids ids = { .n = 0 };
	struct bpf_map *m;

	bpf_object__for_each_map(m, obj)
	{
		uint32_t len = sizeof(info);

		if (bpf_map__fd(m) >= 0 && !bpf_obj_get_info_by_fd(bpf_map__fd(m), &info, &len))
			add_id(&ids, info.id);
	}
	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int k = 0; k < lists[i]->n; k++)
			add_program_maps(&ids, lists[i]->list[k].fd);
	}
	for (unsigned int i = 0; i < ids.n; i++)
		sum += map_bytes(ids.id[i]);
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
