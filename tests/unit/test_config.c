// SPDX-License-Identifier: GPL-2.0-only
/* Settings: where they come from, which wins, what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <exitstat/config.h>
#include <exitstat/util.h>

static char file[] = "/tmp/exitstat-config-XXXXXX";
static char err[ES_CONFIG_ERR];

static void write_config(const char *text)
{
	_cleanup_fclose_ FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
}

#define load(c, ...)                                                            \
	({                                                                      \
		const char *args[] = { "exitstatd", __VA_ARGS__, NULL };        \
		es_config_load(ES_ARRAY_SIZE(args) - 1, (char **)args, c, err); \
	})

static void defaults(void **state)
{
	struct es_config c;

	(void)state;
	assert_int_equal(load(&c, "--latency"), 0);
	assert_string_equal(c.socket, ES_SOCKET_DEFAULT);
	assert_string_equal(c.group, "exitstat");
	assert_string_equal(c.replay, "");
	assert_int_equal(c.interval_ns, 1000000000);
	assert_int_equal(c.ended_keep_ns, 600000000000);
	assert_int_equal(c.ended_max, 64);
	assert_int_equal(c.slots, 1024);
	assert_int_equal(c.history, 2);
	assert_true(c.latency);
}

static void command_line_wins_over_environment_over_file(void **state)
{
	struct es_config c;

	(void)state;
	write_config("# comment\n; too\n\n  socket = /from/file \nslots=7\nlatency = no\ninterval = 250ms\n");
	assert_int_equal(load(&c, "--config", file), 0);
	assert_string_equal(c.socket, "/from/file");
	assert_int_equal(c.slots, 7);
	assert_false(c.latency);
	assert_int_equal(c.interval_ns, 250000000);
	setenv("EXITSTAT_SOCKET", "/from/env", 1);
	assert_int_equal(load(&c, "--config", file), 0);
	assert_string_equal(c.socket, "/from/env");
	assert_int_equal(load(&c, "--config", file, "--socket=/from/args", "--slots", "9", "--latency"), 0);
	assert_string_equal(c.socket, "/from/args");
	assert_int_equal(c.slots, 9);
	assert_true(c.latency);
	unsetenv("EXITSTAT_SOCKET");
}

static void refused_command_lines(void **state)
{
	struct es_config c;

	(void)state;
	assert_int_equal(load(&c, "--nonsense"), -EINVAL);
	assert_string_equal(err, "--nonsense is not an option, or takes no value; see exitstatd --help");
	assert_int_equal(load(&c, "--slots"), -EINVAL);
	assert_string_equal(err, "--slots needs a value; see exitstatd --help");
	assert_int_equal(load(&c, "--slots", "0"), -EINVAL);
	assert_string_equal(err, "slots: 0 is out of range, 1 to 65536");
	assert_int_equal(load(&c, "--slots", "-1"), -EINVAL);
	assert_int_equal(load(&c, "--slots", "99999999999999999999999"), -EINVAL);
	assert_int_equal(load(&c, "--interval", "1ms"), -EINVAL);
	assert_string_equal(err, "interval: 1ms is out of range, 10ms to 3600000ms");
	assert_int_equal(load(&c, "--no-latency=x"), -EINVAL);
	assert_int_equal(load(&c, "x"), -EINVAL);
	assert_string_equal(err, "unexpected argument 'x'; see exitstatd --help");
	assert_int_equal(load(&c, "--socket", ""), -EINVAL);
	assert_int_equal(
		load(&c, "--socket",
		     "/0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
		     "234567890123456789012345678901234567890"),
		-EINVAL);
	assert_non_null(strstr(err, "at most 107 fit"));
}

static void refused_files(void **state)
{
	static const char *const bad[][2] = {
		{ "slots = 1\nslotz = 2\n", ":2: unknown key 'slotz'" },
		{ "slots\n", ":1: expected key = value" },
		{ "slots = many\n", ":1: slots: 'many' is not a number" },
		{ "latency = perhaps\n", ":1: latency: 'perhaps' is neither yes nor no" },
		{ "config = /x\n", ":1: unknown key 'config'" },
		{ "help = yes\n", ":1: unknown key 'help'" },
		{ "ended-keep = soon\n", ":1: ended-keep: 'soon' is not a time such as 500ms, 1s or 10min" },
	};
	struct es_config c;

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(bad); i++) {
		write_config(bad[i][0]);
		assert_int_equal(load(&c, "--config", file), -EBADMSG);
		assert_string_equal(err + strlen(file), bad[i][1]);
	}
	assert_int_equal(load(&c, "--config", "/nonexistent/file"), -ENOENT);
	assert_string_equal(err, "cannot read /nonexistent/file: No such file or directory");
	assert_int_equal(load(&c, "--config", "/tmp"), -EIO);
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = { { "1", 1000000000 },     { "1s", 1000000000 },	{ "1.5s", 1500000000 },
		     { ".5s", 500000000 },    { "20ms", 20000000 },	{ "10min", 600000000000 },
		     { "2h", 7200000000000 }, { "1d", 86400000000000 }, { "0", 0 } };
	static const char *const bad[] = { "",	  ".",	 "s",	"1x",	  "1 s",	 "-1",
					   "1e3", "0x1", "inf", "1.2.3s", "99999999999d" };
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(good); i++) {
		assert_int_equal(es_parse_duration(good[i].text, &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < ES_ARRAY_SIZE(bad); i++)
		assert_int_equal(es_parse_duration(bad[i], &ns), -EINVAL);
}

static void apply_changes_only_what_can_change(void **state)
{
	struct es_config c, next;

	(void)state;
	assert_int_equal(load(&c, "--slots", "5", "--socket", "/a"), 0);
	assert_int_equal(load(&next, "--slots", "6", "--socket", "/b", "--interval", "3s", "--group", "7"),
			 0);
	es_config_apply(&c, &next);
	assert_int_equal(c.slots, 5);
	assert_string_equal(c.socket, "/a");
	assert_int_equal(c.interval_ns, 3000000000);
	assert_string_equal(c.group, "7");
}

static void mmu_is_off_basic_or_full(void **state)
{
	struct es_config c;

	(void)state;
	assert_int_equal(load(&c, "--latency"), 0);
	assert_int_equal(c.mmu, ES_MMU_BASIC);
	assert_int_equal(load(&c, "--mmu", "full"), 0);
	assert_int_equal(c.mmu, ES_MMU_FULL);
	assert_int_equal(load(&c, "--no-mmu"), 0);
	assert_int_equal(c.mmu, ES_MMU_OFF);
	write_config("mmu = off\n");
	assert_int_equal(load(&c, "--config", file), 0);
	assert_int_equal(c.mmu, ES_MMU_OFF);
	assert_int_equal(load(&c, "--mmu=some"), -EINVAL);
	assert_non_null(strstr(err, "'some' is not off, basic or full"));
}

static void help_names_every_option(void **state)
{
	static const char *const names[] = { "--socket PATH",  "--replay FILE", "--interval T",
					     "--slots N",      "--no-latency",	"--mmu off|basic|full",
					     "--ended-keep T", "--ended-max N", "--history N",
					     "--config FILE",  "--group GROUP", "--version",
					     "--help" };
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	es_config_help(f);
	fclose(f);
	for (size_t i = 0; i < ES_ARRAY_SIZE(names); i++)
		if (!strstr(text, names[i]))
			fail_msg("--help says nothing of %s", names[i]);
}

static int make_file(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	return unsetenv("EXITSTAT_SOCKET");
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(command_line_wins_over_environment_over_file),
		cmocka_unit_test(refused_command_lines),
		cmocka_unit_test(refused_files),
		cmocka_unit_test(durations),
		cmocka_unit_test(apply_changes_only_what_can_change),
		cmocka_unit_test(mmu_is_off_basic_or_full),
		cmocka_unit_test(help_names_every_option),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
