// SPDX-License-Identifier: GPL-2.0-only
#include "loader_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include <linux/membarrier.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <exitstat/log.h>
#include <exitstat/util.h>

#include "kvm_exit.skel.h"
#include "kvm_exit_raw.skel.h"
#include "loader_threads.h"
#include "loader_types.h"
#include "vcpu_life.skel.h"

/* libbpf explains failures only through its log: the first warning, its most exact one, goes into our line. */
static char first_warning[160];

static int keep_warning(enum libbpf_print_level level, const char *fmt, va_list args)
{
	if (level == LIBBPF_WARN && !first_warning[0]) {
		vsnprintf(first_warning, sizeof(first_warning), fmt, args);
		first_warning[strcspn(first_warning, "\n")] = 0;
	}
	return 0;
}

/* One line for a failed load or attach: what, why, remedy. */
static int explain(int r, const char *what, char *err, size_t size)
{
	static const struct {
		int error;
		const char *remedy;
	} remedies[] = {
		{ EPERM,
		  "run as root (CAP_SYS_ADMIN), and see `exitstat doctor` about lockdown and containers" },
		{ EACCES, "the verifier or a security module refused; see `exitstat doctor`" },
		{ ESRCH,
		  "this kernel's KVM lacks a tracepoint or its type information; see `exitstat doctor`" },
		{ ENOENT, "this kernel's KVM lacks what is needed; see `exitstat doctor`" },
		{ ENOMEM, "not enough memory for the maps: fewer --slots" },
		{ ENOSYS, "this kernel has no BPF (CONFIG_BPF_SYSCALL)" },
	};

	for (size_t i = 0; i < ES_ARRAY_SIZE(remedies); i++) {
		if (remedies[i].error == -r) {
			snprintf(err, size, "cannot %s: %s (%s): %s", what, strerror(-r),
				 first_warning[0] ? first_warning : "no details", remedies[i].remedy);
			return r;
		}
	}
	snprintf(err, size, "cannot %s: %s (%s)", what, strerror(-r),
		 first_warning[0] ? first_warning : "no details");
	return r;
}

/*
 * Programs that had begun when their links went must have ended before the slots are
 * ours. The barrier waits for an RCU grace period, which is what they run under; the
 * kernel refuses it with nohz_full, then a time that is long for them must do.
 */
static void wait_for_programs(void)
{
	const struct timespec grace = { .tv_nsec = 20 * 1000 * 1000 };

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		nanosleep(&grace, NULL);
}

static int fill_free_slots(struct es_loader *l)
{
	for (uint32_t i = 0; i < l->n_slots; i++) {
		if (bpf_map_update_elem(bpf_map__fd(l->life->maps.free_slots), NULL, &i, BPF_ANY))
			return -errno;
	}
	return 0;
}

static int create_maps(struct es_loader *l)
{
	struct bpf_map *a_slot_each[] = { l->life->maps.slots,	 l->life->maps.vcpus,
					  l->life->maps.threads, l->life->maps.free_slots,
					  l->life->maps.vms,	 l->life->maps.processes };
	int r;

	for (size_t i = 0; i < ES_ARRAY_SIZE(a_slot_each); i++)
		bpf_map__set_max_entries(a_slot_each[i], l->n_slots);
	/* Also threads that ran a vCPU before another one did: see es_loader_forget_threads. */
	bpf_map__set_max_entries(l->life->maps.threads, 2 * l->n_slots);
	bpf_map__set_max_entries(l->life->maps.events, es_loader_ring_bytes(l->n_slots));
	r = vcpu_life__load(l->life);
	if (r)
		return r;
	return es_loader_open_slots(l);
}

static const struct {
	const struct es_optional_kind *kind;
	const char *counts;
} optionals[ES_OPTIONALS] = {
	[ES_OPTIONAL_MMU] = { &es_optional_mmu, "kvm_page_fault, kvmmmu:*" },
	[ES_OPTIONAL_NESTED] = { &es_optional_nested, "kvm_nested_vmexit, kvm_nested_vmexit_inject" },
};

static uint64_t hash(uint64_t h, const void *(*elf)(size_t *size))
{
	size_t size;
	const unsigned char *p = elf(&size);

	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * 0x100000001b3ull; /* FNV-1a */
	return h;
}

/* Of all programs that this daemon may load. */
static uint64_t programs_hash(void)
{
	static const void *(*const elfs[])(size_t * size) = {
		vcpu_life__elf_bytes,
		kvm_exit__elf_bytes,
		kvm_exit_raw__elf_bytes,
	};
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < ES_ARRAY_SIZE(elfs); i++)
		h = hash(h, elfs[i]);
	for (enum es_optional_id i = 0; i < ES_OPTIONALS; i++) {
		h = hash(h, optionals[i].kind->elf);
		h = hash(h, optionals[i].kind->elf_raw);
	}
	return h;
}

/* They count on with the maps that were found. If they are not this daemon's own, its own take their places. */
static int adopt_programs(struct es_loader *l)
{
	bool ours = l->keep->links_ready && l->keep->programs == programs_hash();
	char links[300], life[300];
	int r;

	es_pins_folder(&l->pins, "links", links, sizeof(links));
	es_pins_folder(&l->pins, "life", life, sizeof(life));
	r = es_programs_adopt(&l->life_programs, life);
	if (!r)
		r = es_programs_adopt(&l->programs, links);
	if (r)
		return r;
	if (!ours || !l->programs.n)
		l->keep->build[0] = '\0';
	es_info("%u programs of a daemon before are on KVM, and %s", l->programs.n,
		ours ? "count on" : "will be replaced");
	return 0;
}

static int begin(struct es_loader *l)
{
	int r = l->life ? es_pins_maps(&l->pins, l->life->obj) : -errno;

	if (!r)
		r = create_maps(l);
	if (r)
		return r;
	if (l->pins.adopted) {
		es_loader_repair_free_slots(l);
		return adopt_programs(l);
	}
	r = fill_free_slots(l);
	if (!r)
		l->keep->maps_ready = 1;
	return r;
}

static void explain_begin(const struct es_loader *l, int r, char *err, size_t size)
{
	if (l->pins.adopted)
		snprintf(err, size,
			 "cannot go on with what is pinned in %s: %s (%s); exitstatd --unpin removes it",
			 l->pins.dir, strerror(-r), first_warning[0] ? first_warning : "no details");
	else
		explain(r, "load the BPF programs", err, size);
}

int es_loader_new(const struct es_loader_options *o, struct es_loader **out, char *err, size_t size)
{
	const struct es_keep want = {
		.abi = ES_ABI_VERSION,
		.slot_bytes = sizeof(struct es_slot),
		.slots = o->slots,
		.latency = o->latency,
		.mmu = o->mmu,
	};
	struct es_loader *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return explain(-ENOMEM, "start", err, size);
	libbpf_set_print(keep_warning);
	l->n_slots = o->slots;
	l->latency = o->latency;
	l->mmu_mode = o->mmu;
	r = es_pins_open(&l->pins, o->pin_dir, &want, err, size);
	if (r) {
		es_loader_free(l);
		return r;
	}
	l->keep = l->pins.keep;
	l->life = vcpu_life__open();
	r = begin(l);
	if (r) {
		explain_begin(l, r, err, size);
		es_loader_free(l);
		return r;
	}
	*out = l;
	return 0;
}

void es_loader_free(struct es_loader *l)
{
	if (!l)
		return;
	es_programs_close(&l->programs);
	es_programs_close(&l->life_programs);
	ring_buffer__free(l->ring);
	if (l->slots)
		munmap(l->slots, l->slots_bytes);
	vcpu_life__destroy(l->life);
	es_pins_close(&l->pins);
	free(l);
}

const char *es_loader_build(const struct es_loader *l)
{
	return l->keep->build;
}

bool es_loader_pin_explain(const struct es_loader *l, char *buf, size_t size)
{
	if (!l->pins.dir[0])
		snprintf(buf, size, "%s", l->pins.why);
	else
		snprintf(buf, size,
			 "in %s: programs and counts outlive the daemon; exitstatd --unpin removes them",
			 l->pins.dir);
	return l->pins.dir[0] != '\0';
}

static bool life_is_ours(const struct es_loader *l)
{
	return l->life_programs.n && l->keep->programs == programs_hash();
}

/* Those of a daemon before go after ours are there: the end of a vCPU may be told twice, not missed. */
int es_loader_attach_life(struct es_loader *l, char *err, size_t size)
{
	struct es_programs fresh = { .n = 0 };
	char dir[300];
	int r;

	if (life_is_ours(l))
		return 0;
	first_warning[0] = 0;
	r = es_programs_attach(&fresh, l->life->progs.vcpu_destroy);
	if (r) {
		snprintf(err, size, "no kprobe on kvm_arch_vcpu_destroy (%s): VMs end with their process",
			 strerror(-r));
		es_pins_give_up(&l->pins, "the end of a VM could not be seen while no daemon runs");
		return r;
	}
	es_programs_drop(&l->life_programs, 0);
	l->life_programs = fresh;
	if (!l->pins.dir[0])
		return 0;
	es_pins_folder(&l->pins, "life", dir, sizeof(dir));
	r = es_programs_pin(&l->life_programs, dir);
	if (r)
		es_pins_give_up(&l->pins, r == -EOPNOTSUPP ? "this kernel cannot pin kprobes, Linux 5.15 can"
							   : strerror(-r));
	return 0;
}

void es_loader_detach_life(struct es_loader *l)
{
	es_programs_drop(&l->life_programs, 0);
}

bool es_loader_life_attached(const struct es_loader *l)
{
	return l->life_programs.n != 0;
}

/* Where this KVM keeps what the lifecycle object's programs read; faults only if somebody asks for them. */
static int learn_layout(struct es_loader *l, struct kvm_exit *e)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct es_kvm_layout layout = { 0 };
	uint32_t key = 0;
	int fd = bpf_map__fd(l->life->maps.layout);

	if (bpf_prog_test_run_opts(bpf_program__fd(e->progs.note_layout), &opts) ||
	    bpf_map_lookup_elem(fd, &key, &layout))
		return -errno;
	if (l->mmu_mode == ES_MMU_OFF)
		memset(layout.pf, 0, sizeof(layout.pf));
	l->keep->waits = layout.run_delay;
	return bpf_map_update_elem(fd, &key, &layout, BPF_ANY) ? -errno : 0;
}

/* One program an event, for this vendor and for what is to be measured. */
static void choose_exits(const struct es_loader *l, enum es_isa isa, struct kvm_exit *e)
{
	bool svm = isa == ES_ISA_SVM;
	const struct {
		struct bpf_program *prog;
		bool wanted;
	} programs[] = {
		{ e->progs.kvm_exit_svm, svm && l->latency },
		{ e->progs.kvm_exit_vmx, !svm && l->latency },
		{ e->progs.kvm_exit_svm_counts, svm && !l->latency },
		{ e->progs.kvm_exit_vmx_counts, !svm && !l->latency },
		{ e->progs.kvm_entry_svm, svm && l->latency },
		{ e->progs.kvm_entry_vmx, !svm && l->latency },
		{ e->progs.kvm_vcpu_wakeup, l->latency },
	};

	e->rodata->latency = l->latency;
	for (size_t i = 0; i < ES_ARRAY_SIZE(programs); i++)
		bpf_program__set_autoload(programs[i].prog, programs[i].wanted);
}

/* As kvm_exit__open(), which knows of one object: both have the same programs and maps. */
static int open_exits(bool typed, struct kvm_exit *e)
{
	struct bpf_object_skeleton *s;

	_Static_assert(offsetof(struct kvm_exit__rodata, latency) ==
			       offsetof(struct kvm_exit_raw__rodata, latency),
		       "one layout of what is set before they are loaded");
	if (kvm_exit__create_skeleton(e))
		return -ENOMEM;
	s = e->skeleton;
	if (!typed)
		s->data = (void *)kvm_exit_raw__elf_bytes(&s->data_sz);
	return bpf_object__open_skeleton(s, NULL);
}

static int load_exits(struct es_loader *l, bool typed, enum es_isa isa, struct kvm_exit **out)
{
	struct kvm_exit *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	r = open_exits(typed, e);
	if (!r) {
		choose_exits(l, isa, e);
		r = es_share_maps(e->obj, l->life->obj);
	}
	if (!r)
		r = kvm_exit__load(e);
	if (!r)
		r = learn_layout(l, e);
	if (r) {
		kvm_exit__destroy(e);
		return r;
	}
	*out = e;
	return 0;
}

/* --- what can be done without --- */

static bool asked_for(const struct es_loader *l, enum es_optional_id id)
{
	return id != ES_OPTIONAL_MMU || l->mmu_mode != ES_MMU_OFF;
}

/* Without them exits are still counted, so a failure is no more than said. */
static void fail_optional(struct es_keep_optional *o, int r)
{
	o->attached = false;
	o->measured = (struct es_measured){ 0 };
	snprintf(o->failure, sizeof(o->failure), "not counted: %s",
		 first_warning[0] ? first_warning : strerror(-r));
}

static void load_optionals(struct es_loader *l, const struct es_kvm_types *types, enum es_isa isa,
			   struct es_optional *fresh[ES_OPTIONALS])
{
	const struct es_optional_host host = {
		.life = l->life->obj, .types = types, .mmu = l->mmu_mode, .isa = isa
	};

	for (enum es_optional_id i = 0; i < ES_OPTIONALS; i++) {
		int r;

		fresh[i] = NULL;
		l->keep->optional[i].failure[0] = first_warning[0] = 0;
		r = asked_for(l, i) ? es_optional_load(optionals[i].kind, &host, &fresh[i]) : 0;
		if (r)
			fail_optional(&l->keep->optional[i], r);
	}
}

static void attach_optionals(struct es_loader *l, struct es_optional *fresh[ES_OPTIONALS])
{
	for (enum es_optional_id i = 0; i < ES_OPTIONALS; i++) {
		struct es_keep_optional *o = &l->keep->optional[i];
		int r;

		if (!fresh[i])
			continue;
		first_warning[0] = 0;
		r = es_optional_attach(fresh[i], &l->programs);
		if (r) {
			fail_optional(o, r);
			continue;
		}
		o->attached = true;
		o->measured = *es_optional_measured(fresh[i]);
		snprintf(o->absent, sizeof(o->absent), "%s", es_optional_absent(fresh[i]));
	}
}

static void free_optionals(struct es_optional *fresh[ES_OPTIONALS])
{
	for (size_t i = 0; i < ES_OPTIONALS; i++)
		es_optional_free(fresh[i]);
}

/* The kernel refuses a program that reads more arguments than there are. */
static int explain_attach(int r, bool typed, char *err, size_t size)
{
	if (typed || r != -EINVAL)
		return explain(r, "attach to KVM's tracepoints", err, size);
	snprintf(err, size,
		 "KVM's modules have no type information, and without it kvm_exit names no reason on this "
		 "kernel: "
		 "boot one built with CONFIG_DEBUG_INFO_BTF_MODULES; see `exitstat doctor`");
	return r;
}

static int attach_object(struct es_loader *l, const struct bpf_object *obj)
{
	struct bpf_program *p;
	int r = 0;

	bpf_object__for_each_program(p, obj)
	{
		if (!r && es_program_has_hook(p))
			r = es_programs_attach(&l->programs, p);
	}
	if (r)
		es_programs_drop(&l->programs, 0);
	return r;
}

/* Only with the one that tells the end of vCPUs: their addresses would be others' by the time a daemon is back. */
static void pin_programs(struct es_loader *l)
{
	char dir[300];
	int r;

	if (!l->pins.dir[0] || !l->life_programs.n)
		return;
	es_pins_folder(&l->pins, "links", dir, sizeof(dir));
	r = es_programs_pin(&l->programs, dir);
	if (r)
		es_pins_give_up(&l->pins, strerror(-r));
}

static int replace_exits(struct es_loader *l, struct kvm_exit *e, struct es_optional *optional[ES_OPTIONALS],
			 bool typed, const char *build, char *err, size_t size)
{
	int r;

	l->keep->links_ready = 0;
	es_loader_detach_exits(l);
	first_warning[0] = 0;
	r = attach_object(l, e->obj);
	if (r)
		return explain_attach(r, typed, err, size);
	l->epoch++;
	attach_optionals(l, optional);
	l->keep->typed = typed;
	l->keep->programs = programs_hash();
	snprintf(l->keep->build, sizeof(l->keep->build), "%s", build);
	pin_programs(l);
	l->keep->links_ready = 1;
	return 0;
}

int es_loader_attach_exits(struct es_loader *l, enum es_isa isa, const char *build, char *err, size_t size)
{
	_cleanup_(es_kvm_types_free) struct es_kvm_types types = { 0 };
	struct es_optional *optional[ES_OPTIONALS];
	struct kvm_exit *fresh;
	bool typed;
	int r;

	r = es_kvm_types_load(&types);
	typed = !r && es_kvm_typed(&types);
	first_warning[0] = 0;
	if (!r)
		r = load_exits(l, typed, isa, &fresh);
	if (r)
		return explain(r, "load the exit programs", err, size);
	load_optionals(l, &types, isa, optional);
	r = replace_exits(l, fresh, optional, typed, build, err, size);
	/* What is attached stays without the objects. */
	free_optionals(optional);
	kvm_exit__destroy(fresh);
	return r;
}

/* A vCPU nobody watches any more is in no state; what it did until now stands. */
static void close_interval(struct es_slot *s, uint64_t now)
{
	unsigned int state = s->state & ES_STATE_MASK;

	if (!s->vcpu)
		return;
	if (state != ES_STATE_NEW && state < ES_STATES) {
		/* A program that was just running may have come later. */
		if (now > s->since_ns) {
			s->time_ns[state] += now - s->since_ns;
			s->since_ns = now;
		}
	}
	s->state = ES_STATE_NEW;
	s->exit_ns = 0;
	s->seq += 2;
}

void es_loader_detach_exits(struct es_loader *l)
{
	uint64_t now;

	if (!l->programs.n)
		return;
	l->epoch++;
	l->keep->links_ready = 0;
	es_programs_detach(&l->programs);
	now = es_monotonic_ns();
	wait_for_programs();
	l->keep->missed_before += es_programs_missed(&l->programs);
	es_programs_counts(&l->programs, &l->gone);
	es_programs_close(&l->programs);
	for (size_t i = 0; i < ES_OPTIONALS; i++)
		l->keep->optional[i].attached = false;
	l->keep->build[0] = '\0';
	for (unsigned int i = 0; i < l->n_slots; i++) {
		/* Of what comes after the next attach it is not the reason. */
		l->slots[i].cell = ES_CELL_NONE;
		/* Nor is anybody told from here on when its VMCB changes: see note_vmcb in bpf/kvm_exit.bpf.c. */
		l->slots[i].hflags = ~0u;
		if (l->latency)
			close_interval(&l->slots[i], now);
	}
}

bool es_loader_attached(const struct es_loader *l)
{
	return l->programs.n != 0;
}

uint64_t es_loader_epoch(const struct es_loader *l)
{
	return l->epoch;
}

bool es_loader_typed(const struct es_loader *l)
{
	return l->keep->typed;
}

bool es_loader_latency(const struct es_loader *l)
{
	return l->latency;
}

bool es_loader_waits(const struct es_loader *l)
{
	return l->keep->waits;
}

const struct es_mmu_measured *es_loader_mmu(const struct es_loader *l)
{
	return &l->keep->optional[ES_OPTIONAL_MMU].measured.mmu;
}

uint32_t es_loader_flags(const struct es_loader *l)
{
	return l->keep->optional[ES_OPTIONAL_NESTED].measured.flags | ~ES_OPTIONAL_FLAGS;
}

bool es_loader_optional_attached(const struct es_loader *l, enum es_optional_id id)
{
	return l->keep->optional[id].attached;
}

void es_loader_optional_explain(const struct es_loader *l, enum es_optional_id id, char *buf, size_t size)
{
	const struct es_keep_optional *o = &l->keep->optional[id];
	const char *absent = o->attached ? o->absent : "";
	bool mmu = id == ES_OPTIONAL_MMU;

	if (!asked_for(l, id))
		snprintf(buf, size, "off: --no-mmu");
	else if (!o->attached)
		snprintf(buf, size, "%s", o->failure[0] ? o->failure : "not attached");
	else
		snprintf(buf, size, "%s/%s%s%s%s%s", l->keep->typed ? "tp_btf" : "raw_tp",
			 optionals[id].counts,
			 mmu && l->mmu_mode != ES_MMU_FULL ? "; the hottest only with --mmu full" : "",
			 mmu && !l->keep->typed ? "; a nested guest's not told apart" : "",
			 *absent ? "; this KVM has no " : "", absent);
}

static uint64_t mmu_strays(const struct es_loader *l)
{
	uint64_t sum = 0, v;

	for (uint32_t key = 0; key < ES_MMU_EVENTS; key++) {
		if (!bpf_map_lookup_elem(bpf_map__fd(l->life->maps.mmu_strays), &key, &v))
			sum += v;
	}
	return sum;
}

uint64_t es_loader_health_count(const struct es_loader *l, uint32_t which)
{
	uint64_t v;

	if (bpf_map_lookup_elem(bpf_map__fd(l->life->maps.health), &which, &v))
		return ES_NONE;
	return v;
}

static uint64_t missed(const struct es_loader *l)
{
	return l->keep->missed_before + es_programs_missed(&l->programs) +
	       es_programs_missed(&l->life_programs);
}

void es_loader_lost(const struct es_loader *l, uint64_t out[ES_HEALTH_MAX])
{
	for (uint32_t i = 0; i < ES_HEALTH_MAX; i++)
		out[i] = es_loader_health_count(l, i);
}

void es_loader_health(const struct es_loader *l, struct es_loader_health *out)
{
	out->missed = missed(l);
	out->mmu_strays = mmu_strays(l);
}

void es_loader_counts(const struct es_loader *l, struct es_cost_counts *out)
{
	*out = l->gone;
	es_programs_counts(&l->life_programs, out);
	es_programs_counts(&l->programs, out);
}

void es_loader_status(struct es_loader *l, struct es_status *st)
{
	const struct es_programs *const lists[] = { &l->life_programs, &l->programs };

	if (l->life_programs.n)
		es_programs_status(&l->life_programs, st);
	else
		es_program_status_off(l->life->progs.vcpu_destroy, st);
	es_programs_status(&l->programs, st);
	st->map_bytes = es_programs_map_bytes(lists, ES_ARRAY_SIZE(lists), l->life->obj);
}
