// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs of bpf/kvm_exit.bpf.c, run without KVM: as many times as wanted, over vCPUs that are made up here.
 * What a program reads of a struct kvm_vcpu it reads where the kernel that is running has it. The maps are those
 * of a daemon, given by rate.c.
 */
#include "../../bpf/kvm_exit.bpf.c"

#include "rate.h"

/* A vcpu_svm, the VMCB that it points to, and a struct kvm, which is all zeros. */
#define VMCB_AT 24576
#define KVM_AT	28672
struct guest {
	__u8 bytes[32768];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RATE_VCPUS);
	__type(key, __u32);
	__type(value, struct guest);
} guests SEC(".maps");

const __u32 rate_codes[RATE_CODES] = RATE_CODE_LIST;

static __always_inline __u32 *exit_code_of(struct guest *g)
{
	struct vmcb *vmcb = NULL;
	__u32 at = VMCB_AT;

	if (bpf_core_field_exists(vmcb->control.exit_code))
		at += bpf_core_field_offset(vmcb->control.exit_code);
	return (__u32 *)&g->bytes[at];
}

/* Makes the vCPU args[0], which is of the VM whose first vCPU is args[1]. */
SEC("raw_tp")
int make_vcpu(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 at = (__u32)ctx->args[0], first = (__u32)ctx->args[1];
	struct guest *g = bpf_map_lookup_elem(&guests, &at), *f = bpf_map_lookup_elem(&guests, &first);
	struct kvm_vcpu *vcpu = (void *)g;
	struct vcpu_svm *svm = (void *)g;
	struct es_slot *slot;

	if (!g || !f)
		return 0;
	vcpu->kvm = (void *)&f->bytes[KVM_AT];
	vcpu->vcpu_id = (int)(at - first);
	if (bpf_core_field_exists(svm->vmcb)) {
		svm->vmcb = (void *)&g->bytes[VMCB_AT];
		return 0;
	}
	/* No kvm_amd to know the place from: as if it had been found before. */
	slot = slot_of(vcpu);
	if (slot) {
		slot->code_at = (__u64)exit_code_of(g);
		slot->hflags = vcpu->arch.hflags;
	}
	return 0;
}

struct run {
	__u64 from;
	__u32 vcpus;
};

/* Which vCPU and why, see rate_vcpu() and rate_code() in rate.h. */
static int enter_and_exit(__u32 i, struct run *run)
{
	__u32 at = rate_vcpu(run->from + i, run->vcpus), code = rate_code(run->from + i);
	struct guest *g = bpf_map_lookup_elem(&guests, &at);

	if (!g)
		return 1;
	*exit_code_of(g) = rate_codes[code & (RATE_CODES - 1)];
	on_entry((void *)g, ISA_SVM);
	on_exit((void *)g, ISA_SVM, true);
	return 0;
}

/* Enters and exits args[2] times, the first being number args[0], on args[1] vCPUs. */
SEC("raw_tp")
int drive(struct bpf_raw_tracepoint_args *ctx)
{
	struct run run = { .from = ctx->args[0], .vcpus = (__u32)ctx->args[1] };

	bpf_loop((__u32)ctx->args[2], enter_and_exit, &run, 0);
	return 0;
}
