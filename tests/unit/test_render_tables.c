/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole outputs against golden files, and the layout of columns. */
#include "es_test.h"

#include <locale.h>
#include <time.h>

#include <exitstat/diff.h>
#include <exitstat/render.h>
#include <exitstat/top.h>

static const struct es_style plain = { .utf8 = true, .exact = true };
static const struct es_style ascii = { .exact = true };
static const struct es_style coloured = { .utf8 = true, .exact = true, .colour = true };
static const struct es_style narrow = { .utf8 = true, .exact = true, .width = 60 };

static const struct es_snapshot_view per_vm, per_vcpu = { .per_vcpu = true };

struct output {
	char *text;
	size_t size;
	FILE *f;
};

static FILE *output(struct output *o)
{
	o->f = open_memstream(&o->text, &o->size);
	assert_non_null(o->f);
	return o->f;
}

static void assert_output(struct output *o, const char *golden)
{
	fclose(o->f);
	es_assert_golden(golden, o->text);
	free(o->text);
}

/* The sample a second later: guest1 went on, the shadow VM stood still, and the third has ended long ago. */
static struct es_snapshot *later(void)
{
	struct es_snapshot *s = es_sample_snapshot();
	struct es_counts *c = &s->vms[0]->counts;

	s->taken.monotonic_ns += 1000000000;
	s->taken.realtime_ns += 1000000000;
	s->vms[1]->state = ES_VM_RUNNING;
	for (size_t i = 0; i < c->n_reasons; i++) {
		struct es_reason *r = &c->reasons[i];
		unsigned int bucket = 0;

		while (!r->hist[bucket])
			bucket++;
		r->hist[bucket] += 100 * (i + 1);
		r->count += 100 * (i + 1);
		r->time_ns += 100 * (i + 1) * 2500;
	}
	c->time.guest_ns += 1500000000;
	c->time.idle_ns += 400000000;
	return s;
}

static struct es_snapshot *interval(void)
{
	struct es_snapshot *a = es_sample_snapshot(), *b = later(), *d;

	assert_int_equal(es_diff(a, b, &d), 0);
	es_snapshot_unref(a);
	es_snapshot_unref(b);
	return d;
}

static void snapshot_tables(void **state)
{
	const struct {
		const char *golden;
		const struct es_style *style;
		bool per_vcpu, interval;
		const char *sort;
	} cases[] = {
		{ "cli-snapshot.txt", &plain, false, false, NULL },
		{ "cli-snapshot-ascii.txt", &ascii, false, false, NULL },
		{ "cli-snapshot-colour.txt", &coloured, false, false, NULL },
		{ "cli-snapshot-60.txt", &narrow, false, false, NULL },
		{ "cli-snapshot-vcpu.txt", &plain, true, false, "name" },
		{ "cli-snapshot-for.txt", &plain, false, true, "time" },
	};

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++) {
		struct es_snapshot *s = cases[i].interval ? interval() : es_sample_snapshot();
		struct es_snapshot_view v = { .per_vcpu = cases[i].per_vcpu };
		struct output o;

		if (cases[i].sort)
			v.sort = es_column_find(es_reason_columns, cases[i].sort);
		assert_int_equal(es_render_snapshot(output(&o), s, &v, cases[i].style), 0);
		assert_output(&o, cases[i].golden);
		es_snapshot_unref(s);
	}
}

/* The sample with events: guest1's some, the shadow VM's all, and nothing of the third. */
static struct es_snapshot *with_events(void)
{
	struct es_snapshot *s = es_sample_snapshot();
	size_t n;
	const struct es_paging_event *events = es_paging_events(&n);

	for (size_t i = 0; i < n; i++) {
		*(uint64_t *)((char *)&s->vms[1]->counts + events[i].at) = 1000 * i;
		if (i % 3 == 0 && events[i].shown == ES_PAGING_SHOWN)
			*(uint64_t *)((char *)&s->vms[0]->counts + events[i].at) = i;
	}
	return s;
}

static void paging_views(void **state)
{
	static const struct es_style wide = { .utf8 = true, .exact = true, .width = 80 },
				     tight = { .exact = true, .width = 40 };
	const struct {
		const char *golden;
		const struct es_style *style;
		bool per_vcpu;
	} cases[] = {
		{ "cli-paging.txt", &plain, false },	 { "cli-paging-ascii.txt", &ascii, false },
		{ "cli-paging-80.txt", &wide, false },	 { "cli-paging-40.txt", &tight, false },
		{ "cli-paging-vcpu.txt", &plain, true },
	};

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++) {
		struct es_snapshot_view v = { .per_vcpu = cases[i].per_vcpu, .aspect = ES_ASPECT_PAGING };
		struct es_snapshot *s = with_events();
		struct output o;

		assert_int_equal(es_render_snapshot(output(&o), s, &v, cases[i].style), 0);
		assert_output(&o, cases[i].golden);
		es_snapshot_unref(s);
	}
}

static void paging_csv(void **state)
{
	struct es_snapshot *s = with_events();
	struct output o;

	(void)state;
	es_render_paging_csv(output(&o), s, &per_vm, false);
	assert_output(&o, "cli-paging.csv");
	es_snapshot_unref(s);
}

static void paging_cost_lines(void **state)
{
	struct es_vm *vm = es_sample_vm("guest1", 1);
	struct es_paging_subject p = { ES_ISA_SVM, vm, &vm->counts, 2000000000 };
	struct es_counts *c = &vm->counts;
	struct output o;

	(void)state;
	output(&o);
	es_render_paging_cost(o.f, &p, &plain);
	vm->paging = ES_PAGING_NPT;
	es_render_paging_cost(o.f, &p, &plain);
	c->exits_unknown = true;
	es_render_paging_cost(o.f, &p, &plain);
	c->exits_unknown = false;
	es_sample_reason(c, 0x400, 1, ES_NONE);
	es_render_paging_cost(o.f, &p, &plain);
	es_sample_reason(c, 0x400, 3000, 5000000);
	es_sample_reason(c, 0x72, 1000, 5000000);
	es_render_paging_cost(o.f, &p, &plain);
	p.span_ns = ES_NONE;
	es_render_paging_cost(o.f, &p, &ascii);
	fclose(o.f);
	assert_string_equal(
		o.text,
		"Paging: cost not known (paging mode unknown)\n"
		"Paging: no exits\n"
		"Paging: cost not known (no exits are reported)\n"
		"Paging: 1 exit (100%), 0.5/s; their time was not measured\n"
		"Paging: 3,000 exits (75.0%), 1,500.0/s; 5.00ms (50.0% of the time outside the guest)\n"
		"Paging: 3,000 exits (75.0%); 5.00ms (50.0% of the time outside the guest)\n");
	free(o.text);
	es_vm_unref(vm);
}

/* A bar is as wide as its share of what is left of the column, and never wider than the column. */
static void cost_bars(void **state)
{
	const struct es_column *cost = es_column_find(es_paging_columns, "cost");
	struct es_style utf8 = { .utf8 = true }, c = { 0 };
	struct es_vm_row row = { .cost = { .exit_share = 0.25, .time_share = 0.5 } };
	char text[ES_CELL_MAX];

	(void)state;
	cost->cell(text, &row, 26, &utf8);
	assert_string_equal(text, "50.0% ██████████");
	cost->cell(text, &row, 26, &c);
	assert_string_equal(text, "50.0% ##########");
	cost->cell(text, &row, 9, &c);
	assert_string_equal(text, "50.0%");
	cost->cell(text, &row, 0, &c);
	assert_string_equal(text, "50.0%");
	row.cost.time_share = -1;
	cost->cell(text, &row, 26, &utf8);
	assert_string_equal(text, "25.0% █████");
	row.cost.exit_share = -1;
	cost->cell(text, &row, 26, &utf8);
	assert_string_equal(text, "-");
	for (row.cost.time_share = 0; row.cost.time_share <= 1; row.cost.time_share += 0.001)
		for (unsigned int width = 0; width < 200; width += 7) {
			cost->cell(text, &row, width, &utf8);
			assert_true(es_text_width(text) <= (width < 10 ? 5 : width));
		}
}

static void empty_snapshots(void **state)
{
	struct es_snapshot *s = es_snapshot_new();
	struct es_snapshot_view v = { 0 };
	struct output o;

	(void)state;
	s->taken = (struct es_taken){ ES_NONE, 1000, ES_NONE };
	es_render_snapshot(output(&o), s, &v, &plain);
	fclose(o.f);
	assert_non_null(strstr(o.text, "No VM has been seen yet."));
	assert_null(strstr(o.text, "1844674"));
	free(o.text);
	es_render_csv(output(&o), s, &per_vm, false);
	fclose(o.f);
	assert_ptr_equal(strchr(o.text, '\n'), o.text + o.size - 1);
	free(o.text);
	es_snapshot_unref(s);
}

static void csv(void **state)
{
	struct es_snapshot *s = es_sample_snapshot();
	struct output o;

	(void)state;
	es_render_csv(output(&o), s, &per_vm, false);
	assert_output(&o, "cli-snapshot.csv");
	es_render_csv(output(&o), s, &per_vcpu, false);
	assert_output(&o, "cli-snapshot-vcpu.csv");
	es_render_csv(output(&o), s, &per_vm, true);
	assert_output(&o, "cli-snapshot-terminal.csv");
	es_snapshot_unref(s);
}

/* VMX: EXCEPTION_NMI is paging in a VM with shadow paging, as JSON has it (test_snapshot_json). */
static void class_depends_on_paging(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct es_snapshot *s = es_snapshot_new();
		struct es_vm *vm = es_sample_vm("guest1", 1);
		struct output o;

		s->host.isa = ES_ISA_VMX;
		vm->paging = i ? ES_PAGING_EPT : ES_PAGING_SHADOW;
		es_sample_reason(&vm->counts, 0, 5, 50);
		assert_int_equal(es_snapshot_add(s, vm), 0);
		assert_int_equal(es_render_snapshot(output(&o), s, &per_vm, &plain), 0);
		fclose(o.f);
		assert_non_null(
			strstr(o.text, i ? "\nEXCEPTION_NMI  interrupt " : "\nEXCEPTION_NMI  paging "));
		free(o.text);
		es_render_csv(output(&o), s, &per_vm, false);
		fclose(o.f);
		assert_non_null(
			strstr(o.text, i ? ",EXCEPTION_NMI,0,interrupt," : ",EXCEPTION_NMI,0,paging,"));
		free(o.text);
		es_snapshot_unref(s);
	}
}

static void json(void **state)
{
	struct es_snapshot *s = es_sample_snapshot();
	struct output o;

	(void)state;
	es_render_json(output(&o), s, true);
	assert_output(&o, "cli-snapshot.json");
	es_snapshot_unref(s);
}

/* VMX' bits beside the basic reason, in the table and in JSON; page faults are no such bit. */
static void flags_of_exits(void **state)
{
	static const char *const lines[] = {
		"of CPUID: 3 with flag bus_lock\n",
		"of EPT_VIOLATION: 2,000 with flag enclave\n",
		"of MONITOR_TRAP_FLAG: 1 with flag pending_mtf\n",
		"of MONITOR_TRAP_FLAG: 2 with flag vmx_root\n",
		"of INVALID_STATE: 4 with flag failed_entry\n",
		"\"failed_entry\": 4",
		"\"page_fault\": 9",
	};
	struct es_snapshot *s = es_sample_snapshot();
	struct es_counts *c = &s->vms[0]->counts;
	struct output o;

	(void)state;
	s->host.isa = ES_ISA_VMX;
	es_sample_reason(c, 0, 9, 100)->flags[ES_FLAG_PAGE_FAULT] = 9;
	es_sample_reason(c, 10, 5, 100)->flags[ES_FLAG_BUS_LOCK] = 3;
	es_sample_reason(c, 33, 4, 100)->flags[ES_FLAG_FAILED_ENTRY] = 4;
	es_sample_reason(c, 37, 2, 100)->flags[ES_FLAG_PENDING_MTF] = 1;
	es_counts_reason(c, 37)->flags[ES_FLAG_VMX_ROOT] = 2;
	es_sample_reason(c, 48, 3000, 100)->flags[ES_FLAG_ENCLAVE] = 2000;
	assert_int_equal(es_render_snapshot(output(&o), s, &per_vm, &plain), 0);
	es_render_json(o.f, s, false);
	fclose(o.f);
	for (size_t i = 0; i < ES_ARRAY_SIZE(lines); i++)
		assert_non_null(strstr(o.text, lines[i]));
	assert_null(strstr(o.text, "with flag page_fault"));
	free(o.text);
	es_snapshot_unref(s);
}

static void list(void **state)
{
	struct es_snapshot *sum = later(), *now = interval();
	struct output o;

	(void)state;
	es_render_list(output(&o), sum, now, NULL, &plain);
	assert_output(&o, "cli-list.txt");
	es_render_list(output(&o), sum, NULL, es_column_find(es_vm_columns, "name"), &ascii);
	assert_output(&o, "cli-list-ascii.txt");
	es_render_list_json(output(&o), sum, now);
	assert_output(&o, "cli-list.json");
	es_snapshot_unref(sum);
	es_snapshot_unref(now);
}

static void status(void **state)
{
	static const char *const names[] = { "cli-status-full", "cli-status-many", "cli-status-empty" };

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(names); i++) {
		char path[128], golden[128];
		json_error_t why;
		json_t *j;
		struct output o;

		snprintf(path, sizeof(path), "tests/golden/%s.in.json", names[i]);
		j = json_load_file(path, 0, &why);
		assert_non_null(j);
		es_render_status(output(&o), j, &plain);
		snprintf(golden, sizeof(golden), "%s.txt", names[i]);
		assert_output(&o, golden);
		json_decref(j);
	}
}

static void batch(void **state)
{
	struct es_top t = { 0 };
	struct es_top_query q = { 0 };
	struct es_style st = { .utf8 = true };
	struct output o;

	(void)state;
	assert_int_equal(es_top_put(&t, es_sample_snapshot(), NULL), 1);
	assert_int_equal(es_top_put(&t, later(), NULL), 1);
	es_render_top(output(&o), &t, &q, false, &st);
	assert_output(&o, "cli-top-batch.txt");
	es_render_top(output(&o), &t, &q, true, &st);
	assert_output(&o, "cli-top-batch-reasons.txt");
	q.aspect = ES_ASPECT_PAGING;
	es_render_top(output(&o), &t, &q, false, &st);
	assert_output(&o, "cli-top-batch-paging.txt");
	es_render_top(output(&o), &t, &q, true, &st);
	assert_output(&o, "cli-top-batch-events.txt");
	es_top_clear(&t);
}

static void columns_go_when_room_is_short(void **state)
{
	static const struct es_column *const tables[] = { es_vm_columns, es_paging_columns };
	struct es_snapshot *s = es_sample_snapshot();
	struct es_vm_row *rows;
	struct es_style st = { .utf8 = true };
	const void *order[3];
	struct es_layout l;

	(void)state;
	assert_int_equal(es_vm_rows(s, NULL, &rows), 0);
	for (size_t i = 0; i < 3; i++)
		order[i] = &rows[i];
	for (size_t k = 0; k < ES_ARRAY_SIZE(tables) * 295; k++) {
		unsigned int total = 0;

		st.width = 5 + (unsigned int)(k % 295);
		for (int live = 0; live < 2; live++) {
			es_layout(&l, tables[k / 295], order, 3, live, &st);
			total = 0;
			for (unsigned int i = 0; i < l.n; i++)
				total += l.at[i].width + (i ? l.gap : 0);
			assert_true(total <= st.width);
			assert_string_equal(l.at[0].column->key, "name");
		}
		/* The full screen is filled to the edge. */
		if (st.width >= 80) {
			assert_int_equal(total, st.width);
			assert_true(l.n >= 8);
		}
	}
	free(rows);
	es_snapshot_unref(s);
}

static void words_for_sort(void **state)
{
	static const struct es_column *const tables[] = { es_reason_columns, NULL, es_event_columns };
	static const struct es_column *const all[] = { es_vm_columns,	  es_reason_columns,
						       es_paging_columns, es_event_columns,
						       es_time_columns,	  es_vcpu_time_columns };
	char buf[ES_CELL_MAX];

	(void)state;
	assert_string_equal(es_column_words(buf, tables, 2),
			    "name|class|count|l2|reflected|rate|time|avg|p50|p99|max");
	/* A word that two tables have is said once. */
	assert_string_equal(es_column_words(buf, tables, 3),
			    "name|class|count|l2|reflected|rate|time|avg|p50|p99|max|event");
	assert_null(es_column_find(es_reason_columns, "history"));
	assert_null(es_column_find(es_reason_columns, "COUNT"));
	assert_non_null(es_column_find(es_vm_columns, "outside"));
	for (size_t i = 0; i < ES_ARRAY_SIZE(all); i++)
		for (const struct es_column *c = all[i]; c->key; c++)
			assert_true(!c->sortable || c->compare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshot_tables),
		cmocka_unit_test(paging_views),
		cmocka_unit_test(paging_csv),
		cmocka_unit_test(paging_cost_lines),
		cmocka_unit_test(cost_bars),
		cmocka_unit_test(empty_snapshots),
		cmocka_unit_test(csv),
		cmocka_unit_test(class_depends_on_paging),
		cmocka_unit_test(json),
		cmocka_unit_test(flags_of_exits),
		cmocka_unit_test(list),
		cmocka_unit_test(status),
		cmocka_unit_test(batch),
		cmocka_unit_test(columns_go_when_room_is_short),
		cmocka_unit_test(words_for_sort),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
