/* SPDX-License-Identifier: GPL-2.0-only */
/* What the unit tests share: cmocka with all it needs, and snapshots to work on. */
#ifndef ES_TEST_H
#define ES_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <exitstat/snapshot.h>
#include <exitstat/util.h>

#ifdef __SANITIZE_ADDRESS__
#define ES_SANITIZED 1
#else
#define ES_SANITIZED 0
#endif

/* Skips the test and has tests/run show why. */
#define ES_SKIP(why)                           \
	do {                                   \
		printf("# skip: %s\n", (why)); \
		skip();                        \
	} while (0)

/* Adds an SVM or VMX reason with a plausible histogram; time_ns ES_NONE: latency is off. */
struct es_reason *es_sample_reason(struct es_counts *c, uint32_t code, uint64_t count, uint64_t time_ns);
/* A running VM of pid 1000 + the digits of its name, all unknown but its identity. */
struct es_vm *es_sample_vm(const char *name, uint32_t vcpus);
/*
 * A snapshot with everything in it: SVM host, guest1 (npt, two vCPUs, per_vcpu), a shadow VM
 * with an unknown reason and a name that needs escapes, an ended VM of which nothing was
 * measured but counts.
 */
struct es_snapshot *es_sample_snapshot(void);
/* vms VMs with reasons reasons each. */
struct es_snapshot *es_sample_many(unsigned int vms, unsigned int reasons);

/* Fails the test, naming the member, unless the two are equal; owner's uid is not looked at (it is not in JSON). */
void es_assert_same(const struct es_snapshot *a, const struct es_snapshot *b, bool per_vcpu);

/* A file of its own with this text; path is for unlink(2). */
#define ES_TEMP_PATH 64
void es_temp_file(char path[ES_TEMP_PATH], const char *text, size_t len);
/* The same with a snapshot a line, as a recording. */
void es_temp_recording(char path[ES_TEMP_PATH], struct es_snapshot *const *snapshots, size_t n);

/* The whole file, or a failed test. */
char *es_read_file(const char *path, size_t *len);
/* text is what tests/golden/NAME holds; ES_UPDATE_GOLDEN=1 writes it instead. */
void es_assert_golden(const char *name, const char *text);

#endif
