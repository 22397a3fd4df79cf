/* SPDX-License-Identifier: GPL-2.0-only */
/* The clients on the socket: reading lines, taking turns, writing answers, giving up on them. */
#ifndef EXITSTAT_SERVER_H
#define EXITSTAT_SERVER_H

#include <stdint.h>

#include <systemd/sd-event.h>

#include <exitstat/service.h>

#define ES_SERVER_CLIENTS   256
#define ES_SERVER_PER_UID   32 /* of one uid other than root */
#define ES_SERVER_LINE_MAX  65536
#define ES_SERVER_IDLE_NS   60000000000ULL /* without a request */
#define ES_SERVER_STALL_NS  10000000000ULL /* for an answer to be taken */
#define ES_SERVER_QUIET_NS  2000000000ULL  /* without a request: may be dropped for a new client */
#define ES_SERVER_BUDGET_NS 100000000ULL   /* our time for one uid other than root, per window */
#define ES_SERVER_WINDOW_NS 1000000000ULL
#define ES_SERVER_NO_GROUP  UINT32_MAX

struct es_server;

/* listen_fd stays the caller's. 0 or negative errno. */
int es_server_new(sd_event *event, int listen_fd, struct es_service *service, struct es_server **out);
void es_server_free(struct es_server *s);
/* Members of this group see every VM; counts for clients that connect from now on. */
void es_server_set_group(struct es_server *s, uint32_t gid);
/* Fills clients, clients_refused and requests. */
void es_server_status(const struct es_server *s, struct es_status *st);

#endif
