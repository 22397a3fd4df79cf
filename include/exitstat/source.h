/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the daemon's snapshots come from: the collector (BPF on KVM) or a
 * recording (--replay). exitstatd.c sees only this.
 */
#ifndef EXITSTAT_SOURCE_H
#define EXITSTAT_SOURCE_H

#include <systemd/sd-event.h>

#include <exitstat/kernel_counts.h>
#include <exitstat/snapshot.h>
#include <exitstat/status.h>

struct es_keeper;
struct es_recording;
struct es_source;

struct es_source_ops {
	/* The live VMs, and each VM that ended since the last told(). 0 or negative errno. */
	int (*sample)(struct es_source *src, struct es_snapshot **out);
	/* The last sample is kept where it cannot be lost. NULL: this source does not care. */
	void (*told)(struct es_source *src);
	/*
	 * Those VMs of the last sample alone, as they are now. NULL: this source cannot. 0 or negative errno; -ESRCH: only
	 * a sample can tell.
	 */
	int (*look)(struct es_source *src, const struct es_snapshot *at, struct es_snapshot **out);
	/* Fills what the source knows, cpu_ns and rss_bytes of a process of its own; the daemon adds the rest. */
	void (*status)(struct es_source *src, struct es_status *st);
	/*
	 * Compares a patched KVM's own counters with the source's, of all VMs or of those of uid.
	 * NULL: this source cannot. 0 or -ENOMEM; *out is the caller's.
	 */
	int (*kernel)(struct es_source *src, bool all, uint32_t uid, struct es_kernel_report **out);
	/*
	 * Have the kernel count what the programs cost until the fd that this gives is closed, and what that
	 * was so far. Both NULL: nothing to measure. Negative errno: why says why not.
	 */
	int (*cost_on)(struct es_source *src, char why[ES_COST_WHY]);
	void (*cost)(struct es_source *src, struct es_cost_counts *out);
	/* Take the programs off KVM and put them back. 0 or negative errno with a line in err. */
	int (*detach)(struct es_source *src, char *err, size_t size);
	int (*attach)(struct es_source *src, char *err, size_t size);
	void (*free)(struct es_source *src);
};

/* First member of every source. */
struct es_source {
	const struct es_source_ops *ops;
	/* Set by the daemon: something changed (a VM came or ended, KVM came or went), sample soon. */
	void (*changed)(void *ctx);
	void *ctx;
	/*
	 * Set by the daemon before a sample: somebody wants the vCPUs one by one. They are four
	 * fifths of a snapshot's memory and time, so a source should leave them out otherwise
	 * (but may give them).
	 */
	bool per_vcpu;
	/* Set by the source: CPU time of the last sample that went into loading programs, which the next does not cost. */
	uint64_t aside_ns;
};

struct es_source_options {
	unsigned int slots;	/* vCPUs at most */
	bool latency;		/* false: counts only */
	const char *sys, *proc;	/* "/sys", "/proc" */
	struct es_keeper *keeper;	/* who has the programs */
	struct es_recording *recording;	/* to be replayed instead, or NULL; the source's from here on */
};

/*
 * collector.c. Does not fail for want of KVM: it waits for the modules and says so in
 * status. Fails (negative errno, one line with the remedy in err) for what waiting does not
 * mend: no privilege, no BPF, no BTF.
 */
int es_collector_new(sd_event *event, const struct es_source_options *o, struct es_source **out,
		     char *err, size_t size);
/* replay.c: one line of the recording per sample, the last one again at the end. */
int es_replay_new(const struct es_source_options *o, struct es_source **out, char *err, size_t size);

#endif
