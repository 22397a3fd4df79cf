/* SPDX-License-Identifier: GPL-2.0-only */
#include "fake_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <exitstat/kernel_counts.h>
#include <exitstat/util.h>

/* --- what the sampler asks of it --- */

const struct es_slot *es_keeper_slots(const struct es_keeper *l, unsigned int *n)
{
	*n = l->n_slots;
	return l->slots;
}

bool es_keeper_attached(const struct es_keeper *l)
{
	return l->attached;
}

uint64_t es_keeper_epoch(const struct es_keeper *l)
{
	return l->epoch;
}

bool es_keeper_waits(const struct es_keeper *l)
{
	return l->waits;
}

bool es_keeper_typed(const struct es_keeper *l)
{
	return l->typed;
}

bool es_keeper_latency(const struct es_keeper *l)
{
	return l->latency;
}

bool es_keeper_life_attached(const struct es_keeper *l)
{
	return l->life;
}

void es_keeper_slot_end(struct es_keeper *l, uint32_t slot, uint64_t now)
{
	l->slots[slot].vcpu = 0;
	l->slots[slot].ended_ns = now;
}

int es_keeper_slot_free(struct es_keeper *l, uint32_t slot)
{
	memset(&l->slots[slot], 0, sizeof(l->slots[slot]));
	l->freed[slot]++;
	return 0;
}

void es_keeper_forget_threads(struct es_keeper *l)
{
	(void)l;
}

const struct es_mmu_measured *es_keeper_mmu(const struct es_keeper *l)
{
	return &l->measured;
}

uint32_t es_keeper_flags(const struct es_keeper *l)
{
	return l->flags;
}

void es_keeper_read_threads(struct es_keeper *l, const uint32_t *slots, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		l->thread_reads[slots[i]]++;
		if (l->look)
			l->look(&l->slots[slots[i]]);
	}
}

int es_keeper_events_drain(struct es_keeper *l, es_announced_fn *announced, void *ctx)
{
	size_t n = l->n_events;

	for (size_t i = 0; i < n; i++)
		announced(ctx, l->events[i].type, l->events[i].slot);
	l->n_events = 0;
	return (int)n;
}

uint64_t es_keeper_lost(const struct es_keeper *k, enum es_health which)
{
	return which == ES_HEALTH_RING_FULL ? k->ring_full : 0;
}

void es_keeper_park(struct es_keeper *k, const uint32_t *slots, const uint8_t *states, size_t n, bool *parked)
{
	for (size_t i = 0; i < n; i++) {
		struct es_slot *s = &k->slots[slots[i]];

		parked[i] = (s->state & ES_STATE_MASK) == states[i];
		if (!parked[i])
			continue;
		s->state |= ES_STATE_PARKED;
		s->parked_others = 1;
	}
}

int es_keeper_debugfs(struct es_keeper *k, char *why, size_t size)
{
	char path[256];
	int r = es_kernel_reachable(k->sys, why, size);

	snprintf(path, sizeof(path), "%s/kernel/debug/kvm", k->sys);
	return r ? r : open(path, O_RDONLY | O_DIRECTORY);
}

static int read_file(const char *path, char *buf, size_t size, bool link)
{
	_cleanup_close_ int fd = link ? -1 : open(path, O_RDONLY);
	ssize_t n = link ? readlink(path, buf, size - 1) : read(fd, buf, size - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return (int)n;
}

int es_keeper_thread_call(struct es_keeper *k, uint32_t slot, char *buf, size_t size)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%u/task/%u/syscall", k->proc, k->slots[slot].tgid,
		 k->slots[slot].tid);
	/* As openat() would say, whose fd is the only one read from. */
	return access(path, F_OK) ? -errno : read_file(path, buf, size, false);
}

int es_keeper_exe(struct es_keeper *k, uint32_t slot, char *buf, size_t size)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%u/exe", k->proc, k->slots[slot].tgid);
	return read_file(path, buf, size, true);
}

/* --- what the programs do --- */

void fake_announce(struct es_keeper *l, enum es_event_type type, uint32_t slot)
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

struct es_slot *fake_begin(struct es_keeper *l, uint32_t slot, uint64_t kvm, uint32_t vcpu_id, uint64_t born,
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

void fake_end(struct es_keeper *l, uint32_t slot, uint64_t when)
{
	l->slots[slot].vcpu = 0;
	l->slots[slot].ended_ns = when;
	fake_announce(l, ES_EVENT_GONE, slot);
}

void fake_act(struct es_keeper *l, struct es_slot *s, enum es_state state)
{
	s->seq++;
	if (s->state & ES_STATE_PARKED)
		fake_announce(l, ES_EVENT_BUSY, (uint32_t)(s - l->slots));
	s->state = state;
	s->seq++;
}

void fake_zap(struct es_keeper *l, struct es_slot *s)
{
	s->mmu_others[ES_MMU_PAGES_ZAPPED]++;
	s->others++;
	if (!s->parked_others)
		return;
	s->parked_others = 0;
	fake_announce(l, ES_EVENT_BUSY, (uint32_t)(s - l->slots));
}

/* --- there and gone --- */

int fake_keeper_init(struct es_keeper *l, unsigned int n_slots)
{
	void *p = mmap(NULL, n_slots * sizeof(struct es_slot), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	*l = (struct es_keeper){
		.sys = "/sys",
		.proc = "/proc",
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

void fake_keeper_clear(struct es_keeper *l)
{
	munmap(l->slots, l->n_slots * sizeof(struct es_slot));
	free(l->events);
	free(l->freed);
	free(l->thread_reads);
}
