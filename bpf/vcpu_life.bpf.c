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
#include <bpf/bpf_core_read.h>

#include "kvm_types.h"
#include "maps.h"

#define KVM_MP_STATE_HALTED 3 /* of the kernel's KVM_GET_MP_STATE interface */

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

/* What became of the vCPU's thread since the slot was written last. Any of it may be gone by now. */
struct look {
	__u64 wait_ns;
	__u32 seq;
	__u8 queued, halted;
};

static __noinline int look_at_thread(struct es_slot *slot, struct look *look)
{
	struct task_struct *task = (void *)slot->task, *me = (void *)bpf_get_current_task();
	__u64 now, delay, queued;

	if (!bpf_core_field_exists(me->sched_info.run_delay) || BPF_CORE_READ(task, pid) != (int)slot->tid)
		return 0;
	/* As of when this thread got its CPU, which was just now. */
	now = BPF_CORE_READ(me, sched_info.last_arrival);
	delay = BPF_CORE_READ(task, sched_info.run_delay);
	queued = BPF_CORE_READ(task, sched_info.last_queued);
	if (delay > slot->run_delay_ns)
		look->wait_ns = delay - slot->run_delay_ns;
	look->queued = queued != 0;
	if (queued && now > queued)
		look->wait_ns += now - queued;
	return 0;
}

static __noinline int look_at_halt(__u64 vcpu, struct look *look)
{
	__u32 key = 0, mp_state = 0;
	const struct es_kvm_layout *l = bpf_map_lookup_elem(&layout, &key);
	__u64 blocking = 0;

	if (!l || !l->blocking || !l->mp_state)
		return 0;
	bpf_probe_read_kernel(&blocking, sizeof(blocking), (void *)(vcpu + l->blocking));
	bpf_probe_read_kernel(&mp_state, sizeof(mp_state), (void *)(vcpu + l->mp_state));
	look->halted = blocking && mp_state == KVM_MP_STATE_HALTED;
	return 0;
}

/* A vCPU that is still the one of its slot afterwards was not freed meanwhile. */
static __noinline int read_thread(__u32 idx)
{
	struct es_slot *slot = bpf_map_lookup_elem(&slots, &idx);
	struct look look = { 0 };
	__u64 pf[ES_PFS], vcpu;
	__u32 *now;

	if (!slot)
		return 0;
	vcpu = *(volatile __u64 *)&slot->vcpu;
	if (!vcpu)
		return 0;
	look.seq = *(volatile __u32 *)&slot->seq;
	__builtin_memcpy(pf, slot->pf, sizeof(pf));
	read_pf(pf, vcpu);
	look_at_halt(vcpu, &look);
	look_at_thread(slot, &look);
	now = bpf_map_lookup_elem(&vcpus, &vcpu);
	if (!now || *now != idx)
		return 0;
	/* They only grow: what the end of the vCPU wrote meanwhile stands. */
	for (int i = 0; i < ES_PFS; i++) {
		if (pf[i] > slot->pf[i])
			slot->pf[i] = pf[i];
	}
	slot->look_wait_ns = look.wait_ns;
	slot->look_queued = look.queued;
	slot->look_halted = look.halted;
	slot->look_seq = look.seq;
	return 0;
}

/*
 * Run by user space, not by an event: KVM's counters of these vCPUs (their slots plus one, as many as a raw
 * tracepoint has arguments) and what their threads do, read when somebody looks and not at each event.
 */
SEC("raw_tp")
int read_threads(struct bpf_raw_tracepoint_args *ctx)
{
#pragma unroll
	for (int i = 0; i < ES_THREAD_READS; i++)
		read_thread((__u32)ctx->args[i] - 1);
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
