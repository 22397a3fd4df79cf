/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the BPF programs write and user space reads.
 *
 * One slot per vCPU in one mmap'ed array (map "slots"). A slot has one writer:
 * the thread that runs the vCPU, through the BPF programs; once ended_ns is set
 * the writer is user space, which reads the final counts, clears the slot and
 * puts its index back into the map "free_slots". Counters only grow.
 *
 * Included by bpf/ (no libc there) and by src/, so plain __u types only.
 */
#ifndef EXITSTAT_ABI_H
#define EXITSTAT_ABI_H

#include <linux/types.h>

#define ES_ABI_VERSION	5

/*
 * Time buckets: bucket 0 holds [0, 64) ns, bucket i holds [2^(i+5), 2^(i+6)) ns,
 * the last one everything from 2^36 ns (68.7 s) up.
 */
#define ES_HIST_BUCKETS	32
#define ES_HIST_SHIFT	6

/*
 * Reasons are kept in cells which a slot hands out as they occur: a vCPU sees
 * about 30 of the vendor's hundreds of codes. cell_of[] finds the cell of a code by
 * its low bits: one entry each, but for SVM's few codes from 0x400 on, which share theirs
 * with accesses to CR0 to CR3; cells[].code settles clashes.
 */
#define ES_CELLS	45
#define ES_CELL_INDEX	512
#define ES_CELL_NONE	0	/* cells[0] is shown nowhere, so 0 in cell_of[] is "none yet" */

/*
 * "PID-FD": 7 digits (the kernel's pids end at 4194304), a dash, 10 digits, NUL. With it a
 * slot is a whole number of cache lines, so all slots lie in them alike.
 */
#define ES_DEBUGFS_NAME	20

/*
 * VMX exit reason bits above the basic reason (SDM Vol. 3, table 25-15 and 28.2); what the exit's interruption
 * information tells of an EXCEPTION_NMI: was it a page fault? And of a guest that runs guests itself: was it one of
 * those (L2) that exited, and did KVM hand that on to the guest's own hypervisor (L1)?
 */
enum es_flag {
	ES_FLAG_BUS_LOCK,	/* bit 26 */
	ES_FLAG_ENCLAVE,	/* bit 27 */
	ES_FLAG_PENDING_MTF,	/* bit 28 */
	ES_FLAG_VMX_ROOT,	/* bit 29 */
	ES_FLAG_OTHER,		/* any other bit from 16 to 30 */
	ES_FLAG_FAILED_ENTRY,	/* bit 31 */
	ES_FLAG_PAGE_FAULT,	/* EXCEPTION_NMI that was #PF: counted in the slot, see page_faults */
	ES_FLAG_L2,
	ES_FLAG_L2_REFLECTED,	/* of ES_FLAG_L2 */
	ES_FLAGS
};

/*
 * Where a vCPU is. Its time since its first entry is the sum of time_ns[], the interval since since_ns
 * that is still open included: a vCPU is in one state at any time.
 */
enum es_state {
	ES_STATE_NEW,		/* not known: slot taken, or the programs were off KVM; no part of the account */
	ES_STATE_GUEST,		/* between kvm_entry and kvm_exit */
	ES_STATE_KERNEL,	/* after kvm_exit */
	ES_STATE_VMM,		/* KVM_RUN has returned to user space */
	ES_STATE_RUNQUEUE,	/* only in time_ns[]: runnable without a CPU, found as the state it fell in is left */
	ES_STATE_IDLE,		/* as KERNEL, and the exit was a halt that has not been woken yet */
	ES_STATES
};

/*
 * Added to a state by user space (see es_slot.state): nobody looks at this slot any more until it is
 * announced. The programs leave their short paths for a state they do not expect, so this costs an
 * exit nothing; on the long ones they announce the slot (ES_EVENT_BUSY) and clear the flag.
 */
#define ES_STATE_PARKED	0x80
/* Added by the programs: the exit has come to this state by way of another one, exit_ns is not 0. */
#define ES_STATE_RESUMED 0x40
#define ES_STATE_MASK	0x0f	/* the enum es_state in a state */

/*
 * What KVM's MMU does for a vCPU, from the tracepoints kvm_page_fault and kvmmmu:*. The last part is
 * the same for shadowing a nested hypervisor's tables, as far as that can be told apart. docs/mmu.md
 * says what each one includes.
 */
enum es_mmu_event {
	ES_MMU_FAULT_TDP,	/* kvm_page_fault after EPT_VIOLATION, NPF; not of device memory */
	ES_MMU_FAULT_SHADOW,	/* kvm_page_fault after EXCP_PF, EXCEPTION_NMI; not of device memory */
	ES_MMU_FAULT_MMIO,	/* kvm_page_fault on KVM's mark of device memory (not EPT_MISCONFIG) */
	ES_MMU_GUEST_WALKS,
	ES_MMU_PAGES_CREATED,
	ES_MMU_PAGES_REUSED,
	ES_MMU_PAGES_SYNCED,
	ES_MMU_PAGES_UNSYNCED,
	ES_MMU_PAGES_ZAPPED,
	ES_MMU_SPTES_4K,
	ES_MMU_SPTES_2M,
	ES_MMU_SPTES_1G,
	ES_MMU_ZAP_ALL,
	ES_MMU_HUGE_SPLITS,
	ES_MMU_SPTE_REQUESTS,
	ES_MMU_TDP_CHANGES,
	ES_MMU_FAST_ATTEMPTS,
	ES_MMU_NESTED_FAULTS,
	ES_MMU_NESTED_GUEST_WALKS,
	ES_MMU_NESTED_CREATED,
	ES_MMU_NESTED_REUSED,
	ES_MMU_NESTED_SYNCED,
	ES_MMU_NESTED_UNSYNCED,
	ES_MMU_NESTED_ZAPPED,
	ES_MMU_NESTED_4K,
	ES_MMU_NESTED_2M,
	ES_MMU_NESTED_1G,
	ES_MMU_EVENTS
};

/* How KVM ended page faults, by its own counters in kvm_vcpu.stat. */
enum es_pf {
	ES_PF_FIXED,
	ES_PF_FAST,
	ES_PF_SPURIOUS,
	ES_PF_EMULATED,
	ES_PFS
};
#define ES_THREAD_READS	12	/* slots that one run of the program read_threads takes */

/* Where struct kvm_vcpu of the KVM that is loaded has these members; 0: it has them not, or nobody asks for them. */
struct es_kvm_layout {
	__u32 pf[ES_PFS];
	__u32 blocking;		/* stat.generic.blocking */
	__u32 mp_state;		/* arch.mp_state */
	__u32 run_delay;	/* 1: this kernel counts how long threads wait for a CPU (CONFIG_SCHED_INFO) */
};

#define ES_PROCESS_ONE	(1ull << 32)	/* one VM, in the map "processes": see bpf/maps.h */

/* Control registers a guest's access to which is counted: CR0, CR3, CR4, CR8; reads, then writes. */
#define ES_CR_REGS	4

struct es_cell {
	__u32 code;		/* VMX basic reason; SVM exit code, low 32 bits */
	__u32 flags[ES_FLAGS];	/* exits that had the flag; who reads it often enough sees it go round */
	__u64 count;
	__u64 time_ns;		/* exit to next entry, less idle */
	__u64 max_ns;
	__u64 hist[ES_HIST_BUCKETS];
};

struct es_slot {
	/* The cache line that every exit and entry touches. */
	__u64 vcpu;		/* struct kvm_vcpu *, 0 = slot is free or the vCPU is gone */
	__u64 since_ns;		/* when the vCPU came into its state, CLOCK_MONOTONIC */
	__u64 run_delay_ns;	/* its thread's sched_info.run_delay then */
	__u64 exit_ns;		/* the exit being handled: what it took until since_ns, less idle */
	__u64 code_at;		/* SVM: address of the exit code in its VMCB, as long as it has these hflags */
	__u32 hflags;
	__u32 seq;		/* odd while a program is writing */
	__u8  state;		/* enum es_state, perhaps with ES_STATE_PARKED, ES_STATE_RESUMED */
	__u8  cell;		/* cell of the exit being handled, ES_CELL_NONE: when it began is not known */
	__u8  cells_used;	/* cells handed out, ES_CELL_NONE included */
	__u8  isa;		/* kvm_exit's isa: 1 VMX, 2 SVM, 0 = no exit seen yet */
	__u32 parked_others;	/* as ES_STATE_PARKED, for "others": set by user space, cleared when announced */

	__u64 time_ns[ES_STATES];/* in each state, waits for a CPU taken out; [ES_STATE_NEW] is 0 */
	__u64 first_ns;		/* when the account of time_ns[] began, 0 = not yet */
	__u64 unwatched_ns;	/* since then, while the programs were off KVM */

	__u64 kvm;		/* struct kvm *: the VM */
	__u64 born_ns;		/* when the vCPU was first seen */
	__u64 ended_ns;		/* when KVM destroyed the vCPU, 0 = alive */
	__u32 vcpu_id;
	__u32 tgid;		/* process and thread that ran the vCPU last */
	__u32 tid;
	char  debugfs[ES_DEBUGFS_NAME]; /* the VM's folder below debugfs' kvm/, "PID-FD"; "" = it has none */
	char  comm[16];		/* of the process' main thread, when first seen */
	__u32 owner;		/* the process whose VM this slot stands for: it is the VM's first; else 0 */
	__u32 index;		/* of this slot */

	/* By the vCPU's own thread. */
	__u64 page_faults;	/* VMX: EXCEPTION_NMI that were #PF; too many for a cell's flags */
	__u64 task;		/* struct task_struct * of the thread tid */
	__u64 l2_exit;		/* the exit that came from L2 and has not gone on to L1, by exit_id(); 0 = none */
	__u64 spare[3];		/* cells[] and slots begin cache lines: a cell's counters then share one */
	__u64 mmu[ES_MMU_EVENTS];
	__u64 cr[2 * ES_CR_REGS];
	/* By the process' other threads, with atomics; in the VM's first slot only. */
	__u64 others;		/* changes whenever one of the next line does */
	__u64 mmu_others[ES_MMU_EVENTS];
	/* As user space had them read last, or as the vCPU ended; and when the slot was taken. */
	__u64 pf[ES_PFS];
	__u64 pf_born[ES_PFS];
	/* Of the state that was open at seq look_seq, as the program read_threads found its thread. */
	__u64 look_wait_ns;	/* it waited for a CPU for so long since since_ns, a wait that goes on included */
	__u32 look_seq;
	__u8  look_queued;	/* it waited right then */
	__u8  look_halted;	/* it slept in KVM, halted: what state says otherwise began before */
	__u8  look_pad[2];

	__u8  cell_of[ES_CELL_INDEX];
	struct es_cell cells[ES_CELLS];
};

/*
 * Announcements on the ring buffer "events": go and look at slot SLOT. When one could not be sent,
 * ES_HEALTH_RING_FULL has grown: go and look at all.
 */
enum es_event_type {
	ES_EVENT_NEW = 1,
	ES_EVENT_GONE = 2,
	ES_EVENT_BUSY = 3,	/* was parked, is no more */
};

struct es_event {
	__u32 type;
	__u32 slot;
};

/* Counters of the array "health", indexed by this. Written with atomics, rarely. */
enum es_health {
	ES_HEALTH_DROPPED,	/* events of a vCPU for which no slot was free */
	ES_HEALTH_UNATTRIBUTED,	/* events that belong to no vCPU known */
	ES_HEALTH_READ_ERRORS,	/* kernel memory that could not be read */
	ES_HEALTH_SHORT_CELLS,	/* exits whose reason found no cell: in no VM's total */
	ES_HEALTH_RING_FULL,	/* announcements that were not sent: the sampler then looks at all slots */
	ES_HEALTH_NO_EXIT,	/* page faults and exits of L2 whose exit was not seen */
	ES_HEALTH_FOREIGN_RETURNS, /* returns of KVM_RUN by threads that never entered a guest: a KVM without kvm_entry */
	ES_HEALTH_LAYOUT,	/* events of vCPUs that are not laid out as bpf/compat.h says: not counted */
	ES_HEALTH_THREAD_MOVES,	/* vCPUs that came to another thread: the one before may stand in "threads" for nothing */
	ES_HEALTH_MAX
};

#endif
