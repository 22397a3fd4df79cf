/* SPDX-License-Identifier: GPL-2.0-only */
/* Which members a snapshot has in JSON, and where they stand in memory: for its writer and its reader. */
#ifndef SNAPSHOT_FIELDS_H
#define SNAPSHOT_FIELDS_H

#include <exitstat/snapshot.h>

/* A u64 member of JSON and its place in a struct. */
struct es_field {
	const char *name;
	size_t at;
};

/* An object of u64 members in a struct; key NULL: they stand in the object around it. */
struct es_group {
	const char *key;
	const struct es_field *fields;
	size_t n, at;
};

/* An object of groups in a struct. */
struct es_section {
	const char *key;
	const struct es_group *groups;
	size_t n, at;
};

enum { ES_SECTIONS = 3 };
extern const struct es_section es_counts_sections[ES_SECTIONS]; /* time, mmu, cr, in struct es_counts */
extern const struct es_section es_taken_section;		/* in struct es_snapshot */
extern const struct es_section es_health_section;		/* in struct es_snapshot */

#endif
