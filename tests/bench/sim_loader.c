// SPDX-License-Identifier: GPL-2.0-only
/*
 * exitstatd-sim: exitstatd as it is, but for this. The maps are real, and so are the program that looks
 * at threads and the lifecycle program; no program is put on KVM, which need not be there. A child process
 * writes the slots. Calls from outside of loader.c come here by the linker's --wrap.
 */
#include "../../src/loader.c"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include <exitstat/identity.h>
#include <exitstat/kvm_host.h>

#include "sim.h"

static struct {
	struct sim_options o;
	struct sim_ring *ring;
	uint64_t text; /* of the kernel: memory that can be read, in place of struct kvm_vcpu */
	bool attached;
} sim;

static unsigned int option(const char *name, unsigned int otherwise)
{
	const char *value = getenv(name);

	return value ? (unsigned int)strtoul(value, NULL, 10) : otherwise;
}

static int make_ring(unsigned int slots)
{
	uint32_t n = 1024;

	while (n < slots * 4)
		n *= 2;
	sim.ring = mmap(NULL, sizeof(*sim.ring) + n * sizeof(struct es_event), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sim.ring == MAP_FAILED)
		return -errno;
	sim.ring->mask = n - 1;
	sim.ring->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return sim.ring->event_fd < 0 ? -errno : 0;
}

static uint64_t find_text(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long long at;
	char line[512], name[256];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %*c %255s", &at, name) == 2 && !strcmp(name, "_stext"))
			return at;
	}
	return 0;
}

/* The thread that looks finds each vCPU in the maps, and something that can be read behind its address. */
static void fill_maps(struct es_loader *l)
{
	const struct es_kvm_layout layout = { .blocking = 8, .mp_state = 16 };
	uint32_t key = 0;

	bpf_map_update_elem(bpf_map__fd(l->life->maps.layout), &key, &layout, BPF_ANY);
	for (uint32_t i = 0; i < sim.o.vms * sim.o.vcpus; i++) {
		uint64_t vcpu = sim.text + 64ull * i;

		bpf_map_update_elem(bpf_map__fd(l->life->maps.vcpus), &vcpu, &i, BPF_ANY);
	}
}

int __wrap_es_loader_new(const struct es_loader_options *o, struct es_loader **out, char *err, size_t size)
{
	int r = es_loader_new(o, out, err, size);

	if (r)
		return r;
	sim.o = (struct sim_options){ option("SIM_VMS", 10), option("SIM_VCPUS", 4), option("SIM_BUSY", 100),
				      option("SIM_HZ", 10) };
	sim.text = find_text();
	r = make_ring(o->slots);
	if (r || (uint64_t)sim.o.vms * sim.o.vcpus > o->slots || !sim.o.hz) {
		snprintf(err, size, "cannot simulate: needs a slot for each vCPU, and SIM_HZ");
		return -EINVAL;
	}
	fill_maps(*out);
	(*out)->keep->optional[ES_OPTIONAL_MMU].measured.mmu =
		(struct es_mmu_measured){ .events = (1ull << ES_MMU_EVENTS) - 1, .cr = true };
	(*out)->keep->optional[ES_OPTIONAL_NESTED].measured.flags = ES_OPTIONAL_FLAGS;
	return 0;
}

int __wrap_es_loader_attach_exits(struct es_loader *l, enum es_isa isa, const char *build, char *err,
				  size_t size)
{
	uint32_t pid = (uint32_t)getpid();

	(void)isa, (void)build, (void)err, (void)size;
	if (!sim.attached && !fork())
		sim_guests(&sim.o, l->slots, sim.ring, sim.text, pid);
	sim.attached = true;
	l->epoch++;
	return 0;
}

bool __wrap_es_loader_attached(const struct es_loader *l)
{
	(void)l;
	return sim.attached;
}

int __wrap_es_loader_attach_life(struct es_loader *l, char *err, size_t size)
{
	(void)l, (void)err, (void)size;
	return 0;
}

bool __wrap_es_loader_life_attached(const struct es_loader *l)
{
	(void)l;
	return true;
}

int __wrap_es_loader_events_fd(const struct es_loader *l)
{
	(void)l;
	return fcntl(sim.ring->event_fd, F_DUPFD_CLOEXEC, 0);
}

int __wrap_es_loader_events_take(struct es_loader *l, struct es_event *out, uint32_t max)
{
	uint32_t head = __atomic_load_n(&sim.ring->head, __ATOMIC_ACQUIRE), tail = sim.ring->tail, n = 0;
	uint64_t rung;

	(void)l;
	if (read(sim.ring->event_fd, &rung, sizeof(rung)) < 0 && errno != EAGAIN)
		return -errno;
	while (tail != head && n < max)
		out[n++] = sim.ring->events[tail++ & sim.ring->mask];
	__atomic_store_n(&sim.ring->tail, tail, __ATOMIC_RELEASE);
	return (int)n;
}

void __wrap_es_loader_lost(const struct es_loader *l, uint64_t out[ES_HEALTH_MAX])
{
	es_loader_lost(l, out);
	out[ES_HEALTH_RING_FULL] += __atomic_load_n(&sim.ring->full, __ATOMIC_RELAXED);
}

void __real_es_kvm_host_read(const char *sys, const char *proc, struct es_kvm_host *out);
void __wrap_es_kvm_host_read(const char *sys, const char *proc, struct es_kvm_host *out)
{
	__real_es_kvm_host_read(sys, proc, out); /* for its cost */
	*out = (struct es_kvm_host){ .kvm = true, .isa = ES_ISA_SVM, .vendor = "kvm_amd", .tdp = ES_YES };
}

void __real_es_identity_resolve(const char *proc, uint32_t pid, const char *comm, const char *exe,
				uint64_t seen_ns, struct es_identity *out);
void __wrap_es_identity_resolve(const char *proc, uint32_t pid, const char *comm, const char *exe,
				uint64_t seen_ns, struct es_identity *out)
{
	__real_es_identity_resolve(proc, pid, comm, exe, seen_ns, out);
	snprintf(out->name, sizeof(out->name), "%s", comm);
}
