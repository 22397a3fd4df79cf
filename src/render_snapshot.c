// SPDX-License-Identifier: GPL-2.0-only
/* `exitstat snapshot` for people: a heading a VM, its time, its reasons. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <exitstat/diff.h>
#include <exitstat/hist.h>
#include <exitstat/render.h>
#include <exitstat/util.h>

void es_render_when(FILE *f, uint64_t realtime_ns)
{
	time_t s = (time_t)(realtime_ns / 1000000000);
	struct tm tm;
	char text[64];

	if (realtime_ns != ES_NONE && localtime_r(&s, &tm) && strftime(text, sizeof(text), "%F %T", &tm))
		fputs(text, f);
	else
		fputs("time unknown", f);
}

void es_render_host(FILE *f, const struct es_snapshot *s, const struct es_style *st)
{
	static const char *const vendors[] = { [ES_ISA_VMX] = "Intel VMX", [ES_ISA_SVM] = "AMD SVM" };
	char host[ES_CELL_MAX], kernel[ES_CELL_MAX];

	es_text_clean(host, sizeof(host), s->host.hostname, st->utf8);
	es_text_clean(kernel, sizeof(kernel), s->host.kernel, st->utf8);
	fprintf(f, "%s, Linux %s", *host ? host : "unknown host", *kernel ? kernel : "unknown");
	if (s->host.isa != ES_ISA_NONE)
		fprintf(f, ", %s", vendors[s->host.isa]);
}

static void write_title(FILE *f, const struct es_snapshot *s, const struct es_style *st)
{
	const char *dot = es_glyph(ES_GLYPH_DOT, st->utf8);
	char span[ES_CELL_MAX];

	fputs(es_sgr(ES_SGR_DIM, st), f);
	if (s->taken.interval_ns == ES_NONE)
		fputs("Totals since each VM was first seen", f);
	else
		fprintf(f, "Change over %s", es_fmt_time(span, s->taken.interval_ns, st->utf8));
	fprintf(f, " %s ", dot);
	es_render_host(f, s, st);
	fprintf(f, " %s ", dot);
	es_render_when(f, s->taken.realtime_ns);
	fprintf(f, "%s\n", es_sgr(ES_SGR_OFF, st));
}

static const char *state_phrase(char buf[ES_CELL_MAX], const struct es_snapshot *s, const struct es_vm *vm,
				bool utf8)
{
	char ago[ES_CELL_MAX];

	if (vm->state != ES_VM_ENDED || vm->ended_ns > s->taken.monotonic_ns)
		return es_vm_state_name(vm->state);
	snprintf(buf, ES_CELL_MAX, "ended %.32s ago",
		 es_fmt_time(ago, s->taken.monotonic_ns - vm->ended_ns, utf8));
	return buf;
}

static void write_vm_heading(FILE *f, const struct es_snapshot *s, const struct es_vm *vm,
			     const struct es_style *st)
{
	static const enum es_sgr colours[] = {
		[ES_VM_RUNNING] = ES_SGR_GOOD,
		[ES_VM_PAUSED] = ES_SGR_WARN,
		[ES_VM_ENDED] = ES_SGR_DIM,
	};
	const char *dot = es_glyph(ES_GLYPH_DOT, st->utf8);
	char name[ES_CELL_MAX], state[ES_CELL_MAX];

	es_text_clean(name, sizeof(name), vm->name, st->utf8);
	fprintf(f, "\n%s%s%s %s pid %u %s %u vCPU%s %s %s %s %s%s%s\n", es_sgr(ES_SGR_BOLD, st), name,
		es_sgr(ES_SGR_OFF, st), dot, vm->pid, dot, vm->n_vcpus, vm->n_vcpus == 1 ? "" : "s", dot,
		es_paging_phrase(vm), dot, es_sgr(colours[vm->state], st),
		state_phrase(state, s, vm, st->utf8), es_sgr(ES_SGR_OFF, st));
}

/* "vCPU time: guest 4.94s (68.0%), kernel …"; where these are not told apart, in three. */
static void write_time(FILE *f, const struct es_counts *c, const struct es_style *st)
{
	struct {
		const char *what;
		uint64_t ns;
	} parts[ES_TIME_PARTS];
	char ns[ES_CELL_MAX], share[ES_CELL_MAX];
	struct es_time_split s;
	size_t n = 0;

	es_time_split(&s, c);
	if (es_time_apart(&s)) {
		for (; n < ES_TIME_PARTS; n++) {
			parts[n].what = es_time_words[n].name;
			parts[n].ns = s.ns[n];
		}
	} else {
		parts[n].what = "outside the guest";
		parts[n++].ns = es_exits_time_ns(c);
		parts[n].what = "in the guest";
		parts[n++].ns = s.ns[ES_TIME_GUEST];
		parts[n].what = "idle";
		parts[n++].ns = s.ns[ES_TIME_IDLE];
	}
	fputs("vCPU time: ", f);
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "%s%s %s", i ? ", " : "", parts[i].what, es_fmt_time(ns, parts[i].ns, st->utf8));
		if (es_share(parts[i].ns, s.whole_ns) >= 0)
			fprintf(f, " (%s)", es_fmt_share(share, es_share(parts[i].ns, s.whole_ns)));
	}
	fputc('\n', f);
}

static void write_summary(FILE *f, const struct es_counts *c, uint64_t span_ns, const struct es_style *st)
{
	uint64_t total = es_exits_total(c);
	char count[ES_CELL_MAX], span[ES_CELL_MAX], rate[ES_CELL_MAX];

	fprintf(f, "%s exit%s", es_fmt_group(count, total), total == 1 ? "" : "s");
	if (span_ns != ES_NONE)
		fprintf(f, " in %s", es_fmt_time(span, span_ns, st->utf8));
	if (span_ns != ES_NONE && span_ns && total != ES_NONE)
		fprintf(f, ", %s/s", es_fmt_rate(rate, es_per_second(total, span_ns), st));
	fputc('\n', f);
	write_time(f, c, st);
}

struct reason_rows {
	struct es_reason sum;
	struct es_reason_row *rows; /* one a reason, and the sum */
	const void **order;
	size_t n;
};

static void rows_free(struct reason_rows *t)
{
	free(t->rows);
	free(t->order);
}

/* The rows, and behind them (there is room for it) their sum. */
static int rows_make(struct reason_rows *t, const struct es_paging_subject *p)
{
	const struct es_counts *c = p->counts;
	int r = es_reason_rows(c, c, p->isa, p->vm->paging, p->span_ns, &t->rows);

	es_reason_sum(&t->sum, c);
	t->n = c->n_reasons;
	t->order = calloc(t->n + 1, sizeof(*t->order));
	if (r || !t->order)
		return -ENOMEM;
	t->rows[t->n] = (struct es_reason_row){ .isa = p->isa,
						.sum = &t->sum,
						.now = &t->sum,
						.span_ns = p->span_ns,
						.now_total = t->sum.count,
						.now_time_ns = t->sum.time_ns,
						.label = "total" };
	for (size_t i = 0; i <= t->n; i++)
		t->order[i] = &t->rows[i];
	return 0;
}

static int render_reasons(FILE *f, const struct es_paging_subject *p, const struct es_column *sort,
			  const struct es_style *st)
{
	struct reason_rows t = { 0 };
	struct es_layout l;
	int r = rows_make(&t, p);

	if (!r)
		r = es_rows_sort(t.order, t.n, sort ? sort : es_column_find(es_reason_columns, "count"),
				 false);
	if (!r && t.n) {
		es_layout(&l, es_reason_columns, t.order, t.n + 1, false, st);
		es_layout_heading(f, &l, st);
		for (size_t i = 0; i < t.n; i++)
			es_layout_row(f, &l, t.order[i], st);
		fputs(es_sgr(ES_SGR_BOLD, st), f);
		es_layout_row(f, &l, t.order[t.n], st);
		fputs(es_sgr(ES_SGR_OFF, st), f);
	}
	rows_free(&t);
	return r;
}

/* The bits above a basic reason are rare: a line for each below the table, not a column. The other flags have views of their own. */
static void write_flags(FILE *f, const struct es_counts *c, enum es_isa isa)
{
	char name[ES_REASON_NAME_MAX], count[ES_CELL_MAX];

	for (size_t i = 0; i < c->n_reasons; i++) {
		const struct es_reason *r = &c->reasons[i];

		for (enum es_flag k = 0; k < ES_FLAG_PAGE_FAULT; k++) {
			if (!r->flags[k] || r->flags[k] == ES_NONE)
				continue;
			fprintf(f, "of %s: %s with flag %s\n", es_reason_name(isa, r->code, name),
				es_fmt_group(count, r->flags[k]), es_flag_name(k));
		}
	}
}

static int render_latencies(FILE *f, const struct es_paging_subject *p, const struct es_column *sort,
			    const struct es_style *st)
{
	struct reason_rows t = { 0 };
	int r = rows_make(&t, p);

	if (!r)
		r = es_rows_sort(t.order, t.n, sort ? sort : es_column_find(es_latency_columns, "time"),
				 false);
	if (!r && es_times_off(p->counts))
		fputs(ES_NO_TIMES "\n", f);
	else if (!r && t.n)
		es_render_latency_table(f, es_latency_columns, t.rows, t.order, t.n + 1, st);
	rows_free(&t);
	return r;
}

/* A VM, or one of its vCPUs, whose heading has been written. */
static int render_counts(FILE *f, const struct es_snapshot *s, const struct es_vm *vm,
			 const struct es_counts *c, const struct es_snapshot_view *v,
			 const struct es_style *st)
{
	struct es_paging_subject p = { s->host.isa, vm, c, es_vm_span(s, vm) };
	int r;

	write_summary(f, c, p.span_ns, st);
	if (v->aspect == ES_ASPECT_LATENCY && v->one_reason)
		return es_render_one_reason(f, c, p.isa, v->reason, p.span_ns, st);
	if (v->aspect == ES_ASPECT_LATENCY)
		return render_latencies(f, &p, v->sort, st);
	es_render_paging_cost(f, &p, st);
	if (v->aspect == ES_ASPECT_PAGING)
		return es_render_paging(f, &p, st);
	r = render_reasons(f, &p, v->sort, st);
	if (!r)
		write_flags(f, c, p.isa);
	return r;
}

static int render_vm(FILE *f, const struct es_snapshot *s, const struct es_vm *vm,
		     const struct es_snapshot_view *v, const struct es_style *st)
{
	int r;

	write_vm_heading(f, s, vm, st);
	r = render_counts(f, s, vm, &vm->counts, v, st);
	for (size_t i = 0; v->per_vcpu && !r && i < vm->n_per_vcpu; i++) {
		fprintf(f, "\n%svCPU %u%s: ", es_sgr(ES_SGR_BOLD, st), vm->vcpus[i].vcpu_id,
			es_sgr(ES_SGR_OFF, st));
		r = render_counts(f, s, vm, &vm->vcpus[i].counts, v, st);
	}
	return r;
}

static int render_vms(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v,
		      const struct es_style *st)
{
	int r = 0;

	for (size_t i = 0; i < s->n_vms && !r; i++)
		r = render_vm(f, s, s->vms[i], v, st);
	return r;
}

/* What was lost is said where the counts are, not only in `status`. */
static void write_losses(FILE *f, const struct es_health_counts *h, const struct es_style *st)
{
	const struct {
		uint64_t n;
		const char *what;
	} losses[] = {
		{ h->dropped, "with no room in the maps" },
		{ h->missed, "skipped by the kernel" },
		{ es_unattributed_other(h), "of no known vCPU" },
		{ h->read_errors, "unreadable" },
	};
	char count[ES_CELL_MAX];
	bool any = false;

	for (size_t i = 0; i < ES_ARRAY_SIZE(losses); i++) {
		if (!losses[i].n || losses[i].n == ES_NONE)
			continue;
		fprintf(f, "%s%s %s", any ? ", " : es_sgr(ES_SGR_WARN, st), es_fmt_group(count, losses[i].n),
			losses[i].what);
		any = true;
	}
	if (any)
		fprintf(f, ": events missing above, see `exitstat status`%s\n", es_sgr(ES_SGR_OFF, st));
}

/* Nothing to mend, so no warning: but the numbers of the paging view have to add up. */
static void write_strays(FILE *f, const struct es_health_counts *h, const struct es_style *st)
{
	char count[ES_CELL_MAX];

	if (h->unattributed_mmu && h->unattributed_mmu != ES_NONE)
		fprintf(f, "\n%s%s MMU events belong to no VM: kernel threads' zaps, mostly%s\n",
			es_sgr(ES_SGR_DIM, st), es_fmt_group(count, h->unattributed_mmu),
			es_sgr(ES_SGR_OFF, st));
}

int es_render_snapshot(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v,
		       const struct es_style *st)
{
	int r = 0;

	write_title(f, s, st);
	if (!s->n_vms)
		fprintf(f, "\n%s\n",
			s->taken.interval_ns == ES_NONE ? "No VM has been seen yet." : "No VM ran.");
	else if (v->aspect == ES_ASPECT_TIME)
		r = es_render_times(f, s, v, st);
	else
		r = render_vms(f, s, v, st);
	if (v->aspect == ES_ASPECT_PAGING)
		write_strays(f, &s->health, st);
	write_losses(f, &s->health, st);
	return r;
}
