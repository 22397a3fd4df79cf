/* SPDX-License-Identifier: GPL-2.0-only */
#include "es_test.h"

#include <fnmatch.h>
#include <time.h>

static bool matches(const char *name, const char *v)
{
	struct es_vm *vm = es_vm_new("77-1", name);
	bool yes;

	vm->pid = 4242;
	yes = es_vm_matches(vm, v);
	es_vm_unref(vm);
	return yes;
}

static void name_id_or_pid(void **state)
{
	(void)state;
	assert_true(matches("guest1", "guest1"));
	assert_true(matches("guest1", "77-1"));
	assert_true(matches("guest1", "4242"));
	assert_false(matches("guest1", "guest"));
	assert_false(matches("guest1", "Guest1"));
	assert_false(matches("guest1", "04242"));
	assert_false(matches("guest1", "42"));
	assert_false(matches("guest1", ""));
	assert_true(matches("", ""));
}

static void unknown_pid_is_not_0(void **state)
{
	struct es_vm *vm = es_vm_new("x", "y");

	(void)state;
	assert_false(es_vm_matches(vm, "0"));
	es_vm_unref(vm);
}

static void patterns(void **state)
{
	(void)state;
	assert_true(matches("guest1", "guest*"));
	assert_true(matches("guest1", "*"));
	assert_true(matches("guest1", "g?est[0-9]"));
	assert_true(matches("guest1", "*[!2-9]"));
	assert_true(matches("guest1", "*es*1"));
	assert_false(matches("guest1", "guest?1"));
	assert_false(matches("guest1", "*2"));
	assert_false(matches("guest1", "[!g]*"));
	/* A name that looks like a pattern is found by it, and a '[' that opens nothing is a '['. */
	assert_true(matches("web[1]", "web[1]"));
	assert_true(matches("a[b", "a[b"));
	assert_true(matches("a[b", "?[b"));
	assert_true(matches("a*b", "a\\*b*"));
	assert_false(matches("axb", "a\\*b*"));
	assert_true(matches("a]", "a[]]*"));
	/* One character, not one byte. */
	assert_true(matches("\xc3\xa9t\xc3\xa9", "?t?"));
	assert_true(matches("\xc3\xa9", "[\xc3\xa0-\xc3\xbf]"));
	assert_false(matches("\xc3\xa9", "??"));
	/* Not UTF-8: byte for byte, and no read behind the end. */
	assert_true(matches("\xe2\x82", "??"));
	assert_true(matches("\xff", "?"));
}

/* As fnmatch(3) answers, for words and patterns of a few letters. */
static void same_as_fnmatch(void **state)
{
	static const char letters[] = "ab*?[]!-", name_letters[] = "ab-]";
	unsigned int seed = 1, differ = 0;

	(void)state;
	for (unsigned int i = 0; i < 100000; i++) {
		char pattern[9] = "*", name[9] = "";
		unsigned int n = rand_r(&seed) % 7, m = rand_r(&seed) % 8;

		for (unsigned int k = 0; k < n; k++)
			pattern[1 + k] = letters[rand_r(&seed) % (sizeof(letters) - 1)];
		for (unsigned int k = 0; k < m; k++)
			name[k] = name_letters[rand_r(&seed) % (sizeof(name_letters) - 1)];
		/* Sets with odd ranges are open to opinion: "[a-]-b]". */
		if (strchr(pattern, '-') && strchr(pattern, '['))
			continue;
		if (strcmp(name, pattern) && matches(name, pattern) != !fnmatch(pattern, name, 0)) {
			printf("# pattern %s, name %s\n", pattern, name);
			differ++;
		}
	}
	assert_int_equal(differ, 0);
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void hostile_pattern_is_cheap(void **state)
{
	char pattern[400], name[256], brackets[600];
	double start = cpu_seconds();

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(pattern); i++)
		pattern[i] = i % 2 ? 'a' : '*';
	pattern[sizeof(pattern) - 2] = 'b';
	pattern[sizeof(pattern) - 1] = '\0';
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (unsigned int i = 0; i < 100; i++)
		assert_false(matches(name, pattern));
	assert_true(cpu_seconds() - start < 1);
	memset(brackets, '[', sizeof(brackets) - 1);
	brackets[sizeof(brackets) - 1] = '\0';
	assert_false(matches(name, brackets));
}

static struct es_snapshot *make(const char *const *names, size_t n, const char *ended)
{
	struct es_snapshot *s = es_snapshot_new();

	for (size_t i = 0; i < n; i++) {
		char id[32];
		struct es_vm *vm;

		snprintf(id, sizeof(id), "id%zu", i);
		vm = es_vm_new(id, names[i]);
		vm->state = ended[i] == 'e' ? ES_VM_ENDED : ES_VM_RUNNING;
		assert_int_equal(es_snapshot_add(s, vm), 0);
	}
	s->taken.monotonic_ns = 5;
	return s;
}

/* The ids that v selects, in order. */
static void expect_ids(const struct es_snapshot *s, const char *v, const char *want)
{
	struct es_snapshot *got = es_snapshot_select(s, v);
	char ids[128] = "";

	assert_non_null(got);
	for (size_t i = 0; i < got->n_vms; i++) {
		strcat(ids, got->vms[i]->id);
		strcat(ids, " ");
	}
	assert_int_equal(got->taken.monotonic_ns, 5);
	es_snapshot_unref(got);
	assert_string_equal(ids, want);
}

static void live_before_ended(void **state)
{
	static const char *const names[] = { "web", "db", "web", "old", "web", "web*" };
	struct es_snapshot *s = make(names, 6, "e.ee.e");

	(void)state;
	expect_ids(s, NULL, "id1 id4 id0 id2 id3 id5 ");
	expect_ids(s, "web", "id4 ");
	expect_ids(s, "old", "id3 ");
	expect_ids(s, "id0", "id0 ");
	expect_ids(s, "none", "");
	expect_ids(s, "w*", "id4 id0 id2 id5 ");
	/* The VM that is really called so, though it ended. */
	expect_ids(s, "web*", "id5 ");
	es_snapshot_unref(s);
}

static void near_names(void **state)
{
	static const char *const names[] = { "guest1", "guest2",      "database", "GUEST1",
					     "guest1", "prod-web-17", "x" };
	struct es_snapshot *s = make(names, 7, ".......");
	const char *out[4];
	char longest[5000];

	(void)state;
	assert_int_equal(es_snapshot_near(s, "gest1", out, 4), 3);
	assert_string_equal(out[0], "guest1");
	assert_int_equal(es_snapshot_near(s, "guset2", out, 1), 1);
	assert_string_equal(out[0], "guest2");
	assert_int_equal(es_snapshot_near(s, "web", out, 4), 1);
	assert_string_equal(out[0], "prod-web-17");
	assert_int_equal(es_snapshot_near(s, "databse", out, 4), 1);
	assert_int_equal(es_snapshot_near(s, "zzzzzzz", out, 4), 0);
	assert_int_equal(es_snapshot_near(s, "", out, 4), 0);
	assert_int_equal(es_snapshot_near(s, "guest", out, 0), 0);
	memset(longest, 'g', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(es_snapshot_near(s, longest, out, 4), 0);
	es_snapshot_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_id_or_pid),
		cmocka_unit_test(unknown_pid_is_not_0),
		cmocka_unit_test(patterns),
		cmocka_unit_test(same_as_fnmatch),
		cmocka_unit_test(hostile_pattern_is_cheap),
		cmocka_unit_test(live_before_ended),
		cmocka_unit_test(near_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
