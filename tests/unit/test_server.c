// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server with real sockets and short time-outs. The test is the client: it writes,
 * lets the event loop run for a while, and looks at what came back.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <exitstat/server.h>
#include <exitstat/util.h>

#include "../../src/daemon_cost.h"

#define MS	   1000000ULL
#define OTHER_UID  65534
#define INFO	   "{\"method\":\"exitstat.GetInfo\"}\n"
#define SNAPSHOT   "{\"method\":\"exitstat.GetSnapshot\"}\n"
#define BIG_NAME   100 /* bytes; and so many VMs that an answer does not fit into a socket */
#define BIG_VMS	   6000
#define LONG_AFTER 2000 /* ms: enough for anything that should happen */

static const struct es_server_limits limits = {
	.clients = 12,
	.per_uid = 4,
	.idle_ns = 600 * MS,
	.stall_ns = 400 * MS,
	.quiet_ns = 150 * MS,
	.budget_ns = 1000 * MS,
	.window_ns = 100 * MS,
};

static struct fixture {
	sd_event *event;
	struct es_store *store;
	struct es_costs *costs;
	struct es_service *service;
	struct es_server *server;
	struct sockaddr_un sun;
	int listen_fd, statistics[2];
	uint64_t burn_ns; /* what a status costs */
} fx;

static uint64_t now_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void no_refresh(void *ctx, bool per_vcpu)
{
	(void)ctx;
	(void)per_vcpu;
}

static void burn(void *ctx, struct es_status *st)
{
	uint64_t until = now_ns(CLOCK_THREAD_CPUTIME_ID) + fx.burn_ns;

	(void)ctx;
	(void)st;
	while (now_ns(CLOCK_THREAD_CPUTIME_ID) < until)
		;
}

static int no_switch(void *ctx, char *err, size_t size)
{
	(void)ctx;
	(void)err;
	(void)size;
	return 0;
}

static int no_kernel(void *ctx, bool all, uint32_t uid, struct es_kernel_report **out)
{
	(void)ctx, (void)all, (void)uid, (void)out;
	return 0;
}

static const struct es_service_ops ops = { no_refresh, burn, no_kernel, no_switch, no_switch, NULL };

/* The kernel's statistics are on while the writing end of a pipe is open. */
static int cost_on(void *ctx, char why[ES_COST_WHY])
{
	(void)ctx, (void)why;
	close(fx.statistics[0]);
	assert_int_equal(pipe2(fx.statistics, O_NONBLOCK), 0);
	return fx.statistics[1];
}

static bool statistics_on(void)
{
	char c;

	return fx.statistics[0] >= 0 && read(fx.statistics[0], &c, 1) < 0;
}

static void cost_counts(void *ctx, struct es_cost_counts *out)
{
	(void)ctx;
	es_cost_add(out, "kvm_exit", 1, 1);
}

static const struct es_cost_ops cost_ops = { cost_on, cost_counts };

static void fill_store(size_t n)
{
	struct es_snapshot *s = es_snapshot_new();
	char name[BIG_NAME + 1];

	memset(name, 'x', BIG_NAME);
	name[BIG_NAME] = '\0';
	s->taken.monotonic_ns = now_ns(CLOCK_MONOTONIC);
	for (size_t i = 0; i < n; i++)
		es_snapshot_add(s, es_vm_new("1", name));
	assert_int_equal(es_store_put(fx.store, s, true), 0);
}

static void start(const struct es_server_limits *l)
{
	const struct es_store_options so = { .ring = 2 };

	memset(&fx, 0, sizeof(fx));
	fx.statistics[0] = -1;
	fx.sun.sun_family = AF_UNIX;
	snprintf(fx.sun.sun_path, sizeof(fx.sun.sun_path), "/tmp/exitstat-test-%d.sock", getpid());
	fx.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fx.listen_fd, (struct sockaddr *)&fx.sun, sizeof(fx.sun)), 0);
	assert_int_equal(chmod(fx.sun.sun_path, 0666), 0);
	assert_int_equal(listen(fx.listen_fd, 100), 0);
	assert_true(sd_event_new(&fx.event) >= 0);
	fx.store = es_store_new(&so);
	fx.costs = es_costs_new(fx.event, &cost_ops, NULL);
	fx.service = es_service_new(fx.store, fx.costs, &ops, NULL);
	assert_int_equal(es_server_new(fx.event, fx.listen_fd, fx.service, l, &fx.server), 0);
	es_server_set_group(fx.server, getegid()); /* who is in it may have costs measured */
	fill_store(1);
}

static int set_up(void **state)
{
	(void)state;
	start(&limits);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	es_server_free(fx.server);
	es_service_free(fx.service);
	assert_false(statistics_on());
	close(fx.statistics[0]);
	es_costs_free(fx.costs);
	es_store_free(fx.store);
	sd_event_unref(fx.event);
	close(fx.listen_fd);
	return unlink(fx.sun.sun_path);
}

static void run_for(unsigned int ms)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + ms * MS, now;

	while ((now = now_ns(CLOCK_MONOTONIC)) < end)
		assert_true(sd_event_run(fx.event, (end - now) / 1000) >= 0);
}

static int open_client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&fx.sun, sizeof(fx.sun)), 0);
	return fd;
}

/* As another user: the kernel notes the effective uid at connect. */
static int open_other(void)
{
	int fd;

	assert_int_equal(seteuid(OTHER_UID), 0);
	fd = open_client();
	assert_int_equal(seteuid(0), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static bool closed(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_PEEK);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

/* Lets the server run until a line, or the end, is there. */
static size_t hear(int fd, char *buf, size_t size)
{
	size_t len = 0;

	for (unsigned int ms = 0; ms < LONG_AFTER; ms += 5) {
		ssize_t n;

		run_for(5);
		while (len < size - 1 && (n = recv(fd, buf + len, 1, 0)) == 1)
			if (buf[len++] == '\n') {
				buf[len] = '\0';
				return len;
			}
		if (len == 0 && closed(fd))
			break;
	}
	buf[len] = '\0';
	return len;
}

static void expect(int fd, const char *part)
{
	char buf[4096];

	hear(fd, buf, sizeof(buf));
	if (!strstr(buf, part))
		fail_msg("expected %s, got '%s'", part, buf);
}

static void one_request(void **state)
{
	int fd = open_client();

	(void)state;
	say(fd, INFO);
	expect(fd, "\"product\":\"exitstat\"");
	say(fd, "{\"method\":");
	run_for(20);
	say(fd, "\"exitstat.GetInfo\"}\n");
	expect(fd, "\"product\":\"exitstat\"");
	close(fd);
	run_for(20);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	int fd = open_client();

	(void)state;
	say(fd, INFO "{\"method\":\"exitstat.GetStatus\"}\nnonsense\n" INFO);
	expect(fd, "product");
	expect(fd, "status");
	expect(fd, "BadRequest");
	expect(fd, "product");
	close(fd);
}

static void half_closed_client_gets_its_answers(void **state)
{
	int fd = open_client();

	(void)state;
	say(fd, INFO INFO "{\"method\":\"exitstat.GetStatus\"}"); /* no newline: the end is one */
	shutdown(fd, SHUT_WR);
	expect(fd, "product");
	expect(fd, "product");
	expect(fd, "status");
	run_for(20);
	assert_true(closed(fd));
	close(fd);
}

static void closed_at_once(void **state)
{
	struct es_status st = { 0 };

	(void)state;
	for (int i = 0; i < 50; i++) {
		int fd = open_client();

		if (i % 2)
			say(fd, INFO);
		close(fd);
		if (i % 8 == 0)
			run_for(2);
	}
	run_for(50);
	es_server_status(fx.server, &st);
	assert_int_equal(st.clients, 0);
}

static void line_too_long(void **state)
{
	static char line[ES_SERVER_LINE_MAX + 2];
	size_t sent = 0;
	int fd = open_client();

	(void)state;
	memset(line, ' ', sizeof(line));
	while (sent < sizeof(line)) {
		ssize_t n = send(fd, line + sent, sizeof(line) - sent, MSG_NOSIGNAL);

		if (n < 0)
			break;
		sent += (size_t)n;
		run_for(5);
	}
	expect(fd, "64 KiB at most");
	run_for(20);
	assert_true(closed(fd));
	close(fd);
}

/* Just as long as a line may be, byte by byte at its end. */
static void longest_line(void **state)
{
	static char line[ES_SERVER_LINE_MAX + 1];
	int fd = open_client();

	(void)state;
	memset(line, ' ', sizeof(line));
	memcpy(line, INFO, strlen(INFO) - 1);
	assert_int_equal(send(fd, line, sizeof(line) - 50, MSG_NOSIGNAL), sizeof(line) - 50);
	for (int i = 0; i < 50; i++) {
		run_for(1);
		assert_int_equal(send(fd, " ", 1, MSG_NOSIGNAL), 1);
		if (i == 48)
			assert_int_equal(send(fd, "\n", 1, MSG_NOSIGNAL), 1);
	}
	expect(fd, "product");
	close(fd);
}

static void silent_client_is_dropped(void **state)
{
	int silent = open_client(), slow = open_client(), busy = open_client();

	(void)state;
	for (unsigned int ms = 0; ms < 1300; ms += 100) {
		say(busy, INFO);
		if (!closed(slow))
			say(slow, " "); /* dripping is not asking */
		expect(busy, "product");
		run_for(95);
	}
	assert_true(closed(silent));
	assert_true(closed(slow));
	assert_false(closed(busy));
	close(silent);
	close(slow);
	close(busy);
}

static void client_that_does_not_read_is_dropped(void **state)
{
	int deaf = open_client(), good;

	(void)state;
	fill_store(BIG_VMS);
	say(deaf, SNAPSHOT SNAPSHOT);
	run_for(100);
	good = open_client();
	say(good, INFO);
	expect(good, "product");
	run_for(1000);
	assert_int_equal(send(deaf, INFO, strlen(INFO), MSG_NOSIGNAL), -1);
	close(deaf);
	close(good);
}

/* 4 MB and more through a socket of 200 KiB, to several at once, byte for byte the same. */
static void great_answers(void **state)
{
	enum { N = 3 };
	size_t got[N] = { 0 };
	uint32_t sum[N] = { 0 };
	bool done[N] = { false };
	static char buf[65536];
	int fd[N];

	(void)state;
	fill_store(BIG_VMS);
	for (int i = 0; i < N; i++) {
		fd[i] = open_client();
		say(fd[i], SNAPSHOT);
	}
	for (unsigned int round = 0; round < 60000 && !(done[0] && done[1] && done[2]); round++) {
		run_for(1);
		for (int i = 0; i < N; i++) {
			ssize_t n = recv(fd[i], buf, sizeof(buf), 0);

			for (ssize_t k = 0; k < n; k++)
				sum[i] = sum[i] * 31 + (unsigned char)buf[k];
			got[i] += n > 0 ? (size_t)n : 0;
			done[i] = done[i] || (n > 0 && buf[n - 1] == '\n');
		}
	}
	for (int i = 0; i < N; i++) {
		assert_true(done[i]);
		assert_int_equal(got[i], got[0]);
		assert_int_equal(sum[i], sum[0]);
		close(fd[i]);
	}
	assert_true(got[0] > (size_t)4 << 20);
}

#define MEASURE(ns) "{\"method\":\"exitstat.GetStatus\",\"parameters\":{\"measure_ns\":" ns "}}\n"

/* Others are answered meanwhile, and what the client asks after it comes after it. */
static void answer_that_comes_later(void **state)
{
	int slow = open_client(), other = open_client();

	(void)state;
	say(slow, MEASURE("150000000") INFO);
	run_for(20);
	assert_true(statistics_on());
	for (int i = 0; i < 5; i++) {
		say(other, INFO);
		expect(other, "product");
	}
	assert_true(statistics_on());
	expect(slow, "\"cost\":{\"why\":null");
	assert_false(statistics_on());
	expect(slow, "product");
	close(slow);
	close(other);
}

static void later_answers_of_half_closed_clients(void **state)
{
	int fd = open_client();

	(void)state;
	say(fd, MEASURE("50000000") MEASURE("50000000"));
	shutdown(fd, SHUT_WR);
	expect(fd, "\"why\":null");
	expect(fd, "\"why\":null");
	run_for(20); /* it may need a turn more than its answer */
	assert_true(closed(fd));
	close(fd);
}

static void client_is_gone_before_its_answer(void **state)
{
	struct es_status st = { 0 };
	int gone = open_client(), stays = open_client();

	(void)state;
	say(gone, MEASURE("60000000000"));
	say(stays, MEASURE("60000000000"));
	run_for(20);
	assert_true(statistics_on());
	close(gone);
	run_for(20);
	assert_true(statistics_on()); /* for the other one */
	close(stays);
	run_for(20);
	assert_false(statistics_on());
	es_server_status(fx.server, &st);
	assert_int_equal(st.clients, 0);
}

/* Longer than a client may be silent. That the server ends meanwhile, tear_down tries. */
static void who_waits_is_not_silent(void **state)
{
	int fd = open_client(), waits = open_client();

	(void)state;
	say(waits, MEASURE("60000000000"));
	say(fd, MEASURE("900000000"));
	run_for(1100);
	expect(fd, "\"why\":null");
	assert_false(closed(waits));
	close(fd);
}

static bool need_root(void)
{
	if (geteuid() == 0)
		return true;
	print_message("# skip: needs root: connects as another user\n");
	return false;
}

/* A user's own flood: the quiet ones go, the busy ones stay. */
static void one_user_has_so_many(void **state)
{
	int fd[10], asked;

	(void)state;
	if (!need_root())
		skip();
	asked = open_other();
	say(asked, INFO);
	expect(asked, "product");
	for (int i = 0; i < 10; i++) {
		fd[i] = open_other();
		run_for(5);
	}
	for (int i = 0; i < 10; i++)
		assert_int_equal(closed(fd[i]), i < 7);
	assert_false(closed(asked));
	for (int i = 7; i < 10; i++) { /* now all four are busy: the next one has to wait */
		say(fd[i], INFO);
		expect(fd[i], "product");
	}
	say(asked, INFO);
	expect(asked, "product");
	fd[0] = open_other();
	expect(fd[0], "too many clients");
	run_for(200);
	fd[1] = open_other();
	say(fd[1], INFO);
	expect(fd[1], "product");
}

static void root_is_not_locked_out(void **state)
{
	struct es_server_limits few = limits;
	int fd[8], mine;

	(void)state;
	if (!need_root())
		skip();
	tear_down(state);
	few.clients = 8;
	few.per_uid = 8;
	start(&few);
	for (int i = 0; i < 8; i++) {
		fd[i] = open_other();
		say(fd[i], INFO);
		expect(fd[i], "product"); /* all of them busy */
	}
	mine = open_client();
	say(mine, INFO);
	expect(mine, "product");
	for (int i = 0; i < 8; i++)
		close(fd[i]);
	close(mine);
}

/* Who spends the daemon's time waits for the next window; others do not notice. */
static void one_user_has_so_much_time(void **state)
{
	struct es_server_limits tight = limits;
	struct es_status st = { 0 };
	int greedy, mine;

	(void)state;
	if (!need_root())
		skip();
	tear_down(state);
	tight.budget_ns = 20 * MS;
	tight.window_ns = 500 * MS;
	start(&tight);
	fx.burn_ns = 5 * MS;
	greedy = open_other();
	mine = open_client();
	for (int i = 0; i < 40; i++)
		say(greedy, "{\"method\":\"exitstat.GetStatus\"}\n");
	run_for(250);
	es_server_status(fx.server, &st);
	assert_in_range(st.requests, 3, 9); /* 4 or 5 a window, in one window or two */
	say(mine, "{\"method\":\"exitstat.GetStatus\"}\n");
	expect(mine, "status");
	run_for(3000);
	es_server_status(fx.server, &st);
	assert_in_range(st.requests, 15, 41);
	close(greedy);
	close(mine);
}

/* No file descriptor left: those who are in are served, the others later. */
static void out_of_file_descriptors(void **state)
{
	int fd = open_client(), late, fill[2000], n = 0;
	struct rlimit rl, low;

	(void)state;
	say(fd, INFO);
	expect(fd, "product");
	late = open_client();
	getrlimit(RLIMIT_NOFILE, &rl);
	low = rl;
	low.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (n < 2000 && (fill[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	say(late, INFO);
	run_for(50);
	assert_false(closed(late));
	say(fd, INFO);
	expect(fd, "product");
	while (n)
		close(fill[--n]);
	setrlimit(RLIMIT_NOFILE, &rl);
	expect(late, "product");
	close(fd);
	close(late);
}

static void member_of_the_group(void **state)
{
	struct es_snapshot *s = es_snapshot_new();
	gid_t gid = 54321;
	int fd;

	(void)state;
	if (!need_root())
		skip();
	s->taken.monotonic_ns = 5;
	es_snapshot_add(s, es_vm_new("1", "secret"));
	es_store_put(fx.store, s, true);
	es_server_set_group(fx.server, gid);
	fd = open_other();
	say(fd, SNAPSHOT);
	expect(fd, "\"vms\":[]");
	close(fd);
	assert_int_equal(setgroups(1, &gid), 0);
	fd = open_other();
	assert_int_equal(setgroups(0, NULL), 0);
	say(fd, SNAPSHOT);
	expect(fd, "\"secret\"");
	close(fd);
	assert_int_equal(setegid(gid), 0);
	fd = open_other();
	assert_int_equal(setegid(0), 0);
	say(fd, SNAPSHOT);
	expect(fd, "\"secret\"");
	close(fd);
}

/* Few groups, and more than the first guess of how many there are. */
static void member_of_many_groups(void **state)
{
	static gid_t many[1000];
	int fd;

	(void)state;
	if (!need_root())
		skip();
	for (unsigned int i = 0; i < 1000; i++)
		many[i] = 60000 + i;
	es_server_set_group(fx.server, 60999);
	assert_int_equal(setgroups(1000, many), 0);
	fd = open_other();
	assert_int_equal(setgroups(0, NULL), 0);
	say(fd, SNAPSHOT);
	expect(fd, "xxx");
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_request),
		TEST(pipelined_requests_are_answered_in_order),
		TEST(half_closed_client_gets_its_answers),
		TEST(closed_at_once),
		TEST(line_too_long),
		TEST(longest_line),
		TEST(answer_that_comes_later),
		TEST(later_answers_of_half_closed_clients),
		TEST(client_is_gone_before_its_answer),
		TEST(who_waits_is_not_silent),
		TEST(silent_client_is_dropped),
		TEST(client_that_does_not_read_is_dropped),
		TEST(great_answers),
		TEST(one_user_has_so_many),
		TEST(root_is_not_locked_out),
		TEST(one_user_has_so_much_time),
		TEST(out_of_file_descriptors),
		TEST(member_of_the_group),
		TEST(member_of_many_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
