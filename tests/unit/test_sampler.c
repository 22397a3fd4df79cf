// SPDX-License-Identifier: GPL-2.0-only
/* From slots to VMs and their counts. */
#include "sampler_fixture.h"

static void two_vcpus_make_one_vm(void **state)
{
	struct es_snapshot *s;
	struct es_vm *vm;

	(void)state;
	begin(0, 0x1000, 0, 5, CPUID, 7);
	begin(3, 0x1000, 1, 6, CPUID, 4);
	begin(4, 0x2000, 0, 7, CPUID, 100);
	s = sample();
	assert_int_equal(s->n_vms, 2);
	vm = s->vms[0];
	assert_string_equal(vm->name, "qemu-2147483392");
	assert_int_equal(vm->n_vcpus, 2);
	assert_int_equal(vm->n_per_vcpu, 2);
	assert_int_equal(es_exits_total(&vm->counts), 11);
	assert_int_equal(es_exits_time_ns(&vm->counts), 110);
	assert_int_equal(es_exits_total(&vm->vcpus[1].counts), 4);
	assert_int_equal(vm->since_ns, 5);
	assert_int_equal(vm->paging, ES_PAGING_NPT);
	assert_int_equal(es_exits_total(&s->vms[1]->counts), 100);
	assert_string_not_equal(vm->id, s->vms[1]->id);
	assert_int_equal(es_sampler_slots_used(sampler), 3);
	es_snapshot_unref(s);
}

static void ended_vm_is_told_once_and_its_slots_are_free(void **state)
{
	struct es_snapshot *s;

	(void)state;
	begin(0, 0x1000, 0, 5, CPUID, 7);
	begin(1, 0x1000, 1, 6, CPUID, 1);
	es_snapshot_unref(sample());
	loader.slots[0].cells[1].count = 9;
	end(0, 100);
	s = sample(); /* the other vCPU is not destroyed yet */
	assert_int_equal(s->n_vms, 1);
	assert_int_equal(s->vms[0]->state, ES_VM_RUNNING);
	es_snapshot_unref(s);
	end(1, 110);
	s = sample();
	assert_int_equal(s->n_vms, 1);
	assert_int_equal(s->vms[0]->state, ES_VM_ENDED);
	assert_int_equal(s->vms[0]->ended_ns, 110);
	assert_int_equal(es_exits_total(&s->vms[0]->counts), 10);
	es_snapshot_unref(s);
	s = sample();
	assert_int_equal(s->n_vms, 0);
	es_snapshot_unref(s);
	assert_int_equal(loader.freed[0], 1);
	assert_int_equal(loader.freed[1], 1);
	assert_int_equal(es_sampler_slots_used(sampler), 0);
}

/* Between two samples a VM ends and another begins at the same addresses, in lower and in higher slots. */
static void address_used_again_is_another_vm(void **state)
{
	struct es_snapshot *s;

	(void)state;
	begin(4, 0x1000, 0, 5, CPUID, 7);
	es_snapshot_unref(sample());
	loader.slots[4].cells[1].count = 8;
	end(4, 50);
	begin(2, 0x1000, 0, 60, CPUID, 20);
	end(2, 70);
	begin(6, 0x1000, 0, 80, CPUID, 300);
	s = sample();
	assert_int_equal(s->n_vms, 3);
	assert_int_equal(es_exits_total(&s->vms[0]->counts), 8);
	assert_int_equal(es_exits_total(&s->vms[1]->counts), 20);
	assert_int_equal(es_exits_total(&s->vms[2]->counts), 300);
	assert_int_equal(s->vms[0]->state, ES_VM_ENDED);
	assert_int_equal(s->vms[1]->state, ES_VM_ENDED);
	assert_int_equal(s->vms[2]->state, ES_VM_RUNNING);
	assert_string_not_equal(s->vms[0]->id, s->vms[2]->id);
	es_snapshot_unref(s);
}

/* What is born during the scan waits: the end of who had its address before may not have been seen. */
static void born_after_the_look_began_waits_for_the_next(void **state)
{
	struct es_snapshot *s;

	(void)state;
	begin(0, 0x1000, 0, es_monotonic_ns() + 3600 * SEC, CPUID, 7);
	s = sample();
	assert_int_equal(s->n_vms, 0);
	es_snapshot_unref(s);
	loader.slots[0].born_ns = 5;
	s = sample();
	assert_int_equal(s->n_vms, 1);
	es_snapshot_unref(s);
}

/* Whose VM it is is known from /proc alone: a process that is gone belongs to root. */
static void owner_of_a_vanished_process_is_unknown(void **state)
{
	struct es_snapshot *s;

	(void)state;
	begin(0, 0x1000, 0, 5, CPUID, 7);
	s = sample();
	assert_int_equal(s->vms[0]->uid, UINT32_MAX);
	es_snapshot_unref(s);
}

static void counts_only_has_no_times(void **state)
{
	struct es_snapshot *s;
	const struct es_reason *r;

	(void)state;
	loader.latency = false;
	begin(0, 0x1000, 0, 5, CPUID, 3);
	s = sample();
	r = es_counts_find(&s->vms[0]->counts, CPUID);
	assert_non_null(r);
	assert_int_equal(r->count, 3);
	assert_int_equal(r->time_ns, ES_NONE);
	assert_int_equal(r->max_ns, ES_NONE);
	assert_int_equal(r->hist[0], ES_NONE);
	assert_int_equal(s->vms[0]->counts.time.guest_ns, ES_NONE);
	assert_int_equal(s->vms[0]->counts.time.idle_ns, ES_NONE);
	assert_int_equal(s->vms[0]->counts.time.total_ns, ES_NONE);
	es_snapshot_unref(s);
}

static void unnamed_codes_are_counted_for_good(void **state)
{
	(void)state;
	begin(0, 0x1000, 0, 5, 0x3ff0, 6);
	es_snapshot_unref(sample());
	assert_int_equal(es_sampler_unknown_reasons(sampler), 6);
	end(0, 9);
	es_snapshot_unref(sample());
	assert_int_equal(es_sampler_unknown_reasons(sampler), 6);
}

static void without_the_kprobe_vms_end_with_their_process(void **state)
{
	struct es_snapshot *s;

	(void)state;
	loader.life = false;
	begin(0, 0x1000, 0, 5, CPUID, 3);
	begin(1, 0x2000, 0, 6, CPUID, 4)->tgid = getpid();
	es_snapshot_unref(sample());
	s = sample();
	assert_int_equal(s->n_vms, 2);
	assert_int_equal(s->vms[0]->state, ES_VM_ENDED);
	assert_int_equal(s->vms[1]->state, ES_VM_RUNNING);
	es_snapshot_unref(s);
}

/* A slot whose writer never finishes must not hang the reader. */
static void endless_writer_is_survived(void **state)
{
	struct es_slot *slot = begin(0, 0x1000, 0, 5, CPUID, 3);
	struct es_snapshot *s;

	(void)state;
	es_snapshot_unref(sample());
	slot->cells[1].count = 4;
	slot->seq = 3;
	s = sample();
	assert_int_equal(es_exits_total(&s->vms[0]->counts), 3); /* what was read before stands */
	es_snapshot_unref(s);
}

static void quiet_vm_shares_its_view(void **state)
{
	struct es_snapshot *a, *b;

	(void)state;
	begin(0, 0x1000, 0, 5, CPUID, 3);
	es_snapshot_unref(sample());
	a = sample();
	b = sample();
	assert_ptr_equal(a->vms[0], b->vms[0]);
	loader.slots[0].cells[1].count++;
	loader.slots[0].seq += 2;
	es_snapshot_unref(b);
	b = sample();
	assert_ptr_not_equal(a->vms[0], b->vms[0]);
	assert_int_equal(es_exits_total(&a->vms[0]->counts), 3);
	assert_int_equal(es_exits_total(&b->vms[0]->counts), 4);
	es_snapshot_unref(a);
	es_snapshot_unref(b);
}

/* Each vCPU for itself comes to who asks, also when the VM did nothing since; and with a VM's end. */
static void vcpus_come_when_asked_for(void **state)
{
	struct es_snapshot *s;

	(void)state;
	per_vcpu = false;
	begin(0, 0x1000, 0, 5, CPUID, 3);
	begin(1, 0x1000, 1, 5, CPUID, 4);
	s = sample();
	assert_int_equal(s->vms[0]->n_vcpus, 2);
	assert_int_equal(s->vms[0]->n_per_vcpu, 0);
	assert_int_equal(es_exits_total(&s->vms[0]->counts), 7);
	es_snapshot_unref(s);
	per_vcpu = true;
	s = sample();
	assert_int_equal(s->vms[0]->n_per_vcpu, 2);
	es_snapshot_unref(s);
	per_vcpu = false;
	end(0, 50);
	end(1, 50);
	s = sample();
	assert_int_equal(s->vms[0]->n_per_vcpu, 2);
	es_snapshot_unref(s);
}

static void mmu_of_own_and_other_threads(void **state)
{
	struct es_slot *slot = begin(0, 0x1000, 0, 5, CPUID, 1);
	struct es_snapshot *s;
	const struct es_mmu *m;

	(void)state;
	loader.measured.events = 1ull << ES_MMU_PAGES_ZAPPED | 1ull << ES_MMU_SPTES_2M;
	slot->mmu[ES_MMU_PAGES_ZAPPED] = 3;
	slot->mmu[ES_MMU_SPTES_2M] = 7;
	slot->mmu[ES_MMU_SPTES_4K] = 9; /* not measured: whatever stands there */
	s = sample();
	m = &s->vms[0]->counts.mmu;
	assert_int_equal(m->shadow_pages.zapped, 3);
	assert_int_equal(m->sptes.s2m, 7);
	assert_int_equal(m->sptes.s4k, ES_NONE);
	assert_int_equal(m->faults.fixed, ES_NONE);
	assert_int_equal(s->vms[0]->counts.cr[ES_CR3].write, ES_NONE);
	assert_false(s->vms[0]->nested);
	es_snapshot_unref(s);
	/* Another thread zaps; the vCPU itself does nothing. */
	slot->mmu_others[ES_MMU_PAGES_ZAPPED] = 2;
	slot->others = 2;
	s = sample();
	assert_int_equal(s->vms[0]->counts.mmu.shadow_pages.zapped, 5);
	es_snapshot_unref(s);
}

static void faults_are_since_first_seen(void **state)
{
	struct es_slot *slot = begin(0, 0x1000, 0, 5, CPUID, 1);
	struct es_snapshot *s;

	(void)state;
	loader.measured.pf[ES_PF_SPURIOUS] = loader.measured.pf[ES_PF_FIXED] = loader.measured.cr = true;
	slot->pf_born[ES_PF_FIXED] = 100;
	slot->pf[ES_PF_FIXED] = 130;
	slot->cr[1] = 4;
	slot->cr[ES_CR_REGS + 3] = 5;
	slot->isa = ES_ISA_VMX;
	slot->state = ES_STATE_IDLE;
	s = sample();
	assert_int_equal(s->vms[0]->counts.mmu.faults.fixed, 30);
	assert_int_equal(s->vms[0]->counts.mmu.faults.spurious, 0);
	assert_int_equal(s->vms[0]->counts.mmu.faults.fast, ES_NONE);
	assert_int_equal(s->vms[0]->counts.cr[ES_CR3].read, 4);
	assert_int_equal(s->vms[0]->counts.cr[ES_CR3].write, 0);
	assert_int_equal(s->vms[0]->counts.cr[ES_CR8].write, 5);
	es_snapshot_unref(s);
	/* Read from KVM when the vCPU ran and until it is parked, not when it did nothing. */
	assert_int_equal(loader.thread_reads[0], 1);
	for (int i = 0; i < 5; i++)
		es_snapshot_unref(sample());
	assert_int_equal(loader.thread_reads[0], 3);
	fake_act(&loader, slot, ES_STATE_KERNEL);
	es_snapshot_unref(sample());
	assert_int_equal(loader.thread_reads[0], 4);
}

/* SVM has a code for each register and direction; kvm_cr is not needed, and not used. */
static void svm_counts_control_registers_by_code(void **state)
{
	static const struct {
		uint32_t code;
		enum es_cr cr;
		bool write;
	} codes[] = { { 0x00, ES_CR0, false }, { 0x03, ES_CR3, false }, { 0x13, ES_CR3, true },
		      { 0x14, ES_CR4, true },  { 0x18, ES_CR8, true },	{ 0x65, ES_CR0, true },
		      { 0x94, ES_CR4, true } };
	struct es_snapshot *s;

	(void)state;
	loader.measured.cr = true;
	for (size_t i = 0; i < ES_ARRAY_SIZE(codes); i++) {
		uint64_t sum = 0;

		begin(0, 0x1000, 0, 5 + i, codes[i].code, 7);
		s = sample();
		for (int c = 0; c < ES_CRS; c++)
			sum += s->vms[0]->counts.cr[c].read + s->vms[0]->counts.cr[c].write;
		assert_int_equal(sum, 7);
		assert_int_equal(codes[i].write ? s->vms[0]->counts.cr[codes[i].cr].write
						: s->vms[0]->counts.cr[codes[i].cr].read,
				 7);
		es_snapshot_unref(s);
		end(0, 6 + i);
		es_snapshot_unref(sample());
	}
	begin(0, 0x1000, 0, 100, 0x73, 7); /* RSM: ends in 3, and is no CR3 */
	s = sample();
	assert_int_equal(s->vms[0]->counts.cr[ES_CR3].read + s->vms[0]->counts.cr[ES_CR3].write, 0);
	es_snapshot_unref(s);
}

static void nested_shadowing_stands_apart(void **state)
{
	struct es_slot *slot = begin(0, 0x1000, 0, 5, CPUID, 1);
	struct es_snapshot *s;

	(void)state;
	loader.measured.events = (1ull << ES_MMU_EVENTS) - 1;
	slot->mmu[ES_MMU_PAGES_CREATED] = 10;
	slot->mmu[ES_MMU_NESTED_CREATED] = 4;
	s = sample();
	assert_int_equal(s->vms[0]->counts.mmu.shadow_pages.created, 10);
	assert_int_equal(s->vms[0]->counts.mmu.nested.created, 4);
	assert_int_equal(s->vms[0]->counts.mmu.nested.s1g, 0);
	assert_true(s->vms[0]->nested);
	es_snapshot_unref(s);
}

/* Without EPT or NPT a guest has none to give its own guests: they share its shadow pages. */
static void under_shadow_paging_nothing_is_nested(void **state)
{
	const struct es_kvm_host shadow = {
		.kvm = true, .isa = ES_ISA_SVM, .vendor = "kvm_amd", .tdp = ES_NO
	};
	struct es_slot *slot = begin(0, 0x1000, 0, 5, CPUID, 1);
	struct es_snapshot *s = NULL;

	(void)state;
	loader.measured.events = (1ull << ES_MMU_EVENTS) - 1;
	slot->mmu[ES_MMU_PAGES_CREATED] = 10;
	slot->mmu[ES_MMU_NESTED_CREATED] = 4;
	slot->mmu_others[ES_MMU_NESTED_ZAPPED] = 1;
	assert_int_equal(es_sampler_sample(sampler, &shadow, false, &s), 0);
	es_sampler_release(sampler);
	assert_int_equal(s->vms[0]->counts.mmu.shadow_pages.created, 14);
	assert_int_equal(s->vms[0]->counts.mmu.shadow_pages.zapped, 1);
	assert_int_equal(s->vms[0]->counts.mmu.nested.created, ES_NONE);
	assert_false(s->vms[0]->nested);
	es_snapshot_unref(s);
}

/* What a kernel does not tell is not shown as 0, nor taken out of the other parts. */
static void waits_may_be_unknown(void **state)
{
	struct es_slot *slot;
	struct es_snapshot *s;

	(void)state;
	loader.waits = false;
	slot = begin(0, 0x1000, 0, 5, CPUID, 1);
	slot->first_ns = slot->born_ns;
	slot->time_ns[ES_STATE_GUEST] = 40;
	s = sample();
	assert_int_equal(s->vms[0]->counts.time.runqueue_ns, ES_NONE);
	assert_int_not_equal(s->vms[0]->counts.time.guest_ns, ES_NONE);
	es_snapshot_unref(s);
}

static void ept_misconfig_is_device_memory(void **state)
{
	struct es_slot *slot = begin(0, 0x1000, 0, 5, 49, 6);
	struct es_snapshot *s;

	(void)state;
	slot->isa = ES_ISA_VMX;
	loader.measured.events = 1ull << ES_MMU_FAULT_MMIO;
	slot->mmu[ES_MMU_FAULT_MMIO] = 2;
	s = sample();
	assert_int_equal(s->vms[0]->counts.mmu.faults.mmio, 8);
	es_snapshot_unref(s);
	/* Looking again is not counting again, not even when the program on the faults is gone. */
	loader.measured.events = 0;
	for (int i = 0; i < 2; i++) {
		slot->seq += 2;
		s = sample();
		assert_int_equal(s->vms[0]->counts.mmu.faults.mmio, 8);
		es_snapshot_unref(s);
	}
}

static void page_faults_of_vmx_are_a_flag(void **state)
{
	struct es_slot *slot = begin(0, 0x1000, 0, 5, 0, 6);
	struct es_snapshot *s;

	(void)state;
	slot->isa = ES_ISA_VMX;
	slot->page_faults = 5;
	s = sample();
	assert_int_equal(es_counts_find(&s->vms[0]->counts, 0)->flags[ES_FLAG_PAGE_FAULT], 5);
	es_snapshot_unref(s);
	for (int i = 0; i < 2; i++) {
		loader.latency = i; /* 0: entries are not watched */
		loader.typed = !i;  /* 1: where KVM keeps it is not known */
		es_sampler_free(sampler);
		sampler = es_sampler_new(&loader, "/proc");
		s = sample();
		assert_int_equal(es_counts_find(&s->vms[0]->counts, 0)->flags[ES_FLAG_PAGE_FAULT], ES_NONE);
		es_snapshot_unref(s);
	}
}

static uint64_t l2_of(const struct es_snapshot *s, enum es_flag flag)
{
	return es_counts_find(&s->vms[0]->counts, CPUID)->flags[flag];
}

static void exits_of_l2_are_flags(void **state)
{
	struct es_slot *slot = begin(0, 0x1000, 0, 5, CPUID, 6);
	struct es_snapshot *s = sample();

	(void)state;
	assert_false(s->vms[0]->nested);
	assert_int_equal(l2_of(s, ES_FLAG_L2), 0);
	es_snapshot_unref(s);
	slot->cells[1].count += 6;
	slot->cells[1].flags[ES_FLAG_L2] = 5;
	slot->cells[1].flags[ES_FLAG_L2_REFLECTED] = 3;
	slot->seq += 2;
	begin(1, 0x1000, 1, 6, CPUID, 2)->cells[1].flags[ES_FLAG_L2] = 1;
	s = sample();
	assert_true(s->vms[0]->nested);
	assert_int_equal(l2_of(s, ES_FLAG_L2), 6);
	assert_int_equal(l2_of(s, ES_FLAG_L2_REFLECTED), 3);
	es_snapshot_unref(s);
}

/* The slot has 32 bits for them: a vCPU's guests may well make more exits. */
static void exits_of_l2_go_round_in_the_slot(void **state)
{
	struct es_slot *slot = begin(0, 0x1000, 0, 5, CPUID, 6);

	(void)state;
	for (uint64_t n = 0; n < 3ull << 32; n += 0x5555555) {
		struct es_snapshot *s;

		slot->cells[1].count = n + 1;
		slot->cells[1].flags[ES_FLAG_L2] = (__u32)n;
		slot->seq += 2;
		s = sample();
		assert_int_equal(l2_of(s, ES_FLAG_L2), n);
		es_snapshot_unref(s);
	}
}

static void exits_of_l2_may_be_unknown(void **state)
{
	struct es_snapshot *s;

	(void)state;
	loader.flags = ~(1u << ES_FLAG_L2_REFLECTED);
	begin(0, 0x1000, 0, 5, CPUID, 6)->cells[1].flags[ES_FLAG_L2] = 2;
	s = sample();
	assert_int_equal(l2_of(s, ES_FLAG_L2), 2);
	assert_int_equal(l2_of(s, ES_FLAG_L2_REFLECTED), ES_NONE);
	es_snapshot_unref(s);
}

static void kvm_without_exits_has_no_total(void **state)
{
	const struct es_kvm_host pvm = { .kvm = true, .pvm = true, .tdp = ES_UNKNOWN };
	struct es_slot *slot = begin(0, 0x1000, 0, 5, CPUID, 0);
	struct es_snapshot *s = NULL;

	(void)state;
	slot->isa = 0;
	slot->cells_used = 1;
	loader.measured.events = 1ull << ES_MMU_SPTES_4K | 1ull << ES_MMU_FAULT_SHADOW;
	loader.measured.cr = true;
	slot->mmu[ES_MMU_SPTES_4K] = 2;
	assert_int_equal(es_sampler_sample(sampler, &pvm, false, &s), 0);
	es_sampler_release(sampler);
	assert_int_equal(es_exits_total(&s->vms[0]->counts), ES_NONE);
	assert_int_equal(es_exits_time_ns(&s->vms[0]->counts), ES_NONE);
	assert_int_equal(s->vms[0]->counts.time.guest_ns, ES_NONE);
	assert_int_equal(s->vms[0]->counts.mmu.faults.shadow, ES_NONE);
	assert_int_equal(s->vms[0]->counts.cr[ES_CR3].read, ES_NONE);
	assert_int_equal(s->vms[0]->counts.mmu.sptes.s4k, 2);
	es_snapshot_unref(s);
	/* Nothing but the MMU tells that it ran. */
	slot->mmu[ES_MMU_SPTES_4K] = 5;
	assert_int_equal(es_sampler_sample(sampler, &pvm, false, &s), 0);
	es_sampler_release(sampler);
	assert_int_equal(s->vms[0]->counts.mmu.sptes.s4k, 5);
	es_snapshot_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(two_vcpus_make_one_vm),
		TEST(ended_vm_is_told_once_and_its_slots_are_free),
		TEST(address_used_again_is_another_vm),
		TEST(born_after_the_look_began_waits_for_the_next),
		TEST(owner_of_a_vanished_process_is_unknown),
		TEST(counts_only_has_no_times),
		TEST(unnamed_codes_are_counted_for_good),
		TEST(without_the_kprobe_vms_end_with_their_process),
		TEST(endless_writer_is_survived),
		TEST(quiet_vm_shares_its_view),
		TEST(vcpus_come_when_asked_for),
		TEST(mmu_of_own_and_other_threads),
		TEST(faults_are_since_first_seen),
		TEST(svm_counts_control_registers_by_code),
		TEST(nested_shadowing_stands_apart),
		TEST(under_shadow_paging_nothing_is_nested),
		TEST(waits_may_be_unknown),
		TEST(ept_misconfig_is_device_memory),
		TEST(page_faults_of_vmx_are_a_flag),
		TEST(exits_of_l2_are_flags),
		TEST(exits_of_l2_go_round_in_the_slot),
		TEST(exits_of_l2_may_be_unknown),
		TEST(kvm_without_exits_has_no_total),
	};

	return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
