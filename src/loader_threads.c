// SPDX-License-Identifier: GPL-2.0-only
#include "loader_threads.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>

#include <bpf/bpf.h>

static bool is_gone(uint32_t tid)
{
	return kill((pid_t)tid, 0) && errno == ESRCH;
}

bool es_threads_forget(int map_fd)
{
	bool more, living = false;
	uint32_t tid, next;

	more = !bpf_map_get_next_key(map_fd, NULL, &tid);
	while (more) {
		more = !bpf_map_get_next_key(map_fd, &tid, &next);
		if (is_gone(tid))
			bpf_map_delete_elem(map_fd, &tid);
		else
			living = true;
		tid = next;
	}
	return living;
}
