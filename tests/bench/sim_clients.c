// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients of exitstatd that ask for snapshots, and how long they wait for them.
 *
 *   sim-clients SOCKET wait VMS                     until a snapshot has that many VMs; when that was, in ns since 1970
 *   sim-clients SOCKET ask CLIENTS MS SECONDS VMS   each asks every MS ms (0: at once again), for so long: for one of
 *                                                   that many VMs, or, if that is 0, for all
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <exitstat/util.h>

#define NS_PER_MS 1000000ull
#define WAIT_NS	  (60 * 1000 * NS_PER_MS) /* for a daemon that does not come */

struct client {
	int fd;
	bool waits;
	bool begun; /* a part of the answer has come */
	uint64_t due_ns, asked_ns;
};

struct run {
	const char *path, *vm;
	unsigned int n_clients, n_vms;
	uint64_t pause_ns, end_ns;
	unsigned int n_waiting; /* clients that wait for an answer */
	int epoll;
	struct client *clients;
	uint64_t *took; /* ns of each answer */
	size_t n_took, cap_took;
	uint64_t bytes;
};

static char buf[1 << 20];

static void die(const char *what)
{
	fprintf(stderr, "sim-clients: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int dial(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void ask(int fd, const char *vm)
{
	char line[256];
	int n;

	if (*vm)
		n = snprintf(line, sizeof(line),
			     "{\"method\":\"exitstat.GetSnapshot\",\"parameters\":{\"vm\":\"%s\"}}\n", vm);
	else
		n = snprintf(line, sizeof(line), "{\"method\":\"exitstat.GetSnapshot\"}\n");
	if (write(fd, line, (size_t)n) != n)
		die("write");
}

/* --- wait --- */

static unsigned int count_vms(int fd)
{
	static const char vm[] = "\"vcpus\":";
	unsigned int found = 0, at = 0;
	ssize_t n;

	ask(fd, "");
	for (;;) {
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			die("read");
		for (ssize_t i = 0; i < n; i++) {
			at = buf[i] == vm[at] ? at + 1 : buf[i] == vm[0];
			if (!vm[at]) {
				found++;
				at = 0;
			}
		}
		if (buf[n - 1] == '\n')
			return found;
	}
}

static int wait_for(const char *path, unsigned int vms)
{
	uint64_t end = es_monotonic_ns() + WAIT_NS;
	int fd;

	while ((fd = dial(path)) < 0) {
		if (es_monotonic_ns() > end)
			die(path);
		usleep(1000);
	}
	while (count_vms(fd) < vms)
		usleep(1000);
	printf("%llu\n", (unsigned long long)es_clock_ns(CLOCK_REALTIME));
	close(fd);
	return 0;
}

/* --- ask --- */

static void start(struct run *r, struct client *c)
{
	char vm[64];

	snprintf(vm, sizeof(vm), "%s", r->vm);
	if (*vm)
		snprintf(vm, sizeof(vm), "vm%05u", (unsigned int)random() % r->n_vms);
	c->asked_ns = es_monotonic_ns();
	c->waits = true;
	c->begun = false;
	r->n_waiting++;
	ask(c->fd, vm);
}

static void done(struct run *r, struct client *c)
{
	uint64_t now = es_monotonic_ns();

	if (r->n_took == r->cap_took) {
		r->cap_took = r->cap_took ? r->cap_took * 2 : 4096;
		r->took = reallocarray(r->took, r->cap_took, sizeof(*r->took));
		if (!r->took)
			die("out of memory");
	}
	r->took[r->n_took++] = now - c->asked_ns;
	c->waits = false;
	r->n_waiting--;
	c->due_ns += r->pause_ns;
	if (c->due_ns < now)
		c->due_ns = now;
}

static void take(struct run *r, struct client *c)
{
	static const char error[] = "{\"error\"";
	ssize_t n = read(c->fd, buf, sizeof(buf));

	if (n <= 0)
		die("read");
	/* To be refused takes no time. */
	if (!c->begun && (size_t)n >= sizeof(error) && !memcmp(buf, error, sizeof(error) - 1)) {
		fprintf(stderr, "sim-clients: %.*s\n", (int)(n < 200 ? n : 200), buf);
		exit(1);
	}
	c->begun = true;
	r->bytes += (uint64_t)n;
	if (buf[n - 1] == '\n')
		done(r, c);
}

/* Asks whose time it is; until when nobody else is due. */
static uint64_t start_due(struct run *r)
{
	uint64_t now = es_monotonic_ns(), next = r->end_ns;

	for (unsigned int i = 0; i < r->n_clients; i++) {
		struct client *c = &r->clients[i];

		if (c->waits)
			continue;
		if (c->due_ns <= now)
			start(r, c);
		else if (c->due_ns < next)
			next = c->due_ns;
	}
	return next;
}

/* Until when nobody is due, in ms; in the end for ever: answers that take longest count, too. */
static int patience(struct run *r)
{
	uint64_t now = es_monotonic_ns(), next;

	if (now >= r->end_ns)
		return r->n_waiting ? -1 : 0;
	next = start_due(r);
	now = es_monotonic_ns();
	return next > now ? (int)((next - now) / NS_PER_MS) + 1 : 0;
}

static void loop(struct run *r)
{
	struct epoll_event events[64];

	while (es_monotonic_ns() < r->end_ns || r->n_waiting) {
		int n = epoll_wait(r->epoll, events, 64, patience(r));

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++)
			take(r, events[i].data.ptr);
	}
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void tell(struct run *r)
{
	qsort(r->took, r->n_took, sizeof(*r->took), by_size);
	if (!r->n_took)
		die("no answer");
	printf("{\"clients\":%u,\"pause_ms\":%llu,\"answers\":%zu,\"bytes\":%llu,\"p50_us\":%.1f,\"p99_us\":%"
	       ".1f,"
	       "\"max_us\":%.1f}\n",
	       r->n_clients, (unsigned long long)(r->pause_ns / NS_PER_MS), r->n_took,
	       (unsigned long long)(r->bytes / r->n_took), (double)r->took[r->n_took / 2] / 1e3,
	       (double)r->took[r->n_took * 99 / 100] / 1e3, (double)r->took[r->n_took - 1] / 1e3);
}

int main(int argc, char **argv)
{
	struct run r = { 0 };
	uint64_t now;

	if (argc == 4 && !strcmp(argv[2], "wait"))
		return wait_for(argv[1], (unsigned int)atoi(argv[3]));
	if (argc != 7 || strcmp(argv[2], "ask")) {
		fprintf(stderr, "usage: sim-clients SOCKET wait VMS | ask CLIENTS PAUSE_MS SECONDS VMS (one "
				"of so many; 0: all)\n");
		return 2;
	}
	r.path = argv[1];
	r.n_clients = (unsigned int)atoi(argv[3]);
	r.pause_ns = (uint64_t)atoi(argv[4]) * NS_PER_MS;
	r.n_vms = (unsigned int)atoi(argv[6]);
	r.vm = r.n_vms ? "one" : "";
	r.epoll = epoll_create1(EPOLL_CLOEXEC);
	r.clients = calloc(r.n_clients, sizeof(*r.clients));
	now = es_monotonic_ns();
	r.end_ns = now + (uint64_t)(atof(argv[5]) * 1e9);
	for (unsigned int i = 0; r.clients && i < r.n_clients; i++) {
		struct client *c = &r.clients[i];
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

		c->fd = dial(r.path);
		if (c->fd < 0 || epoll_ctl(r.epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0)
			die(r.path);
		c->due_ns = now + r.pause_ns * i / r.n_clients;
	}
	loop(&r);
	tell(&r);
	return 0;
}
