/* SPDX-License-Identifier: GPL-2.0-only */
/* `exitstat guest` as a person or a pipe sees it, below it a KVM that is played. */
#include "es_test.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>

#include <jansson.h>

#include <exitstat/cli.h>
#include <exitstat/guest.h>

#define SVM_CPUID 0x72
#define SVM_HLT	  0x78
#define CLEAR	  "\033[H\033[2J"

/* What the played KVM does after so many reads; a child's own. */
static struct {
	uint64_t reads;
	uint64_t gone_after;  /* the host switches the leaves off */
	uint64_t reset_after; /* the VM is somewhere else, where it has not exited yet */
	bool many;	      /* every reason occurs */
} kvm;

/* HLT grows with each read, thirty times as fast. */
static uint64_t count_of(uint32_t code)
{
	uint64_t reads = kvm.reads, before = kvm.reset_after && reads > kvm.reset_after ? kvm.reset_after : 0;

	if (code == SVM_CPUID)
		return reads - before;
	if (code == SVM_HLT)
		return 30 * (reads - before);
	return kvm.many ? code : 0;
}

static void played_cpuid(uint32_t leaf, uint32_t number, uint32_t r[ES_REGS])
{
	bool defined = number <= 0xa6 || number == 0x400 || number == UINT32_MAX;
	uint64_t count = 0;

	memset(r, 0, ES_REGS * sizeof(*r));
	if (leaf != ES_LEAF_ALL && leaf != ES_LEAF_COUNT && leaf != ES_LEAF_CYCLES)
		return;
	kvm.reads++;
	if (kvm.gone_after && kvm.reads > kvm.gone_after)
		return;
	if (leaf == ES_LEAF_ALL) {
		for (uint32_t code = 0; code <= 0xa6; code++)
			count += count_of(code);
	} else if (!defined) {
		r[ES_EDX] = UINT32_MAX;
		return;
	} else if (number <= 0xa6) {
		count = count_of(number);
	}
	r[ES_EAX] = (uint32_t)count;
	r[ES_EDX] = (uint32_t)(count >> 32);
	r[ES_ECX] = leaf == ES_LEAF_CYCLES && count ? 100 : 0;
}

/* --- running it --- */

struct run {
	pid_t pid;
	int out, err; /* what it prints, by pipe or terminal */
	char text[65536], errors[4096];
	size_t n;
	int status; /* of wait */
};

/* In the child: as the program would be started. */
static __attribute__((noreturn)) void child(const struct es_args *args, int err)
{
	dup2(err, STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL);
	exit((int)es_guest_run(args, played_cpuid));
}

static void start(struct run *r, const struct es_args *args, const char *term)
{
	struct winsize ws = { .ws_row = 24, .ws_col = 80 };
	int out[2] = { -1, -1 }, err[2];

	memset(r, 0, sizeof(*r));
	fflush(NULL);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	if (term) {
		setenv("TERM", term, 1);
		r->pid = forkpty(&r->out, NULL, NULL, &ws);
	} else {
		assert_int_equal(pipe2(out, O_CLOEXEC), 0);
		r->out = out[0];
		r->pid = fork();
	}
	assert_true(r->pid >= 0);
	if (!r->pid) {
		if (!term)
			dup2(out[1], STDOUT_FILENO);
		/* Else a child that waits for the reader of its own pipe would never see it leave. */
		close(out[0]);
		child(args, err[1]);
	}
	if (!term)
		close(out[1]);
	close(err[1]);
	r->err = err[0];
}

/* Waits for more of what it prints, 20 s at most. false: that was all. */
static bool read_more(struct run *r)
{
	struct pollfd p = { .fd = r->out, .events = POLLIN };
	ssize_t n;

	assert_true(r->n < sizeof(r->text) - 1);
	if (poll(&p, 1, 20000) != 1)
		fail_msg("it hangs after: %s", r->text);
	n = read(r->out, r->text + r->n, sizeof(r->text) - 1 - r->n);
	/* A terminal whose other end is closed gives EIO. */
	if (n <= 0)
		return false;
	r->n += (size_t)n;
	return true;
}

/* Until text holds what; NULL: to the end. */
static void read_until(struct run *r, const char *what)
{
	while ((!what || !strstr(r->text, what)) && read_more(r))
		;
	if (what && !strstr(r->text, what))
		fail_msg("no '%s' in: %s", what, r->text);
}

static void finish(struct run *r)
{
	size_t n = 0;
	ssize_t got;

	while ((got = read(r->err, r->errors + n, sizeof(r->errors) - 1 - n)) > 0)
		n += (size_t)got;
	close(r->out);
	close(r->err);
	assert_int_equal(waitpid(r->pid, &r->status, 0), r->pid);
}

static void assert_exit(const struct run *r, int status, const char *errors)
{
	assert_true(WIFEXITED(r->status));
	assert_string_equal(r->errors, errors);
	assert_int_equal(WEXITSTATUS(r->status), status);
}

static void run_to_end(struct run *r, const struct es_args *args)
{
	start(r, args, NULL);
	read_until(r, NULL);
	finish(r);
}

static size_t times(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what))) {
		n++;
		text += strlen(what);
	}
	return n;
}

static uint64_t reads_of_a_look(void)
{
	struct es_guest g;
	uint64_t reads;

	assert_int_equal(es_guest_look(played_cpuid, &g), 0);
	es_guest_clear(&g);
	reads = kvm.reads;
	kvm.reads = 0;
	return reads;
}

static int play(void **state)
{
	(void)state;
	memset(&kvm, 0, sizeof(kvm));
	return 0;
}

/* --- one look --- */

static void json_of_one_look(void **state)
{
	const struct es_args args = { .format = ES_FORMAT_JSON };
	uint64_t sum = 0, cycles = 0;
	json_error_t error;
	json_t *root, *exits, *reason;
	struct run r;
	size_t i;

	(void)state;
	run_to_end(&r, &args);
	assert_exit(&r, 0, "");
	root = json_loads(r.text, 0, &error);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "schema")), "exitstat-guest/1");
	assert_string_equal(json_string_value(json_object_get(json_object_get(root, "host"), "isa")), "svm");
	assert_true(json_is_null(json_object_get(json_object_get(root, "taken"), "interval_ns")));
	exits = json_object_get(root, "exits");
	json_array_foreach(json_object_get(exits, "reasons"), i, reason)
	{
		sum += (uint64_t)json_integer_value(json_object_get(reason, "count"));
		cycles += (uint64_t)json_integer_value(json_object_get(reason, "cycles"));
		assert_true(json_integer_value(json_object_get(reason, "count")) > 0);
	}
	assert_int_equal(json_array_size(json_object_get(exits, "reasons")), 2);
	assert_int_equal(json_integer_value(json_object_get(exits, "total")), sum);
	assert_int_equal(json_integer_value(json_object_get(exits, "cycles")), cycles);
	assert_true(json_integer_value(json_object_get(exits, "all")) > (json_int_t)sum);
	/* HLT went on while it was looked at. */
	assert_true(json_is_null(json_object_get(exits, "other")));
	json_decref(root);
}

static void no_such_kvm(void **state)
{
	const struct es_args args = { 0 };
	struct run r;

	(void)state;
	kvm.gone_after = 1;
	run_to_end(&r, &args);
	assert_string_equal(r.text, "");
	assert_exit(
		&r, 1,
		"exitstat: no hypervisor is below this system: run it inside a guest; on a host, `exitstat "
		"snapshot` shows the guests\n");
}

/* Until it waits: that is when it blocks SIGINT. Its progress is on stderr, which is no terminal here. */
static void await_ctrl_c_taken(const struct run *r)
{
	unsigned long long blocked = 0;
	char path[64], line[256];

	snprintf(path, sizeof(path), "/proc/%d/status", r->pid);
	for (int i = 0; i < 400 && !(blocked & 1ULL << (SIGINT - 1)); i++) {
		FILE *f = fopen(path, "r");

		assert_non_null(f);
		while (fgets(line, sizeof(line), f) && sscanf(line, "SigBlk: %llx", &blocked) != 1)
			;
		fclose(f);
		usleep(50000);
	}
	assert_true(blocked & 1ULL << (SIGINT - 1));
}

static void change_ended_by_ctrl_c(void **state)
{
	const struct es_args args = { .for_ns = 3600ULL * 1000000000 };
	struct run r;

	(void)state;
	start(&r, &args, "xterm");
	await_ctrl_c_taken(&r);
	assert_int_equal(write(r.out, "\003", 1), 1);
	read_until(&r, NULL);
	finish(&r);
	assert_exit(&r, 0, "");
	assert_non_null(strstr(r.text, "Change over "));
	assert_non_null(strstr(r.text, "EXITS/s"));
	assert_null(strstr(r.text, CLEAR));
}

/* In the middle of a look: no counts, and no wrong reason either. */
static void migration_under_a_look(void **state)
{
	const struct es_args args = { 0 };
	struct run r;

	(void)state;
	kvm.reset_after = 1000 + reads_of_a_look() - 10;
	kvm.reads = 1000;
	run_to_end(&r, &args);
	assert_string_equal(r.text, "");
	assert_exit(
		&r, 1,
		"exitstat: the counters began anew while they were read (was the VM migrated or restored?); "
		"try again\n");
}

static void change_across_a_migration(void **state)
{
	const struct es_args args = { .for_ns = 1000000 };
	struct run r;

	(void)state;
	kvm.reset_after = reads_of_a_look();
	run_to_end(&r, &args);
	assert_string_equal(r.text, "");
	assert_true(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 1);
	assert_non_null(strstr(r.errors, "migrated or restored?); try again\n"));
	assert_int_equal(times(r.errors, "\n"), 1);
}

/* --- look after look --- */

static void rounds_in_a_pipe(void **state)
{
	const struct es_args args = { .watch = true, .rounds = 3, .interval_ns = 100000000 };
	struct run r;

	(void)state;
	run_to_end(&r, &args);
	assert_exit(&r, 0, "");
	assert_null(strchr(r.text, '\033'));
	assert_int_equal(times(r.text, "Totals since this VM was created"), 3);
	assert_int_equal(times(r.text, "\n\nTotals"), 2);
	/* No rate without a look before. */
	assert_int_equal(times(r.text, "EXITS/s"), 2);
	assert_int_equal(times(r.text, ", rates over "), 2);
	assert_int_equal(times(r.text, "\nHLT "), 3);
}

static void lines_of_json(void **state)
{
	const struct es_args args = {
		.watch = true, .rounds = 2, .interval_ns = 100000000, .format = ES_FORMAT_JSON
	};
	json_int_t total[2];
	struct run r;
	char *line;

	(void)state;
	run_to_end(&r, &args);
	assert_exit(&r, 0, "");
	assert_int_equal(times(r.text, "\n"), 2);
	line = r.text;
	for (size_t i = 0; i < 2; i++) {
		json_error_t error;
		json_t *root = json_loads(line, JSON_DISABLE_EOF_CHECK, &error);

		assert_non_null(root);
		total[i] = json_integer_value(json_object_get(json_object_get(root, "exits"), "total"));
		assert_true(json_is_null(json_object_get(json_object_get(root, "taken"), "interval_ns")));
		json_decref(root);
		line = strchr(line, '\n') + 1;
	}
	/* Totals, not changes: each look alone is some six thousand exits of this KVM. */
	assert_true(total[0] > 1000);
	assert_true(total[1] > 2 * total[0] - total[0] / 4);
}

/* Each round on a screen of its own, the most frequent reasons on top, the total below. */
static void the_screen_and_ctrl_c(void **state)
{
	const struct es_args args = { .watch = true, .interval_ns = 100000000 };
	struct run r;
	char *round;

	(void)state;
	kvm.many = true;
	start(&r, &args, "xterm");
	read_until(&r, "rates over");
	round = strstr(r.text, "rates over");
	/* The end of that round is the beginning of the next. */
	while (!strstr(round, CLEAR))
		read_more(&r);
	assert_int_equal(write(r.out, "\003", 1), 1);
	read_until(&r, NULL);
	finish(&r);
	assert_exit(&r, 0, "");
	assert_true(strncmp(r.text, CLEAR, strlen(CLEAR)) == 0);
	assert_true(times(r.text, CLEAR) >= 3);
	*strstr(round, CLEAR) = '\0';
	assert_non_null(strstr(round, "\nHLT "));
	assert_non_null(strstr(round, "and 150 more"));
	assert_non_null(strstr(round, "\033[1mtotal "));
	/* With a line for the cursor, and one more each for the first two lines, which may wrap at 80 columns. */
	assert_int_equal(times(round, "\n"), 24 - 3);
}

static void a_dumb_terminal_is_not_cleared(void **state)
{
	const struct es_args args = { .watch = true, .rounds = 2, .interval_ns = 100000000 };
	struct run r;

	(void)state;
	start(&r, &args, "dumb");
	read_until(&r, NULL);
	finish(&r);
	assert_exit(&r, 0, "");
	assert_null(strchr(r.text, '\033'));
	assert_int_equal(times(r.text, "Totals since"), 2);
}

static void leaves_go_away(void **state)
{
	const struct es_args args = { .watch = true, .interval_ns = 100000000 };
	struct run r;

	(void)state;
	kvm.gone_after = 300;
	run_to_end(&r, &args);
	assert_true(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 1);
	assert_int_equal(times(r.text, "Totals since"), 1);
	assert_int_equal(times(r.errors, "\n"), 1);
}

static void counters_begin_anew(void **state)
{
	const struct es_args args = { .watch = true, .rounds = 3, .interval_ns = 100000000 };
	struct run r;

	(void)state;
	kvm.reset_after = reads_of_a_look();
	run_to_end(&r, &args);
	assert_exit(&r, 0, "");
	assert_int_equal(times(r.text, "Totals since"), 3);
	assert_int_equal(times(r.text, "EXITS/s"), 1);
}

static void a_reader_that_leaves(void **state)
{
	const struct es_args args = { .watch = true, .interval_ns = 100000000 };
	struct run r;

	(void)state;
	start(&r, &args, NULL);
	read_until(&r, "total");
	close(r.out);
	r.out = -1;
	finish(&r);
	assert_string_equal(r.errors, "");
	assert_true(WIFSIGNALED(r.status) && WTERMSIG(r.status) == SIGPIPE);
}

static void output_that_takes_nothing(void **state)
{
	const struct es_args args = { .watch = true, .interval_ns = 100000000 };
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), status;
	pid_t pid;

	(void)state;
	assert_true(full >= 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(full, STDOUT_FILENO);
		child(&args, full);
	}
	close(full);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(json_of_one_look, play),
		cmocka_unit_test_setup(no_such_kvm, play),
		cmocka_unit_test_setup(change_ended_by_ctrl_c, play),
		cmocka_unit_test_setup(migration_under_a_look, play),
		cmocka_unit_test_setup(change_across_a_migration, play),
		cmocka_unit_test_setup(rounds_in_a_pipe, play),
		cmocka_unit_test_setup(lines_of_json, play),
		cmocka_unit_test_setup(the_screen_and_ctrl_c, play),
		cmocka_unit_test_setup(a_dumb_terminal_is_not_cleared, play),
		cmocka_unit_test_setup(leaves_go_away, play),
		cmocka_unit_test_setup(counters_begin_anew, play),
		cmocka_unit_test_setup(a_reader_that_leaves, play),
		cmocka_unit_test_setup(output_that_takes_nothing, play),
	};

	unsetenv("NO_COLOR");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
