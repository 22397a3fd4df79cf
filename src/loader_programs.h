/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs on their hooks, a part of the loader: on and off, in the file system or not, and what they missed, ran and take up. Once
 * they are on, the objects that they were loaded from are not needed any more.
 */
#ifndef EXITSTAT_LOADER_PROGRAMS_H
#define EXITSTAT_LOADER_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>

#include <exitstat/cost.h>
#include <exitstat/status.h>

struct bpf_link;
struct bpf_object;
struct bpf_program;

#define ES_PROGRAMS_MAX ES_STATUS_PROGRAMS

struct es_attached {
	char hook[48]; /* "tp_btf/kvm_exit" */
	int fd;	       /* of the program */
	struct bpf_link *link;
};

struct es_programs {
	struct es_attached list[ES_PROGRAMS_MAX];
	unsigned int n;
};

/* Programs that user space calls are on no hook. */
bool es_program_has_hook(const struct bpf_program *p);
/* Puts it on its hook. 0 or negative errno; -ENOENT: there is no such hook. */
int es_programs_attach(struct es_programs *ps, const struct bpf_program *p);
/* Takes them off, the last first, and out of the file system. Their fds stay, to ask what they missed. */
void es_programs_detach(struct es_programs *ps);
/* Those from that one on, also from the file system, and forgets them. */
void es_programs_drop(struct es_programs *ps, unsigned int from);
/* Forgets them: they stay on their hooks if they are in the file system and were not detached. */
void es_programs_close(struct es_programs *ps);

/*
 * In a folder of a BPF file system, a file a program. 0 or negative errno; -EOPNOTSUPP: this kernel cannot (before 5.15,
 * kprobes).
 */
int es_programs_pin(struct es_programs *ps, const char *dir);
/* Adds those that are there. 0 or negative errno: then none is added. */
int es_programs_adopt(struct es_programs *ps, const char *dir);

uint64_t es_programs_missed(const struct es_programs *ps);
void es_programs_status(const struct es_programs *ps, struct es_status *st);
void es_programs_counts(const struct es_programs *ps, struct es_cost_counts *c);
/* A program that is not attached, for status. */
void es_program_status_off(const struct bpf_program *p, struct es_status *st);
/* Bytes of these programs' maps and of the object's. */
uint64_t es_programs_map_bytes(const struct es_programs *const *lists, unsigned int n,
			       const struct bpf_object *obj);

/* The kernel's BPF statistics, on until the fd is closed. Negative errno: why says why not. */
int es_bpf_stats_on(char why[ES_COST_WHY]);

#endif
