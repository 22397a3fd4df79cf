/* SPDX-License-Identifier: GPL-2.0-only */
/* What counts as paging, and the sentence about it. */
#include "es_test.h"

#include <jansson.h>

#include <exitstat/json.h>
#include <exitstat/paging.h>

#define S 1000000000ULL

/* A code of a table: does it count with nested paging, and under shadow paging? */
static void walk(enum es_isa isa, enum es_paging nested, const char *const *shadow_only)
{
	size_t n, found = 0, want = 0;
	const struct es_reason_info *t = es_reason_table(isa, &n);

	while (shadow_only[want])
		want++;
	for (size_t i = 0; i < n; i++) {
		bool paging = t[i].class == ES_CLASS_PAGING, extra = false;

		for (size_t k = 0; k < want; k++)
			extra = extra || strcmp(shadow_only[k], t[i].name) == 0;
		found += extra;
		if (es_paging_exit(isa, nested, t[i].code) != paging)
			fail_msg("%s with nested paging", t[i].name);
		if (es_paging_exit(isa, ES_PAGING_SHADOW, t[i].code) != (paging || extra))
			fail_msg("%s with shadow paging", t[i].name);
		assert_false(es_paging_exit(isa, ES_PAGING_NONE, t[i].code));
		/* What a VM's tables call paging is in its paging cost. */
		if (es_reason_class_for(isa, ES_PAGING_SHADOW, t[i].code) == ES_CLASS_PAGING)
			assert_true(es_paging_exit(isa, ES_PAGING_SHADOW, t[i].code));
	}
	assert_int_equal(found, want);
}

static void every_code(void **state)
{
	static const char *const svm[] = { "READ_CR3", "WRITE_CR3", NULL };
	static const char *const vmx[] = { "EXCEPTION_NMI", "CR_ACCESS", NULL };

	(void)state;
	walk(ES_ISA_SVM, ES_PAGING_NPT, svm);
	walk(ES_ISA_VMX, ES_PAGING_EPT, vmx);
	assert_false(es_paging_exit(ES_ISA_SVM, ES_PAGING_SHADOW, 0x12345));
	assert_false(es_paging_exit(ES_ISA_SVM, ES_PAGING_SHADOW, 0x7a)); /* INVLPGA: a hypervisor's */
	assert_false(es_paging_exit(ES_ISA_NONE, ES_PAGING_SHADOW, 14));
}

static void costs(void **state)
{
	struct es_counts c;
	struct es_paging_cost cost;

	(void)state;
	es_counts_init(&c);
	es_sample_reason(&c, 0x400, 600, 300);
	es_sample_reason(&c, 0x72, 400, 600);
	es_sample_reason(&c, 0x13, 200, 100);
	es_paging_cost(ES_ISA_SVM, ES_PAGING_NPT, &c, &cost);
	assert_int_equal(cost.exits, 600);
	assert_int_equal(cost.time_ns, 300);
	assert_float_equal(cost.exit_share, 0.5, 1e-9);
	assert_float_equal(cost.time_share, 0.3, 1e-9);
	es_paging_cost(ES_ISA_SVM, ES_PAGING_SHADOW, &c, &cost);
	assert_int_equal(cost.exits, 800);
	assert_int_equal(cost.time_ns, 400);
	es_paging_cost(ES_ISA_SVM, ES_PAGING_NONE, &c, &cost);
	assert_int_equal(cost.exits, ES_NONE);
	assert_int_equal(cost.time_ns, ES_NONE);
	assert_true(cost.exit_share < 0 && cost.time_share < 0);
	es_counts_clear(&c);
}

static void costs_of_vmx(void **state)
{
	struct es_counts c;
	struct es_paging_cost cost;
	struct es_reason *r;

	(void)state;
	es_counts_init(&c);
	r = es_sample_reason(&c, 0, 1000, 4000);
	es_sample_reason(&c, 28, 500, 1000);
	es_paging_cost(ES_ISA_VMX, ES_PAGING_EPT, &c, &cost);
	assert_int_equal(cost.exits, 0);
	/* Neither told apart: all of both. */
	es_paging_cost(ES_ISA_VMX, ES_PAGING_SHADOW, &c, &cost);
	assert_int_equal(cost.exits, 1500);
	assert_int_equal(cost.time_ns, 5000);
	/* #PF told from the rest, and CR3 from the other registers; time in proportion. */
	r = es_counts_reason(&c, 0);
	r->flags[ES_FLAG_PAGE_FAULT] = 750;
	c.cr[ES_CR3] = (struct es_cr_count){ .read = 50, .write = 350 };
	es_paging_cost(ES_ISA_VMX, ES_PAGING_SHADOW, &c, &cost);
	assert_int_equal(cost.exits, 750 + 400);
	assert_int_equal(cost.time_ns, 3000 + 800);
	assert_float_equal(cost.exit_share, 1150 / 1500.0, 1e-9);
	/* No fault among them, and that was measured; more CR3 than exits cannot be. */
	r->flags[ES_FLAG_PAGE_FAULT] = 0;
	c.mmu.faults.shadow = 0;
	c.cr[ES_CR3].write = 4000;
	es_paging_cost(ES_ISA_VMX, ES_PAGING_SHADOW, &c, &cost);
	assert_int_equal(cost.exits, 500);
	assert_int_equal(cost.time_ns, 1000);
	es_counts_clear(&c);
}

static void unknown_costs(void **state)
{
	struct es_counts c;
	struct es_paging_cost cost;

	(void)state;
	es_counts_init(&c);
	es_paging_cost(ES_ISA_SVM, ES_PAGING_NPT, &c, &cost);
	assert_int_equal(cost.exits, 0);
	assert_int_equal(cost.time_ns, 0);
	assert_true(cost.exit_share < 0 && cost.time_share < 0);
	c.exits_unknown = true;
	es_paging_cost(ES_ISA_NONE, ES_PAGING_SHADOW, &c, &cost);
	assert_int_equal(cost.exits, ES_NONE);
	assert_int_equal(cost.time_ns, ES_NONE);
	c.exits_unknown = false;
	/* Counted, not timed. */
	es_sample_reason(&c, 0x400, 600, ES_NONE);
	es_sample_reason(&c, 0x72, 600, ES_NONE);
	es_paging_cost(ES_ISA_SVM, ES_PAGING_NPT, &c, &cost);
	assert_int_equal(cost.exits, 600);
	assert_int_equal(cost.time_ns, ES_NONE);
	assert_float_equal(cost.exit_share, 0.5, 1e-9);
	assert_true(cost.time_share < 0);
	/* A vendor's codes mean nothing without the vendor. */
	es_paging_cost(ES_ISA_NONE, ES_PAGING_SHADOW, &c, &cost);
	assert_int_equal(cost.exits, ES_NONE);
	/* What no correct pair of snapshots gives: not a count. */
	es_counts_reason(&c, 0x400)->count = ES_NONE;
	es_paging_cost(ES_ISA_SVM, ES_PAGING_NPT, &c, &cost);
	assert_int_equal(cost.exits, 0);
	es_counts_clear(&c);
}

struct case_reason {
	uint32_t code;
	uint64_t count, time_ns;
};
struct sentence {
	const char *want;
	enum es_isa isa;
	enum es_paging mode;
	bool nested;
	struct case_reason reasons[6];
	uint64_t guest_ns, idle_ns; /* 0: not measured */
	struct es_faults faults;    /* tdp and shadow 0: not measured */
	uint64_t nested_faults;
	struct es_cr_count cr3;
};

static uint64_t none_if_0(uint64_t v)
{
	return v ? v : ES_NONE;
}

static void check_sentence(const struct sentence *s)
{
	struct es_counts c;
	char buf[ES_PAGING_SENTENCE];

	es_counts_init(&c);
	for (size_t i = 0; i < ES_ARRAY_SIZE(s->reasons) && s->reasons[i].count; i++)
		es_sample_reason(&c, s->reasons[i].code, s->reasons[i].count, s->reasons[i].time_ns);
	c.time.guest_ns = none_if_0(s->guest_ns);
	c.time.idle_ns = none_if_0(s->idle_ns);
	if (s->faults.tdp || s->faults.shadow)
		c.mmu.faults = s->faults;
	c.mmu.nested.faults = none_if_0(s->nested_faults);
	c.cr[ES_CR3] = (struct es_cr_count){ none_if_0(s->cr3.read), none_if_0(s->cr3.write) };
	assert_string_equal(es_paging_sentence(buf, s->isa, s->mode, s->nested, &c), s->want);
	assert_true(strlen(buf) <= 160);
	es_counts_clear(&c);
}

static void nested_sentences(void **state)
{
	/* clang-format off */
	static const struct sentence cases[] = {
		{ .want = "Exits for nested paging cost little: 6% of all, 3% of the time outside the guest; IOIO takes 52%.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_NPT, .guest_ns = 10 * S,
		  .reasons = { { 0x400, 60, 3 * S }, { 0x7b, 500, 52 * S }, { 0x72, 440, 45 * S } } },
		{ .want = "Nested paging is 24% of the exits and 31% of the time outside the guest; IOIO takes 45%.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_NPT, .guest_ns = 10 * S,
		  .reasons = { { 0x400, 240, 31 * S }, { 0x7b, 500, 45 * S }, { 0x72, 260, 24 * S } } },
		{ .want = "Nested paging is 80% of the exits and 90% of the time outside the guest, mostly NPF, most of them for memory that KVM has yet to map.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_NPT, .guest_ns = 10 * S,
		  .faults = { .tdp = 760, .mmio = 40 },
		  .reasons = { { 0x400, 800, 9 * S }, { 0x72, 200, S } } },
		{ .want = "Nested paging is 80% of the exits and 90% of the time outside the guest, mostly NPF, most of them for emulated device memory.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_NPT, .guest_ns = 10 * S,
		  .faults = { .tdp = 100, .mmio = 700 },
		  .reasons = { { 0x400, 800, 9 * S }, { 0x72, 200, S } } },
		{ .want = "Nested paging is 80% of the exits and 90% of the time outside the guest, mostly EPT_MISCONFIG: the guest uses emulated device memory.",
		  .isa = ES_ISA_VMX, .mode = ES_PAGING_EPT, .reasons = { { 48, 100, 2 * S }, { 49, 700, 7 * S }, { 10, 200, S } } },
		/* Device memory has its own code there: EPT_VIOLATION is not blamed on it. */
		{ .want = "Nested paging is 80% of the exits and 90% of the time outside the guest, mostly EPT_VIOLATION, most of them for memory that KVM has yet to map.",
		  .isa = ES_ISA_VMX, .mode = ES_PAGING_EPT, .faults = { .tdp = 90, .mmio = 700 },
		  .reasons = { { 48, 100, 7 * S }, { 49, 700, 2 * S }, { 10, 200, S } } },
		{ .want = "Nested paging is 80% of the exits and 90% of the time outside the guest, mostly NPF, most of them to give back access taken away for tracking.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_NPT, .guest_ns = 10 * S,
		  .faults = { .tdp = 800, .fast = 700 },
		  .reasons = { { 0x400, 800, 9 * S }, { 0x72, 200, S } } },
		{ .want = "Nested paging is 80% of the exits and 90% of the time outside the guest, mostly NPF, most of them for this VM's own guests.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_NPT, .nested = true,
		  .nested_faults = 700,
		  .reasons = { { 0x400, 800, 9 * S }, { 0x80, 200, S } } },
		/* A hypervisor inside, and nothing says whose faults these are. */
		{ .want = "Nested paging is 80% of the exits and 90% of the time outside the guest, mostly NPF.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_NPT, .nested = true,
		  .reasons = { { 0x400, 800, 9 * S }, { 0x80, 200, S } } },
		{ .want = "Exits for nested paging cost little: <1% of the busy time, though 90% of that outside the guest, mostly NPF, most of them for memory that KVM has yet to map.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_NPT, .guest_ns = 10000 * S,
		  .faults = { .tdp = 700 }, .reasons = { { 0x400, 800, 9 * S }, { 0x72, 200, S } } },
		{ .want = "Nested paging causes no exits; CPUID takes 100% of the time outside the guest.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_NPT, .reasons = { { 0x72, 200, S } } },
		{ .want = "Nested paging is 45% of the exits (their time is not known); IOIO is 51%.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_NPT, .reasons = { { 0x400, 450, ES_NONE }, { 0x7b, 510, ES_NONE }, { 0x72, 40, ES_NONE } } },
		{ .want = "Nested paging causes no exits; IOIO is 93% of the exits.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_NPT, .reasons = { { 0x7b, 510, ES_NONE }, { 0x72, 40, ES_NONE } } },
		{ .want = "Nested paging is 55% of the exits (their time is not known), mostly EPT_VIOLATION, most of them for memory that KVM has yet to map.",
		  .isa = ES_ISA_VMX, .mode = ES_PAGING_EPT, .faults = { .tdp = 700 }, .reasons = { { 48, 550, ES_NONE }, { 30, 450, ES_NONE } } },
		/* Not measured how the faults ended: nothing is said of what the guest does. */
		{ .want = "Shadow paging is 90% of the exits and 90% of the time outside the guest, mostly page faults (EXCP_PF).",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_SHADOW, .reasons = { { 0x4e, 900, 9 * S }, { 0x7b, 100, S } } },
		{ .want = "Nested paging is 55% of the exits and 80% of the time outside the guest, mostly PML_FULL: KVM logs which pages the guest writes.",
		  .isa = ES_ISA_VMX, .mode = ES_PAGING_EPT, .reasons = { { 62, 55, 8 * S }, { 30, 45, 2 * S } } },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++)
		check_sentence(&cases[i]);
}

static void shadow_sentences(void **state)
{
	/* clang-format off */
	static const struct sentence cases[] = {
		{ .want = "Shadow paging is 78% of the exits and 64% of the time outside the guest, mostly INVLPG: the guest drops translations, as after page table changes.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_SHADOW, .reasons = { { 0x79, 500, 50 * S },
			       { 0x4e, 200, 10 * S },
			       { 0x13, 80, 4 * S },
			       { 0x7b, 220, 36 * S } } },
		{ .want = "Shadow paging is 78% of the exits and 64% of the time outside the guest, above all page faults (EXCP_PF), most of them for memory not yet shadowed.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_SHADOW, .faults = { .shadow = 700 }, .reasons = { { 0x79, 500, 20 * S },
			       { 0x4e, 200, 30 * S },
			       { 0x13, 80, 14 * S },
			       { 0x7b, 220, 36 * S } } },
		{ .want = "Shadow paging is 90% of the exits and 90% of the time outside the guest, mostly page faults (EXCP_PF), most of them writes to shadowed page tables.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_SHADOW, .faults = { .shadow = 900, .emulated = 800 },
		  .reasons = { { 0x4e, 900, 9 * S }, { 0x7b, 100, S } } },
		{ .want = "Shadow paging is 90% of the exits and 90% of the time outside the guest, mostly page faults (EXCP_PF), most of them for emulated device memory.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_SHADOW, .faults = { .shadow = 900, .emulated = 800, .mmio = 700 },
		  .reasons = { { 0x4e, 900, 9 * S }, { 0x7b, 100, S } } },
		{ .want = "Shadow paging is 90% of the exits and 90% of the time outside the guest, mostly page faults (EXCEPTION_NMI), most of them for memory not yet shadowed.",
		  .isa = ES_ISA_VMX, .mode = ES_PAGING_SHADOW, .faults = { .shadow = 700 }, .reasons = { { 0, 900, 9 * S }, { 10, 100, S } } },
		{ .want = "Shadow paging is 90% of the exits and 90% of the time outside the guest, mostly WRITE_CR3: the guest switches address spaces.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_SHADOW, .reasons = { { 0x13, 800, 8 * S }, { 0x3, 100, S }, { 0x7b, 100, S } } },
		{ .want = "Shadow paging is 90% of the exits and 90% of the time outside the guest, mostly READ_CR3: the guest reads the root of its page tables.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_SHADOW, .reasons = { { 0x13, 100, S }, { 0x3, 800, 8 * S }, { 0x7b, 100, S } } },
		/* Which register it was is not known, so nothing is said of what the guest does. */
		{ .want = "Shadow paging is 90% of the exits and 90% of the time outside the guest, mostly CR_ACCESS.",
		  .isa = ES_ISA_VMX, .mode = ES_PAGING_SHADOW, .reasons = { { 28, 900, 9 * S }, { 10, 100, S } } },
		{ .want = "Shadow paging is 88% of the exits and 88% of the time outside the guest, mostly CR_ACCESS: the guest switches address spaces.",
		  .isa = ES_ISA_VMX, .mode = ES_PAGING_SHADOW, .cr3 = { .read = 80, .write = 800 },
		  .reasons = { { 28, 900, 9 * S }, { 10, 100, S } } },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++)
		check_sentence(&cases[i]);
}

static void other_sentences(void **state)
{
	/* clang-format off */
	static const struct sentence cases[] = {
		{ .want = "No exits: the VM did not run, or did nothing that needs KVM.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_NPT },
		{ .want = "Idle: no exits, so paging costs nothing.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_NPT, .idle_ns = S },
		{ .want = "Idle 98% of the time. Exits for nested paging cost little: 10% of all, 2% of the time outside the guest; HLT takes 98%.",
		  .isa = ES_ISA_SVM, .mode = ES_PAGING_NPT, .idle_ns = 980 * S,
		  .guest_ns = 10 * S,
		  .reasons = { { 0x78, 90, 98 * S / 10 }, { 0x400, 10, S / 5 } } },
		{ .want = "The paging mode is not known, so neither is what paging costs.",
		  .isa = ES_ISA_SVM,
		  .reasons = { { 0x400, 90, S } } },
		{ .want = "The paging mode is not known, so neither is what paging costs.",
		  .mode = ES_PAGING_SHADOW, .reasons = { { 0, 90, S } } },
	};
	/* clang-format on */
	char buf[ES_PAGING_SENTENCE];
	struct es_counts c;

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++)
		check_sentence(&cases[i]);
	es_counts_init(&c);
	c.exits_unknown = true;
	assert_string_equal(es_paging_sentence(buf, ES_ISA_NONE, ES_PAGING_SHADOW, false, &c),
			    "This KVM reports no exits, so what paging costs is not known.");
}

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Whatever a recording holds: a sentence that ends, in bounds (the sanitizers look), with shares of 0 to 100%. */
static void any_numbers(void **state)
{
	static const uint64_t odd[] = { 0, 1, 2, 999, UINT64_MAX / 2, UINT64_MAX - 1, ES_NONE };
	static const uint32_t codes[] = { 0, 0x3, 0x13, 28, 48, 0x4e, 0x400, 0xfffffffe };
	char buf[ES_PAGING_SENTENCE];
	uint64_t seed = 88172645463325252ULL;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct es_counts c;
		uint64_t *mmu = (uint64_t *)&c.mmu;
		size_t n;

		es_counts_init(&c);
		for (unsigned int i = 0; i < 4; i++) {
			struct es_reason *r = es_counts_reason(&c, codes[next(&seed) % ES_ARRAY_SIZE(codes)]);

			assert_non_null(r);
			r->count = odd[next(&seed) % ES_ARRAY_SIZE(odd)];
			r->time_ns = odd[next(&seed) % ES_ARRAY_SIZE(odd)];
			r->flags[ES_FLAG_PAGE_FAULT] = odd[next(&seed) % ES_ARRAY_SIZE(odd)];
		}
		for (size_t i = 0; i < sizeof(c.mmu) / sizeof(*mmu); i++)
			mmu[i] = odd[next(&seed) % ES_ARRAY_SIZE(odd)];
		c.cr[ES_CR3].read = odd[next(&seed) % ES_ARRAY_SIZE(odd)];
		c.cr[ES_CR3].write = odd[next(&seed) % ES_ARRAY_SIZE(odd)];
		c.time.guest_ns = odd[next(&seed) % ES_ARRAY_SIZE(odd)];
		c.time.idle_ns = odd[next(&seed) % ES_ARRAY_SIZE(odd)];
		es_paging_sentence(buf, next(&seed) % 3, next(&seed) % 4, next(&seed) % 2, &c);
		n = strlen(buf);
		assert_true(n > 10 && n < sizeof(buf) && buf[n - 1] == '.');
		assert_null(strstr(buf, "nan"));
		assert_null(strstr(buf, "-"));
		es_counts_clear(&c);
	}
}

/* Each counter of mmu and cr is an event, once, under its place in JSON. */
static void every_counter(void **state)
{
	size_t n, want = sizeof(struct es_mmu) / sizeof(uint64_t) + 2 * ES_CRS;
	const struct es_paging_event *events = es_paging_events(&n);
	struct es_counts c;

	(void)state;
	assert_int_equal(n, want);
	es_counts_init(&c);
	assert_false(es_paging_events_known(&c));
	for (size_t i = 0; i < n; i++) {
		struct es_vm *vm = es_sample_vm("guest1", 1);
		struct es_snapshot *s = es_snapshot_new();
		json_t *json, *at;
		char key[64], *text, *save;

		for (size_t k = 0; k < i; k++) {
			assert_int_not_equal(events[i].at, events[k].at);
			assert_string_not_equal(events[i].name, events[k].name);
		}
		assert_int_equal(es_paging_event_count(&events[i], &c), ES_NONE);
		*(uint64_t *)((char *)&vm->counts + events[i].at) = 7777;
		assert_int_equal(es_paging_event_count(&events[i], &vm->counts), 7777);
		assert_true(es_paging_events_known(&vm->counts));
		assert_int_equal(es_snapshot_add(s, vm), 0);
		text = es_snapshot_to_json(s, false, false, NULL);
		json = json_loads(text, 0, NULL);
		at = json_array_get(json_object_get(json, "vms"), 0);
		snprintf(key, sizeof(key), "%s", events[i].key);
		for (char *word = strtok_r(key, ".", &save); word; word = strtok_r(NULL, ".", &save))
			at = json_object_get(at, word);
		assert_int_equal(json_integer_value(at), 7777);
		json_decref(json);
		free(text);
		es_snapshot_unref(s);
	}
}

static void which_events(void **state)
{
	size_t n, l2 = 0, full = 0;
	const struct es_paging_event *events = es_paging_events(&n);
	struct es_counts c;

	(void)state;
	es_counts_init(&c);
	for (size_t i = 0; i < n; i++) {
		uint64_t *count = (uint64_t *)((char *)&c + events[i].at);
		enum es_paging_shown shown = events[i].shown;

		assert_int_equal(es_paging_event_shown(&events[i], false, &c), shown == ES_PAGING_SHOWN);
		assert_int_equal(es_paging_event_shown(&events[i], true, &c), shown != ES_PAGING_SHOWN_FULL);
		*count = 0;
		assert_int_equal(es_paging_event_shown(&events[i], false, &c), shown != ES_PAGING_SHOWN_L2);
		*count = 1;
		assert_true(es_paging_event_shown(&events[i], false, &c));
		l2 += shown == ES_PAGING_SHOWN_L2;
		full += shown == ES_PAGING_SHOWN_FULL;
	}
	assert_int_equal(l2, sizeof(struct es_nested_mmu) / sizeof(uint64_t));
	assert_int_equal(full, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code),	    cmocka_unit_test(costs),
		cmocka_unit_test(costs_of_vmx),	    cmocka_unit_test(unknown_costs),
		cmocka_unit_test(nested_sentences), cmocka_unit_test(shadow_sentences),
		cmocka_unit_test(other_sentences),  cmocka_unit_test(any_numbers),
		cmocka_unit_test(every_counter),    cmocka_unit_test(which_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
