// SPDX-License-Identifier: GPL-2.0-only
/* Is a VM paused, is a vCPU at rest? */
#include <errno.h>
#include <stdio.h>

#include <exitstat/process.h>
#include <exitstat/util.h>

#include "sampler_priv.h"

#define PAUSED_NS   1000000000ull /* in user space for so long: maybe paused */
#define NR_IOCTL    16
#define NR_KVM_RUN  0xae80
#define ASK_AT_ONCE 16 /* paused VMs that a sample asks whether they still are */

/* In another system call than KVM_RUN. */
static bool in_other_call(const struct es_sampler *sp, const struct vcpu *v)
{
	unsigned long long call_fd, request;
	char buf[256];
	long nr;
	int r = es_keeper_thread_call(sp->keeper, v->slot, buf, sizeof(buf));

	if (r < 0)
		return es_process_gone(r);
	if (sscanf(buf, "%ld %llx %llx", &nr, &call_fd, &request) < 1)
		return false; /* "running" */
	return nr != NR_IOCTL || request != NR_KVM_RUN;
}

/*
 * Is the thread outside KVM_RUN for good: stopped, gone, or waiting in another system call? A VM outlives its process
 * where another one has its file descriptors, but runs no more: KVM lets only its own process run it.
 */
static bool thread_waits(const struct es_sampler *sp, const struct vcpu *v)
{
	_cleanup_close_ int dir = es_process_open_thread(sp->proc, v->pid, v->tid);
	struct es_process_stat stat;
	int r;

	if (dir < 0)
		return es_process_gone(dir);
	r = es_process_read_stat(dir, &stat);
	if (es_process_gone(r))
		return true;
	/* The number is another thread's by now. */
	if (!r && stat.start_ns > es_sampler_since(v))
		return true;
	if (!r && (stat.state == 'T' || stat.state == 't'))
		return true;
	return in_other_call(sp, v);
}

/*
 * Paused: every vCPU went back to the VMM a while ago and its thread does not run
 * the guest. The slots tell that for nothing; /proc is asked only when they do, as
 * a halted vCPU can be sent in again without an event.
 */
static bool is_paused(const struct es_sampler *sp, const struct vm *vm, uint64_t now)
{
	if (vm->n_vmm < vm->n_alive)
		return false;
	for (size_t i = 0; i < vm->n_vcpus; i++) {
		const struct vcpu *v = vm->vcpus[i];

		if (v->slot != NO_SLOT && now < es_sampler_since(v) + PAUSED_NS)
			return false;
	}
	for (size_t i = 0; i < vm->n_vcpus; i++) {
		const struct vcpu *v = vm->vcpus[i];

		if (v->slot != NO_SLOT && !thread_waits(sp, v))
			return false;
	}
	return true;
}

/* The paused ones take turns in being asked; those whose vCPUs did something do not wait for theirs. */
static bool is_its_turn(const struct es_sampler *sp, const struct vm *vm, size_t nth)
{
	size_t rounds = (sp->n_paused + ASK_AT_ONCE - 1) / ASK_AT_ONCE;

	return vm->changed || !rounds || nth % rounds == sp->turn % rounds;
}

static enum es_vm_state state_of(struct es_sampler *sp, struct vm *vm, uint64_t now, size_t nth)
{
	if (vm->ended_ns != ES_NONE)
		return ES_VM_ENDED;
	if (vm->state == ES_VM_PAUSED && !is_its_turn(sp, vm, nth))
		return ES_VM_PAUSED;
	return is_paused(sp, vm, now) ? ES_VM_PAUSED : ES_VM_RUNNING;
}

void es_sampler_judge(struct es_sampler *sp, uint64_t now)
{
	size_t paused = 0;

	for (size_t i = 0; i < sp->n_vms; i++) {
		struct vm *vm = sp->vms[i];
		enum es_vm_state state = state_of(sp, vm, now, paused);

		/* Somebody sent it back into KVM, to sleep on, as there was no event: see for what. */
		for (size_t k = 0; vm->state == ES_VM_PAUSED && state == ES_VM_RUNNING && k < vm->n_vcpus;
		     k++) {
			if (vm->vcpus[k]->slot != NO_SLOT)
				es_sampler_activate(sp, vm->vcpus[k]);
		}
		vm->changed |= state != vm->state;
		vm->state = state;
		paused += state == ES_VM_PAUSED;
	}
	sp->n_paused = paused;
	sp->turn++;
}

/* --- at rest --- */

/*
 * May nothing happen to this vCPU that the programs do not announce? One that runs a guest without ever leaving
 * it could start to wait for its CPU; one in user space is the reason to ask whether its VM is paused.
 */
static bool may_rest(const struct es_sampler *sp, const struct vm *vm, const struct vcpu *v)
{
	if (!v->settled || v->queued || vm->silent)
		return false;
	if (v->state == ES_STATE_VMM && !v->asleep)
		return vm->state == ES_VM_PAUSED || vm->n_vmm < vm->n_alive;
	return v->asleep || v->state == ES_STATE_IDLE || v->state == ES_STATE_NEW ||
	       !es_keeper_latency(sp->keeper);
}

static bool is_marked(const struct es_slot *s)
{
	return __atomic_load_n(&s->state, __ATOMIC_SEQ_CST) & ES_STATE_PARKED &&
	       __atomic_load_n(&s->parked_others, __ATOMIC_SEQ_CST);
}

void es_sampler_park(struct es_sampler *sp)
{
	size_t n = 0;

	for (size_t i = sp->n_active; i-- > 0;) {
		uint32_t slot = sp->active[i];
		struct vcpu *v = sp->owner[slot].vcpu;
		bool was_parking = v->parking;

		v->parking = false;
		if (!may_rest(sp, sp->owner[slot].vm, v))
			continue;
		if (was_parking && is_marked(&sp->slots[slot])) {
			es_sampler_deactivate(sp, v);
			continue;
		}
		sp->some.slots[n] = slot;
		sp->some.states[n++] = v->state;
	}
	es_keeper_park(sp->keeper, sp->some.slots, sp->some.states, n, sp->some.parked);
	for (size_t i = 0; i < n; i++)
		sp->owner[sp->some.slots[i]].vcpu->parking = sp->some.parked[i];
}
