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
	r = es_loader_open_slots(l);
	return r ? r : fill_free_slots(l);
}

int es_loader_new(const struct es_loader_options *o, struct es_loader **out, char *err, size_t size)
{
	struct es_loader *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return explain(-ENOMEM, "start", err, size);
	libbpf_set_print(keep_warning);
	l->n_slots = o->slots;
	l->latency = o->latency;
	l->mmu_mode = o->mmu;
	l->life = vcpu_life__open();
	r = l->life ? create_maps(l) : -errno;
	if (r) {
		es_loader_free(l);
		return explain(r, "load the BPF programs", err, size);
	}
	*out = l;
	return 0;
}

void es_loader_free(struct es_loader *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < ES_OPTIONALS; i++)
		es_optional_free(l->optional[i].programs);
	kvm_exit__destroy(l->exits);
	bpf_link__destroy(l->life_link);
	ring_buffer__free(l->ring);
	if (l->slots)
		munmap(l->slots, l->slots_bytes);
	vcpu_life__destroy(l->life);
	free(l);
}

int es_loader_attach_life(struct es_loader *l, char *err, size_t size)
{
	first_warning[0] = 0;
	l->life_link = bpf_program__attach(l->life->progs.vcpu_destroy);
	if (!l->life_link) {
		snprintf(err, size, "no kprobe on kvm_arch_vcpu_destroy (%s): VMs end with their process",
			 strerror(errno));
		return -errno;
	}
	return 0;
}

void es_loader_detach_life(struct es_loader *l)
{
	bpf_link__destroy(l->life_link);
	l->life_link = NULL;
}

bool es_loader_life_attached(const struct es_loader *l)
{
	return l->life_link != NULL;
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
	l->waits = layout.run_delay;
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

static uint64_t program_missed(const struct bpf_program *p)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_program__fd(p) < 0 || bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &len))
		return 0;
	return info.recursion_misses;
}

static uint64_t object_missed(const struct bpf_object *obj)
{
	struct bpf_program *p;
	uint64_t sum = 0;

	if (!obj)
		return 0;
	bpf_object__for_each_program(p, obj) sum += program_missed(p);
	return sum;
}

/* --- what can be done without --- */

static const struct {
	const struct es_optional_kind *kind;
	const char *counts;
} optionals[ES_OPTIONALS] = {
	[ES_OPTIONAL_MMU] = { &es_optional_mmu, "kvm_page_fault, kvmmmu:*" },
	[ES_OPTIONAL_NESTED] = { &es_optional_nested, "kvm_nested_vmexit, kvm_nested_vmexit_inject" },
};

static bool asked_for(const struct es_loader *l, enum es_optional_id id)
{
	return id != ES_OPTIONAL_MMU || l->mmu_mode != ES_MMU_OFF;
}

/* Without them exits are still counted, so a failure is no more than said. */
static void fail_optional(struct optional *o, int r)
{
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
		l->optional[i].failure[0] = first_warning[0] = 0;
		r = asked_for(l, i) ? es_optional_load(optionals[i].kind, &host, &fresh[i]) : 0;
		if (r)
			fail_optional(&l->optional[i], r);
	}
}

static void attach_optionals(struct es_loader *l, struct es_optional *fresh[ES_OPTIONALS])
{
	for (enum es_optional_id i = 0; i < ES_OPTIONALS; i++) {
		struct optional *o = &l->optional[i];
		int r;

		if (!fresh[i])
			continue;
		first_warning[0] = 0;
		r = es_optional_attach(fresh[i]);
		if (r) {
			es_optional_free(fresh[i]);
			fail_optional(o, r);
			continue;
		}
		o->programs = fresh[i];
		o->measured = *es_optional_measured(fresh[i]);
	}
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

int es_loader_attach_exits(struct es_loader *l, enum es_isa isa, char *err, size_t size)
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
	es_loader_detach_exits(l);
	first_warning[0] = 0;
	r = kvm_exit__attach(fresh);
	if (r) {
		kvm_exit__destroy(fresh);
		for (size_t i = 0; i < ES_OPTIONALS; i++)
			es_optional_free(optional[i]);
		return explain_attach(r, typed, err, size);
	}
	l->exits = fresh;
	l->typed = typed;
	l->epoch++;
	attach_optionals(l, optional);
	return 0;
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

/* The objects on KVM's tracepoints: the exits', and what can be done without. */
#define OBJECTS (1 + ES_OPTIONALS)

/* NULL: not attached. */
static struct bpf_object *object(const struct es_loader *l, size_t i)
{
	if (!i)
		return l->exits ? l->exits->obj : NULL;
	return l->optional[i - 1].programs ? es_optional_object(l->optional[i - 1].programs) : NULL;
}

static void drop_programs(struct es_loader *l)
{
	kvm_exit__destroy(l->exits);
	l->exits = NULL;
	for (size_t i = 0; i < ES_OPTIONALS; i++) {
		es_optional_free(l->optional[i].programs);
		l->optional[i].programs = NULL;
	}
}

void es_loader_detach_exits(struct es_loader *l)
{
	uint64_t now;

	if (!l->exits)
		return;
	l->epoch++;
	/* First those that go by the exit that was counted last. */
	for (size_t i = 0; i < ES_OPTIONALS; i++) {
		if (l->optional[i].programs)
			es_optional_detach(l->optional[i].programs);
	}
	kvm_exit__detach(l->exits);
	now = es_monotonic_ns();
	wait_for_programs();
	for (size_t i = 0; i < OBJECTS; i++) {
		l->missed_before += object_missed(object(l, i));
		es_object_counts(object(l, i), &l->gone);
	}
	drop_programs(l);
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
	return l->exits != NULL;
}

uint64_t es_loader_epoch(const struct es_loader *l)
{
	return l->epoch;
}

bool es_loader_typed(const struct es_loader *l)
{
	return l->typed;
}

bool es_loader_latency(const struct es_loader *l)
{
	return l->latency;
}

bool es_loader_waits(const struct es_loader *l)
{
	return l->waits;
}

const struct es_mmu_measured *es_loader_mmu(const struct es_loader *l)
{
	return &l->optional[ES_OPTIONAL_MMU].measured.mmu;
}

uint32_t es_loader_flags(const struct es_loader *l)
{
	return l->optional[ES_OPTIONAL_NESTED].measured.flags | ~ES_OPTIONAL_FLAGS;
}

bool es_loader_optional_attached(const struct es_loader *l, enum es_optional_id id)
{
	return l->optional[id].programs != NULL;
}

void es_loader_optional_explain(const struct es_loader *l, enum es_optional_id id, char *buf, size_t size)
{
	const struct optional *o = &l->optional[id];
	const char *absent = o->programs ? es_optional_absent(o->programs) : "";
	bool mmu = id == ES_OPTIONAL_MMU;

	if (!asked_for(l, id))
		snprintf(buf, size, "off: --no-mmu");
	else if (!o->programs)
		snprintf(buf, size, "%s", o->failure[0] ? o->failure : "not attached");
	else
		snprintf(buf, size, "%s/%s%s%s%s%s", l->typed ? "tp_btf" : "raw_tp", optionals[id].counts,
			 mmu && l->mmu_mode != ES_MMU_FULL ? "; the hottest only with --mmu full" : "",
			 mmu && !l->typed ? "; a nested guest's not told apart" : "",
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
	uint64_t sum = l->missed_before + program_missed(l->life->progs.vcpu_destroy);

	for (size_t i = 0; i < OBJECTS; i++)
		sum += object_missed(object(l, i));
	return sum;
}

void es_loader_health(const struct es_loader *l, struct es_loader_health *out)
{
	for (uint32_t i = 0; i < ES_HEALTH_MAX; i++)
		out->counts[i] = es_loader_health_count(l, i);
	out->missed = missed(l);
	out->mmu_strays = mmu_strays(l);
}

void es_loader_counts(const struct es_loader *l, struct es_cost_counts *out)
{
	*out = l->gone;
	es_object_counts(l->life->obj, out);
	for (size_t i = 0; i < OBJECTS; i++)
		es_object_counts(object(l, i), out);
}

void es_loader_status(struct es_loader *l, struct es_status *st)
{
	es_object_status(l->life->obj, l->life_link != NULL, st);
	st->map_bytes = es_object_maps_bytes(l->life->obj, true);
	for (size_t i = 0; i < OBJECTS; i++) {
		es_object_status(object(l, i), true, st);
		st->map_bytes += es_object_maps_bytes(object(l, i), false);
	}
}
