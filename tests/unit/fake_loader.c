/* SPDX-License-Identifier: GPL-2.0-only */
#include "fake_loader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* --- what the sampler asks of it --- */

struct es_slot *es_loader_slots(const struct es_loader *l, unsigned int *n)
{
	*n = l->n_slots;
	return l->slots;
}

bool es_loader_attached(const struct es_loader *l)
{
	return l->attached;
}

uint64_t es_loader_epoch(const struct es_loader *l)
{
	return l->epoch;
}

bool es_loader_waits(const struct es_loader *l)
{
	return l->waits;
}

bool es_loader_typed(const struct es_loader *l)
{
	return l->typed;
}

bool es_loader_latency(const struct es_loader *l)
{
	return l->latency;
}

bool es_loader_life_attached(const struct es_loader *l)
{
	return l->life;
}

void es_loader_slot_end(struct es_loader *l, uint32_t slot, uint64_t now)
{
	l->slots[slot].vcpu = 0;
	l->slots[slot].ended_ns = now;
}

int es_loader_slot_free(struct es_loader *l, uint32_t slot)
{
	memset(&l->slots[slot], 0, sizeof(l->slots[slot]));
	l->freed[slot]++;
	return 0;
}

void es_loader_forget_threads(struct es_loader *l)
{
	(void)l;
}

const struct es_mmu_measured *es_loader_mmu(const struct es_loader *l)
{
	return &l->measured;
}

uint32_t es_loader_flags(const struct es_loader *l)
{
	return l->flags;
}

void es_loader_read_threads(struct es_loader *l, const uint32_t *slots, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		l->thread_reads[slots[i]]++;
		if (l->look)
			l->look(&l->slots[slots[i]]);
	}
}

int es_loader_events_drain(struct es_loader *l, es_announced_fn *announced, void *ctx)
{
	size_t n = l->n_events;

	for (size_t i = 0; i < n; i++)
		announced(ctx, l->events[i].type, l->events[i].slot);
	l->n_events = 0;
	return (int)n;
}

uint64_t es_loader_health(const struct es_loader *l, enum es_health which)
{
	return which == ES_HEALTH_RING_FULL ? l->ring_full : 0;
}

/* --- what the programs do --- */

void fake_announce(struct es_loader *l, enum es_event_type type, uint32_t slot)
{
	if (l->deaf) {
		l->ring_full++;
		return;
	}
	if (l->n_events == l->cap_events) {
		l->cap_events = l->cap_events ? l->cap_events * 2 : 64;
		l->events = reallocarray(l->events, l->cap_events, sizeof(*l->events));
		if (!l->events)
			abort();
	}
	l->events[l->n_events++] = (struct es_event){ type, slot };
}

struct es_slot *fake_begin(struct es_loader *l, uint32_t slot, uint64_t kvm, uint32_t vcpu_id, uint64_t born,
			   uint32_t code, uint64_t count)
{
	struct es_slot *s = &l->slots[slot];

	if (s->kvm) /* or it is zero, and perhaps not in memory yet */
		memset(s, 0, sizeof(*s));
	s->kvm = kvm;
	s->vcpu = kvm + vcpu_id + 1;
	s->vcpu_id = vcpu_id;
	s->born_ns = born;
	s->tgid = 0x7fffff00; /* no such process */
	s->tid = s->tgid;
	s->isa = ES_ISA_SVM;
	s->state = ES_STATE_KERNEL;
	strcpy(s->comm, "qemu");
	s->cells_used = 2;
	s->cells[1].code = code;
	s->cells[1].count = count;
	s->cells[1].time_ns = 10 * count;
	s->cells[1].hist[0] = count;
	s->seq = 2;
	fake_announce(l, ES_EVENT_NEW, slot);
	return s;
}

void fake_end(struct es_loader *l, uint32_t slot, uint64_t when)
{
	l->slots[slot].vcpu = 0;
	l->slots[slot].ended_ns = when;
	fake_announce(l, ES_EVENT_GONE, slot);
}

void fake_act(struct es_loader *l, struct es_slot *s, enum es_state state)
{
	s->seq++;
	if (s->state & ES_STATE_PARKED)
		fake_announce(l, ES_EVENT_BUSY, (uint32_t)(s - l->slots));
	s->state = state;
	s->seq++;
}

void fake_zap(struct es_loader *l, struct es_slot *s)
{
	s->mmu_others[ES_MMU_PAGES_ZAPPED]++;
	s->others++;
	if (!s->parked_others)
		return;
	s->parked_others = 0;
	fake_announce(l, ES_EVENT_BUSY, (uint32_t)(s - l->slots));
}

/* --- there and gone --- */

int fake_loader_init(struct es_loader *l, unsigned int n_slots)
{
	void *p = mmap(NULL, n_slots * sizeof(struct es_slot), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	*l = (struct es_loader){
		.slots = p,
		.n_slots = n_slots,
		.attached = true,
		.latency = true,
		.life = true,
		.waits = true,
		.typed = true,
		.flags = ~0u,
	};
	l->freed = calloc(n_slots, sizeof(*l->freed));
	l->thread_reads = calloc(n_slots, sizeof(*l->thread_reads));
	return l->freed && l->thread_reads ? 0 : -ENOMEM;
}

void fake_loader_clear(struct es_loader *l)
{
	munmap(l->slots, l->n_slots * sizeof(struct es_slot));
	free(l->events);
	free(l->freed);
	free(l->thread_reads);
}
