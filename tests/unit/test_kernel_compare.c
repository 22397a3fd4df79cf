// SPDX-License-Identifier: GPL-2.0-only
/*
 * The comparison from slots and files to verdicts: the test writes the slots in place of BPF,
 * and the debugfs files in place of KVM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <exitstat/util.h>

#include "../../src/daemon_kernel.h"
#include "fake_keeper.h"

#define SLOTS 1000
#define CPUID 0x72
#define IOIO  0x7b
#define SEC   1000000000ull

static struct es_keeper loader;
static struct es_sampler *sampler;
static struct es_kernel_compare *kc;
static struct es_kvm_host host;
static char sys[64];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SEC + (uint64_t)t.tv_nsec;
}

/* A vCPU of VM number vm with that many CPUID exits, in the guest now. */
static struct es_slot *vcpu(uint32_t slot, uint32_t vm, uint64_t cpuids)
{
	struct es_slot *s = &loader.slots[slot];

	s->kvm = 0x1000 * (vm + 1);
	s->vcpu = 0x100000 + slot;
	s->vcpu_id = slot;
	s->born_ns = 5 + slot;
	s->tgid = s->tid = 0x7fffff00; /* no such process */
	s->isa = ES_ISA_SVM;
	s->state = ES_STATE_GUEST;
	s->since_ns = now_ns();
	snprintf(s->debugfs, sizeof(s->debugfs), "77-%u", vm);
	s->cells_used = 2;
	s->cell = 1;
	s->cells[1].code = CPUID;
	s->cells[1].count = cpuids;
	s->seq = 2;
	fake_announce(&loader, ES_EVENT_NEW, slot);
	return s;
}

/* What KVM says of a VM; text NULL: it makes the folder only. */
static void kernel_says(uint32_t vm, const char *text)
{
	char path[192];
	FILE *f;

	snprintf(path, sizeof(path), "%s/kernel/debug/kvm/77-%u", sys, vm);
	mkdir(path, 0755);
	if (!text)
		return;
	strcat(path, "/exit_stats");
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	static const char *const dirs[] = { "kernel",
					    "kernel/debug",
					    "kernel/debug/kvm",
					    "module",
					    "module/kvm",
					    "module/kvm/parameters",
					    "module/kvm/parameters/exit_cpuid" };
	char path[192];

	(void)state;
	strcpy(sys, "/tmp/exitstat-compare-XXXXXX");
	if (!mkdtemp(sys))
		return -1;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", sys, dirs[i]);
		mkdir(path, 0755);
	}
	host = (struct es_kvm_host){ .kvm = true, .isa = ES_ISA_SVM, .vendor = "kvm_amd", .tdp = ES_YES };
	if (fake_keeper_init(&loader, SLOTS))
		return -1;
	loader.sys = sys;
	sampler = es_sampler_new(&loader, "/proc");
	kc = es_kernel_compare_new(sys, &loader);
	es_kernel_compare_attached(kc);
	return sampler && kc ? 0 : -1;
}

static int teardown(void **state)
{
	char cmd[128];

	(void)state;
	es_kernel_compare_free(kc);
	es_sampler_free(sampler);
	fake_keeper_clear(&loader);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", sys);
	return system(cmd);
}

static struct es_kernel_report *compare(void)
{
	const struct es_kernel_ask ask = { .all = true };
	struct es_kernel_report *r = es_kernel_compare_run(kc, sampler, &host, &ask);

	assert_non_null(r);
	return r;
}

/* Asks, and expects that verdict of the only VM. */
static void expect(enum es_kernel_verdict verdict, uint64_t within, bool whole)
{
	struct es_kernel_report *r = compare();

	assert_true(r->present);
	assert_int_equal(r->n_vms, 1);
	if (r->vms[0].verdict != verdict)
		fail_msg("got %s (%s)", es_kernel_verdict_name(r->vms[0].verdict), r->vms[0].why);
	assert_int_equal(r->vms[0].within, within);
	assert_int_equal(r->vms[0].whole, whole);
	es_kernel_report_free(r);
}

static void expect_unknown(const char *why, uint64_t errors)
{
	struct es_kernel_report *r = compare();

	assert_int_equal(r->n_vms, 1);
	assert_int_equal(r->vms[0].verdict, ES_KERNEL_UNKNOWN);
	assert_int_equal(r->vms[0].within, ES_NONE);
	assert_int_equal(r->vms[0].kernel_total, ES_NONE);
	if (!strstr(r->vms[0].why, why))
		fail_msg("got %s", r->vms[0].why);
	es_kernel_report_free(r);
	assert_int_equal(es_kernel_compare_errors(kc), errors);
}

static void equal_from_birth(void **state)
{
	struct es_kernel_report *r;

	(void)state;
	kernel_says(3, "0x72 11 1\n");
	vcpu(0, 3, 7);
	vcpu(5, 3, 4);
	r = compare();
	assert_int_equal(r->n_vms, 1);
	assert_int_equal(r->vms[0].verdict, ES_KERNEL_EXACT);
	assert_true(r->vms[0].whole);
	assert_int_equal(r->vms[0].kernel_total, 11);
	assert_int_equal(r->vms[0].bpf_total, 11);
	assert_int_equal(r->vms[0].isa, ES_ISA_SVM);
	assert_string_equal(r->detail, "compared with the programs' counts");
	es_kernel_report_free(r);
	/* Both go on. */
	kernel_says(3, "0x72 13 1\n");
	vcpu(0, 3, 9);
	expect(ES_KERNEL_EXACT, 0, true);
}

static void difference_from_birth(void **state)
{
	struct es_kernel_report *r;

	(void)state;
	kernel_says(0, "0x72 8 1\n0x7b 3 1\n");
	vcpu(0, 0, 9);
	r = compare();
	assert_int_equal(r->vms[0].verdict, ES_KERNEL_DIFFER);
	assert_int_equal(r->vms[0].n_differs, 2);
	assert_int_equal(r->vms[0].differs[0].slot, CPUID);
	assert_int_equal(r->vms[0].differs[0].kernel, 8);
	assert_int_equal(r->vms[0].differs[0].bpf, 9);
	assert_int_equal(r->vms[0].differs[0].off, -1);
	assert_int_equal(r->vms[0].differs[1].slot, IOIO);
	assert_int_equal(r->vms[0].differs[1].off, 3);
	es_kernel_report_free(r);
}

/* A VM that was there before the programs: what the kernel counted before is in its numbers for ever. */
static void older_than_the_programs(void **state)
{
	(void)state;
	kernel_says(0, "0x72 1000 1\n");
	es_kernel_compare_attached(kc);
	vcpu(0, 0, 10);
	expect(ES_KERNEL_EXACT, 0, false);
	kernel_says(0, "0x72 1005 1\n");
	vcpu(0, 0, 15);
	expect(ES_KERNEL_EXACT, 0, false);
	kernel_says(0, "0x72 1007 1\n");
	vcpu(0, 0, 16);
	expect(ES_KERNEL_DIFFER, ES_NONE, false);
	/* After detach and attach nothing of that counts. */
	kernel_says(0, "0x72 2000 1\n");
	es_kernel_compare_attached(kc);
	expect(ES_KERNEL_EXACT, 0, false);
}

static void born_after_a_detach_is_whole(void **state)
{
	(void)state;
	kernel_says(0, "0x72 5 1\n");
	vcpu(0, 0, 5);
	expect(ES_KERNEL_EXACT, 0, true);
	es_kernel_compare_attached(kc);
	expect(ES_KERNEL_EXACT, 0, false);
}

/* debugfs could not be read at the start: nobody is known to be younger than that. */
static void unreadable_at_the_start(void **state)
{
	char away[128], path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/kernel/debug/kvm", sys);
	snprintf(away, sizeof(away), "%s/kernel/debug/away", sys);
	assert_int_equal(rename(path, away), 0);
	es_kernel_compare_attached(kc);
	vcpu(0, 0, 5);
	expect_unknown("debugfs is not mounted: mount", 0);
	assert_int_equal(rename(away, path), 0);
	kernel_says(0, "0x72 5 1\n");
	expect(ES_KERNEL_EXACT, 0, false);
}

/* KVM adds its one right after us; until the vCPU goes on it may still be under way. */
static void exit_in_flight(void **state)
{
	struct es_slot *s = vcpu(0, 0, 6);

	(void)state;
	s->state = ES_STATE_KERNEL;
	kernel_says(0, "0x72 5 1\n");
	expect(ES_KERNEL_WITHIN, 1, true);
	/* A long time ago: it is not under way any more, it is missing. */
	s->since_ns = now_ns() - 10 * SEC;
	expect(ES_KERNEL_DIFFER, ES_NONE, true);
}

/* Without times a slot's number tells how long the vCPU has done nothing: by what samples saw. */
static void exit_in_flight_counts_only(void **state)
{
	struct es_slot *s = vcpu(0, 0, 6);
	struct es_snapshot *snap;

	(void)state;
	loader.latency = false;
	s->state = ES_STATE_KERNEL;
	s->since_ns = 0;
	kernel_says(0, "0x72 5 1\n");
	expect(ES_KERNEL_WITHIN, 1, true);
	assert_int_equal(es_sampler_sample(sampler, &host, false, &snap), 0);
	es_sampler_release(sampler);
	es_snapshot_unref(snap);
	expect(ES_KERNEL_WITHIN, 1, true);
	sleep(1);
	usleep(50000);
	expect(ES_KERNEL_DIFFER, ES_NONE, true);
}

static void codes_without_a_slot_are_other(void **state)
{
	struct es_slot *s = vcpu(0, 0, 2);

	(void)state;
	s->cells_used = 5;
	s->cells[2].code = 0x80000001;
	s->cells[2].count = 3;
	s->cells[3].code = 0xbf;
	s->cells[3].count = 4;
	s->cells[4].code = 0xffffffff;
	s->cells[4].count = 1;
	kernel_says(0, "0x72 2 1\nother 7 1\n0xffffffff 1 1\n");
	expect(ES_KERNEL_EXACT, 0, true);
}

/* The far slots are SVM's. */
static void vmx_has_no_far_slots(void **state)
{
	struct es_slot *s = vcpu(0, 0, 2);

	(void)state;
	s->isa = ES_ISA_VMX;
	s->cells_used = 3;
	s->cells[2].code = 0x400;
	s->cells[2].count = 3;
	kernel_says(0, "0x72 2 1\nother 3 1\n");
	expect(ES_KERNEL_EXACT, 0, true);
}

static void not_patched(void **state)
{
	struct es_kernel_report *r;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/module/kvm/parameters/exit_cpuid", sys);
	rmdir(path);
	kernel_says(0, NULL);
	vcpu(0, 0, 5);
	r = compare();
	assert_false(r->present);
	assert_int_equal(r->n_vms, 0);
	assert_string_equal(r->detail, "not present (KVM is not patched)");
	es_kernel_report_free(r);
	assert_int_equal(es_kernel_compare_errors(kc), 0);
	/* The counters without the leaves. */
	kernel_says(0, "0x72 5 1\n");
	expect(ES_KERNEL_EXACT, 0, true);
	host.kvm = false;
	r = compare();
	assert_false(r->present);
	assert_string_equal(r->detail, "not known: KVM is not loaded");
	es_kernel_report_free(r);
}

static void what_cannot_be_compared_says_why(void **state)
{
	(void)state;
	vcpu(0, 0, 5);
	expect_unknown("about to end", 0);
	kernel_says(0, "garbage");
	expect_unknown("makes no sense", 1);
	kernel_says(0, "0x72 5 1\n");
	loader.slots[0].seq = 3; /* its writer never ends */
	expect_unknown("at rest", 1);
	loader.slots[0].seq = 4;
	expect(ES_KERNEL_EXACT, 0, true);
}

static void no_folder(void **state)
{
	(void)state;
	vcpu(0, 0, 5)->debugfs[0] = '\0';
	expect_unknown("KVM made no debugfs folder", 0);
}

static void not_attached(void **state)
{
	const struct es_kernel_ask ask = { .all = true, .off = "not now" };
	struct es_kernel_report *r;

	(void)state;
	kernel_says(0, "0x72 5 1\n");
	vcpu(0, 0, 5);
	r = es_kernel_compare_run(kc, sampler, &host, &ask);
	assert_true(r->present);
	assert_string_equal(r->detail, "not now");
	assert_int_equal(r->vms[0].verdict, ES_KERNEL_UNKNOWN);
	assert_string_equal(r->vms[0].why, "not now");
	es_kernel_report_free(r);
}

/* Of a VM whose owner is not known only who sees all hears. */
static void others_see_nothing(void **state)
{
	struct es_kernel_ask ask = { .uid = 1000 };
	struct es_kernel_report *r;
	struct es_slot *slot;

	(void)state;
	kernel_says(0, "0x72 5 1\n");
	vcpu(0, 0, 5);
	r = es_kernel_compare_run(kc, sampler, &host, &ask);
	assert_true(r->present);
	assert_int_equal(r->n_vms, 0);
	es_kernel_report_free(r);
	ask.uid = UINT32_MAX;
	r = es_kernel_compare_run(kc, sampler, &host, &ask);
	assert_int_equal(r->n_vms, 0);
	es_kernel_report_free(r);
	/* Its owner is who runs the process. */
	kernel_says(1, "0x72 6 1\n");
	slot = vcpu(1, 1, 6);
	slot->tgid = (uint32_t)getpid();
	slot->born_ns = es_monotonic_ns();
	ask.uid = getuid();
	r = es_kernel_compare_run(kc, sampler, &host, &ask);
	assert_int_equal(r->n_vms, 1);
	assert_int_equal(r->vms[0].pid, getpid());
	assert_int_equal(r->vms[0].verdict, ES_KERNEL_EXACT);
	es_kernel_report_free(r);
}

static void ended_vms_are_left_out_and_told_by_the_next_sample(void **state)
{
	struct es_kernel_report *r;
	struct es_snapshot *snap;

	(void)state;
	kernel_says(0, "0x72 5 1\n");
	vcpu(0, 0, 5);
	expect(ES_KERNEL_EXACT, 0, true);
	fake_end(&loader, 0, 100);
	r = compare();
	assert_int_equal(r->n_vms, 0);
	assert_string_equal(r->detail, "there, and no VM to compare");
	es_kernel_report_free(r);
	assert_int_equal(es_sampler_sample(sampler, &host, false, &snap), 0);
	es_sampler_release(sampler);
	assert_int_equal(snap->n_vms, 1);
	assert_int_equal(snap->vms[0]->state, ES_VM_ENDED);
	assert_int_equal(es_exits_total(&snap->vms[0]->counts), 5);
	es_snapshot_unref(snap);
}

static void a_thousand_vms_take_well_under_a_second(void **state)
{
	struct es_kernel_report *r;
	uint64_t began;

	(void)state;
	for (uint32_t i = 0; i < SLOTS; i++) {
		vcpu(i, i, i);
		loader.slots[i].state = ES_STATE_KERNEL; /* all under way: the most work there can be */
		kernel_says(i, "0x72 1 1\n0x7b 1 2\n0x60 1 2\n0x400 1 2\n");
	}
	began = now_ns();
	r = compare();
	assert_true(now_ns() - began < SEC);
	assert_int_equal(r->n_vms, SLOTS);
	assert_int_equal(r->vms[999].verdict, ES_KERNEL_DIFFER);
	es_kernel_report_free(r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(equal_from_birth),
		TEST(difference_from_birth),
		TEST(older_than_the_programs),
		TEST(born_after_a_detach_is_whole),
		TEST(unreadable_at_the_start),
		TEST(exit_in_flight),
		TEST(exit_in_flight_counts_only),
		TEST(codes_without_a_slot_are_other),
		TEST(vmx_has_no_far_slots),
		TEST(not_patched),
		TEST(what_cannot_be_compared_says_why),
		TEST(no_folder),
		TEST(not_attached),
		TEST(others_see_nothing),
		TEST(ended_vms_are_left_out_and_told_by_the_next_sample),
		TEST(a_thousand_vms_take_well_under_a_second),
	};

	return cmocka_run_group_tests_name("kernel_compare", tests, NULL, NULL);
}
