/* SPDX-License-Identifier: GPL-2.0-only */
/* Threads as the scheduler sees them. */
#ifndef TINYGUEST_THREAD_H
#define TINYGUEST_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* This thread runs on that CPU only, from now on. */
void pin_thread(int cpu);
/* This thread goes on on the next CPU; all are online. */
void move_to_next_cpu(void);
/* Of this thread, as the scheduler counts: how long it waited for a CPU, and how long it was on one. */
uint64_t run_delay_ns(void);
uint64_t on_cpu_ns(void);
/* Is this thread of ours asleep in the kernel? Only then is its vCPU halted for sure. */
bool asleep(pid_t tid);

#endif
