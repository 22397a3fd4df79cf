// SPDX-License-Identifier: GPL-2.0-only
/* The methods, called without a socket: what is answered, to whom, and what it costs. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <exitstat/service.h>
#include <exitstat/util.h>

#include "../../src/daemon_cost.h"

#define SEC 1000000000ULL

static const struct es_peer root = { 0, true }, member = { 1000, true }, alice = { 1000, false },
			    bob = { 1001, false };

static struct fake {
	struct es_store *store;
	struct es_service *service;
	sd_event *event;
	struct es_costs *costs;
	uint64_t runs; /* of the one program that there is */
	bool ready;
	unsigned int refreshed, asked, detached;
	int result, cost_result;
	bool per_vcpu; /* asked for by the last refresh */
	bool kernel;   /* KVM is patched */
	bool looks;    /* VMs can be looked at alone */
	unsigned int looked, looked_at;
	unsigned int compared;
	struct es_peer compared_for;
} fake;

static void fake_refresh(void *ctx, bool per_vcpu)
{
	fake.per_vcpu = per_vcpu;
	((struct fake *)ctx)->refreshed++;
}

static void fake_status(void *ctx, struct es_status *st)
{
	((struct fake *)ctx)->asked++;
	st->attach = ES_ATTACH_WAITING;
	snprintf(st->notice, sizeof(st->notice), "no \"KVM\" yet");
	st->clients = 3;
}

/* One VM of each verdict. */
static int fake_kernel(void *ctx, bool all, uint32_t uid, struct es_kernel_report **out)
{
	struct es_kernel_report *r;

	((struct fake *)ctx)->compared++;
	((struct fake *)ctx)->compared_for = (struct es_peer){ uid, all };
	if (((struct fake *)ctx)->result)
		return ((struct fake *)ctx)->result;
	if (!((struct fake *)ctx)->kernel)
		return 0;
	r = calloc(1, sizeof(*r));
	r->present = true;
	strcpy(r->detail, "compared");
	r->n_vms = 4;
	r->vms = calloc(r->n_vms, sizeof(*r->vms));
	for (size_t i = 0; i < r->n_vms; i++)
		r->vms[i] = (struct es_kernel_vm){
			.id = strdup("1-1"),
			.name = strdup("web"),
			.pid = 100,
			.isa = ES_ISA_SVM,
			.verdict = (enum es_kernel_verdict)i,
			.within = i == ES_KERNEL_EXACT	  ? 0
				  : i == ES_KERNEL_WITHIN ? 3
							  : ES_NONE,
			.whole = i == ES_KERNEL_EXACT,
			.kernel_total = i ? 7 : ES_NONE,
			.bpf_total = i ? 8 : ES_NONE,
		};
	strcpy(r->vms[ES_KERNEL_UNKNOWN].why, "it ended");
	r->vms[ES_KERNEL_DIFFER].n_differs = 2;
	r->vms[ES_KERNEL_DIFFER].differs[0] =
		(struct es_kernel_differ){ .slot = 0x72, .kernel = 5, .bpf = 6, .off = -1 };
	r->vms[ES_KERNEL_DIFFER].differs[1] =
		(struct es_kernel_differ){ .slot = ES_KERNEL_OTHER, .kernel = 2, .bpf = 1, .off = 1 };
	*out = r;
	return 0;
}

static int fake_detach(void *ctx, char *err, size_t size)
{
	((struct fake *)ctx)->detached++;
	if (((struct fake *)ctx)->result == -EIO)
		snprintf(err, size, "it does not come off");
	return ((struct fake *)ctx)->result;
}

/* Another exit since the view was made. */
static int fake_look(void *ctx, const struct es_snapshot *at, bool per_vcpu, struct es_snapshot **out)
{
	struct es_snapshot *s = es_snapshot_new();

	(void)ctx, (void)per_vcpu;
	fake.looked++;
	fake.looked_at = (unsigned int)at->n_vms;
	if (!fake.looks) {
		es_snapshot_unref(s);
		return -EAGAIN;
	}
	for (size_t i = 0; i < at->n_vms; i++) {
		struct es_vm *vm = es_vm_new(at->vms[i]->id, at->vms[i]->name);

		es_counts_reason(&vm->counts, 0x72)->count = es_exits_total(&at->vms[i]->counts) + 1;
		es_snapshot_add(s, vm);
	}
	*out = s;
	return 0;
}

static const struct es_service_ops ops = {
	fake_refresh, fake_status, fake_kernel, fake_detach, fake_detach, fake_look,
};

static int fake_cost_on(void *ctx, char why[ES_COST_WHY])
{
	if (!((struct fake *)ctx)->cost_result)
		return open("/dev/null", O_RDONLY);
	snprintf(why, ES_COST_WHY, "nothing is attached");
	return ((struct fake *)ctx)->cost_result;
}

static void fake_counts(void *ctx, struct es_cost_counts *out)
{
	es_cost_add(out, "kvm_exit", ((struct fake *)ctx)->runs, 10 * ((struct fake *)ctx)->runs);
	es_cost_add(out, "kvm_entry", ((struct fake *)ctx)->runs, 5 * ((struct fake *)ctx)->runs);
	out->daemon_ns = ES_NONE;
}

static const struct es_cost_ops cost_ops = { fake_cost_on, fake_counts };

static void fake_ready(void *ctx)
{
	((struct fake *)ctx)->ready = true;
}

static void put(uint64_t at_s, uint64_t exits)
{
	static const struct {
		const char *id, *name;
		uint32_t uid;
	} vms[] = { { "1-1", "web", 1000 }, { "2-1", "db", 1001 }, { "3-1", "nobody's", UINT32_MAX } };
	struct es_snapshot *s = es_snapshot_new();

	s->taken.monotonic_ns = at_s * SEC;
	s->taken.interval_ns = ES_NONE;
	s->host.isa = ES_ISA_SVM;
	for (size_t i = 0; i < ES_ARRAY_SIZE(vms); i++) {
		struct es_vm *vm = es_vm_new(vms[i].id, vms[i].name);

		vm->uid = vms[i].uid;
		vm->pid = 100 + (uint32_t)i;
		vm->n_vcpus = 1;
		es_counts_reason(&vm->counts, 0x72)->count = exits;
		es_counts_reason(&es_vm_add_vcpu(vm, 0)->counts, 0x72)->count = exits;
		es_snapshot_add(s, vm);
	}
	assert_int_equal(es_store_put(fake.store, s, true), 0);
}

static int set_up(void **state)
{
	const struct es_store_options o = { .ring = 2, .ended_keep_ns = SEC, .ended_max = 4 };

	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.store = es_store_new(&o);
	sd_event_new(&fake.event);
	fake.costs = es_costs_new(fake.event, &cost_ops, &fake);
	fake.service = es_service_new(fake.store, fake.costs, &ops, &fake);
	return fake.service ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	es_service_free(fake.service);
	es_costs_free(fake.costs);
	sd_event_unref(fake.event);
	es_store_free(fake.store);
	return 0;
}

static json_t *ask_text(const struct es_peer *peer, const char *line, size_t len)
{
	struct es_text *t = es_service_call(fake.service, peer, line, len, NULL);
	json_t *answer;

	assert_non_null(t);
	assert_int_equal(t->data[t->len - 1], '\n');
	assert_null(memchr(t->data, '\n', t->len - 1));
	answer = json_loadb(t->data, t->len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(answer);
	es_text_unref(t);
	return answer;
}

static json_t *ask(const struct es_peer *peer, const char *line)
{
	return ask_text(peer, line, strlen(line));
}

static void expect_error(const struct es_peer *peer, const char *line, const char *error, const char *member,
			 const char *text)
{
	json_t *a = ask(peer, line), *p = json_object_get(a, "parameters");

	if (strcmp(json_string_value(json_object_get(a, "error")), error) ||
	    !strstr(json_string_value(json_object_get(p, member)), text))
		fail_msg("%s: got %s", line, json_dumps(a, 0));
	json_decref(a);
}

/* The names in a snapshot, in order. */
static void expect_vms(const struct es_peer *peer, const char *line, const char *names)
{
	json_t *a = ask(peer, line), *vm;
	char got[128] = "";
	size_t i;

	json_array_foreach(
		json_object_get(json_object_get(json_object_get(a, "parameters"), "snapshot"), "vms"), i, vm)
	{
		strcat(got, i ? " " : "");
		strcat(got, json_string_value(json_object_get(vm, "name")));
	}
	if (json_object_get(a, "error"))
		fail_msg("%s: got %s", line, json_dumps(a, 0));
	assert_string_equal(got, names);
	json_decref(a);
}

#define SNAPSHOT   "{\"method\":\"exitstat.GetSnapshot\"}"
#define ARGS(args) "{\"method\":\"exitstat.GetSnapshot\",\"parameters\":{" args "}}"
#define BAD	   "exitstat.BadRequest"

static void malformed(void **state)
{
	static const char *const bad[][2] = {
		{ "", "not JSON" },
		{ "\xff\xfe", "not JSON" },
		{ "{", "not JSON" },
		{ "[]", "not a JSON object" },
		{ "{}", "member method: must be a string" },
		{ "{\"method\":1}", "member method: must be a string" },
		{ "{\"method\":\"exitstat.GetInfo\",\"parameters\":[]}",
		  "member parameters: must be an object" },
		{ "{\"method\":\"exitstat.GetInfo\",\"more\":true}", "a request has no member more" },
		{ "{\"method\":\"a\",\"method\":\"b\"}", "duplicate" },
		{ "{\"method\":\"exitstat.GetInfo\",\"parameters\":{\"vm\":\"x\"}}", "has no parameter vm" },
		{ ARGS("\"wm\":\"x\""), "exitstat.GetSnapshot has no parameter wm" },
		{ ARGS("\"vm\":1"), "parameter vm: must be a string" },
		{ ARGS("\"per_vcpu\":\"yes\""), "parameter per_vcpu: must be a boolean" },
		{ ARGS("\"last_interval\":1"), "parameter last_interval: must be a boolean" },
		{ "{\"method\":\"exitstat.GetStatus\",\"parameters\":{\"measure_ns\":0}}",
		  "parameter measure_ns: must be a whole number from 1 to 60000000000" },
		{ "{\"method\":\"exitstat.GetStatus\",\"parameters\":{\"measure_ns\":-1}}", "from 1 to" },
		{ "{\"method\":\"exitstat.GetStatus\",\"parameters\":{\"measure_ns\":60000000001}}",
		  "from 1 to" },
		{ "{\"method\":\"exitstat.GetStatus\",\"parameters\":{\"measure_ns\":1.5}}", "from 1 to" },
		{ "{\"method\":\"exitstat.GetStatus\",\"parameters\":{\"measure_ns\":\"1s\"}}", "from 1 to" },
		{ ARGS("\"vm\":\"\""), "must have 1 to 255 bytes" },
		{ ARGS("\"vm\":\"a\\u0000b\""), "not JSON" },
	};

	(void)state;
	put(1, 10);
	for (size_t i = 0; i < ES_ARRAY_SIZE(bad); i++)
		expect_error(&root, bad[i][0], BAD, "message", bad[i][1]);
	expect_error(&root, "{\"method\":\"exitstat.Nothing\"}", "exitstat.MethodNotFound", "method",
		     "exitstat.Nothing");
}

/* What a client says comes back cut, so that a small request has no great answer. */
static void echo_is_short(void **state)
{
	char line[8192] = "{\"method\":\"";
	struct es_text *t;

	(void)state;
	for (size_t i = 0; i < 1500; i++)
		strcat(line, "\xc3\xbc");
	strcat(line, "\"}");
	t = es_service_call(fake.service, &root, line, strlen(line), NULL);
	assert_true(t->len < 300);
	es_text_unref(t);
	json_decref(ask(&root, line)); /* cut between characters: it is still JSON */
}

/* 2,000 levels of nesting, and every byte there is. */
static void hostile_json(void **state)
{
	char deep[4096], byte[] = "{\"method\":\"?\"}";

	(void)state;
	memset(deep, '[', sizeof(deep));
	json_decref(ask_text(&root, deep, sizeof(deep)));
	for (int c = 0; c < 256; c++) {
		byte[11] = (char)c;
		json_decref(ask_text(&root, byte, sizeof(byte) - 1));
	}
}

static void who_sees_what(void **state)
{
	(void)state;
	put(1, 10);
	expect_vms(&root, SNAPSHOT, "web db nobody's");
	expect_vms(&member, SNAPSHOT, "web db nobody's");
	expect_vms(&alice, SNAPSHOT, "web");
	expect_vms(&bob, SNAPSHOT, "db");
	expect_vms(&alice, ARGS("\"vm\":\"*\""), "web");
	expect_vms(&root, ARGS("\"vm\":\"101\""), "db");
	expect_vms(&root, ARGS("\"vm\":null"), "web db nobody's");
	expect_error(&alice, ARGS("\"vm\":\"db\""), "exitstat.NoSuchVM", "vm", "db");
	expect_error(&alice, ARGS("\"vm\":\"d*\""), "exitstat.NoSuchVM", "vm", "d*");
}

/* An unknown uid is nobody's, and a peer of that number is not its owner. */
static void unknown_owner(void **state)
{
	const struct es_peer none = { UINT32_MAX, false };

	(void)state;
	put(1, 10);
	expect_vms(&none, SNAPSHOT, "");
}

static void near_names_do_not_leak(void **state)
{
	json_t *a, *near;

	(void)state;
	put(1, 10);
	a = ask(&root, ARGS("\"vm\":\"wbe\""));
	near = json_object_get(json_object_get(a, "parameters"), "near");
	assert_string_equal(json_string_value(json_array_get(near, 0)), "web");
	json_decref(a);
	a = ask(&bob, ARGS("\"vm\":\"wbe\""));
	near = json_object_get(json_object_get(a, "parameters"), "near");
	for (size_t i = 0; i < json_array_size(near); i++)
		assert_string_not_equal(json_string_value(json_array_get(near, i)), "web");
	json_decref(a);
}

static uint64_t number(const json_t *a, const char *const *path)
{
	for (; *path; path++)
		a = json_is_array(a) ? json_array_get(a, (size_t)atoi(*path)) : json_object_get(a, *path);
	return (uint64_t)json_integer_value(a);
}

#define NUMBER(a, ...) number(a, (const char *const[]){ "parameters", "snapshot", __VA_ARGS__, NULL })

static void last_interval(void **state)
{
	json_t *a;

	(void)state;
	put(1, 10);
	a = ask(&root, ARGS("\"last_interval\":true")); /* one look: nothing happened in no time */
	assert_int_equal(NUMBER(a, "taken", "interval_ns"), 0);
	assert_int_equal(NUMBER(a, "vms", "0", "exits", "total"), 0);
	json_decref(a);
	assert_int_equal(fake.refreshed, 1);
	put(3, 25);
	a = ask(&root, ARGS("\"last_interval\":true"));
	assert_int_equal(NUMBER(a, "taken", "interval_ns"), 2 * SEC);
	assert_int_equal(NUMBER(a, "vms", "0", "exits", "total"), 15);
	json_decref(a);
	assert_int_equal(fake.refreshed, 1); /* two ticks are there: no sample for this */
	expect_vms(&alice, ARGS("\"last_interval\":true"), "web");
	expect_error(&alice, ARGS("\"last_interval\":true,\"vm\":\"db\""), "exitstat.NoSuchVM", "vm", "db");
}

static void per_vcpu_only_when_asked(void **state)
{
	json_t *a, *vm;

	(void)state;
	put(1, 10);
	a = ask(&root, SNAPSHOT);
	vm = json_array_get(
		json_object_get(json_object_get(json_object_get(a, "parameters"), "snapshot"), "vms"), 0);
	assert_null(json_object_get(vm, "per_vcpu"));
	json_decref(a);
	assert_false(fake.per_vcpu);
	a = ask(&root, ARGS("\"per_vcpu\":true"));
	assert_int_equal(NUMBER(a, "vms", "0", "per_vcpu", "0", "exits", "total"), 10);
	json_decref(a);
	assert_true(fake.per_vcpu);
}

static struct es_text *text_of(const struct es_peer *peer, const char *line)
{
	return es_service_call(fake.service, peer, line, strlen(line), NULL);
}

/* One rendering for all who see the same, until there is something new. */
static void answers_are_shared(void **state)
{
	struct es_text *a, *b, *c, *d, *e;

	(void)state;
	put(1, 10);
	a = text_of(&root, SNAPSHOT);
	b = text_of(&member, SNAPSHOT);
	c = text_of(&alice, SNAPSHOT);
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_int_equal(fake.asked, 2);
	put(2, 20);
	d = text_of(&root, SNAPSHOT);
	assert_ptr_not_equal(a, d);
	assert_null(memmem(a->data, a->len, "\"count\":20", 10));
	es_service_forget(fake.service);
	e = text_of(&root, SNAPSHOT);
	assert_ptr_not_equal(d, e);
	es_text_unref(a);
	es_text_unref(b);
	es_text_unref(c);
	es_text_unref(d);
	es_text_unref(e);
	for (int i = 0; i < 40; i++) { /* more than the cache holds */
		char line[128];

		snprintf(line, sizeof(line), ARGS("\"vm\":\"x%d*\""), i);
		json_decref(ask(&root, line));
	}
}

static void only_root_detaches(void **state)
{
	(void)state;
	expect_error(&member, "{\"method\":\"exitstat.Detach\"}", "exitstat.PermissionDenied", "message",
		     "root only");
	expect_error(&alice, "{\"method\":\"exitstat.Attach\"}", "exitstat.PermissionDenied", "message",
		     "root only");
	assert_int_equal(fake.detached, 0);
	json_decref(ask(&root, "{\"method\":\"exitstat.Detach\",\"parameters\":{}}"));
	assert_int_equal(fake.detached, 1);
	fake.result = -EIO;
	expect_error(&root, "{\"method\":\"exitstat.Attach\"}", "exitstat.Failed", "message",
		     "it does not come off");
	fake.result = -ENODEV;
	expect_error(&root, "{\"method\":\"exitstat.Attach\"}", "exitstat.Failed", "message",
		     "No such device");
}

static void info_and_status(void **state)
{
	json_t *a, *st;

	(void)state;
	a = ask(&alice, "{\"method\":\"exitstat.GetInfo\"}");
	assert_string_equal(json_string_value(json_object_get(json_object_get(a, "parameters"), "product")),
			    "exitstat");
	json_decref(a);
	a = ask(&alice, "{\"method\":\"exitstat.GetStatus\",\"parameters\":null}");
	st = json_object_get(json_object_get(a, "parameters"), "status");
	assert_string_equal(json_string_value(json_object_get(st, "attach")), "waiting");
	assert_string_equal(json_string_value(json_object_get(st, "notice")), "no \"KVM\" yet");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(st, "daemon"), "clients")), 3);
	assert_true(json_is_null(json_object_get(st, "kernel_counters")));
	json_decref(a);
}

/* A member that is as JSON text says. */
static void expect_json(const json_t *got, const char *text)
{
	json_t *want = json_loads(text, 0, NULL);

	assert_non_null(want);
	if (!json_equal(got, want))
		fail_msg("got %s, expected %s", json_dumps(got, 0), text);
	json_decref(want);
}

static void status_compares_with_the_kernel(void **state)
{
	json_t *a, *k;

	(void)state;
	fake.kernel = true;
	a = ask(&root, "{\"method\":\"exitstat.GetStatus\"}");
	k = json_object_get(json_object_get(json_object_get(a, "parameters"), "status"), "kernel_counters");
	expect_json(
		k,
		"{\"present\":true,\"detail\":\"compared\",\"vms\":["
		"{\"id\":\"1-1\",\"name\":\"web\",\"pid\":100,\"verdict\":\"unknown\",\"why\":\"it ended\","
		"\"within\":null,\"whole_life\":null,\"kernel_total\":null,\"bpf_total\":null,\"differs\":[]}"
		","
		"{\"id\":\"1-1\",\"name\":\"web\",\"pid\":100,\"verdict\":\"exact\",\"why\":null,"
		"\"within\":0,\"whole_life\":true,\"kernel_total\":7,\"bpf_total\":8,\"differs\":[]},"
		"{\"id\":\"1-1\",\"name\":\"web\",\"pid\":100,\"verdict\":\"within\",\"why\":null,"
		"\"within\":3,\"whole_life\":false,\"kernel_total\":7,\"bpf_total\":8,\"differs\":[]},"
		"{\"id\":\"1-1\",\"name\":\"web\",\"pid\":100,\"verdict\":\"differ\",\"why\":null,"
		"\"within\":null,\"whole_life\":false,\"kernel_total\":7,\"bpf_total\":8,\"differs\":["
		"{\"code\":114,\"name\":\"CPUID\",\"kernel\":5,\"bpf\":6,\"off\":-1},"
		"{\"code\":null,\"name\":\"other\",\"kernel\":2,\"bpf\":1,\"off\":1}]}]}");
	json_decref(a);
}

/* Which VMs are looked at at all is the peer's matter; and only a status looks. */
static void the_kernel_is_asked_for_the_peer(void **state)
{
	static const char ask_status[] = "{\"method\":\"exitstat.GetStatus\"}";

	(void)state;
	put(1, 5);
	json_decref(ask(&alice, "{\"method\":\"exitstat.GetSnapshot\"}"));
	json_decref(ask(&alice, "{\"method\":\"exitstat.GetInfo\"}"));
	assert_int_equal(fake.compared, 0);
	json_decref(ask(&alice, "{\"method\":\"exitstat.GetStatus\"}"));
	assert_int_equal(fake.compared, 1);
	assert_false(fake.compared_for.all);
	assert_int_equal(fake.compared_for.uid, 1000);
	json_decref(ask(&member, "{\"method\":\"exitstat.GetStatus\"}"));
	assert_true(fake.compared_for.all);
	fake.result = -ENOMEM;
	assert_null(es_service_call(fake.service, &root, ask_status, sizeof(ask_status) - 1, NULL));
}

#define MEASURE(ns) "{\"method\":\"exitstat.GetStatus\",\"parameters\":{\"measure_ns\":" ns "}}"

/* The cost in an answer of GetStatus, which is freed. */
static json_t *cost_of(struct es_text *t)
{
	json_t *a, *cost;

	assert_non_null(t);
	a = json_loadb(t->data, t->len, 0, NULL);
	cost = json_object_get(json_object_get(json_object_get(a, "parameters"), "status"), "cost");
	json_incref(cost);
	json_decref(a);
	es_text_unref(t);
	return cost;
}

static struct es_text *measure(const struct es_peer *peer, struct es_later *later, const char *line)
{
	*later = (struct es_later){ .ready = fake_ready, .ctx = &fake };
	return es_service_call(fake.service, peer, line, strlen(line), later);
}

static void the_cost_comes_later(void **state)
{
	struct es_later later;
	json_t *cost;

	(void)state;
	fake.runs = 1000;
	assert_null(measure(&member, &later, MEASURE("5000000")));
	assert_non_null(later.run);
	fake.runs = 1004;
	while (!fake.ready)
		sd_event_run(fake.event, 10000);
	cost = cost_of(es_service_finish(fake.service, &member, &later));
	assert_null(later.run);
	assert_true(json_integer_value(json_object_get(cost, "interval_ns")) >= 4000000);
	json_object_del(cost, "interval_ns");
	expect_json(cost, "{\"why\":null,\"events\":8,\"programs_ns\":60,\"daemon_ns\":null,\"samples\":0,"
			  "\"programs\":[{\"name\":\"kvm_exit\",\"events\":4,\"ns\":40},"
			  "{\"name\":\"kvm_entry\",\"events\":4,\"ns\":20}]}");
	json_decref(cost);

	assert_null(measure(&root, &later, MEASURE("60000000000")));
	es_service_cancel(&later);
	es_service_cancel(&later);
}

static void the_cost_is_not_for_all(void **state)
{
	static const struct {
		const struct es_peer *peer;
		const char *line, *why;
		int result;
	} cases[] = {
		{ &alice, MEASURE("1000"), "use sudo", 0 },
		{ &root, MEASURE("1000"), "nothing is attached", -ENODEV },
		{ &root, "{\"method\":\"exitstat.GetStatus\"}", "not asked for", 0 },
		{ &root, MEASURE("null"), "not asked for", 0 },
	};
	struct es_later later;

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++) {
		struct es_text *t;
		json_t *cost;

		fake.cost_result = cases[i].result;
		t = measure(cases[i].peer, &later, cases[i].line);
		assert_null(later.run);
		cost = cost_of(t);
		assert_non_null(strstr(json_string_value(json_object_get(cost, "why")), cases[i].why));
		json_object_del(cost, "why");
		expect_json(cost, "{\"interval_ns\":null,\"events\":null,\"programs_ns\":null,"
				  "\"daemon_ns\":null,\"samples\":null,\"programs\":[]}");
		json_decref(cost);
	}
}

static json_int_t exits_of(const char *line)
{
	json_t *a = ask(&root, line);
	json_int_t n;

	assert_int_equal(
		json_unpack(a, "{s{s{s[{s{s:I}}]}}}", "parameters", "snapshot", "vms", "exits", "total", &n),
		0);
	json_decref(a);
	return n;
}

/* Who asks for one VM of thousands does not wait for a sample of all. */
static void few_vms_are_looked_at_alone(void **state)
{
	(void)state;
	put(1, 10);
	put(2, 10);
	fake.looks = true;
	assert_int_equal(exits_of(ARGS("\"vm\":\"web\"")), 11);
	assert_int_equal(fake.looked_at, 1);
	assert_int_equal(exits_of(ARGS("\"vm\":\"*b\"")), 11);
	assert_int_equal(fake.looked_at, 2);
	assert_int_equal(fake.refreshed, 0);
	/* Only those that the peer may see. */
	expect_vms(&alice, ARGS("\"vm\":\"*b\""), "web");
	assert_int_equal(fake.looked_at, 1);
	/* All of them, an interval, one that is not there: as ever. */
	fake.looked = 0;
	assert_int_equal(exits_of(SNAPSHOT), 10);
	expect_vms(&root, ARGS("\"vm\":\"web\",\"last_interval\":true"), "web");
	expect_error(&root, ARGS("\"vm\":\"wep\""), "exitstat.NoSuchVM", "vm", "wep");
	assert_int_equal(fake.looked, 0);
	/* It ended, or the view is new enough. */
	fake.looks = false;
	assert_int_equal(exits_of(ARGS("\"vm\":\"web\"")), 10);
	assert_int_equal(fake.looked, 1);
	assert_int_equal(fake.refreshed, 3);
}

static void nothing_sampled_yet(void **state)
{
	(void)state;
	expect_error(&root, SNAPSHOT, "exitstat.Failed", "message", "nothing has been sampled yet");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(malformed),
		TEST(echo_is_short),
		TEST(hostile_json),
		TEST(who_sees_what),
		TEST(unknown_owner),
		TEST(near_names_do_not_leak),
		TEST(last_interval),
		TEST(per_vcpu_only_when_asked),
		TEST(answers_are_shared),
		TEST(only_root_detaches),
		TEST(info_and_status),
		TEST(few_vms_are_looked_at_alone),
		TEST(nothing_sampled_yet),
		TEST(status_compares_with_the_kernel),
		TEST(the_kernel_is_asked_for_the_peer),
		TEST(the_cost_comes_later),
		TEST(the_cost_is_not_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
