/* SPDX-License-Identifier: GPL-2.0-only */
/* The client's end of the socket (docs/protocol.md). One request is in flight at a time. */
#ifndef EXITSTAT_CLIENT_H
#define EXITSTAT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include <exitstat/snapshot.h>

#define ES_SOCKET_DEFAULT    "/run/exitstat/exitstat.sock"
#define ES_CLIENT_TIMEOUT_MS 10000
#define ES_CLIENT_ERR	     512

struct es_client;

/* The socket to use: given (may be NULL), else $EXITSTAT_SOCKET, else the default. */
const char *es_client_socket(const char *given);

/*
 * All of these return 0 or a negative errno, with one line in err that names the
 * thing and the remedy; it may quote strangers, so es_text_clean() it before it meets a terminal. -ESRCH means: no such VM.
 */
int es_client_open(const char *path, struct es_client **out, char err[ES_CLIENT_ERR]);
void es_client_free(struct es_client *c); /* NULL is fine */

/* For event loops: send a request (params is stolen, NULL: none), poll fd for events, receive until not -EAGAIN. */
int es_client_send(struct es_client *c, const char *method, json_t *params, char err[ES_CLIENT_ERR]);
int es_client_fd(const struct es_client *c);
short es_client_events(const struct es_client *c); /* POLLIN, and POLLOUT while the request is not all sent */
/* Bytes received so far: while that grows the daemon is at work. */
uint64_t es_client_heard(const struct es_client *c);
/* *parameters is the caller's; -EAGAIN: the answer is not complete yet. */
int es_client_receive(struct es_client *c, json_t **parameters, char err[ES_CLIENT_ERR]);

/* Sends and waits for the answer. -ETIMEDOUT after ES_CLIENT_TIMEOUT_MS of silence. */
int es_client_call(struct es_client *c, const char *method, json_t *params, json_t **parameters,
		   char err[ES_CLIENT_ERR]);

struct es_snapshot_request {
	const char *vm; /* NULL: all */
	bool per_vcpu;
	bool last_interval; /* the change between the daemon's last two samples */
};
json_t *es_snapshot_params(const struct es_snapshot_request *q);
/* Reads GetSnapshot's answer. *notice is NULL or the caller's to free. */
int es_client_take_snapshot(const json_t *parameters, struct es_snapshot **out, char **notice,
			    char err[ES_CLIENT_ERR]);
int es_client_snapshot(struct es_client *c, const struct es_snapshot_request *q, struct es_snapshot **out,
		       char **notice, char err[ES_CLIENT_ERR]);

#endif
