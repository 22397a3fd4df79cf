/* SPDX-License-Identifier: GPL-2.0-only */
/* The clients on the socket: reading lines, taking turns, writing answers, giving up on them. */
#ifndef EXITSTAT_SERVER_H
#define EXITSTAT_SERVER_H

#include <stdint.h>

#include <systemd/sd-event.h>

#include <exitstat/service.h>

#define ES_SERVER_LINE_MAX 65536
#define ES_SERVER_NO_GROUP UINT32_MAX

/* What clients may use. docs/protocol.md says what happens beyond. */
struct es_server_limits {
	unsigned int clients;
	unsigned int per_uid; /* clients of one uid other than root */
	uint64_t idle_ns;     /* without a request */
	uint64_t stall_ns;    /* for an answer to be taken */
	uint64_t quiet_ns;    /* without a request: may be dropped for a new client of that uid */
	uint64_t budget_ns;   /* our CPU time for one uid other than root, per window */
	uint64_t window_ns;   /* also how often time-outs are looked at */
};

extern const struct es_server_limits es_server_limits;

struct es_server;

/* listen_fd stays the caller's. 0 or negative errno. */
int es_server_new(sd_event *event, int listen_fd, struct es_service *service,
		  const struct es_server_limits *limits, struct es_server **out);
void es_server_free(struct es_server *s);
/* Members of this group see every VM; counts for clients that connect from now on. */
void es_server_set_group(struct es_server *s, uint32_t gid);
/* Fills clients, clients_refused and requests. */
void es_server_status(const struct es_server *s, struct es_status *st);

#endif
