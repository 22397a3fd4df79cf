// SPDX-License-Identifier: GPL-2.0-only
/* The status as JSON: the members that docs/protocol.md lists under GetStatus. */
#include <exitstat/reasons.h>
#include <exitstat/status.h>
#include <exitstat/util.h>

static const char *const attach_names[] = {
	[ES_ATTACH_WAITING] = "waiting",   [ES_ATTACH_ATTACHED] = "attached", [ES_ATTACH_SILENT] = "silent",
	[ES_ATTACH_DETACHED] = "detached", [ES_ATTACH_FAILED] = "failed",     [ES_ATTACH_REPLAY] = "replay",
};

const char *es_attach_state_name(enum es_attach_state s)
{
	return (size_t)s < ES_ARRAY_SIZE(attach_names) ? attach_names[s] : "unknown";
}

static void write_host(struct es_json *j, const struct es_host *h)
{
	es_json_object(j, "host");
	es_json_string(j, "hostname", h->hostname);
	es_json_string(j, "kernel", h->kernel);
	es_json_string(j, "isa", es_isa_name(h->isa));
	if (h->tdp == ES_UNKNOWN)
		es_json_null(j, "tdp");
	else
		es_json_bool(j, "tdp", h->tdp == ES_YES);
	es_json_object_end(j);
}

static void write_programs(struct es_json *j, const struct es_status *st)
{
	es_json_array(j, "programs");
	for (unsigned int i = 0; i < st->n_programs && i < ES_STATUS_PROGRAMS; i++) {
		const struct es_program_status *p = &st->programs[i];

		es_json_object(j, NULL);
		es_json_string(j, "name", p->name);
		es_json_string(j, "hook", p->hook);
		es_json_bool(j, "attached", p->attached);
		es_json_u64(j, "runs", p->runs);
		es_json_u64(j, "run_ns", p->run_ns);
		es_json_u64(j, "missed", p->missed);
		es_json_object_end(j);
	}
	es_json_array_end(j);
}

static void write_features(struct es_json *j, const struct es_status *st)
{
	es_json_array(j, "features");
	for (unsigned int i = 0; i < st->n_features && i < ES_STATUS_FEATURES; i++) {
		const struct es_feature_status *f = &st->features[i];

		es_json_object(j, NULL);
		es_json_string(j, "name", f->name);
		es_json_bool(j, "on", f->on);
		es_json_string(j, "detail", f->detail);
		es_json_object_end(j);
	}
	es_json_array_end(j);
}

static void write_health(struct es_json *j, const struct es_status *st)
{
	const struct es_health_counts *h = &st->health;

	es_json_object(j, "health");
	es_json_u64(j, "slots_used", h->slots_used);
	es_json_u64(j, "slots_max", h->slots_max);
	es_json_u64(j, "dropped", h->dropped);
	es_json_u64(j, "missed", h->missed);
	es_json_u64(j, "unattributed", h->unattributed);
	es_json_u64(j, "unattributed_mmu", h->unattributed_mmu);
	es_json_u64(j, "unknown_reasons", h->unknown_reasons);
	es_json_u64(j, "read_errors", h->read_errors);
	es_json_u64(j, "short_cells", st->short_cells);
	es_json_u64(j, "ring_full", st->ring_full);
	es_json_object_end(j);
}

static void write_daemon(struct es_json *j, const struct es_status *st)
{
	es_json_object(j, "daemon");
	es_json_u64(j, "uptime_ns", st->uptime_ns);
	es_json_u64(j, "cpu_ns", st->cpu_ns);
	es_json_u64(j, "rss_bytes", st->rss_bytes);
	es_json_u64(j, "map_bytes", st->map_bytes);
	es_json_u64(j, "samples", st->samples);
	es_json_u64(j, "sample_ns_sum", st->sample_ns_sum);
	es_json_u64(j, "sample_ns_last", st->sample_ns_last);
	es_json_u64(j, "sample_ns_max", st->sample_ns_max);
	es_json_u64(j, "clients", st->clients);
	es_json_u64(j, "clients_refused", st->clients_refused);
	es_json_u64(j, "requests", st->requests);
	es_json_object_end(j);
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a == ES_NONE || b == ES_NONE ? ES_NONE : a + b;
}

static void write_cost_programs(struct es_json *j, const struct es_cost_counts *c)
{
	es_json_array(j, "programs");
	for (unsigned int i = 0; i < c->n; i++) {
		es_json_object(j, NULL);
		es_json_string(j, "name", c->programs[i].name);
		es_json_u64(j, "events", c->programs[i].runs);
		es_json_u64(j, "ns", c->programs[i].ns);
		es_json_object_end(j);
	}
	es_json_array_end(j);
}

static void write_cost(struct es_json *j, const struct es_cost *c)
{
	bool measured = !c->why[0];
	uint64_t events = 0, ns = 0;

	for (unsigned int i = 0; i < c->in.n; i++) {
		events = sum(events, c->in.programs[i].runs);
		ns = sum(ns, c->in.programs[i].ns);
	}
	es_json_object(j, "cost");
	es_json_string(j, "why", measured ? NULL : c->why);
	es_json_u64(j, "interval_ns", measured ? c->interval_ns : ES_NONE);
	es_json_u64(j, "events", measured ? events : ES_NONE);
	es_json_u64(j, "programs_ns", measured ? ns : ES_NONE);
	es_json_u64(j, "daemon_ns", measured ? c->in.daemon_ns : ES_NONE);
	es_json_u64(j, "samples", measured ? c->in.samples : ES_NONE);
	write_cost_programs(j, &c->in);
	es_json_object_end(j);
}

static void write_differs(struct es_json *j, const struct es_kernel_vm *vm)
{
	es_json_array(j, "differs");
	for (unsigned int i = 0; i < vm->n_differs && i < ES_KERNEL_DIFFERS; i++) {
		const struct es_kernel_differ *d = &vm->differs[i];
		const struct es_reason_info *info = es_reason_info(vm->isa, es_kernel_code(d->slot));
		bool other = d->slot == ES_KERNEL_OTHER;

		es_json_object(j, NULL);
		es_json_u64(j, "code", other ? ES_NONE : es_kernel_code(d->slot));
		es_json_string(j, "name", other ? "other" : info ? info->name : NULL);
		es_json_u64(j, "kernel", d->kernel);
		es_json_u64(j, "bpf", d->bpf);
		es_json_i64(j, "off", d->off);
		es_json_object_end(j);
	}
	es_json_array_end(j);
}

static void write_kernel_vm(struct es_json *j, const struct es_kernel_vm *vm)
{
	es_json_object(j, NULL);
	es_json_string(j, "id", vm->id);
	es_json_string(j, "name", vm->name);
	es_json_u64(j, "pid", vm->pid);
	es_json_string(j, "verdict", es_kernel_verdict_name(vm->verdict));
	es_json_string(j, "why", vm->why[0] ? vm->why : NULL);
	es_json_u64(j, "within", vm->within);
	if (vm->verdict == ES_KERNEL_UNKNOWN)
		es_json_null(j, "whole_life");
	else
		es_json_bool(j, "whole_life", vm->whole);
	es_json_u64(j, "kernel_total", vm->kernel_total);
	es_json_u64(j, "bpf_total", vm->bpf_total);
	write_differs(j, vm);
	es_json_object_end(j);
}

static void write_kernel(struct es_json *j, const struct es_kernel_report *r)
{
	if (!r) {
		es_json_null(j, "kernel_counters");
		return;
	}
	es_json_object(j, "kernel_counters");
	es_json_bool(j, "present", r->present);
	es_json_string(j, "detail", r->detail);
	es_json_array(j, "vms");
	for (size_t i = 0; i < r->n_vms; i++)
		write_kernel_vm(j, &r->vms[i]);
	es_json_array_end(j);
	es_json_object_end(j);
}

void es_status_write(struct es_json *j, const char *key, const struct es_status *st)
{
	es_json_object(j, key);
	es_json_string(j, "attach", es_attach_state_name(st->attach));
	es_json_string(j, "notice", st->notice[0] ? st->notice : NULL);
	es_json_bool(j, "latency", st->latency);
	write_host(j, &st->host);
	write_programs(j, st);
	write_features(j, st);
	write_health(j, st);
	write_daemon(j, st);
	write_cost(j, &st->cost);
	write_kernel(j, st->kernel);
	es_json_object_end(j);
}
