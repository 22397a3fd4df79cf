// SPDX-License-Identifier: GPL-2.0-only
/* The loader's slots, whom they belong to, and what the programs announce of them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "loader_priv.h"
#include "loader_threads.h"
#include "vcpu_life.skel.h"

struct es_slot *es_loader_slots(const struct es_loader *l, unsigned int *n)
{
	*n = l->n_slots;
	return l->slots;
}

int es_loader_slots_fd(const struct es_loader *l)
{
	int fd = fcntl(bpf_map__fd(l->life->maps.slots), F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* As in bpf/vcpu_life.bpf.c. The process is gone, so nobody else counts its VMs now. */
static void forget_vm(struct es_loader *l, const struct es_slot *s, uint32_t slot)
{
	int processes = bpf_map__fd(l->life->maps.processes);
	uint64_t kvm = s->kvm, all;
	uint32_t tgid = s->owner;

	bpf_map_delete_elem(bpf_map__fd(l->life->maps.vms), &kvm);
	if (bpf_map_lookup_elem(processes, &tgid, &all))
		return;
	all -= ES_PROCESS_ONE + slot + 1;
	if (all)
		bpf_map_update_elem(processes, &tgid, &all, BPF_EXIST);
	else
		bpf_map_delete_elem(processes, &tgid);
}

void es_loader_slot_end(struct es_loader *l, uint32_t slot, uint64_t now)
{
	struct es_slot *s = &l->slots[slot];
	int threads = bpf_map__fd(l->life->maps.threads);
	uint32_t tid = s->tid, of_thread;
	uint64_t vcpu = s->vcpu;

	bpf_map_delete_elem(bpf_map__fd(l->life->maps.vcpus), &vcpu);
	if (s->owner)
		forget_vm(l, s, slot);
	if (!bpf_map_lookup_elem(threads, &tid, &of_thread) && of_thread == slot)
		bpf_map_delete_elem(threads, &tid);
	s->vcpu = 0;
	s->ended_ns = now;
}

int es_loader_slot_free(struct es_loader *l, uint32_t slot)
{
	int r;

	l->keep->freeing = slot + 1;
	memset(&l->slots[slot], 0, sizeof(l->slots[slot]));
	r = bpf_map_update_elem(bpf_map__fd(l->life->maps.free_slots), NULL, &slot, BPF_ANY) ? -errno : 0;
	l->keep->freeing = 0;
	return r;
}

/* Looks through the queue by taking each slot out and putting it in again behind the others. */
static bool is_free(int queue, uint32_t slot, unsigned int n_slots)
{
	bool found = false;
	uint32_t first = UINT32_MAX, at;

	for (unsigned int i = 0; i < n_slots; i++) {
		if (bpf_map_lookup_and_delete_elem(queue, NULL, &at))
			return found;
		bpf_map_update_elem(queue, NULL, &at, BPF_ANY);
		if (at == first)
			return found;
		if (first == UINT32_MAX)
			first = at;
		found |= at == slot;
	}
	return found;
}

void es_loader_repair_free_slots(struct es_loader *l)
{
	int queue = bpf_map__fd(l->life->maps.free_slots);
	uint32_t slot = l->keep->freeing - 1;

	if (!l->keep->freeing)
		return;
	/* It was put in if it is there, or a vCPU has it by now. */
	if (slot < l->n_slots && !is_free(queue, slot, l->n_slots) && !l->slots[slot].born_ns) {
		memset(&l->slots[slot], 0, sizeof(l->slots[slot]));
		bpf_map_update_elem(queue, NULL, &slot, BPF_ANY);
	}
	l->keep->freeing = 0;
}

/* A program that is just writing the state may undo this: it shows in seq by the next sample. */
bool es_loader_park(struct es_loader *l, uint32_t slot, uint8_t expected)
{
	struct es_slot *s = &l->slots[slot];
	uint8_t state = __atomic_load_n(&s->state, __ATOMIC_RELAXED);

	if ((state & ES_STATE_MASK) != expected ||
	    !__atomic_compare_exchange_n(&s->state, &state, state | ES_STATE_PARKED, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&s->parked_others, 1, __ATOMIC_SEQ_CST);
	return true;
}

void es_loader_read_threads(struct es_loader *l, const uint32_t *slots, size_t n)
{
	uint64_t args[ES_THREAD_READS];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));

	while ((l->latency || l->keep->optional[ES_OPTIONAL_MMU].attached) && n) {
		size_t now = n < ES_THREAD_READS ? n : ES_THREAD_READS;

		for (size_t i = 0; i < ES_THREAD_READS; i++)
			args[i] = i < now ? (uint64_t)slots[i] + 1 : 0;
		bpf_prog_test_run_opts(bpf_program__fd(l->life->progs.read_threads), &opts);
		slots += now;
		n -= now;
	}
}

void es_loader_forget_threads(struct es_loader *l)
{
	uint64_t moves = es_loader_health_count(l, ES_HEALTH_THREAD_MOVES);

	if (moves == l->thread_moves)
		return;
	/* If some are left, look again the next time. */
	l->thread_moves = es_threads_forget(bpf_map__fd(l->life->maps.threads)) ? ES_NONE : moves;
}

static int on_event(void *ctx, void *data, size_t size)
{
	struct es_loader *l = ctx;
	const struct es_event *ev = data;

	if (size >= sizeof(*ev) && ev->slot < l->n_slots)
		l->events[l->n_events++] = *ev;
	/* This one is taken, the next ones stay. */
	return l->n_events < l->max_events ? 0 : -ENOSPC;
}

/* Room for a few announcements of each slot, between one sample and the next. */
uint32_t es_loader_ring_bytes(unsigned int slots)
{
	uint32_t bytes = sysconf(_SC_PAGESIZE);

	while (bytes < slots * 4 * (sizeof(struct es_event) + BPF_RINGBUF_HDR_SZ))
		bytes *= 2;
	return bytes;
}

int es_loader_events_fd(const struct es_loader *l)
{
	LIBBPF_OPTS(bpf_get_fd_by_id_opts, opts, .open_flags = BPF_F_RDONLY);
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd;

	if (bpf_obj_get_info_by_fd(bpf_map__fd(l->life->maps.events), &info, &len))
		return -errno;
	fd = bpf_map_get_fd_by_id_opts(info.id, &opts);
	return fd < 0 ? -errno : fd;
}

int es_loader_events_take(struct es_loader *l, struct es_event *out, uint32_t max)
{
	int r;

	l->events = out;
	l->n_events = 0;
	l->max_events = max;
	r = ring_buffer__consume(l->ring);
	return r < 0 && r != -ENOSPC ? r : (int)l->n_events;
}

static int map_slots(struct es_loader *l)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *p;

	l->slots_bytes = ((size_t)l->n_slots * sizeof(struct es_slot) + page - 1) / page * page;
	p = mmap(NULL, l->slots_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(l->life->maps.slots),
		 0);
	if (p == MAP_FAILED)
		return -errno;
	l->slots = p;
	return 0;
}

int es_loader_open_slots(struct es_loader *l)
{
	l->ring = ring_buffer__new(bpf_map__fd(l->life->maps.events), on_event, l, NULL);
	return l->ring ? map_slots(l) : -errno;
}
