// SPDX-License-Identifier: GPL-2.0-only
/* `exitstat compare` for programs: schema exitstat-compare/1. */
#include <errno.h>
#include <math.h>

#include <exitstat/compare.h>
#include <exitstat/json.h>
#include <exitstat/util.h>

static const char *const per_words[] = {
	[ES_PER_SECOND] = "second",
	[ES_PER_GUEST_SECOND] = "guest-second",
	[ES_PER_TOTAL] = "total",
};

/* Negative: not known. */
static void write_known(struct es_json *j, const char *key, double v)
{
	es_json_double(j, key, v < 0 ? NAN : v);
}

static void write_host(struct es_json *j, const struct es_host *h)
{
	es_json_object(j, "host");
	es_json_string(j, "hostname", *h->hostname ? h->hostname : NULL);
	es_json_string(j, "kernel", *h->kernel ? h->kernel : NULL);
	es_json_string(j, "isa", es_isa_name(h->isa));
	es_json_object_end(j);
}

static void write_run(struct es_json *j, const struct es_run *run)
{
	es_json_object(j, NULL);
	es_json_string(j, "path", run->path);
	es_json_string(j, "label", run->label);
	write_host(j, &run->host);
	es_json_u64(j, "begin_realtime_ns", run->begin_realtime_ns);
	es_json_u64(j, "end_realtime_ns", run->end_realtime_ns);
	es_json_u64(j, "span_ns", run->span_ns);
	es_json_u64(j, "snapshots", run->lines);
	es_json_bool(j, "totals", run->totals);
	es_json_bool(j, "cut", run->cut);
	es_json_u64(j, "vanished", run->vanished);
	es_json_bool(j, "latency", run->latency);
	es_json_object_end(j);
}

static void write_side(struct es_json *j, const struct es_compare *c, size_t side)
{
	const struct es_run_vm *vm = c->sides[side].vm;
	const struct es_paging_cost *cost = &c->sides[side].paging;

	es_json_object(j, NULL);
	es_json_string(j, "name", vm->name);
	es_json_u64(j, "instances", vm->instances);
	es_json_u64(j, "vcpus", vm->n_vcpus);
	es_json_object(j, "paging");
	es_json_string(j, "mode", es_paging_name(vm->paging));
	es_json_bool(j, "nested", vm->nested);
	es_json_u64(j, "exits", cost->exits);
	es_json_u64(j, "time_ns", cost->time_ns);
	write_known(j, "exit_share", cost->exit_share);
	write_known(j, "time_share", cost->time_share);
	es_json_object_end(j);
	es_json_u64(j, "span_ns", vm->span_ns);
	es_json_u64(j, "guest_ns", vm->counts.time.guest_ns);
	write_known(j, "divisor", c->sides[side].divisor);
	es_json_object_end(j);
}

static void write_row(struct es_json *j, const char *key, const struct es_compare *c,
		      const struct es_compare_row *row, bool reason)
{
	es_json_object(j, key);
	if (reason)
		es_json_u64(j, "code", row->code);
	if (!key)
		es_json_string(j, reason ? "name" : "class", row->name);
	if (reason)
		es_json_string(j, "class", es_class_name(row->class));
	es_json_array(j, "sides");
	for (size_t i = 0; i < c->n_sides; i++) {
		es_json_object(j, NULL);
		es_json_u64(j, "count", row->side[i].count);
		es_json_u64(j, "time_ns", row->side[i].time_ns);
		write_known(j, "count_per", row->side[i].n);
		write_known(j, "time_ns_per", row->side[i].ns);
		es_json_object_end(j);
	}
	es_json_array_end(j);
	write_known(j, "ratio", row->side[1].ratio); /* infinite: null, as the first count tells */
	es_json_double(j, "explained", row->side[1].explained);
	es_json_double(j, "explained_time", row->side[1].explained_time);
	es_json_object_end(j);
}

static void write_rows(struct es_json *j, const char *key, const struct es_compare *c,
		       const struct es_compare_row *rows, size_t n, bool reasons)
{
	es_json_array(j, key);
	for (size_t i = 0; i < n; i++)
		write_row(j, NULL, c, &rows[i], reasons);
	es_json_array_end(j);
}

static void write_pair(struct es_json *j, const struct es_compare *c)
{
	char sentence[ES_COMPARE_SENTENCE];

	es_json_object(j, NULL);
	es_json_array(j, "sides");
	for (size_t i = 0; i < c->n_sides; i++)
		write_side(j, c, i);
	es_json_array_end(j);
	es_json_string(j, "summary", es_compare_sentence(sentence, c));
	es_json_array(j, "warnings");
	for (size_t i = 0; i < c->n_warnings; i++)
		es_json_string(j, NULL, c->warnings[i]);
	es_json_array_end(j);
	write_row(j, "total", c, &c->total, false);
	write_rows(j, "classes", c, c->classes, c->n_classes, false);
	write_rows(j, "reasons", c, c->reasons, c->n_reasons, true);
	es_json_object_end(j);
}

/* The VMs of run that are in no pair. */
static void write_alone(struct es_json *j, const struct es_run *run, size_t side,
			const struct es_compare *pairs, size_t n)
{
	es_json_array(j, NULL);
	for (size_t i = 0; i < run->n_vms; i++) {
		bool paired = false;

		for (size_t k = 0; k < n; k++)
			paired = paired || pairs[k].sides[side].vm == &run->vms[i];
		if (!paired)
			es_json_string(j, NULL, run->vms[i].name);
	}
	es_json_array_end(j);
}

int es_render_compare_json(FILE *f, const struct es_run *const runs[2], const struct es_compare *pairs,
			   size_t n, enum es_per per)
{
	_cleanup_free_ char *text = NULL;
	struct es_json j;

	es_json_init(&j, true);
	es_json_object(&j, NULL);
	es_json_string(&j, "schema", "exitstat-compare/1");
	es_json_string(&j, "per", per_words[per]);
	es_json_array(&j, "runs");
	for (size_t i = 0; i < 2; i++)
		write_run(&j, runs[i]);
	es_json_array_end(&j);
	es_json_array(&j, "pairs");
	for (size_t i = 0; i < n; i++)
		write_pair(&j, &pairs[i]);
	es_json_array_end(&j);
	es_json_array(&j, "alone");
	for (size_t i = 0; i < 2; i++)
		write_alone(&j, runs[i], i, pairs, n);
	es_json_array_end(&j);
	es_json_object_end(&j);
	text = es_json_take(&j, NULL);
	if (!text)
		return -ENOMEM;
	fprintf(f, "%s\n", text);
	return 0;
}
