// SPDX-License-Identifier: GPL-2.0-only
#include "loader_pin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <exitstat/abi.h>
#include <exitstat/log.h>
#include <exitstat/util.h>

#define KEEP "keep"

static const char *const folders[] = { "maps", "links", "life" };

/* --- the folder --- */

/* 0 or negative errno; counts what goes. */
static int remove_all(int parent, const char *name, int *removed)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0))
			r = -errno;
		else
			++*removed;
	}
	closedir(d);
	return r ? r : unlinkat(parent, name, AT_REMOVEDIR) ? -errno : 0;
}

/* The programs first: they must not go on with maps that the next daemon does not find. */
static int clear(const char *dir, int *removed)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	for (size_t i = ES_ARRAY_SIZE(folders); !r && i-- > 0;)
		r = remove_all(fd, folders[i], removed);
	if (!r && !unlinkat(fd, KEEP, 0))
		++*removed;
	else if (!r && errno != ENOENT)
		r = -errno;
	return r;
}

int es_pins_remove(const char *dir)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int n = 0, r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB))
		return -EBUSY;
	r = clear(dir, &n);
	if (!r && rmdir(dir) && errno != ENOENT)
		r = -errno;
	return r ? r : n;
}

void es_pins_folder(const struct es_pins *p, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", p->dir, name);
}

static int make_folders(const struct es_pins *p)
{
	char path[PATH_MAX];

	if (mkdir(p->dir, 0700) && errno != EEXIST)
		return -errno;
	for (size_t i = 0; i < ES_ARRAY_SIZE(folders); i++) {
		es_pins_folder(p, folders[i], path, sizeof(path));
		if (mkdir(path, 0700) && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static int open_folder(struct es_pins *p, char *err, size_t size)
{
	struct statfs fs;
	int r = 0;

	if (mkdir(p->dir, 0700) && errno != EEXIST)
		r = -errno;
	if (!r && (statfs(p->dir, &fs) || fs.f_type != BPF_FS_MAGIC)) {
		rmdir(p->dir); /* if it was ours, and not if there is anything in it */
		snprintf(err, size,
			 "%s is on no BPF file system: mount -t bpf bpf /sys/fs/bpf, or start without --pin",
			 p->dir);
		return -EINVAL;
	}
	if (!r) {
		p->lock_fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = p->lock_fd < 0 ? -errno : 0;
	}
	if (!r && flock(p->lock_fd, LOCK_EX | LOCK_NB)) {
		snprintf(err, size, "%s is in use by another exitstatd: choose another --pin-dir", p->dir);
		return -EBUSY;
	}
	if (r)
		snprintf(err, size, "cannot pin in %s: %s; choose another --pin-dir", p->dir, strerror(-r));
	return r;
}

/* --- what is kept --- */

static struct es_keep *map_keep(int fd)
{
	void *p = mmap(NULL, sizeof(struct es_keep), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int open_keep(struct es_pins *p)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	char path[PATH_MAX];

	es_pins_folder(p, KEEP, path, sizeof(path));
	p->keep_fd = bpf_obj_get(path);
	if (p->keep_fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(p->keep_fd, &info, &len))
		return -errno;
	if (info.type != BPF_MAP_TYPE_ARRAY || info.value_size != sizeof(struct es_keep) ||
	    !(info.map_flags & BPF_F_MMAPABLE))
		return -EPROTO;
	p->keep = map_keep(p->keep_fd);
	return p->keep ? 0 : -ENOMEM;
}

static void forget_keep(struct es_pins *p)
{
	if (p->keep)
		munmap(p->keep, sizeof(*p->keep));
	p->keep = NULL;
	es_closep(&p->keep_fd);
	p->keep_fd = -1;
}

/* What keeps its maps from being used; NULL: nothing. */
static const char *other(const struct es_keep *have, const struct es_keep *want)
{
	if (have->abi != want->abi || have->slot_bytes != want->slot_bytes)
		return "is of a version that counts in another way";
	if (!have->maps_ready)
		return "was not finished";
	if (have->slots != want->slots)
		return "has another number of --slots";
	if (have->latency != want->latency)
		return "differs in --no-latency";
	return have->mmu != want->mmu ? "differs in --mmu" : NULL;
}

static int new_keep(struct es_pins *p, const struct es_keep *want)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	char path[PATH_MAX];
	int r = make_folders(p);

	if (r)
		return r;
	p->keep_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "exitstat_keep", sizeof(uint32_t),
				    sizeof(struct es_keep), 1, &opts);
	if (p->keep_fd < 0)
		return -errno;
	p->keep = map_keep(p->keep_fd);
	if (!p->keep)
		return -ENOMEM;
	*p->keep = *want;
	es_pins_folder(p, KEEP, path, sizeof(path));
	return bpf_obj_pin(p->keep_fd, path) ? -errno : 0;
}

static int adopt_or_begin(struct es_pins *p, const struct es_keep *want, char *err, size_t size)
{
	int r = open_keep(p), removed = 0;
	const char *why = r == -ENOENT ? NULL : r ? "is of another version" : other(p->keep, want);

	if (!r && !why) {
		p->adopted = true;
		return make_folders(p);
	}
	forget_keep(p);
	r = clear(p->dir, &removed);
	if (why)
		es_warn("what a daemon before left in %s %s: counts begin anew", p->dir, why);
	if (!r)
		r = new_keep(p, want);
	if (r)
		snprintf(err, size, "cannot pin in %s: %s; choose another --pin-dir", p->dir, strerror(-r));
	return r;
}

int es_pins_open(struct es_pins *p, const char *dir, const struct es_keep *want, char *err, size_t size)
{
	int r;

	*p = (struct es_pins){ .lock_fd = -1, .keep_fd = -1, .why = "off: --pin" };
	if (dir && *dir) {
		snprintf(p->dir, sizeof(p->dir), "%s", dir);
		r = open_folder(p, err, size);
		return r ? r : adopt_or_begin(p, want, err, size);
	}
	p->keep = mmap(NULL, sizeof(*p->keep), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->keep == MAP_FAILED) {
		p->keep = NULL;
		snprintf(err, size, "out of memory");
		return -ENOMEM;
	}
	*p->keep = *want;
	return 0;
}

void es_pins_close(struct es_pins *p)
{
	forget_keep(p);
	es_closep(&p->lock_fd);
	p->lock_fd = -1;
}

int es_pins_maps(const struct es_pins *p, struct bpf_object *obj)
{
	char path[PATH_MAX];
	struct bpf_map *m;
	int r = 0;

	if (!p->dir[0])
		return 0;
	bpf_object__for_each_map(m, obj)
	{
		if (r || bpf_map__is_internal(m))
			continue;
		snprintf(path, sizeof(path), "%s/maps/%s", p->dir, bpf_map__name(m));
		r = bpf_map__set_pin_path(m, path);
	}
	return r;
}

void es_pins_give_up(struct es_pins *p, const char *why)
{
	int removed = 0;

	if (!p->dir[0])
		return;
	clear(p->dir, &removed);
	rmdir(p->dir);
	snprintf(p->why, sizeof(p->why), "%s", why);
	es_warn("nothing is pinned: %s", why);
	p->dir[0] = '\0';
}
