/* SPDX-License-Identifier: GPL-2.0-only */
/* Which VMs get into the lines of a recording, and into which file. */
#include "es_test.h"

#include <errno.h>
#include <sys/stat.h>

#include <exitstat/record.h>
#include <exitstat/recording.h>
#include <exitstat/render.h>

#define S 1000000000ULL

static struct es_snapshot *answer(uint64_t s)
{
	struct es_snapshot *a = es_snapshot_new();

	a->taken.monotonic_ns = s * S;
	return a;
}

/* ended 0: it lives. */
static void add(struct es_snapshot *a, const char *id, const char *name, uint64_t ended)
{
	struct es_vm *vm = es_vm_new(id, name);

	vm->state = ended ? ES_VM_ENDED : ES_VM_RUNNING;
	vm->ended_ns = ended ? ended * S : ES_NONE;
	assert_int_equal(es_snapshot_add(a, vm), 0);
}

/* Takes a; the ids of the line are those, in order. */
static void line_is(struct es_record_vms *v, struct es_snapshot *a, const char *ids)
{
	struct es_snapshot *line = NULL;
	char text[256] = "";

	assert_int_equal(es_record_take(v, a, &line), 0);
	assert_int_equal(line->taken.monotonic_ns, a->taken.monotonic_ns);
	for (size_t i = 0; i < line->n_vms; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			 line->vms[i]->id);
	assert_string_equal(text, ids);
	es_snapshot_unref(line);
	es_snapshot_unref(a);
}

static void ended_vms_stay_for_a_while(void **state)
{
	struct es_record_vms v = { .vm = "web" };
	struct es_snapshot *a;

	(void)state;
	a = answer(10), add(a, "old", "web", 9), add(a, "a", "web", 0), add(a, "x", "db", 0);
	line_is(&v, a, "a");
	a = answer(20), add(a, "b", "web", 0), add(a, "old", "web", 9), add(a, "a", "web", 15);
	line_is(&v, a, "b a");
	/* No longer in the answer, still in the line; what vanished without an end is not. */
	a = answer(30), add(a, "c", "web", 0);
	line_is(&v, a, "c a");
	a = answer(614);
	line_is(&v, a, "a");
	line_is(&v, answer(616), "");
	assert_true(v.came);
	es_record_vms_clear(&v);
}

static void not_too_many_of_them(void **state)
{
	struct es_record_vms v = { .vm = NULL };
	struct es_snapshot *a = answer(10), *line;
	char id[16];

	(void)state;
	line_is(&v, a, "");
	assert_false(v.came);
	a = answer(20);
	for (int i = 0; i < 100; i++) {
		snprintf(id, sizeof(id), "%d", i);
		add(a, id, "web", 15);
	}
	assert_int_equal(es_record_take(&v, a, &line), 0);
	assert_int_equal(line->n_vms, 100); /* all that the daemon told */
	es_snapshot_unref(line);
	es_snapshot_unref(a);
	a = answer(21);
	assert_int_equal(es_record_take(&v, a, &line), 0);
	assert_int_equal(line->n_vms, ES_RECORD_KEEP_MAX);
	assert_string_equal(line->vms[ES_RECORD_KEEP_MAX - 1]->id, "99");
	es_snapshot_unref(line);
	es_snapshot_unref(a);
	es_record_vms_clear(&v);
}

static void time_goes_on(void **state)
{
	struct es_record_vms v = { .vm = NULL };
	struct es_snapshot *a = answer(10), *line = NULL;

	(void)state;
	line_is(&v, answer(10), "");
	assert_int_equal(es_record_take(&v, a, &line), -EALREADY);
	a->taken.monotonic_ns--;
	assert_int_equal(es_record_take(&v, a, &line), -EINVAL);
	assert_null(line);
	es_snapshot_unref(a);
	es_record_vms_clear(&v);
}

static void whoever_comes_or_goes_may_hide_others(void **state)
{
	struct es_record_vms v = { .vm = "web" };
	struct es_snapshot *none = answer(5), *a = answer(10), *b = answer(20);

	(void)state;
	add(a, "a", "web", 0);
	add(b, "b", "web", 0);
	assert_false(es_record_hides(&v, none));
	assert_true(es_record_hides(&v, a));
	line_is(&v, es_snapshot_ref(a), "a");
	assert_false(es_record_hides(&v, a));
	assert_true(es_record_hides(&v, b));
	assert_true(es_record_hides(&v, none));
	v.vm = NULL; /* an answer about all hides none */
	assert_false(es_record_hides(&v, b));
	es_snapshot_unref(none);
	es_snapshot_unref(a);
	es_snapshot_unref(b);
	es_record_vms_clear(&v);
}

static void a_line_is_whole_or_not_there(void **state)
{
	struct es_snapshot *s = es_sample_snapshot();
	struct es_record_file f;
	char path[ES_TEMP_PATH], err[ES_CLIENT_ERR], why[ES_ERR_MAX];
	struct es_recording *rec;
	struct stat st;

	(void)state;
	es_temp_file(path, "precious", 8);
	assert_int_equal(es_record_open(&f, path, false, err), -EEXIST);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 8);
	assert_int_equal(es_record_open(&f, path, true, err), 0);
	assert_int_equal(es_record_write(&f, s, err), 0);
	s->taken.monotonic_ns++;
	assert_int_equal(es_record_write(&f, s, err), 0);
	assert_int_equal(f.looks, 2);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, f.bytes);
	assert_int_equal(es_record_close(&f, err), 0);
	es_snapshot_unref(s);
	assert_int_equal(es_recording_open(path, true, &rec, why), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(es_recording_next(rec, &s, why), 1);
		es_snapshot_unref(s);
	}
	assert_int_equal(es_recording_next(rec, &s, why), 0);
	es_recording_close(rec);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ended_vms_stay_for_a_while),
		cmocka_unit_test(not_too_many_of_them),
		cmocka_unit_test(time_goes_on),
		cmocka_unit_test(whoever_comes_or_goes_may_hide_others),
		cmocka_unit_test(a_line_is_whole_or_not_there),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
