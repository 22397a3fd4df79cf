/* SPDX-License-Identifier: GPL-2.0-only */
/* Who is this VM: its name and owner, from /proc of the process that runs it. */
#ifndef EXITSTAT_IDENTITY_H
#define EXITSTAT_IDENTITY_H

#include <stdint.h>

#define ES_NAME_MAX 256

struct es_identity {
	char name[ES_NAME_MAX];	/* valid UTF-8, cut at a character; control characters are kept (renderers sanitise) */
	uint32_t uid;		/* UINT32_MAX if unknown */
	const char *source;	/* "machined", "libvirt", "qemu", "firecracker", …, "comm": for status and debugging */
};

/*
 * proc: root of the proc file system ("/proc"; tests pass fixtures). comm: the
 * main thread's name as BPF saw it, used as "comm-PID" when nothing else is found or the
 * process is gone already. exe: the file that it runs, as /proc/PID/exe points at it, which not everybody may read; NULL: not
 * known. seen_ns: when the process was seen with this number, CLOCK_MONOTONIC: one that
 * began later is another one, of which nothing is taken. Never fails: the worst answer is comm-PID. Everything
 * below proc is hostile: sizes are capped (cmdline 1 MiB, cgroup 64 KiB).
 */
void es_identity_resolve(const char *proc, uint32_t pid, const char *comm, const char *exe, uint64_t seen_ns,
			 struct es_identity *out);

#endif
