// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm_exit and kvm_entry: why a vCPU left the guest, how often, for how long.
 *
 * Nothing is sent anywhere: a pair of events is a few additions to the vCPU's own
 * slot. Two clock reads a pair; in counts-only mode none, and kvm_entry is not
 * attached at all.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "kvm_types.h"
#include "maps.h"
#include "slots.h"

#define VMX_HLT 12   /* EXIT_REASON_HLT */
#define SVM_HLT 0x78 /* SVM_EXIT_HLT */

const volatile bool latency = true;

/* log2 of a byte, and 0 for 0. */
#define L1(n)	n
#define L2(n)	n, n
#define L4(n)	L2(n), L2(n)
#define L8(n)	L4(n), L4(n)
#define L16(n)	L8(n), L8(n)
#define L32(n)	L16(n), L16(n)
#define L64(n)	L32(n), L32(n)
#define L128(n) L64(n), L64(n)
const __u8 log2_byte[256] = { 0, L1(1), L2(2), L4(3), L8(4), L16(5), L32(6), L64(7), L128(8) };

/* Bucket of a time, see abi.h. By a byte table: branches over 64 bits cost a hundred instructions. */
static __always_inline __u32 bucket_of(__u64 ns)
{
	__u64 x = ns >> ES_HIST_SHIFT;
	__u32 base = 0;

	if (x > 0xffff) {
		if (x >> (ES_HIST_BUCKETS - 2))
			return ES_HIST_BUCKETS - 1;
		x >>= 16;
		base = 16;
	}
	if (x > 0xff) {
		x >>= 8;
		base += 8;
	}
	return base + log2_byte[x & 0xff];
}

/* Gives the exit's code a cell: a code this vCPU had not before, or two codes that share a table entry. */
static __noinline int cell_find(struct es_slot *slot, __u32 code, __u32 at)
{
	__u32 i, used = slot->cells_used;

	for (i = ES_CELL_NONE + 1; i < ES_CELLS; i++) {
		if (i >= used)
			break;
		if (slot->cells[i].code == code)
			return i;
	}
	if (used <= ES_CELL_NONE || used >= ES_CELLS) {
		count_health(ES_HEALTH_SHORT_CELLS);
		return ES_CELL_NONE;
	}
	slot->cells[used].code = code;
	slot->cell_of[at & (ES_CELL_INDEX - 1)] = used;
	slot->cells_used = used + 1;
	return used;
}

static __always_inline __u32 cell_of(struct es_slot *slot, __u32 code)
{
	__u32 at = (code & 0xff) | (code > 0xff ? 0x100 : 0);
	__u32 cell;

	barrier_var(at); /* the compiler knows that it fits, the verifier wants to see it */
	at &= ES_CELL_INDEX - 1;
	cell = slot->cell_of[at];
	if (cell != ES_CELL_NONE) {
		barrier_var(cell); /* else both comparisons become one that the verifier cannot follow */
		if (cell < ES_CELLS && slot->cells[cell].code == code)
			return cell;
	}
	return cell_find(slot, code, at);
}

static __noinline int count_flags(struct es_cell *cell, __u32 reason)
{
	if (reason & (1u << 26))
		cell->flags[ES_FLAG_BUS_LOCK]++;
	if (reason & (1u << 27))
		cell->flags[ES_FLAG_ENCLAVE]++;
	if (reason & (1u << 28))
		cell->flags[ES_FLAG_PENDING_MTF]++;
	if (reason & (1u << 29))
		cell->flags[ES_FLAG_VMX_ROOT]++;
	if (reason & (1u << 31))
		cell->flags[ES_FLAG_FAILED_ENTRY]++;
	if (reason & 0x43ff0000)
		cell->flags[ES_FLAG_OTHER]++;
	return 0;
}

/* The hardware's word on why the guest was left; false when it could not be read. */
static __always_inline bool read_reason(struct kvm_vcpu *vcpu, __u32 isa, __u32 *reason)
{
	if (isa == ISA_SVM) {
		struct vcpu_svm *svm = (void *)vcpu;
		struct vmcb *vmcb;

		if (!bpf_core_field_exists(svm->vmcb))
			return false;
		if (bpf_core_read(&vmcb, sizeof(vmcb), &svm->vmcb))
			return false;
		return !bpf_core_read(reason, sizeof(*reason), &vmcb->control.exit_code);
	}
	if (bpf_core_field_exists(struct vcpu_vmx___vt, vt)) {
		struct vcpu_vmx___vt *vmx = (void *)vcpu;

		return !bpf_core_read(reason, sizeof(*reason), &vmx->vt.exit_reason.full);
	}
	if (bpf_core_field_exists(struct vcpu_vmx, exit_reason)) {
		struct vcpu_vmx *vmx = (void *)vcpu;

		return !bpf_core_read(reason, sizeof(*reason), &vmx->exit_reason.full);
	}
	return false;
}

SEC("tp_btf/kvm_exit")
int BPF_PROG(kvm_exit, struct kvm_vcpu *vcpu, __u32 isa)
{
	__u32 idx, reason, code, cell;
	struct es_slot *slot;

	if (!vcpu)
		return 0;
	slot = slot_of(vcpu, &idx);
	if (!slot)
		return 0;
	if (!read_reason(vcpu, isa, &reason)) {
		count_health(ES_HEALTH_READ_ERRORS);
		return 0;
	}
	code = isa == ISA_VMX ? reason & 0xffff : reason;
	cell = cell_of(slot, code);
	if (cell >= ES_CELLS)
		return 0;

	if (!latency && (slot->state == ES_STATE_VMM || slot->state == ES_STATE_NEW))
		note_thread(slot, idx);
	write_begin(slot);
	if (latency) {
		__u64 now = bpf_ktime_get_ns();

		if (slot->state == ES_STATE_GUEST)
			slot->guest_ns += now - slot->since_ns;
		slot->since_ns = now;
		slot->exit_ns = now;
		slot->idle_exit_ns = 0;
	}
	slot->state = code == (isa == ISA_VMX ? VMX_HLT : SVM_HLT) ? ES_STATE_HALTED : ES_STATE_KERNEL;
	slot->isa = isa;
	slot->cell = cell;
	slot->cells[cell].count++;
	write_end(slot);

	if (isa == ISA_VMX && reason > 0xffff)
		count_flags(&slot->cells[cell], reason);
	return 0;
}

/*
 * VMX has one code for all exceptions and NMIs: which it was stands in the exit's interruption
 * information, of which KVM keeps a copy: before kvm_exit from 6.12, at the latest before the next
 * entry on kernels before. #PF is vector 14, valid is bit 31 (SDM Vol. 3, 25.9.2).
 */
static __always_inline void note_page_fault(struct kvm_vcpu *vcpu, struct es_slot *slot)
{
	__u32 info = 0;

	if (bpf_core_field_exists(struct vcpu_vmx___vt, vt))
		bpf_core_read(&info, sizeof(info), &((struct vcpu_vmx___vt *)vcpu)->vt.exit_intr_info);
	else if (bpf_core_field_exists(struct vcpu_vmx, exit_intr_info))
		bpf_core_read(&info, sizeof(info), &((struct vcpu_vmx *)vcpu)->exit_intr_info);
	if ((info & 0x800000ff) == 0x8000000e)
		slot->page_faults++;
}

/* The exit is over: what it took, less the time the vCPU was halted in it. */
static __always_inline void close_exit(struct kvm_vcpu *vcpu, struct es_slot *slot, __u64 now)
{
	__u64 ns = now - slot->exit_ns - slot->idle_exit_ns;
	__u32 i = slot->cell;
	struct es_cell *cell;

	if (i >= ES_CELLS)
		return;
	cell = &slot->cells[i];
	if ((__s64)ns < 0)
		ns = 0;
	cell->time_ns += ns;
	if (ns > cell->max_ns)
		cell->max_ns = ns;
	cell->hist[bucket_of(ns) & (ES_HIST_BUCKETS - 1)]++;
	if (cell->code == VMX_EXCEPTION_NMI && slot->isa == ISA_VMX)
		note_page_fault(vcpu, slot);
	slot->exit_ns = 0;
}

SEC("tp_btf/kvm_entry")
int BPF_PROG(kvm_entry, struct kvm_vcpu *vcpu)
{
	struct es_slot *slot;
	__u64 now;
	__u32 idx;

	if (!vcpu)
		return 0;
	slot = slot_of(vcpu, &idx);
	if (!slot)
		return 0;
	if (slot->state == ES_STATE_VMM || slot->state == ES_STATE_NEW)
		note_thread(slot, idx);

	now = bpf_ktime_get_ns();
	write_begin(slot);
	if (slot->exit_ns)
		close_exit(vcpu, slot, now);
	slot->state = ES_STATE_GUEST;
	slot->since_ns = now;
	write_end(slot);
	return 0;
}

/* A halt is over. ns holds halt polling and the sleep; an invalid wake-up goes back to sleep. */
SEC("tp_btf/kvm_vcpu_wakeup")
int BPF_PROG(kvm_vcpu_wakeup, __u64 ns, bool waited, bool valid)
{
	__u64 vcpu = current_vcpu();
	__u32 *idx = bpf_map_lookup_elem(&vcpus, &vcpu);
	__u64 now = bpf_ktime_get_ns();
	struct es_slot *slot;

	slot = idx ? bpf_map_lookup_elem(&slots, idx) : NULL;
	if (!slot || slot->vcpu != vcpu) {
		count_health(ES_HEALTH_UNATTRIBUTED);
		return 0;
	}
	/* A halt that began before the programs were attached is idle only since then. */
	if (ns > now - slot->since_ns)
		ns = now - slot->since_ns;
	write_begin(slot);
	slot->idle_ns += ns;
	slot->idle_exit_ns += ns;
	slot->since_ns = now;
	slot->state = valid ? ES_STATE_KERNEL : ES_STATE_HALTED;
	write_end(slot);
	return 0;
}

/* KVM_RUN returns. The vCPU was put already, so it is the one this thread ran last. */
SEC("tp_btf/kvm_userspace_exit")
int BPF_PROG(kvm_userspace_exit)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u32 *idx = bpf_map_lookup_elem(&threads, &tid);
	struct es_slot *slot;

	slot = idx ? bpf_map_lookup_elem(&slots, idx) : NULL;
	if (!slot || slot->tid != tid || !slot->vcpu) {
		count_health(ES_HEALTH_FOREIGN_RETURNS);
		return 0;
	}
	write_begin(slot);
	slot->state = ES_STATE_VMM;
	slot->since_ns = bpf_ktime_get_ns();
	write_end(slot);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
