/* SPDX-License-Identifier: GPL-2.0-only */
/* The checks of `exitstat doctor`, one function each, in a table. */
#ifndef EXITSTAT_DOCTOR_H
#define EXITSTAT_DOCTOR_H

#include <exitstat/kvm_host.h>
#include <exitstat/render.h>

enum es_finding { ES_FINDING_OK, ES_FINDING_WARN, ES_FINDING_FAIL };

/* What the checks look at. */
struct es_doctor {
	const char *root;   /* before /proc, /sys and /dev: "", or a fixture */
	const char *socket; /* the daemon's */
	bool fixture;	    /* root is not this host: nothing is tried out */
	/* read once, before the first check */
	struct es_kvm_host kvm;
	bool is_root, sys_admin; /* uid 0; CAP_SYS_ADMIN */
};

struct es_check_result {
	enum es_finding finding;
	char text[384];
	char remedy[384]; /* "" if there is nothing to do */
};

struct es_check {
	const char *name; /* NULL ends the table */
	void (*run)(const struct es_doctor *d, struct es_check_result *r);
};
extern const struct es_check es_checks[];

void es_doctor_begin(struct es_doctor *d);

#endif
