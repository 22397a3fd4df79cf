/* SPDX-License-Identifier: GPL-2.0-only */
/* Durations, near words, and options from tables. */
#include "es_test.h"

#include <errno.h>
#include <fcntl.h>

#include <exitstat/cli.h>

static void durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{ "10s", 10000000000 },	  { "500ms", 500000000 },  { "2m", 120000000000 },
		{ "1.5", 1500000000 },	  { "1", 1000000000 },	   { "1h", 3600000000000 },
		{ "0.1", 100000000 },	  { "250us", 250000 },	   { "3min", 180000000000 },
		{ "1d", 86400000000000 }, { "1e1s", 10000000000 }, { "7ns", 7 },
	};
	static const char *const bad[] = { "",	  "s",	    "0",     "0s",    "-1s", "+1",
					   " 1s", "1 s",    "1x",    "inf",   "nan", "0x10",
					   "1s2", "10000d", "1e300", "1e-30", ".5" };
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(good); i++) {
		assert_int_equal(es_duration_parse(good[i].text, &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < ES_ARRAY_SIZE(bad); i++)
		assert_int_equal(es_duration_parse(bad[i], &ns), -EINVAL);
}

static void distances(void **state)
{
	char longer[100];

	(void)state;
	assert_int_equal(es_distance("top", "top"), 0);
	assert_int_equal(es_distance("Top", "tOP"), 0);
	assert_int_equal(es_distance("snapshot", "snpshot"), 1);
	assert_int_equal(es_distance("list", "lsit"), 2);
	assert_int_equal(es_distance("", "abc"), 3);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(es_distance(longer, "x"), -1);
}

static enum es_exit no_run(const struct es_args *args)
{
	(void)args;
	return ES_EXIT_OK;
}

static const struct es_verb snapshot_verb = {
	.name = "snapshot", .summary = "s", .options = es_snapshot_options, .run = no_run
};

/* Parses a line of words; what is said goes nowhere. */
static bool parse(const char *line, struct es_args *args, enum es_exit *status)
{
	static char copy[256];
	char *argv[16], *save = NULL;
	int argc = 0, keep[2] = { dup(1), dup(2) }, null = open("/dev/null", O_WRONLY);
	bool ok;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *w = strtok_r(copy, " ", &save); w && argc < 15; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	*args = (struct es_args){ .root = "" };
	fflush(stdout);
	dup2(null, 1);
	dup2(null, 2);
	ok = es_options_parse(&snapshot_verb, argc, argv, args, status);
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		dup2(keep[i], i + 1);
		close(keep[i]);
	}
	close(null);
	return ok;
}

static void options_are_read(void **state)
{
	struct es_args a;
	enum es_exit status;

	(void)state;
	assert_true(parse("snapshot", &a, &status));
	assert_null(a.vm);
	assert_int_equal(a.for_ns, 0);
	assert_int_equal(a.format, ES_FORMAT_TABLE);
	assert_true(parse("snapshot --vm guest1 --for=10s --per-vcpu --format csv --sort time --socket /s",
			  &a, &status));
	assert_string_equal(a.vm, "guest1");
	assert_int_equal(a.for_ns, 10000000000);
	assert_true(a.per_vcpu);
	assert_int_equal(a.format, ES_FORMAT_CSV);
	assert_string_equal(a.sort, "time");
	assert_string_equal(a.socket, "/s");
	/* A column of another view: whether it fits is for the verb to say. */
	assert_true(parse("snapshot --time --sort waiting", &a, &status));
	assert_true(a.time);
	assert_string_equal(a.sort, "waiting");
	/* Names may be cut short where they stay clear. */
	assert_true(parse("snapshot --per --fo 1s --fo 2", &a, &status) == false);
	assert_true(parse("snapshot --per --form json", &a, &status));
}

static void bad_options_are_refused(void **state)
{
	static const char *const lines[] = {
		"snapshot --nonsense",	 "snapshot -x",		  "snapshot --for",	   "snapshot --for 0",
		"snapshot --for x",	 "snapshot --format xml", "snapshot --sort share", "snapshot guest1",
		"snapshot --per-vcpu=1", "snapshot --vm=",
	};
	struct es_args a;
	enum es_exit status;

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(lines); i++) {
		status = ES_EXIT_OK;
		assert_false(parse(lines[i], &a, &status));
		assert_int_equal(status, ES_EXIT_USAGE);
	}
	assert_false(parse("snapshot --help", &a, &status));
	assert_int_equal(status, ES_EXIT_OK);
}

static void help_is_whole(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	es_verb_help(f, &snapshot_verb);
	fclose(f);
	for (const struct es_option *o = es_snapshot_options; o->name; o++)
		assert_non_null(strstr(text, o->name));
	assert_non_null(strstr(text, "table|json|csv"));
	assert_non_null(strstr(text, "--socket PATH"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 100);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),	    cmocka_unit_test(distances),
		cmocka_unit_test(options_are_read), cmocka_unit_test(bad_options_are_refused),
		cmocka_unit_test(help_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
