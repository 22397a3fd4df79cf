/* SPDX-License-Identifier: GPL-2.0-only */
#include "es_test.h"

#include <errno.h>
#include <sys/stat.h>

#include <exitstat/json.h>
#include <exitstat/recording.h>

static char path[ES_TEMP_PATH], err[ES_ERR_MAX];

static int remove_file(void **state)
{
	(void)state;
	if (*path)
		unlink(path);
	*path = '\0';
	return 0;
}

/* Reads the file to its end or its first error; how many snapshots there were. */
static size_t read_file(int *error, bool *cut)
{
	struct es_recording *r = NULL;
	struct es_snapshot *s = NULL;
	size_t n = 0;
	int e = es_recording_open(path, true, &r, err);

	assert_int_equal(e, 0);
	while ((e = es_recording_next(r, &s, err)) > 0) {
		n++;
		es_snapshot_unref(s);
	}
	*error = e;
	if (cut)
		*cut = es_recording_cut(r);
	es_recording_close(r);
	return n;
}

/* The file of this text is refused in that line, for a reason that holds why. */
static void refused(const char *text, size_t len, size_t line, const char *why)
{
	char place[ES_TEMP_PATH + 16];
	int e;

	remove_file(NULL);
	es_temp_file(path, text, len);
	read_file(&e, NULL);
	assert_int_equal(e, -EBADMSG);
	snprintf(place, sizeof(place), "%s:%zu: ", path, line);
	if (strncmp(err, place, strlen(place)) || !strstr(err, why))
		fail_msg("'%s', wanted %s...%s", err, place, why);
	assert_true(strlen(err) < 240);
}

static void text_refused(const char *text, size_t line, const char *why)
{
	refused(text, strlen(text), line, why);
}

/* n looks at guest1, a second apart; each has 100 CPUID more. */
static char *looks(size_t n, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	for (size_t i = 0; i < n; i++) {
		struct es_snapshot *s = es_snapshot_new();
		struct es_vm *vm = es_sample_vm("guest1", 1);
		char *line;

		s->host.isa = ES_ISA_SVM;
		strcpy(s->host.kernel, "6.1");
		s->taken.monotonic_ns = (10 + i) * 1000000000;
		es_sample_reason(&vm->counts, 0x72, 100 * (i + 1), 1000 * (i + 1));
		assert_int_equal(es_snapshot_add(s, vm), 0);
		line = es_snapshot_to_json(s, false, false, NULL);
		fprintf(f, "%s\n", line);
		free(line);
		es_snapshot_unref(s);
	}
	fclose(f);
	return text;
}

static void snapshots_come_in_order(void **state)
{
	struct es_recording *r = NULL;
	struct es_snapshot *s = NULL;
	_cleanup_free_ char *text = NULL;
	uint64_t at[3];
	size_t len;

	(void)state;
	text = looks(3, &len);
	es_temp_file(path, text, len);
	assert_int_equal(es_recording_open(path, true, &r, err), 0);
	for (size_t i = 0; i < 3; i++) {
		at[i] = es_recording_tell(r);
		assert_int_equal(es_recording_next(r, &s, err), 1);
		assert_int_equal(es_recording_line(r), i + 1);
		assert_int_equal(s->taken.monotonic_ns, (10 + i) * 1000000000);
		es_snapshot_unref(s);
	}
	assert_int_equal(es_recording_next(r, &s, err), 0);
	assert_int_equal(es_recording_next(r, &s, err), 0);
	assert_false(es_recording_cut(r));
	/* Back is not backwards. */
	assert_int_equal(es_recording_seek(r, at[1], 1), 0);
	assert_int_equal(es_recording_next(r, &s, err), 1);
	assert_int_equal(es_recording_line(r), 2);
	assert_int_equal(s->vms[0]->counts.reasons[0].count, 200);
	es_snapshot_unref(s);
	assert_int_equal(es_recording_seek(r, at[0], 0), 0);
	assert_int_equal(es_recording_next(r, &s, err), 1);
	assert_int_equal(s->vms[0]->counts.reasons[0].count, 100);
	es_snapshot_unref(s);
	es_recording_close(r);
}

static void a_file_cut_anywhere_gives_its_whole_lines(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t len, first;

	(void)state;
	text = looks(3, &len);
	first = (size_t)(strchr(text, '\n') - text) + 1;
	for (size_t n = first; n <= len; n++) {
		size_t whole = 0, got;
		bool cut;
		int e;

		remove_file(NULL);
		es_temp_file(path, text, n);
		for (size_t i = 0; i < n; i++)
			whole += text[i] == '\n';
		got = read_file(&e, &cut);
		assert_int_equal(e, 0);
		/* All of a line but its newline is a line, too. */
		whole += text[n - 1] != '\n' && text[n] == '\n';
		assert_int_equal(got, whole);
		assert_int_equal(cut, text[n - 1] != '\n' && text[n] != '\n');
	}
	for (size_t n = 1; n + 1 < first; n += 7)
		refused(text, n, 1, "middle of its first snapshot");
	/* Some file systems leave zeros after a crash. */
	remove_file(NULL);
	memset(text + first + 10, 0, len - first - 10);
	es_temp_file(path, text, len);
	bool cut;
	int e;
	assert_int_equal(read_file(&e, &cut), 1);
	assert_int_equal(e, 0);
	assert_true(cut);
}

static void a_snapshot_may_take_many_lines(void **state)
{
	struct es_snapshot *s = es_sample_snapshot();
	_cleanup_free_ char *text = es_snapshot_to_json(s, true, true, NULL), *damaged = strdup(text);
	char *colon;
	bool cut;
	int e;

	(void)state;
	es_temp_file(path, text, strlen(text));
	assert_int_equal(read_file(&e, &cut), 1);
	assert_int_equal(e, 0);
	assert_false(cut);
	text_refused("{\n  \"schema\": \"exitstat/1\",\n \"host\"", 3, "middle of a snapshot");
	colon = strstr(damaged, "\"kernel\":") + strlen("\"kernel\"");
	*colon = ' ';
	text_refused(damaged, 5, "not JSON");
	es_snapshot_unref(s);
}

static void lines_between_may_be_empty(void **state)
{
	_cleanup_free_ char *text = NULL, *spaced = NULL;
	size_t len, size;
	FILE *f = open_memstream(&spaced, &size);
	int e;

	(void)state;
	text = looks(2, &len);
	fputs("\n \t\r\n", f);
	for (const char *p = text; *p; p++) {
		if (*p == '\n')
			fputs("\r\n", f);
		fputc(*p, f);
	}
	fputs("\n\n  ", f);
	fclose(f);
	es_temp_file(path, spaced, size);
	assert_int_equal(read_file(&e, NULL), 2);
	assert_int_equal(e, 0);
}

static void damage_is_named_by_file_line_and_reason(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t len, first;

	(void)state;
	text = looks(3, &len);
	first = (size_t)(strchr(text, '\n') - text) + 1;
	text[first + 3] = '\x01';
	refused(text, len, 2, "not JSON");
	text[first + 3] = '\xff';
	refused(text, len, 2, "not JSON");
	text[first - 2] = ' '; /* the brace that closes the first line */
	refused(text, len, 1, "not JSON");
	text_refused("", 1, "no snapshot");
	text_refused("\n\n\n", 1, "no snapshot");
	text_refused("\x7f\x45LF\x02\n", 1, "not JSON");
	refused("\0\0\0\0\n", 5, 1, "not JSON");
	text_refused("[]\n", 1, "no schema");
	text_refused("{}\n", 1, "no schema");
	text_refused("{\"schema\":7}\n", 1, "no schema");
	text_refused("{\"schema\":\"exitstat-list/1\"}\n", 1, "schema 'exitstat-list/1' is not exitstat/1");
	text_refused("{\"schema\":\"exitstat/2\"}\n", 1,
		     "schema exitstat/2: of a newer exitstat; this one reads exitstat/1");
	text_refused("{\"schema\":\"exitstat/1\",\"schema\":\"exitstat/1\"}\n", 1, "duplicate");
	text_refused("{\"schema\":\"exitstat/1\",\"vms\":[{\"id\":\"a\",\"pid\":-1}]}\n", 1, "vms[0].pid");
	text_refused("{\"schema\":\"exitstat/1\",\"vms\":[{\"name\":\"a\"}]}\n", 1, "without an id");
	text_refused("{\"schema\":\"exitstat/1\",\"vms\":[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"a\"}]}\n",
		     1, "two VMs have the id a");
}

/* Two lines with what differs put in: monotonic_ns, kernel, isa, interval_ns, count of CPUID. */
static void pair_refused(const char *first, const char *second, const char *why)
{
	_cleanup_free_ char *text = NULL;

	assert_true(asprintf(&text, "%s\n%s\n", first, second) > 0);
	text_refused(text, 2, why);
}

#define LOOK(host, taken, reasons)                                              \
	"{\"schema\":\"exitstat/1\",\"host\":{" host "},\"taken\":{" taken "}," \
	"\"vms\":[{\"id\":\"x-1\",\"exits\":{\"total\":1,\"reasons\":[" reasons "]}}]}"
#define CPUID(n) "{\"code\":114,\"count\":" n "}"
#define SVM	 "\"isa\":\"svm\",\"kernel\":\"6.1\""

static void what_cannot_follow_is_refused(void **state)
{
	static const char first[] = LOOK(SVM, "\"monotonic_ns\":5", CPUID("9"));

	(void)state;
	pair_refused(first, LOOK(SVM, "\"monotonic_ns\":4", CPUID("9")), "time goes back");
	pair_refused(first, LOOK(SVM, "\"realtime_ns\":9", CPUID("9")), "monotonic_ns: missing");
	pair_refused(first, LOOK(SVM, "\"monotonic_ns\":6", CPUID("8")),
		     "exits of VM x-1 go back: CPUID from 9 to 8");
	pair_refused(first, LOOK(SVM, "\"monotonic_ns\":6", ""), "CPUID from 9 to 0");
	pair_refused(first, LOOK(SVM, "\"monotonic_ns\":6,\"interval_ns\":1", CPUID("9")), "differences");
	pair_refused(first, LOOK("\"isa\":\"vmx\",\"kernel\":\"6.1\"", "\"monotonic_ns\":6", CPUID("9")),
		     "another host: vmx after svm");
	pair_refused(first, LOOK("\"isa\":\"svm\",\"kernel\":\"6.2\"", "\"monotonic_ns\":6", CPUID("9")),
		     "another host: Linux 6.2 after 6.1");
}

static void a_host_without_kvm_yet_may_get_one(void **state)
{
	static const char text[] = LOOK("\"isa\":null,\"kernel\":\"6.1\"", "\"monotonic_ns\":5",
					"") "\n" LOOK(SVM, "\"monotonic_ns\":5", CPUID("9")) "\n";
	int e;

	(void)state;
	es_temp_file(path, text, strlen(text));
	assert_int_equal(read_file(&e, NULL), 2);
	assert_int_equal(e, 0);
}

static void what_is_not_a_file_is_refused(void **state)
{
	struct es_recording *r;
	char fifo[ES_TEMP_PATH];

	(void)state;
	assert_int_equal(es_recording_open("/nonexistent/x", true, &r, err), -ENOENT);
	assert_non_null(strstr(err, "/nonexistent/x"));
	assert_int_equal(es_recording_open("/", false, &r, err), -EISDIR);
	assert_int_equal(es_recording_open("/", true, &r, err), -EINVAL);
	es_temp_file(fifo, "", 0);
	unlink(fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	/* Does not wait for a writer. */
	assert_int_equal(es_recording_open(fifo, true, &r, err), -EINVAL);
	assert_non_null(strstr(err, "not a regular file"));
	unlink(fifo);
}

static void lines_are_bounded(void **state)
{
	enum { DEPTH = 100000 };
	_cleanup_free_ char *deep = malloc(DEPTH + 2);
	int e;

	(void)state;
	memset(deep, '[', DEPTH);
	deep[DEPTH] = '\n';
	refused(deep, DEPTH + 1, 1, "not JSON");
	remove_file(NULL);
	es_temp_file(path, "{", 1);
	/* Without a newline, and mostly not on disk. */
	assert_int_equal(truncate(path, (off_t)(ES_RECORDING_LINE_MAX + 1000000)), 0);
	assert_int_equal(read_file(&e, NULL), 0);
	assert_int_equal(e, -EBADMSG);
	assert_non_null(strstr(err, ":1: longer than 64 MiB"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(snapshots_come_in_order, remove_file),
		cmocka_unit_test_teardown(a_file_cut_anywhere_gives_its_whole_lines, remove_file),
		cmocka_unit_test_teardown(a_snapshot_may_take_many_lines, remove_file),
		cmocka_unit_test_teardown(lines_between_may_be_empty, remove_file),
		cmocka_unit_test_teardown(damage_is_named_by_file_line_and_reason, remove_file),
		cmocka_unit_test_teardown(what_cannot_follow_is_refused, remove_file),
		cmocka_unit_test_teardown(a_host_without_kvm_yet_may_get_one, remove_file),
		cmocka_unit_test(what_is_not_a_file_is_refused),
		cmocka_unit_test_teardown(lines_are_bounded, remove_file),
	};

	return cmocka_run_group_tests_name("recording", tests, NULL, NULL);
}
