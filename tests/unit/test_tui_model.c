/* SPDX-License-Identifier: GPL-2.0-only */
/* What top knows: intervals, baselines, vanishing VMs, histories, filters, orders. */
#include "es_test.h"

#include <exitstat/reasons.h>
#include <exitstat/top.h>

#define SECOND 1000000000ULL

/* VMs of a look: name and count of CPUID exits; NULL ends. */
struct seen {
	const char *name;
	uint64_t count;
};

static struct es_snapshot *look(uint64_t seconds, const struct seen *seen)
{
	struct es_snapshot *s = es_snapshot_new();

	assert_non_null(s);
	s->host.isa = ES_ISA_SVM;
	s->taken.monotonic_ns = seconds * SECOND;
	s->taken.realtime_ns = (seconds + 1000) * SECOND;
	for (; seen->name; seen++) {
		struct es_vm *vm = es_sample_vm(seen->name, 1);

		es_sample_reason(&vm->counts, 0x72, seen->count, seen->count * 1000);
		vm->since_ns = SECOND;
		vm->counts.time.guest_ns = seconds * SECOND / 2;
		assert_int_equal(es_snapshot_add(s, vm), 0);
	}
	return s;
}

static void put(struct es_top *t, struct es_snapshot *s)
{
	assert_int_equal(es_top_put(t, s, NULL), 1);
}

static double rate_of(const struct es_top *t, const char *name)
{
	struct es_top_query q = { .filter = name };
	struct es_vm_table table;
	double rate;

	assert_int_equal(es_top_vms(t, &q, &table), 0);
	assert_int_equal(table.n, 1);
	rate = es_vm_rate(table.order[0]);
	es_vm_table_free(&table);
	return rate;
}

static void rates_come_from_two_looks(void **state)
{
	struct es_top t = { 0 };

	(void)state;
	put(&t, look(10, (struct seen[]){ { "guest1", 100 }, { "guest2", 7 }, { NULL, 0 } }));
	assert_null(t.now);
	assert_true(rate_of(&t, "guest1") < 0);
	put(&t, look(12, (struct seen[]){ { "guest1", 500 }, { "guest2", 7 }, { NULL, 0 } }));
	assert_int_equal((int)rate_of(&t, "guest1"), 200);
	assert_int_equal((int)rate_of(&t, "guest2"), 0);
	/* The same look again says nothing new. */
	assert_int_equal(es_top_put(&t, look(12, (struct seen[]){ { "guest1", 500 }, { NULL, 0 } }), NULL),
			 0);
	assert_int_equal((int)rate_of(&t, "guest1"), 200);
	es_top_clear(&t);
}

static void first_look_has_the_daemons_interval(void **state)
{
	struct es_top t = { .baseline = true };
	struct es_snapshot *seed = look(10, (struct seen[]){ { "guest1", 42 }, { NULL, 0 } });

	(void)state;
	seed->taken.interval_ns = SECOND;
	assert_int_equal(es_top_put(&t, look(10, (struct seen[]){ { "guest1", 1000 }, { NULL, 0 } }), seed),
			 1);
	assert_int_equal((int)rate_of(&t, "guest1"), 42);
	/* A daemon that has just begun has none, and that is not a rate of 0. */
	t.baseline = true;
	seed = look(11, (struct seen[]){ { "guest1", 0 }, { NULL, 0 } });
	seed->taken.interval_ns = 0;
	assert_int_equal(es_top_put(&t, look(11, (struct seen[]){ { "guest1", 5 }, { NULL, 0 } }), seed), 1);
	assert_true(rate_of(&t, "guest1") < 0);
	es_top_clear(&t);
}

static void nothing_is_counted_backwards(void **state)
{
	struct es_top t = { 0 };

	(void)state;
	put(&t, look(10, (struct seen[]){ { "guest1", 1000 }, { NULL, 0 } }));
	put(&t, look(11, (struct seen[]){ { "guest1", 1500 }, { NULL, 0 } }));
	/* Counters went back without notice. */
	put(&t, look(12, (struct seen[]){ { "guest1", 3 }, { NULL, 0 } }));
	assert_true(rate_of(&t, "guest1") < 1);
	put(&t, look(13, (struct seen[]){ { "guest1", 13 }, { NULL, 0 } }));
	assert_int_equal((int)rate_of(&t, "guest1"), 10);
	/* The clock did: another host, or a recording from its start. */
	put(&t, look(5, (struct seen[]){ { "guest1", 100 }, { NULL, 0 } }));
	assert_true(rate_of(&t, "guest1") < 0);
	put(&t, look(6, (struct seen[]){ { "guest1", 130 }, { NULL, 0 } }));
	assert_int_equal((int)rate_of(&t, "guest1"), 30);
	/* A restart that was noticed. */
	t.baseline = true;
	put(&t, look(7, (struct seen[]){ { "guest1", 1000000 }, { NULL, 0 } }));
	assert_true(rate_of(&t, "guest1") < 0);
	es_top_clear(&t);
}

static void watched_vm_stays(void **state)
{
	struct es_top t = { 0 };
	struct es_snapshot *without;
	struct es_vm_row row;

	(void)state;
	put(&t, look(10, (struct seen[]){ { "guest1", 100 }, { "guest2", 7 }, { NULL, 0 } }));
	assert_int_equal(es_top_watch(&t, t.sum->vms[0]->id), 0);
	without = look(11, (struct seen[]){ { "guest2", 8 }, { NULL, 0 } });
	assert_true(es_top_misses(&t, without));
	put(&t, without);
	assert_int_equal(es_top_watched(&t, &row), 0);
	assert_string_equal(row.sum->name, "guest1");
	assert_int_equal(row.sum->state, ES_VM_ENDED);
	assert_int_equal(row.sum->ended_ns, 10 * SECOND);
	assert_int_equal(es_exits_total(&row.sum->counts), 100);
	/* And stays, as long as it is watched. */
	put(&t, look(12, (struct seen[]){ { "guest2", 9 }, { NULL, 0 } }));
	assert_int_equal(es_top_watched(&t, &row), 0);
	assert_int_equal(row.sum->ended_ns, 10 * SECOND);
	assert_int_equal(es_top_watch(&t, NULL), 0);
	put(&t, look(13, (struct seen[]){ { "guest2", 9 }, { NULL, 0 } }));
	assert_int_equal(t.sum->n_vms, 1);
	es_top_clear(&t);
}

static void watch_follows_over_a_restart(void **state)
{
	struct es_top t = { 0 };
	struct es_snapshot *s;
	struct es_vm_row row;

	(void)state;
	put(&t, look(10, (struct seen[]){ { "guest1", 100 }, { NULL, 0 } }));
	assert_int_equal(es_top_watch(&t, t.sum->vms[0]->id), 0);
	t.baseline = true;
	s = look(11, (struct seen[]){ { "guest1", 5 }, { NULL, 0 } });
	free(s->vms[0]->id);
	s->vms[0]->id = strdup("another-id");
	put(&t, s);
	assert_int_equal(es_top_watched(&t, &row), 0);
	assert_string_equal(row.sum->id, "another-id");
	assert_int_equal(row.sum->state, ES_VM_RUNNING);
	assert_int_equal(t.sum->n_vms, 1);
	es_top_clear(&t);
}

static void histories(void **state)
{
	struct es_top t = { 0 };
	const struct es_vm_history *h;
	const struct es_series *s;
	uint64_t count = 0;

	(void)state;
	for (uint64_t i = 0; i < ES_HISTORY_MAX + 20; i++)
		put(&t,
		    look(10 + i, (struct seen[]){ { "guest1", count += i }, { "guest2", 1 }, { NULL, 0 } }));
	h = es_history_vm(&t.history, t.sum->vms[0]->id);
	assert_non_null(h);
	assert_int_equal(h->total.n, ES_HISTORY_MAX);
	assert_int_equal((int)h->total.rate[ES_HISTORY_MAX - 1], ES_HISTORY_MAX + 19);
	assert_int_equal((int)h->total.rate[0], 20);
	s = es_history_reason(h, 0x72);
	assert_non_null(s);
	assert_memory_equal(s->rate, h->total.rate, sizeof(s->rate));
	assert_null(es_history_reason(h, 0x73));
	assert_null(es_history_vm(&t.history, "nobody"));
	/* A VM that is gone is forgotten. */
	put(&t, look(900, (struct seen[]){ { "guest2", 1 }, { NULL, 0 } }));
	assert_int_equal(t.history.n, 1);
	es_top_clear(&t);
}

static void new_reason_has_a_past_of_zeros(void **state)
{
	struct es_top t = { 0 };
	struct es_snapshot *s;
	const struct es_series *series;

	(void)state;
	put(&t, look(10, (struct seen[]){ { "guest1", 1 }, { NULL, 0 } }));
	put(&t, look(11, (struct seen[]){ { "guest1", 2 }, { NULL, 0 } }));
	s = look(12, (struct seen[]){ { "guest1", 3 }, { NULL, 0 } });
	es_sample_reason(&s->vms[0]->counts, 0x78, 9, 9000);
	put(&t, s);
	series = es_history_reason(es_history_vm(&t.history, t.sum->vms[0]->id), 0x78);
	assert_non_null(series);
	assert_int_equal(series->n, 3);
	assert_true(series->rate[0] < 0); /* no interval was known then */
	assert_true(series->rate[1] == 0);
	assert_int_equal((int)series->rate[2], 9);
	es_top_clear(&t);
}

static void names_of(const struct es_top *t, const struct es_top_query *q, char *out)
{
	struct es_vm_table table;

	assert_int_equal(es_top_vms(t, q, &table), 0);
	*out = '\0';
	for (size_t i = 0; i < table.n; i++)
		strcat(strcat(out, i ? " " : ""), ((const struct es_vm_row *)table.order[i])->sum->name);
	es_vm_table_free(&table);
}

static void filters_and_orders(void **state)
{
	static const struct seen first[] = { { "web1", 0 }, { "Web2", 0 }, { "db3", 0 }, { NULL, 0 } };
	static const struct seen then[] = { { "web1", 10 }, { "Web2", 30 }, { "db3", 20 }, { NULL, 0 } };
	struct es_top t = { 0 };
	struct es_top_query q = { 0 };
	char names[256];

	(void)state;
	put(&t, look(10, first));
	put(&t, look(11, then));
	t.sum->vms[0]->state = ES_VM_ENDED;
	names_of(&t, &q, names);
	assert_string_equal(names, "Web2 db3 web1");
	q.reverse = true;
	names_of(&t, &q, names);
	assert_string_equal(names, "web1 db3 Web2");
	q = (struct es_top_query){ .sort = es_column_find(es_vm_columns, "name") };
	names_of(&t, &q, names);
	assert_string_equal(names, "Web2 db3 web1");
	q.hide_ended = true;
	names_of(&t, &q, names);
	assert_string_equal(names, "Web2 db3");
	q = (struct es_top_query){ .filter = "WEB" };
	names_of(&t, &q, names);
	assert_string_equal(names, "Web2 web1");
	q.filter = "[dw]*[13]";
	names_of(&t, &q, names);
	assert_string_equal(names, "db3 web1");
	q.filter = "1003";
	names_of(&t, &q, names);
	assert_string_equal(names, "db3");
	q.filter = "nobody";
	names_of(&t, &q, names);
	assert_string_equal(names, "");
	es_top_clear(&t);
}

static void reasons_of_one_vm(void **state)
{
	struct es_top t = { 0 };
	struct es_snapshot *a = es_sample_snapshot(), *b = es_sample_snapshot();
	struct es_top_query q = { .sort = es_column_find(es_reason_columns, "count") };
	struct es_reason_table table;
	struct es_vm_row row;

	(void)state;
	b->taken.monotonic_ns += SECOND;
	es_counts_reason(&b->vms[0]->counts, 0x78)->count += 50;
	put(&t, a);
	put(&t, b);
	assert_int_equal(es_top_watch(&t, t.sum->vms[0]->id), 0);
	assert_int_equal(es_top_watched(&t, &row), 0);
	assert_int_equal(es_top_reasons(&t, &row, &q, &table), 0);
	assert_int_equal(table.n, 4);
	assert_int_equal(((const struct es_reason_row *)table.order[0])->code, 0x7b);
	es_reason_table_free(&table);
	q = (struct es_top_query){ 0 };
	assert_int_equal(es_top_reasons(&t, &row, &q, &table), 0);
	assert_int_equal(((const struct es_reason_row *)table.order[0])->code, 0x78);
	assert_int_equal((int)es_reason_rate(table.order[0]), 50);
	assert_true(es_reason_rate(table.order[1]) == 0);
	es_reason_table_free(&table);
	/* By name, and by class. */
	q.filter = "npf";
	assert_int_equal(es_top_reasons(&t, &row, &q, &table), 0);
	assert_int_equal(table.n, 1);
	es_reason_table_free(&table);
	q.filter = "instr";
	assert_int_equal(es_top_reasons(&t, &row, &q, &table), 0);
	assert_int_equal(table.n, 1);
	es_reason_table_free(&table);
	es_top_clear(&t);
}

static void summary(void **state)
{
	struct es_top t = { 0 };
	struct es_top_summary s;

	(void)state;
	es_top_summarise(&t, &s);
	assert_true(s.rate < 0);
	put(&t, look(10, (struct seen[]){ { "guest1", 100 }, { "guest2", 7 }, { NULL, 0 } }));
	put(&t, look(12, (struct seen[]){ { "guest1", 500 }, { "guest2", 9 }, { NULL, 0 } }));
	t.sum->vms[1]->state = ES_VM_PAUSED;
	es_top_summarise(&t, &s);
	assert_int_equal(s.vms, 2);
	assert_int_equal(s.running, 1);
	assert_int_equal(s.paused, 1);
	assert_int_equal((int)s.rate, 201);
	assert_true(s.outside > 0 && s.outside < 0.001);
	es_top_clear(&t);
}

static struct es_snapshot *paging_look(uint64_t seconds, uint64_t faults)
{
	struct es_snapshot *s = look(seconds, (struct seen[]){ { "guest1", seconds * 100 }, { NULL, 0 } });
	struct es_counts *c = &s->vms[0]->counts;

	s->vms[0]->paging = ES_PAGING_NPT;
	es_sample_reason(c, 0x400, faults, faults * 3000);
	c->mmu.faults.tdp = faults;
	c->mmu.sptes.s4k = 0;
	return s;
}

/* The row of an event; its table stays with the caller. */
static const struct es_event_row *event_of(const struct es_event_table *table, const char *key)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct es_event_row *row = table->order[i];

		if (strcmp(row->event->key, key) == 0)
			return row;
	}
	return NULL;
}

static void events_have_rates_and_a_past(void **state)
{
	struct es_top t = { 0 };
	struct es_top_query q = { 0 };
	struct es_event_table table;
	const struct es_event_row *row;
	struct es_vm_row vm;
	char text[ES_CELL_MAX];

	(void)state;
	put(&t, paging_look(10, 0));
	put(&t, paging_look(12, 0));
	put(&t, paging_look(14, 400));
	put(&t, paging_look(15, 700));
	assert_int_equal(es_top_watch(&t, t.sum->vms[0]->id), 0);
	assert_int_equal(es_top_watched(&t, &vm), 0);
	assert_int_equal((int)es_vm_paging_rate(&vm), 300);
	assert_int_equal((int)(es_vm_cost(&vm) * 100), 90);
	assert_int_equal(es_top_events(&t, &vm, &q, &table), 0);
	row = event_of(&table, "mmu.faults.tdp");
	assert_int_equal(row->sum, 700);
	assert_int_equal((int)es_event_rate(row), 300);
	/* What first came in the third look did not come before, and before that nothing is known. */
	assert_int_equal(row->n_history, 4);
	assert_true(row->history[0] < 0);
	assert_true(row->history[1] == 0 && row->history[2] == 200 && row->history[3] == 300);
	/* Measured and 0 is not unmeasured. */
	row = event_of(&table, "mmu.sptes.4k");
	assert_true(es_event_rate(row) == 0 && row->n_history == 0);
	row = event_of(&table, "mmu.sptes.2m");
	assert_true(es_event_rate(row) < 0 && row->sum == ES_NONE);
	assert_null(event_of(&table, "mmu.nested.faults"));
	es_event_table_free(&table);
	q.filter = "spte 4k";
	assert_int_equal(es_top_events(&t, &vm, &q, &table), 0);
	assert_int_equal(table.n, 1);
	es_event_table_free(&table);
	assert_null(strstr(es_vm_sentence(text, &vm), "In total"));
	vm.now = NULL;
	assert_ptr_equal(strstr(es_vm_sentence(text, &vm), "In total: "), text);
	es_top_clear(&t);
}

static void no_events_no_table(void **state)
{
	struct es_top t = { 0 };
	struct es_top_query q = { 0 };
	struct es_event_table table;
	struct es_vm_row vm;

	(void)state;
	put(&t, look(10, (struct seen[]){ { "guest1", 100 }, { NULL, 0 } }));
	assert_int_equal(es_top_watch(&t, t.sum->vms[0]->id), 0);
	assert_int_equal(es_top_watched(&t, &vm), 0);
	assert_true(es_vm_paging_rate(&vm) < 0 && es_vm_cost(&vm) < 0);
	assert_int_equal(es_top_events(&t, &vm, &q, &table), 0);
	assert_int_equal(table.n, 0);
	es_event_table_free(&table);
	es_top_clear(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_come_from_two_looks),
		cmocka_unit_test(first_look_has_the_daemons_interval),
		cmocka_unit_test(nothing_is_counted_backwards),
		cmocka_unit_test(watched_vm_stays),
		cmocka_unit_test(watch_follows_over_a_restart),
		cmocka_unit_test(histories),
		cmocka_unit_test(new_reason_has_a_past_of_zeros),
		cmocka_unit_test(filters_and_orders),
		cmocka_unit_test(reasons_of_one_vm),
		cmocka_unit_test(summary),
		cmocka_unit_test(events_have_rates_and_a_past),
		cmocka_unit_test(no_events_no_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
