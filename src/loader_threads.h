/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of who ran which vCPU last (map "threads"), a part of the loader. */
#ifndef EXITSTAT_LOADER_THREADS_H
#define EXITSTAT_LOADER_THREADS_H

#include <stdbool.h>

/* Takes out the threads that are gone. True if living ones are left. */
bool es_threads_forget(int map_fd);

#endif
