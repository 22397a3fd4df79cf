/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps. The first object (vcpu_life) creates them, the others are given the
 * same ones by the loader, so that programs can be replaced and counts stay.
 * max_entries of those with 1 here is set by the loader.
 */
#ifndef EXITSTAT_MAPS_H
#define EXITSTAT_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include <exitstat/abi.h>

/* The slots: see abi.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct es_slot);
} slots SEC(".maps");

/* struct kvm_vcpu * of a living vCPU -> its slot. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u32);
} vcpus SEC(".maps");

/* Thread -> slot of the vCPU it ran last: for events after the vCPU was put. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} threads SEC(".maps");

/* struct kvm * of a living VM -> the slot of its first vCPU, which stands for the VM. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u32);
} vms SEC(".maps");

/*
 * Process -> its VMs: how many, above, and the sum of their slots (each plus one), below, in one
 * number, so that both change at once. Of a process with one VM the sum is that VM's slot.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct es_kvm_layout);
} layout SEC(".maps");

/* MMU events that belong to no VM known, by enum es_mmu_event. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ES_MMU_EVENTS);
	__type(key, __u32);
	__type(value, __u64);
} mmu_strays SEC(".maps");

/* Slots nobody uses; filled by user space, which alone can tell when the last read was. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 1);
	__type(value, __u32);
} free_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ES_HEALTH_MAX);
	__type(key, __u32);
	__type(value, __u64);
} health SEC(".maps");

static __always_inline void count_health(__u32 which)
{
	__u64 *v = bpf_map_lookup_elem(&health, &which);

	if (v)
		__sync_fetch_and_add(v, 1);
}

/* KVM's own counters of how page faults ended; left alone where they are not known. */
static __always_inline void read_pf(__u64 *pf, __u64 vcpu)
{
	__u32 key = 0;
	const struct es_kvm_layout *l = bpf_map_lookup_elem(&layout, &key);

	for (int i = 0; l && i < ES_PFS; i++) {
		if (l->pf[i])
			bpf_probe_read_kernel(&pf[i], sizeof(pf[i]), (void *)(vcpu + l->pf[i]));
	}
}

/*
 * The slots tell all. That a slot is busy can wait for the next sample; the others wake user space, which by
 * default the kernel does only for a reader that has read all before: not when some slot is busy already.
 */
static __noinline int announce(__u32 type, __u32 slot)
{
	struct es_event ev = { .type = type, .slot = slot };

	if (bpf_ringbuf_output(&events, &ev, sizeof(ev),
			       type == ES_EVENT_BUSY ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP))
		count_health(ES_HEALTH_RING_FULL);
	return 0;
}

#endif
