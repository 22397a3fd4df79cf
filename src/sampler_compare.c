// SPDX-License-Identifier: GPL-2.0-only
/* For who compares our counts with the kernel's own. */
#include <errno.h>
#include <string.h>

#include <exitstat/util.h>

#include "sampler_priv.h"

#define SETTLED_NS 1000000000ull /* KVM counts an exit within so long after we did */

int es_sampler_follow(struct es_sampler *sp, const struct es_kvm_host *host)
{
	uint64_t now = es_monotonic_ns();

	es_sampler_hear(sp, now);
	return es_sampler_follow_slots(sp, host, now);
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
	unsigned int state = s->state & ES_STATE_MASK;

	if (state != ES_STATE_KERNEL && state != ES_STATE_IDLE)
		return false;
	if (es_keeper_latency(sp->keeper) && now > s->since_ns + SETTLED_NS)
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
		const struct look *l;

		if (v->slot == NO_SLOT)
			continue;
		l = es_sampler_read(sp, v->slot, NULL);
		if (!l)
			return -EAGAIN;
		for (unsigned int c = 0; c < l->n; c++) {
			unsigned int slot = kernel_slot(l->slot.isa, l->slot.cells[c].code);

			look->bpf.n[slot] += l->slot.cells[c].count;
			if (l->cells[c] == l->slot.cell && in_flight(sp, v, &l->slot, es_monotonic_ns()))
				look->in_flight[slot]++;
		}
	}
	return 0;
}
