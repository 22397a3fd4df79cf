/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's announcements of modules that come and go, without udev. */
#ifndef EXITSTAT_UEVENT_H
#define EXITSTAT_UEVENT_H

#include <stdbool.h>
#include <stddef.h>

/* A non-blocking netlink socket, or negative errno. Only the initial network namespace hears anything. */
int es_uevent_open(void);
/*
 * Takes all waiting messages; *kvm becomes true if one was about a module whose name
 * begins with kvm. 0, or negative errno; -ENOBUFS: messages were lost, look yourself.
 */
int es_uevent_drain(int fd, bool *kvm);
/* Is this message ("ACTION@/module/kvm…", then NUL-separated KEY=value) about a kvm module? */
bool es_uevent_is_kvm_module(const char *msg, size_t len);

#endif
