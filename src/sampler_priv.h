/* SPDX-License-Identifier: GPL-2.0-only */
/* What the sampler's files share, and nobody else sees. */
#ifndef EXITSTAT_SAMPLER_PRIV_H
#define EXITSTAT_SAMPLER_PRIV_H

#include "sampler.h"
#include "sampler_cells.h"
#include "sampler_time.h"

#define NO_SLOT	 UINT32_MAX
#define NO_PLACE UINT32_MAX

struct vcpu {
	uint32_t vcpu_id, slot;
	uint32_t to_free;  /* the slot that it had, once it ended */
	uint32_t pid, tid; /* who ran it last */
	uint32_t place;	   /* in es_sampler.active, NO_PLACE: parked */
	uint32_t seq;	   /* as read last */
	uint64_t others;
	uint64_t seq_ns;   /* when that seq was first read */
	uint64_t since_ns; /* in its state */
	uint8_t state;	   /* enum es_state */
	bool asleep;	   /* halted in KVM, whatever the state says */
	bool queued;	   /* waits for a CPU */
	bool excepted;	   /* VMX: it had an EXCEPTION_NMI */
	bool settled;	   /* read since it did something last */
	bool parking;	   /* marked at the last sample: parked, if it does nothing until this one */
	uint64_t unnamed;  /* a bit a cell: its code has no name */
	uint64_t page_faults;
	struct es_cells cells;
	struct es_account account;
	struct es_counts counts; /* but for the reasons: they are in cells */
};

struct vm {
	uint64_t kvm, since_ns, ended_ns;
	struct vm *next; /* of the same hash */
	char *id, *name;
	char debugfs[ES_DEBUGFS_NAME];
	uint32_t pid, uid;
	enum es_isa isa;
	enum es_paging paging;
	struct vcpu **vcpus;
	size_t n_vcpus, n_alive;
	size_t n_vmm;		 /* of those alive: in user space, as far as is known */
	size_t n_silent;	 /* of all: no exit seen, and this KVM reports none */
	uint64_t seen_ns;	 /* when it was looked at alone, 0 = never */
	struct es_counts counts; /* of all vCPUs: follows each of them as it is read */
	bool ending;   /* a vCPU of it was destroyed: the kvm pointer may be somebody else's by now */
	bool changed;  /* since its view was made */
	bool nested;   /* a vCPU of it ran guests itself */
	bool silent;   /* of a KVM that reports no exits */
	bool told;     /* a sample had its end */
	bool no_waits; /* on a kernel that does not tell how long threads wait for a CPU */
	enum es_vm_state state;
	struct es_vm *view;	       /* as in the last snapshot */
	struct es_kernel_track *track; /* NULL: never compared with the kernel's counters */
};

/* Who has a slot. */
struct owner {
	struct vm *vm;
	struct vcpu *vcpu;
	bool pending;
	bool over; /* its vCPU ended and was read: to be given back with its VM */
};

/* A beginning or an end. */
struct happened {
	uint64_t ns;
	uint32_t slot;
};

/* A slot at one moment; of its cells those that are news. */
struct look {
	struct es_slot slot;
	unsigned int n;
	uint8_t cells[ES_CELLS]; /* slot.cells[i] is the slot's cell cells[i] */
};

struct es_sampler {
	struct es_keeper *keeper;
	const char *proc;
	const struct es_slot *slots;
	unsigned int n_slots, slots_used;
	struct owner *owner;	  /* by slot */
	uint32_t *active;	  /* slots that a sample looks at */
	size_t n_active, visited; /* visited: by the last sample */
	/* Scratch: those of one VM, or to be parked. */
	struct {
		uint32_t *slots;
		uint8_t *states;
		bool *parked;
	} some;
	uint32_t *pending; /* slots of which something was announced */
	size_t n_pending;
	struct happened *happened; /* scratch, two a slot */
	struct look *look;	   /* scratch */
	struct vm **vms, **by_kvm;
	size_t n_vms, cap_vms, mask; /* mask: of the hash */
	size_t n_paused, turn;	     /* VMs at the last sample; samples since the start */
	bool news;		     /* a vCPU came or went since the last sample */
	bool told;		     /* the ends of VMs, which es_sampler_release waits for */
	uint64_t unknown_reasons;
	uint64_t sampled_ns; /* the time of the last sample */
	uint64_t scanned_ns; /* when all slots were looked at last */
	uint64_t ring_full, epoch;
	bool seen_exits;
};

/* Since when it is in its state, as far as is known: counts only, the slots hold no times. */
static inline uint64_t es_sampler_since(const struct vcpu *v)
{
	return v->since_ns ? v->since_ns : v->seq_ns;
}

/* --- sampler_slots.c: who comes and goes --- */

/* Takes announcements, and where those may be incomplete looks at all slots. */
void es_sampler_hear(struct es_sampler *sp, uint64_t now);
/* Beginnings and ends that are known. 0 or -ENOMEM: then it can be called again. */
int es_sampler_follow_slots(struct es_sampler *sp, const struct es_kvm_host *host, uint64_t now);
/* A sample looks at it, or no more. */
void es_sampler_activate(struct es_sampler *sp, struct vcpu *v);
void es_sampler_deactivate(struct es_sampler *sp, struct vcpu *v);
void es_sampler_free_vm(struct vm *vm);

/* --- sampler_read.c: one slot --- */

/* Did the vCPU, or another thread to its MMU, do anything since it was read? */
bool es_sampler_moved(const struct es_sampler *sp, const struct vcpu *v);
/*
 * Reads a slot. all: also those cells whose counts are as they were. 0 or -ENOMEM. If it cannot be read, what was
 * read before stands.
 */
int es_sampler_take(struct es_sampler *sp, struct vm *vm, struct vcpu *v, bool all, uint64_t now);
/* Copies the slot with its cells: those that are news to who has kept the others, NULL: all. NULL: its writer never rests. */
const struct look *es_sampler_read(struct es_sampler *sp, uint32_t slot, const struct es_cells *kept);
/* All that is known of a vCPU, as a snapshot shows it. 0 or -ENOMEM. */
int es_sampler_counts(const struct es_sampler *sp, const struct vcpu *v, struct es_counts *out);

/* --- sampler_state.c: paused, at rest --- */

/* Sets the state of all VMs. */
void es_sampler_judge(struct es_sampler *sp, uint64_t now);
/* After that: what is at rest leaves the list that a sample walks. */
void es_sampler_park(struct es_sampler *sp);

#endif
