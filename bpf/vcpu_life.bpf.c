// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a vCPU. KVM frees it right after kvm_arch_vcpu_destroy, and its
 * address may belong to another VM a microsecond later, so this must be known in
 * the kernel and at once: user space is too late. A kprobe, because no tracepoint
 * tells; it does not hold kvm.ko, so it stays on while the others are detached.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "maps.h"

SEC("kprobe/kvm_arch_vcpu_destroy")
int vcpu_destroy(struct pt_regs *ctx)
{
	__u64 vcpu = PT_REGS_PARM1(ctx);
	__u32 *found, *of_thread, idx, tid;
	struct es_slot *slot;

	found = bpf_map_lookup_elem(&vcpus, &vcpu);
	if (!found)
		return 0; /* never ran, or found no slot */
	idx = *found;
	bpf_map_delete_elem(&vcpus, &vcpu);
	slot = bpf_map_lookup_elem(&slots, &idx);
	if (!slot || slot->vcpu != vcpu)
		return 0;

	tid = slot->tid;
	of_thread = bpf_map_lookup_elem(&threads, &tid);
	if (of_thread && *of_thread == idx)
		bpf_map_delete_elem(&threads, &tid);

	*(volatile __u64 *)&slot->vcpu = 0;
	*(volatile __u64 *)&slot->ended_ns = bpf_ktime_get_ns();
	announce(ES_EVENT_GONE, idx);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
