// SPDX-License-Identifier: GPL-2.0-only
/* What the BPF programs would do for guests that exit a thousand times a second for each busy vCPU. */
#include "sim.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <exitstat/util.h>

#define CELLS	    25
#define HOT_CELLS   10
#define EXITS	    1000 /* of a busy vCPU in a second */
#define NS_PER_S    1000000000ull
#define VCPU_STRIDE 64

static const uint32_t codes[CELLS] = { 0x400, 0x7b, 0x7c, 0x72, 0x78, 0x60, 0x64, 0x61, 0x77,
				       0x79,  0x10, 0x13, 0x00, 0x03, 0x4e, 0x6e, 0x89, 0x8d,
				       0x66,  0x40, 0x7f, 0x14, 0x18, 0x76, 0x65 };

static uint32_t random_u32(void)
{
	static uint64_t seed = 88172645463325252ull;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

static void announce(struct sim_ring *ring, enum es_event_type type, uint32_t slot)
{
	uint32_t head = ring->head;
	const uint64_t one = 1;

	if (head - __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) > ring->mask) {
		__atomic_fetch_add(&ring->full, 1, __ATOMIC_RELAXED);
		return;
	}
	ring->events[head & ring->mask] = (struct es_event){ .type = type, .slot = slot };
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
	if (type != ES_EVENT_BUSY && write(ring->event_fd, &one, sizeof(one)) != sizeof(one))
		exit(1);
}

static void begin(struct es_slot *s, uint32_t vm, uint32_t id, uint64_t vcpu, uint32_t pid)
{
	s->kvm = 0x100000 + 4096ull * vm;
	s->vcpu_id = id;
	s->tgid = s->tid = pid;
	s->born_ns = s->first_ns = s->since_ns = es_monotonic_ns();
	s->state = ES_STATE_IDLE;
	s->isa = 2;
	s->cells_used = CELLS + 1;
	snprintf(s->comm, sizeof(s->comm), "vm%05u", vm);
	for (unsigned int i = 0; i < CELLS; i++) {
		s->cells[i + 1].code = codes[i];
		s->cells[i + 1].count = 1;
		s->cells[i + 1].hist[5] = 1;
		s->cells[i + 1].max_ns = s->cells[i + 1].time_ns = 1500;
	}
	__atomic_store_n(&s->vcpu, vcpu, __ATOMIC_RELEASE);
}

static void count(struct es_cell *cell, unsigned int n)
{
	uint32_t ns = 500 + (random_u32() & 0xfff);

	cell->count += n;
	cell->time_ns += (uint64_t)n * ns;
	cell->hist[4 + (ns >> 10)] += n;
	if (ns > cell->max_ns)
		cell->max_ns = ns;
}

/* The exits of one turn at once, and the time since the last one. */
static void run(struct es_slot *s, uint32_t idx, struct sim_ring *ring, unsigned int exits)
{
	uint64_t now = es_monotonic_ns(), ns = now - s->since_ns;

	__atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < HOT_CELLS; i++)
		count(&s->cells[i + 1], (exits + HOT_CELLS - 1) / HOT_CELLS);
	s->mmu[ES_MMU_FAULT_TDP] += exits / 2;
	s->mmu[ES_MMU_SPTES_4K] += exits / 2;
	s->time_ns[ES_STATE_KERNEL] += ns / 4;
	s->time_ns[ES_STATE_VMM] += ns / 16;
	s->time_ns[ES_STATE_GUEST] += ns - ns / 4 - ns / 16;
	s->since_ns = now;
	if (__atomic_exchange_n(&s->state, ES_STATE_GUEST, __ATOMIC_SEQ_CST) & ES_STATE_PARKED)
		announce(ring, ES_EVENT_BUSY, idx);
	__atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_RELEASE);
}

static void wait_until(uint64_t ns)
{
	const struct timespec ts = { .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

void sim_guests(const struct sim_options *o, struct es_slot *slots, struct sim_ring *ring,
		uint64_t kernel_text, uint32_t pid)
{
	uint32_t n = o->vms * o->vcpus, busy = (uint32_t)((uint64_t)o->vms * o->busy / 100) * o->vcpus;
	uint64_t turn = es_monotonic_ns();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint32_t i = 0; i < n; i++) {
		begin(&slots[i], i / o->vcpus, i % o->vcpus, kernel_text + (uint64_t)VCPU_STRIDE * i, pid);
		announce(ring, ES_EVENT_NEW, i);
	}
	for (;;) {
		for (uint32_t i = 0; i < busy; i++)
			run(&slots[i], i, ring, EXITS / o->hz);
		turn += NS_PER_S / o->hz;
		wait_until(turn);
	}
}
