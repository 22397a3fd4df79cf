// SPDX-License-Identifier: GPL-2.0-only
#include "tinyguest_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "tinyguest_options.h"

void pin_thread(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

void move_to_next_cpu(void)
{
	static int cpus;

	if (!cpus)
		cpus = get_nprocs();
	pin_thread((sched_getcpu() + 1) % cpus);
}

uint64_t run_delay_ns(void)
{
	FILE *f = fopen("/proc/thread-self/schedstat", "re");
	uint64_t delay = 0;

	if (!f || fscanf(f, "%*u %" SCNu64, &delay) != 1)
		die("/proc/thread-self/schedstat: cannot read it");
	fclose(f);
	return delay;
}

uint64_t on_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

bool asleep(pid_t tid)
{
	char path[64], line[256];
	const char *state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (n <= 0)
		return false;
	line[n] = 0;
	state = strrchr(line, ')');
	return state && state[2] == 'S';
}
