// SPDX-License-Identifier: GPL-2.0-only
/* CSV and JSON: for programs, so exact numbers in base units and stable names. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <exitstat/hist.h>
#include <exitstat/json.h>
#include <exitstat/reasons.h>
#include <exitstat/render.h>
#include <exitstat/util.h>

struct csv_row {
	const struct es_snapshot *s;
	const struct es_snapshot_view *view;
	const struct es_vm *vm;
	const struct es_vcpu *vcpu; /* NULL: the whole VM */
	const struct es_reason *reason;
	const struct es_time *time;
	unsigned int bucket; /* of the reason's histogram, with its count */
	const char *event;   /* of the paging view, with its count; else the reason */
	uint64_t count;
	bool terminal;
};

void es_csv_u64(FILE *f, uint64_t v)
{
	if (v != ES_NONE)
		fprintf(f, "%" PRIu64, v);
}

void es_csv_text(FILE *f, const char *text, bool terminal)
{
	char clean[ES_CELL_MAX];

	if (terminal) {
		es_text_clean(clean, sizeof(clean), text, true);
		text = clean;
	}
	if (!text[strcspn(text, ",\"\r\n")]) {
		fputs(text, f);
		return;
	}
	fputc('"', f);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', f);
		fputc(*text, f);
	}
	fputc('"', f);
}

static void put_word(FILE *f, const char *word)
{
	fputs(word ? word : "", f);
}

static uint64_t percentile(const struct csv_row *r, unsigned int permille)
{
	if (!es_hist_known(r->reason->hist))
		return ES_NONE;
	return es_hist_percentile(r->reason->hist, permille, r->reason->max_ns);
}

static void put_name(FILE *f, const struct csv_row *r)
{
	char buf[ES_REASON_NAME_MAX];

	put_word(f, es_reason_name(r->s->host.isa, r->reason->code, buf));
}

#define FIELD(name, expression)                                  \
	static void put_##name(FILE *f, const struct csv_row *r) \
	{                                                        \
		expression;                                      \
	}
FIELD(realtime, es_csv_u64(f, r->s->taken.realtime_ns))
FIELD(interval, es_csv_u64(f, r->s->taken.interval_ns))
FIELD(vm, es_csv_text(f, r->vm->name, r->terminal))
FIELD(id, es_csv_text(f, r->vm->id, r->terminal))
FIELD(pid, es_csv_u64(f, r->vm->pid))
FIELD(vcpus, es_csv_u64(f, r->vm->n_vcpus))
FIELD(paging, put_word(f, es_paging_name(r->vm->paging)))
FIELD(nested, put_word(f, r->vm->nested ? "true" : "false"))
FIELD(state, put_word(f, es_vm_state_name(r->vm->state)))
FIELD(since, es_csv_u64(f, r->vm->since_ns))
FIELD(ended, es_csv_u64(f, r->vm->ended_ns))
FIELD(vcpu, es_csv_u64(f, r->vcpu ? r->vcpu->vcpu_id : ES_NONE))
FIELD(code, es_csv_u64(f, r->reason->code))
FIELD(class, put_word(f, es_class_name(es_reason_class_for(r->s->host.isa, r->vm->paging, r->reason->code))))
FIELD(count, es_csv_u64(f, r->reason->count))
FIELD(time, es_csv_u64(f, r->reason->time_ns))
FIELD(max, es_csv_u64(f, r->reason->max_ns))
FIELD(p50, es_csv_u64(f, percentile(r, 500)))
FIELD(p99, es_csv_u64(f, percentile(r, 990)))
FIELD(p90, es_csv_u64(f, percentile(r, 900)))
FIELD(p999, es_csv_u64(f, percentile(r, 999)))
FIELD(l2, es_csv_u64(f, r->reason->flags[ES_FLAG_L2]))
FIELD(reflected, es_csv_u64(f, r->reason->flags[ES_FLAG_L2_REFLECTED]))
FIELD(from, es_csv_u64(f, es_hist_low(r->bucket)))
FIELD(to, es_csv_u64(f, es_hist_high(r->bucket)))
FIELD(guest, es_csv_u64(f, r->time->guest_ns))
FIELD(kernel, es_csv_u64(f, r->time->kernel_ns))
FIELD(vmm, es_csv_u64(f, r->time->vmm_ns))
FIELD(idle, es_csv_u64(f, r->time->idle_ns))
FIELD(runqueue, es_csv_u64(f, r->time->runqueue_ns))
FIELD(whole, es_csv_u64(f, r->time->total_ns))
FIELD(event, put_word(f, r->event))
FIELD(event_count, es_csv_u64(f, r->count))

struct csv_field {
	const char *title;
	void (*put)(FILE *f, const struct csv_row *r);
};

static const struct csv_field subject_fields[] = {
	{ "realtime_ns", put_realtime },
	{ "interval_ns", put_interval },
	{ "vm", put_vm },
	{ "id", put_id },
	{ "pid", put_pid },
	{ "vcpus", put_vcpus },
	{ "paging", put_paging },
	{ "nested", put_nested },
	{ "state", put_state },
	{ "since_ns", put_since },
	{ "ended_ns", put_ended },
	{ "vcpu_id", put_vcpu },
	{ 0 },
};
static const struct csv_field event_fields[] = {
	{ "event", put_event },
	{ "count", put_event_count },
	{ 0 },
};
static const struct csv_field time_fields[] = {
	{ "guest_ns", put_guest },
	{ "kernel_ns", put_kernel },
	{ "vmm_ns", put_vmm },
	{ "idle_ns", put_idle },
	{ "runqueue_ns", put_runqueue },
	{ "total_ns", put_whole },
	{ 0 },
};
static const struct csv_field bucket_fields[] = {
	{ "reason", put_name },
	{ "code", put_code },
	{ "class", put_class },
	{ "from_ns", put_from },
	{ "below_ns", put_to },
	{ "count", put_event_count },
	{ 0 },
};
static const struct csv_field reason_fields[] = {
	{ "reason", put_name },
	{ "code", put_code },
	{ "class", put_class },
	{ "count", put_count },
	{ "time_ns", put_time },
	{ "max_ns", put_max },
	{ "p50_ns", put_p50 },
	{ "p99_ns", put_p99 },
	{ "p90_ns", put_p90 }, /* new columns stand behind the old */
	{ "p999_ns", put_p999 },
	{ "l2", put_l2 },
	{ "l2_reflected", put_reflected },
	{ 0 },
};

/* Both tables as one line; row NULL: the heading. */
static void put_row(FILE *f, const struct csv_row *row, const struct csv_field *more)
{
	const struct csv_field *const tables[] = { subject_fields, more };
	const char *comma = "";

	for (size_t i = 0; i < ES_ARRAY_SIZE(tables); i++) {
		for (const struct csv_field *field = tables[i]; field->title; field++) {
			fputs(comma, f);
			if (row)
				field->put(f, row);
			else
				fputs(field->title, f);
			comma = ",";
		}
	}
	fputc('\n', f);
}

static void put_reasons(FILE *f, struct csv_row *row, const struct es_counts *c)
{
	for (size_t i = 0; i < c->n_reasons; i++) {
		row->reason = &c->reasons[i];
		put_row(f, row, reason_fields);
	}
}

static void put_times(FILE *f, struct csv_row *row, const struct es_counts *c)
{
	row->time = &c->time;
	put_row(f, row, time_fields);
}

static void put_buckets(FILE *f, struct csv_row *row, const struct es_counts *c)
{
	for (size_t i = 0; i < c->n_reasons; i++) {
		row->reason = &c->reasons[i];
		if (row->view->one_reason && row->view->reason != row->reason->code)
			continue;
		for (row->bucket = 0; row->bucket < ES_HIST_BUCKETS; row->bucket++) {
			row->count = row->reason->hist[row->bucket];
			if (es_hist_known(row->reason->hist) && row->count)
				put_row(f, row, bucket_fields);
		}
	}
}

static void put_event_row(FILE *f, struct csv_row *row, const char *event, uint64_t count)
{
	row->event = event;
	row->count = count;
	put_row(f, row, event_fields);
}

static void put_events(FILE *f, struct csv_row *row, const struct es_counts *c)
{
	size_t n;
	const struct es_paging_event *events = es_paging_events(&n);
	struct es_paging_cost cost;

	es_paging_cost(row->s->host.isa, row->vm->paging, c, &cost);
	put_event_row(f, row, "exits.total", es_exits_total(c));
	put_event_row(f, row, "exits.time_ns", es_exits_time_ns(c));
	put_event_row(f, row, "paging.cost.exits", cost.exits);
	put_event_row(f, row, "paging.cost.time_ns", cost.time_ns);
	for (size_t i = 0; i < n; i++)
		put_event_row(f, row, events[i].key, es_paging_event_count(&events[i], c));
}

static int render(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v, bool terminal,
		  const struct csv_field *more,
		  void (*put)(FILE *f, struct csv_row *row, const struct es_counts *c))
{
	struct csv_row row = { .s = s, .view = v, .terminal = terminal };

	put_row(f, NULL, more);
	for (size_t i = 0; i < s->n_vms; i++) {
		row.vm = s->vms[i];
		row.vcpu = NULL;
		if (!v->per_vcpu)
			put(f, &row, &row.vm->counts);
		for (size_t k = 0; v->per_vcpu && k < row.vm->n_per_vcpu; k++) {
			row.vcpu = &row.vm->vcpus[k];
			put(f, &row, &row.vcpu->counts);
		}
	}
	return 0;
}

int es_render_csv(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v, bool terminal)
{
	return render(f, s, v, terminal, reason_fields, put_reasons);
}

int es_render_latency_csv(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v,
			  bool terminal)
{
	return render(f, s, v, terminal, bucket_fields, put_buckets);
}

int es_render_time_csv(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v, bool terminal)
{
	return render(f, s, v, terminal, time_fields, put_times);
}

int es_render_paging_csv(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v,
			 bool terminal)
{
	return render(f, s, v, terminal, event_fields, put_events);
}
