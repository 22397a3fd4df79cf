// SPDX-License-Identifier: GPL-2.0-only
#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exitstat/util.h>

#include "daemon_privilege.h"
#include "keeper_server.h"
#include "keeper_wire.h"

struct es_keeper {
	int peer, events_fd;
	pid_t pid;
	bool dead;
	void *slots;
	size_t slots_bytes;
	unsigned int n_slots;
	char build[ES_BUILD_MAX];
	struct es_keeper_state state;
	struct es_keeper_question q;
	struct es_keeper_answer a;
	int fds[ES_KEEPER_FDS]; /* that came with it, -1: none */
};

/* --- messages --- */

static void take_fds(struct es_keeper *k, struct msghdr *msg)
{
	for (size_t i = 0; i < ES_KEEPER_FDS; i++)
		k->fds[i] = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(k->fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	}
}

static int receive(struct es_keeper *k)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(k->fds))];
	} control;
	struct iovec iov = { &k->a, sizeof(k->a) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t n;

	do
		n = recvmsg(k->peer, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < (ssize_t)offsetof(struct es_keeper_answer, text))
		return n < 0 ? -errno : -EPIPE;
	take_fds(k, &msg);
	k->state = k->a.state;
	return 0;
}

/* k->q is filled but for op; size: of what of it follows n. The answer is in k->a. Its r, or -EPIPE. */
static int ask(struct es_keeper *k, enum es_keeper_op op, size_t size)
{
	int r = 0;

	k->q.op = op;
	size += offsetof(struct es_keeper_question, slots);
	if (k->dead)
		return -EPIPE;
	if (send(k->peer, &k->q, size, MSG_NOSIGNAL) < 0)
		r = -errno;
	if (!r)
		r = receive(k);
	if (!r)
		return k->a.r;
	k->dead = true;
	k->state.attached = false;
	return -EPIPE;
}

static int ask_one(struct es_keeper *k, enum es_keeper_op op, uint32_t slot)
{
	k->q.slot = slot;
	return ask(k, op, sizeof(uint64_t));
}

/* The answer's text, or that there is none. */
static int ask_text(struct es_keeper *k, enum es_keeper_op op, size_t asked, char *buf, size_t size)
{
	int r = ask(k, op, asked);
	const char *text = k->dead ? "exitstatd's privileged process is dead" : k->a.text;

	snprintf(buf, size, "%.*s", (int)size - 1, text);
	return r;
}

/* --- there and gone --- */

static void close_all(struct es_keeper *k)
{
	es_closep(&k->peer);
	es_closep(&k->events_fd);
	if (k->slots)
		munmap(k->slots, k->slots_bytes);
}

/* It ends only with its peer: what is sent to the process group is that one's business. */
static void __attribute__((noreturn))
be_keeper(int peer, const struct es_loader_options *o, struct es_listen *listen)
{
	prctl(PR_SET_NAME, "exitstatd-keep");
	es_closep(&listen->fd);
	es_closep(&listen->metrics_fd);
	listen->fd = listen->metrics_fd = -1;
	es_privilege_keep();
	es_keeper_serve(peer, o);
	es_listen_close(listen);
	_exit(0);
}

static int map_slots(struct es_keeper *k, unsigned int n, int fd)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	k->n_slots = n;
	k->slots_bytes = ((size_t)n * sizeof(struct es_slot) + page - 1) / page * page;
	k->slots = mmap(NULL, k->slots_bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (k->slots != MAP_FAILED)
		return 0;
	k->slots = NULL;
	return -errno;
}

static int await_start(struct es_keeper *k, const struct es_loader_options *o, char *err, size_t size)
{
	_cleanup_close_ int slots = -1;
	int r = receive(k);

	if (r) {
		es_keeper_explain_death(k, err, size);
		return r;
	}
	slots = k->fds[0];
	k->events_fd = k->fds[1];
	if (k->a.r) {
		snprintf(err, size, "%s", k->a.text);
		return k->a.r;
	}
	snprintf(k->build, sizeof(k->build), "%.*s", ES_BUILD_MAX - 1, k->a.text);
	r = o ? map_slots(k, o->slots, slots) : 0;
	if (r)
		snprintf(err, size, "cannot map the slots: %s", strerror(-r));
	return r;
}

int es_keeper_start(const struct es_loader_options *o, struct es_listen *listen, struct es_keeper **out,
		    char *err, size_t size)
{
	struct es_keeper *k = calloc(1, sizeof(*k));
	int pair[2], r;

	if (!k || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		r = k ? -errno : -ENOMEM;
		snprintf(err, size, "cannot start: %s", strerror(-r));
		free(k);
		return r;
	}
	k->pid = fork();
	if (!k->pid) {
		close(pair[0]);
		be_keeper(pair[1], o, listen);
	}
	r = k->pid < 0 ? -errno : 0;
	close(pair[1]);
	k->peer = pair[0];
	k->events_fd = -1;
	if (r)
		snprintf(err, size, "cannot start a second process: %s", strerror(-r));
	else
		r = await_start(k, o, err, size);
	if (r) {
		es_keeper_free(k);
		return r;
	}
	*out = k;
	return 0;
}

void es_keeper_free(struct es_keeper *k)
{
	if (!k)
		return;
	close_all(k);
	if (k->pid > 0)
		waitpid(k->pid, NULL, 0);
	free(k);
}

int es_keeper_fd(const struct es_keeper *k)
{
	return k->peer;
}

void es_keeper_explain_death(struct es_keeper *k, char *buf, size_t size)
{
	int status;

	k->dead = true;
	es_closep(&k->peer);
	k->peer = -1;
	if (waitpid(k->pid, &status, 0) != k->pid)
		snprintf(buf, size, "exitstatd's privileged process is gone");
	else if (WIFSIGNALED(status))
		snprintf(buf, size, "exitstatd's privileged process was ended by signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(buf, size, "exitstatd's privileged process ended with status %d",
			 WEXITSTATUS(status));
	k->pid = 0;
}

/* --- the programs --- */

int es_keeper_attach_life(struct es_keeper *k, char *err, size_t size)
{
	return ask_text(k, ES_ASK_ATTACH_LIFE, 0, err, size);
}

void es_keeper_detach_life(struct es_keeper *k)
{
	ask(k, ES_ASK_DETACH_LIFE, 0);
}

int es_keeper_attach_exits(struct es_keeper *k, enum es_isa isa, const char *build, char *err, size_t size)
{
	k->q.isa = isa;
	snprintf(k->q.build, sizeof(k->q.build), "%s", build);
	return ask_text(k, ES_ASK_ATTACH_EXITS, sizeof(k->q.isa) + sizeof(k->q.build), err, size);
}

const char *es_keeper_build(const struct es_keeper *k)
{
	return k->build;
}

bool es_keeper_pin_explain(struct es_keeper *k, char *buf, size_t size)
{
	return ask_text(k, ES_ASK_EXPLAIN_PIN, 0, buf, size) > 0;
}

void es_keeper_detach_exits(struct es_keeper *k)
{
	ask(k, ES_ASK_DETACH_EXITS, 0);
}

bool es_keeper_attached(const struct es_keeper *k)
{
	return k->state.attached;
}

bool es_keeper_life_attached(const struct es_keeper *k)
{
	return k->state.life;
}

bool es_keeper_typed(const struct es_keeper *k)
{
	return k->state.typed;
}

bool es_keeper_latency(const struct es_keeper *k)
{
	return k->state.latency;
}

bool es_keeper_waits(const struct es_keeper *k)
{
	return k->state.waits;
}

uint64_t es_keeper_epoch(const struct es_keeper *k)
{
	return k->state.epoch;
}

const struct es_mmu_measured *es_keeper_mmu(const struct es_keeper *k)
{
	return &k->state.mmu;
}

uint32_t es_keeper_flags(const struct es_keeper *k)
{
	return k->state.flags;
}

bool es_keeper_optional_attached(const struct es_keeper *k, enum es_optional_id id)
{
	return k->state.optional[id];
}

void es_keeper_optional_explain(struct es_keeper *k, enum es_optional_id id, char *buf, size_t size)
{
	k->q.id = id;
	ask_text(k, ES_ASK_EXPLAIN, sizeof(k->q.id), buf, size);
}

/* --- slots --- */

const struct es_slot *es_keeper_slots(const struct es_keeper *k, unsigned int *n)
{
	*n = k->n_slots;
	return k->slots;
}

void es_keeper_slot_end(struct es_keeper *k, uint32_t slot, uint64_t now)
{
	k->q.slot = slot;
	k->q.now = now;
	ask(k, ES_ASK_SLOT_END, 2 * sizeof(uint64_t));
}

int es_keeper_slot_free(struct es_keeper *k, uint32_t slot)
{
	return ask_one(k, ES_ASK_SLOT_FREE, slot);
}

void es_keeper_park(struct es_keeper *k, const uint32_t *slots, const uint8_t *states, size_t n, bool *parked)
{
	for (size_t at = 0; at < n; at += ES_KEEPER_SLOTS) {
		size_t now = n - at < ES_KEEPER_SLOTS ? n - at : ES_KEEPER_SLOTS;

		k->q.n = (uint32_t)now;
		memcpy(k->q.slots, slots + at, now * sizeof(*slots));
		memcpy(k->q.states, states + at, now * sizeof(*states));
		if (ask(k, ES_ASK_PARK, sizeof(k->q.slots) + now * sizeof(*states)))
			memset(parked + at, 0, now * sizeof(*parked));
		else
			memcpy(parked + at, k->a.parked, now * sizeof(*parked));
	}
}

void es_keeper_read_threads(struct es_keeper *k, const uint32_t *slots, size_t n)
{
	for (size_t at = 0; at < n; at += ES_KEEPER_SLOTS) {
		size_t now = n - at < ES_KEEPER_SLOTS ? n - at : ES_KEEPER_SLOTS;

		k->q.n = (uint32_t)now;
		memcpy(k->q.slots, slots + at, now * sizeof(*slots));
		ask(k, ES_ASK_READ_THREADS, now * sizeof(*slots));
	}
}

void es_keeper_forget_threads(struct es_keeper *k)
{
	ask(k, ES_ASK_FORGET_THREADS, 0);
}

int es_keeper_events_fd(const struct es_keeper *k)
{
	return k->events_fd;
}

int es_keeper_events_drain(struct es_keeper *k, es_announced_fn *announced, void *ctx)
{
	int sum = 0, r;

	do {
		r = ask(k, ES_ASK_EVENTS, 0);
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < k->a.n; i++)
			announced(ctx, k->a.events[i].type, k->a.events[i].slot);
		sum += (int)k->a.n;
	} while (k->a.n == ES_KEEPER_EVENTS);
	return sum;
}

/* --- what it was and costs --- */

uint64_t es_keeper_lost(const struct es_keeper *k, enum es_health which)
{
	return k->state.lost[which];
}

void es_keeper_health(struct es_keeper *k, struct es_loader_health *out)
{
	if (ask(k, ES_ASK_HEALTH, 0))
		memset(out, 0, sizeof(*out));
	else
		*out = k->a.health;
}

void es_keeper_counts(struct es_keeper *k, struct es_cost_counts *out)
{
	if (ask(k, ES_ASK_COUNTS, 0))
		memset(out, 0, sizeof(*out));
	else
		*out = k->a.counts;
}

void es_keeper_status(struct es_keeper *k, struct es_status *st)
{
	if (ask(k, ES_ASK_STATUS, 0))
		return;
	memcpy(st->programs, k->a.programs, sizeof(st->programs));
	st->n_programs = k->a.n_programs;
	st->map_bytes = k->a.map_bytes;
	st->cpu_ns = k->a.cpu_ns;
	st->rss_bytes = k->a.rss_bytes;
}

int es_keeper_stats_on(struct es_keeper *k, char why[ES_COST_WHY])
{
	int r = ask_text(k, ES_ASK_STATS_ON, 0, why, ES_COST_WHY);

	return r ? r : k->fds[0];
}

/* --- files that only root reads --- */

int es_keeper_debugfs(struct es_keeper *k, char *why, size_t size)
{
	int r = ask_text(k, ES_ASK_DEBUGFS, 0, why, size);

	return r ? r : k->fds[0];
}

static int ask_file(struct es_keeper *k, enum es_keeper_op op, uint32_t slot, char *buf, size_t size)
{
	int r = ask_one(k, op, slot);
	size_t n = k->a.n < size - 1 ? k->a.n : size - 1;

	if (r)
		return r;
	memcpy(buf, k->a.text, n);
	buf[n] = '\0';
	return (int)n;
}

int es_keeper_thread_call(struct es_keeper *k, uint32_t slot, char *buf, size_t size)
{
	return ask_file(k, ES_ASK_THREAD_CALL, slot, buf, size);
}

int es_keeper_exe(struct es_keeper *k, uint32_t slot, char *buf, size_t size)
{
	return ask_file(k, ES_ASK_EXE, slot, buf, size);
}
