/* SPDX-License-Identifier: GPL-2.0-only */
#include "es_test.h"

#include <errno.h>

#include <exitstat/hist.h>
#include <exitstat/run.h>

#define S 1000000000ULL

enum { CPUID = 0x72, INVLPG = 0x79, NPF = 0x400 };

/* A recording under construction: looks at VMs, and the file and run that come of it. */
struct tape {
	struct es_snapshot *looks[8];
	size_t n;
	char path[ES_TEMP_PATH], err[ES_ERR_MAX];
	struct es_run run;
};

static struct es_snapshot *look(struct tape *t, uint64_t s)
{
	struct es_snapshot *shot = es_snapshot_new();

	strcpy(shot->host.hostname, "host");
	strcpy(shot->host.kernel, "6.1");
	shot->host.isa = ES_ISA_SVM;
	shot->taken.monotonic_ns = s * S;
	shot->taken.realtime_ns = (1000000 + s) * S;
	return t->looks[t->n++] = shot;
}

/* A VM in the last look: CPUIDs of 1 µs each; since is in seconds. */
static struct es_vm *add(struct tape *t, const char *id, const char *name, uint64_t since, uint64_t cpuids)
{
	struct es_vm *vm = es_vm_new(id, name);

	vm->pid = 7;
	vm->n_vcpus = 1;
	vm->since_ns = since * S;
	vm->paging = ES_PAGING_NPT;
	if (cpuids)
		es_sample_reason(&vm->counts, CPUID, cpuids, cpuids * 1000);
	vm->counts.time.guest_ns = cpuids * 5000;
	assert_int_equal(es_snapshot_add(t->looks[t->n - 1], vm), 0);
	return vm;
}

static void end(struct es_vm *vm, uint64_t s)
{
	vm->state = ES_VM_ENDED;
	vm->ended_ns = s * S;
}

static int load(struct tape *t, const char *vm)
{
	if (!*t->path)
		es_temp_recording(t->path, t->looks, t->n);
	return es_run_load(t->path, vm, &t->run, t->err);
}

static void loaded(struct tape *t)
{
	if (load(t, NULL))
		fail_msg("%s", t->err);
}

static void drop(struct tape *t)
{
	for (size_t i = 0; i < t->n; i++)
		es_snapshot_unref(t->looks[i]);
	if (*t->path)
		unlink(t->path);
	es_run_clear(&t->run);
}

static const struct es_run_vm *only(const struct tape *t)
{
	assert_int_equal(t->run.n_vms, 1);
	return &t->run.vms[0];
}

static uint64_t count(const struct es_run_vm *vm, uint32_t code)
{
	const struct es_reason *r = es_counts_find(&vm->counts, code);

	return r ? r->count : 0;
}

static void from_the_first_line_to_the_last(void **state)
{
	struct tape t = { 0 };
	const struct es_run_vm *vm;

	(void)state;
	look(&t, 10), add(&t, "a", "guest1", 1, 100);
	look(&t, 11), add(&t, "a", "guest1", 1, 150);
	look(&t, 13), es_sample_reason(&add(&t, "a", "guest1", 1, 400)->counts, NPF, 5, 500);
	loaded(&t);
	vm = only(&t);
	assert_string_equal(vm->name, "guest1");
	assert_int_equal(t.run.lines, 3);
	assert_int_equal(t.run.span_ns, 3 * S);
	assert_int_equal(vm->span_ns, 3 * S);
	assert_int_equal(t.run.begin_realtime_ns, 1000010 * S);
	assert_int_equal(t.run.end_realtime_ns, 1000013 * S);
	assert_true(t.run.latency);
	assert_false(t.run.totals || t.run.cut || t.run.vanished);
	assert_int_equal(count(vm, CPUID), 300);
	assert_int_equal(count(vm, NPF), 5);
	assert_int_equal(es_counts_find(&vm->counts, CPUID)->time_ns, 300000);
	assert_int_equal(es_counts_find(&vm->counts, CPUID)->max_ns, ES_NONE);
	assert_int_equal(vm->counts.time.guest_ns, 300 * 5000);
	assert_int_equal(vm->counts.time.idle_ns, ES_NONE);
	assert_int_equal(vm->instances, 1);
	/* Points: what a line added. */
	assert_int_equal(vm->n_points, 2);
	assert_int_equal(vm->points[0].at_ns, S);
	assert_int_equal(vm->points[0].exits, 50);
	assert_int_equal(vm->points[0].paging_exits, 0);
	assert_int_equal(vm->points[1].at_ns, 3 * S);
	assert_int_equal(vm->points[1].span_ns, 2 * S);
	assert_int_equal(vm->points[1].exits, 255);
	assert_int_equal(vm->points[1].time_ns, 250500);
	assert_int_equal(vm->points[1].paging_exits, 5);
	assert_int_equal(vm->points[1].paging_time_ns, 500);
	assert_int_equal(vm->points[1].guest_ns, 250 * 5000);
	drop(&t);
}

static void a_vm_that_comes_later_counts_from_its_start(void **state)
{
	struct tape t = { 0 };
	const struct es_run_vm *vm;

	(void)state;
	look(&t, 10);
	look(&t, 11);
	look(&t, 12), add(&t, "a", "guest1", 11, 70);
	look(&t, 13), end(add(&t, "a", "guest1", 11, 90), 13);
	look(&t, 20), end(add(&t, "a", "guest1", 11, 90), 13);
	loaded(&t);
	vm = only(&t);
	assert_int_equal(count(vm, CPUID), 90);
	assert_int_equal(vm->span_ns, 2 * S);
	assert_int_equal(t.run.span_ns, 10 * S);
	assert_int_equal(vm->n_points, 2);
	assert_int_equal(vm->points[0].exits + vm->points[1].exits, 90);
	assert_false(t.run.vanished);
	drop(&t);
}

static void vms_of_one_name_are_one(void **state)
{
	struct tape t = { 0 };
	const struct es_run_vm *vm;
	struct es_vm *second;

	(void)state;
	look(&t, 10), add(&t, "a", "guest1", 1, 100);
	look(&t, 11), end(add(&t, "a", "guest1", 1, 130), 11);
	/* The first hides behind the second. */
	look(&t, 14), second = add(&t, "b", "guest1", 12, 1000);
	second->paging = ES_PAGING_SHADOW;
	second->n_vcpus = 2;
	loaded(&t);
	vm = only(&t);
	assert_int_equal(vm->instances, 2);
	assert_int_equal(count(vm, CPUID), 1030);
	assert_int_equal(vm->span_ns, (1 + 2) * S);
	/* What counts as paging was another thing for each. */
	assert_true(vm->mixed);
	assert_int_equal(vm->paging, ES_PAGING_NONE);
	assert_int_equal(vm->n_vcpus, 2);
	assert_int_equal(vm->counts.time.guest_ns, 1030 * 5000);
	assert_false(t.run.vanished);
	drop(&t);
}

/* As when the daemon was restarted: the VM is another then, and nobody saw what the first did at last. */
static void vm_that_vanished_lived_until_it_was_seen_last(void **state)
{
	struct tape t = { 0 };
	const struct es_run_vm *vm;

	(void)state;
	look(&t, 10), add(&t, "a", "guest1", 1, 100);
	look(&t, 13), add(&t, "a", "guest1", 1, 400);
	look(&t, 20), add(&t, "b", "guest1", 15, 500);
	loaded(&t);
	vm = only(&t);
	assert_true(t.run.vanished);
	assert_false(vm->mixed);
	assert_int_equal(vm->instances, 2);
	assert_int_equal(count(vm, CPUID), 800);
	assert_int_equal(vm->span_ns, (3 + 5) * S);
	drop(&t);
}

static void names_are_sorted_and_found(void **state)
{
	struct tape t = { 0 };

	(void)state;
	look(&t, 10), add(&t, "1", "web", 1, 1), add(&t, "2", "db", 1, 1), end(add(&t, "3", "old", 1, 50), 2);
	look(&t, 11), add(&t, "1", "web", 1, 9), add(&t, "2", "db", 1, 1), end(add(&t, "3", "old", 1, 50), 2);
	loaded(&t);
	/* What ended before did nothing in it; what lived and did nothing did. */
	assert_int_equal(t.run.n_vms, 2);
	assert_string_equal(t.run.vms[0].name, "db");
	assert_ptr_equal(es_run_vm(&t.run, "web"), &t.run.vms[1]);
	assert_null(es_run_vm(&t.run, "old"));
	assert_int_equal(es_exits_total(&es_run_vm(&t.run, "db")->counts), 0);
	es_run_clear(&t.run);
	assert_int_equal(load(&t, "w*"), 0);
	assert_string_equal(only(&t)->name, "web");
	es_run_clear(&t.run);
	assert_int_equal(load(&t, "old"), -ESRCH);
	assert_non_null(strstr(t.err, "no VM 'old' ran in it, but 'web', 'db'"));
	assert_int_equal(t.run.n_vms, 0);
	drop(&t);
}

static void totals_are_left_as_they_are(void **state)
{
	struct tape t = { 0 };
	const struct es_run_vm *vm;

	(void)state;
	look(&t, 10), add(&t, "a", "guest1", 4, 100);
	end(add(&t, "b", "guest2", 1, 10), 3);
	loaded(&t);
	assert_true(t.run.totals);
	assert_int_equal(t.run.span_ns, 9 * S);
	assert_int_equal(t.run.n_vms, 2);
	vm = es_run_vm(&t.run, "guest1");
	assert_int_equal(vm->span_ns, 6 * S);
	assert_int_equal(count(vm, CPUID), 100);
	assert_int_equal(es_counts_find(&vm->counts, CPUID)->max_ns, 10000);
	assert_int_equal(es_run_vm(&t.run, "guest2")->span_ns, 2 * S);
	assert_int_equal(vm->n_points, 0);
	drop(&t);
}

static void a_difference_is_one_already(void **state)
{
	struct tape t = { 0 };

	(void)state;
	look(&t, 100)->taken.interval_ns = 10 * S;
	add(&t, "a", "guest1", 4, 100);
	end(add(&t, "b", "young", 95, 10), 98);
	loaded(&t);
	assert_false(t.run.totals);
	assert_int_equal(t.run.span_ns, 10 * S);
	assert_int_equal(es_run_vm(&t.run, "guest1")->span_ns, 10 * S);
	assert_int_equal(es_run_vm(&t.run, "young")->span_ns, 3 * S);
	assert_int_equal(count(es_run_vm(&t.run, "guest1"), CPUID), 100);
	drop(&t);
}

static void what_is_not_known_stays_so(void **state)
{
	struct tape t = { 0 };
	const struct es_run_vm *vm;
	struct es_vm *second;

	(void)state;
	look(&t, 10), add(&t, "x", "silent", 1, 0)->counts.exits_unknown = true;
	look(&t, 11), add(&t, "x", "silent", 1, 0)->counts.exits_unknown = true;
	end(add(&t, "a", "guest1", 10, 100), 11);
	look(&t, 14), add(&t, "x", "silent", 1, 0)->counts.exits_unknown = true;
	second = add(&t, "b", "guest1", 12, 0);
	es_sample_reason(&second->counts, CPUID, 11, ES_NONE);
	second->counts.time.guest_ns = ES_NONE;
	loaded(&t);
	vm = es_run_vm(&t.run, "silent");
	assert_int_equal(es_exits_total(&vm->counts), ES_NONE);
	assert_int_equal(vm->points[0].exits, ES_NONE);
	assert_int_equal(vm->points[0].paging_exits, ES_NONE);
	/* The counts are, the time is not that of half of them. */
	vm = es_run_vm(&t.run, "guest1");
	assert_int_equal(count(vm, CPUID), 111);
	assert_int_equal(es_counts_find(&vm->counts, CPUID)->time_ns, ES_NONE);
	assert_false(es_hist_known(es_counts_find(&vm->counts, CPUID)->hist));
	assert_int_equal(vm->counts.time.guest_ns, ES_NONE);
	drop(&t);
}

static void a_vm_that_vanishes_is_told(void **state)
{
	struct tape t = { 0 };

	(void)state;
	look(&t, 10), add(&t, "a", "guest1", 1, 100);
	look(&t, 11), add(&t, "a", "guest1", 1, 200);
	look(&t, 12), add(&t, "b", "guest1", 11, 30);
	loaded(&t);
	assert_int_equal(t.run.vanished, 1);
	assert_int_equal(count(only(&t), CPUID), 130);
	drop(&t);
}

static void losses_are_those_of_the_run(void **state)
{
	struct tape t = { 0 };

	(void)state;
	look(&t, 10)->health = (struct es_health_counts){ .slots_used = 1, .missed = 5, .dropped = 7 };
	look(&t, 11)->health = (struct es_health_counts){ .slots_used = 3, .missed = 5, .dropped = 9 };
	loaded(&t);
	assert_int_equal(t.run.health.slots_used, 3);
	assert_int_equal(t.run.health.missed, 0);
	assert_int_equal(t.run.health.dropped, 2);
	assert_int_equal(t.run.n_vms, 0);
	drop(&t);
}

static void a_file_has_a_label(void **state)
{
	static const char line[] = "{\"schema\":\"exitstat/1\"}\n";
	char path[ES_TEMP_PATH], named[ES_TEMP_PATH + 16], err[ES_ERR_MAX];
	struct es_run run;

	(void)state;
	es_temp_file(path, line, sizeof(line) - 1);
	snprintf(named, sizeof(named), "%s.jsonl", path);
	assert_int_equal(rename(path, named), 0);
	assert_int_equal(es_run_load(named, NULL, &run, err), 0);
	assert_string_equal(run.path, named);
	assert_string_equal(run.label, strrchr(path, '/') + 1);
	assert_int_equal(run.begin_realtime_ns, ES_NONE);
	assert_int_equal(run.span_ns, ES_NONE);
	es_run_clear(&run);
	unlink(named);
	assert_int_equal(es_run_load(named, NULL, &run, err), -ENOENT);
	assert_int_equal(run.n_vms, 0);
}

/* A line a VM: time and memory must not grow with the square of it. */
static void many_vms_are_folded(void **state)
{
	enum { VMS = ES_SANITIZED ? 20000 : 100000 };
	char path[ES_TEMP_PATH], err[ES_ERR_MAX], *text = NULL;
	struct es_run run;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	for (int i = 0; i < VMS; i++)
		fprintf(f,
			"{\"schema\":\"exitstat/"
			"1\",\"taken\":{\"monotonic_ns\":%d},\"vms\":[{\"id\":\"i%d\",\"name\":\"n%d\"}]}\n",
			i, i, i);
	fclose(f);
	es_temp_file(path, text, size);
	free(text);
	assert_int_equal(es_run_load(path, NULL, &run, err), 0);
	assert_int_equal(run.n_vms, VMS);
	assert_non_null(es_run_vm(&run, "n77"));
	es_run_clear(&run);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_the_first_line_to_the_last),
		cmocka_unit_test(a_vm_that_comes_later_counts_from_its_start),
		cmocka_unit_test(vms_of_one_name_are_one),
		cmocka_unit_test(vm_that_vanished_lived_until_it_was_seen_last),
		cmocka_unit_test(names_are_sorted_and_found),
		cmocka_unit_test(totals_are_left_as_they_are),
		cmocka_unit_test(a_difference_is_one_already),
		cmocka_unit_test(what_is_not_known_stays_so),
		cmocka_unit_test(a_vm_that_vanishes_is_told),
		cmocka_unit_test(losses_are_those_of_the_run),
		cmocka_unit_test(a_file_has_a_label),
		cmocka_unit_test(many_vms_are_folded),
	};

	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
