// SPDX-License-Identifier: GPL-2.0-only
#include "daemon_privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <exitstat/log.h>
#include <exitstat/util.h>

#define NOBODY 65534 /* the kernel's overflow id: no file is this user's */

/* --- capabilities --- */

/* Those without which the keeper cannot do its work. */
static const int kept[] = {
	CAP_SYS_ADMIN,	  /* bpf(), its statistics, maps by id; all of it before 5.8 */
	CAP_BPF,	  /* the same since then */
	CAP_PERFMON,	  /* programs on tracepoints and kprobes */
	CAP_SYS_RESOURCE, /* the limit of locked memory, which maps count for before 5.11 */
	CAP_SYS_PTRACE,	  /* /proc/PID/task/TID/syscall and /proc/PID/exe of others' VMs */
	CAP_DAC_OVERRIDE, /* removes the socket from a folder that is not root's */
};

static int set_capabilities(struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

static int get_capabilities(struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	memset(data, 0, _LINUX_CAPABILITY_U32S_3 * sizeof(*data));
	return syscall(SYS_capget, &head, data) ? -errno : 0;
}

bool es_privilege_to_load(void)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return !get_capabilities(data) &&
	       data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
}

static bool is_kept(int cap)
{
	for (size_t i = 0; i < ES_ARRAY_SIZE(kept); i++) {
		if (kept[i] == cap)
			return true;
	}
	return false;
}

/* Nothing that is executed gets more than this. Fails where it is not ours to change: then there is nothing to lose. */
static void bound_capabilities(bool keep)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (!keep || !is_kept(cap))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	}
}

void es_privilege_keep(void)
{
	struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3], want[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (get_capabilities(have))
		return;
	bound_capabilities(true);
	for (size_t i = 0; i < ES_ARRAY_SIZE(kept); i++) {
		int at = CAP_TO_INDEX(kept[i]);

		want[at].permitted |= have[at].permitted & CAP_TO_MASK(kept[i]);
		want[at].effective = want[at].permitted;
	}
	if (set_capabilities(want))
		es_warn("the privileged process keeps all capabilities: %s", strerror(errno));
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* --- the user --- */

static bool is_number(const char *name, unsigned long *n)
{
	char *end;

	if (!*name || name[strspn(name, "0123456789")])
		return false;
	errno = 0;
	*n = strtoul(name, &end, 10);
	return !errno && *n < UINT32_MAX;
}

struct es_privilege_user es_privilege_find_user(const char *name)
{
	const struct passwd *pw;
	unsigned long n;

	if (is_number(name, &n)) {
		pw = getpwuid((uid_t)n);
		return (struct es_privilege_user){ (uid_t)n, pw ? pw->pw_gid : (gid_t)n, true };
	}
	pw = getpwnam(name);
	if (pw)
		return (struct es_privilege_user){ pw->pw_uid, pw->pw_gid, true };
	return (struct es_privilege_user){ NOBODY, NOBODY, false };
}

static int become(const struct es_privilege_user *user)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) || setresgid(user->gid, user->gid, user->gid) ||
	    setresuid(user->uid, user->uid, user->uid))
		return -errno;
	return 0;
}

/* --- system calls --- */

/*
 * What the event loop, the C library, jansson, libmicrohttpd, libsystemd and the daemon itself use once all is set up. What
 * is missing comes back as EPERM: a library that tries something new goes on without it.
 */
static const int allowed[] = {
	/* memory, time, threads' bookkeeping, the end */
	SCMP_SYS(brk),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(futex),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(getrandom),
	SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	/* who we are, what we take */
	SCMP_SYS(getpid),
	SCMP_SYS(getppid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getgroups),
	SCMP_SYS(getrusage),
	SCMP_SYS(prlimit64),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(times),
	SCMP_SYS(capget),
	/* signals; kill() asks whether a VM's process is there, wait4() after the keeper */
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(signalfd4),
	SCMP_SYS(kill),
	SCMP_SYS(tgkill),
	SCMP_SYS(wait4),
	SCMP_SYS(waitid),
	/* files: /proc, /sys, the config file, VMs that ended */
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(close),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(stat),
	SCMP_SYS(fstat),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getdents64),
	SCMP_SYS(getcwd),
	SCMP_SYS(fcntl),
	SCMP_SYS(dup),
	SCMP_SYS(dup3),
	SCMP_SYS(ftruncate),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(fadvise64),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	/* waiting */
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime),
	SCMP_SYS(eventfd2),
	SCMP_SYS(pipe2),
	/* sockets: ours, systemd's, uevents; which ones can be made at all is in allow_sockets() */
	SCMP_SYS(bind),
	SCMP_SYS(connect),
	SCMP_SYS(accept4),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(shutdown),
	SCMP_SYS(sendfile),
};

static int allow_sockets(scmp_filter_ctx ctx)
{
	static const int families[] = { AF_UNIX, AF_NETLINK };
	int r = 0;

	for (size_t i = 0; !r && i < ES_ARRAY_SIZE(families); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	return r;
}

/* How much there is to read, not to block, and whether it is a terminal; no more. */
static int allow_ioctls(scmp_filter_ctx ctx)
{
	static const unsigned long requests[] = { FIONREAD, FIONBIO, TCGETS };
	int r = 0;

	for (size_t i = 0; !r && i < ES_ARRAY_SIZE(requests); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)requests[i]));
	return r;
}

/* The slots are mapped to be read: not every kernel keeps who did that from making them writable afterwards. */
static int allow_protection(scmp_filter_ctx ctx)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE, 0));
}

static int filter_calls(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < ES_ARRAY_SIZE(allowed); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!r)
		r = allow_sockets(ctx);
	if (!r)
		r = allow_ioctls(ctx);
	if (!r)
		r = allow_protection(ctx);
	/* Nothing can be executed or forked, so what we may call is what is here. */
	if (!r)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

int es_privilege_drop(const struct es_privilege_user *user, char *err, size_t size)
{
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
	const char *what = "become the user that serves clients";
	int r;

	bound_capabilities(false);
	r = become(user);
	if (!r) {
		what = "give up capabilities";
		r = set_capabilities(none);
	}
	if (!r && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		r = -errno;
#ifdef __SANITIZE_ADDRESS__
	return r; /* its search for leaks traces the process from another thread */
#endif
	/* Nobody of that user looks into the process that has the kernel's counters. */
	if (!r && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		r = -errno;
	if (!r) {
		what = "restrict system calls";
		r = filter_calls();
	}
	if (r)
		snprintf(err, size, "cannot %s: %s; it is not safe to go on", what, strerror(-r));
	return r;
}
