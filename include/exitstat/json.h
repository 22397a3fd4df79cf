/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * JSON: a streaming writer of our own (a snapshot of 1,000 VMs must not cost a
 * tree of a million nodes) and a reader on jansson that takes nothing on trust.
 */
#ifndef EXITSTAT_JSON_H
#define EXITSTAT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <exitstat/snapshot.h>

/* A text under construction. Out of memory is sticky: look at err once, at the end. */
struct es_json {
	char *buf;
	size_t len, cap;
	unsigned int depth;
	bool comma[32];
	bool pretty;	/* two-space indent, else one line */
	int err;	/* 0 or -ENOMEM */
};

void es_json_init(struct es_json *j, bool pretty);
void es_json_free(struct es_json *j);
/* key NULL inside arrays and at the top. */
void es_json_object(struct es_json *j, const char *key);
void es_json_object_end(struct es_json *j);
void es_json_array(struct es_json *j, const char *key);
void es_json_array_end(struct es_json *j);
void es_json_u64(struct es_json *j, const char *key, uint64_t v);	/* ES_NONE: null */
void es_json_i64(struct es_json *j, const char *key, int64_t v);
void es_json_double(struct es_json *j, const char *key, double v);	/* not finite: null */
void es_json_bool(struct es_json *j, const char *key, bool v);
void es_json_null(struct es_json *j, const char *key);
/* NULL: null. Bytes that are not UTF-8 come out as U+FFFD, control characters escaped. */
void es_json_string(struct es_json *j, const char *key, const char *s);
/* The finished text, owned by the caller, NUL-terminated, no newline at the end; NULL and -ENOMEM in *err. */
char *es_json_take(struct es_json *j, size_t *len);

/* The snapshot's members (schema … health) as an object under key. */
void es_snapshot_write(struct es_json *j, const char *key, const struct es_snapshot *s, bool per_vcpu);
/* As a text; one line unless pretty. NULL when out of memory. */
char *es_snapshot_to_json(const struct es_snapshot *s, bool per_vcpu, bool pretty, size_t *len);

#define ES_ERR_MAX 256
/*
 * Reads a snapshot object. Unknown members are skipped, missing or null ones are
 * ES_NONE; a wrong type, a number out of range, a foreign schema, a reason that
 * stands twice, more than 100,000 VMs or 4,096 reasons is -EBADMSG with err saying
 * which member. -ENOMEM as usual. 0: *out is the caller's.
 */
int es_snapshot_from_json(const json_t *root, struct es_snapshot **out, char err[ES_ERR_MAX]);
/* The same from text of len bytes. */
int es_snapshot_parse(const char *text, size_t len, struct es_snapshot **out, char err[ES_ERR_MAX]);

#endif
