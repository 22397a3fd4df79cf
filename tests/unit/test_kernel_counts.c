// SPDX-License-Identifier: GPL-2.0-only
/* A patched KVM's debugfs files, good, missing and hostile; and what looks at them prove. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <exitstat/kernel_counts.h>
#include <exitstat/util.h>

#define CPUID 0x72
#define NPF   196

static char sys[64];

static void put(const char *path, const char *bytes, size_t n)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "mkdir -p '%s/%s' && rmdir '%s/%s'", sys, path, sys, path);
	assert_int_equal(system(full), 0);
	snprintf(full, sizeof(full), "%s/%s", sys, path);
	f = fopen(full, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

static int setup(void **state)
{
	(void)state;
	strcpy(sys, "/tmp/exitstat-kernel-XXXXXX");
	return mkdtemp(sys) ? 0 : -1;
}

static int teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", sys);
	return system(cmd);
}

/* --- codes, text --- */

static void every_slot_has_a_code_and_back(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ES_KERNEL_SLOTS; i++)
		if (i != ES_KERNEL_OTHER)
			assert_int_equal(es_kernel_slot(es_kernel_code(i)), i);
	assert_int_equal(es_kernel_slot(0x400), 192);
	assert_int_equal(es_kernel_slot(0x407), NPF);
	assert_int_equal(es_kernel_slot(0xffffffff), 197);
	assert_int_equal(es_kernel_slot(0xfffffffc), 200);
	assert_int_equal(es_kernel_slot(190), 190);
	assert_int_equal(es_kernel_slot(191), ES_KERNEL_OTHER);
	assert_int_equal(es_kernel_slot(0x404), ES_KERNEL_OTHER);
	assert_int_equal(es_kernel_slot(0xfffffffb), ES_KERNEL_OTHER);
	assert_int_equal(es_kernel_slot(0xf0000000), ES_KERNEL_OTHER);
}

static int parse(const char *text, struct es_kernel_counts *c)
{
	return es_kernel_parse(text, strlen(text), c);
}

static void good_text(void **state)
{
	struct es_kernel_counts c;

	(void)state;
	assert_int_equal(parse("", &c), 0);
	assert_int_equal(c.n[CPUID], 0);
	assert_int_equal(
		parse("0x72 1234 567890\n0x400 7 18446744073709551615\nother 3 4\n0xffffffff 1 0\n", &c), 0);
	assert_int_equal(c.n[CPUID], 1234);
	assert_int_equal(c.n[192], 7);
	assert_int_equal(c.n[ES_KERNEL_OTHER], 3);
	assert_int_equal(c.n[197], 1);
	assert_int_equal(c.n[0], 0);
	assert_int_equal(parse("0x0 4611686018427387904 0\n", &c), 0);
}

static void bad_text(void **state)
{
	static const char *const bad[] = {
		"\n",
		"0x72",
		"0x72 1",
		"0x72 1 2",
		"0x72 1 2\n\n",
		"0x72 1 2 \n",
		"0x72  1 2\n",
		" 0x72 1 2\n",
		"0x72 1 2\r\n",
		"72 1 2\n",
		"0x 1 2\n",
		"0xg 1 2\n",
		"0x72 -1 2\n",
		"0x72 0x1 2\n",
		"0x72 1a 2\n",
		"0x72 1 2\n0x72 1 2\n",
		"0x72 1 2\n0x072 1 2\n",
		"other 1 2\nother 1 2\n",
		"others 1 2\n",
		"0xbf 1 2\n",
		"0x500 1 2\n",
		"0x100000072 1 2\n",
		"0x72 4611686018427387905 2\n",
		"0x72 18446744073709551616 2\n",
		"0x72 1 18446744073709551616\n",
		"0x72 99999999999999999999999999999999999999 2\n",
	};
	struct es_kernel_counts c;

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(bad); i++)
		if (parse(bad[i], &c) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(es_kernel_parse("0x72 1 2\n\0", 10, &c), -EBADMSG);
}

/* Whatever bytes come: an answer, nothing else. Every prefix, and each byte of a good text spoilt. */
static void mangled_text(void **state)
{
	static const char good[] = "0x72 1234 567890\n0x400 7 1\nother 3 4\n";
	struct es_kernel_counts c;

	(void)state;
	for (size_t n = 0; n < sizeof(good); n++) {
		char *text = malloc(n + 1); /* its very size, so that ASan sees a step beyond */

		memcpy(text, good, n);
		for (int byte = 0; n && byte < 256; byte++) {
			int r;

			text[n - 1] = (char)byte;
			r = es_kernel_parse(text, n, &c);
			assert_true(r == 0 || r == -EBADMSG);
		}
		free(text);
	}
}

/* --- files --- */

static void folders(void **state)
{
	(void)state;
	assert_true(es_kernel_folder_valid("1-2"));
	assert_true(es_kernel_folder_valid("4194303-2147483647"));
	assert_false(es_kernel_folder_valid(""));
	assert_false(es_kernel_folder_valid("-"));
	assert_false(es_kernel_folder_valid("12-"));
	assert_false(es_kernel_folder_valid("-12"));
	assert_false(es_kernel_folder_valid("12"));
	assert_false(es_kernel_folder_valid("1-2/"));
	assert_false(es_kernel_folder_valid("../1-2"));
	assert_false(es_kernel_folder_valid("1-2-3"));
	assert_false(es_kernel_folder_valid("1-2\n"));
	assert_false(es_kernel_folder_valid("123456789-1234567890"));
}

static const char *kvm(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/kernel/debug/kvm", sys);
	return path;
}

static void files(void **state)
{
	char text[ES_KERNEL_TEXT_MAX + 100];
	struct es_kernel_counts c;

	(void)state;
	put("kernel/debug/kvm/10-4/exit_stats", "0x72 5 6\n", 9);
	put("kernel/debug/kvm/10-5/exits", "5\n", 2);
	put("kernel/debug/kvm/10-6/exit_stats", "what?", 5);
	memset(text, '0', sizeof(text));
	memcpy(text, "0x", 2);
	put("kernel/debug/kvm/10-7/exit_stats", text, sizeof(text));
	assert_int_equal(es_kernel_read(kvm(), "10-4", &c), 0);
	assert_int_equal(c.n[CPUID], 5);
	assert_int_equal(es_kernel_read(kvm(), "10-5", &c), -ENOENT);
	assert_int_equal(es_kernel_read(kvm(), "10-9", &c), -ENOENT);
	assert_int_equal(es_kernel_read(kvm(), "10-6", &c), -EBADMSG);
	assert_int_equal(es_kernel_read(kvm(), "10-7", &c), -EBADMSG);
	assert_int_equal(es_kernel_read(kvm(), "../kvm/10-4", &c), -ENOENT);
	assert_int_equal(es_kernel_read(kvm(), "", &c), -ENOENT);
}

static void what_hinders(void **state)
{
	char why[256] = "";

	(void)state;
	assert_false(es_kernel_patched(sys));
	assert_int_equal(es_kernel_reachable(sys, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "CONFIG_DEBUG_FS"));
	put("kernel/debug/x", "", 0);
	assert_int_equal(es_kernel_reachable(sys, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "mount -t debugfs debugfs /sys/kernel/debug"));
	put("kernel/debug/kvm/x", "", 0);
	assert_int_equal(es_kernel_reachable(sys, why, sizeof(why)), 0);
	put("module/kvm/parameters/exit_cpuid", "Y\n", 2);
	assert_true(es_kernel_patched(sys));
}

static void who_was_there(void **state)
{
	struct es_kernel_seen seen = { 0 };
	uint64_t inode;

	(void)state;
	es_kernel_seen_take(&seen, kvm());
	assert_false(seen.known);
	put("kernel/debug/kvm/10-4/exit_stats", "", 0);
	put("kernel/debug/kvm/9-44/exit_stats", "", 0);
	put("kernel/debug/kvm/exits", "", 0);
	es_kernel_seen_take(&seen, kvm());
	assert_true(seen.known);
	assert_int_equal(seen.n, 2);
	inode = es_kernel_inode(kvm(), "10-4");
	assert_true(inode);
	assert_true(es_kernel_seen_has(&seen, "10-4", inode));
	assert_true(es_kernel_seen_has(&seen, "9-44", es_kernel_inode(kvm(), "9-44")));
	/* The name again, but another folder: another VM. */
	assert_false(es_kernel_seen_has(&seen, "10-4", inode + 1));
	assert_false(es_kernel_seen_has(&seen, "10-5", inode));
	assert_int_equal(es_kernel_inode(kvm(), "10-5"), 0);
	es_kernel_seen_clear(&seen);
}

/* --- what looks prove --- */

static struct es_kernel_look look_at(uint64_t before, uint64_t bpf, uint64_t after, uint32_t in_flight)
{
	struct es_kernel_look l = { 0 };

	l.before.n[CPUID] = before;
	l.bpf.n[CPUID] = bpf;
	l.after.n[CPUID] = after;
	l.in_flight[CPUID] = in_flight;
	return l;
}

static enum es_kernel_verdict learn(struct es_kernel_track *t, uint64_t before, uint64_t bpf, uint64_t after,
				    uint32_t in_flight, uint64_t *within)
{
	struct es_kernel_look l = look_at(before, bpf, after, in_flight);

	es_kernel_track_learn(t, &l);
	return es_kernel_track_verdict(t, within);
}

static void busy_vm_is_known_better_with_each_look(void **state)
{
	struct es_kernel_track t;
	uint64_t within;

	(void)state;
	es_kernel_track_init(&t, 1, false);
	assert_int_equal(es_kernel_track_verdict(&t, &within), ES_KERNEL_UNKNOWN);
	assert_int_equal(within, ES_NONE);
	/* The base is 100; ours is never behind. */
	assert_int_equal(learn(&t, 1100, 1005, 1110, 0, &within), ES_KERNEL_WITHIN);
	assert_int_equal(within, 10); /* 95..105 */
	assert_int_equal(learn(&t, 2100, 2002, 2150, 0, &within), ES_KERNEL_WITHIN);
	assert_int_equal(within, 7); /* 98..105 */
	assert_int_equal(learn(&t, 3100, 3004, 3105, 0, &within), ES_KERNEL_WITHIN);
	assert_int_equal(within, 3); /* 98..101 */
	assert_int_equal(learn(&t, 3105, 3005, 3105, 0, &within), ES_KERNEL_EXACT);
	assert_int_equal(within, 0);
	assert_int_equal(learn(&t, 9000, 8950, 9100, 0, &within), ES_KERNEL_EXACT);
}

static void an_exit_in_flight_is_no_difference(void **state)
{
	struct es_kernel_look l = look_at(1099, 1000, 1099, 1);
	struct es_kernel_track t;
	uint64_t within;

	(void)state;
	es_kernel_track_init(&t, 1, false);
	assert_int_equal(learn(&t, 1100, 1000, 1100, 0, &within), ES_KERNEL_EXACT);
	assert_true(es_kernel_track_fits(&t, &l));
	l.in_flight[CPUID] = 0;
	assert_false(es_kernel_track_fits(&t, &l));
	/* A first look with one in flight is not taken for more than it is worth. */
	es_kernel_track_init(&t, 1, false);
	assert_int_equal(learn(&t, 1099, 1000, 1099, 1, &within), ES_KERNEL_WITHIN);
	assert_int_equal(within, 1);
	assert_int_equal(learn(&t, 1100, 1000, 1100, 0, &within), ES_KERNEL_EXACT);
}

static void a_difference_is_found_and_stays(void **state)
{
	struct es_kernel_track t;
	uint64_t within;

	(void)state;
	es_kernel_track_init(&t, 1, false);
	learn(&t, 1100, 1000, 1100, 0, &within);
	assert_int_equal(learn(&t, 1200, 1097, 1210, 0, &within), ES_KERNEL_DIFFER);
	assert_int_equal(t.off[CPUID], 3); /* the kernel has at least three more */
	assert_int_equal(within, ES_NONE);
	/* A look too vague to show it does not make it good. */
	assert_int_equal(learn(&t, 1300, 1250, 1400, 0, &within), ES_KERNEL_DIFFER);
	es_kernel_track_init(&t, 2, false);
	learn(&t, 1100, 1000, 1100, 0, &within);
	assert_int_equal(learn(&t, 1200, 1102, 1200, 0, &within), ES_KERNEL_DIFFER);
	assert_int_equal(t.off[CPUID], -2);
}

static void since_its_birth_there_is_no_base(void **state)
{
	struct es_kernel_track t;
	uint64_t within;

	(void)state;
	es_kernel_track_init(&t, 1, true);
	assert_int_equal(learn(&t, 95, 100, 103, 0, &within), ES_KERNEL_WITHIN);
	assert_int_equal(within, 8);
	assert_int_equal(learn(&t, 110, 110, 110, 0, &within), ES_KERNEL_EXACT);
	es_kernel_track_init(&t, 1, true);
	assert_int_equal(learn(&t, 101, 100, 103, 0, &within), ES_KERNEL_DIFFER);
	assert_int_equal(t.off[CPUID], 1);
	es_kernel_track_init(&t, 1, true);
	assert_int_equal(learn(&t, 90, 100, 98, 1, &within), ES_KERNEL_DIFFER);
	assert_int_equal(t.off[CPUID], -1);
}

static void a_counter_that_runs_backwards_differs(void **state)
{
	struct es_kernel_track t;
	uint64_t within;

	(void)state;
	es_kernel_track_init(&t, 1, false);
	assert_int_equal(learn(&t, 200, 100, 190, 0, &within), ES_KERNEL_DIFFER);
	es_kernel_track_init(&t, 1, false);
	assert_int_equal(learn(&t, 1ULL << 62, 0, 1ULL << 62, 0, &within), ES_KERNEL_EXACT);
	assert_int_equal(learn(&t, 0, 1ULL << 40, 0, 0, &within), ES_KERNEL_DIFFER);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_slot_has_a_code_and_back),
		cmocka_unit_test(good_text),
		cmocka_unit_test(bad_text),
		cmocka_unit_test(mangled_text),
		cmocka_unit_test(folders),
		TEST(files),
		TEST(what_hinders),
		TEST(who_was_there),
		cmocka_unit_test(busy_vm_is_known_better_with_each_look),
		cmocka_unit_test(an_exit_in_flight_is_no_difference),
		cmocka_unit_test(a_difference_is_found_and_stays),
		cmocka_unit_test(since_its_birth_there_is_no_base),
		cmocka_unit_test(a_counter_that_runs_backwards_differs),
	};

	return cmocka_run_group_tests_name("kernel_counts", tests, NULL, NULL);
}
