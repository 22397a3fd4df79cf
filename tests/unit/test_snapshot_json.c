/* SPDX-License-Identifier: GPL-2.0-only */
#include "es_test.h"

#include <errno.h>
#include <time.h>

#include <exitstat/hist.h>
#include <exitstat/json.h>

static char err[ES_ERR_MAX];

static struct es_snapshot *parse(const char *text)
{
	struct es_snapshot *s = NULL;
	int r = es_snapshot_parse(text, strlen(text), &s, err);

	if (r)
		fail_msg("%d: %s", r, err);
	return s;
}

/* text is refused, and the message names want. */
static void refused(const char *text, const char *want)
{
	struct es_snapshot *s = NULL;

	assert_int_equal(es_snapshot_parse(text, strlen(text), &s, err), -EBADMSG);
	assert_null(s);
	if (!strstr(err, want))
		fail_msg("\"%s\" does not say \"%s\"", err, want);
}

static void golden(void **state)
{
	struct es_snapshot *s = es_sample_snapshot();
	_cleanup_free_ char *text = es_snapshot_to_json(s, true, true, NULL);

	(void)state;
	es_assert_golden("snapshot.json", text);
	es_snapshot_unref(s);
}

static void round_trip(void **state)
{
	struct es_snapshot *s = es_sample_snapshot();

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		bool per_vcpu = i & 1;
		size_t len;
		_cleanup_free_ char *text = es_snapshot_to_json(s, per_vcpu, i & 2, &len), *again = NULL;
		struct es_snapshot *back = parse(text);

		assert_int_equal(len, strlen(text));
		assert_int_equal(strchr(text, '\n') != NULL, !!(i & 2));
		es_assert_same(s, back, per_vcpu);
		again = es_snapshot_to_json(back, per_vcpu, i & 2, NULL);
		assert_string_equal(text, again);
		es_snapshot_unref(back);
	}
	es_snapshot_unref(s);
}

/* What scripts of others count on: DESIGN's members, all of them, null when not measured. */
static void contract(void **state)
{
	static const char *const percentiles[] = { "p50_ns", "p90_ns", "p99_ns", "p999_ns" };
	struct es_snapshot *s = es_sample_snapshot();
	_cleanup_free_ char *text = es_snapshot_to_json(s, false, false, NULL);
	json_t *root = json_loads(text, 0, NULL), *vm = json_array_get(json_object_get(root, "vms"), 0);
	json_t *exits = json_object_get(vm, "exits"), *reasons = json_object_get(exits, "reasons"), *r, *gone;
	json_int_t count = 0, time = 0;
	size_t i;

	(void)state;
	assert_null(json_object_get(vm, "per_vcpu"));
	assert_null(json_object_get(vm, "uid"));
	assert_true(json_is_null(json_object_get(vm, "ended_ns")));
	json_array_foreach(reasons, i, r)
	{
		count += json_integer_value(json_object_get(r, "count"));
		time += json_integer_value(json_object_get(r, "time_ns"));
		assert_int_equal(json_object_size(r), 12);
		/* Trailing zeros are left out. */
		assert_true(json_integer_value(
				    json_array_get(json_object_get(r, "hist"),
						   json_array_size(json_object_get(r, "hist")) - 1)) > 0);
	}
	assert_int_equal(json_integer_value(json_object_get(exits, "total")), count);
	assert_int_equal(json_integer_value(json_object_get(exits, "time_ns")), time);
	gone = json_array_get(json_object_get(root, "vms"), 2);
	exits = json_object_get(gone, "exits");
	assert_true(json_is_null(json_object_get(exits, "time_ns")));
	assert_int_equal(json_integer_value(json_object_get(exits, "total")), 2000);
	r = json_array_get(json_object_get(exits, "reasons"), 0);
	assert_true(json_is_null(json_object_get(r, "hist")));
	for (size_t i = 0; i < ES_ARRAY_SIZE(percentiles); i++)
		assert_true(json_is_null(json_object_get(r, percentiles[i])));
	assert_true(
		json_is_null(json_object_get(json_object_get(json_object_get(gone, "cr"), "cr3"), "read")));
	assert_true(
		json_is_null(json_object_get(json_object_get(json_object_get(gone, "mmu"), "sptes"), "4k")));
	json_decref(root);
	es_snapshot_unref(s);
}

/* VMX: EXCEPTION_NMI is paging in a VM with shadow paging, and only there. */
static void class_depends_on_paging(void **state)
{
	struct es_snapshot *s = es_snapshot_new();
	_cleanup_free_ char *text = NULL;
	const char *first;

	(void)state;
	s->host.isa = ES_ISA_VMX;
	for (unsigned int i = 0; i < 2; i++) {
		struct es_vm *vm = es_sample_vm("guest1", 1);

		vm->paging = i ? ES_PAGING_EPT : ES_PAGING_SHADOW;
		es_sample_reason(&vm->counts, 0, 5, 50);
		assert_int_equal(es_snapshot_add(s, vm), 0);
	}
	text = es_snapshot_to_json(s, false, false, NULL);
	first = strstr(text, "\"name\":\"EXCEPTION_NMI\",\"class\":\"paging\"");
	assert_non_null(first);
	assert_non_null(strstr(first, "\"name\":\"EXCEPTION_NMI\",\"class\":\"interrupt\""));
	es_snapshot_unref(s);
}

static void missing_is_unknown(void **state)
{
	struct es_snapshot *s = parse("{\"schema\":\"exitstat/1\"}");

	(void)state;
	assert_int_equal(s->n_vms, 0);
	assert_int_equal(s->taken.realtime_ns, ES_NONE);
	assert_int_equal(s->host.tdp, ES_UNKNOWN);
	es_snapshot_unref(s);
	s = parse("{\"schema\":\"exitstat/1\",\"new\":{\"x\":[1]},\"host\":null,\"vms\":[{\"name\":\"x\","
		  "\"exits\":{\"reasons\":[{\"code\":10,\"more\":1.5}]},\"time\":{\"guest_ns\":null},"
		  "\"paging\":{\"mode\":\"tomorrow's\"}}]}");
	assert_int_equal(s->n_vms, 1);
	assert_string_equal(s->vms[0]->id, "");
	assert_int_equal(s->vms[0]->state, ES_VM_RUNNING);
	assert_int_equal(s->vms[0]->paging, ES_PAGING_NONE);
	assert_int_equal(s->vms[0]->counts.reasons[0].count, ES_NONE);
	assert_false(es_hist_known(s->vms[0]->counts.reasons[0].hist));
	assert_int_equal(s->vms[0]->counts.time.guest_ns, ES_NONE);
	assert_int_equal(s->vms[0]->counts.mmu.faults.tdp, ES_NONE);
	es_snapshot_unref(s);
}

static void reasons_in_any_order(void **state)
{
	struct es_snapshot *s = parse(
		"{\"schema\":\"exitstat/1\",\"vms\":[{\"exits\":{\"reasons\":["
		"{\"code\":4294967295,\"count\":3},{\"code\":7,\"count\":2},{\"code\":0,\"count\":1}]}}]}");

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(s->vms[0]->counts.reasons[i].count, i + 1);
	es_snapshot_unref(s);
}

#define VM(members)	  "{\"schema\":\"exitstat/1\",\"vms\":[{}," members "]}"
#define REASONS(elements) VM("{\"exits\":{\"reasons\":[" elements "]}}")

static const struct {
	const char *text, *err;
} wrong_members[] = {
	{ "", "not JSON" },
	{ "{", "line 1" },
	{ "[]", "snapshot: not an object" },
	{ "{}", "schema: not exitstat/1" },
	{ "{\"schema\":\"exitstat/2\"}", "schema: not exitstat/1" },
	{ "{\"schema\":1}", "schema: not a string" },
	{ "{\"schema\":\"exitstat/1\",\"schema\":\"exitstat/1\"}", "duplicate" },
	{ "{\"schema\":\"exitstat/1\",\"vms\":{}}", "vms: not an array" },
	{ "{\"schema\":\"exitstat/1\",\"host\":[]}", "host: not an object" },
	{ "{\"schema\":\"exitstat/1\",\"host\":{\"tdp\":1}}", "host.tdp: not true or false" },
	{ "{\"schema\":\"exitstat/1\",\"host\":{\"isa\":\"0123456789abcdef\"}}", "host.isa: too long" },
	{ "{\"schema\":\"exitstat/1\",\"taken\":{\"realtime_ns\":1.5}}", "taken.realtime_ns: not a whole" },
	{ "{\"schema\":\"exitstat/1\",\"health\":{\"missed\":-1}}", "health.missed: number out" },
	{ "{\"schema\":\"exitstat/1\",\"health\":{\"missed\":18446744073709551615}}", "too big" },
	{ VM("7"), "vms[1]: not an object" },
	{ VM("{\"id\":\"a b\"}"), "vms[1].id: not printable" },
	{ VM("{\"id\":\"\\u001b[2J\"}"), "vms[1].id: not printable" },
	{ VM("{\"name\":7}"), "vms[1].name: not a string" },
	{ VM("{\"pid\":4294967296}"), "vms[1].pid: number out" },
	{ VM("{\"state\":\"odd\"}"), "vms[1].state: not a state" },
	{ VM("{\"paging\":\"ept\"}"), "vms[1].paging: not an object" },
	{ VM("{\"paging\":{\"nested\":\"no\"}}"), "nested: not true or false" },
	{ VM("{\"mmu\":{\"faults\":[]}}"), "vms[1].mmu.faults: not an object" },
	{ VM("{\"mmu\":{\"sptes\":{\"4k\":\"1\"}}}"), "vms[1].mmu.4k: not a whole" },
	{ VM("{\"cr\":{\"cr3\":{\"read\":-5}}}"), "number out" },
	{ VM("{\"per_vcpu\":[{}]}"), "vms[1].per_vcpu[0].vcpu_id: missing" },
	{ VM("{\"per_vcpu\":[{\"vcpu_id\":1},{\"vcpu_id\":1}]}"), "per_vcpu[" },
	{ VM("{\"per_vcpu\":[{\"vcpu_id\":1,\"time\":{\"vmm_ns\":[]}}]}"), "per_vcpu[0].time.vmm_ns" },
	{ REASONS("{}"), "vms[1].exits.reasons[0].code: missing" },
	{ REASONS("{\"code\":4294967296}"), "reasons[0].code: number out" },
	{ REASONS("{\"code\":1},{\"code\":2},{\"code\":1}"), "code: stands twice" },
	{ REASONS("{\"code\":1,\"count\":\"2\"}"), "vms[1].exits.reasons[0].count: not a whole" },
	{ REASONS("{\"code\":2},{\"code\":1,\"count\":true}"), "exits.reasons[1].count" },
	{ REASONS("{\"code\":1,\"hist\":[null]}"), "hist: not a whole" },
	{ REASONS("{\"code\":1,\"hist\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,"
		  "0,0,0]}"),
	  "hist: too many" },
	{ REASONS("{\"code\":1,\"flags\":{\"bus_lock\":-1}}"), "bus_lock: number out" },
	{ REASONS("{\"code\":1,\"flags\":[]}"), "flags: not an object" },
	{ REASONS("{\"code\":1,\"count\":9223372036854775807},{\"code\":2,\"count\":1}"),
	  "vms[1].exits: their sum is out of range" },
	{ REASONS("{\"code\":1,\"time_ns\":9223372036854775807},{\"code\":2,\"time_ns\":1}"),
	  "exits: their sum" },
	{ REASONS("{\"code\":1,\"hist\":[0,9223372036854775807,1]}"), "exits: their sum" },
	{ VM("{\"time\":{\"guest_ns\":9223372036854775807,\"idle_ns\":1}}"),
	  "vms[1].time: its sum is out of range" },
	{ "\x1b[31m", "not JSON" },
	{ "{\"\xff\":1}", "not JSON" },
};

static void wrong_members_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(wrong_members); i++) {
		refused(wrong_members[i].text, wrong_members[i].err);
		for (const char *p = err; *p; p++)
			assert_in_range((unsigned char)*p, 0x20, 0x7e);
	}
}

/* n times element, between head and tail. */
static char *repeat(const char *head, const char *element, size_t n, const char *tail)
{
	char *text = malloc(strlen(head) + n * (strlen(element) + 12) + strlen(tail) + 1), *p = text;

	assert_non_null(text);
	p += sprintf(p, "%s", head);
	for (size_t i = 0; i < n; i++) {
		p += sprintf(p, "%s", i ? "," : "");
		p += sprintf(p, element, n - i);
	}
	sprintf(p, "%s", tail);
	return text;
}

static void limits(void **state)
{
	struct es_snapshot *s;
	char *text = repeat("{\"schema\":\"exitstat/1\",\"vms\":[", "{}", 100001, "]}");

	(void)state;
	refused(text, "vms: too many elements");
	free(text);
	text = repeat("{\"schema\":\"exitstat/1\",\"vms\":[{\"exits\":{\"reasons\":[", "{\"code\":%zu}", 4097,
		      "]}}]}");
	refused(text, "reasons: too many elements");
	free(text);
	text = repeat("{\"schema\":\"exitstat/1\",\"vms\":[{\"exits\":{\"reasons\":[", "{\"code\":%zu}", 4096,
		      "]}}]}");
	s = parse(text);
	assert_int_equal(s->vms[0]->counts.n_reasons, 4096);
	es_snapshot_unref(s);
	free(text);
	text = repeat("", "[", 100000, "");
	refused(text, "not JSON");
	free(text);
	text = repeat("{\"schema\":\"exitstat/1\",\"vms\":[{\"name\":\"", "aaaaaaaa", 5000, "\"}]}");
	refused(text, "name: too long");
	free(text);
}

/* One random change: a byte, a piece cut out, a piece doubled, a number made odd. */
static size_t mutate(char *text, size_t len, size_t max, unsigned int *seed)
{
	static const char *const odd[] = { "-1",
					   "1e9",
					   "99999999999999999999",
					   "null",
					   "[]",
					   "{}",
					   "\"\"",
					   "0.5",
					   "18446744073709551614",
					   "9223372036854775807",
					   "true" };
	size_t at = rand_r(seed) % len, n = 1 + rand_r(seed) % 40;
	const char *word = odd[rand_r(seed) % ES_ARRAY_SIZE(odd)];

	n = n < len - at ? n : len - at;
	switch (rand_r(seed) % 4) {
	case 0:
		text[at] = (char)rand_r(seed);
		return len;
	case 1:
		memmove(text + at, text + at + n, len - at - n);
		return len - n;
	case 2:
		if (len + n > max)
			return len;
		memmove(text + at + n, text + at, len - at);
		return len + n;
	default:
		while (at < len && !strchr("0123456789", text[at]))
			at++;
		n = strlen(word);
		if (at == len || len + n > max)
			return len;
		memmove(text + at + n, text + at + 1, len - at - 1);
		memcpy(text + at, word, n);
		return len + n - 1;
	}
}

/* What is taken, however odd, can be written and read again, and is the same. */
static void mutants(void **state)
{
	struct es_snapshot *s = es_sample_snapshot();
	size_t len, max, taken = 0;
	_cleanup_free_ char *text = es_snapshot_to_json(s, true, false, &len), *mutant = malloc(len * 2);
	unsigned int seed = 42, rounds = ES_SANITIZED ? 8000 : 40000;

	(void)state;
	max = len * 2;
	es_snapshot_unref(s);
	for (unsigned int i = 0; i < rounds; i++) {
		size_t n = len;
		struct es_snapshot *back = NULL;

		memcpy(mutant, text, len);
		for (unsigned int k = rand_r(&seed) % 3 + 1; k; k--)
			n = mutate(mutant, n, max, &seed);
		if (es_snapshot_parse(mutant, n, &s, err)) {
			assert_true(*err);
			continue;
		}
		_cleanup_free_ char *again = es_snapshot_to_json(s, true, false, NULL);

		taken++;
		if (!es_snapshot_parse(again, strlen(again), &back, err)) {
			es_assert_same(s, back, true);
			es_snapshot_unref(back);
		}
		es_snapshot_unref(s);
	}
	printf("# %zu of %u mutants were taken\n", taken, rounds);
	assert_true(taken > rounds / 100);
}

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void thousand_vms_are_fast(void **state)
{
	struct es_snapshot *s = es_sample_many(1000, 25);
	double best = 1e9;
	size_t len = 0;

	(void)state;
	for (unsigned int i = 0; i < 5; i++) {
		double start = cpu_ms();

		free(es_snapshot_to_json(s, false, false, &len));
		if (cpu_ms() - start < best)
			best = cpu_ms() - start;
	}
	printf("# 1,000 VMs x 25 reasons: %zu bytes in %.1f ms\n", len, best);
	assert_true(ES_SANITIZED || best < 50);
	es_snapshot_unref(s);
}

/* As of the snapshot, not of when the VM was looked at. */
static void open_time_is_closed(void **state)
{
	struct es_snapshot *s = es_snapshot_new(), *back = NULL;
	struct es_vm *vm = es_sample_vm("guest1", 1);
	char err[ES_ERR_MAX];
	size_t len;
	char *text;

	(void)state;
	s->taken.monotonic_ns = 1800;
	vm->counts.time = (struct es_time){ .guest_ns = 10, .idle_ns = 5, .total_ns = 15 };
	vm->counts.open = (struct es_open){ .as_of_ns = 1000, .vcpus = { [ES_TIME_IDLE] = 2 } };
	assert_int_equal(es_snapshot_add(s, vm), 0);
	text = es_snapshot_to_json(s, true, false, &len);
	assert_int_equal(es_snapshot_parse(text, len, &back, err), 0);
	assert_int_equal(back->vms[0]->counts.time.idle_ns, 1605);
	assert_int_equal(back->vms[0]->counts.time.guest_ns, 10);
	assert_int_equal(back->vms[0]->counts.time.total_ns, 1615);
	assert_int_equal(vm->counts.time.idle_ns, 5);
	free(text);
	es_snapshot_unref(back);
	es_snapshot_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(contract),
		cmocka_unit_test(class_depends_on_paging),
		cmocka_unit_test(missing_is_unknown),
		cmocka_unit_test(reasons_in_any_order),
		cmocka_unit_test(wrong_members_are_named),
		cmocka_unit_test(limits),
		cmocka_unit_test(mutants),
		cmocka_unit_test(thousand_vms_are_fast),
		cmocka_unit_test(open_time_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
