// SPDX-License-Identifier: GPL-2.0-only
/* The privileged one of exitstatd's two processes: answers what keeper_wire.h says, and nothing else. */
#include "keeper_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <exitstat/kernel_counts.h>
#include <exitstat/process.h>
#include <exitstat/util.h>

#include "keeper_wire.h"

struct keeper {
	int peer;
	struct es_loader *loader;
	struct es_slot *slots;
	unsigned int n_slots;
	struct es_keeper_question q;
	struct es_keeper_answer a;
	size_t used;		/* bytes of the answer's own part */
	int fds[ES_KEEPER_FDS]; /* that go with it */
	size_t n_fds;
};

/* --- what may be asked --- */

static bool is_slot(const struct keeper *k)
{
	return k->q.slot < k->n_slots;
}

static bool are_slots(const struct keeper *k)
{
	if (k->q.n > ES_KEEPER_SLOTS)
		return false;
	for (uint32_t i = 0; i < k->q.n; i++) {
		if (k->q.slots[i] >= k->n_slots)
			return false;
	}
	return true;
}

static void say(struct keeper *k)
{
	k->a.text[ES_KEEPER_TEXT - 1] = '\0';
	k->used = strlen(k->a.text) + 1;
}

static void send_fd(struct keeper *k, int fd)
{
	k->fds[k->n_fds++] = fd;
}

static int attach_life(struct keeper *k)
{
	int r;

	k->a.text[0] = '\0';
	r = es_loader_attach_life(k->loader, k->a.text, ES_KEEPER_TEXT);
	say(k);
	return r;
}

static int detach_life(struct keeper *k)
{
	es_loader_detach_life(k->loader);
	return 0;
}

static int attach_exits(struct keeper *k)
{
	int r;

	if (k->q.isa != ES_ISA_NONE && k->q.isa != ES_ISA_VMX && k->q.isa != ES_ISA_SVM)
		return -EINVAL;
	k->a.text[0] = '\0';
	k->q.build[ES_BUILD_MAX - 1] = '\0';
	r = es_loader_attach_exits(k->loader, (enum es_isa)k->q.isa, k->q.build, k->a.text, ES_KEEPER_TEXT);
	say(k);
	return r;
}

static int detach_exits(struct keeper *k)
{
	es_loader_detach_exits(k->loader);
	return 0;
}

/* Only where no program tells it, and not of a slot that was never taken or has ended: that may be another's by now. */
static int slot_end(struct keeper *k)
{
	if (!is_slot(k) || es_loader_life_attached(k->loader) || !k->slots[k->q.slot].vcpu)
		return -EINVAL;
	es_loader_slot_end(k->loader, k->q.slot, k->q.now);
	return 0;
}

/* One that has not ended is being written, or is free: twice in the queue, it would be two vCPUs'. */
static int slot_free(struct keeper *k)
{
	if (!is_slot(k) || !__atomic_load_n(&k->slots[k->q.slot].ended_ns, __ATOMIC_ACQUIRE))
		return -EINVAL;
	return es_loader_slot_free(k->loader, k->q.slot);
}

static int park(struct keeper *k)
{
	if (!are_slots(k))
		return -EINVAL;
	for (uint32_t i = 0; i < k->q.n; i++)
		k->a.parked[i] = es_loader_park(k->loader, k->q.slots[i], k->q.states[i]);
	k->used = k->q.n * sizeof(k->a.parked[0]);
	return 0;
}

static int read_threads(struct keeper *k)
{
	if (!are_slots(k))
		return -EINVAL;
	es_loader_read_threads(k->loader, k->q.slots, k->q.n);
	return 0;
}

static int forget_threads(struct keeper *k)
{
	es_loader_forget_threads(k->loader);
	return 0;
}

static int events(struct keeper *k)
{
	int r = es_loader_events_take(k->loader, k->a.events, ES_KEEPER_EVENTS);

	k->a.n = r < 0 ? 0 : (uint32_t)r;
	k->used = k->a.n * sizeof(k->a.events[0]);
	return r < 0 ? r : 0;
}

static int health(struct keeper *k)
{
	es_loader_health(k->loader, &k->a.health);
	k->used = sizeof(k->a.health);
	return 0;
}

static int counts(struct keeper *k)
{
	es_loader_counts(k->loader, &k->a.counts);
	k->used = sizeof(k->a.counts);
	return 0;
}

static int status(struct keeper *k)
{
	_cleanup_free_ struct es_status *st = calloc(1, sizeof(*st));

	if (!st)
		return -ENOMEM;
	es_loader_status(k->loader, st);
	memcpy(k->a.programs, st->programs, sizeof(k->a.programs));
	k->a.n_programs = st->n_programs;
	k->a.map_bytes = st->map_bytes;
	k->a.cpu_ns = es_process_own_cpu();
	k->a.rss_bytes = es_process_own_rss();
	k->used = sizeof(k->a) - offsetof(struct es_keeper_answer, text);
	return 0;
}

static int explain(struct keeper *k)
{
	if (k->q.id >= ES_OPTIONALS)
		return -EINVAL;
	es_loader_optional_explain(k->loader, (enum es_optional_id)k->q.id, k->a.text, ES_KEEPER_TEXT);
	say(k);
	return 0;
}

static int explain_pin(struct keeper *k)
{
	int r = es_loader_pin_explain(k->loader, k->a.text, ES_KEEPER_TEXT);

	say(k);
	return r;
}

static int stats_on(struct keeper *k)
{
	int fd;

	k->a.text[0] = '\0';
	fd = es_bpf_stats_on(k->a.text);
	say(k);
	if (fd < 0)
		return fd;
	send_fd(k, fd);
	return 0;
}

static int debugfs(struct keeper *k)
{
	int r = es_kernel_reachable("/sys", k->a.text, ES_KEEPER_TEXT), fd;

	if (!r) {
		k->a.text[0] = '\0';
		fd = open("/sys/kernel/debug/kvm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
	}
	say(k);
	if (!r)
		send_fd(k, fd);
	return r;
}

/* A file of /proc that says something of a thread; of one that has a slot, no other. */
static int read_proc(struct keeper *k, const char *path, bool link)
{
	_cleanup_close_ int fd = link ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (link)
		n = readlink(path, k->a.text, ES_KEEPER_TEXT - 1);
	else
		n = fd < 0 ? -1 : read(fd, k->a.text, ES_KEEPER_TEXT - 1);
	if (n < 0)
		return -errno;
	k->a.text[n] = '\0';
	k->a.n = (uint32_t)n;
	k->used = (size_t)n + 1;
	return 0;
}

static int thread_call(struct keeper *k)
{
	char path[64];

	if (!is_slot(k))
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/%u/task/%u/syscall", k->slots[k->q.slot].tgid,
		 k->slots[k->q.slot].tid);
	return read_proc(k, path, false);
}

static int exe(struct keeper *k)
{
	char path[64];

	if (!is_slot(k))
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/%u/exe", k->slots[k->q.slot].tgid);
	return read_proc(k, path, true);
}

static int (*const ops[ES_ASK_OPS])(struct keeper *k) = {
	[ES_ASK_ATTACH_LIFE] = attach_life,
	[ES_ASK_DETACH_LIFE] = detach_life,
	[ES_ASK_ATTACH_EXITS] = attach_exits,
	[ES_ASK_DETACH_EXITS] = detach_exits,
	[ES_ASK_SLOT_END] = slot_end,
	[ES_ASK_SLOT_FREE] = slot_free,
	[ES_ASK_PARK] = park,
	[ES_ASK_READ_THREADS] = read_threads,
	[ES_ASK_FORGET_THREADS] = forget_threads,
	[ES_ASK_EVENTS] = events,
	[ES_ASK_HEALTH] = health,
	[ES_ASK_COUNTS] = counts,
	[ES_ASK_STATUS] = status,
	[ES_ASK_EXPLAIN] = explain,
	[ES_ASK_EXPLAIN_PIN] = explain_pin,
	[ES_ASK_STATS_ON] = stats_on,
	[ES_ASK_DEBUGFS] = debugfs,
	[ES_ASK_THREAD_CALL] = thread_call,
	[ES_ASK_EXE] = exe,
};

/* --- questions and answers --- */

static void fill_state(struct keeper *k)
{
	struct es_keeper_state *s = &k->a.state;

	*s = (struct es_keeper_state){
		.epoch = es_loader_epoch(k->loader),
		.flags = es_loader_flags(k->loader),
		.attached = es_loader_attached(k->loader),
		.life = es_loader_life_attached(k->loader),
		.typed = es_loader_typed(k->loader),
		.latency = es_loader_latency(k->loader),
		.waits = es_loader_waits(k->loader),
		.mmu = *es_loader_mmu(k->loader),
	};
	es_loader_lost(k->loader, s->lost);
	for (enum es_optional_id i = 0; i < ES_OPTIONALS; i++)
		s->optional[i] = es_loader_optional_attached(k->loader, i);
}

/* The fds are sent, and closed here. 0 or negative errno: the peer is gone. */
static int answer(struct keeper *k)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(k->fds))];
	} control = { 0 };
	struct iovec iov = { &k->a, offsetof(struct es_keeper_answer, text) + k->used };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t bytes = k->n_fds * sizeof(int);
	int r;

	if (k->loader)
		fill_state(k);
	if (k->n_fds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(bytes);
		control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(bytes), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.head), k->fds, bytes);
	}
	r = sendmsg(k->peer, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
	while (k->n_fds)
		close(k->fds[--k->n_fds]);
	return r;
}

/* 1, 0 when the peer is gone, or negative errno. */
static int next_question(struct keeper *k)
{
	ssize_t n;

	do {
		memset(&k->q, 0, offsetof(struct es_keeper_question, states));
		n = recv(k->peer, &k->q, sizeof(k->q), 0);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n > 0;
}

static int loop(struct keeper *k)
{
	int r;

	while ((r = next_question(k)) > 0) {
		uint32_t op = k->q.op;

		k->a.n = 0;
		k->used = 0;
		k->a.r = op < ES_ASK_OPS && ops[op] && k->loader ? ops[op](k) : -EINVAL;
		r = answer(k);
		if (r)
			return r;
	}
	return r;
}

static int start(struct keeper *k, const struct es_loader_options *o)
{
	int slots, ring;

	k->a.text[0] = '\0';
	k->a.r = o ? es_loader_new(o, &k->loader, k->a.text, ES_KEEPER_TEXT) : 0;
	if (!k->a.r && o) {
		k->slots = es_loader_slots(k->loader, &k->n_slots);
		slots = es_loader_slots_fd(k->loader);
		ring = slots < 0 ? slots : es_loader_events_fd(k->loader);
		k->a.r = ring < 0 ? ring : 0;
		if (ring < 0)
			snprintf(k->a.text, ES_KEEPER_TEXT, "cannot share the maps: %s", strerror(-ring));
		else
			snprintf(k->a.text, ES_KEEPER_TEXT, "%s", es_loader_build(k->loader));
		if (slots >= 0)
			send_fd(k, slots);
		if (ring >= 0)
			send_fd(k, ring);
	}
	say(k);
	return answer(k);
}

void es_keeper_serve(int peer, const struct es_loader_options *o)
{
	struct keeper *k = calloc(1, sizeof(*k));

	if (!k)
		return;
	k->peer = peer;
	if (!start(k, o))
		loop(k);
	es_loader_free(k->loader);
	free(k);
}
