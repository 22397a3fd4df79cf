// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs of bpf/kvm_exit.bpf.c, run without KVM: as many times as wanted, over vCPUs that are made up here.
 * What a program reads of a struct kvm_vcpu it reads where the kernel that is running has it. The maps are those
 * of a daemon, given by rate.c.
 */
#include "../../bpf/kvm_exit.bpf.c"

#include "rate.h"

/*
 * A vcpu_svm, the VMCB that it points to, and a struct kvm, which is all zeros. The vCPU lies at a place in its room of
 * which the hint (bpf/slots.h) is wanted: of the multiples of 8 below 2^18, some two have it.
 */
#define VMCB_AT	 24576
#define KVM_AT	 28672
#define ROOM	 (1 << 18)
#define PLACES	 (ROOM / 8)
#define NO_PLACE PLACES
struct guest {
	__u64 place; /* in units of 8 */
	__u8 bytes[ROOM + 32768];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RATE_VCPUS);
	__type(key, __u32);
	__type(value, struct guest);
} guests SEC(".maps");

const __u32 rate_codes[RATE_CODES] = RATE_CODE_LIST;

static __always_inline __u8 *at_place(struct guest *g)
{
	return g->bytes + (g->place & (PLACES - 1)) * 8;
}

static __always_inline __u32 *exit_code_of(struct guest *g)
{
	struct vmcb *vmcb = NULL;
	__u32 at = VMCB_AT;

	if (bpf_core_field_exists(vmcb->control.exit_code))
		at += bpf_core_field_offset(vmcb->control.exit_code);
	return (__u32 *)(at_place(g) + at);
}

/* --- places --- */

struct search {
	__u32 address; /* the low half */
	__u32 hash, place;
};

/* As hint_of(). */
static __always_inline __u32 hash_of(__u32 address)
{
	return address * 0x9e3779b1 >> (32 - HINT_BITS);
}

static int try_place(__u32 i, struct search *s)
{
	if (hash_of(s->address + 8 * i) != s->hash)
		return 0;
	s->place = i;
	return 1;
}

static __always_inline __u32 low_half(const void *p)
{
	register __u64 half asm("r3");

	asm("r3 = %1; w3 = w3" : "=r"(half) : "r"(p));
	return (__u32)half;
}

/* g's vCPU gets a place where it has the same hint as that of other. False: there is none. */
static __always_inline bool clash(struct guest *g, struct guest *other)
{
	struct search s = { .address = low_half(g->bytes), .place = NO_PLACE };

	s.hash = hash_of(low_half(at_place(other)));
	bpf_loop(PLACES, try_place, &s, 0);
	if (s.place == NO_PLACE)
		return false;
	g->place = s.place;
	return hint_of((__u64)at_place(g)) == hint_of((__u64)at_place(other));
}

/* --- for user space to run --- */

/*
 * Makes the vCPU args[0], which is of the VM whose first vCPU is args[1]; args[2]: one that has the hint of vCPU 0, too.
 * 1 if that cannot be had.
 */
SEC("raw_tp")
int make_vcpu(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 at = (__u32)ctx->args[0], first = (__u32)ctx->args[1], zero = 0;
	struct guest *g = bpf_map_lookup_elem(&guests, &at), *f = bpf_map_lookup_elem(&guests, &first),
		     *z = bpf_map_lookup_elem(&guests, &zero);
	struct kvm_vcpu *vcpu;
	struct vcpu_svm *svm;
	struct es_slot *slot;

	if (!g || !f || !z || (ctx->args[2] && !clash(g, z)))
		return 1;
	vcpu = (void *)at_place(g);
	svm = (void *)vcpu;
	vcpu->kvm = (void *)(at_place(f) + KVM_AT);
	vcpu->vcpu_id = (int)(at - first);
	if (bpf_core_field_exists(svm->vmcb)) {
		svm->vmcb = (void *)(at_place(g) + VMCB_AT);
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
	__u64 ctx[1];

	if (!g)
		return 1;
	*exit_code_of(g) = rate_codes[code & (RATE_CODES - 1)];
	on_entry((void *)at_place(g), ISA_SVM);
	ctx[0] = (__u64)at_place(g);
	on_exit(ctx, ISA_SVM, true);
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
