/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which slot an event belongs to: that of the vCPU it names, or of the one that the
 * current thread has loaded; a vCPU never seen before takes a new one.
 */
#ifndef EXITSTAT_SLOTS_H
#define EXITSTAT_SLOTS_H

#include <stdbool.h>
#include <bpf/bpf_core_read.h>

#include "compat.h"
#include "maps.h"

#define NO_SLOT	  (-1)
#define NO_CODE	  0xfffffffe /* SVM's last code but one, for software: no exit has it */
#define MAX_ERRNO 4095	     /* the kernel's: pointers beyond -MAX_ERRNO are errors */

/*
 * Slot of a vCPU, by a hash of its address. A hint only: whoever uses it compares slot->vcpu, since the
 * vCPU may be gone, or another one have the same hash (then they take the slow way in turns).
 */
#define HINT_BITS 14
static __u32 slot_hint[1 << HINT_BITS];

static __always_inline __u32 *hint_of(__u64 vcpu)
{
	register __u64 h asm("r3");

	/* The verifier lets no pointer be multiplied; half of one is just a number. 2^32 / golden ratio. */
	asm("r3 = %1; w3 = w3; w3 *= 0x9e3779b1" : "=r"(h) : "r"(vcpu));
	return &slot_hint[(__u32)h >> (32 - HINT_BITS)];
}

/* A reader that meets an odd seq, or another one after than before, reads again. */
static __always_inline void write_begin(struct es_slot *slot)
{
	(*(volatile __u32 *)&slot->seq)++;
	barrier();
}

static __always_inline void write_end(struct es_slot *slot)
{
	barrier();
	(*(volatile __u32 *)&slot->seq)++;
}

/*
 * Remember who runs this vCPU now; a vCPU changes threads only by way of user space. What another thread
 * waited before it came to this vCPU is not the vCPU's. The entry of a thread that ran it before stays: that thread may
 * be about to change it itself, and who reads one compares slot->tid. User space takes out those of threads that are gone.
 */
static __noinline int note_thread(struct es_slot *slot, __u32 idx)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 tid = (__u32)pid_tgid, old = slot->tid, *of_tid;

	of_tid = bpf_map_lookup_elem(&threads, &tid);
	if (old == tid && of_tid && *of_tid == idx)
		return 0;
	if (old && old != tid)
		count_health(ES_HEALTH_THREAD_MOVES);
	slot->tid = tid;
	slot->tgid = pid_tgid >> 32;
	slot->task = bpf_get_current_task();
	slot->run_delay_ns = run_delay();
	if (bpf_map_update_elem(&threads, &tid, &idx, BPF_ANY))
		count_health(ES_HEALTH_UNATTRIBUTED); /* its returns from KVM_RUN will be */
	return 0;
}

/*
 * The VM's folder in debugfs, by its own word: one process may have many VMs. KVM leaves NULL or an
 * error there when it made none.
 */
static __noinline int note_debugfs(struct es_slot *slot, __u64 vm)
{
	const struct kvm *kvm = (void *)vm;
	const unsigned char *name = NULL;
	struct dentry *dir = NULL;

	if (!bpf_core_field_exists(kvm->debugfs_dentry))
		return 0;
	if (bpf_core_read(&dir, sizeof(dir), &kvm->debugfs_dentry))
		return 0;
	if (!dir || (__u64)dir >= (__u64)-MAX_ERRNO)
		return 0;
	if (bpf_core_read(&name, sizeof(name), &dir->d_name.name))
		return 0;
	bpf_probe_read_kernel_str(slot->debugfs, sizeof(slot->debugfs), name);
	return 0;
}

/* The first slot of a VM stands for it, in vms and among the VMs of its process. */
static __noinline int note_vm(struct es_slot *slot, __u64 vm, __u32 idx)
{
	__u64 one = ES_PROCESS_ONE + idx + 1, *process;
	__u32 tgid = slot->tgid;

	if (bpf_map_update_elem(&vms, &vm, &idx, BPF_NOEXIST))
		return 0; /* another vCPU's does */
	process = bpf_map_lookup_elem(&processes, &tgid);
	if (process) {
		__sync_fetch_and_add(process, one);
	} else if (bpf_map_update_elem(&processes, &tgid, &one, BPF_NOEXIST)) {
		process = bpf_map_lookup_elem(&processes, &tgid);
		if (!process)
			return 0;
		__sync_fetch_and_add(process, one);
	}
	slot->owner = tgid;
	return 0;
}

/* Takes a free slot for a vCPU never seen before. */
static __noinline int slot_new(__u64 vcpu)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 kvm = vcpu_vm(vcpu);
	struct es_slot *slot;
	__u32 idx;

	if (!vcpu_is_understood(vcpu)) {
		count_health(ES_HEALTH_LAYOUT);
		return NO_SLOT;
	}
	if (bpf_map_pop_elem(&free_slots, &idx))
		goto dropped;
	slot = bpf_map_lookup_elem(&slots, &idx);
	if (!slot)
		goto dropped;
	if (bpf_map_update_elem(&vcpus, &vcpu, &idx, BPF_NOEXIST)) {
		bpf_map_push_elem(&free_slots, &idx, 0);
		goto dropped;
	}
	slot->kvm = kvm;
	slot->vcpu_id = vcpu_number(vcpu);
	slot->index = idx;
	slot->hflags = ~0u; /* KVM never has them all */
	BPF_CORE_READ_INTO(&slot->comm, task, group_leader, comm);
	note_debugfs(slot, kvm);
	slot->cells_used = ES_CELL_NONE + 1;
	slot->cells[ES_CELL_NONE].code = NO_CODE;
	slot->born_ns = bpf_ktime_get_ns();
	note_thread(slot, idx);
	note_vm(slot, kvm, idx);
	read_pf(slot->pf_born, vcpu);
	__builtin_memcpy(slot->pf, slot->pf_born, sizeof(slot->pf));
	*(volatile __u64 *)&slot->vcpu = vcpu;
	announce(ES_EVENT_NEW, idx);
	return idx;
dropped:
	count_health(ES_HEALTH_DROPPED);
	return NO_SLOT;
}

/* The slow way to a slot: the hint was for another vCPU, or this one is new. */
static __noinline int slot_find(__u64 vcpu)
{
	__u32 *found = bpf_map_lookup_elem(&vcpus, &vcpu);
	int idx = found ? (int)*found : slot_new(vcpu);

	if (idx != NO_SLOT)
		*hint_of(vcpu) = idx;
	return idx;
}

/* The slot that the hint names, NULL if it is another vCPU's. */
static __always_inline struct es_slot *slot_hinted(__u64 vcpu)
{
	struct es_slot *slot = bpf_map_lookup_elem(&slots, hint_of(vcpu));

	return slot && slot->vcpu == vcpu ? slot : NULL;
}

static __always_inline struct es_slot *slot_of(struct kvm_vcpu *vcpu)
{
	struct es_slot *slot = slot_hinted((__u64)vcpu);
	int found;

	if (slot)
		return slot;
	found = slot_find((__u64)vcpu);
	return found == NO_SLOT ? NULL : bpf_map_lookup_elem(&slots, &found);
}

/* The slot of a vCPU that was seen before, NULL if it was not. */
static __always_inline struct es_slot *slot_known(__u64 vcpu)
{
	struct es_slot *slot = slot_hinted(vcpu);
	__u32 *found;

	if (slot)
		return slot;
	found = bpf_map_lookup_elem(&vcpus, &vcpu);
	slot = found ? bpf_map_lookup_elem(&slots, found) : NULL;
	return slot && slot->vcpu == vcpu ? slot : NULL;
}

/* The slot of the vCPU that the current thread has loaded, NULL if it has none. */
static __always_inline struct es_slot *slot_of_current(__u64 *vcpu)
{
	struct es_slot *slot;
	int found;

	*vcpu = current_vcpu();
	if (!*vcpu)
		return NULL;
	slot = slot_hinted(*vcpu);
	if (slot)
		return slot;
	found = slot_find(*vcpu);
	return found == NO_SLOT ? NULL : bpf_map_lookup_elem(&slots, &found);
}

#endif
