/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few kernel types the programs touch, for CO-RE: member names and kinds
 * count, order and offsets do not. All flavours (___) are here, each with the
 * kernels it is for.
 */
#ifndef EXITSTAT_KVM_TYPES_H
#define EXITSTAT_KVM_TYPES_H

#include <stdbool.h>
#include <linux/types.h>

/* kvm_exit's isa, and EXIT_REASON_EXCEPTION_NMI. */
#define ISA_VMX		  1
#define ISA_SVM		  2
#define VMX_EXCEPTION_NMI 0

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct kvm {
	struct dentry *debugfs_dentry;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct preempt_notifier {
	struct hlist_node link;
};

/* Empty in a kernel without CONFIG_SCHED_INFO. */
struct sched_info {
	unsigned long long run_delay;
	unsigned long long last_arrival;
	unsigned long long last_queued;
};

struct task_struct {
	int pid;
	unsigned int cpu; /* to 5.15 */
	struct task_struct *group_leader;
	char comm[16];
	struct hlist_head preempt_notifiers;
	struct sched_info sched_info;
};

/* Bits of a shadow page: those of interest. */
union kvm_mmu_page_role {
	__u32 word;
	struct {
		unsigned int direct : 1;
		unsigned int guest_mode : 1;
	};
};

/* root_role from 5.18; before, mmu_role. */
struct kvm_mmu {
	union kvm_mmu_page_role root_role;
};

struct kvm_mmu_page {
	union kvm_mmu_page_role role;
	bool tdp_mmu_page;
};

struct kvm_vcpu_arch {
	struct kvm_mmu *mmu;
	struct kvm_mmu guest_mmu;
	__u32 hflags;
	int mp_state;
};

/* From 5.17. */
struct kvm_vcpu_stat_generic {
	__u64 blocking;
};

/* pf_fixed is old, the others came with 5.19. */
struct kvm_vcpu_stat {
	struct kvm_vcpu_stat_generic generic;
	__u64 pf_fixed;
	__u64 pf_fast;
	__u64 pf_spurious;
	__u64 pf_emulate;
};

struct kvm_vcpu {
	struct kvm *kvm;
	struct preempt_notifier preempt_notifier;
	int vcpu_id;
	struct kvm_vcpu_arch arch;
	struct kvm_vcpu_stat stat;
};

/* SVM. exit_code is u32 to 7.1 and u64 from 7.2: the low 32 bits are the code on all of them. */
struct vmcb_control_area {
	__u32 exit_code;
};

struct vmcb {
	struct vmcb_control_area control;
};

struct vcpu_svm {
	struct kvm_vcpu vcpu;
	struct vmcb *vmcb;
};

/* VMX. To 6.15 in vcpu_vmx itself (a u32 before 5.12: not read by CO-RE there). */
union vmx_exit_reason {
	__u32 full;
};

struct vcpu_vmx {
	struct kvm_vcpu vcpu;
	union vmx_exit_reason exit_reason;
	__u32 exit_intr_info;
};

/* From 6.16 in the part that VMX shares with TDX. */
struct vcpu_vt {
	union vmx_exit_reason exit_reason;
	__u32 exit_intr_info;
};

struct vcpu_vmx___vt {
	struct vcpu_vt vt;
};

#pragma clang attribute pop

#endif
