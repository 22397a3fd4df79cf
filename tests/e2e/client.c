// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client of exitstatd for tests, good and bad:
 *
 *   client SOCKET send               standard input to the socket, the answers to standard output
 *   client SOCKET hold N             N connections that say nothing, until standard input ends;
 *                                    then how many of them the daemon has closed
 *   client SOCKET deaf N LINE        LINE N times, without taking an answer, until standard input ends
 *   client SOCKET flood SECONDS LINE as often as it is answered; how often that was
 *   client SOCKET time N LINE        N times: min, median and max in us, and the answer's bytes
 *
 * and two things that systemd does:
 *
 *   client SOCKET told               what comes to $NOTIFY_SOCKET=SOCKET, until killed
 *   client SOCKET activate PROGRAM … listens and starts it with the socket as fd 3
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <exitstat/util.h>

static char buf[1 << 16];

static void die(const char *what)
{
	fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A socket of this type on which call, connect or bind, has succeeded. */
static int open_at(const char *path, int type, int (*call)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (fd < 0 || call(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		die(path);
	return fd;
}

static int dial(const char *path)
{
	return open_at(path, SOCK_STREAM | SOCK_CLOEXEC, connect);
}

/* false: the other side is gone. */
static int put(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0)
			return 0;
		data += n;
		len -= (size_t)n;
	}
	return 1;
}

/* Bytes of the next line, 0 at the end. */
static size_t take_line(int fd)
{
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		len += (size_t)n;
		if (buf[n - 1] == '\n')
			return len;
	}
	return 0;
}

static void wait_for_end_of_input(void)
{
	char c;

	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

static int cmd_send(const char *path, char **args)
{
	int fd = dial(path);
	size_t n;

	(void)args;
	while ((n = fread(buf, 1, sizeof(buf), stdin)) > 0 && put(fd, buf, n))
		;
	shutdown(fd, SHUT_WR);
	for (ssize_t got; (got = recv(fd, buf, sizeof(buf), 0)) > 0;)
		fwrite(buf, 1, (size_t)got, stdout);
	return 0;
}

static int cmd_hold(const char *path, char **args)
{
	int n = atoi(args[0]), closed = 0, *fds = calloc((size_t)n, sizeof(*fds));

	for (int i = 0; i < n; i++)
		fds[i] = dial(path);
	printf("held %d\n", n);
	wait_for_end_of_input();
	for (int i = 0; i < n; i++) {
		struct pollfd p = { fds[i], POLLIN, 0 };

		closed += poll(&p, 1, 0) > 0;
	}
	printf("closed %d\n", closed);
	free(fds);
	return 0;
}

static int cmd_deaf(const char *path, char **args)
{
	int fd = dial(path);

	for (int i = atoi(args[0]); i > 0; i--) {
		if (send(fd, args[1], strlen(args[1]), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		send(fd, "\n", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	puts("deaf");
	wait_for_end_of_input();
	return 0;
}

static int cmd_flood(const char *path, char **args)
{
	uint64_t end = now_us() + (uint64_t)(atof(args[0]) * 1e6);
	unsigned long answers = 0;
	int fd = dial(path);

	while (now_us() < end && put(fd, args[1], strlen(args[1])) && put(fd, "\n", 1) && take_line(fd))
		answers++;
	printf("%lu\n", answers);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int cmd_time(const char *path, char **args)
{
	int n = atoi(args[0]), fd = dial(path);
	uint64_t *us = calloc((size_t)n, sizeof(*us));
	size_t bytes = 0;

	for (int i = 0; i < n; i++) {
		uint64_t begin = now_us();

		if (!put(fd, args[1], strlen(args[1])) || !put(fd, "\n", 1) || !(bytes = take_line(fd)))
			die("no answer");
		us[i] = now_us() - begin;
	}
	qsort(us, (size_t)n, sizeof(*us), by_value);
	printf("min %lu median %lu max %lu us, %zu bytes\n", us[0], us[n / 2], us[n - 1], bytes);
	free(us);
	return 0;
}

static int cmd_told(const char *path, char **args)
{
	int fd = open_at(path, SOCK_DGRAM, bind);
	ssize_t n;

	(void)args;
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		printf("%.*s\n", (int)n, buf);
		fflush(stdout);
	}
	return 0;
}

static int cmd_activate(const char *path, char **args)
{
	int fd = open_at(path, SOCK_STREAM, bind);
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	if (listen(fd, 10) < 0 || (fd != 3 && dup2(fd, 3) < 0))
		die(path);
	execv(args[0], args);
	die(args[0]);
	return 1;
}

static const struct {
	const char *name;
	int args;
	int (*run)(const char *path, char **args);
} commands[] = {
	{ "send", 0, cmd_send },	  { "hold", 1, cmd_hold }, { "deaf", 2, cmd_deaf },
	{ "flood", 2, cmd_flood },	  { "time", 2, cmd_time }, { "told", 0, cmd_told },
	{ "activate", -1, cmd_activate },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc >= 3 && i < ES_ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[2], commands[i].name) &&
		    (commands[i].args < 0 ? argc > 3 : argc == 3 + commands[i].args))
			return commands[i].run(argv[1], argv + 3);
	fputs("usage: client SOCKET send|hold|deaf|flood|time|told|activate …\n", stderr);
	return 2;
}
