/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMs that ended, in a file, for the daemon that comes after this one: their slots are given back as soon as they are told, so
 * nothing else knows of them. With --pin only. A line a VM: {"uid":UID,"snapshot":{...}}, the snapshot as on the socket.
 */
#ifndef EXITSTAT_DAEMON_ENDED_H
#define EXITSTAT_DAEMON_ENDED_H

#include <stddef.h>

#include <exitstat/snapshot.h>
#include <exitstat/store.h>

#include "daemon_privilege.h"

struct es_ended;

/* While it is root: makes the folder SOCKET.ended, user's alone. 0 or negative errno with one line in err. */
int es_ended_open(const char *socket, const struct es_privilege_user *user, struct es_ended **out, char *err,
		  size_t size);
void es_ended_free(struct es_ended *e); /* NULL is fine */
/* Gives the store what the daemon before wrote. */
void es_ended_load(struct es_ended *e, struct es_store *store);
/* Adds the VMs of s that ended; store: what of them is still known, the rest of the file is left out in time. */
void es_ended_write(struct es_ended *e, const struct es_snapshot *s, const struct es_store *store);
/* Removes the folder of that socket. >= 0: files that were there; or negative errno. */
int es_ended_remove(const char *socket);

#endif
