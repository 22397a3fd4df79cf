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

#define ES_ABI_VERSION	3

/*
 * Time buckets: bucket 0 holds [0, 64) ns, bucket i holds [2^(i+5), 2^(i+6)) ns,
 * the last one everything from 2^36 ns (68.7 s) up.
 */
#define ES_HIST_BUCKETS	32
#define ES_HIST_SHIFT	6

/*
 * Reasons are kept in cells which a slot hands out as they occur: a vCPU sees
 * about 30 of the vendor's hundreds of codes. cell_of[] finds the cell of a code:
 * codes to 0xff have an entry each, greater ones share the upper half by their
 * low byte (SVM 0x400.., and the negative ones); cells[].code settles clashes.
 */
#define ES_CELLS	48
#define ES_CELL_INDEX	512
#define ES_CELL_NONE	0	/* cells[0] is never used, so 0 in cell_of[] is "none yet" */

/*
 * "PID-FD": 7 digits (the kernel's pids end at 4194304), a dash, 10 digits, NUL. With it a
 * slot is a whole number of cache lines, so all slots lie in them alike.
 */
#define ES_DEBUGFS_NAME	20

/*
 * VMX exit reason bits above the basic reason (SDM Vol. 3, table 25-15 and 28.2), and what the exit's
 * interruption information tells of an EXCEPTION_NMI: was it a page fault?
 */
enum es_flag {
	ES_FLAG_BUS_LOCK,	/* bit 26 */
	ES_FLAG_ENCLAVE,	/* bit 27 */
	ES_FLAG_PENDING_MTF,	/* bit 28 */
	ES_FLAG_VMX_ROOT,	/* bit 29 */
	ES_FLAG_OTHER,		/* any other bit from 16 to 30 */
	ES_FLAG_FAILED_ENTRY,	/* bit 31 */
	ES_FLAG_PAGE_FAULT,	/* EXCEPTION_NMI that was #PF: counted in the slot, see page_faults */
	ES_FLAGS
};

/* Where a vCPU is, as published in a slot. */
enum es_state {
	ES_STATE_NEW,		/* slot taken, nothing measured yet */
	ES_STATE_GUEST,		/* between kvm_entry and kvm_exit */
	ES_STATE_KERNEL,	/* after kvm_exit */
	ES_STATE_HALTED,	/* as KERNEL, and the exit was a halt that has not been woken yet */
	ES_STATE_VMM,		/* KVM_RUN has returned to user space */
};

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
#define ES_FAULT_READS	12	/* slots that one run of the program read_faults takes */

#define ES_PROCESS_ONE	(1ull << 32)	/* one VM, in the map "processes": see bpf/maps.h */

/* Control registers a guest's access to which is counted: CR0, CR3, CR4, CR8; reads, then writes. */
#define ES_CR_REGS	4

struct es_cell {
	__u32 code;		/* VMX basic reason; SVM exit code, low 32 bits */
	__u32 flags[ES_FLAGS];	/* exits that had the flag */
	__u64 count;
	__u64 time_ns;		/* exit to next entry, less idle */
	__u64 max_ns;
	__u64 hist[ES_HIST_BUCKETS];
};

struct es_slot {
	__u64 vcpu;		/* struct kvm_vcpu *, 0 = slot is free or the vCPU is gone */
	__u64 since_ns;		/* when the vCPU came into its state, CLOCK_MONOTONIC */
	__u64 guest_ns;
	__u64 idle_ns;		/* halted in KVM, halt polling included */
	__u64 idle_exit_ns;	/* the part of idle_ns that belongs to the exit being handled */
	__u64 exit_ns;		/* when the exit being handled began, 0 = none or unknown */
	__u32 seq;		/* odd while a program is writing */
	__u8  state;		/* enum es_state */
	__u8  cell;		/* cell of the exit being handled */
	__u8  cells_used;	/* cells handed out, ES_CELL_NONE included */
	__u8  isa;		/* kvm_exit's isa: 1 VMX, 2 SVM, 0 = no exit seen yet */

	__u64 kvm;		/* struct kvm *: the VM */
	__u64 born_ns;		/* when the vCPU was first seen */
	__u64 ended_ns;		/* when KVM destroyed the vCPU, 0 = alive */
	__u32 vcpu_id;
	__u32 tgid;		/* process and thread that ran the vCPU last */
	__u32 tid;
	char  debugfs[ES_DEBUGFS_NAME]; /* the VM's folder below debugfs' kvm/, "PID-FD"; "" = it has none */
	char  comm[16];		/* of the process' main thread, when first seen */
	__u32 owner;		/* the process whose VM this slot stands for: it is the VM's first; else 0 */
	__u32 pad;

	/* By the vCPU's own thread. */
	__u64 page_faults;	/* VMX: EXCEPTION_NMI that were #PF; too many for a cell's flags */
	__u64 spare[7];		/* to whole cache lines */
	__u64 mmu[ES_MMU_EVENTS];
	__u64 cr[2 * ES_CR_REGS];
	/* By the process' other threads, with atomics; in the VM's first slot only. */
	__u64 others;		/* changes whenever one of the next line does */
	__u64 mmu_others[ES_MMU_EVENTS];
	/* As user space had them read last, or as the vCPU ended; and when the slot was taken. */
	__u64 pf[ES_PFS];
	__u64 pf_born[ES_PFS];

	__u8  cell_of[ES_CELL_INDEX];
	struct es_cell cells[ES_CELLS];
};

/* Announcements on the ring buffer "events": slot SLOT changed hands, go and look. */
enum es_event_type {
	ES_EVENT_NEW = 1,
	ES_EVENT_GONE = 2,
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
	ES_HEALTH_RING_FULL,	/* announcements that were not sent (the sampler finds them anyway) */
	ES_HEALTH_NO_EXIT,	/* page faults of a vCPU whose exit was not seen */
	ES_HEALTH_FOREIGN_RETURNS, /* returns of KVM_RUN by threads that never entered a guest: a KVM without kvm_entry */
	ES_HEALTH_MAX
};

#endif
