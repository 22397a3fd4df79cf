/* SPDX-License-Identifier: GPL-2.0-only */
/* What exitstatd's two processes may do, and give up for good. */
#ifndef EXITSTAT_DAEMON_PRIVILEGE_H
#define EXITSTAT_DAEMON_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* May this process load BPF programs? */
bool es_privilege_to_load(void);
/* For the keeper: root, with no more capabilities than it needs. */
void es_privilege_keep(void);

struct es_privilege_user {
	uid_t uid;
	gid_t gid;
	bool known;
};
/* By name or number; where there is no such user, nobody. */
struct es_privilege_user es_privilege_find_user(const char *name);
/*
 * For the other one: becomes that user if it is root, has no capability and gets none, may be traced by nobody, and calls
 * nothing of the kernel but what it serves clients with. 0 or negative errno with one line in err.
 */
int es_privilege_drop(const struct es_privilege_user *user, char *err, size_t size);

#endif
