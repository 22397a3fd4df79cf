/* SPDX-License-Identifier: GPL-2.0-only */
/* The CPUID leaves of a patched KVM, and of everything that is none: each host is played here. */
#include "es_test.h"

#include <errno.h>
#include <time.h>

#include <exitstat/guest.h>
#include <exitstat/reasons.h>
#include <exitstat/render.h>

#define HYPERVISOR (1U << 31)
#define SVM_CPUID  0x72
#define VMX_CPUID  10

/* --- hosts to play --- */

static struct {
	/* A KVM with the patch: what it counted, by code; "other" is what has no code of its own. */
	enum es_isa isa;
	struct es_guest_count counts[256];
	size_t n;
	uint64_t other, other_cycles;
	uint32_t delivered_as; /* the exit that a CPUID instruction is */
	bool stands_still;     /* an entry of the VMM's: answered, not counted */
	struct {
		uint32_t code;
		unsigned int after; /* reads; then one such exit on another vCPU */
	} busy;
	unsigned int reads;
	/* What is below, as leaves 1 and 0x40000000 (and KVM's own, if not first) say. */
	bool hypervisor;
	const char *vendor;
	uint32_t vendor_leaf;
	uint32_t basic_leaf[ES_REGS]; /* unknown leaves answer with the highest basic one */
} host;

static struct es_guest_count *counter(uint32_t code)
{
	for (size_t i = 0; i < host.n; i++)
		if (host.counts[i].code == code)
			return &host.counts[i];
	return NULL;
}

static void add_exits(uint32_t code, uint64_t count, uint64_t cycles)
{
	struct es_guest_count *c = counter(code);

	assert_non_null(c);
	c->count += count;
	c->cycles += cycles;
}

/* What the patch defines: the vendor's numbers, without those that only software uses. */
static void play_patched(enum es_isa isa)
{
	const struct es_reason_info *table;
	size_t n;

	memset(&host, 0, sizeof(host));
	host.isa = isa;
	host.hypervisor = true;
	host.delivered_as = isa == ES_ISA_SVM ? SVM_CPUID : VMX_CPUID;
	table = es_reason_table(isa, &n);
	for (size_t i = 0; i < n; i++)
		if (table[i].code < 0x80000000 || table[i].code >= 0xfffffffc)
			host.counts[host.n++].code = table[i].code;
}

static void play_unpatched(bool hypervisor, uint32_t leaf, const char *vendor)
{
	memset(&host, 0, sizeof(host));
	host.hypervisor = hypervisor;
	host.vendor_leaf = leaf;
	host.vendor = vendor;
}

static void answer_sum(uint32_t r[ES_REGS])
{
	uint64_t count = host.other, cycles = host.other_cycles;

	for (size_t i = 0; i < host.n; i++) {
		count += host.counts[i].count;
		cycles += host.counts[i].cycles;
	}
	r[ES_EAX] = (uint32_t)count;
	r[ES_EDX] = (uint32_t)(count >> 32);
	r[ES_EBX] = (uint32_t)(cycles >> 32);
	r[ES_ECX] = (uint32_t)cycles;
}

static void answer_counter(uint32_t leaf, uint32_t number, uint32_t r[ES_REGS])
{
	const struct es_guest_count *c = counter(number);

	if (!c) {
		r[ES_EDX] = UINT32_MAX;
		return;
	}
	r[ES_EAX] = (uint32_t)c->count;
	r[ES_EDX] = (uint32_t)(c->count >> 32);
	if (leaf == ES_LEAF_COUNT)
		return;
	r[ES_EBX] = (uint32_t)(c->cycles >> 32);
	r[ES_ECX] = (uint32_t)c->cycles;
}

/* The read is counted first, its cycles when it is done. */
static void answer_patched(uint32_t leaf, uint32_t number, uint32_t r[ES_REGS])
{
	memset(r, 0, ES_REGS * sizeof(*r));
	host.reads++;
	if (!host.stands_still)
		add_exits(host.delivered_as, 1, 0);
	if (host.busy.after && host.reads == host.busy.after)
		add_exits(host.busy.code, 1, 5000);
	if (leaf == ES_LEAF_ALL)
		answer_sum(r);
	else
		answer_counter(leaf, number, r);
	if (!host.stands_still)
		add_exits(host.delivered_as, 0, 1000);
}

static void fake_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[ES_REGS])
{
	static const enum es_reg order[] = { ES_EBX, ES_ECX, ES_EDX };

	if (host.n && (leaf == ES_LEAF_ALL || leaf == ES_LEAF_COUNT || leaf == ES_LEAF_CYCLES)) {
		answer_patched(leaf, subleaf, r);
		return;
	}
	memcpy(r, host.basic_leaf, sizeof(host.basic_leaf));
	if (leaf == 1)
		r[ES_ECX] = host.hypervisor ? HYPERVISOR : 0;
	if (!host.vendor || leaf != host.vendor_leaf)
		return;
	for (size_t i = 0; i < ES_ARRAY_SIZE(order); i++)
		memcpy(&r[order[i]], host.vendor + 4 * i, 4);
}

static void assert_count(const struct es_guest *g, uint32_t code, uint64_t count, uint64_t cycles)
{
	const struct es_guest_count *c = es_guest_find(g, code);

	assert_non_null(c);
	assert_true(c->count == count);
	assert_true(c->cycles == cycles);
}

/* --- looks --- */

static void patched_amd(void **state)
{
	struct es_guest g;

	(void)state;
	play_patched(ES_ISA_SVM);
	add_exits(0x7b, 1234, 567890);
	add_exits(0x400, 6000, 9000000);
	add_exits(0xffffffff, 3, 33);
	assert_int_equal(es_guest_look(fake_cpuid, &g), 0);
	assert_int_equal(g.host.isa, ES_ISA_SVM);
	assert_int_equal(g.n_reasons, 176);
	assert_count(&g, 0x7b, 1234, 567890);
	assert_count(&g, 0x400, 6000, 9000000);
	assert_count(&g, 0xffffffff, 3, 33);
	assert_count(&g, 0x78, 0, 0);
	assert_null(es_guest_find(&g, 0x80000001));
	assert_null(es_guest_find(&g, 0xf0000000));
	/* CPUID's own, read last but for the sum, so all reads but that one are in it. */
	assert_count(&g, SVM_CPUID, host.reads - 1, (host.reads - 2) * 1000ULL);
	assert_true(g.all == 1234 + 6000 + 3 + host.reads);
	assert_true(es_guest_total(&g) == g.all - 1);
	assert_true(es_guest_cycles(&g) == 567890 + 9000000 + 33 + (host.reads - 2) * 1000ULL);
	assert_true(g.other == 0);
	assert_true(g.taken.interval_ns == ES_NONE);
	for (size_t i = 1; i < g.n_reasons; i++)
		assert_true(g.reasons[i - 1].code < g.reasons[i].code);
	es_guest_clear(&g);
}

static void patched_intel(void **state)
{
	struct es_guest g;

	(void)state;
	play_patched(ES_ISA_VMX);
	add_exits(0, 7, 700);
	add_exits(85, 9, 900);
	assert_int_equal(es_guest_look(fake_cpuid, &g), 0);
	assert_int_equal(g.host.isa, ES_ISA_VMX);
	assert_int_equal(g.n_reasons, 80);
	assert_count(&g, 0, 7, 700);
	assert_count(&g, 85, 9, 900);
	assert_null(es_guest_find(&g, 35));
	assert_count(&g, VMX_CPUID, host.reads - 1, (host.reads - 2) * 1000ULL);
	es_guest_clear(&g);
}

static void a_number_kvm_does_not_define_is_no_count(void **state)
{
	struct es_guest g;

	(void)state;
	play_patched(ES_ISA_VMX);
	host.counts[host.n - 1].code = 200; /* 85: not yet in this KVM's table */
	assert_int_equal(es_guest_look(fake_cpuid, &g), 0);
	assert_int_equal(g.n_reasons, 79);
	assert_null(es_guest_find(&g, 85));
	assert_true(es_guest_total(&g) < 1000);
	es_guest_clear(&g);
}

static void sixty_four_bits(void **state)
{
	struct es_guest g;

	(void)state;
	play_patched(ES_ISA_SVM);
	add_exits(0x78, 0x123456789abcdefULL, 0xfedcba987654321ULL);
	add_exits(0x7c, 1ULL << 32, 0xffffffff);
	add_exits(0x60, 0xffffffff, 1ULL << 32);
	assert_int_equal(es_guest_look(fake_cpuid, &g), 0);
	assert_count(&g, 0x78, 0x123456789abcdefULL, 0xfedcba987654321ULL);
	assert_count(&g, 0x7c, 1ULL << 32, 0xffffffff);
	assert_count(&g, 0x60, 0xffffffff, 1ULL << 32);
	assert_true(es_guest_total(&g) == 0x123456789abcdefULL + (1ULL << 32) + 0xffffffff + host.reads - 1);
	assert_true(g.all == es_guest_total(&g) + 1);
	es_guest_clear(&g);
}

static void sums_beyond_64_bits_are_unknown(void **state)
{
	struct es_guest g;

	(void)state;
	play_patched(ES_ISA_SVM);
	add_exits(0x78, 1ULL << 63, 1ULL << 63);
	add_exits(0x7c, (1ULL << 63) - 1, 1ULL << 63);
	host.other = 1000; /* wraps KVM's sum back to a small number */
	assert_int_equal(es_guest_look(fake_cpuid, &g), 0);
	assert_true(es_guest_total(&g) == ES_NONE);
	assert_true(es_guest_cycles(&g) == ES_NONE);
	assert_true(g.other == ES_NONE);
	es_guest_clear(&g);
}

static void others_are_exact_or_unknown(void **state)
{
	struct es_guest g;

	(void)state;
	play_patched(ES_ISA_SVM);
	add_exits(0x400, 50, 5000);
	host.other = 17;
	assert_int_equal(es_guest_look(fake_cpuid, &g), 0);
	assert_true(g.other == 17);
	es_guest_clear(&g);

	/* One exit elsewhere, of a code that has been read or has not: either way nobody knows. */
	for (unsigned int after = 4; after < 100; after += 95) {
		host.reads = 0;
		host.busy.code = 0x78;
		host.busy.after = after;
		assert_int_equal(es_guest_look(fake_cpuid, &g), 0);
		assert_true(g.other == ES_NONE);
		es_guest_clear(&g);
	}

	/* An encrypted guest's CPUID comes as VMGEXIT. */
	play_patched(ES_ISA_SVM);
	host.delivered_as = 0x403;
	assert_int_equal(es_guest_look(fake_cpuid, &g), 0);
	assert_true(g.other == ES_NONE);
	assert_count(&g, SVM_CPUID, 0, 0);
	es_guest_clear(&g);
}

/* --- differences --- */

static void change_between_two_looks(void **state)
{
	struct es_guest a, b, d;

	(void)state;
	play_patched(ES_ISA_SVM);
	add_exits(0x78, 1ULL << 40, 1ULL << 50);
	host.other = 5;
	assert_int_equal(es_guest_look(fake_cpuid, &a), 0);
	unsigned int reads = host.reads;
	add_exits(0x78, 10, 1000);
	add_exits(0x400, 3, 30);
	host.other = 7;
	assert_int_equal(es_guest_look(fake_cpuid, &b), 0);
	a.taken.monotonic_ns = 1000;
	b.taken.monotonic_ns = 3000;
	assert_int_equal(es_guest_diff(&a, &b, &d), 0);
	assert_count(&d, 0x78, 10, 1000);
	assert_count(&d, 0x400, 3, 30);
	assert_count(&d, 0x7b, 0, 0);
	assert_count(&d, SVM_CPUID, reads, reads * 1000ULL);
	assert_true(d.all == 15 + reads);
	assert_true(d.other == 2);
	assert_true(d.taken.interval_ns == 2000);
	assert_true(d.taken.monotonic_ns == 3000);
	assert_true(es_guest_total(&d) == 13 + reads);
	es_guest_clear(&d);
	es_guest_clear(&a);
	es_guest_clear(&b);
}

static void counters_that_began_anew_have_no_difference(void **state)
{
	struct es_guest a, b, d;

	(void)state;
	play_patched(ES_ISA_SVM);
	add_exits(0x78, 100000, 1);
	assert_int_equal(es_guest_look(fake_cpuid, &a), 0);
	play_patched(ES_ISA_SVM);
	assert_int_equal(es_guest_look(fake_cpuid, &b), 0);
	a.taken.monotonic_ns = b.taken.monotonic_ns = 1;
	assert_int_equal(es_guest_diff(&a, &b, &d), -ERANGE);
	/* As many exits again, but not of the same reasons: that one is unknown, and so is the sum. */
	add_exits(0x400, 200000, 1);
	es_guest_clear(&b);
	assert_int_equal(es_guest_look(fake_cpuid, &b), 0);
	b.taken.monotonic_ns = 1;
	assert_int_equal(es_guest_diff(&a, &b, &d), 0);
	assert_count(&d, 0x78, ES_NONE, ES_NONE);
	assert_count(&d, 0x400, 200000, 1);
	assert_true(es_guest_total(&d) == ES_NONE);
	es_guest_clear(&d);
	b.taken.monotonic_ns = 0;
	assert_int_equal(es_guest_diff(&a, &b, &d), -ERANGE);
	es_guest_clear(&b);
	play_patched(ES_ISA_VMX);
	add_exits(30, 500000, 1);
	assert_int_equal(es_guest_look(fake_cpuid, &b), 0);
	assert_int_equal(es_guest_diff(&a, &b, &d), -ERANGE);
	es_guest_clear(&a);
	es_guest_clear(&b);
}

/* --- what is not a patched KVM --- */

static void assert_refused(const char *because, const char *remedy)
{
	struct es_guest g;
	char why[ES_CELL_MAX];

	assert_int_equal(es_guest_look(fake_cpuid, &g), -ENODEV);
	assert_null(g.reasons);
	es_guest_explain(fake_cpuid, why, sizeof(why));
	assert_null(strchr(why, '\n'));
	if (!strstr(why, because) || !strstr(why, remedy))
		fail_msg("'%s' says nothing of '%s' and '%s'", why, because, remedy);
}

static void unpatched_kvm(void **state)
{
	(void)state;
	/* AMD: zeros. */
	play_unpatched(true, 0x40000000, "KVMKVMKVM\0\0\0");
	assert_refused("this guest's KVM", "exit_cpuid");
	/* Behind the name of Hyper-V. */
	play_unpatched(true, 0x40000100, "KVMKVMKVM\0\0\0");
	assert_refused("this guest's KVM", "kernel-patch/");
	play_unpatched(true, 0x40000000, "Linux KVM Hv");
	assert_refused("this guest's KVM", "kernel-patch/");
}

/* The highest basic leaf, whatever is asked: numbers that look like counts. */
static void unpatched_intel_echoes(void **state)
{
	static const uint32_t echoes[][ES_REGS] = {
		{ 7, 0x340, 0x340, 0 },
		{ 0, 0, 0, 0 },
		{ 0, 0, 0xff, UINT32_MAX },
		{ 0, 0, 0, UINT32_MAX - 1 },
		{ 1, 0, 0, UINT32_MAX },
		{ 0, 1, 0, UINT32_MAX },
		{ UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(echoes); i++) {
		play_unpatched(true, 0x40000000, "KVMKVMKVM\0\0\0");
		memcpy(host.basic_leaf, echoes[i], sizeof(host.basic_leaf));
		assert_refused("this guest's KVM", "kernel-patch/");
		/* On the bare machine, where the leaf of the name echoes as well. */
		host.hypervisor = false;
		host.vendor = NULL;
		assert_refused("no hypervisor", "exitstat snapshot");
	}
}

static void all_that_does_not_grow(void **state)
{
	(void)state;
	play_patched(ES_ISA_SVM);
	add_exits(0x78, 5, 5);
	host.stands_still = true;
	assert_refused("stands still", "VMM");
	/* An echo that happens to be the answer for an undefined number. */
	play_unpatched(true, 0x40000000, "KVMKVMKVM\0\0\0");
	host.basic_leaf[ES_EDX] = UINT32_MAX;
	assert_refused("stands still", "VMM");
}

static void other_hypervisors(void **state)
{
	static const struct {
		const char *vendor, *says;
	} cases[] = {
		{ "TCGTCGTCGTCG", "TCG" },
		{ "VMwareVMware", "VMware" },
		{ "Microsoft Hv", "Hyper-V" },
		{ "XenVMMXenVMM", "Xen" },
		{ "SomethingNew", "SomethingNew" },
		{ "\033[31mred\a\a\a\a", "does not name itself" },
		{ "\0\0\0\0\0\0\0\0\0\0\0\0", "does not name itself" },
		{ "\x07\0\0\0@\x03\0\0@\x03\0\0", "does not name itself" },
	};

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++) {
		play_unpatched(true, 0x40000000, cases[i].vendor);
		assert_refused(cases[i].says, "kernel-patch/");
	}
	play_unpatched(false, 0, NULL);
	assert_refused("no hypervisor", "inside a guest");
}

/* A patched KVM whose VMM hides it still counts. */
static void hidden_kvm_counts_all_the_same(void **state)
{
	struct es_guest g;

	(void)state;
	play_patched(ES_ISA_VMX);
	host.hypervisor = false;
	assert_int_equal(es_guest_look(fake_cpuid, &g), 0);
	es_guest_clear(&g);
}

/* --- what is shown --- */

static const struct es_style plain = { .utf8 = true, .exact = true };
static const struct es_style coloured = { .utf8 = true, .exact = true, .colour = true };
static const struct es_style narrow = { .exact = true, .width = 50 };
static const struct es_style round_style = { .utf8 = true };

static void a_look(struct es_guest *g, uint64_t monotonic_ns)
{
	assert_int_equal(es_guest_look(fake_cpuid, g), 0);
	strcpy(g->host.hostname, "guest1");
	strcpy(g->host.kernel, "6.1.0-42-amd64");
	g->taken.monotonic_ns = monotonic_ns;
	g->taken.realtime_ns = 1790000000ULL * 1000000000 + monotonic_ns;
}

/* Two looks, two seconds apart. */
static void two_looks(struct es_guest *a, struct es_guest *b)
{
	play_patched(ES_ISA_SVM);
	add_exits(0x7b, 9796, 390000000);
	add_exits(0x400, 6060, 1080000000);
	add_exits(0x60, 2165, 4000);
	add_exits(0x78, 1, 0);
	host.other = 2;
	a_look(a, 5000000000);
	add_exits(0x60, 500, 900000);
	add_exits(0x400, 4, 80000);
	a_look(b, 7000000000);
}

static char *rendered(const struct es_guest *sum, const struct es_guest *now, const struct es_guest_view *v,
		      const struct es_style *st)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	assert_int_equal(st ? es_render_guest(f, sum, now, v, st) : es_render_guest_json(f, sum, v != NULL),
			 0);
	fclose(f);
	return text;
}

static void assert_rendered(const char *golden, const struct es_guest *sum, const struct es_guest *now,
			    const struct es_guest_view *v, const struct es_style *st)
{
	_cleanup_free_ char *text = rendered(sum, now, v, st);

	es_assert_golden(golden, text);
}

static void tables(void **state)
{
	const struct es_guest_view all = { 0 }, few = { .rows = 2 },
				   by_name = { .sort = es_column_find(es_guest_columns, "name") };
	struct es_guest a, b, d;

	(void)state;
	two_looks(&a, &b);
	assert_int_equal(es_guest_diff(&a, &b, &d), 0);
	assert_rendered("cli-guest.txt", &a, NULL, &all, &plain);
	assert_rendered("cli-guest-colour.txt", &a, NULL, &all, &coloured);
	assert_rendered("cli-guest-50.txt", &b, &d, &by_name, &narrow);
	assert_rendered("cli-guest-for.txt", &d, &d, &all, &plain);
	assert_rendered("cli-guest-watch.txt", &b, &d, &few, &round_style);
	assert_rendered("cli-guest.json", &d, NULL, &all, NULL);
	es_guest_clear(&a);
	es_guest_clear(&b);
	es_guest_clear(&d);
}

static void unknown_is_a_dash_and_null(void **state)
{
	struct es_guest a, b, d;
	const struct es_guest_view all = { 0 };

	(void)state;
	two_looks(&a, &b);
	a.reasons[0x60].count = a.reasons[0x60].cycles = UINT64_MAX - 1;
	assert_int_equal(es_guest_diff(&a, &b, &d), 0);
	_cleanup_free_ char *table = rendered(&d, &d, &all, &plain), *line = rendered(&d, NULL, NULL, NULL);
	assert_null(strstr(table, "1844674"));
	assert_non_null(strstr(table, "INTR"));
	assert_non_null(
		strstr(line, "\"name\":\"INTR\",\"class\":\"interrupt\",\"count\":null,\"cycles\":null"));
	assert_non_null(strstr(line, "\"exits\":{\"total\":null,"));
	/* One line a look, for --watch. */
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	es_guest_clear(&a);
	es_guest_clear(&b);
	es_guest_clear(&d);
}

/* An exit that had begun before the first look and ended after it. */
static void cycles_alone_are_shown(void **state)
{
	struct es_guest a, b, d;
	const struct es_guest_view all = { 0 };

	(void)state;
	two_looks(&a, &b);
	es_guest_clear(&b);
	add_exits(0x81, 0, 12345);
	a_look(&b, 7000000000);
	assert_int_equal(es_guest_diff(&a, &b, &d), 0);
	_cleanup_free_ char *table = rendered(&d, &d, &all, &plain);
	assert_non_null(strstr(table, "\nVMMCALL  hypercall        0        0     0%   12.3k "));
	es_guest_clear(&a);
	es_guest_clear(&b);
	es_guest_clear(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patched_amd),
		cmocka_unit_test(patched_intel),
		cmocka_unit_test(a_number_kvm_does_not_define_is_no_count),
		cmocka_unit_test(sixty_four_bits),
		cmocka_unit_test(sums_beyond_64_bits_are_unknown),
		cmocka_unit_test(others_are_exact_or_unknown),
		cmocka_unit_test(change_between_two_looks),
		cmocka_unit_test(counters_that_began_anew_have_no_difference),
		cmocka_unit_test(unpatched_kvm),
		cmocka_unit_test(unpatched_intel_echoes),
		cmocka_unit_test(all_that_does_not_grow),
		cmocka_unit_test(other_hypervisors),
		cmocka_unit_test(hidden_kvm_counts_all_the_same),
		cmocka_unit_test(tables),
		cmocka_unit_test(unknown_is_a_dash_and_null),
		cmocka_unit_test(cycles_alone_are_shown),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
