// SPDX-License-Identifier: GPL-2.0-only
/* Rows of the time view: the VMs, or one VM's vCPUs, over the last interval. */
#include <errno.h>
#include <string.h>

#include <exitstat/top.h>
#include <exitstat/util.h>

void es_time_table_free(struct es_time_table *t)
{
	free(t->rows);
	free(t->order);
	*t = (struct es_time_table){ 0 };
}

static int begin(struct es_time_table *t, size_t n)
{
	*t = (struct es_time_table){ .rows = calloc(n + 1, sizeof(*t->rows)),
				     .order = calloc(n + 2, sizeof(*t->order)) };
	if (t->rows && t->order)
		return 0;
	es_time_table_free(t);
	return -ENOMEM;
}

int es_top_times(const struct es_top *t, const struct es_top_query *q, struct es_time_table *out)
{
	struct es_top_query by_name = *q;
	struct es_vm_table vms;
	int r;

	*out = (struct es_time_table){ 0 };
	by_name.aspect = ES_ASPECT_REASONS;
	by_name.sort = es_column_find(es_vm_columns, "name");
	by_name.reverse = false;
	r = es_top_vms(t, &by_name, &vms);
	if (!r)
		r = begin(out, vms.n);
	for (size_t i = 0; !r && i < vms.n; i++) {
		const struct es_vm_row *vm = vms.order[i];

		out->rows[i] = es_time_row_of_vm(vm->sum, vm->now ? &vm->now->counts : NULL);
		out->order[out->n++] = &out->rows[i];
	}
	es_vm_table_free(&vms);
	if (r)
		return r;
	out->sum = es_time_row_of_all(out->order, out->n);
	r = es_rows_sort(out->order, out->n, q->sort ? q->sort : es_aspect_sort(ES_ASPECT_TIME), q->reverse);
	if (r)
		es_time_table_free(out);
	return r;
}

static const struct es_counts *counts_of(const struct es_vm *vm, uint32_t vcpu_id)
{
	for (size_t i = 0; vm && i < vm->n_per_vcpu; i++)
		if (vm->vcpus[i].vcpu_id == vcpu_id)
			return &vm->vcpus[i].counts;
	return NULL;
}

int es_top_vcpu_times(const struct es_vm_row *vm, const struct es_top_query *q, struct es_time_table *out)
{
	char number[16];
	int r = begin(out, vm->sum->n_per_vcpu);

	for (size_t i = 0; !r && i < vm->sum->n_per_vcpu; i++) {
		const struct es_vcpu *v = &vm->sum->vcpus[i];

		snprintf(number, sizeof(number), "%u", v->vcpu_id);
		if (q->filter && !strstr(number, q->filter))
			continue;
		out->rows[i] = es_time_row_of_vcpu(vm->sum, v, counts_of(vm->now, v->vcpu_id));
		out->order[out->n++] = &out->rows[i];
	}
	if (r)
		return r;
	out->sum = es_time_row_of_vm(vm->sum, vm->now ? &vm->now->counts : NULL);
	out->sum.of = ES_TIME_OF_ALL;
	r = es_rows_sort(out->order, out->n, q->sort ? q->sort : es_column_find(es_vcpu_time_columns, "vcpu"),
			 q->reverse);
	if (r)
		es_time_table_free(out);
	return r;
}
