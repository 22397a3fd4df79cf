// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual machine whose exits are known in advance. The guest is a flat
 * 64-bit loop (tinyguest.S): a round does every operation asked for, counts
 * what it did in a page of its own, and ends with one port write. The last
 * thing it ever does is that write, so the totals are exact.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tinyguest.h"
#include "tinyguest_kernel.h"
#include "tinyguest_options.h"
#include "tinyguest_thread.h"

#define PAGE	   4096UL
#define PML4	   0x1000UL
#define PDPT	   0x2000UL
#define PD	   0x3000UL
#define CODE	   0x8000UL
#define PARAMS	   0x10000UL  /* a page a vCPU */
#define STACKS	   0x60000UL  /* a page a vCPU */
#define QUERIES	   0x100000UL /* --leaves; up to PTS */
#define PTS	   0x200000UL /* page tables, 4 KiB pages only */
#define TOUCH_BASE 0x800000UL
#define FRAMES	   0xf0000UL	/* two that --remap maps by turns */
#define DEVICE	   0xd0000000UL /* --mmio: no memory is there */

static volatile sig_atomic_t stopping;
/* Who stops the guests must not meet one that is being made or destroyed. */
static pthread_mutex_t vms_lock = PTHREAD_MUTEX_INITIALIZER;

struct vm;

struct vcpu {
	struct vm *vm;
	int id;
	int fd;
	struct kvm_run *run;
	size_t run_size;
	struct tg_params *params; /* shared with the guest; NULL: the vCPU is not there yet */
	uint64_t rounds;
	uint64_t host_io, host_mmio, host_ack, host_intr, host_mark, run_ns;
	uint64_t halted_ns;
	uint64_t round_began, round_ns;	  /* the last round, without the pause after it */
	uint64_t vmm_ns, returned_ns;	  /* in user space between two KVM_RUNs; since when */
	uint64_t on_cpu_ns, run_delay_ns; /* of its threads, while they ran it: on a CPU, waiting for one */
	bool done;
	int turn; /* --threads-move: whose turn it is */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	pthread_t thread[2];
	pid_t tid[3]; /* the third is the main thread's, for --leaves */
};

struct vm {
	int number;
	int fd;
	uint8_t *mem;
	size_t size;
	struct vcpu *vcpu;
	pthread_t waker;
	bool finished; /* the waker may end */
	uint64_t tsc;  /* when it was made */
	char *before;  /* --leaves: exit_stats at the first mark */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec ts = { ns / 1000000000ULL, ns % 1000000000ULL };

	while (nanosleep(&ts, &ts) && !stopping)
		;
}

/* --- the machine ------------------------------------------------------ */

/* Identity map of 4 KiB pages, accessed and dirty already: a page costs one
 * fault, never two, and shadow paging need not write these tables.
 */
static void build_page_tables(struct vm *vm)
{
	uint64_t *pml4 = (void *)(vm->mem + PML4), *pdpt = (void *)(vm->mem + PDPT);
	uint64_t *pd = (void *)(vm->mem + PD), *pt = (void *)(vm->mem + PTS);
	size_t pages = vm->size / PAGE, all = pages + 1 + opt[OPT_VCPUS];

	pml4[0] = PDPT | 0x63;
	pdpt[0] = PD | 0x63;
	for (size_t i = 0; i < pages; i++)
		pt[i] = i * PAGE | 0x63;
	/* Behind the memory: the device, and a page a vCPU for --remap. */
	pt[pages] = DEVICE | 0x63;
	for (size_t i = pages + 1; i < all; i++)
		pt[i] = FRAMES | 0x63;
	for (size_t i = 0; i * 512 < all; i++)
		pd[i] = (PTS + i * PAGE) | 0x63;
}

static void build_descriptors(struct vm *vm)
{
	uint64_t *gdt = (void *)(vm->mem + TG_GDT);
	uint64_t *gate = (void *)(vm->mem + TG_IDT + TG_VECTOR * 16);
	uint64_t handler = CODE + ((uintptr_t)tg_handler - (uintptr_t)tg_start);

	gdt[1] = 0x00af9b000000ffffULL; /* code, long mode */
	gdt[2] = 0x00cf93000000ffffULL; /* data */
	gate[0] = (handler & 0xffff) | 8 << 16 | 0x8eULL << 40 | (handler & 0xffff0000) << 32;
	gate[1] = handler >> 32;
}

static void fill_memory(struct vm *vm)
{
	struct kvm_userspace_memory_region region = { 0 };

	vm->size = TOUCH_BASE + (opt[OPT_VCPUS] * opt[OPT_TOUCH] + 1) * PAGE;
	vm->mem = mmap(NULL, vm->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);
	if (vm->mem == MAP_FAILED)
		die("no memory for %zu bytes of guest: %s", vm->size, strerror(errno));
	/* One fault a page needs small pages. */
	madvise(vm->mem, vm->size, MADV_NOHUGEPAGE);
	region.memory_size = vm->size;
	region.userspace_addr = (uintptr_t)vm->mem;
	must(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	build_page_tables(vm);
	build_descriptors(vm);
	memcpy(vm->mem + CODE, tg_start, (uintptr_t)tg_end - (uintptr_t)tg_start);
}

static void set_registers(struct vcpu *vcpu)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1
	};
	struct kvm_regs regs = { .rip = CODE,
				 .rflags = 2,
				 .rdi = PARAMS + vcpu->id * PAGE,
				 .rsp = STACKS + (vcpu->id + 1) * PAGE };
	struct kvm_mp_state running = { KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs;

	must(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.gdt = (struct kvm_dtable){ .base = TG_GDT, .limit = 23 };
	sregs.idt = (struct kvm_dtable){ .base = TG_IDT, .limit = 4095 };
	sregs.cr3 = PML4;
	sregs.cr4 = 0x20;
	sregs.cr0 = 0x80010033;
	sregs.efer = 0x500;
	must(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(vcpu->fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	must(ioctl(vcpu->fd, KVM_SET_MP_STATE, &running), "KVM_SET_MP_STATE");
}

#define APIC_DEADLINE_MASKED (2U << 17 | 1U << 16 | 0x41) /* the timer's mode; no interrupt */

static void edit_lapic(struct vcpu *vcpu, bool enable)
{
	struct kvm_lapic_state apic;
	uint32_t *timer = (void *)(apic.regs + 0x320);
	uint32_t *isr = (void *)(apic.regs + 0x100 + TG_VECTOR / 32 * 16);
	uint32_t *svr = (void *)(apic.regs + 0xf0);

	must(ioctl(vcpu->fd, KVM_GET_LAPIC, &apic), "KVM_GET_LAPIC");
	if (enable)
		*svr |= 0x1ff;
	else
		*isr &= ~(1U << TG_VECTOR % 32);
	if (enable && opt[OPT_TIMER])
		*timer = APIC_DEADLINE_MASKED;
	must(ioctl(vcpu->fd, KVM_SET_LAPIC, &apic), "KVM_SET_LAPIC");
}

/* The leaves that KVM supports, and what --intel, --timer and --cpuid-entry say. */
static void set_cpuid(struct vcpu *vcpu, int kvm)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[101];
	} cpuid = { .head.nent = 100 };
	struct kvm_cpuid_entry2 *e = cpuid.entry;

	must(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
	for (uint32_t i = 0; opt[OPT_INTEL] && i < cpuid.head.nent; i++) {
		if (e[i].function == 0) {
			memcpy(&e[i].ebx, "Genu", 4);
			memcpy(&e[i].edx, "ineI", 4);
			memcpy(&e[i].ecx, "ntel", 4);
		}
	}
	for (uint32_t i = 0; opt[OPT_TIMER] && i < cpuid.head.nent; i++)
		if (e[i].function == 1)
			e[i].ecx |= 1U << 24; /* TSC_DEADLINE, which is the VMM's to offer */
	if (opt[OPT_CPUID_ENTRY])
		e[cpuid.head.nent++] = (struct kvm_cpuid_entry2){ .function = opt[OPT_CPUID_ENTRY],
								  .eax = 0x11111111,
								  .ebx = 0x22222222,
								  .ecx = 0x33333333,
								  .edx = 0x44444444 };
	must(ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
}

static void create_vcpu(struct vm *vm, int kvm, int id)
{
	struct vcpu *vcpu = &vm->vcpu[id];
	struct tg_params *p = (void *)(vm->mem + PARAMS + id * PAGE);

	*vcpu = (struct vcpu){ .vm = vm, .id = id };
	vcpu->run_size = must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	pthread_mutex_init(&vcpu->lock, NULL);
	pthread_cond_init(&vcpu->cond, NULL);
	vcpu->fd = must(ioctl(vm->fd, KVM_CREATE_VCPU, id), "KVM_CREATE_VCPU");
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("mmap of a vCPU: %s", strerror(errno));
	set_cpuid(vcpu, kvm);
	set_registers(vcpu);
	edit_lapic(vcpu, true);
	p->want[TG_CPUID] = opt[OPT_CPUID] + (opt[OPT_VMS] > 1 ? vm->number : 0);
	p->want[TG_TOUCH] = opt[OPT_TOUCH];
	p->want[TG_CR3] = opt[OPT_CR3];
	p->want[TG_INVLPG] = opt[OPT_INVLPG];
	p->want[TG_IO] = opt[OPT_IO];
	p->want[TG_HLT] = opt[OPT_HLT];
	p->want[TG_MSR] = opt[OPT_MSR];
	p->want[TG_SPIN] = opt[OPT_SPIN];
	p->want[TG_FF] = opt[OPT_FF];
	p->want[TG_MMIO] = opt[OPT_MMIO];
	p->want[TG_REMAP] = opt[OPT_REMAP];
	p->want[TG_TIMER] = opt[OPT_TIMER];
	p->mmio_at = vm->size;
	p->remap_at = vm->size + (id + 1) * PAGE;
	p->remap_pte = PTS + p->remap_at / PAGE * sizeof(uint64_t);
	p->touch_base = TOUCH_BASE + id * opt[OPT_TOUCH] * PAGE;
	/* INVLPG of a page that is never used: no fault follows it. */
	p->invlpg_at = TOUCH_BASE + opt[OPT_VCPUS] * opt[OPT_TOUCH] * PAGE;
	vcpu->params = p;
}

static void create_vm(struct vm *vm, int kvm, int number)
{
	*vm = (struct vm){ .number = number, .tsc = __builtin_ia32_rdtsc() };
	vm->fd = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	must(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000UL), "KVM_SET_TSS_ADDR");
	must(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	fill_memory(vm);
	vm->vcpu = calloc(opt[OPT_VCPUS], sizeof(*vm->vcpu));
	if (!vm->vcpu)
		die("out of memory");
	for (int i = 0; i < opt[OPT_VCPUS] - opt[OPT_LATE]; i++)
		create_vcpu(vm, kvm, i);
}

/* The vCPU is gone from its VMM, but not from KVM, which keeps it as long as its VM. */
static void close_vcpu(struct vcpu *vcpu)
{
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	vcpu->run = NULL;
	vcpu->fd = -1;
}

static void destroy_vm(struct vm *vm)
{
	for (int i = 0; i < opt[OPT_VCPUS]; i++)
		close_vcpu(&vm->vcpu[i]);
	close(vm->fd);
	munmap(vm->mem, vm->size);
	free(vm->before);
	free(vm->vcpu);
}

/* --- running it ------------------------------------------------------- */

/* The guest has ended a round. Is there to be another? */
static bool next_round(struct vcpu *vcpu, uint64_t started)
{
	uint64_t due, now;

	vcpu->round_ns = now_ns() - vcpu->round_began;
	vcpu->rounds++;
	if (opt[OPT_PAUSE_MS])
		sleep_ns(opt[OPT_PAUSE_MS] * 1000000ULL);
	if (stopping || (!opt[OPT_FOREVER] && vcpu->rounds >= (uint64_t)opt[OPT_REPEAT]))
		return false;
	if (opt[OPT_UNPLUG] && vcpu->id == opt[OPT_VCPUS] - 1)
		return false;
	/* Fresh pages again. */
	if (opt[OPT_TOUCH])
		madvise(vcpu->vm->mem + vcpu->params->touch_base, opt[OPT_TOUCH] * PAGE, MADV_DONTNEED);
	if (opt[OPT_RATE]) {
		due = started + vcpu->rounds * 1000000000ULL / opt[OPT_RATE];
		now = now_ns(); /* once: with a second look the time may have come in between */
		if (now < due)
			sleep_ns(due - now);
	}
	vcpu->round_began = now_ns();
	return !stopping;
}

/* One KVM_RUN and what it asks for. False when the vCPU's work is done. */
static bool step(struct vcpu *vcpu, uint64_t started)
{
	struct kvm_run *run = vcpu->run;
	uint64_t began;
	int r;

	if (opt[OPT_CPUS_MOVE])
		move_to_next_cpu();
	began = now_ns();
	r = ioctl(vcpu->fd, KVM_RUN, 0);
	if (vcpu->returned_ns)
		vcpu->vmm_ns += began - vcpu->returned_ns;
	vcpu->returned_ns = now_ns();
	vcpu->run_ns += vcpu->returned_ns - began;
	if (r < 0) {
		if (errno != EINTR)
			die("KVM_RUN: %s", strerror(errno));
		vcpu->host_intr++;
		return true;
	}
	if (run->exit_reason == KVM_EXIT_MMIO) {
		vcpu->host_mmio++;
		return true;
	}
	if (run->exit_reason != KVM_EXIT_IO)
		die("vCPU %d: unexpected KVM exit %u (%#llx)", vcpu->id, run->exit_reason,
		    (unsigned long long)run->internal.suberror);
	vcpu->host_io++;
	switch (run->io.port) {
	case TG_PORT_IO:
		if (opt[OPT_IO_SLEEP_US])
			sleep_ns(opt[OPT_IO_SLEEP_US] * 1000ULL);
		return true;
	case TG_PORT_ACK:
		vcpu->host_ack++;
		edit_lapic(vcpu, false);
		return true;
	case TG_PORT_ROUND:
		return next_round(vcpu, started);
	case TG_PORT_MARK:
		vcpu->host_mark++;
		return true;
	}
	return true;
}

struct runner {
	struct vcpu *vcpu;
	int number;
};

static void *run_thread(void *arg)
{
	struct runner me = *(struct runner *)arg;
	struct vcpu *vcpu = me.vcpu;
	uint64_t started = now_ns(), delay, on_cpu;
	bool move = opt[OPT_THREADS_MOVE];

	free(arg);
	if (opt[OPT_PIN] >= 0)
		pin_thread(opt[OPT_PIN]);
	delay = run_delay_ns();
	on_cpu = on_cpu_ns();
	pthread_mutex_lock(&vcpu->lock);
	vcpu->tid[me.number] = syscall(SYS_gettid);
	if (!vcpu->round_began)
		vcpu->round_began = started;
	while (!vcpu->done) {
		while (move && vcpu->turn != me.number && !vcpu->done)
			pthread_cond_wait(&vcpu->cond, &vcpu->lock);
		if (vcpu->done)
			break;
		vcpu->done = !step(vcpu, started);
		if (move)
			vcpu->turn = !me.number;
		pthread_cond_broadcast(&vcpu->cond);
	}
	vcpu->on_cpu_ns += on_cpu_ns() - on_cpu;
	vcpu->run_delay_ns += run_delay_ns() - delay;
	if (opt[OPT_UNPLUG] && vcpu->id == opt[OPT_VCPUS] - 1)
		close_vcpu(vcpu);
	pthread_mutex_unlock(&vcpu->lock);
	return NULL;
}

static void start_thread(struct vcpu *vcpu, int number)
{
	struct runner *runner = malloc(sizeof(*runner));

	if (!runner)
		die("out of memory");
	*runner = (struct runner){ vcpu, number };
	if (pthread_create(&vcpu->thread[number], NULL, run_thread, runner))
		die("no more threads");
}

static bool halted(struct vcpu *vcpu)
{
	struct tg_params *p = vcpu->params;

	/* Only the vCPU's thread sleeps in KVM_RUN; the other one waits its turn. */
	return __atomic_load_n(&p->halting, __ATOMIC_ACQUIRE) && vcpu->tid[vcpu->turn] &&
	       asleep(vcpu->tid[vcpu->turn]);
}

/* Ends each HLT by an interrupt, --halt-ms after the vCPU went to sleep. */
static void *waker_thread(void *arg)
{
	uint64_t since[MAX_VCPUS] = { 0 }, now;
	struct vm *vm = arg;
	struct kvm_msi msi;

	while (!__atomic_load_n(&vm->finished, __ATOMIC_ACQUIRE)) {
		for (int i = 0; i < opt[OPT_VCPUS]; i++) {
			struct vcpu *vcpu = &vm->vcpu[i];

			now = now_ns();
			if (!halted(vcpu)) {
				since[i] = 0;
			} else if (!since[i]) {
				since[i] = now;
			} else if (now - since[i] >= opt[OPT_HALT_MS] * 1000000ULL) {
				vcpu->halted_ns += now - since[i];
				since[i] = 0;
				__atomic_store_n(&vcpu->params->halting, 0, __ATOMIC_RELEASE);
				msi = (struct kvm_msi){ .address_lo = 0xfee00000 | i << 12,
							.data = TG_VECTOR };
				must(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), "KVM_SIGNAL_MSI");
			}
		}
		usleep(500);
	}
	return NULL;
}

static void start_vcpu(struct vcpu *vcpu)
{
	start_thread(vcpu, 0);
	if (opt[OPT_THREADS_MOVE])
		start_thread(vcpu, 1);
}

/* False: there is none. */
static bool wait_for_line(void)
{
	char line[64];

	return fgets(line, sizeof(line), stdin);
}

static void start_vm(struct vm *vm, int kvm)
{
	int late = opt[OPT_LATE] ? opt[OPT_VCPUS] - 1 : opt[OPT_VCPUS];

	for (int i = 0; i < late; i++)
		start_vcpu(&vm->vcpu[i]);
	if (opt[OPT_LATE]) {
		wait_for_line();
		create_vcpu(vm, kvm, late);
		start_vcpu(&vm->vcpu[late]);
	}
	if (opt[OPT_HLT] && pthread_create(&vm->waker, NULL, waker_thread, vm))
		die("no more threads");
}

/* The other vCPUs are parked. What comes between the two marks is known: see
 * fill_queries(). The queries go through KVM_RUN of this thread.
 */
static void ask_leaves(struct vm *vm)
{
	struct vcpu *vcpu = &vm->vcpu[0];
	struct tg_params *p = vcpu->params;

	p->want[TG_QUERY] = fill_queries((void *)(vm->mem + QUERIES));
	p->query_at = QUERIES;
	p->stop = 0;
	vcpu->tid[2] = getpid();
	while (vcpu->host_mark < 1)
		step(vcpu, 0);
	vm->before = read_exit_stats(vm->fd);
	while (vcpu->host_mark < 2)
		step(vcpu, 0);
}

static void finish_vm(struct vm *vm)
{
	for (int i = 0; i < opt[OPT_VCPUS]; i++) {
		pthread_join(vm->vcpu[i].thread[0], NULL);
		if (opt[OPT_THREADS_MOVE])
			pthread_join(vm->vcpu[i].thread[1], NULL);
	}
	__atomic_store_n(&vm->finished, true, __ATOMIC_RELEASE);
	if (opt[OPT_HLT])
		pthread_join(vm->waker, NULL);
	if (opt[OPT_LEAVES])
		ask_leaves(vm);
}

/* --- telling ---------------------------------------------------------- */

static void print_tids(const struct vcpu *vcpu)
{
	printf("\"tids\":[%d", vcpu->tid[0]);
	for (int i = 1; i < 3; i++)
		if (vcpu->tid[i])
			printf(",%d", vcpu->tid[i]);
	printf("]");
}

/* Of the guest's TSC. */
static uint64_t tsc_khz(int vcpu)
{
	return must(ioctl(vcpu, KVM_GET_TSC_KHZ), "KVM_GET_TSC_KHZ");
}

static void print_vcpu(const struct vcpu *vcpu)
{
	static const char *const names[TG_NR] = { "cpuid", "touch", NULL,    "invlpg", "io",	"hlt",	"msr",
						  NULL,	   "ff",    "query", "mmio",   "remap", "timer" };
	const uint64_t *did = vcpu->params->did;

	printf("{\"id\":%d,", vcpu->id);
	print_tids(vcpu);
	printf(",\"rounds\":%" PRIu64 ",\"guest\":{", vcpu->rounds);
	for (int i = 0; i < TG_NR; i++)
		if (names[i])
			printf("\"%s\":%" PRIu64 ",", names[i], did[i]);
	printf("\"cr3_read\":%" PRIu64 ",\"cr3_write\":%" PRIu64 ",\"spun_ns\":%" PRIu64 "},", did[TG_CR3],
	       did[TG_CR3], vcpu->params->spun * UINT64_C(1000000) / tsc_khz(vcpu->vm->vcpu[0].fd));
	printf("\"host\":{\"io\":%" PRIu64 ",\"mmio\":%" PRIu64 ",\"ack\":%" PRIu64 ",\"intr\":%" PRIu64
	       ",\"halted_ns\":%" PRIu64 ",\"run_ns\":%" PRIu64 ",\"round_ns\":%" PRIu64
	       ",\"vmm_ns\":%" PRIu64 ",\"on_cpu_ns\":%" PRIu64 ",\"run_delay_ns\":%" PRIu64 "},",
	       vcpu->host_io, vcpu->host_mmio, vcpu->host_ack, vcpu->host_intr, vcpu->halted_ns, vcpu->run_ns,
	       vcpu->round_ns, vcpu->vmm_ns, vcpu->on_cpu_ns, vcpu->run_delay_ns);
	printf("\"ff\":{\"exits\":%" PRIu64 ",\"cycles\":%" PRIu64 ",\"bad\":%" PRIu64 "},",
	       vcpu->params->ff_exits, vcpu->params->ff_cycles, vcpu->params->ff_bad);
	if (opt[OPT_STATS]) {
		printf("\"stats\":");
		print_stats(vcpu->fd);
		putchar(',');
	}
	/* Every write is an exit: --io, one a HLT, one a round, the marks. */
	printf("\"exits\":{\"cpuid\":%" PRIu64 ",\"io\":%" PRIu64 ",\"hlt\":%" PRIu64 ",\"msr\":%" PRIu64
	       "}}",
	       did[TG_CPUID] + did[TG_FF] + did[TG_QUERY],
	       did[TG_IO] + did[TG_HLT] + vcpu->rounds + vcpu->host_mark, did[TG_HLT], did[TG_MSR]);
}

/* "tsc" is the life of the VM up to here, in cycles of the host's clock. */
static void print_vm(const struct vm *vm)
{
	char *text = read_exit_stats(vm->fd);

	printf("{\"vm\":%d,\"pid\":%d,\"fd\":%d,\"tsc\":%" PRIu64 ",\"exit_stats\":", vm->number, getpid(),
	       vm->fd, (uint64_t)(__builtin_ia32_rdtsc() - vm->tsc));
	print_text(text);
	free(text);
	if (opt[OPT_LEAVES]) {
		printf(",\"exit_stats_before\":");
		print_text(vm->before);
		printf(",\"leaves\":");
		print_queries((void *)(vm->mem + QUERIES), vm->vcpu[0].params->did[TG_QUERY]);
	}
	printf(",\"vcpus\":[");
	for (int i = 0; i < opt[OPT_VCPUS]; i++) {
		if (i)
			putchar(',');
		print_vcpu(&vm->vcpu[i]);
	}
	puts("]}");
	fflush(stdout);
}

/* --- main ------------------------------------------------------------- */

/* The guests see it between two operations, so the numbers stay exact. */
static void *signal_thread(void *arg)
{
	struct vm *vms = arg;
	int sig;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigwait(&set, &sig);
	stopping = 1;
	pthread_mutex_lock(&vms_lock);
	for (int v = 0; v < opt[OPT_CONCURRENT]; v++)
		for (int i = 0; vms[v].vcpu && i < opt[OPT_VCPUS] && vms[v].vcpu[i].params; i++)
			__atomic_store_n(&vms[v].vcpu[i].params->stop, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&vms_lock);
	return NULL;
}

/* A child has the VMs' file descriptors, so they live on when we end. It waits for the signals that are blocked here. */
static void leave_to_child(void)
{
	sigset_t set;
	int sig;

	if (must(fork(), "fork"))
		_exit(0);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigwait(&set, &sig);
	_exit(0);
}

static void run_batch(struct vm *vms, int kvm, int first, int n)
{
	pthread_mutex_lock(&vms_lock);
	for (int i = 0; i < n; i++)
		create_vm(&vms[i], kvm, first + i);
	pthread_mutex_unlock(&vms_lock);
	if (opt[OPT_WAIT] && first == 0 && !wait_for_line())
		return;
	for (int i = 0; i < n; i++)
		start_vm(&vms[i], kvm);
	for (int i = 0; i < n; i++) {
		finish_vm(&vms[i]);
		print_vm(&vms[i]);
	}
	if (opt[OPT_HEIR])
		leave_to_child();
	if (opt[OPT_HOLD] && !stopping)
		sleep_ns(opt[OPT_HOLD] * 1000000000ULL);
	pthread_mutex_lock(&vms_lock);
	for (int i = 0; i < n; i++)
		destroy_vm(&vms[i]);
	memset(vms, 0, n * sizeof(*vms));
	pthread_mutex_unlock(&vms_lock);
}

int main(int argc, char **argv)
{
	pthread_t signals;
	struct vm *vms;
	sigset_t set;
	int kvm;

	parse(argc, argv);
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		die("/dev/kvm: %s", strerror(errno));
	vms = calloc(opt[OPT_CONCURRENT], sizeof(*vms));
	if (!vms)
		die("out of memory");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&signals, NULL, signal_thread, vms))
		die("no more threads");
	for (int done = 0, n; done < opt[OPT_VMS] && !stopping; done += n) {
		n = opt[OPT_VMS] - done < opt[OPT_CONCURRENT] ? opt[OPT_VMS] - done : opt[OPT_CONCURRENT];
		run_batch(vms, kvm, done, n);
	}
	return 0;
}
