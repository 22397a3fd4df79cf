/* SPDX-License-Identifier: GPL-2.0-only */
#include "sampler_fixture.h"

struct es_keeper loader;
struct es_sampler *sampler;
bool per_vcpu;
const struct es_kvm_host host = { .kvm = true, .isa = ES_ISA_SVM, .vendor = "kvm_amd", .tdp = ES_YES };

struct es_slot *begin(uint32_t slot, uint64_t kvm, uint32_t vcpu_id, uint64_t born, uint32_t code,
		      uint64_t count)
{
	return fake_begin(&loader, slot, kvm, vcpu_id, born, code, count);
}

void end(uint32_t slot, uint64_t when)
{
	fake_end(&loader, slot, when);
}

/* What was added up as vCPUs were read is the sum of all vCPUs. */
void check_sums(const struct es_snapshot *s)
{
	for (size_t i = 0; i < s->n_vms; i++) {
		const struct es_vm *vm = s->vms[i];
		struct es_counts sum, got;

		es_counts_init(&sum);
		for (size_t k = 0; k < vm->n_per_vcpu; k++)
			assert_int_equal(es_counts_add(&sum, &vm->vcpus[k].counts), 0);
		got = vm->counts;
		es_counts_advance(&sum, s->taken.monotonic_ns);
		es_counts_advance(&got, s->taken.monotonic_ns);
		if (vm->n_per_vcpu) {
			assert_int_equal(sum.n_reasons, got.n_reasons);
			assert_memory_equal(sum.reasons, got.reasons, sum.n_reasons * sizeof(*sum.reasons));
			assert_memory_equal(&sum.time, &got.time, sizeof(sum.time));
			assert_memory_equal(&sum.open, &got.open, sizeof(sum.open));
			assert_memory_equal(&sum.mmu, &got.mmu, sizeof(sum.mmu));
			assert_memory_equal(sum.cr, got.cr, sizeof(sum.cr));
			assert_int_equal(sum.exits_unknown, got.exits_unknown);
		}
		es_counts_clear(&sum);
	}
}

struct es_snapshot *sample(void)
{
	struct es_snapshot *s = NULL;

	assert_int_equal(es_sampler_sample(sampler, &host, per_vcpu, &s), 0);
	es_sampler_release(sampler);
	assert_non_null(s);
	check_sums(s);
	return s;
}

int setup(void **state)
{
	(void)state;
	if (fake_keeper_init(&loader, SLOTS))
		return -1;
	per_vcpu = true;
	sampler = es_sampler_new(&loader, "/proc");
	return sampler ? 0 : -1;
}

int teardown(void **state)
{
	(void)state;
	es_sampler_free(sampler);
	fake_keeper_clear(&loader);
	return 0;
}

/* The five parts add up to the time since the first entry, as it stands in the snapshot. */
struct es_time time_at(const struct es_snapshot *s, size_t i)
{
	struct es_counts c = s->vms[i]->counts;
	uint64_t sum = 0;

	es_counts_advance(&c, s->taken.monotonic_ns);
	for (unsigned int k = 0; k < ES_TIME_PARTS; k++)
		sum += ES_U64S(c.time)[k];
	assert_int_equal(sum, c.time.total_ns);
	return c.time;
}

struct es_time sample_time(void)
{
	struct es_snapshot *s = sample();
	struct es_time t = time_at(s, 0);

	es_snapshot_unref(s);
	return t;
}

struct es_slot *in_state(enum es_state state, uint64_t ago)
{
	struct es_slot *slot = begin(0, 0x1000, 0, 5, CPUID, 1);

	slot->state = state;
	slot->since_ns = es_monotonic_ns() - ago;
	slot->first_ns = slot->since_ns - 1000;
	slot->time_ns[ES_STATE_GUEST] = 1000;
	return slot;
}

void rest(void)
{
	for (int i = 0; i < 3; i++)
		es_snapshot_unref(sample());
}
