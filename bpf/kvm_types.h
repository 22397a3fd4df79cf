/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few kernel types the programs touch, for CO-RE: member names and kinds
 * count, order and offsets do not. All flavours (___) are here, each with the
 * kernels it is for.
 */
#ifndef EXITSTAT_KVM_TYPES_H
#define EXITSTAT_KVM_TYPES_H

#include <linux/types.h>

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

struct task_struct {
	struct task_struct *group_leader;
	char comm[16];
	struct hlist_head preempt_notifiers;
};

struct kvm_vcpu {
	struct kvm *kvm;
	struct preempt_notifier preempt_notifier;
	int vcpu_id;
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
};

/* From 6.16 in the part that VMX shares with TDX. */
struct vcpu_vt {
	union vmx_exit_reason exit_reason;
};

struct vcpu_vmx___vt {
	struct vcpu_vt vt;
};

#pragma clang attribute pop

#endif
