/* SPDX-License-Identifier: GPL-2.0-only */
/* The methods of docs/protocol.md: one request line in, one answer line out. */
#ifndef EXITSTAT_SERVICE_H
#define EXITSTAT_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <exitstat/cost.h>
#include <exitstat/status.h>
#include <exitstat/store.h>

/* What the methods need of the daemon. */
struct es_service_ops {
	/* sample if the newest view is too old, or lacks the vCPUs that are asked for */
	void (*refresh)(void *ctx, bool per_vcpu);
	void (*status)(void *ctx, struct es_status *st);
	/* of all VMs, or of those of uid; *out is NULL where it cannot be asked. 0 or -ENOMEM */
	int (*kernel)(void *ctx, bool all, uint32_t uid, struct es_kernel_report **out);
	/* 0, or negative errno with a line in err */
	int (*detach)(void *ctx, char *err, size_t size);
	int (*attach)(void *ctx, char *err, size_t size);
	/*
	 * Those VMs of the newest view as they are now, if that view is too old. 0, or negative errno: it must do, or a
	 * sample. NULL: cannot.
	 */
	int (*look)(void *ctx, const struct es_snapshot *at, bool per_vcpu, struct es_snapshot **out);
};

/* Who asks, as the kernel told when they connected. */
struct es_peer {
	uint32_t uid;
	bool all; /* sees every VM */
};

/* An answer, newline included; immutable and shared. References are counted, not locked. */
struct es_text {
	unsigned int refs;
	size_t len;
	char *data;
};

struct es_text *es_text_ref(struct es_text *t);
void es_text_unref(struct es_text *t); /* NULL is fine */

struct es_service;
struct es_costs;
struct es_cost_run;

/* A request whose answer takes a while. ready is of who asks, the run of the service: NULL if nothing is awaited. */
struct es_later {
	void (*ready)(void *ctx);
	void *ctx;
	struct es_cost_run *run;
};

/* costs NULL: they cannot be measured. */
struct es_service *es_service_new(struct es_store *store, struct es_costs *costs,
				  const struct es_service_ops *ops, void *ctx);
void es_service_free(struct es_service *sv);
/* Gives up what is only kept to answer the next request faster. */
void es_service_forget(struct es_service *sv);
/*
 * The answer to one line (without its newline); the caller's reference. NULL: out of memory; or, if later->run is set
 * now, the answer comes later: once later->ready was called, from es_service_finish(). Who does not wait for
 * it cancels.
 */
struct es_text *es_service_call(struct es_service *sv, const struct es_peer *peer, const char *line, size_t len,
				struct es_later *later);
struct es_text *es_service_finish(struct es_service *sv, const struct es_peer *peer, struct es_later *later);
/* Also if nothing is awaited. */
void es_service_cancel(struct es_later *later);
/* An exitstat.Failed or exitstat.BadRequest for what never got so far. NULL: out of memory. */
struct es_text *es_service_error(const char *error, const char *message);

#define ES_ERROR_FAILED	     "exitstat.Failed"
#define ES_ERROR_BAD_REQUEST "exitstat.BadRequest"

#endif
