// SPDX-License-Identifier: GPL-2.0-only
/*
 * What address translation makes KVM do: page faults, shadow pages, SPTEs, walks of the
 * guest's tables, and the guest's accesses to control registers.
 *
 * One program a tracepoint; user space leaves out those whose tracepoint this kernel
 * has not, and those that are not asked for. An event belongs to the vCPU that the
 * current thread has loaded, else to the only VM of the current process, else to nobody
 * (mmu_strays): kernel threads zap pages, too, and most events name no VM.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "compat.h"
#include "maps.h"
#include "slots.h"

/* Exit codes that bring page faults, and the error code's bit for KVM's marks of device memory. */
#define SVM_EXCP_PF 0x4e
#define SVM_NPF	    0x400
#define PFERR_RSVD  (1 << 3)

/* SPTE levels, as the kernel's enum pg_level. */
#define LEVEL_4K 1
#define LEVEL_1G 3

static __always_inline void count_stray(__u32 event)
{
	__u64 *v = bpf_map_lookup_elem(&mmu_strays, &event);

	if (v)
		__sync_fetch_and_add(v, 1);
}

/* The compiler may know that event fits; the verifier wants to see it. */
static __always_inline void add_one(__u64 *counters, __u32 n, __u32 event)
{
	barrier_var(event);
	if (event < n)
		counters[event]++;
}

/* For a VM, by a thread that need not be a vCPU's: idx is the slot that stands for the VM. */
static __always_inline bool count_other(__u32 idx, __u32 event)
{
	struct es_slot *slot = bpf_map_lookup_elem(&slots, &idx);

	barrier_var(event); /* as in add_one() */
	if (!slot || !slot->owner || event >= ES_MMU_EVENTS)
		return false;
	__sync_fetch_and_add(&slot->mmu_others[event], 1);
	__sync_fetch_and_add(&slot->others, 1);
	if (slot->parked_others) {
		slot->parked_others = 0;
		announce(ES_EVENT_BUSY, idx);
	}
	return true;
}

/* For the only VM of the current process. */
static __noinline int count_process(__u32 event)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 *process = bpf_map_lookup_elem(&processes, &tgid);
	__u64 all = process ? *process : 0;

	if (all / ES_PROCESS_ONE != 1 || !count_other((__u32)all - 1, event))
		count_stray(event);
	return 0;
}

/* For the vCPU that the current thread has loaded, else for its process' VM. */
static __always_inline void count(__u32 event)
{
	__u64 vcpu;
	struct es_slot *slot = slot_of_current(&vcpu);

	if (slot)
		add_one(slot->mmu, ES_MMU_EVENTS, event);
	else
		count_process(event);
}

/*
 * Is the vCPU's page table of the moment a shadow of what a nested hypervisor keeps in its
 * EPT or NPT? KVM has an MMU of its own for that (guest_mmu).
 */
static __always_inline bool shadows_nested(__u64 vcpu, __u64 mmu)
{
	struct kvm_mmu *m = (void *)mmu;

	if (!KVM_TYPED || mmu != vcpu + bpf_core_field_offset(struct kvm_vcpu, arch.guest_mmu))
		return false;
	if (!bpf_core_field_exists(m->root_role))
		return false;
	return !BPF_CORE_READ_BITFIELD_PROBED(m, root_role.direct);
}

/* As count(); nested is the event's twin for a vCPU that shadows a nested hypervisor's tables. */
static __always_inline void count_by_mmu(__u32 event, __u32 nested)
{
	__u64 vcpu, mmu = 0;
	struct es_slot *slot = slot_of_current(&vcpu);

	if (!slot) {
		count_process(event);
		return;
	}
	if (KVM_TYPED)
		bpf_core_read(&mmu, sizeof(mmu), &((struct kvm_vcpu *)vcpu)->arch.mmu);
	if (shadows_nested(vcpu, mmu))
		event = nested;
	add_one(slot->mmu, ES_MMU_EVENTS, event);
}

/* As count(); a shadow page itself says what it is for. The TDP MMU's pages shadow nothing. */
static __always_inline void count_by_page(struct kvm_mmu_page *sp, __u32 event, __u32 nested)
{
	bool tdp = false;

	if (!sp) /* never; but the verifier of 6.12 and newer asks */
		return;
	if (KVM_TYPED && bpf_core_field_exists(sp->tdp_mmu_page))
		tdp = sp->tdp_mmu_page;
	if (KVM_TYPED && !tdp && BPF_CORE_READ_BITFIELD_PROBED(sp, role.guest_mode))
		event = nested;
	count(event);
}

/*
 * The fault's arguments mean one thing after an EPT violation and another under shadow
 * paging, so the exit that brought it tells. It was counted just before, on this thread.
 */
KVM_TP(kvm_page_fault)
int kvm_page_fault(__u64 *ctx)
{
	struct kvm_vcpu *vcpu = fault_vcpu(ctx);
	__u64 error_code = fault_error_code(ctx);
	__u32 event = ES_MMU_FAULT_TDP, code, cell;
	struct es_slot *slot;

	if (!vcpu)
		return 0;
	slot = slot_of(vcpu);
	if (!slot)
		return 0;
	cell = slot->cell;
	if (cell == ES_CELL_NONE || cell >= ES_CELLS) {
		count_health(ES_HEALTH_NO_EXIT);
		return 0;
	}
	code = slot->cells[cell].code;
	if (code == (slot->isa == ISA_VMX ? VMX_EXCEPTION_NMI : SVM_EXCP_PF))
		event = ES_MMU_FAULT_SHADOW;
	/* An EPT violation's qualification has no such bit: device memory is EPT_MISCONFIG there. */
	if ((event == ES_MMU_FAULT_SHADOW || (slot->isa != ISA_VMX && code == SVM_NPF)) &&
	    error_code & PFERR_RSVD)
		event = ES_MMU_FAULT_MMIO;
	else if (KVM_TYPED && shadows_nested((__u64)vcpu, (__u64)vcpu->arch.mmu))
		event = ES_MMU_NESTED_FAULTS;
	add_one(slot->mmu, ES_MMU_EVENTS, event);
	return 0;
}

KVM_TP(kvm_cr)
int BPF_PROG(kvm_cr, unsigned int write, unsigned int cr)
{
	__u64 vcpu;
	struct es_slot *slot = slot_of_current(&vcpu);
	__u32 at;

	if (!slot) {
		count_health(ES_HEALTH_UNATTRIBUTED);
		return 0;
	}
	at = cr == 0 ? 0 : cr == 3 ? 1 : cr == 4 ? 2 : cr == 8 ? 3 : ES_CR_REGS;
	if (at < ES_CR_REGS)
		add_one(slot->cr, 2 * ES_CR_REGS, at + (write ? ES_CR_REGS : 0));
	return 0;
}

KVM_TP(kvm_mmu_get_page)
int BPF_PROG(kvm_mmu_get_page, struct kvm_mmu_page *sp, bool created)
{
	if (created)
		count_by_page(sp, ES_MMU_PAGES_CREATED, ES_MMU_NESTED_CREATED);
	else
		count_by_page(sp, ES_MMU_PAGES_REUSED, ES_MMU_NESTED_REUSED);
	return 0;
}

KVM_TP(kvm_mmu_sync_page)
int BPF_PROG(kvm_mmu_sync_page, struct kvm_mmu_page *sp)
{
	count_by_page(sp, ES_MMU_PAGES_SYNCED, ES_MMU_NESTED_SYNCED);
	return 0;
}

KVM_TP(kvm_mmu_unsync_page)
int BPF_PROG(kvm_mmu_unsync_page, struct kvm_mmu_page *sp)
{
	count_by_page(sp, ES_MMU_PAGES_UNSYNCED, ES_MMU_NESTED_UNSYNCED);
	return 0;
}

KVM_TP(kvm_mmu_prepare_zap_page)
int BPF_PROG(kvm_mmu_prepare_zap_page, struct kvm_mmu_page *sp)
{
	count_by_page(sp, ES_MMU_PAGES_ZAPPED, ES_MMU_NESTED_ZAPPED);
	return 0;
}

KVM_TP(kvm_mmu_set_spte)
int BPF_PROG(kvm_mmu_set_spte, int level)
{
	__u32 size = level - LEVEL_4K;

	if (size <= LEVEL_1G - LEVEL_4K)
		count_by_mmu(ES_MMU_SPTES_4K + size, ES_MMU_NESTED_4K + size);
	return 0;
}

/* Names its VM. */
KVM_TP(kvm_mmu_zap_all_fast)
int BPF_PROG(kvm_mmu_zap_all_fast, struct kvm *kvm)
{
	__u64 vm = (__u64)kvm;
	__u32 *idx = bpf_map_lookup_elem(&vms, &vm);

	if (!idx || !count_other(*idx, ES_MMU_ZAP_ALL))
		count_stray(ES_MMU_ZAP_ALL);
	return 0;
}

KVM_TP(kvm_mmu_split_huge_page)
int BPF_PROG(kvm_mmu_split_huge_page, __u64 gfn, __u64 spte, int level, int error)
{
	if (!error)
		count(ES_MMU_HUGE_SPLITS);
	return 0;
}

/*
 * --mmu full: each comes once a fault or more often, and says little that the others do not. Walks come for
 * each instruction that KVM emulates, too, if only to skip it on a CPU that does not save the next RIP.
 */

KVM_TP(kvm_mmu_pagetable_walk)
int BPF_PROG(kvm_mmu_pagetable_walk)
{
	count_by_mmu(ES_MMU_GUEST_WALKS, ES_MMU_NESTED_GUEST_WALKS);
	return 0;
}

KVM_TP(kvm_mmu_spte_requested)
int BPF_PROG(kvm_mmu_spte_requested)
{
	count(ES_MMU_SPTE_REQUESTS);
	return 0;
}

KVM_TP(kvm_tdp_mmu_spte_changed)
int BPF_PROG(kvm_tdp_mmu_spte_changed)
{
	count(ES_MMU_TDP_CHANGES);
	return 0;
}

KVM_TP(fast_page_fault)
int BPF_PROG(fast_page_fault)
{
	count(ES_MMU_FAST_ATTEMPTS);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
