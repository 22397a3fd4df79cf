/* SPDX-License-Identifier: GPL-2.0-only */
#include <exitstat/snapshot.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <exitstat/hist.h>
#include <exitstat/util.h>

/* The counts are kept out of the public structs, so that nobody makes a VM on the stack. */
struct vm_box {
	struct es_vm vm;
	unsigned int refs;
};

struct snapshot_box {
	struct es_snapshot snapshot;
	unsigned int refs;
};

_Static_assert(offsetof(struct vm_box, vm) == 0, "a VM is its box");
#define TIME_AT(part, member)                                                         \
	_Static_assert(offsetof(struct es_time, member) == (part) * sizeof(uint64_t), \
		       #member " by its number")
TIME_AT(ES_TIME_GUEST, guest_ns);
TIME_AT(ES_TIME_KERNEL, kernel_ns);
TIME_AT(ES_TIME_VMM, vmm_ns);
TIME_AT(ES_TIME_IDLE, idle_ns);
TIME_AT(ES_TIME_RUNQUEUE, runqueue_ns);
TIME_AT(ES_TIME_PARTS, total_ns);
_Static_assert(offsetof(struct snapshot_box, snapshot) == 0, "a snapshot is its box");

/*
 * Room for n elements in arrays that carry no capacity. Reasons are 344 bytes each, and there are thirty of them in
 * each of thousands of VMs: few more than are used.
 */
static size_t room(size_t n)
{
	size_t cap = 64;

	if (n <= cap)
		return (n + 3) / 4 * 4;
	while (cap < n)
		cap *= 2;
	return cap;
}

/* Makes room for one more element behind the n that are there; NULL when out of memory. */
static void *grow(void *array, size_t n, size_t size)
{
	if (n && n != room(n))
		return array;
	return reallocarray(array, room(n + 1), size);
}

/* Never wraps and never becomes ES_NONE by adding. */
static uint64_t add_sat(uint64_t a, uint64_t b)
{
	uint64_t sum = a + b;

	return sum < a || sum == ES_NONE ? ES_NONE - 1 : sum;
}

static uint64_t add_u64(uint64_t a, uint64_t b)
{
	if (a == ES_NONE)
		return b;
	return b == ES_NONE ? a : add_sat(a, b);
}

static void add_u64s(uint64_t *dst, const uint64_t *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = add_u64(dst[i], src[i]);
}

/* --- counts --- */

void es_counts_init(struct es_counts *c)
{
	*c = (struct es_counts){ 0 };
	memset(&c->time, 0xff, sizeof(c->time));
	memset(&c->mmu, 0xff, sizeof(c->mmu));
	memset(c->cr, 0xff, sizeof(c->cr));
}

void es_counts_clear(struct es_counts *c)
{
	free(c->reasons);
	es_counts_init(c);
}

int es_counts_copy(struct es_counts *dst, const struct es_counts *src)
{
	*dst = *src;
	dst->reasons = NULL;
	dst->n_reasons = 0;
	if (!src->n_reasons)
		return 0;
	dst->reasons = reallocarray(NULL, room(src->n_reasons), sizeof(*dst->reasons));
	if (!dst->reasons) {
		es_counts_init(dst);
		return -ENOMEM;
	}
	memcpy(dst->reasons, src->reasons, src->n_reasons * sizeof(*dst->reasons));
	dst->n_reasons = src->n_reasons;
	return 0;
}

/* Where code is, or would stand. */
static size_t reason_at(const struct es_counts *c, uint32_t code)
{
	size_t lo = 0, hi = c->n_reasons;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->reasons[mid].code < code)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct es_reason *es_counts_find(const struct es_counts *c, uint32_t code)
{
	size_t at = reason_at(c, code);

	return at < c->n_reasons && c->reasons[at].code == code ? &c->reasons[at] : NULL;
}

static struct es_reason *insert_reason(struct es_counts *c, size_t at, const struct es_reason *r)
{
	struct es_reason *reasons = grow(c->reasons, c->n_reasons, sizeof(*reasons));

	if (!reasons)
		return NULL;
	c->reasons = reasons;
	memmove(&reasons[at + 1], &reasons[at], (c->n_reasons - at) * sizeof(*reasons));
	c->n_reasons++;
	reasons[at] = *r;
	return &reasons[at];
}

struct es_reason *es_counts_reason(struct es_counts *c, uint32_t code)
{
	size_t at = reason_at(c, code);
	struct es_reason fresh = { .code = code };

	if (at < c->n_reasons && c->reasons[at].code == code)
		return &c->reasons[at];
	return insert_reason(c, at, &fresh);
}

static void add_reason(struct es_reason *dst, const struct es_reason *src)
{
	dst->count = add_u64(dst->count, src->count);
	dst->time_ns = add_u64(dst->time_ns, src->time_ns);
	if (dst->max_ns == ES_NONE || (src->max_ns != ES_NONE && src->max_ns > dst->max_ns))
		dst->max_ns = src->max_ns;
	add_u64s(dst->flags, src->flags, ES_FLAGS);
	if (!es_hist_known(dst->hist))
		memcpy(dst->hist, src->hist, sizeof(dst->hist));
	else if (es_hist_known(src->hist))
		add_u64s(dst->hist, src->hist, ES_HIST_BUCKETS);
}

void es_counts_advance(struct es_counts *c, uint64_t now)
{
	uint64_t *parts = ES_U64S(c->time), ns;

	if (now == ES_NONE || now <= c->open.as_of_ns)
		return;
	ns = now - c->open.as_of_ns;
	c->open.as_of_ns = now;
	for (unsigned int i = 0; i < ES_TIME_PARTS; i++) {
		if (!c->open.vcpus[i])
			continue;
		parts[i] = add_u64(parts[i], c->open.vcpus[i] * ns);
		c->time.total_ns = add_u64(c->time.total_ns, c->open.vcpus[i] * ns);
	}
}

static void add_time(struct es_counts *dst, const struct es_counts *src)
{
	struct es_counts then = *src;

	es_counts_advance(&then, dst->open.as_of_ns);
	es_counts_advance(dst, then.open.as_of_ns);
	add_u64s(ES_U64S(dst->time), ES_U64S(then.time), ES_N_U64S(dst->time));
	for (unsigned int i = 0; i < ES_TIME_PARTS; i++)
		dst->open.vcpus[i] += then.open.vcpus[i];
}

int es_counts_add(struct es_counts *dst, const struct es_counts *src)
{
	size_t at = 0;

	for (size_t i = 0; i < src->n_reasons; i++) {
		const struct es_reason *r = &src->reasons[i];

		while (at < dst->n_reasons && dst->reasons[at].code < r->code)
			at++;
		if (at < dst->n_reasons && dst->reasons[at].code == r->code)
			add_reason(&dst->reasons[at], r);
		else if (!insert_reason(dst, at, r))
			return -ENOMEM;
	}
	dst->exits_unknown |= src->exits_unknown;
	add_time(dst, src);
	add_u64s(ES_U64S(dst->mmu), ES_U64S(src->mmu), ES_N_U64S(dst->mmu));
	add_u64s(ES_U64S(dst->cr), ES_U64S(src->cr), ES_N_U64S(dst->cr));
	return 0;
}

uint64_t es_exits_total(const struct es_counts *c)
{
	uint64_t sum = c->exits_unknown ? ES_NONE : 0;

	for (size_t i = 0; i < c->n_reasons; i++)
		sum = add_u64(sum, c->reasons[i].count);
	return sum;
}

uint64_t es_exits_time_ns(const struct es_counts *c)
{
	uint64_t sum = c->n_reasons || c->exits_unknown ? ES_NONE : 0;

	for (size_t i = 0; i < c->n_reasons; i++)
		sum = add_u64(sum, c->reasons[i].time_ns);
	return sum;
}

/* --- VMs --- */

struct es_vm *es_vm_new(const char *id, const char *name)
{
	struct vm_box *box = calloc(1, sizeof(*box));
	struct es_vm *vm;

	if (!box)
		return NULL;
	box->refs = 1;
	vm = &box->vm;
	vm->id = strdup(id ? id : "");
	vm->name = strdup(name ? name : "");
	vm->uid = UINT32_MAX;
	vm->since_ns = ES_NONE;
	vm->ended_ns = ES_NONE;
	es_counts_init(&vm->counts);
	if (!vm->id || !vm->name) {
		es_vm_unref(vm);
		return NULL;
	}
	return vm;
}

struct es_vm *es_vm_ref(struct es_vm *vm)
{
	((struct vm_box *)vm)->refs++;
	return vm;
}

void es_vm_unref(struct es_vm *vm)
{
	struct vm_box *box = (struct vm_box *)vm;

	if (!vm || --box->refs)
		return;
	for (size_t i = 0; i < vm->n_per_vcpu; i++)
		es_counts_clear(&vm->vcpus[i].counts);
	free(vm->vcpus);
	es_counts_clear(&vm->counts);
	free(vm->name);
	free(vm->id);
	free(box);
}

struct es_vcpu *es_vm_add_vcpu(struct es_vm *vm, uint32_t vcpu_id)
{
	struct es_vcpu *vcpus = grow(vm->vcpus, vm->n_per_vcpu, sizeof(*vcpus));
	size_t at = vm->n_per_vcpu;

	if (!vcpus)
		return NULL;
	vm->vcpus = vcpus;
	while (at && vcpus[at - 1].vcpu_id > vcpu_id)
		at--;
	memmove(&vcpus[at + 1], &vcpus[at], (vm->n_per_vcpu - at) * sizeof(*vcpus));
	vm->n_per_vcpu++;
	vcpus[at].vcpu_id = vcpu_id;
	es_counts_init(&vcpus[at].counts);
	return &vcpus[at];
}

/* --- snapshots --- */

struct es_snapshot *es_snapshot_new(void)
{
	struct snapshot_box *box = calloc(1, sizeof(*box));

	if (!box)
		return NULL;
	box->refs = 1;
	box->snapshot.host.tdp = ES_UNKNOWN;
	memset(&box->snapshot.taken, 0xff, sizeof(box->snapshot.taken));
	memset(&box->snapshot.health, 0xff, sizeof(box->snapshot.health));
	return &box->snapshot;
}

struct es_snapshot *es_snapshot_ref(struct es_snapshot *s)
{
	((struct snapshot_box *)s)->refs++;
	return s;
}

void es_snapshot_unref(struct es_snapshot *s)
{
	struct snapshot_box *box = (struct snapshot_box *)s;

	if (!s || --box->refs)
		return;
	for (size_t i = 0; i < s->n_vms; i++)
		es_vm_unref(s->vms[i]);
	free(s->vms);
	free(box);
}

int es_snapshot_add(struct es_snapshot *s, struct es_vm *vm)
{
	struct es_vm **vms = grow(s->vms, s->n_vms, sizeof(*vms));

	if (!vms) {
		es_vm_unref(vm);
		return -ENOMEM;
	}
	s->vms = vms;
	vms[s->n_vms++] = vm;
	return 0;
}

/* --- words --- */

static const char *const isa_names[] = { [ES_ISA_VMX] = "vmx", [ES_ISA_SVM] = "svm" };
static const char *const paging_names[] = {
	[ES_PAGING_EPT] = "ept",
	[ES_PAGING_NPT] = "npt",
	[ES_PAGING_SHADOW] = "shadow",
};
static const char *const state_names[] = {
	[ES_VM_RUNNING] = "running",
	[ES_VM_PAUSED] = "paused",
	[ES_VM_ENDED] = "ended",
};

static const char *name_of(const char *const *names, size_t n, size_t value)
{
	return value < n ? names[value] : NULL;
}

static int value_of(const char *const *names, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (names[i] && !strcmp(names[i], word))
			return (int)i;
	return -EINVAL;
}

const char *es_isa_name(enum es_isa isa)
{
	return name_of(isa_names, ES_ARRAY_SIZE(isa_names), isa);
}

const char *es_paging_name(enum es_paging p)
{
	return name_of(paging_names, ES_ARRAY_SIZE(paging_names), p);
}

const char *es_vm_state_name(enum es_vm_state s)
{
	return name_of(state_names, ES_ARRAY_SIZE(state_names), s);
}

int es_isa_parse(const char *word)
{
	return value_of(isa_names, ES_ARRAY_SIZE(isa_names), word);
}

int es_paging_parse(const char *word)
{
	return value_of(paging_names, ES_ARRAY_SIZE(paging_names), word);
}

int es_vm_state_parse(const char *word)
{
	return value_of(state_names, ES_ARRAY_SIZE(state_names), word);
}
