// SPDX-License-Identifier: GPL-2.0-only
/* The listening socket and the lock beside it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include <exitstat/listen.h>
#include <exitstat/log.h>
#include <exitstat/util.h>

#define BACKLOG	   128
#define LOCK_HZ	   50
#define LOCK_TRIES (5 * LOCK_HZ) /* 5 s */

/* snprintf into err, and the errno that goes with it. */
#define fail(e, err, size, ...) (snprintf(err, size, __VA_ARGS__), -(e))

static int make_directory(const char *path, char *err, size_t size)
{
	char dir[sizeof(((struct es_listen *)0)->path)];
	mode_t mask;
	char *slash;
	int r;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	mask = umask(0); /* everyone has to get through, whatever umask root has */
	r = mkdir(dir, 0755) < 0 ? errno : 0;
	umask(mask);
	if (r == 0 || r == EEXIST)
		return 0;
	return fail(r, err, size, "cannot create %s: %s; choose another place with --socket", dir,
		    strerror(r));
}

static bool read_owner(int fd, unsigned int *pid)
{
	char text[16] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 && sscanf(text, "%u", pid) == 1;
}

static bool owner_is_gone(int fd)
{
	unsigned int pid;

	return read_owner(fd, &pid) && kill((pid_t)pid, 0) && errno == ESRCH;
}

static int refuse_second(const struct es_listen *l, int fd, char *err, size_t size)
{
	unsigned int pid;

	if (read_owner(fd, &pid))
		return fail(EBUSY, err, size, "already running as pid %u on %s", pid, l->path);
	return fail(EBUSY, err, size, "already running on %s", l->path);
}

/* Is the file we locked still the one with that name? Its owner removes it when it leaves. */
static bool still_there(const char *path, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int take_lock(struct es_listen *l, char *err, size_t size)
{
	const struct timespec pause = { .tv_nsec = 1000000000 / LOCK_HZ };

	snprintf(l->lock_path, sizeof(l->lock_path), "%s.lock", l->path);
	for (int tries = 0;; tries++) {
		/* 0600: whoever may open it may also lock it, and so keep us from starting. */
		_cleanup_close_ int fd =
			open(l->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

		if (fd < 0)
			return fail(errno, err, size, "cannot open %s: %s", l->lock_path, strerror(errno));
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			/* Killed a moment ago: its privileged process is still cleaning up. */
			if (errno == EWOULDBLOCK && tries < LOCK_TRIES && owner_is_gone(fd)) {
				nanosleep(&pause, NULL);
				continue;
			}
			return errno == EWOULDBLOCK ? refuse_second(l, fd, err, size)
						    : fail(errno, err, size, "cannot lock %s: %s",
							   l->lock_path, strerror(errno));
		}
		if (!still_there(l->lock_path, fd))
			continue;
		if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", getpid()) < 0)
			return fail(errno, err, size, "cannot write %s: %s", l->lock_path, strerror(errno));
		l->lock_fd = es_steal_fd(&fd);
		return 0;
	}
}

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Removes a socket that a daemon left behind when it was killed. */
static int clear_path(const char *path, const struct sockaddr_un *sun, char *err, size_t size)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT
			       ? 0
			       : fail(errno, err, size, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return fail(EEXIST, err, size,
			    "%s is there and is not a socket; remove it or choose another --socket", path);
	fd = new_socket();
	if (fd < 0)
		return fail(errno, err, size, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 || errno != ECONNREFUSED)
		return fail(EADDRINUSE, err, size,
			    "%s is in use by another program (systemctl stop exitstatd.socket?)", path);
	if (unlink(path) < 0)
		return fail(errno, err, size, "cannot remove the stale socket %s: %s", path, strerror(errno));
	es_info("removed the stale socket %s", path);
	return 0;
}

static int bind_path(struct es_listen *l, char *err, size_t size)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	struct stat st;
	mode_t mask;
	int r;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", l->path);
	r = clear_path(l->path, &sun, err, size);
	if (r < 0)
		return r;
	fd = new_socket();
	if (fd < 0)
		return fail(errno, err, size, "cannot make a socket: %s", strerror(errno));
	mask = umask(0111); /* anyone may connect: what they see depends on who they are */
	r = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? errno : 0;
	umask(mask);
	if (r)
		return fail(r, err, size, "cannot bind %s: %s", l->path, strerror(r));
	if (lstat(l->path, &st) == 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	if (listen(fd, BACKLOG) < 0)
		return fail(errno, err, size, "cannot listen on %s: %s", l->path, strerror(errno));
	l->fd = es_steal_fd(&fd);
	return 0;
}

/* 1 when systemd passed a socket, 0 when not. */
static int inherit(struct es_listen *l, char *err, size_t size)
{
	struct sockaddr_un sun = { 0 };
	socklen_t len = sizeof(sun) - 1;
	int n = sd_listen_fds(1), fd = -1;

	if (n == 0)
		return 0;
	if (n < 0)
		return fail(-n, err, size, "cannot take the sockets of systemd: %s", strerror(-n));
	for (int i = SD_LISTEN_FDS_START; i < SD_LISTEN_FDS_START + n; i++) {
		int *to = sd_is_socket_unix(i, SOCK_STREAM, 1, NULL, 0) > 0 ? &fd
			  : sd_is_socket(i, AF_UNSPEC, SOCK_STREAM, 1) > 0  ? &l->metrics_fd
									    : NULL;

		if (!to || *to >= 0)
			return fail(EINVAL, err, size,
				    "systemd must pass one listening UNIX stream socket, and for metrics one "
				    "of TCP");
		*to = i;
	}
	if (l->metrics_fd >= 0 &&
	    fcntl(l->metrics_fd, F_SETFL, fcntl(l->metrics_fd, F_GETFL) | O_NONBLOCK) < 0)
		return fail(errno, err, size, "cannot use the socket of systemd: %s", strerror(errno));
	if (fd < 0)
		return 0;
	if (getsockname(fd, (struct sockaddr *)&sun, &len) < 0 || sun.sun_path[0] != '/')
		return fail(EINVAL, err, size, "the socket that systemd passed has no path");
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return fail(errno, err, size, "cannot use the socket of systemd: %s", strerror(errno));
	snprintf(l->path, sizeof(l->path), "%s", sun.sun_path);
	l->fd = fd;
	l->inherited = true;
	return 1;
}

int es_listen_open(struct es_listen *l, const char *path, char *err, size_t size)
{
	int r;

	*l = (struct es_listen){ .fd = -1, .lock_fd = -1, .metrics_fd = -1 };
	r = inherit(l, err, size);
	if (r < 0)
		return r;
	if (r == 0) {
		snprintf(l->path, sizeof(l->path), "%s", path);
		r = make_directory(l->path, err, size);
		if (r < 0)
			return r;
	}
	r = take_lock(l, err, size);
	if (r == 0 && !l->inherited)
		r = bind_path(l, err, size);
	if (r < 0)
		es_listen_close(l);
	return r;
}

void es_listen_close(struct es_listen *l)
{
	struct stat st;

	/* Only our own file: somebody may have put another one there. */
	if (l->ino && !l->inherited && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	/* The name goes before the lock does; see still_there(). */
	if (l->lock_fd >= 0)
		unlink(l->lock_path);
	es_closep(&l->fd);
	es_closep(&l->lock_fd);
	es_closep(&l->metrics_fd);
	l->fd = l->lock_fd = l->metrics_fd = -1;
}
