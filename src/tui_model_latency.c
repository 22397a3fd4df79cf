// SPDX-License-Identifier: GPL-2.0-only
/* Rows of the latency view: the VMs, or one VM's reasons, and their sum. */
#include <errno.h>
#include <string.h>

#include <exitstat/top.h>
#include <exitstat/util.h>

void es_latency_table_free(struct es_latency_table *t)
{
	free(t->rows);
	free(t->merged);
	free(t->order);
	*t = (struct es_latency_table){ 0 };
}

static int begin(struct es_latency_table *t, size_t rows, size_t merged)
{
	*t = (struct es_latency_table){ .rows = calloc(rows + 1, sizeof(*t->rows)),
					.merged = calloc(merged + 2, sizeof(*t->merged)),
					.order = calloc(rows + 1, sizeof(*t->order)) };
	if (t->rows && t->merged && t->order)
		return 0;
	es_latency_table_free(t);
	return -ENOMEM;
}

/* The n-th pair of sums, in a row. */
static struct es_reason_row *merged_row(struct es_latency_table *t, struct es_reason_row *row, size_t n,
					const struct es_counts *sum, const struct es_counts *now)
{
	es_reason_sum(&t->merged[2 * n], sum);
	row->sum = &t->merged[2 * n];
	if (now) {
		es_reason_sum(&t->merged[2 * n + 1], now);
		row->now = &t->merged[2 * n + 1];
	}
	return row;
}

static int finish(struct es_latency_table *t, const struct es_column *sort, bool reverse)
{
	struct es_reason_row *all = &t->rows[t->n];
	int r = es_rows_sort(t->order, t->n, sort, reverse);

	for (size_t i = 0; i <= t->n; i++) {
		t->rows[i].now_total = all->now ? all->now->count : 0;
		t->rows[i].now_time_ns = all->now ? all->now->time_ns : 0;
	}
	es_latency_axis(t->rows, t->n + 1);
	if (r)
		es_latency_table_free(t);
	return r;
}

/* What all the VMs of a table did, in one. */
static int add_vm(struct es_counts *sum, struct es_counts *now, const struct es_vm_row *vm)
{
	int r = es_counts_add(sum, &vm->sum->counts);

	return r || !vm->now ? r : es_counts_add(now, &vm->now->counts);
}

int es_top_latencies(const struct es_top *t, const struct es_top_query *q, struct es_latency_table *out)
{
	struct es_counts sum, now;
	struct es_top_query by_name = *q;
	struct es_vm_table vms;
	bool any = false;
	int r;

	*out = (struct es_latency_table){ 0 };
	by_name.aspect = ES_ASPECT_REASONS;
	by_name.sort = es_column_find(es_vm_columns, "name");
	by_name.reverse = false;
	es_counts_init(&sum);
	es_counts_init(&now);
	r = es_top_vms(t, &by_name, &vms);
	if (!r)
		r = begin(out, vms.n, 2 * (vms.n + 1));
	for (size_t i = 0; !r && i < vms.n; i++) {
		const struct es_vm_row *vm = vms.order[i];
		struct es_reason_row *row = &out->rows[i];

		*row = (struct es_reason_row){
			.isa = vm->isa, .label = vm->sum->name, .vm = vm->sum, .span_ns = vm->span_ns
		};
		out->order[out->n++] =
			merged_row(out, row, i, &vm->sum->counts, vm->now ? &vm->now->counts : NULL);
		any = any || vm->now;
		r = add_vm(&sum, &now, vm);
	}
	if (!r) {
		out->rows[out->n] =
			(struct es_reason_row){ .label = "all VMs",
						.span_ns = t->now ? t->now->taken.interval_ns : ES_NONE };
		merged_row(out, &out->rows[out->n], out->n, &sum, any ? &now : NULL);
		r = finish(out, q->sort ? q->sort : es_aspect_sort(ES_ASPECT_LATENCY), q->reverse);
	} else {
		es_latency_table_free(out);
	}
	es_vm_table_free(&vms);
	es_counts_clear(&sum);
	es_counts_clear(&now);
	return r;
}

int es_top_reason_latencies(const struct es_top *t, const struct es_vm_row *vm, const struct es_top_query *q,
			    struct es_latency_table *out)
{
	struct es_top_query any_order = { .filter = q->filter };
	struct es_reason_table reasons;
	int r = es_top_reasons(t, vm, &any_order, &reasons);

	*out = (struct es_latency_table){ 0 };
	if (!r)
		r = begin(out, reasons.n, 0);
	for (size_t i = 0; !r && i < reasons.n; i++) {
		out->rows[i] = *(const struct es_reason_row *)reasons.order[i];
		out->order[out->n++] = &out->rows[i];
	}
	es_reason_table_free(&reasons);
	if (r)
		return r;
	out->rows[out->n] =
		(struct es_reason_row){ .isa = vm->isa, .label = "all exits", .span_ns = vm->span_ns };
	merged_row(out, &out->rows[out->n], 0, &vm->sum->counts, vm->now ? &vm->now->counts : NULL);
	return finish(out, q->sort ? q->sort : es_column_find(es_latency_columns, "time"), q->reverse);
}
