// SPDX-License-Identifier: GPL-2.0-only
/*
 * Talks to exitstatd. Never blocks but in es_client_call, takes nothing on trust
 * (the socket may be anybody's) and turns every failure into one line.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <exitstat/client.h>
#include <exitstat/json.h>
#include <exitstat/util.h>

/* Room for 10,000 VMs with 30 reasons each; more than that is not an answer of ours. */
#define REPLY_MAX  (256UL << 20)
#define NEAR_SHOWN 3

struct es_client {
	int fd;
	char *path; /* for messages */
	char *out;
	size_t out_len, out_sent;
	char *in;
	size_t in_len, in_cap, scanned;
	uint64_t heard; /* bytes */
};

static int fail(char err[ES_CLIENT_ERR], int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(err, ES_CLIENT_ERR, format, ap);
	va_end(ap);
	return -error;
}

const char *es_client_socket(const char *given)
{
	const char *env = getenv("EXITSTAT_SOCKET");

	return given ? given : env && *env ? env : ES_SOCKET_DEFAULT;
}

static int connect_error(const char *path, int error, char err[ES_CLIENT_ERR])
{
	bool usual = strcmp(path, ES_SOCKET_DEFAULT) == 0;

	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
	case ENOTDIR:
		if (usual)
			return fail(err, error,
				    "exitstatd is not running (nothing listens on %s); start it with `sudo "
				    "exitstatd`",
				    path);
		return fail(err, error,
			    "exitstatd is not running on %s; start it with `sudo exitstatd --socket %s`",
			    path, path);
	case EACCES:
	case EPERM:
		return fail(err, error, "may not open %s; use sudo, or ask for access to it", path);
	case EAGAIN:
		return fail(err, error, "exitstatd is too busy to answer on %s; try again", path);
	default:
		return fail(err, error, "cannot connect to %s: %s", path, strerror(error));
	}
}

int es_client_open(const char *path, struct es_client **out, char err[ES_CLIENT_ERR])
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	struct es_client *c;

	if (strlen(path) >= sizeof(sa.sun_path))
		return fail(err, ENAMETOOLONG, "socket path is longer than %zu bytes: %s",
			    sizeof(sa.sun_path) - 1, path);
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(err, errno, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return connect_error(path, errno, err);
	c = calloc(1, sizeof(*c));
	if (c)
		c->path = strdup(path);
	if (!c || !c->path) {
		free(c);
		return fail(err, ENOMEM, "out of memory");
	}
	c->fd = es_steal_fd(&fd);
	*out = c;
	return 0;
}

void es_client_free(struct es_client *c)
{
	if (!c)
		return;
	close(c->fd);
	free(c->path);
	free(c->out);
	free(c->in);
	free(c);
}

int es_client_fd(const struct es_client *c)
{
	return c->fd;
}

uint64_t es_client_heard(const struct es_client *c)
{
	return c->heard;
}

short es_client_events(const struct es_client *c)
{
	return (short)(POLLIN | (c->out_sent < c->out_len ? POLLOUT : 0));
}

static int gone(const struct es_client *c, char err[ES_CLIENT_ERR])
{
	return fail(err, ECONNRESET,
		    "exitstatd closed the connection (%s): it ended, or is full; see its log", c->path);
}

static int flush_out(struct es_client *c, char err[ES_CLIENT_ERR])
{
	while (c->out_sent < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL);

		if (n >= 0)
			c->out_sent += (size_t)n;
		else if (errno == EAGAIN)
			return 0;
		else if (errno == EPIPE || errno == ECONNRESET)
			c->out_sent = c->out_len; /* it may have said why: reading tells */
		else if (errno != EINTR)
			return gone(c, err);
	}
	return 0;
}

int es_client_send(struct es_client *c, const char *method, json_t *params, char err[ES_CLIENT_ERR])
{
	json_t *request = json_pack("{s:s, s:o*}", "method", method, "parameters", params);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;

	json_decref(request);
	free(c->out);
	c->out = text;
	c->out_len = c->out_sent = 0;
	if (!text)
		return fail(err, EINVAL, "the request is not valid UTF-8, or out of memory");
	c->out_len = strlen(text) + 1;
	text[c->out_len - 1] = '\n'; /* in the place of the NUL */
	return flush_out(c, err);
}

/* Reads what is there; 0 also if that is nothing. */
static int fill_in(struct es_client *c, char err[ES_CLIENT_ERR])
{
	for (;;) {
		if (c->in_cap - c->in_len < 65536) {
			size_t cap = c->in_cap ? c->in_cap * 2 : 131072;
			char *bigger = cap > REPLY_MAX ? NULL : realloc(c->in, cap);

			if (!bigger)
				return fail(err, EMSGSIZE, "the answer of %s is too large", c->path);
			c->in = bigger;
			c->in_cap = cap;
		}
		ssize_t n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
		if (n == 0)
			return gone(c, err);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : gone(c, err);
		c->in_len += (size_t)n;
		c->heard += (uint64_t)n;
		if (memchr(c->in + c->in_len - (size_t)n, '\n', (size_t)n))
			return 0;
	}
}

static const char *get_string(const json_t *o, const char *key, const char *other)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : other;
}

static int no_such_vm(const json_t *p, char err[ES_CLIENT_ERR])
{
	const json_t *near = json_object_get(p, "near");
	char names[ES_CLIENT_ERR / 2] = "";
	size_t used = 0;

	for (size_t i = 0; i < json_array_size(near) && i < NEAR_SHOWN && used < sizeof(names); i++) {
		const char *name = json_string_value(json_array_get(near, i));

		if (name)
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s'%.64s'",
						 used ? ", " : "", name);
	}
	if (used)
		return fail(err, ESRCH, "no VM '%.64s'; did you mean %s?", get_string(p, "vm", "?"), names);
	return fail(err, ESRCH, "no VM '%.64s'; `exitstat list` names those that are there",
		    get_string(p, "vm", "?"));
}

static const struct {
	const char *name;
	int error;
	const char *member; /* what else the line says */
	const char *format;
} errors[] = {
	{ "exitstat.PermissionDenied", EACCES, "message", "%s" },
	{ "exitstat.BadRequest", EINVAL, "message", "exitstatd refused the request: %s" },
	{ "exitstat.MethodNotFound", ENOSYS, "method",
	  "exitstatd does not know %s; is it older than this client?" },
	{ "exitstat.Failed", EIO, "message", "%s" },
};

static int reply_error(const struct es_client *c, const json_t *reply, char err[ES_CLIENT_ERR])
{
	const char *name = json_string_value(json_object_get(reply, "error"));
	const json_t *p = json_object_get(reply, "parameters");

	if (!name)
		return fail(err, EBADMSG, "%s answers something else than exitstatd's protocol", c->path);
	if (strcmp(name, "exitstat.NoSuchVM") == 0)
		return no_such_vm(p, err);
	for (size_t i = 0; i < ES_ARRAY_SIZE(errors); i++)
		if (strcmp(name, errors[i].name) == 0)
			return fail(err, errors[i].error, errors[i].format,
				    get_string(p, errors[i].member, name));
	return fail(err, EPROTO, "exitstatd answers with an error this client does not know: %s", name);
}

/* Cuts the first line off the input and reads it. */
static int take_line(struct es_client *c, size_t len, json_t **parameters, char err[ES_CLIENT_ERR])
{
	json_error_t why;
	json_t *reply = json_loadb(c->in, len, JSON_REJECT_DUPLICATES, &why);
	json_t *p;
	int r = 0;

	c->in_len -= len + 1;
	memmove(c->in, c->in + len + 1, c->in_len);
	c->scanned = 0;
	if (!json_is_object(reply)) {
		json_decref(reply);
		return fail(err, EBADMSG, "%s answers something else than exitstatd's protocol", c->path);
	}
	p = json_object_get(reply, "parameters");
	if (json_object_get(reply, "error") || !json_is_object(p))
		r = reply_error(c, reply, err);
	else
		*parameters = json_incref(p);
	json_decref(reply);
	return r;
}

int es_client_receive(struct es_client *c, json_t **parameters, char err[ES_CLIENT_ERR])
{
	int r = flush_out(c, err);
	char *end;

	if (!r)
		r = fill_in(c, err);
	if (r)
		return r;
	end = memchr(c->in + c->scanned, '\n', c->in_len - c->scanned);
	if (!end) {
		c->scanned = c->in_len;
		return -EAGAIN;
	}
	return take_line(c, (size_t)(end - c->in), parameters, err);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int es_client_call(struct es_client *c, const char *method, json_t *params, json_t **parameters,
		   char err[ES_CLIENT_ERR])
{
	int64_t until = now_ms() + ES_CLIENT_TIMEOUT_MS, left;
	uint64_t heard = c->heard;
	int r = es_client_send(c, method, params, err);

	while (!r) {
		struct pollfd p = { .fd = c->fd, .events = es_client_events(c) };

		r = es_client_receive(c, parameters, err);
		if (r != -EAGAIN)
			break;
		r = 0;
		/* A large answer on a busy host takes its time: only silence counts. */
		if (c->heard != heard)
			until = now_ms() + ES_CLIENT_TIMEOUT_MS;
		heard = c->heard;
		left = until - now_ms();
		if (left <= 0)
			return fail(err, ETIMEDOUT, "exitstatd does not answer on %s (waited %d s)", c->path,
				    ES_CLIENT_TIMEOUT_MS / 1000);
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return fail(err, errno, "cannot wait for exitstatd: %s", strerror(errno));
	}
	return r;
}

json_t *es_snapshot_params(const struct es_snapshot_request *q)
{
	json_t *p = json_pack("{s:s*}", "vm", q->vm);

	if (p && q->per_vcpu)
		json_object_set_new(p, "per_vcpu", json_true());
	if (p && q->last_interval)
		json_object_set_new(p, "last_interval", json_true());
	return p;
}

int es_client_take_snapshot(const json_t *parameters, struct es_snapshot **out, char **notice,
			    char err[ES_CLIENT_ERR])
{
	const char *text = json_string_value(json_object_get(parameters, "notice"));
	char why[ES_ERR_MAX] = "";
	int r;

	*notice = NULL;
	r = es_snapshot_from_json(json_object_get(parameters, "snapshot"), out, why);
	if (r)
		return fail(err, -r, "exitstatd's snapshot cannot be read: %s", *why ? why : strerror(-r));
	if (text && *text)
		*notice = strdup(text);
	return 0;
}

int es_client_snapshot(struct es_client *c, const struct es_snapshot_request *q, struct es_snapshot **out,
		       char **notice, char err[ES_CLIENT_ERR])
{
	json_t *parameters = NULL;
	int r = es_client_call(c, "exitstat.GetSnapshot", es_snapshot_params(q), &parameters, err);

	if (!r)
		r = es_client_take_snapshot(parameters, out, notice, err);
	json_decref(parameters);
	return r;
}
