// SPDX-License-Identifier: GPL-2.0-only
#include <exitstat/process.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <exitstat/snapshot.h>
#include <exitstat/util.h>

#define NS_PER_S    1000000000ull
#define NS_PER_US   1000ull
#define INIT_PID_NS "pid:[4026531836]" /* PROC_PID_INIT_INO, since Linux 3.8 */
#define STAT_MAX    1024	       /* the fields up to the start time, the name at its longest included */

bool es_process_sees_host(const char *proc)
{
	char path[PATH_MAX], target[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/self/ns/pid", proc);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	return !strcmp(target, INIT_PID_NS);
}

static int open_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int es_process_open(const char *proc, uint32_t pid)
{
	char path[512];

	if (!proc)
		return -ENOTSUP;
	snprintf(path, sizeof(path), "%s/%u", proc, pid);
	return open_folder(path);
}

int es_process_open_thread(const char *proc, uint32_t pid, uint32_t tid)
{
	char path[512];

	if (!proc)
		return -ENOTSUP;
	snprintf(path, sizeof(path), "%s/%u/task/%u", proc, pid, tid);
	return open_folder(path);
}

/* ENOENT as its number is looked up, ESRCH through a folder that was opened before. */
bool es_process_gone(int error)
{
	return error == -ENOENT || error == -ESRCH;
}

/* How long the host was suspended until now, which is what CLOCK_BOOTTIME has more; rather too much than too little. */
static uint64_t suspended_ns(void)
{
	uint64_t monotonic = es_monotonic_ns(), boottime = es_clock_ns(CLOCK_BOOTTIME);

	return boottime > monotonic ? boottime - monotonic : 0;
}

/* Start times are in ticks since boot, cut to whole ones. */
static uint64_t start_of(unsigned long long ticks)
{
	uint64_t boottime = ticks * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK)), suspended = suspended_ns();

	return boottime > suspended ? boottime - suspended : 0;
}

int es_process_read_stat(int dir, struct es_process_stat *out)
{
	_cleanup_close_ int fd = openat(dir, "stat", O_RDONLY | O_CLOEXEC);
	unsigned long long ticks;
	char buf[STAT_MAX], *p;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf) - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	/* A name may hold parentheses; what comes after it does not. */
	p = strrchr(buf, ')');
	if (!p || sscanf(p + 1, " %c", &out->state) != 1)
		return -EBADMSG;
	/* Field 22; the state is field 3. */
	if (sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &ticks) != 1)
		return -EBADMSG;
	out->start_ns = start_of(ticks);
	return 0;
}

bool es_process_younger(int dir, uint64_t monotonic_ns)
{
	struct es_process_stat stat;

	return !es_process_read_stat(dir, &stat) && stat.start_ns > monotonic_ns;
}

uint64_t es_process_own_rss(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages;

	if (!f || fscanf(f, "%*u %lu", &pages) != 1)
		return ES_NONE;
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t es_process_own_cpu(void)
{
	struct rusage ru;

	if (getrusage(RUSAGE_SELF, &ru) < 0)
		return ES_NONE;
	return (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * NS_PER_S +
	       (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * NS_PER_US;
}
