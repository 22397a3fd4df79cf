/* SPDX-License-Identifier: GPL-2.0-only */
/* What a patched KVM says of its own exits, in each place where it says it. */
#ifndef TINYGUEST_KERNEL_H
#define TINYGUEST_KERNEL_H

#include <stddef.h>

#include "tinyguest.h"

/* The VM's debugfs file exit_stats, allocated; NULL if there is none. */
char *read_exit_stats(int vm_fd);

/* The queries of --leaves: TG_LEAF_ALL, then for each exit number EXITS, CYCLES
 * and CYCLES_2, then TG_LEAF_ALL again. Returns how many; q may be NULL.
 */
size_t fill_queries(struct tg_query *q);

/* JSON: a string, or null. */
void print_text(const char *text);
/* JSON: [[leaf, index, eax, ebx, ecx, edx], ...] */
void print_queries(const struct tg_query *q, size_t n);
/* JSON: the binary statistics called exit_*, {"NAME": {"type", "bucket", "values"}, ...} */
void print_stats(int vcpu_fd);

#endif
