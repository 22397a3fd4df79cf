// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest (L1) that runs guests itself (L2): which exits are L2's, and which of those KVM hands on to L1's own hypervisor.
 *
 * Both events come while the exit is handled that kvm_exit has just told of, in the thread that runs the vCPU, and for
 * no guest without guests. The exit is counted already: here it only gets flags.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "compat.h"
#include "maps.h"
#include "nested.h"
#include "slots.h"

/* Without the hint of slots.h, which would be a map more: what comes is dear anyway. */
static __always_inline struct es_slot *slot_at(__u64 vcpu)
{
	__u32 *found = bpf_map_lookup_elem(&vcpus, &vcpu);

	return found ? bpf_map_lookup_elem(&slots, found) : NULL;
}

/* Another number for the vCPU's next exit, whatever its reason. */
static __always_inline __u64 exit_id(const struct es_slot *slot, __u32 cell)
{
	return slot->cells[cell].count << 8 | cell;
}

/* Its arguments are those of kvm_exit. */
KVM_TP(kvm_nested_vmexit)
int kvm_nested_vmexit(__u64 *ctx)
{
	struct kvm_vcpu *vcpu = exit_vcpu(ctx);
	struct es_slot *slot;
	__u32 cell;

	if (!vcpu)
		return 0;
	slot = slot_at((__u64)vcpu);
	if (!slot)
		return 0; /* there was no room for it, as kvm_exit has counted */
	cell = slot->cell;
	if (cell == ES_CELL_NONE || cell >= ES_CELLS) {
		count_health(ES_HEALTH_NO_EXIT);
		return 0;
	}
	write_begin(slot);
	slot->cells[cell].flags[ES_FLAG_L2]++;
	slot->l2_exit = exit_id(slot, cell);
	write_end(slot);
	return 0;
}

/*
 * L1 gets an exit: the one that is handled, or one that KVM makes up, as for an interrupt that L1 waits for. It may come a
 * while after kvm_nested_vmexit, by way of user space even, but before the next exit.
 */
KVM_TP(kvm_nested_vmexit_inject)
int BPF_PROG(kvm_nested_vmexit_inject, __u32 code, __u64 info1, __u64 info2, __u32 int_info, __u32 int_error,
	     __u32 isa)
{
	struct es_slot *slot = slot_at(current_vcpu());
	__u32 cell;

	if (!slot)
		return 0;
	cell = slot->cell;
	if (cell >= ES_CELLS || !slot->l2_exit || slot->l2_exit != exit_id(slot, cell))
		return 0;
	write_begin(slot);
	slot->l2_exit = 0;
	if (is_reflection(isa == ISA_VMX, slot->cells[cell].code, code))
		slot->cells[cell].flags[ES_FLAG_L2_REFLECTED]++;
	write_end(slot);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
