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

/* The slots tell all; the event only saves user space the wait for its next look. */
static __always_inline void announce(__u32 type, __u32 slot)
{
	struct es_event ev = { .type = type, .slot = slot };

	if (bpf_ringbuf_output(&events, &ev, sizeof(ev), 0))
		count_health(ES_HEALTH_RING_FULL);
}

#endif
