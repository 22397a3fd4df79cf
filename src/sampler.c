// SPDX-License-Identifier: GPL-2.0-only
#include "sampler.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <exitstat/identity.h>
#include <exitstat/reasons.h>
#include <exitstat/util.h>

#include "sampler_mmu.h"

#define NSEC_PER_SEC	  1000000000ull
#define NO_SLOT		  UINT32_MAX
#define READ_TRIES	  1000		     /* a writer holds a slot for less than a microsecond */
#define PARKED_NS	  (1 * NSEC_PER_SEC) /* in user space for so long: maybe paused */
#define VMX_EXCEPTION_NMI 0
#define SETTLED_NS	  (1 * NSEC_PER_SEC) /* KVM counts an exit within so long after we did */

struct vcpu {
	uint32_t vcpu_id, slot, tid, seq;
	uint64_t seq_ns; /* when that seq was first read */
	uint64_t others; /* as read last: what other threads did to its MMU */
	bool busy;	 /* it did something since the last look */
	uint8_t state;
	uint64_t since_ns; /* in that state */
	bool open;	   /* the state's time goes on */
	uint64_t unknown;  /* exits under codes without a name */
	struct es_counts counts;
};

struct vm {
	uint64_t kvm, since_ns, ended_ns;
	char *id, *name;
	char debugfs[ES_DEBUGFS_NAME];
	uint32_t pid, uid;
	enum es_isa isa;
	enum es_paging paging;
	struct vcpu **vcpus;
	size_t n_vcpus, n_alive;
	bool ending; /* a vCPU of it was destroyed: the kvm pointer may be somebody else's by now */
	bool changed;
	bool nested; /* a vCPU of it ran guests itself, whose tables KVM shadowed */
	bool silent; /* of a KVM that reports no exits */
	enum es_vm_state state;
	struct es_vm *view;	       /* as in the last snapshot */
	struct es_kernel_track *track; /* NULL: never compared with the kernel's counters */
};

struct es_sampler {
	struct es_loader *loader;
	const char *proc;
	struct es_slot *slots;
	unsigned int n_slots, slots_used;
	struct {
		struct vm *vm;
		struct vcpu *vcpu;
	} * owner; /* by slot */
	struct {
		uint64_t ns;
		uint32_t slot;
	} * happened;	/* scratch: slots that began or ended since the last call */
	uint32_t *busy; /* scratch: slots that did something since the last call */
	struct es_slot *copy;
	struct vm **vms;
	size_t n_vms, cap_vms;
	uint64_t unknown_gone;
	bool seen_exits;
};

struct es_sampler *es_sampler_new(struct es_loader *loader, const char *proc)
{
	struct es_sampler *sp = calloc(1, sizeof(*sp));

	if (!sp)
		return NULL;
	sp->loader = loader;
	sp->proc = proc;
	sp->slots = es_loader_slots(loader, &sp->n_slots);
	sp->owner = calloc(sp->n_slots, sizeof(*sp->owner));
	sp->happened = calloc((size_t)sp->n_slots * 2, sizeof(*sp->happened));
	sp->busy = calloc(sp->n_slots, sizeof(*sp->busy));
	sp->copy = malloc(sizeof(*sp->copy));
	if (!sp->owner || !sp->happened || !sp->busy || !sp->copy) {
		es_sampler_free(sp);
		return NULL;
	}
	return sp;
}

static void vm_free(struct vm *vm)
{
	for (size_t i = 0; i < vm->n_vcpus; i++) {
		es_counts_clear(&vm->vcpus[i]->counts);
		free(vm->vcpus[i]);
	}
	free(vm->vcpus);
	free(vm->id);
	free(vm->name);
	es_vm_unref(vm->view);
	free(vm->track);
	free(vm);
}

void es_sampler_free(struct es_sampler *sp)
{
	if (!sp)
		return;
	for (size_t i = 0; i < sp->n_vms; i++)
		vm_free(sp->vms[i]);
	free(sp->vms);
	free(sp->owner);
	free(sp->happened);
	free(sp->busy);
	free(sp->copy);
	free(sp);
}

/* --- one slot --- */

/*
 * A copy of the slot as it was at one moment, cells in use only; NULL if its writer
 * never rests (it holds the slot for less than a microsecond, so it must have died in it).
 */
static const struct es_slot *read_slot(struct es_sampler *sp, uint32_t idx)
{
	const struct es_slot *s = &sp->slots[idx];
	struct es_slot *c = sp->copy;

	for (int i = 0; i < READ_TRIES; i++) {
		uint32_t seq = __atomic_load_n(&s->seq, __ATOMIC_ACQUIRE);
		unsigned int used;

		if (seq & 1)
			continue;
		memcpy(c, s, offsetof(struct es_slot, cell_of));
		used = c->cells_used <= ES_CELLS ? c->cells_used : ES_CELLS;
		memcpy(c->cells, s->cells, used * sizeof(s->cells[0]));
		c->cells_used = used;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&s->seq, __ATOMIC_RELAXED) == seq)
			return c;
	}
	return NULL;
}

static int take_cell(struct es_counts *counts, const struct es_slot *s, const struct es_cell *cell,
		     bool latency)
{
	struct es_reason *r = es_counts_reason(counts, cell->code);

	if (!r)
		return -ENOMEM;
	r->count = cell->count;
	for (int f = 0; f < ES_FLAGS; f++)
		r->flags[f] = cell->flags[f];
	/* Seen at the next entry, which counts-only mode does not watch. */
	if (s->isa == ES_ISA_VMX && cell->code == VMX_EXCEPTION_NMI)
		r->flags[ES_FLAG_PAGE_FAULT] = latency ? s->page_faults : ES_NONE;
	if (latency) {
		r->time_ns = cell->time_ns;
		r->max_ns = cell->max_ns;
		memcpy(r->hist, cell->hist, sizeof(r->hist));
	} else {
		r->time_ns = r->max_ns = r->hist[0] = ES_NONE;
	}
	return 0;
}

static uint64_t at_least(uint64_t shown, uint64_t now)
{
	return shown != ES_NONE && shown > now ? shown : now;
}

/*
 * Guest and idle time, the interval that is still open included. The start of a
 * halt is not known to the nanosecond before it ends, so the sum may come out a
 * little smaller then: never show less than before.
 */
static void take_time(struct es_time *t, const struct es_slot *s, bool open, uint64_t now)
{
	uint64_t since = open && now > s->since_ns ? now - s->since_ns : 0;

	t->guest_ns = at_least(t->guest_ns, s->guest_ns + (s->state == ES_STATE_GUEST ? since : 0));
	t->idle_ns = at_least(t->idle_ns, s->idle_ns + (s->state == ES_STATE_HALTED ? since : 0));
}

static int take_slot(struct es_sampler *sp, struct vm *vm, struct vcpu *v, uint64_t now)
{
	const struct es_slot *s = read_slot(sp, v->slot);
	bool latency = es_loader_latency(sp->loader);
	uint64_t unknown = 0;

	if (!s)
		return 0; /* what was read before stands */
	for (unsigned int i = ES_CELL_NONE + 1; i < s->cells_used; i++) {
		const struct es_cell *cell = &s->cells[i];

		if (!cell->count)
			continue;
		if (take_cell(&v->counts, s, cell, latency))
			return -ENOMEM;
		if (!es_reason_info(s->isa, cell->code))
			unknown += cell->count;
	}
	v->open = latency && es_loader_attached(sp->loader) && s->vcpu;
	v->counts.exits_unknown = vm->silent && !s->isa;
	if (latency && !v->counts.exits_unknown)
		take_time(&v->counts.time, s, v->open, now);
	es_sampler_take_mmu(&v->counts, s, vm->paging, es_loader_mmu(sp->loader));
	v->unknown = unknown;
	v->others = s->others;
	if (v->seq != s->seq)
		v->seq_ns = now;
	v->seq = s->seq;
	v->tid = s->tid;
	v->state = s->state;
	v->since_ns = s->since_ns;
	vm->pid = s->tgid;
	if (s->isa)
		vm->isa = s->isa;
	vm->changed = true;
	vm->nested |= es_mmu_nested(&v->counts.mmu);
	sp->seen_exits |= s->isa != 0;
	return 0;
}

/* --- VMs come and go --- */

static struct vm *find_vm(struct es_sampler *sp, uint64_t kvm)
{
	for (size_t i = 0; i < sp->n_vms; i++) {
		if (sp->vms[i]->kvm == kvm && !sp->vms[i]->ending)
			return sp->vms[i];
	}
	return NULL;
}

static void identify(struct es_sampler *sp, struct vm *vm, const struct es_slot *s, uint32_t slot)
{
	struct es_identity who;
	char comm[sizeof(s->comm) + 1];

	snprintf(comm, sizeof(comm), "%.*s", (int)sizeof(s->comm), s->comm);
	es_identity_resolve(sp->proc, s->tgid, comm, &who);
	vm->name = strdup(who.name);
	vm->uid = who.uid;
	/* One slot starts one vCPU at one time: never the same twice in a boot of the host. */
	if (asprintf(&vm->id, "%u-%llx-%x", s->tgid, (unsigned long long)s->born_ns, slot) < 0)
		vm->id = NULL;
}

static struct vm *new_vm(struct es_sampler *sp, uint32_t slot, const struct es_kvm_host *host)
{
	const struct es_slot *s = &sp->slots[slot];
	struct vm *vm;

	if (sp->n_vms == sp->cap_vms) {
		size_t cap = sp->cap_vms ? sp->cap_vms * 2 : 16;
		struct vm **more = reallocarray(sp->vms, cap, sizeof(*more));

		if (!more)
			return NULL;
		sp->vms = more;
		sp->cap_vms = cap;
	}
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return NULL;
	identify(sp, vm, s, slot);
	if (!vm->id || !vm->name) {
		vm_free(vm);
		return NULL;
	}
	snprintf(vm->debugfs, sizeof(vm->debugfs), "%.*s", (int)sizeof(s->debugfs), s->debugfs);
	vm->kvm = s->kvm;
	vm->pid = s->tgid;
	vm->since_ns = s->born_ns;
	vm->ended_ns = ES_NONE;
	vm->paging = es_kvm_host_paging(host);
	vm->silent = host->pvm && !host->vendor;
	sp->vms[sp->n_vms++] = vm;
	return vm;
}

static int slot_began(struct es_sampler *sp, uint32_t slot, const struct es_kvm_host *host)
{
	const struct es_slot *s = &sp->slots[slot];
	struct vm *vm = find_vm(sp, s->kvm);
	struct vcpu **more, *v;

	if (!vm)
		vm = new_vm(sp, slot, host);
	if (!vm)
		return -ENOMEM;
	more = reallocarray(vm->vcpus, vm->n_vcpus + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	vm->vcpus = more;
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->vcpu_id = s->vcpu_id;
	v->slot = slot;
	v->seq = s->seq - 1; /* anything else: not read yet */
	es_counts_init(&v->counts);
	vm->vcpus[vm->n_vcpus++] = v;
	vm->n_alive++;
	vm->changed = true;
	sp->owner[slot].vm = vm;
	sp->owner[slot].vcpu = v;
	sp->slots_used++;
	return 0;
}

/* The vCPU is gone and nobody writes to its slot: read it a last time, give it back. */
static int slot_ended(struct es_sampler *sp, uint32_t slot)
{
	struct vm *vm = sp->owner[slot].vm;
	struct vcpu *v = sp->owner[slot].vcpu;
	uint64_t ended = sp->slots[slot].ended_ns;
	int r = take_slot(sp, vm, v, ended);

	if (r)
		return r;
	v->slot = NO_SLOT;
	v->open = false;
	vm->ending = true;
	vm->n_alive--;
	if (!vm->n_alive)
		vm->ended_ns = ended;
	sp->owner[slot].vm = NULL;
	sp->owner[slot].vcpu = NULL;
	sp->slots_used--;
	return es_loader_slot_free(sp->loader, slot);
}

static int by_time(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b; /* ns is the first member */

	return (*x > *y) - (*x < *y);
}

/*
 * Without the lifecycle program the end of a process is the only sign that its VMs
 * are gone. It cannot tell two VMs apart that one process had at one address.
 */
static void end_orphans(struct es_sampler *sp, uint64_t now)
{
	if (es_loader_life_attached(sp->loader))
		return;
	for (uint32_t i = 0; i < sp->n_slots; i++) {
		if (!sp->owner[i].vm || sp->slots[i].ended_ns)
			continue;
		if (kill(sp->slots[i].tgid, 0) && errno == ESRCH)
			es_loader_slot_end(sp->loader, i, now);
	}
}

/*
 * Beginnings and endings in the order in which they happened: a kvm pointer that
 * died and came again in between two calls is two VMs. What began after now waits for
 * the next call: only of what came before it are all endings surely seen by this scan.
 */
static int follow_slots(struct es_sampler *sp, const struct es_kvm_host *host, uint64_t now)
{
	size_t n = 0;

	for (uint32_t i = 0; i < sp->n_slots; i++) {
		const volatile struct es_slot *s = &sp->slots[i];
		uint64_t ended = __atomic_load_n(&s->ended_ns, __ATOMIC_ACQUIRE);

		if (!ended && !__atomic_load_n(&s->vcpu, __ATOMIC_ACQUIRE))
			continue;
		if (!sp->owner[i].vm && s->born_ns > now)
			continue;
		if (!sp->owner[i].vm) {
			sp->happened[n].ns = s->born_ns;
			sp->happened[n++].slot = i;
		}
		if (ended) {
			sp->happened[n].ns = ended;
			sp->happened[n++].slot = i;
		}
	}
	qsort(sp->happened, n, sizeof(*sp->happened), by_time);
	for (size_t k = 0; k < n; k++) {
		uint32_t slot = sp->happened[k].slot;
		int r = sp->owner[slot].vm ? slot_ended(sp, slot) : slot_began(sp, slot, host);

		if (r)
			return r;
	}
	return 0;
}

/* --- is it paused? --- */

/* Is the thread outside KVM_RUN for good: stopped, or waiting in another system call? */
static bool thread_parked(const char *proc, uint32_t pid, uint32_t tid)
{
	_cleanup_fclose_ FILE *f = NULL;
	unsigned long long fd, request;
	char path[PATH_MAX], buf[256], *p;
	size_t n;
	long nr;

	snprintf(path, sizeof(path), "%s/%u/task/%u/stat", proc, pid, tid);
	f = fopen(path, "re");
	n = f ? fread(buf, 1, sizeof(buf) - 1, f) : 0;
	buf[n] = 0;
	p = strrchr(buf, ')');
	if (p && p[1] == ' ' && (p[2] == 'T' || p[2] == 't'))
		return true;
	es_fclosep(&f);
	snprintf(path, sizeof(path), "%s/%u/task/%u/syscall", proc, pid, tid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%ld %llx %llx", &nr, &fd, &request) < 1)
		return false; /* "running", gone, or not ours to read */
	return nr != 16 /* ioctl */ || request != 0xae80 /* KVM_RUN */;
}

/*
 * Paused: every vCPU went back to the VMM a while ago and its thread does not run
 * the guest. The slots tell that for nothing; /proc is asked only when they do, as
 * a halted vCPU can be sent in again without an event.
 */
static enum es_vm_state vm_state(struct es_sampler *sp, const struct vm *vm, uint64_t now)
{
	if (vm->ended_ns != ES_NONE)
		return ES_VM_ENDED;
	for (size_t i = 0; i < vm->n_vcpus; i++) {
		const struct vcpu *v = vm->vcpus[i];

		if (v->slot != NO_SLOT && (v->state != ES_STATE_VMM || now < v->since_ns + PARKED_NS))
			return ES_VM_RUNNING;
	}
	for (size_t i = 0; i < vm->n_vcpus; i++) {
		const struct vcpu *v = vm->vcpus[i];

		if (v->slot != NO_SLOT && !thread_parked(sp->proc, vm->pid, v->tid))
			return ES_VM_RUNNING;
	}
	return ES_VM_PAUSED;
}

/* --- the snapshot --- */

static bool is_busy(const struct es_sampler *sp, const struct vcpu *v)
{
	const struct es_slot *s = &sp->slots[v->slot];

	return __atomic_load_n(&s->seq, __ATOMIC_ACQUIRE) != v->seq ||
	       __atomic_load_n(&s->others, __ATOMIC_ACQUIRE) != v->others;
}

/* KVM's own fault counters of the vCPUs that ran, all in few calls. */
static void read_faults(struct es_sampler *sp)
{
	size_t n = 0;

	for (size_t i = 0; i < sp->n_vms; i++) {
		for (size_t k = 0; k < sp->vms[i]->n_vcpus; k++) {
			struct vcpu *v = sp->vms[i]->vcpus[k];

			v->busy = v->slot != NO_SLOT && (sp->vms[i]->silent || is_busy(sp, v));
			if (v->busy)
				sp->busy[n++] = v->slot;
		}
	}
	es_loader_read_faults(sp->loader, sp->busy, n);
}

static int read_vm(struct es_sampler *sp, struct vm *vm, uint64_t now)
{
	for (size_t i = 0; i < vm->n_vcpus; i++) {
		struct vcpu *v = vm->vcpus[i];
		bool goes_on = v->open && (v->state == ES_STATE_GUEST || v->state == ES_STATE_HALTED);
		int r;

		if (v->slot == NO_SLOT)
			continue;
		if (!goes_on && !v->busy)
			continue;
		r = take_slot(sp, vm, v, now);
		if (r)
			return r;
	}
	return 0;
}

/* Each vCPU for itself is four fifths of a snapshot: only for who asks, and for the last word on a VM. */
static struct es_vm *new_view(const struct vm *vm, bool per_vcpu)
{
	struct es_vm *view = es_vm_new(vm->id, vm->name);

	if (!view)
		return NULL;
	view->pid = vm->pid;
	view->uid = vm->uid;
	view->n_vcpus = vm->n_vcpus;
	view->since_ns = vm->since_ns;
	view->ended_ns = vm->ended_ns;
	view->state = vm->state;
	view->paging = vm->paging;
	view->nested = vm->nested;
	for (size_t i = 0; i < vm->n_vcpus; i++) {
		const struct es_counts *counts = &vm->vcpus[i]->counts;
		struct es_vcpu *v = per_vcpu ? es_vm_add_vcpu(view, vm->vcpus[i]->vcpu_id) : NULL;

		if ((per_vcpu && (!v || es_counts_copy(&v->counts, counts))) ||
		    es_counts_add(&view->counts, counts)) {
			es_vm_unref(view);
			return NULL;
		}
	}
	return view;
}

/* VMs that did nothing since the last call share their view with the last snapshot. */
static int add_view(struct es_sampler *sp, struct vm *vm, bool per_vcpu, struct es_snapshot *snap,
		    uint64_t now)
{
	enum es_vm_state state = vm_state(sp, vm, now);

	per_vcpu |= state == ES_VM_ENDED;
	if (vm->changed || state != vm->state || !vm->view || (per_vcpu && !vm->view->n_per_vcpu)) {
		struct es_vm *view;

		vm->state = state;
		view = new_view(vm, per_vcpu);
		if (!view)
			return -ENOMEM;
		es_vm_unref(vm->view);
		vm->view = view;
		vm->changed = false;
	}
	return es_snapshot_add(snap, es_vm_ref(vm->view));
}

static void drop_ended(struct es_sampler *sp)
{
	size_t kept = 0;

	for (size_t i = 0; i < sp->n_vms; i++) {
		struct vm *vm = sp->vms[i];

		if (vm->n_alive || !vm->n_vcpus) {
			sp->vms[kept++] = vm;
			continue;
		}
		for (size_t k = 0; k < vm->n_vcpus; k++)
			sp->unknown_gone += vm->vcpus[k]->unknown;
		vm_free(vm);
	}
	sp->n_vms = kept;
}

int es_sampler_sample(struct es_sampler *sp, const struct es_kvm_host *host, bool per_vcpu,
		      struct es_snapshot **out)
{
	struct es_snapshot *snap = es_snapshot_new();
	uint64_t now, realtime;
	int r = snap ? 0 : -ENOMEM;

	/* The time first: what a program adds while we read is then never in the future. */
	now = es_monotonic_ns();
	realtime = es_clock_ns(CLOCK_REALTIME);
	end_orphans(sp, now);
	if (!r)
		r = follow_slots(sp, host, now);
	if (!r)
		read_faults(sp);
	for (size_t i = 0; !r && i < sp->n_vms; i++) {
		r = read_vm(sp, sp->vms[i], now);
		if (!r)
			r = add_view(sp, sp->vms[i], per_vcpu, snap, now);
	}
	if (r) {
		es_snapshot_unref(snap);
		return r;
	}
	drop_ended(sp);
	snap->taken.monotonic_ns = now;
	snap->taken.realtime_ns = realtime;
	*out = snap;
	return 0;
}

/* --- for who compares --- */

int es_sampler_follow(struct es_sampler *sp, const struct es_kvm_host *host)
{
	return follow_slots(sp, host, es_monotonic_ns());
}

size_t es_sampler_vms(const struct es_sampler *sp)
{
	return sp->n_vms;
}

void es_sampler_vm(const struct es_sampler *sp, size_t i, struct es_sampler_vm *out)
{
	struct vm *vm = sp->vms[i];

	*out = (struct es_sampler_vm){
		.id = vm->id,
		.name = vm->name,
		.debugfs = vm->debugfs,
		.pid = vm->pid,
		.uid = vm->uid,
		.isa = vm->isa,
		.n_vcpus = vm->n_vcpus,
		.ending = vm->ending,
		.track = &vm->track,
	};
}

/*
 * May the last exit of this vCPU still be on its way to KVM's counter? A vCPU that did
 * something after it (entered, returned) is past that, and so is one that does nothing for long.
 * Counts only: entries are not seen, so only time tells.
 */
static bool in_flight(const struct es_sampler *sp, const struct vcpu *v, const struct es_slot *s,
		      uint64_t now)
{
	if (s->state != ES_STATE_KERNEL && s->state != ES_STATE_HALTED)
		return false;
	if (es_loader_latency(sp->loader) && now > s->since_ns + SETTLED_NS)
		return false;
	return v->seq != s->seq || now < v->seq_ns + SETTLED_NS;
}

/* Slots above 191 are SVM's alone. */
static unsigned int kernel_slot(uint8_t isa, uint32_t code)
{
	unsigned int slot = es_kernel_slot(code);

	return isa == ES_ISA_SVM || slot < ES_KERNEL_OTHER ? slot : ES_KERNEL_OTHER;
}

int es_sampler_vm_counts(struct es_sampler *sp, size_t i, struct es_kernel_look *look)
{
	const struct vm *vm = sp->vms[i];

	memset(&look->bpf, 0, sizeof(look->bpf));
	memset(look->in_flight, 0, sizeof(look->in_flight));
	for (size_t k = 0; k < vm->n_vcpus; k++) {
		const struct vcpu *v = vm->vcpus[k];
		const struct es_slot *s;

		if (v->slot == NO_SLOT)
			continue;
		s = read_slot(sp, v->slot);
		if (!s)
			return -EAGAIN;
		for (unsigned int c = ES_CELL_NONE + 1; c < s->cells_used; c++)
			look->bpf.n[kernel_slot(s->isa, s->cells[c].code)] += s->cells[c].count;
		if (s->cell > ES_CELL_NONE && s->cell < s->cells_used &&
		    in_flight(sp, v, s, es_monotonic_ns()))
			look->in_flight[kernel_slot(s->isa, s->cells[s->cell].code)]++;
	}
	return 0;
}

unsigned int es_sampler_slots_used(const struct es_sampler *sp)
{
	return sp->slots_used;
}

uint64_t es_sampler_unknown_reasons(const struct es_sampler *sp)
{
	uint64_t sum = sp->unknown_gone;

	for (size_t i = 0; i < sp->n_vms; i++) {
		for (size_t k = 0; k < sp->vms[i]->n_vcpus; k++)
			sum += sp->vms[i]->vcpus[k]->unknown;
	}
	return sum;
}

bool es_sampler_seen_exits(const struct es_sampler *sp)
{
	return sp->seen_exits;
}
