/* SPDX-License-Identifier: GPL-2.0-only */
/* The listening socket: made, inherited or recovered, and held by one daemon only. */
#ifndef EXITSTAT_LISTEN_H
#define EXITSTAT_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct es_listen {
	int fd, lock_fd;
	int metrics_fd; /* for Prometheus, if systemd passed one, else -1 */
	char path[108];
	char lock_path[128];
	dev_t dev; /* of the socket file we made */
	ino_t ino;
	bool inherited; /* from systemd, which also owns the file */
};

/*
 * Listens at path, or on the socket that systemd passed. The lock file beside it, which
 * holds our pid, keeps a second daemon out. A socket that nobody listens on any more is
 * replaced; anything else at path is left alone. Negative errno with one line in err.
 */
int es_listen_open(struct es_listen *l, const char *path, char *err, size_t size);
/* Closes, and removes what open made. */
void es_listen_close(struct es_listen *l);

#endif
