/* SPDX-License-Identifier: GPL-2.0-only */
/* The client against daemons of all sorts, most of them bad. */
#include "es_test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <exitstat/client.h>
#include <exitstat/json.h>

struct fake {
	char dir[64], path[96];
	pid_t pid;
};

/* A daemon that answers each line with the next reply; after the last it closes, or hangs. */
static void serve(int listener, const char *const *replies, bool hang)
{
	int fd = accept(listener, NULL, NULL);
	char c;

	for (; *replies; replies++) {
		do
			if (read(fd, &c, 1) != 1)
				_exit(0);
		while (c != '\n');
		for (size_t left = strlen(*replies); left;) {
			ssize_t n = write(fd, *replies + strlen(*replies) - left, left > 1000 ? 1000 : left);

			if (n <= 0)
				_exit(0);
			left -= (size_t)n;
		}
	}
	while (hang)
		pause();
	_exit(0);
}

static void start(struct fake *f, const char *const *replies, bool hang)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(f->dir, "/tmp/es-client-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	strcpy(sa.sun_path, f->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 4), 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (!f->pid)
		serve(fd, replies, hang);
	close(fd);
}

static void stop(struct fake *f)
{
	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
	unlink(f->path);
	rmdir(f->dir);
}

/* One call to a daemon that answers this. */
static int call(const char *reply, char err[ES_CLIENT_ERR])
{
	const char *replies[] = { reply, NULL };
	struct es_client *c = NULL;
	json_t *p = NULL;
	struct fake f;
	int r;

	start(&f, replies, false);
	assert_int_equal(es_client_open(f.path, &c, err), 0);
	r = es_client_call(c, "exitstat.GetInfo", NULL, &p, err);
	assert_true(r || p);
	json_decref(p);
	es_client_free(c);
	stop(&f);
	return r;
}

static void no_daemon(void **state)
{
	struct es_client *c = NULL;
	char err[ES_CLIENT_ERR], longer[200];
	struct fake f;

	(void)state;
	assert_int_equal(es_client_open("/nonexistent/s", &c, err), -ENOENT);
	assert_non_null(strstr(err, "/nonexistent/s"));
	assert_non_null(strstr(err, "sudo exitstatd --socket"));
	assert_int_equal(es_client_open("/run/exitstat-none/../exitstat.none", &c, err), -ENOENT);
	/* The socket of a daemon that was killed. */
	start(&f, (const char *const[]){ NULL }, true);
	kill(f.pid, SIGKILL);
	waitpid(f.pid, NULL, 0);
	assert_int_equal(es_client_open(f.path, &c, err), -ECONNREFUSED);
	assert_non_null(strstr(err, "not running"));
	stop(&f);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(es_client_open(longer, &c, err), -ENAMETOOLONG);
	assert_int_equal(es_client_open("/dev/null", &c, err), -ECONNREFUSED);
}

static void socket_is_chosen(void **state)
{
	(void)state;
	unsetenv("EXITSTAT_SOCKET");
	assert_string_equal(es_client_socket(NULL), ES_SOCKET_DEFAULT);
	setenv("EXITSTAT_SOCKET", "", 1);
	assert_string_equal(es_client_socket(NULL), ES_SOCKET_DEFAULT);
	setenv("EXITSTAT_SOCKET", "/env", 1);
	assert_string_equal(es_client_socket(NULL), "/env");
	assert_string_equal(es_client_socket("/given"), "/given");
	unsetenv("EXITSTAT_SOCKET");
}

static void answers(void **state)
{
	char err[ES_CLIENT_ERR];

	(void)state;
	assert_int_equal(call("{\"parameters\":{}}\n", err), 0);
	assert_int_equal(call("{\"parameters\":{\"product\":\"exitstatd\"},\"more\":1}\n", err), 0);
}

static void errors_have_a_line_each(void **state)
{
	static const struct {
		const char *reply;
		int error;
		const char *has;
	} cases[] = {
		{ "{\"error\":\"exitstat.NoSuchVM\",\"parameters\":{\"vm\":\"gest1\",\"near\":[\"guest1\","
		  "\"guest2\"]}}\n",
		  -ESRCH, "no VM 'gest1'; did you mean 'guest1', 'guest2'?" },
		{ "{\"error\":\"exitstat.NoSuchVM\",\"parameters\":{\"vm\":\"x\",\"near\":[]}}\n", -ESRCH,
		  "exitstat list" },
		{ "{\"error\":\"exitstat.NoSuchVM\"}\n", -ESRCH, "no VM" },
		{ "{\"error\":\"exitstat.NoSuchVM\",\"parameters\":{\"vm\":3,\"near\":[1,null]}}\n", -ESRCH,
		  "no VM" },
		{ "{\"error\":\"exitstat.PermissionDenied\",\"parameters\":{\"message\":\"only root "
		  "may\"}}\n",
		  -EACCES, "only root may" },
		{ "{\"error\":\"exitstat.MethodNotFound\",\"parameters\":{\"method\":\"exitstat.New\"}}\n",
		  -ENOSYS, "exitstat.New" },
		{ "{\"error\":\"exitstat.BadRequest\",\"parameters\":{\"message\":\"what?\"}}\n", -EINVAL,
		  "what?" },
		{ "{\"error\":\"exitstat.Failed\",\"parameters\":{\"message\":\"%s%n no memory\"}}\n", -EIO,
		  "%s%n no memory" },
		{ "{\"error\":\"exitstat.Future\",\"parameters\":{}}\n", -EPROTO, "exitstat.Future" },
		{ "{\"error\":7,\"parameters\":{}}\n", -EBADMSG, "protocol" },
		{ "{}\n", -EBADMSG, "protocol" },
		{ "[1]\n", -EBADMSG, "protocol" },
		{ "HTTP/1.1 400 Bad Request\r\n", -EBADMSG, "protocol" },
		{ "\n", -EBADMSG, "protocol" },
		{ "{\"parameters\":{}", -ECONNRESET, "closed the connection" },
		{ "", -ECONNRESET, "closed the connection" },
	};
	char err[ES_CLIENT_ERR];

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++) {
		strcpy(err, "");
		assert_int_equal(call(cases[i].reply, err), cases[i].error);
		if (!strstr(err, cases[i].has))
			fail_msg("'%s' does not hold '%s'", err, cases[i].has);
		assert_null(strchr(err, '\n'));
	}
}

static void snapshots_and_notices(void **state)
{
	struct es_snapshot *want = es_sample_snapshot(), *s = NULL;
	struct es_snapshot_request q = { .vm = "guest1", .per_vcpu = true };
	char err[ES_CLIENT_ERR], *notice, *json, *reply[3] = { NULL };
	struct es_client *c;
	struct fake f;

	(void)state;
	json = es_snapshot_to_json(want, true, false, NULL);
	assert_true(asprintf(&reply[0], "{\"parameters\":{\"snapshot\":%s,\"notice\":null}}\n", json) > 0);
	assert_true(asprintf(&reply[1], "{\"parameters\":{\"snapshot\":{},\"notice\":\"detached\"}}\n") > 0);
	start(&f, (const char *const *)reply, false);
	assert_int_equal(es_client_open(f.path, &c, err), 0);
	assert_int_equal(es_client_snapshot(c, &q, &s, &notice, err), 0);
	assert_null(notice);
	es_assert_same(want, s, true);
	es_snapshot_unref(s);
	/* The second is no snapshot. */
	assert_true(es_client_snapshot(c, &q, &s, &notice, err) < 0);
	assert_non_null(strstr(err, "cannot be read"));
	es_client_free(c);
	stop(&f);
	es_snapshot_unref(want);
	free(json);
	free(reply[0]);
	free(reply[1]);
}

static void several_calls_one_connection(void **state)
{
	const char *replies[] = { "{\"parameters\":{\"n\":1}}\n", "{\"parameters\":{\"n\":2}}\n",
				  "{\"error\":\"exitstat.Failed\",\"parameters\":{\"message\":\"no\"}}\n",
				  "{\"parameters\":{\"n\":4}}\n", NULL };
	struct es_client *c;
	char err[ES_CLIENT_ERR];
	struct fake f;
	json_t *p;

	(void)state;
	start(&f, replies, false);
	assert_int_equal(es_client_open(f.path, &c, err), 0);
	for (int i = 1; i <= 4; i++) {
		p = NULL;
		assert_int_equal(es_client_call(c, "exitstat.GetInfo", json_object(), &p, err),
				 i == 3 ? -EIO : 0);
		if (i != 3)
			assert_int_equal(json_integer_value(json_object_get(p, "n")), i);
		json_decref(p);
	}
	p = NULL;
	assert_int_equal(es_client_call(c, "exitstat.GetInfo", NULL, &p, err), -ECONNRESET);
	es_client_free(c);
	stop(&f);
}

static void waiting_is_the_callers(void **state)
{
	const char *replies[] = { "{\"parameters\"", NULL };
	struct es_client *c;
	char err[ES_CLIENT_ERR];
	struct pollfd p;
	struct fake f;
	json_t *answer = NULL;

	(void)state;
	start(&f, replies, true);
	assert_int_equal(es_client_open(f.path, &c, err), 0);
	assert_int_equal(es_client_send(c, "exitstat.GetInfo", NULL, err), 0);
	p = (struct pollfd){ .fd = es_client_fd(c), .events = es_client_events(c) };
	assert_int_equal(p.events, POLLIN);
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(es_client_receive(c, &answer, err), -EAGAIN);
	assert_int_equal(es_client_receive(c, &answer, err), -EAGAIN);
	es_client_free(c);
	stop(&f);
}

static void requests_say_what_is_meant(void **state)
{
	struct es_snapshot_request q = { .vm = "a\"b", .per_vcpu = true, .last_interval = true };
	json_t *p = es_snapshot_params(&q);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(p, "vm")), "a\"b");
	assert_true(json_is_true(json_object_get(p, "per_vcpu")));
	assert_true(json_is_true(json_object_get(p, "last_interval")));
	json_decref(p);
	q = (struct es_snapshot_request){ 0 };
	p = es_snapshot_params(&q);
	assert_int_equal(json_object_size(p), 0);
	json_decref(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_daemon),
		cmocka_unit_test(socket_is_chosen),
		cmocka_unit_test(answers),
		cmocka_unit_test(errors_have_a_line_each),
		cmocka_unit_test(snapshots_and_notices),
		cmocka_unit_test(several_calls_one_connection),
		cmocka_unit_test(waiting_is_the_callers),
		cmocka_unit_test(requests_say_what_is_meant),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
