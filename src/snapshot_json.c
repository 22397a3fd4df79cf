/* SPDX-License-Identifier: GPL-2.0-only */
/* The snapshot as JSON, schema exitstat/1: the tables are for snapshot_read.c too. */
#include <exitstat/json.h>

#include <exitstat/hist.h>
#include <exitstat/paging.h>
#include <exitstat/reasons.h>
#include <exitstat/util.h>

#include "snapshot_fields.h"

/* --- what stands where --- */

/* clang-format off */
#define FIELD(type, member) { #member, offsetof(struct type, member) }
#define NAMED(type, member, name) { name, offsetof(struct type, member) }

static const struct es_field taken_fields[] = {
	FIELD(es_taken, realtime_ns), FIELD(es_taken, monotonic_ns), FIELD(es_taken, interval_ns),
};
static const struct es_field health_fields[] = {
	FIELD(es_health_counts, slots_used), FIELD(es_health_counts, slots_max),
	FIELD(es_health_counts, dropped), FIELD(es_health_counts, missed),
	FIELD(es_health_counts, unattributed), FIELD(es_health_counts, unknown_reasons),
	FIELD(es_health_counts, read_errors), FIELD(es_health_counts, unattributed_mmu),
};
static const struct es_field time_fields[] = {
	FIELD(es_time, guest_ns), FIELD(es_time, kernel_ns), FIELD(es_time, vmm_ns),
	FIELD(es_time, idle_ns), FIELD(es_time, runqueue_ns), FIELD(es_time, total_ns),
};
static const struct es_field fault_fields[] = {
	FIELD(es_faults, tdp), FIELD(es_faults, shadow), FIELD(es_faults, mmio),
	FIELD(es_faults, fast), FIELD(es_faults, spurious), FIELD(es_faults, fixed),
	FIELD(es_faults, emulated),
};
static const struct es_field walk_fields[] = { FIELD(es_mmu, guest_walks) };
static const struct es_field page_fields[] = {
	FIELD(es_shadow_pages, created), FIELD(es_shadow_pages, reused), FIELD(es_shadow_pages, synced),
	FIELD(es_shadow_pages, unsynced), FIELD(es_shadow_pages, zapped),
};
static const struct es_field spte_fields[] = {
	NAMED(es_sptes, s4k, "4k"), NAMED(es_sptes, s2m, "2m"), NAMED(es_sptes, s1g, "1g"),
};
static const struct es_field zap_fields[] = {
	FIELD(es_mmu, zap_all), FIELD(es_mmu, huge_splits), FIELD(es_mmu, spte_requests),
	FIELD(es_mmu, tdp_changes), FIELD(es_mmu, fast_attempts),
};
static const struct es_field nested_fields[] = {
	FIELD(es_nested_mmu, faults), FIELD(es_nested_mmu, guest_walks), FIELD(es_nested_mmu, created),
	FIELD(es_nested_mmu, reused), FIELD(es_nested_mmu, synced), FIELD(es_nested_mmu, unsynced),
	FIELD(es_nested_mmu, zapped), NAMED(es_nested_mmu, s4k, "4k"), NAMED(es_nested_mmu, s2m, "2m"),
	NAMED(es_nested_mmu, s1g, "1g"),
};
static const struct es_field cr_fields[] = { FIELD(es_cr_count, read), FIELD(es_cr_count, write) };

#define GROUP(key, fields, at) { key, fields, ES_ARRAY_SIZE(fields), at }

static const struct es_group time_groups[] = { GROUP(NULL, time_fields, 0) };
static const struct es_group mmu_groups[] = {
	GROUP("faults", fault_fields, offsetof(struct es_mmu, faults)),
	GROUP(NULL, walk_fields, 0),
	GROUP("shadow_pages", page_fields, offsetof(struct es_mmu, shadow_pages)),
	GROUP("sptes", spte_fields, offsetof(struct es_mmu, sptes)),
	GROUP(NULL, zap_fields, 0),
	GROUP("nested", nested_fields, offsetof(struct es_mmu, nested)),
};
static const struct es_group cr_groups[] = {
	GROUP("cr0", cr_fields, ES_CR0 * sizeof(struct es_cr_count)),
	GROUP("cr3", cr_fields, ES_CR3 * sizeof(struct es_cr_count)),
	GROUP("cr4", cr_fields, ES_CR4 * sizeof(struct es_cr_count)),
	GROUP("cr8", cr_fields, ES_CR8 * sizeof(struct es_cr_count)),
};
static const struct es_group taken_groups[] = { GROUP(NULL, taken_fields, 0) };
static const struct es_group health_groups[] = { GROUP(NULL, health_fields, 0) };

#define SECTION(key, groups, at) { key, groups, ES_ARRAY_SIZE(groups), at }

const struct es_section es_counts_sections[ES_SECTIONS] = {
	SECTION("time", time_groups, offsetof(struct es_counts, time)),
	SECTION("mmu", mmu_groups, offsetof(struct es_counts, mmu)),
	SECTION("cr", cr_groups, offsetof(struct es_counts, cr)),
};
const struct es_section es_taken_section = SECTION("taken", taken_groups, offsetof(struct es_snapshot, taken));
const struct es_section es_health_section = SECTION("health", health_groups, offsetof(struct es_snapshot, health));
/* clang-format on */

/* --- writing --- */

static void write_section(struct es_json *j, const struct es_section *section, const void *base)
{
	es_json_object(j, section->key);
	for (size_t k = 0; k < section->n; k++) {
		const struct es_group *g = &section->groups[k];
		const char *at = (const char *)base + section->at + g->at;

		if (g->key)
			es_json_object(j, g->key);
		for (size_t i = 0; i < g->n; i++)
			es_json_u64(j, g->fields[i].name, *(const uint64_t *)(at + g->fields[i].at));
		if (g->key)
			es_json_object_end(j);
	}
	es_json_object_end(j);
}

static void write_hist(struct es_json *j, const uint64_t *hist)
{
	unsigned int n = ES_HIST_BUCKETS;
	bool pretty = j->pretty;

	if (!es_hist_known(hist)) {
		es_json_null(j, "hist");
		return;
	}
	while (n && !hist[n - 1])
		n--;
	es_json_array(j, "hist");
	/* Thirty lines of one number each would help nobody. */
	j->pretty = false;
	for (unsigned int i = 0; i < n; i++)
		es_json_u64(j, NULL, hist[i]);
	es_json_array_end(j);
	j->pretty = pretty;
}

static void write_reason(struct es_json *j, enum es_isa isa, enum es_paging paging, const struct es_reason *r)
{
	char buf[ES_REASON_NAME_MAX];

	es_json_object(j, NULL);
	es_json_u64(j, "code", r->code);
	es_json_string(j, "name", es_reason_name(isa, r->code, buf));
	es_json_string(j, "class", es_class_name(es_reason_class_for(isa, paging, r->code)));
	es_json_u64(j, "count", r->count);
	es_json_u64(j, "time_ns", r->time_ns);
	es_json_u64(j, "max_ns", r->max_ns);
	es_json_u64(j, "p50_ns", es_hist_percentile(r->hist, 500, r->max_ns));
	es_json_u64(j, "p90_ns", es_hist_percentile(r->hist, 900, r->max_ns));
	es_json_u64(j, "p99_ns", es_hist_percentile(r->hist, 990, r->max_ns));
	es_json_u64(j, "p999_ns", es_hist_percentile(r->hist, 999, r->max_ns));
	write_hist(j, r->hist);
	es_json_object(j, "flags");
	for (unsigned int f = 0; f < ES_FLAGS; f++)
		if (r->flags[f])
			es_json_u64(j, es_flag_name(f), r->flags[f]);
	es_json_object_end(j);
	es_json_object_end(j);
}

static void write_counts(struct es_json *j, const struct es_snapshot *s, enum es_paging paging,
			 const struct es_counts *c)
{
	struct es_counts now = *c;

	es_json_object(j, "exits");
	es_json_u64(j, "total", es_exits_total(c));
	es_json_u64(j, "time_ns", es_exits_time_ns(c));
	es_json_array(j, "reasons");
	for (size_t i = 0; i < c->n_reasons; i++)
		write_reason(j, s->host.isa, paging, &c->reasons[i]);
	es_json_array_end(j);
	es_json_object_end(j);
	es_counts_advance(&now, s->taken.monotonic_ns);
	for (size_t i = 0; i < ES_SECTIONS; i++)
		write_section(j, &es_counts_sections[i], &now);
}

static void write_share(struct es_json *j, const char *key, double share)
{
	if (share >= 0)
		es_json_double(j, key, share);
	else
		es_json_null(j, key);
}

/* The cost follows from the counts: who reads a snapshot need not read it. */
static void write_paging(struct es_json *j, enum es_isa isa, const struct es_vm *vm)
{
	struct es_paging_cost cost;

	es_paging_cost(isa, vm->paging, &vm->counts, &cost);
	es_json_object(j, "paging");
	es_json_string(j, "mode", es_paging_name(vm->paging));
	es_json_bool(j, "nested", vm->nested);
	es_json_object(j, "cost");
	es_json_u64(j, "exits", cost.exits);
	es_json_u64(j, "time_ns", cost.time_ns);
	write_share(j, "exit_share", cost.exit_share);
	write_share(j, "time_share", cost.time_share);
	es_json_object_end(j);
	es_json_object_end(j);
}

static void write_vm(struct es_json *j, const struct es_snapshot *s, const struct es_vm *vm, bool per_vcpu)
{
	es_json_object(j, NULL);
	es_json_string(j, "id", vm->id);
	es_json_string(j, "name", vm->name);
	es_json_u64(j, "pid", vm->pid);
	es_json_u64(j, "vcpus", vm->n_vcpus);
	es_json_u64(j, "since_ns", vm->since_ns);
	es_json_u64(j, "ended_ns", vm->ended_ns);
	es_json_string(j, "state", es_vm_state_name(vm->state));
	write_paging(j, s->host.isa, vm);
	write_counts(j, s, vm->paging, &vm->counts);
	if (per_vcpu) {
		es_json_array(j, "per_vcpu");
		for (size_t i = 0; i < vm->n_per_vcpu; i++) {
			es_json_object(j, NULL);
			es_json_u64(j, "vcpu_id", vm->vcpus[i].vcpu_id);
			write_counts(j, s, vm->paging, &vm->vcpus[i].counts);
			es_json_object_end(j);
		}
		es_json_array_end(j);
	}
	es_json_object_end(j);
}

static void write_host(struct es_json *j, const struct es_host *h)
{
	es_json_object(j, "host");
	es_json_string(j, "hostname", *h->hostname ? h->hostname : NULL);
	es_json_string(j, "kernel", *h->kernel ? h->kernel : NULL);
	es_json_string(j, "isa", es_isa_name(h->isa));
	if (h->tdp == ES_UNKNOWN)
		es_json_null(j, "tdp");
	else
		es_json_bool(j, "tdp", h->tdp == ES_YES);
	es_json_object_end(j);
}

void es_snapshot_write(struct es_json *j, const char *key, const struct es_snapshot *s, bool per_vcpu)
{
	es_json_object(j, key);
	es_json_string(j, "schema", ES_SCHEMA);
	write_host(j, &s->host);
	write_section(j, &es_taken_section, s);
	es_json_array(j, "vms");
	for (size_t i = 0; i < s->n_vms; i++)
		write_vm(j, s, s->vms[i], per_vcpu);
	es_json_array_end(j);
	write_section(j, &es_health_section, s);
	es_json_object_end(j);
}

char *es_snapshot_to_json(const struct es_snapshot *s, bool per_vcpu, bool pretty, size_t *len)
{
	struct es_json j;

	es_json_init(&j, pretty);
	es_snapshot_write(&j, NULL, s, per_vcpu);
	return es_json_take(&j, len);
}
