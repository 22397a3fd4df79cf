// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm_exit and kvm_entry: why a vCPU left the guest, how often, for how long; with kvm_vcpu_wakeup
 * and kvm_userspace_exit: where all of its time went.
 *
 * Nothing is sent anywhere: a pair of events is a few additions to the vCPU's own
 * slot. Two clock reads a pair; in counts-only mode none, and kvm_entry is not
 * attached at all. Each program has a short path, for the state that nearly every
 * event finds, and a function for all others.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "compat.h"
#include "maps.h"
#include "slots.h"

#define VMX_HLT 12   /* EXIT_REASON_HLT */
#define SVM_HLT 0x78 /* SVM_EXIT_HLT */

const volatile bool latency = true; /* for the programs that are not called at each exit */

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

static __noinline __u32 bucket_of_long(__u64 x)
{
	__u32 base = 0;

	if (x >> (ES_HIST_BUCKETS - 2))
		return ES_HIST_BUCKETS - 1;
	if (x > 0xffff) {
		x >>= 16;
		base = 16;
	}
	if (x > 0xff) {
		x >>= 8;
		base += 8;
	}
	return base + log2_byte[x & 0xff];
}

/* Bucket of a time, see abi.h. By a byte table: branches over 64 bits cost a hundred instructions. */
static __always_inline __u32 bucket_of(__u64 ns)
{
	__u64 x = ns >> ES_HIST_SHIFT;

	barrier_var(x); /* else ns is compared, which tells the verifier nothing of x */
	return x > 0xff ? bucket_of_long(x) : log2_byte[x];
}

/*
 * Gives the exit's code a cell: a code this vCPU had not before, or two codes that share a table entry.
 * When all are taken, ES_CELL_NONE: what lands there is shown nowhere, but counted.
 */
static __noinline __u32 cell_find(struct es_slot *slot, __u32 code, __u32 isa)
{
	__u32 i, used = slot->cells_used;

	slot->isa = isa;
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
	slot->cell_of[code & (ES_CELL_INDEX - 1)] = used;
	slot->cells_used = used + 1;
	return used;
}

/* The cell of a code. cell_of[] holds ES_CELL_NONE for codes that never came. */
static __always_inline __u32 cell_of(struct es_slot *slot, __u32 code, __u32 isa)
{
	__u32 i = slot->cell_of[code & (ES_CELL_INDEX - 1)];

	/* cells[ES_CELL_NONE].code is none that a vCPU leaves the guest with. */
	if (i < ES_CELLS && slot->cells[i].code == code)
		return i;
	return cell_find(slot, code, isa);
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

/*
 * Where the exit code stands: svm->vmcb goes to and fro between two addresses as the vCPU enters and
 * leaves its own guests, and hflags, a plain member, change with it. Whatever else may change it is
 * done by the VMM, on whose return hflags here are made invalid.
 */
static __noinline bool note_vmcb(struct kvm_vcpu *vcpu, struct es_slot *slot)
{
	struct vcpu_svm *svm = (void *)vcpu;
	struct vmcb *vmcb;

	if (!bpf_core_field_exists(svm->vmcb))
		return false;
	if (bpf_core_read(&vmcb, sizeof(vmcb), &svm->vmcb))
		return false;
	slot->code_at = (__u64)vmcb + bpf_core_field_offset(vmcb->control.exit_code);
	slot->hflags = vcpu->arch.hflags;
	return true;
}

/* The hardware's word on why the guest was left; false when it could not be read. */
static __always_inline bool read_svm_reason(struct kvm_vcpu *vcpu, struct es_slot *slot, __u32 *reason)
{
	if (vcpu->arch.hflags != slot->hflags && !note_vmcb(vcpu, slot))
		return false;
	return !bpf_probe_read_kernel(reason, sizeof(*reason), (void *)slot->code_at);
}

static __always_inline bool read_vmx_reason(struct kvm_vcpu *vcpu, __u32 *reason)
{
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

/* A slot that nobody looked at any more: it did something. */
static __always_inline void unpark(struct es_slot *slot)
{
	if (!(slot->state & ES_STATE_PARKED))
		return;
	slot->state &= ~ES_STATE_PARKED;
	announce(ES_EVENT_BUSY, slot->index);
}

/* Kernel time or what the state says, and the wait for a CPU in it. Both are at most ns. */
static __always_inline void account(struct es_slot *slot, __u64 ns, __u64 wait)
{
	__u32 state = slot->state;

	/* A halt's idle time is what kvm_vcpu_wakeup says. */
	if (state == ES_STATE_IDLE)
		state = ES_STATE_KERNEL;
	barrier_var(state);
	if (state < ES_STATES)
		slot->time_ns[state] += ns - wait;
	slot->time_ns[ES_STATE_RUNQUEUE] += wait;
}

/* What the thread waited for a CPU in the state that ends now. */
static __always_inline __u64 waited(const struct es_slot *slot, __u64 ns)
{
	__u64 wait = run_delay() - slot->run_delay_ns;

	return (__s64)wait < 0 ? 0 : wait > ns ? ns : wait;
}

/* The account begins, or goes on after a time that nobody watched. */
static __always_inline void begin_account(struct es_slot *slot, __u64 now)
{
	if (!slot->first_ns)
		slot->first_ns = now;
	else
		slot->unwatched_ns += now - slot->since_ns;
	slot->since_ns = now;
	slot->run_delay_ns = run_delay();
}

/*
 * A state ends, and it is not the one that the program expects, or the thread waited for a CPU in it.
 * Returns for how long it was.
 */
static __noinline __u64 leave_state(struct es_slot *slot, __u64 now)
{
	__u64 ns;

	unpark(slot);
	slot->state &= ES_STATE_MASK;
	if (slot->state == ES_STATE_VMM || slot->state == ES_STATE_NEW)
		note_thread(slot, slot->index);
	if (slot->state == ES_STATE_NEW)
		begin_account(slot, now);
	ns = now - slot->since_ns;
	if ((__s64)ns < 0)
		ns = 0;
	account(slot, ns, waited(slot, ns));
	slot->run_delay_ns = run_delay();
	return ns;
}

/* Counts only: who runs it is noted, and it is looked at again. */
static __noinline int leave_unmeasured(struct es_slot *slot)
{
	unpark(slot);
	if (slot->state == ES_STATE_VMM || slot->state == ES_STATE_NEW)
		note_thread(slot, slot->index);
	slot->state = ES_STATE_KERNEL;
	return 0;
}

/* The guest's time ends, and the exit's begins. */
static __always_inline void leave_guest(struct es_slot *slot, __u32 isa, __u64 now, bool halt)
{
	/* VMX fires kvm_exit before the thread can be preempted, SVM does from 6.12 on. */
	if (slot->state == ES_STATE_GUEST && (isa == ISA_VMX || slot->run_delay_ns == run_delay())) {
		slot->time_ns[ES_STATE_GUEST] += now - slot->since_ns;
	} else {
		leave_state(slot, now);
		slot->exit_ns = 0; /* of an exit whose end was missed */
	}
	slot->since_ns = now;
	slot->state = halt ? ES_STATE_IDLE : ES_STATE_KERNEL;
}

/* False when it is not known. vcpu again, since that one was compared with NULL: from 6.12 on the verifier asks for that. */
static __always_inline bool read_reason(const __u64 *ctx, struct kvm_vcpu *vcpu, struct es_slot *slot,
					__u32 isa, __u32 *reason)
{
	if (!KVM_TYPED)
		return told_reason(ctx, isa, reason);
	return isa == ISA_SVM ? read_svm_reason(vcpu, slot, reason) : read_vmx_reason(vcpu, reason);
}

/* One exit: isa and measure are constants of each program. */
static __always_inline int on_exit(const __u64 *ctx, __u32 isa, bool measure)
{
	struct kvm_vcpu *vcpu = exit_vcpu(ctx);
	__u64 now = measure ? bpf_ktime_get_ns() : 0;
	__u32 reason, code, cell;
	struct es_slot *slot;

	if (!vcpu)
		return 0;
	slot = slot_of(vcpu);
	if (!slot)
		return 0;
	if (!read_reason(ctx, vcpu, slot, isa, &reason)) {
		count_health(ES_HEALTH_READ_ERRORS);
		return 0;
	}
	code = isa == ISA_VMX ? reason & 0xffff : reason;
	cell = cell_of(slot, code, isa);
	if (cell >= ES_CELLS) /* never */
		return 0;

	if (measure)
		write_begin(slot);
	slot->cell = cell;
	slot->cells[cell].count++;
	if (measure)
		leave_guest(slot, isa, now, code == (isa == ISA_VMX ? VMX_HLT : SVM_HLT));
	else if (slot->state != ES_STATE_KERNEL)
		leave_unmeasured(slot);
	if (isa == ISA_VMX && reason > 0xffff)
		count_flags(&slot->cells[cell], reason);
	if (measure)
		write_end(slot);
	else
		slot->seq += 2; /* one number changes, so no reader can meet half of it */
	return 0;
}

/* User space loads one of the four, and one of the kvm_entry_*, or none of those: see src/loader.c. */
KVM_TP(kvm_exit)
int kvm_exit_svm(__u64 *ctx)
{
	return on_exit(ctx, ISA_SVM, true);
}

KVM_TP(kvm_exit)
int kvm_exit_vmx(__u64 *ctx)
{
	return on_exit(ctx, ISA_VMX, true);
}

KVM_TP(kvm_exit)
int kvm_exit_svm_counts(__u64 *ctx)
{
	return on_exit(ctx, ISA_SVM, false);
}

KVM_TP(kvm_exit)
int kvm_exit_vmx_counts(__u64 *ctx)
{
	return on_exit(ctx, ISA_VMX, false);
}

/*
 * VMX has one code for all exceptions and NMIs: which it was stands in the exit's interruption
 * information, of which KVM keeps a copy: before kvm_exit from 6.12, at the latest before the next
 * entry on kernels before. #PF is vector 14, valid is bit 31 (SDM Vol. 3, 25.9.2).
 */
static __noinline int note_page_fault(struct kvm_vcpu *vcpu, struct es_slot *slot)
{
	__u32 info = 0;

	if (bpf_core_field_exists(struct vcpu_vmx___vt, vt))
		bpf_core_read(&info, sizeof(info), &((struct vcpu_vmx___vt *)vcpu)->vt.exit_intr_info);
	else if (bpf_core_field_exists(struct vcpu_vmx, exit_intr_info))
		bpf_core_read(&info, sizeof(info), &((struct vcpu_vmx *)vcpu)->exit_intr_info);
	if ((info & 0x800000ff) == 0x8000000e)
		slot->page_faults++;
	return 0;
}

/* The exit is over. */
static __always_inline void close_exit(struct kvm_vcpu *vcpu, struct es_slot *slot, __u32 isa, __u64 ns)
{
	__u32 i = slot->cell;
	struct es_cell *cell;

	if (i >= ES_CELLS) /* never; ES_CELL_NONE takes what is shown nowhere */
		return;
	cell = &slot->cells[i];
	cell->time_ns += ns;
	if (ns > cell->max_ns)
		cell->max_ns = ns;
	cell->hist[bucket_of(ns) & (ES_HIST_BUCKETS - 1)]++;
	if (isa == ISA_VMX && cell->code == VMX_EXCEPTION_NMI)
		note_page_fault(vcpu, slot);
}

static __always_inline int on_entry(struct kvm_vcpu *vcpu, __u32 isa)
{
	bool after_exit = true;
	struct es_slot *slot;
	__u64 now, ns;

	if (!vcpu)
		return 0;
	slot = slot_of(vcpu);
	if (!slot)
		return 0;

	now = bpf_ktime_get_ns();
	write_begin(slot);
	if (slot->state == ES_STATE_KERNEL && slot->run_delay_ns == run_delay()) {
		ns = now - slot->since_ns;
		slot->time_ns[ES_STATE_KERNEL] += ns;
	} else {
		after_exit = (slot->state & ES_STATE_MASK) != ES_STATE_GUEST;
		ns = leave_state(slot, now) + slot->exit_ns;
		slot->exit_ns = 0;
	}
	if (after_exit)
		close_exit(vcpu, slot, isa, ns);
	slot->state = ES_STATE_GUEST;
	slot->since_ns = now;
	write_end(slot);
	return 0;
}

KVM_TP(kvm_entry)
int BPF_PROG(kvm_entry_svm, struct kvm_vcpu *vcpu)
{
	return on_entry(vcpu, ISA_SVM);
}

KVM_TP(kvm_entry)
int BPF_PROG(kvm_entry_vmx, struct kvm_vcpu *vcpu)
{
	return on_entry(vcpu, ISA_VMX);
}

/*
 * A halt is over. ns holds halt polling, the sleep, and the wait for a CPU that came after it, which is
 * no idle time. An invalid wake-up goes back to sleep. What came before the halt stays in its state.
 */
KVM_TP(kvm_vcpu_wakeup)
int BPF_PROG(kvm_vcpu_wakeup, __u64 ns, bool waited_for_it, bool valid)
{
	__u64 vcpu = current_vcpu(), now = bpf_ktime_get_ns(), before, wait, wait_in_halt;
	struct es_slot *slot = slot_known(vcpu);

	if (!slot) {
		count_health(ES_HEALTH_UNATTRIBUTED);
		return 0;
	}
	write_begin(slot);
	unpark(slot);
	slot->state &= ES_STATE_MASK;
	if (slot->state == ES_STATE_VMM || slot->state == ES_STATE_NEW)
		note_thread(slot, slot->index);
	if (slot->state == ES_STATE_NEW)
		begin_account(slot, now);
	/* A halt that began before the programs were attached is idle only since then. */
	before = now - slot->since_ns;
	if ((__s64)before < 0)
		before = 0;
	if (ns > before)
		ns = before;
	before -= ns;
	wait = waited(slot, before + ns);
	wait_in_halt = wait > ns ? ns : wait;
	account(slot, before, wait - wait_in_halt);
	slot->time_ns[ES_STATE_RUNQUEUE] += wait_in_halt;
	slot->time_ns[ES_STATE_IDLE] += ns - wait_in_halt;
	slot->exit_ns += before + wait_in_halt;
	slot->run_delay_ns = run_delay();
	slot->since_ns = now;
	slot->state = (valid ? ES_STATE_KERNEL : ES_STATE_IDLE) | ES_STATE_RESUMED;
	write_end(slot);
	return 0;
}

/* KVM_RUN returns. The vCPU was put already, so it is the one this thread ran last. */
KVM_TP(kvm_userspace_exit)
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
	if (latency) {
		__u64 now = bpf_ktime_get_ns();

		/* The entry failed, for which VMX fires no kvm_exit: the exit before it is over already. */
		if ((slot->state & ES_STATE_MASK) == ES_STATE_GUEST)
			slot->cell = ES_CELL_NONE;
		slot->exit_ns += leave_state(slot, now);
		slot->since_ns = now;
	} else {
		unpark(slot);
	}
	slot->hflags = ~0u; /* see note_vmcb */
	slot->state = ES_STATE_VMM;
	write_end(slot);
	return 0;
}

/* Run once, before anything is attached: tells those that are not relocated where this KVM keeps what they read. */
SEC("raw_tp")
int note_layout(void *ctx)
{
	struct task_struct *task = NULL;
	struct kvm_vcpu *vcpu = NULL;
	struct es_kvm_layout l = { 0 };
	__u32 key = 0;

	if (bpf_core_field_exists(vcpu->stat.pf_fixed))
		l.pf[ES_PF_FIXED] = bpf_core_field_offset(vcpu->stat.pf_fixed);
	if (bpf_core_field_exists(vcpu->stat.pf_fast))
		l.pf[ES_PF_FAST] = bpf_core_field_offset(vcpu->stat.pf_fast);
	if (bpf_core_field_exists(vcpu->stat.pf_spurious))
		l.pf[ES_PF_SPURIOUS] = bpf_core_field_offset(vcpu->stat.pf_spurious);
	if (bpf_core_field_exists(vcpu->stat.pf_emulate))
		l.pf[ES_PF_EMULATED] = bpf_core_field_offset(vcpu->stat.pf_emulate);
	if (bpf_core_field_exists(vcpu->stat.generic.blocking))
		l.blocking = bpf_core_field_offset(vcpu->stat.generic.blocking);
	if (bpf_core_field_exists(vcpu->arch.mp_state))
		l.mp_state = bpf_core_field_offset(vcpu->arch.mp_state);
	l.run_delay = bpf_core_field_exists(task->sched_info.run_delay);
	bpf_map_update_elem(&layout, &key, &l, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
