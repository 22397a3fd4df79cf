// SPDX-License-Identifier: GPL-2.0-only
/* Runs inside a Linux guest and causes one kind of exit, N times. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int load_cpuid(long n)
{
	while (n--) {
		uint32_t a = 0, b, c = 0, d;

		asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	}
	return 0;
}

/* Port 0x80 is nobody's: the classic I/O delay. */
static int load_io(long n)
{
	if (iopl(3)) {
		perror("guestload: iopl");
		return 1;
	}
	while (n--)
		outb(0, 0x80);
	return 0;
}

static int load_touch(long n)
{
	char *mem = mmap(NULL, n * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED) {
		perror("guestload: mmap");
		return 1;
	}
	madvise(mem, n * 4096, MADV_NOHUGEPAGE);
	for (long i = 0; i < n; i++)
		mem[i * 4096] = 1;
	return munmap(mem, n * 4096);
}

/* A process is born and dies: new page tables, CR3 loads, copied pages. */
static int load_fork(long n)
{
	while (n--) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return 0;
}

/* Short sleeps: the guest halts. */
static int load_sleep(long n)
{
	struct timespec ms = { 0, 1000000 };

	while (n--)
		nanosleep(&ms, NULL);
	return 0;
}

static int load_spin(long n)
{
	for (volatile long i = 0; i < n * 1000; i++)
		;
	return 0;
}

static const struct {
	const char *name;
	int (*run)(long n);
} loads[] = {
	{ "cpuid", load_cpuid }, { "io", load_io },	  { "touch", load_touch },
	{ "fork", load_fork },	 { "sleep", load_sleep }, { "spin", load_spin },
};

int main(int argc, char **argv)
{
	long n = argc == 3 ? atol(argv[2]) : 0;

	for (size_t i = 0; n > 0 && i < sizeof(loads) / sizeof(*loads); i++)
		if (!strcmp(argv[1], loads[i].name))
			return loads[i].run(n);
	fprintf(stderr, "usage: guestload cpuid|io|touch|fork|sleep|spin N\n");
	return 2;
}
