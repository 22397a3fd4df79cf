/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two kinds of kernel, and one source for both, which is compiled twice (mk/bpf.mk):
 *
 * KVM_TYPED 1: the types of KVM are known. Modules have them since 5.11 (CONFIG_DEBUG_INFO_BTF_MODULES). Programs are on
 * typed tracepoints and read KVM's structures by CO-RE.
 *
 * KVM_TYPED 0, the objects *_raw: they are not, as on Debian's 5.10. Programs are on raw tracepoints, and know of KVM
 * what a tracepoint's arguments say, and how struct kvm_vcpu begins. The kernel's own types are known there, too; where
 * those happen to hold one of KVM's (Debian's 5.10 has struct kvm_vcpu), what is read by CO-RE if it exists is read.
 *
 * KVM_TYPED is a constant, so neither kind has an instruction of the other. src/loader_types.c chooses.
 */
#ifndef EXITSTAT_COMPAT_H
#define EXITSTAT_COMPAT_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "kvm_types.h"

#ifndef KVM_TYPED
#define KVM_TYPED 1
#endif

#if KVM_TYPED
#define KVM_TP(name) SEC("tp_btf/" #name)
#else
#define KVM_TP(name) SEC("raw_tp/" #name)
#endif

/* --- arguments of tracepoints --- */

/*
 * kvm_exit(exit_reason, vcpu, isa) to 5.14, where raw tracepoints are for; (vcpu, isa) from 5.16 on (commit 0a62a0319abb),
 * and in updates of 5.15.
 */
static __always_inline struct kvm_vcpu *exit_vcpu(const __u64 *ctx)
{
	return (void *)ctx[KVM_TYPED ? 0 : 1];
}

/*
 * The reason as raw tracepoints have it: VMX with the flags above it. Where kvm_exit has but two arguments, the
 * kernel does not attach a program that reads a third one.
 */
static __always_inline bool told_reason(const __u64 *ctx, __u32 isa, __u32 *reason)
{
	*reason = (__u32)ctx[0];
	return (__u32)ctx[2] == isa;
}

/* --- the current thread: its type is known to the verifier from 5.11 on (commit 3ca1032ab7ab) --- */

static __always_inline struct hlist_node *current_notifier(void)
{
	struct task_struct *task;

	if (KVM_TYPED)
		return bpf_get_current_task_btf()->preempt_notifiers.first;
	task = (void *)bpf_get_current_task();
	return BPF_CORE_READ(task, preempt_notifiers.first);
}

/* How long it has waited for a CPU in its life: counted by the kernel as each wait ends. */
static __always_inline __u64 run_delay(void)
{
	struct task_struct *task;

	if (KVM_TYPED) {
		task = bpf_get_current_task_btf();
		return bpf_core_field_exists(task->sched_info.run_delay) ? task->sched_info.run_delay : 0;
	}
	task = (void *)bpf_get_current_task();
	return bpf_core_field_exists(task->sched_info.run_delay) ? BPF_CORE_READ(task, sched_info.run_delay)
								 : 0;
}

/* --- struct kvm_vcpu --- */

/* How it begins, at least from 4.19 to 5.15: kvm, preempt_notifier, cpu, vcpu_id. */
#define RAW_VCPU_NOTIFIER sizeof(void *)
#define RAW_VCPU_CPU	  (RAW_VCPU_NOTIFIER + bpf_core_type_size(struct preempt_notifier))
#define RAW_VCPU_ID	  (RAW_VCPU_CPU + sizeof(int))
#define RAW_VCPU_ID_MAX	  65535 /* far more than KVM allows */

static __always_inline __u32 raw_vcpu_int(__u64 vcpu, __u64 offset)
{
	__u32 v = ~0u;

	bpf_probe_read_kernel(&v, sizeof(v), (void *)(vcpu + offset));
	return v;
}

/* The vCPU that the current thread has loaded: KVM hangs its preempt notifier on the task. */
static __always_inline __u64 current_vcpu(void)
{
	struct hlist_node *first = current_notifier();
	__u64 offset =
		KVM_TYPED ? bpf_core_field_offset(struct kvm_vcpu, preempt_notifier) : RAW_VCPU_NOTIFIER;

	if (!first)
		return 0;
	return (__u64)first - offset - bpf_core_field_offset(struct preempt_notifier, link);
}

/* kvm_page_fault(vcpu, address, error code); raw tracepoints are for kernels where it does not name the vCPU. */
static __always_inline struct kvm_vcpu *fault_vcpu(const __u64 *ctx)
{
	return KVM_TYPED ? (struct kvm_vcpu *)ctx[0] : (struct kvm_vcpu *)current_vcpu();
}

static __always_inline __u64 fault_error_code(const __u64 *ctx)
{
	return KVM_TYPED ? ctx[2] : (__u32)ctx[1];
}

static __always_inline __u64 vcpu_vm(__u64 vcpu)
{
	__u64 kvm = 0;

	if (KVM_TYPED)
		return (__u64)BPF_CORE_READ((struct kvm_vcpu *)vcpu, kvm);
	bpf_probe_read_kernel(&kvm, sizeof(kvm), (void *)vcpu);
	return kvm;
}

static __always_inline __u32 vcpu_number(__u64 vcpu)
{
	return KVM_TYPED ? (__u32)BPF_CORE_READ((struct kvm_vcpu *)vcpu, vcpu_id)
			 : raw_vcpu_int(vcpu, RAW_VCPU_ID);
}

/*
 * Does a vCPU begin as said above? Its notifier is the one that the thread has hung up, and it names the thread's CPU.
 * Asked in one of its own events, before anything is counted for it.
 */
static __always_inline bool vcpu_is_understood(__u64 vcpu)
{
	struct task_struct *task;

	if (KVM_TYPED)
		return true;
	task = (void *)bpf_get_current_task();
	return bpf_core_field_exists(task->cpu) && vcpu == current_vcpu() && vcpu_vm(vcpu) &&
	       raw_vcpu_int(vcpu, RAW_VCPU_CPU) == BPF_CORE_READ(task, cpu) &&
	       vcpu_number(vcpu) <= RAW_VCPU_ID_MAX;
}

#endif
