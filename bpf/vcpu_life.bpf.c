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

/* The VM whose first vCPU this was goes with it: KVM destroys all of a VM's vCPUs together. */
static __noinline int forget_vm(struct es_slot *slot, __u32 idx)
{
	__u64 kvm = slot->kvm, *process;
	__u32 tgid = slot->owner;

	bpf_map_delete_elem(&vms, &kvm);
	process = bpf_map_lookup_elem(&processes, &tgid);
	if (!process)
		return 0;
	/* Kernels before 5.12 can add, but not tell the sum. */
	__sync_fetch_and_add(process, -(ES_PROCESS_ONE + idx + 1));
	if (!*process)
		bpf_map_delete_elem(&processes, &tgid);
	return 0;
}

/* A vCPU that is still the one of its slot afterwards was not freed meanwhile. */
static __noinline int read_faults_of(__u32 idx)
{
	struct es_slot *slot = bpf_map_lookup_elem(&slots, &idx);
	__u64 pf[ES_PFS], vcpu;
	__u32 *now;

	if (!slot)
		return 0;
	vcpu = *(volatile __u64 *)&slot->vcpu;
	if (!vcpu)
		return 0;
	__builtin_memcpy(pf, slot->pf, sizeof(pf));
	read_pf(pf, vcpu);
	now = bpf_map_lookup_elem(&vcpus, &vcpu);
	if (!now || *now != idx)
		return 0;
	/* They only grow: what the end of the vCPU wrote meanwhile stands. */
	for (int i = 0; i < ES_PFS; i++) {
		if (pf[i] > slot->pf[i])
			slot->pf[i] = pf[i];
	}
	return 0;
}

/*
 * Run by user space, not by an event: KVM's counters of these vCPUs (their slots plus one, as many as a raw
 * tracepoint has arguments), read when somebody looks and not at each fault.
 */
SEC("raw_tp")
int read_faults(struct bpf_raw_tracepoint_args *ctx)
{
#pragma unroll
	for (int i = 0; i < ES_FAULT_READS; i++)
		read_faults_of((__u32)ctx->args[i] - 1);
	return 0;
}

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

	read_pf(slot->pf, vcpu);
	if (slot->owner)
		forget_vm(slot, idx);
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
