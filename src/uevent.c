// SPDX-License-Identifier: GPL-2.0-only
#include "uevent.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#define KERNEL_GROUP 1 /* udev's own messages are in group 2 */

int es_uevent_open(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

bool es_uevent_is_kvm_module(const char *msg, size_t len)
{
	const char *at = memchr(msg, '@', strnlen(msg, len));
	static const char path[] = "@/module/kvm";

	return at && len - (at - msg) >= sizeof(path) - 1 && !memcmp(at, path, sizeof(path) - 1);
}

int es_uevent_drain(int fd, bool *kvm)
{
	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		char buf[8192];
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		/* Any process may send to the group; the kernel's messages alone have port 0. */
		if (from.nl_pid == 0 && es_uevent_is_kvm_module(buf, n))
			*kvm = true;
	}
}
