/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's settings: one table for the command line, --help and the config file. */
#ifndef EXITSTAT_CONFIG_H
#define EXITSTAT_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define ES_CONFIG_FILE	  "/etc/exitstat/exitstatd.conf"
#define ES_SOCKET_DEFAULT "/run/exitstat/exitstat.sock"
#define ES_CONFIG_ERR	  512

/* What of KVM's MMU is measured; see docs/mmu.md for what each costs. */
enum es_mmu_mode { ES_MMU_OFF, ES_MMU_BASIC, ES_MMU_FULL };

struct es_config {
	char socket[108];      /* as much as sockaddr_un holds */
	char replay[PATH_MAX]; /* "": no recording */
	char file[PATH_MAX];
	char group[64]; /* name or number */
	char user[64];	/* likewise */
	uint64_t interval_ns;
	uint64_t ended_keep_ns;
	uint64_t slots;
	uint64_t ended_max;
	uint64_t history;
	bool latency;
	int mmu; /* enum es_mmu_mode */
	char metrics[64]; /* "": nobody is told over HTTP */
	uint64_t metrics_vms;
	bool metrics_histograms;
	bool pin;
	char pin_dir[256];
	bool unpin, help, version, options;
};

/*
 * Defaults, then the config file, then $EXITSTAT_SOCKET, then the command line. A missing
 * file is an error only if --config names it. 0; -EINVAL for a wrong command line, other
 * negative errno for a wrong file, with one line in err.
 */
int es_config_load(int argc, char **argv, struct es_config *out, char err[ES_CONFIG_ERR]);
void es_config_help(FILE *f);
/* The options that help names, as lines of options_table.h. */
void es_config_table(FILE *f);
/* Takes over from next what can change while the daemon runs, and logs what can not. */
void es_config_apply(struct es_config *cfg, const struct es_config *next);

/* "500ms", "1s", "1.5s", "10min", "2h", "1d"; a bare number is seconds. 0 or -EINVAL. */
int es_parse_duration(const char *text, uint64_t *ns);

#endif
