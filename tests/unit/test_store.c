// SPDX-License-Identifier: GPL-2.0-only
/* The ring and the VMs that ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <exitstat/store.h>

#define SEC 1000000000ULL

static const struct es_store_options options = { .ring = 3, .ended_keep_ns = 10 * SEC, .ended_max = 4 };

static struct es_snapshot *look(uint64_t at_s)
{
	struct es_snapshot *s = es_snapshot_new();

	assert_non_null(s);
	s->taken.monotonic_ns = at_s * SEC;
	return s;
}

static void add(struct es_snapshot *s, const char *id, uint64_t ended_s)
{
	struct es_vm *vm = es_vm_new(id, id);

	assert_non_null(vm);
	vm->state = ended_s ? ES_VM_ENDED : ES_VM_RUNNING;
	vm->ended_ns = ended_s && ended_s != ES_NONE ? ended_s * SEC : ES_NONE;
	assert_int_equal(es_snapshot_add(s, vm), 0);
}

/* The ids in the newest view, in its order. */
static const char *ids(const struct es_store *st)
{
	static char text[256];
	const struct es_snapshot *s = es_store_latest(st);

	text[0] = '\0';
	for (size_t i = 0; i < s->n_vms; i++) {
		strcat(text, i ? " " : "");
		strcat(text, s->vms[i]->id);
	}
	return text;
}

static void empty(void **state)
{
	struct es_store *st = es_store_new(&options);

	(void)state;
	assert_non_null(st);
	assert_null(es_store_latest(st));
	assert_null(es_store_tick(st, 0));
	es_store_free(st);
	es_store_free(NULL);
}

static void ring_keeps_the_newest_ticks(void **state)
{
	struct es_store *st = es_store_new(&options);
	uint64_t generation = es_store_generation(st);

	(void)state;
	for (uint64_t t = 1; t <= 5; t++) {
		assert_int_equal(es_store_put(st, look(t), true), 0);
		assert_int_not_equal(es_store_generation(st), generation);
		generation = es_store_generation(st);
	}
	assert_int_equal(es_store_tick(st, 0)->taken.monotonic_ns, 5 * SEC);
	assert_int_equal(es_store_tick(st, 1)->taken.monotonic_ns, 4 * SEC);
	assert_int_equal(es_store_tick(st, 2)->taken.monotonic_ns, 3 * SEC);
	assert_null(es_store_tick(st, 3));
	assert_int_equal(es_store_put(st, look(6), false), 0);
	assert_int_equal(es_store_latest(st)->taken.monotonic_ns, 6 * SEC);
	assert_int_equal(es_store_tick(st, 0)->taken.monotonic_ns, 5 * SEC);
	es_store_free(st);
}

static void the_same_instant_is_one_tick(void **state)
{
	struct es_store *st = es_store_new(&options);

	(void)state;
	es_store_put(st, look(1), true);
	es_store_put(st, look(2), true);
	es_store_put(st, look(2), true);
	assert_int_equal(es_store_tick(st, 0)->taken.monotonic_ns, 2 * SEC);
	assert_int_equal(es_store_tick(st, 1)->taken.monotonic_ns, 1 * SEC);
	es_store_free(st);
}

static void told(struct es_store *st, uint64_t at_s, const char *live, const char *id, uint64_t ended_s)
{
	struct es_snapshot *s = look(at_s);

	if (live)
		add(s, live, 0);
	if (id)
		add(s, id, ended_s);
	assert_int_equal(es_store_put(st, s, true), 0);
}

static void ended_vms_stay_until_their_time(void **state)
{
	struct es_store *st = es_store_new(&options);

	(void)state;
	told(st, 1, "a", NULL, 0);
	told(st, 2, "b", "a", 2);
	assert_string_equal(ids(st), "b a");
	told(st, 3, "c", "b", 3);
	assert_string_equal(ids(st), "c b a");
	told(st, 12, "c", NULL, 0); /* a: just 10 s */
	assert_string_equal(ids(st), "c b a");
	told(st, 13, "c", NULL, 0);
	assert_string_equal(ids(st), "c b");
	told(st, 14, "c", NULL, 0);
	assert_string_equal(ids(st), "c");
	es_store_free(st);
}

static void the_oldest_ended_vm_goes_first(void **state)
{
	struct es_store *st = es_store_new(&options);
	const char *const names[] = { "e1", "e2", "e3", "e4", "e5", "e6" };

	(void)state;
	for (unsigned int i = 0; i < 6; i++)
		told(st, 1 + i, "live", names[i], 1 + i);
	assert_string_equal(ids(st), "live e6 e5 e4 e3");
	told(st, 7, "live", "late", 1); /* told late, but ended before them all: not kept */
	assert_string_equal(ids(st), "live e6 e5 e4 e3");
	told(st, 7, "live", "e5", 5); /* told twice */
	assert_string_equal(ids(st), "live e6 e5 e4 e3");
	told(st, 8, "live", "when", ES_NONE); /* nobody knows when: now */
	assert_string_equal(ids(st), "live when e6 e5 e4");
	es_store_free(st);
}

static void keeping_none(void **state)
{
	const struct es_store_options none = { .ring = 0, .ended_keep_ns = 10 * SEC, .ended_max = 0 };
	struct es_store *st = es_store_new(&none);

	(void)state;
	told(st, 1, "live", "gone", 1);
	told(st, 2, "live", NULL, 0);
	assert_string_equal(ids(st), "live");
	assert_non_null(es_store_tick(st, 1)); /* a ring has two at least */
	es_store_free(st);
}

static void configured_anew(void **state)
{
	struct es_store_options o = options;
	struct es_store *st = es_store_new(&o);

	(void)state;
	for (uint64_t t = 1; t <= 4; t++)
		told(st, t, "live", t == 1 ? "e1" : t == 2 ? "e2" : "e3", t);
	o.ended_max = 2;
	o.ring = 2;
	assert_int_equal(es_store_configure(st, &o), 0);
	assert_int_equal(es_store_latest(st)->taken.monotonic_ns, 4 * SEC);
	assert_int_equal(es_store_tick(st, 0)->taken.monotonic_ns, 4 * SEC);
	assert_int_equal(es_store_tick(st, 1)->taken.monotonic_ns, 3 * SEC);
	assert_null(es_store_tick(st, 2));
	told(st, 5, "live", NULL, 0);
	assert_string_equal(ids(st), "live e3 e2");
	o.ring = 10;
	o.ended_keep_ns = 2 * SEC;
	assert_int_equal(es_store_configure(st, &o), 0);
	told(st, 6, "live", NULL, 0);
	assert_string_equal(ids(st), "live"); /* e3 was told as ended at 3 first */
	assert_int_equal(es_store_tick(st, 2)->taken.monotonic_ns, 4 * SEC);
	es_store_free(st);
}

static void views_outlive_the_store(void **state)
{
	struct es_store *st = es_store_new(&options);
	struct es_snapshot *s;

	(void)state;
	told(st, 1, "a", "b", 1);
	s = es_snapshot_ref(es_store_latest(st));
	for (uint64_t t = 2; t < 30; t++)
		told(st, t, "a", NULL, 0);
	es_store_free(st);
	assert_int_equal(s->n_vms, 2);
	assert_string_equal(s->vms[1]->id, "b");
	es_snapshot_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(ring_keeps_the_newest_ticks),
		cmocka_unit_test(the_same_instant_is_one_tick),
		cmocka_unit_test(ended_vms_stay_until_their_time),
		cmocka_unit_test(the_oldest_ended_vm_goes_first),
		cmocka_unit_test(keeping_none),
		cmocka_unit_test(configured_anew),
		cmocka_unit_test(views_outlive_the_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
