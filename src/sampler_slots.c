// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who comes and goes. The programs announce it, and every vCPU that did something after it was parked, so that
 * slots at rest are not looked at; when announcements were lost, and every now and then, all are.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <exitstat/identity.h>
#include <exitstat/process.h>
#include <exitstat/util.h>

#include "sampler_priv.h"

#define SCAN_NS	    60000000000ull
#define HASH_MUL    0x9e3779b97f4a7c15ull /* 2^64 / golden ratio */
#define ASK_AT_ONCE 16 /* VMs of which a sample asks whether their process is still the same */

/* --- the list that a sample walks --- */

void es_sampler_activate(struct es_sampler *sp, struct vcpu *v)
{
	if (v->place != NO_PLACE)
		return;
	v->parking = false;
	v->place = (uint32_t)sp->n_active;
	sp->active[sp->n_active++] = v->slot;
}

void es_sampler_deactivate(struct es_sampler *sp, struct vcpu *v)
{
	uint32_t last;

	if (v->place == NO_PLACE)
		return;
	last = sp->active[--sp->n_active];
	sp->active[v->place] = last;
	sp->owner[last].vcpu->place = v->place;
	v->place = NO_PLACE;
}

/* --- announcements --- */

static void suspect(struct es_sampler *sp, uint32_t slot)
{
	if (sp->owner[slot].pending)
		return;
	sp->owner[slot].pending = true;
	sp->pending[sp->n_pending++] = slot;
}

static void on_announced(void *ctx, enum es_event_type type, uint32_t slot)
{
	struct es_sampler *sp = ctx;

	if (type != ES_EVENT_BUSY) {
		suspect(sp, slot);
		sp->news = true;
	} else if (sp->owner[slot].vcpu) {
		es_sampler_activate(sp, sp->owner[slot].vcpu);
	}
}

static bool is_parked(const struct es_slot *s)
{
	return __atomic_load_n(&s->state, __ATOMIC_RELAXED) & ES_STATE_PARKED &&
	       __atomic_load_n(&s->parked_others, __ATOMIC_RELAXED);
}

static void scan_slot(struct es_sampler *sp, uint32_t slot)
{
	const struct es_slot *s = &sp->slots[slot];
	struct vcpu *v = sp->owner[slot].vcpu;
	bool ended = __atomic_load_n(&s->ended_ns, __ATOMIC_ACQUIRE) != 0;

	if (sp->owner[slot].over)
		return;
	if (ended || (!v && __atomic_load_n(&s->vcpu, __ATOMIC_ACQUIRE)))
		suspect(sp, slot);
	/* Of those in user space some may have gone back into KVM without an event: to sleep on. */
	else if (v && (v->state == ES_STATE_VMM || !is_parked(s) || es_sampler_moved(sp, v)))
		es_sampler_activate(sp, v);
}

static bool must_scan(struct es_sampler *sp, uint64_t now)
{
	uint64_t ring_full = es_keeper_lost(sp->keeper, ES_HEALTH_RING_FULL);
	uint64_t epoch = es_keeper_epoch(sp->keeper);
	bool must = ring_full != sp->ring_full || epoch != sp->epoch || now - sp->scanned_ns >= SCAN_NS;

	sp->ring_full = ring_full;
	sp->epoch = epoch;
	return must;
}

/* In another pid namespace a thread's number does not tell whether it is gone. */
static void forget_threads(struct es_sampler *sp)
{
	if (sp->proc)
		es_keeper_forget_threads(sp->keeper);
}

void es_sampler_hear(struct es_sampler *sp, uint64_t now)
{
	es_keeper_events_drain(sp->keeper, on_announced, sp);
	/* Afterwards: what could not be announced before something that was is then known, too. */
	if (must_scan(sp, now)) {
		for (uint32_t i = 0; i < sp->n_slots; i++)
			scan_slot(sp, i);
		forget_threads(sp);
		sp->scanned_ns = now;
	}
}

/* Then its process was still there. */
static uint64_t last_seen(const struct vm *vm)
{
	uint64_t at = vm->since_ns;

	for (size_t i = 0; i < vm->n_vcpus; i++)
		if (es_sampler_since(vm->vcpus[i]) > at)
			at = es_sampler_since(vm->vcpus[i]);
	return at;
}

/* Its number may be another one's by now: that takes a file of /proc to tell, and so is asked of a few at each sample. */
static bool process_is_gone(const struct es_sampler *sp, const struct vm *vm, size_t nth)
{
	_cleanup_close_ int dir = -1;
	size_t rounds = (sp->n_vms + ASK_AT_ONCE - 1) / ASK_AT_ONCE;

	if (!sp->proc)
		return false;
	if (kill((pid_t)vm->pid, 0) && errno == ESRCH)
		return true;
	if (nth % rounds != sp->turn % rounds)
		return false;
	dir = es_process_open(sp->proc, vm->pid);
	return dir >= 0 && es_process_younger(dir, last_seen(vm));
}

/*
 * Without the lifecycle program the end of a process is the only sign that its VMs
 * are gone. It cannot tell two VMs apart that one process had at one address.
 */
static void end_orphans(struct es_sampler *sp, uint64_t now)
{
	if (es_keeper_life_attached(sp->keeper))
		return;
	for (size_t i = 0; i < sp->n_vms; i++) {
		const struct vm *vm = sp->vms[i];

		if (!process_is_gone(sp, vm, i))
			continue;
		for (size_t k = 0; k < vm->n_vcpus; k++) {
			uint32_t slot = vm->vcpus[k]->slot;

			if (slot == NO_SLOT)
				continue;
			if (!sp->slots[slot].ended_ns)
				es_keeper_slot_end(sp->keeper, slot, now);
			suspect(sp, slot);
		}
	}
}

/* --- VMs by their address in the kernel --- */

static struct vm **bucket_of(struct es_sampler *sp, uint64_t kvm)
{
	return &sp->by_kvm[(kvm * HASH_MUL >> 32) & sp->mask];
}

static struct vm *find_vm(struct es_sampler *sp, uint64_t kvm)
{
	struct vm *vm = *bucket_of(sp, kvm);

	while (vm && vm->kvm != kvm)
		vm = vm->next;
	return vm;
}

/* A VM that is ending is not found any more. */
static void unhash(struct es_sampler *sp, struct vm *vm)
{
	struct vm **at = bucket_of(sp, vm->kvm);

	while (*at && *at != vm)
		at = &(*at)->next;
	if (*at)
		*at = vm->next;
}

/* --- a VM begins --- */

void es_sampler_free_vm(struct vm *vm)
{
	for (size_t i = 0; i < vm->n_vcpus; i++) {
		es_cells_clear(&vm->vcpus[i]->cells);
		free(vm->vcpus[i]);
	}
	free(vm->vcpus);
	es_counts_clear(&vm->counts);
	free(vm->id);
	free(vm->name);
	es_vm_unref(vm->view);
	free(vm->track);
	free(vm);
}

static void identify(struct es_sampler *sp, struct vm *vm, const struct es_slot *s, uint32_t slot)
{
	struct es_identity who;
	char comm[sizeof(s->comm) + 1], exe[512];
	int known = es_keeper_exe(sp->keeper, slot, exe, sizeof(exe));

	snprintf(comm, sizeof(comm), "%.*s", (int)sizeof(s->comm), s->comm);
	es_identity_resolve(sp->proc, s->tgid, comm, known < 0 ? NULL : exe, s->born_ns, &who);
	vm->name = strdup(who.name);
	vm->uid = who.uid;
	/* One slot starts one vCPU at one time: never the same twice in a boot of the host. */
	if (asprintf(&vm->id, "%u-%llx-%x", s->tgid, (unsigned long long)s->born_ns, slot) < 0)
		vm->id = NULL;
}

static int make_room(struct es_sampler *sp)
{
	size_t cap = sp->cap_vms ? sp->cap_vms * 2 : 16;
	struct vm **more;

	if (sp->n_vms < sp->cap_vms)
		return 0;
	more = reallocarray(sp->vms, cap, sizeof(*more));
	if (!more)
		return -ENOMEM;
	sp->vms = more;
	sp->cap_vms = cap;
	return 0;
}

static struct vm *new_vm(struct es_sampler *sp, uint32_t slot, const struct es_kvm_host *host)
{
	const struct es_slot *s = &sp->slots[slot];
	struct vm *vm;

	if (make_room(sp))
		return NULL;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return NULL;
	es_counts_init(&vm->counts);
	identify(sp, vm, s, slot);
	if (!vm->id || !vm->name) {
		es_sampler_free_vm(vm);
		return NULL;
	}
	snprintf(vm->debugfs, sizeof(vm->debugfs), "%.*s", (int)sizeof(s->debugfs), s->debugfs);
	vm->kvm = s->kvm;
	vm->pid = s->tgid;
	vm->since_ns = s->born_ns;
	vm->ended_ns = ES_NONE;
	vm->paging = es_kvm_host_paging(host);
	vm->silent = host->pvm && !host->vendor;
	vm->no_waits = !es_keeper_waits(sp->keeper);
	vm->next = *bucket_of(sp, vm->kvm);
	*bucket_of(sp, vm->kvm) = vm;
	sp->vms[sp->n_vms++] = vm;
	return vm;
}

/* --- slots begin and end --- */

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
	v->to_free = NO_SLOT;
	v->seq = s->seq - 1; /* anything else: not read yet */
	v->place = NO_PLACE;
	es_counts_init(&v->counts);
	vm->vcpus[vm->n_vcpus++] = v;
	vm->n_alive++;
	vm->changed = true;
	sp->owner[slot].vm = vm;
	sp->owner[slot].vcpu = v;
	sp->slots_used++;
	es_sampler_activate(sp, v);
	return 0;
}

/*
 * The vCPU is gone and nobody writes to its slot: read it a last time. It is given back only when its VM's end has been
 * told: until then it is all that tells another daemon, should this one die.
 */
static int slot_ended(struct es_sampler *sp, uint32_t slot)
{
	struct vm *vm = sp->owner[slot].vm;
	struct vcpu *v = sp->owner[slot].vcpu;
	uint64_t ended = sp->slots[slot].ended_ns;
	int r = es_sampler_take(sp, vm, v, true, ended);

	if (r)
		return r;
	es_sampler_deactivate(sp, v);
	v->slot = NO_SLOT;
	v->to_free = slot;
	vm->n_vmm -= v->state == ES_STATE_VMM && !v->asleep;
	vm->n_alive--;
	vm->changed = true;
	if (!vm->ending)
		unhash(sp, vm);
	vm->ending = true;
	if (!vm->n_alive)
		vm->ended_ns = ended;
	sp->owner[slot] = (struct owner){ .over = true };
	sp->slots_used--;
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct happened *x = a, *y = b;

	return (x->ns > y->ns) - (x->ns < y->ns);
}

/* What happened to slots that were announced, unsorted. What began after now stays for the next call. */
static size_t collect(struct es_sampler *sp, uint64_t now)
{
	size_t n = 0, later = 0;

	for (size_t i = 0; i < sp->n_pending; i++) {
		uint32_t slot = sp->pending[i];
		const struct es_slot *s = &sp->slots[slot];
		uint64_t ended = __atomic_load_n(&s->ended_ns, __ATOMIC_ACQUIRE);
		bool known = sp->owner[slot].vm;

		sp->owner[slot].pending = false;
		if (sp->owner[slot].over ||
		    (!ended && (known || !__atomic_load_n(&s->vcpu, __ATOMIC_ACQUIRE))))
			continue;
		if (!known && s->born_ns > now) {
			sp->owner[slot].pending = true;
			sp->pending[later++] = slot;
			continue;
		}
		if (!known)
			sp->happened[n++] = (struct happened){ s->born_ns, slot };
		if (ended)
			sp->happened[n++] = (struct happened){ ended, slot };
	}
	sp->n_pending = later;
	return n;
}

/*
 * Beginnings and endings in the order in which they happened: a kvm pointer that
 * died and came again in between two calls is two VMs. The end of the first was announced before the
 * beginning of the second, so who knows of that knows of the end, too.
 */
int es_sampler_follow_slots(struct es_sampler *sp, const struct es_kvm_host *host, uint64_t now)
{
	bool ended = false;
	size_t n;
	int r = 0;

	end_orphans(sp, now);
	n = collect(sp, now);
	qsort(sp->happened, n, sizeof(*sp->happened), by_time);
	for (size_t k = 0; k < n; k++) {
		uint32_t slot = sp->happened[k].slot;

		if (!r)
			r = sp->owner[slot].vm ? slot_ended(sp, slot) : slot_began(sp, slot, host);
		ended |= !sp->owner[slot].vm;
		if (r)
			suspect(sp, slot);
	}
	if (ended)
		forget_threads(sp);
	return r;
}

static void give_back(struct es_sampler *sp, const struct vm *vm)
{
	for (size_t i = 0; i < vm->n_vcpus; i++) {
		uint32_t slot = vm->vcpus[i]->to_free;

		es_keeper_slot_free(sp->keeper, slot);
		sp->owner[slot].over = false;
	}
}

void es_sampler_release(struct es_sampler *sp)
{
	size_t kept = 0;

	for (size_t i = 0; sp->told && i < sp->n_vms; i++) {
		struct vm *vm = sp->vms[i];

		if (!vm->told) {
			sp->vms[kept++] = vm;
			continue;
		}
		give_back(sp, vm);
		es_sampler_free_vm(vm);
	}
	if (sp->told)
		sp->n_vms = kept;
	sp->told = false;
}
