// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clients on the socket. Nobody is waited for: what a client has not sent yet or
 * does not take costs a buffer, one request is worked on per turn of the event loop, and
 * what one user may hold of connections and of our time is bounded, so that root always
 * gets an answer.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <exitstat/log.h>
#include <exitstat/server.h>
#include <exitstat/util.h>

#define FDS_RESERVED 64	   /* of RLIMIT_NOFILE, for everything but clients */
#define GROUPS_MAX   65536 /* the kernel's NGROUPS_MAX */
#define OWNERS_MAX   4096
#define ACCEPT_BATCH 16
#define READ_MIN     4096
#define NS_PER_US    1000ULL
#define NS_PER_S     1000000000ULL

const struct es_server_limits es_server_limits = {
	.clients = 256,
	.per_uid = 32,
	.idle_ns = 60 * NS_PER_S,
	.stall_ns = 10 * NS_PER_S,
	.quiet_ns = 2 * NS_PER_S,
	.budget_ns = NS_PER_S / 10,
	.window_ns = NS_PER_S,
};

/* What one uid uses. Stays until the window ends, or reconnecting would renew the budget. */
struct owner {
	uint32_t uid;
	unsigned int clients;
	uint64_t spent_ns;
	struct owner *next;
};

struct client {
	struct es_server *server;
	struct owner *owner;
	struct es_peer peer;
	struct es_later later; /* later.run: the answer is awaited */
	int fd;
	sd_event_source *io, *more;
	char *in;				   /* received; NULL when empty */
	size_t in_start, in_scan, in_len, in_size; /* no newline from in_start to in_scan */
	struct es_text *out;
	size_t out_done;
	uint64_t heard_ns;  /* the last request, or the connect */
	uint64_t answer_ns; /* when out was begun */
	bool asked;	    /* at least once */
	bool eof;	    /* sends no more */
	bool closing;	    /* after out */
	bool throttled;
};

struct es_server {
	sd_event *event;
	struct es_service *service;
	sd_event_source *accept, *sweep;
	struct es_server_limits limits;
	struct client **clients; /* room for limits.clients */
	unsigned int n_clients;
	struct owner *owners;
	unsigned int n_owners;
	uint32_t group;
	uint64_t refused, requests;
	bool out_of_fds;
};

/* Runs from the first client or refusal to the last, so that nobody connected means no work. */
static void start_sweep(struct es_server *s)
{
	int on;

	if (sd_event_source_get_enabled(s->sweep, &on) >= 0 && on != SD_EVENT_OFF)
		return;
	sd_event_source_set_time(s->sweep, (es_monotonic_ns() + s->limits.window_ns) / NS_PER_US);
	sd_event_source_set_enabled(s->sweep, SD_EVENT_ONESHOT);
}

static struct owner *find_owner(struct es_server *s, uint32_t uid)
{
	struct owner *o;

	for (o = s->owners; o; o = o->next)
		if (o->uid == uid)
			return o;
	/* Someone with a range of subordinate uids; root has its entry from the start. */
	if (s->n_owners >= OWNERS_MAX)
		return NULL;
	o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->uid = uid;
	o->next = s->owners;
	s->owners = o;
	s->n_owners++;
	return o;
}

static void forget_owners(struct es_server *s)
{
	for (struct owner **p = &s->owners; *p;) {
		struct owner *o = *p;

		o->spent_ns = 0;
		if (o->clients || o->uid == 0) {
			p = &o->next;
			continue;
		}
		*p = o->next;
		s->n_owners--;
		free(o);
	}
}

static void drop(struct client *c)
{
	struct es_server *s = c->server;

	for (unsigned int i = 0; i < s->n_clients; i++)
		if (s->clients[i] == c) {
			s->clients[i] = s->clients[--s->n_clients];
			break;
		}
	c->owner->clients--;
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->more);
	es_service_cancel(&c->later);
	es_closep(&c->fd);
	es_text_unref(c->out);
	free(c->in);
	free(c);
	if (!s->n_clients)
		es_service_forget(s->service);
}

/* --- input --- */

/* 1: there is room for at least one byte, 0: the line is too long, or -ENOMEM. */
static int make_room(struct client *c)
{
	size_t size = c->in_size ? c->in_size * 2 : READ_MIN;
	char *p;

	if (c->in_start) {
		c->in_len -= c->in_start;
		c->in_scan -= c->in_start;
		memmove(c->in, c->in + c->in_start, c->in_len);
		c->in_start = 0;
	}
	if (c->in_len < c->in_size)
		return 1;
	/* One more than a line may have: its newline. */
	if (c->in_size > ES_SERVER_LINE_MAX)
		return 0;
	if (size > ES_SERVER_LINE_MAX)
		size = ES_SERVER_LINE_MAX + 1;
	p = realloc(c->in, size);
	if (!p)
		return -ENOMEM;
	c->in = p;
	c->in_size = size;
	return 1;
}

/* false: the connection is broken. */
static bool receive(struct client *c)
{
	int room = make_room(c);
	ssize_t n;

	if (room <= 0)
		return room == 0;
	n = recv(c->fd, c->in + c->in_len, c->in_size - c->in_len, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		c->eof = true;
	c->in_len += (size_t)n;
	return true;
}

/* The next line, if it is complete; what stands before the end of input counts as one. */
static bool next_line(struct client *c, const char **line, size_t *len)
{
	const char *end;

	if (c->in_start >= c->in_len)
		return false;
	/* Never the same bytes twice: a client may send a long line byte by byte. */
	end = memchr(c->in + c->in_scan, '\n', c->in_len - c->in_scan);
	c->in_scan = end ? (size_t)(end - c->in) : c->in_len;
	if (!end && !c->eof)
		return false;
	*line = c->in + c->in_start;
	*len = c->in_scan - c->in_start;
	return true;
}

static bool has_line(struct client *c)
{
	const char *line;
	size_t len;

	return next_line(c, &line, &len);
}

static void consume(struct client *c, size_t len)
{
	c->in_start += len + 1;
	c->in_scan = c->in_start;
	if (c->in_start < c->in_len)
		return;
	/* An idle client holds no buffer. */
	free(c->in);
	c->in = NULL;
	c->in_start = c->in_scan = c->in_len = c->in_size = 0;
}

/* --- output --- */

static void answer(struct client *c, struct es_text *text)
{
	c->out = text;
	c->out_done = 0;
	c->answer_ns = es_monotonic_ns();
	if (!text)
		c->closing = true; /* out of memory: better no answer than a wrong one */
}

/* false: the connection is broken. */
static bool flush(struct client *c)
{
	ssize_t n;

	if (!c->out)
		return true;
	n = send(c->fd, c->out->data + c->out_done, c->out->len - c->out_done, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->out_done += (size_t)n;
	if (c->out_done == c->out->len) {
		es_text_unref(c->out);
		c->out = NULL;
	}
	return true;
}

/* --- one turn of a client --- */

static bool over_budget(const struct client *c)
{
	return c->peer.uid != 0 && c->owner->spent_ns >= c->server->limits.budget_ns;
}

static void work(struct client *c)
{
	const char *line;
	size_t len;

	if (c->out || c->closing || c->later.run)
		return;
	if (next_line(c, &line, &len)) {
		struct es_text *text;

		c->heard_ns = es_monotonic_ns();
		c->asked = true;
		c->server->requests++;
		text = es_service_call(c->server->service, &c->peer, line, len, &c->later);
		if (!c->later.run)
			answer(c, text);
		consume(c, len);
	} else if (c->in_len - c->in_start > ES_SERVER_LINE_MAX) {
		answer(c, es_service_error(ES_ERROR_BAD_REQUEST, "a request may have 64 KiB at most"));
		c->closing = true;
	}
}

/*
 * What to be woken for. A client with an answer to take, or one to wait, is not read from; that it is gone is told
 * nevertheless.
 */
static void rearm(struct client *c)
{
	bool idle = !c->out && !c->throttled && !c->later.run;
	bool more = idle && has_line(c);
	uint32_t events = 0;

	if (c->out)
		events = EPOLLOUT;
	else if (idle && !more && !c->eof)
		events = EPOLLIN;
	sd_event_source_set_io_events(c->io, events);
	sd_event_source_set_enabled(c->more, more ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void turn(struct client *c, uint32_t events)
{
	uint64_t begin = es_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct owner *o = c->owner;
	bool gone = events & (EPOLLHUP | EPOLLERR);

	c->throttled = over_budget(c);
	if (!gone && !c->throttled && (events & EPOLLIN))
		gone = !receive(c);
	if (!gone)
		gone = !flush(c);
	if (!gone && !c->throttled) {
		work(c);
		gone = !flush(c);
	}
	if (gone || (!c->out && !c->later.run && (c->closing || (c->eof && !has_line(c)))))
		drop(c);
	else
		rearm(c);
	/* The owner is still there: owners go with the window only. */
	o->spent_ns += es_clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
}

/* The answer that was awaited is there. */
static void on_ready(void *ctx)
{
	struct client *c = ctx;

	c->heard_ns = es_monotonic_ns();
	answer(c, es_service_finish(c->server->service, &c->peer, &c->later));
	turn(c, 0);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	(void)source;
	(void)fd;
	turn(ctx, events);
	return 0;
}

static int on_more(sd_event_source *source, void *ctx)
{
	(void)source;
	turn(ctx, 0);
	return 0;
}

/* --- who may come in --- */

static bool in_group(int fd, uint32_t gid)
{
	_cleanup_free_ gid_t *groups = NULL;
	socklen_t len = 64 * sizeof(gid_t);

	/* The kernel says how much room it wants; a second round is enough, they do not change. */
	for (int round = 0; round < 2; round++) {
		gid_t *p = realloc(groups, len ? len : 1);

		if (!p)
			return false;
		groups = p;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
			break;
		if (errno != ERANGE || len > GROUPS_MAX * sizeof(gid_t) || round)
			return false;
	}
	for (size_t i = 0; i < len / sizeof(gid_t); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

static int read_peer(const struct es_server *s, int fd, struct es_peer *p)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	p->uid = cred.uid;
	p->all = cred.uid == 0 ||
		 (s->group != ES_SERVER_NO_GROUP && (cred.gid == s->group || in_group(fd, s->group)));
	return 0;
}

static bool is_busy(const struct client *c)
{
	return c->later.run || (c->asked && es_monotonic_ns() - c->heard_ns < c->server->limits.quiet_ns);
}

/* Drop a before b? One that never asked, then the one that was silent for longest. */
static bool quieter(const struct client *a, const struct client *b)
{
	if (a->asked != b->asked)
		return !a->asked;
	if (!a->later.run != !b->later.run)
		return !a->later.run;
	return a->heard_ns < b->heard_ns;
}

static struct client *quietest(const struct es_server *s, const struct owner *o)
{
	struct client *found = NULL;

	for (unsigned int i = 0; i < s->n_clients; i++) {
		struct client *c = s->clients[i];

		if (c->owner == o && (!found || quieter(c, found)))
			found = c;
	}
	return found;
}

static struct owner *fattest(const struct es_server *s)
{
	struct owner *found = s->owners;

	for (struct owner *o = s->owners; o; o = o->next)
		if (o->clients > found->clients)
			found = o;
	return found;
}

/* A place for one more client of o, at the cost of another one if need be. */
static bool make_place(struct es_server *s, const struct owner *o)
{
	bool own_limit = o->uid != 0 && o->clients >= s->limits.per_uid;
	const struct owner *from = own_limit ? o : fattest(s);
	struct client *victim;

	if (!own_limit && s->n_clients < s->limits.clients)
		return true;
	victim = quietest(s, from);
	if (!victim)
		return false;
	/* One's own busy clients are not worth less than the new one; those of a uid that has more are. */
	if (from->clients <= o->clients && is_busy(victim))
		return false;
	if (from != o && from->clients <= o->clients)
		return false;
	s->refused++;
	drop(victim);
	return true;
}

static int add_sources(struct es_server *s, struct client *c)
{
	int r;

	r = sd_event_add_io(s->event, &c->io, c->fd, EPOLLIN, on_io, c);
	if (r >= 0)
		r = sd_event_add_defer(s->event, &c->more, on_more, c);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->more, SD_EVENT_OFF);
	return r;
}

static void add_client(struct es_server *s, int fd, const struct es_peer *peer, struct owner *o)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->server = s;
	c->owner = o;
	c->peer = *peer;
	c->fd = fd;
	c->later = (struct es_later){ .ready = on_ready, .ctx = c };
	c->heard_ns = es_monotonic_ns();
	o->clients++;
	s->clients[s->n_clients++] = c;
	if (add_sources(s, c) < 0)
		drop(c);
}

static void turn_away(struct es_server *s, int fd)
{
	struct es_text *t = es_service_error(ES_ERROR_FAILED, "too many clients");

	s->refused++;
	/* If it does not fit into an empty socket at once, it was not meant to be. */
	if (t && send(fd, t->data, t->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		errno = 0;
	es_text_unref(t);
	close(fd);
}

static void welcome(struct es_server *s, int fd)
{
	uint64_t begin = es_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct es_peer peer;
	struct owner *o;

	if (read_peer(s, fd, &peer) < 0) {
		close(fd);
		return;
	}
	o = find_owner(s, peer.uid);
	if (!o || !make_place(s, o))
		turn_away(s, fd);
	else
		add_client(s, fd, &peer, o);
	if (o)
		o->spent_ns += es_clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
}

static int on_accept(sd_event_source *source, int listen_fd, uint32_t events, void *ctx)
{
	struct es_server *s = ctx;

	(void)events;
	start_sweep(s);
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			welcome(s, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			/* Level-triggered: without a pause we would spin. The sweep ends it. */
			if (!s->out_of_fds)
				es_warn("cannot accept clients: %s; trying again each second",
					strerror(errno));
			s->out_of_fds = true;
			sd_event_source_set_enabled(source, SD_EVENT_OFF);
		}
		break;
	}
	return 0;
}

/* --- time --- */

static bool expired(const struct client *c, uint64_t now)
{
	if (c->out)
		return now - c->answer_ns > c->server->limits.stall_ns;
	return !c->throttled && !c->later.run && now - c->heard_ns > c->server->limits.idle_ns;
}

static int on_sweep(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct es_server *s = ctx;
	uint64_t now = es_monotonic_ns();

	(void)source;
	(void)usec;
	for (unsigned int i = s->n_clients; i > 0; i--)
		if (expired(s->clients[i - 1], now))
			drop(s->clients[i - 1]);
	forget_owners(s);
	for (unsigned int i = 0; i < s->n_clients; i++)
		if (s->clients[i]->throttled) {
			s->clients[i]->throttled = false;
			rearm(s->clients[i]);
		}
	if (s->out_of_fds) {
		s->out_of_fds = false;
		sd_event_source_set_enabled(s->accept, SD_EVENT_ON);
	}
	if (s->n_clients)
		start_sweep(s);
	return 0;
}

/* --- life --- */

/* Not more clients than file descriptors: those of one user must not take them all. */
static unsigned int client_limit(unsigned int wanted)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0 || rl.rlim_cur >= wanted + FDS_RESERVED)
		return wanted;
	return rl.rlim_cur > 2 * FDS_RESERVED ? (unsigned int)rl.rlim_cur - FDS_RESERVED : FDS_RESERVED / 2;
}

int es_server_new(sd_event *event, int listen_fd, struct es_service *service,
		  const struct es_server_limits *limits, struct es_server **out)
{
	struct es_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->event = sd_event_ref(event);
	s->service = service;
	s->group = ES_SERVER_NO_GROUP;
	s->limits = *limits;
	s->limits.clients = client_limit(limits->clients);
	s->clients = calloc(s->limits.clients, sizeof(*s->clients));
	r = s->clients && find_owner(s, 0) ? 0 : -ENOMEM;
	if (r >= 0)
		r = sd_event_add_time(event, &s->sweep, CLOCK_MONOTONIC, 0, 0, on_sweep, s);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->sweep, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_io(event, &s->accept, listen_fd, EPOLLIN, on_accept, s);
	if (r < 0) {
		es_server_free(s);
		return r;
	}
	*out = s;
	return 0;
}

void es_server_free(struct es_server *s)
{
	if (!s)
		return;
	while (s->n_clients)
		drop(s->clients[0]);
	while (s->owners) {
		struct owner *o = s->owners;

		s->owners = o->next;
		free(o);
	}
	sd_event_source_disable_unref(s->accept);
	sd_event_source_disable_unref(s->sweep);
	sd_event_unref(s->event);
	free(s->clients);
	free(s);
}

void es_server_set_group(struct es_server *s, uint32_t gid)
{
	s->group = gid;
}

void es_server_status(const struct es_server *s, struct es_status *st)
{
	st->clients = s->n_clients;
	st->clients_refused = s->refused;
	st->requests = s->requests;
}
