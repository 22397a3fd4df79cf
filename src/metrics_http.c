// SPDX-License-Identifier: GPL-2.0-only
/* HTTP for Prometheus: libmicrohttpd without threads, in the daemon's event loop. */
#include <exitstat/metrics.h>

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>
#include <zlib.h>

#include <exitstat/util.h>

#define CONNECTIONS 64
#define PER_ADDRESS 16
#define IDLE_S	    10
#define BUFFER	    16384 /* of a connection: a longer request is refused */
#define NS_PER_US   1000ull
#define NS_PER_MS   1000000ull
#define FRESH_NS    (100 * NS_PER_MS) /* who asks sooner gets the same page: anyone on this host may ask */

struct answer {
	char *data;
	size_t len;
};

struct es_metrics {
	struct MHD_Daemon *http;
	sd_event_source *io, *timer;
	const struct es_store *store;
	const struct es_metrics_ops *ops;
	void *ctx;
	struct es_metrics_options o;
	/* The last page, in the forms that were asked for. */
	uint64_t made_ns;
	struct answer pages[ES_METRICS_FORMATS][2]; /* plain, gzip */
};

/* --- the page --- */

static void forget_pages(struct es_metrics *m)
{
	for (size_t f = 0; f < ES_METRICS_FORMATS; f++) {
		for (size_t z = 0; z < 2; z++) {
			free(m->pages[f][z].data);
			m->pages[f][z] = (struct answer){ 0 };
		}
	}
}

static int make_plain(struct es_metrics *m, enum es_metrics_format format, struct answer *out)
{
	_cleanup_free_ struct es_status *st = calloc(1, sizeof(*st));
	FILE *f = open_memstream(&out->data, &out->len);
	const struct es_snapshot *s = es_store_latest(m->store);

	if (f && st && s) {
		m->ops->status(m->ctx, st);
		es_metrics_write(f, format, &m->o, s, st);
	}
	if (f && !ferror(f) && !fclose(f) && st && s)
		return 0;
	free(out->data);
	*out = (struct answer){ 0 };
	return -ENOMEM;
}

static int make_gzip(const struct answer *plain, struct answer *out)
{
	z_stream z = { 0 };
	int r;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) !=
	    Z_OK)
		return -ENOMEM;
	out->len = deflateBound(&z, plain->len);
	out->data = malloc(out->len);
	z.next_in = (Bytef *)plain->data;
	z.avail_in = (uInt)plain->len;
	z.next_out = (Bytef *)out->data;
	z.avail_out = (uInt)out->len;
	r = out->data && deflate(&z, Z_FINISH) == Z_STREAM_END ? 0 : -ENOMEM;
	out->len = z.total_out;
	deflateEnd(&z);
	return r;
}

/* NULL: out of memory. */
static const struct answer *page(struct es_metrics *m, enum es_metrics_format format, bool gzip)
{
	struct answer *plain = &m->pages[format][0], *zipped = &m->pages[format][1];
	uint64_t now = es_monotonic_ns();

	if (now - m->made_ns > FRESH_NS) {
		forget_pages(m);
		m->ops->refresh(m->ctx);
		m->made_ns = now;
	}
	if (!plain->data && make_plain(m, format, plain))
		return NULL;
	if (gzip && !zipped->data && make_gzip(plain, zipped))
		return NULL;
	return gzip ? zipped : plain;
}

/* --- requests --- */

static bool accepts(struct MHD_Connection *c, const char *header, const char *what)
{
	const char *value = MHD_lookup_connection_value(c, MHD_HEADER_KIND, header);

	return value && strstr(value, what);
}

static enum MHD_Result respond(struct MHD_Connection *c, unsigned int status, struct MHD_Response *r,
			       const char *type)
{
	enum MHD_Result done;

	if (!r)
		return MHD_NO; /* closes the connection */
	MHD_add_response_header(r, "Content-Type", type);
	done = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return done;
}

static enum MHD_Result say(struct MHD_Connection *c, unsigned int status, const char *text, const char *allow)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);

	if (r && allow)
		MHD_add_response_header(r, "Allow", allow);
	return respond(c, status, r, "text/plain; charset=utf-8");
}

static enum MHD_Result send_page(struct es_metrics *m, struct MHD_Connection *c)
{
	static const char *const types[ES_METRICS_FORMATS] = {
		[ES_METRICS_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
		[ES_METRICS_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
	};
	enum es_metrics_format format = accepts(c, "Accept", "application/openmetrics-text")
						? ES_METRICS_OPENMETRICS
						: ES_METRICS_TEXT;
	bool gzip = accepts(c, "Accept-Encoding", "gzip");
	const struct answer *a = page(m, format, gzip);
	struct MHD_Response *r;

	if (!a)
		return say(c, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory\n", NULL);
	r = MHD_create_response_from_buffer(a->len, a->data, MHD_RESPMEM_MUST_COPY);
	if (r)
		MHD_add_response_header(r, "Vary", "Accept, Accept-Encoding");
	if (r && gzip)
		MHD_add_response_header(r, "Content-Encoding", "gzip");
	return respond(c, MHD_HTTP_OK, r, types[format]);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
				  const char *version, const char *body, size_t *body_len, void **seen)
{
	static int once;

	(void)version, (void)body;
	/* First with the headers alone; a body is read and thrown away. */
	if (!*seen) {
		*seen = &once;
		return MHD_YES;
	}
	if (*body_len) {
		*body_len = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return say(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n", "GET, HEAD");
	if (!strcmp(url, "/metrics"))
		return send_page(ctx, c);
	if (!strcmp(url, "/"))
		return say(c, MHD_HTTP_OK, "exitstatd: what Prometheus reads is at /metrics\n", NULL);
	return say(c, MHD_HTTP_NOT_FOUND, "only /metrics is here\n", NULL);
}

/* --- the event loop --- */

static void arm(struct es_metrics *m)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(m->http, &ms) != MHD_YES) {
		sd_event_source_set_enabled(m->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time(m->timer, es_monotonic_ns() / NS_PER_US + ms * 1000);
	sd_event_source_set_enabled(m->timer, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct es_metrics *m = ctx;

	(void)source, (void)fd, (void)events;
	MHD_run(m->http);
	arm(m);
	return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *ctx)
{
	(void)usec;
	return on_io(source, -1, 0, ctx);
}

static int watch(struct es_metrics *m, sd_event *event)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(m->http, MHD_DAEMON_INFO_EPOLL_FD);
	int r = info ? sd_event_add_io(event, &m->io, info->epoll_fd, EPOLLIN, on_io, m) : -ENOTSUP;

	if (r >= 0)
		r = sd_event_add_time(event, &m->timer, CLOCK_MONOTONIC, 0, 0, on_time, m);
	if (r >= 0)
		r = sd_event_source_set_enabled(m->timer, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

int es_metrics_new(sd_event *event, int listen_fd, const struct es_store *store,
		   const struct es_metrics_ops *ops, void *ctx, const struct es_metrics_options *o,
		   struct es_metrics **out)
{
	struct es_metrics *m = calloc(1, sizeof(*m));
	int fd = m ? dup(listen_fd) : -1, r; /* it closes its own */

	if (fd < 0) {
		free(m);
		return m ? -errno : -ENOMEM;
	}
	m->store = store;
	m->ops = ops;
	m->ctx = ctx;
	m->o = *o;
	m->http =
		MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, m, MHD_OPTION_LISTEN_SOCKET, fd,
				 MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
				 PER_ADDRESS, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
				 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)BUFFER, MHD_OPTION_END);
	if (!m->http)
		close(fd);
	r = m->http ? watch(m, event) : -EIO;
	if (r < 0) {
		es_metrics_free(m);
		return r;
	}
	*out = m;
	return 0;
}

void es_metrics_free(struct es_metrics *m)
{
	if (!m)
		return;
	sd_event_source_disable_unref(m->io);
	sd_event_source_disable_unref(m->timer);
	if (m->http)
		MHD_stop_daemon(m->http);
	forget_pages(m);
	free(m);
}

/* --- the socket --- */

/* Splits "HOST:PORT"; [HOST] for one with colons. */
static int split(const char *address, char *host, size_t size, const char **port)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : 0;

	if (!len || !colon[1])
		return -EINVAL;
	if (address[0] == '[') {
		if (address[len - 1] != ']' || len < 3)
			return -EINVAL;
		address++;
		len -= 2;
	} else if (memchr(address, ':', len)) {
		return -EINVAL;
	}
	if (len >= size)
		return -EINVAL;
	memcpy(host, address, len);
	host[len] = '\0';
	*port = colon + 1;
	return 0;
}

static int open_socket(const struct addrinfo *ai)
{
	_cleanup_close_ int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, CONNECTIONS))
		return -errno;
	return es_steal_fd(&fd);
}

int es_metrics_listen(const char *address, char *err, size_t size)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
					.ai_socktype = SOCK_STREAM };
	struct addrinfo *ai = NULL;
	char host[64];
	const char *port;
	int fd;

	if (split(address, host, sizeof(host), &port) || getaddrinfo(host, port, &hints, &ai)) {
		snprintf(err, size,
			 "metrics: '%.64s' is no address and port such as 127.0.0.1:9942 or [::1]:9942",
			 address);
		return -EINVAL;
	}
	fd = open_socket(ai);
	freeaddrinfo(ai);
	if (fd < 0)
		snprintf(err, size, "metrics: cannot listen on %.64s: %s; choose another --metrics", address,
			 strerror(-fd));
	return fd;
}
