// SPDX-License-Identifier: GPL-2.0-only
#include "daemon_ended.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <exitstat/json.h>
#include <exitstat/log.h>
#include <exitstat/util.h>

#define FILE_NOW       "vms.jsonl"
#define FILE_NEW       "vms.jsonl.new"
#define AGAIN	       256 /* lines added after which the file is written anew */
#define LINE_MAX_BYTES (64UL << 20)

struct es_ended {
	int dir, fd;
	unsigned int added; /* since the file was written anew */
	int error;	    /* the last one, so that it is said once */
};

static void folder_of(char path[PATH_MAX], const char *socket)
{
	snprintf(path, PATH_MAX, "%s.ended", socket);
}

/* Not if it is done: where systemd made the folder we may not. */
static int give_to(int dir, const struct es_privilege_user *user)
{
	struct stat st;

	if (fstat(dir, &st))
		return -errno;
	if (st.st_mode & 077)
		return -EPERM; /* not made by us, and open to others */
	if (st.st_uid == user->uid)
		return 0;
	return fchownat(dir, "", user->uid, user->gid, AT_EMPTY_PATH) ? -errno : 0;
}

int es_ended_open(const char *socket, const struct es_privilege_user *user, struct es_ended **out, char *err,
		  size_t size)
{
	struct es_ended *e = calloc(1, sizeof(*e));
	char path[PATH_MAX];
	int r = e ? 0 : -ENOMEM;

	folder_of(path, socket);
	if (!r && mkdir(path, 0700) && errno != EEXIST)
		r = -errno;
	if (!r) {
		e->fd = -1;
		/* Not to be read: it is another user's, and we may be a root that is kept from that. */
		e->dir = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = e->dir < 0 ? -errno : give_to(e->dir, user);
	}
	if (r) {
		snprintf(err, size, "cannot keep VMs that ended in %s: %s; start without --pin", path,
			 strerror(-r));
		es_ended_free(e);
		return r;
	}
	*out = e;
	return 0;
}

void es_ended_free(struct es_ended *e)
{
	if (!e)
		return;
	es_closep(&e->dir);
	es_closep(&e->fd);
	free(e);
}

int es_ended_remove(const char *socket)
{
	static const char *const files[] = { FILE_NOW, FILE_NEW };
	_cleanup_close_ int dir = -1;
	char path[PATH_MAX];
	int n = 0;

	folder_of(path, socket);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	for (size_t i = 0; i < ES_ARRAY_SIZE(files); i++)
		n += !unlinkat(dir, files[i], 0);
	return rmdir(path) ? -errno : n;
}

/* --- reading --- */

/* One that makes no sense was being written when its daemon died, or is no daemon's: it is left out. */
static bool load_line(struct es_store *store, const char *line, size_t len)
{
	json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *uid = json_object_get(root, "uid");
	struct es_snapshot *s = NULL;
	char err[ES_ERR_MAX];
	bool good = json_is_integer(uid) && json_integer_value(uid) >= 0 &&
		    json_integer_value(uid) <= UINT32_MAX &&
		    !es_snapshot_from_json(json_object_get(root, "snapshot"), &s, err) && s->n_vms == 1 &&
		    s->vms[0]->state == ES_VM_ENDED;

	if (good) {
		s->vms[0]->uid = (uint32_t)json_integer_value(uid);
		es_store_add_ended(store, s->vms[0], s->taken.monotonic_ns);
	}
	es_snapshot_unref(s);
	json_decref(root);
	return good;
}

static void load_file(struct es_store *store, FILE *f)
{
	_cleanup_free_ char *line = NULL;
	unsigned int bad = 0;
	size_t cap = 0;
	ssize_t n;

	while ((n = getline(&line, &cap, f)) > 0) {
		if ((size_t)n > LINE_MAX_BYTES || !load_line(store, line, (size_t)n))
			bad++;
	}
	if (bad)
		es_warn("%u of the VMs that ended before cannot be read and are forgotten", bad);
}

/* --- writing --- */

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int write_vm(int fd, const struct es_snapshot *of, struct es_vm *vm)
{
	struct es_snapshot *s = es_snapshot_new();
	_cleanup_free_ char *text = NULL, *line = NULL;
	size_t len;
	int r = s ? 0 : -ENOMEM, n;

	if (!r) {
		s->taken = of->taken;
		s->host = of->host;
		s->health = of->health;
		r = es_snapshot_add(s, es_vm_ref(vm));
	}
	if (!r)
		text = es_snapshot_to_json(s, true, false, &len);
	es_snapshot_unref(s);
	if (!text)
		return -ENOMEM;
	n = asprintf(&line, "{\"uid\":%u,\"snapshot\":%s}\n", vm->uid, text);
	if (n < 0) {
		line = NULL;
		return -ENOMEM;
	}
	return write_all(fd, line, (size_t)n);
}

static int write_ended(int fd, const struct es_snapshot *s, unsigned int *n)
{
	int r = 0;

	for (size_t i = 0; !r && s && i < s->n_vms; i++) {
		if (s->vms[i]->state != ES_VM_ENDED)
			continue;
		r = write_vm(fd, s, s->vms[i]);
		++*n;
	}
	return r;
}

/* The file anew, with what the store still knows. */
static int rewrite(struct es_ended *e, const struct es_store *store)
{
	_cleanup_close_ int fd =
		openat(e->dir, FILE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	unsigned int n = 0;
	int r = fd < 0 ? -errno : write_ended(fd, es_store_latest(store), &n);

	if (!r && renameat(e->dir, FILE_NEW, e->dir, FILE_NOW))
		r = -errno;
	if (r)
		return r;
	es_closep(&e->fd);
	e->fd = es_steal_fd(&fd);
	e->added = 0;
	return 0;
}

static void tell(struct es_ended *e, int r)
{
	if (r && r != e->error)
		es_error("cannot keep VMs that ended for the next daemon: %s", strerror(-r));
	e->error = r;
}

void es_ended_load(struct es_ended *e, struct es_store *store)
{
	int fd = openat(e->dir, FILE_NOW, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (!f) {
		tell(e, -errno);
		es_closep(&fd);
		return;
	}
	load_file(store, f);
	fclose(f);
	e->added = AGAIN; /* what cannot be read, or is too old, goes with the first that is written */
}

void es_ended_write(struct es_ended *e, const struct es_snapshot *s, const struct es_store *store)
{
	int r = 0;

	for (size_t i = 0; !r && i < s->n_vms; i++) {
		if (s->vms[i]->state != ES_VM_ENDED)
			continue;
		if (e->fd < 0 || e->added >= AGAIN) {
			/* All of them: the store has this sample's. */
			tell(e, rewrite(e, store));
			return;
		}
		r = write_vm(e->fd, s, s->vms[i]);
		e->added++;
	}
	if (r) { /* perhaps half a line */
		es_closep(&e->fd);
		e->fd = -1;
	}
	tell(e, r);
}
