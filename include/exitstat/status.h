/* SPDX-License-Identifier: GPL-2.0-only */
/* What `exitstat status` shows: how the daemon measures, what it costs, what it lost. */
#ifndef EXITSTAT_STATUS_H
#define EXITSTAT_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include <exitstat/cost.h>
#include <exitstat/json.h>
#include <exitstat/kernel_counts.h>
#include <exitstat/snapshot.h>

enum es_attach_state {
	ES_ATTACH_WAITING,	/* KVM, or its vendor module, is not loaded yet */
	ES_ATTACH_ATTACHED,
	ES_ATTACH_SILENT,	/* attached, KVM runs guests, but kvm_exit never fires (PVM) */
	ES_ATTACH_DETACHED,	/* by `exitstat detach` */
	ES_ATTACH_FAILED,
	ES_ATTACH_REPLAY,
};

struct es_program_status {
	char name[32];
	char hook[48];		/* "tp_btf/kvm_exit" */
	bool attached;
	uint64_t runs;		/* ES_NONE while the kernel's BPF statistics are off */
	uint64_t run_ns;	/* as runs */
	uint64_t missed;	/* recursion_misses; ES_NONE where the kernel does not tell */
};

struct es_feature_status {
	char name[32];		/* "kvm_exit", "reason", "vcpu lifecycle", … */
	bool on;
	char detail[256];	/* how it is done, or why not and the remedy */
};

#define ES_STATUS_PROGRAMS 32
#define ES_STATUS_FEATURES 32

struct es_status {
	enum es_attach_state attach;
	char notice[256];	/* "" or one line that names what is not measured and the remedy */
	struct es_host host;
	struct es_program_status programs[ES_STATUS_PROGRAMS];
	unsigned int n_programs;
	struct es_feature_status features[ES_STATUS_FEATURES];
	unsigned int n_features;
	struct es_health_counts health;
	uint64_t short_cells, ring_full;	/* further counters of abi.h */
	uint64_t map_bytes;	/* as the kernel accounts for them */
	bool latency;
	/* filled by the daemon */
	uint64_t uptime_ns, cpu_ns, rss_bytes;
	uint64_t samples, sample_ns_sum, sample_ns_last, sample_ns_max;
	uint64_t clients, clients_refused, requests;
	/* of who asks; NULL: cannot be asked of this source */
	const struct es_kernel_report *kernel;
	struct es_cost cost;	/* of who asks, too */
};

const char *es_attach_state_name(enum es_attach_state s);	/* "waiting", "attached", … */
/* The status as an object under key. */
void es_status_write(struct es_json *j, const char *key, const struct es_status *st);

#endif
