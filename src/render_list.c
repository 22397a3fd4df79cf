// SPDX-License-Identifier: GPL-2.0-only
/* `exitstat list`: one line a VM. */
#include <errno.h>
#include <string.h>

#include <exitstat/json.h>
#include <exitstat/render.h>
#include <exitstat/util.h>

const struct es_vm *es_snapshot_by_id(const struct es_snapshot *s, const char *id)
{
	for (size_t i = 0; s && i < s->n_vms; i++)
		if (strcmp(s->vms[i]->id, id) == 0)
			return s->vms[i];
	return NULL;
}

/* Both have their VMs in one order, usually: the search goes on behind the last find. */
static const struct es_vm *find_from(const struct es_snapshot *s, const char *id, size_t *at)
{
	for (size_t i = 0; s && i < s->n_vms; i++) {
		size_t k = (*at + i) % s->n_vms;

		if (strcmp(s->vms[k]->id, id) != 0)
			continue;
		*at = k + 1;
		return s->vms[k];
	}
	return NULL;
}

int es_vm_rows(const struct es_snapshot *sum, const struct es_snapshot *now, struct es_vm_row **rows)
{
	struct es_counts nothing;
	size_t at = 0;

	es_counts_init(&nothing);
	*rows = calloc(sum->n_vms ? sum->n_vms : 1, sizeof(**rows));
	if (!*rows)
		return -ENOMEM;
	for (size_t i = 0; i < sum->n_vms; i++) {
		struct es_vm_row *row = &(*rows)[i];

		row->sum = sum->vms[i];
		row->isa = sum->host.isa;
		row->taken_ns = sum->taken.monotonic_ns;
		row->now = find_from(now, row->sum->id, &at);
		row->span_ns = now ? es_vm_span(now, row->sum) : ES_NONE;
		es_paging_cost(row->isa, row->sum->paging, row->now ? &row->now->counts : &nothing,
			       &row->cost);
	}
	return 0;
}

int es_render_list(FILE *f, const struct es_snapshot *sum, const struct es_snapshot *now,
		   const struct es_column *sort, const struct es_style *st)
{
	_cleanup_free_ struct es_vm_row *rows = NULL;
	_cleanup_free_ const void **order = calloc(sum->n_vms ? sum->n_vms : 1, sizeof(*order));
	struct es_layout l;
	int r;

	if (!order || es_vm_rows(sum, now, &rows))
		return -ENOMEM;
	for (size_t i = 0; i < sum->n_vms; i++)
		order[i] = &rows[i];
	r = es_rows_sort(order, sum->n_vms, sort ? sort : es_column_find(es_vm_columns, "rate"), false);
	if (r)
		return r;
	es_layout(&l, es_vm_columns, order, sum->n_vms, false, st);
	es_layout_heading(f, &l, st);
	for (size_t i = 0; i < sum->n_vms; i++)
		es_layout_row(f, &l, order[i], st);
	return 0;
}

static void write_row(struct es_json *j, const struct es_vm_row *row)
{
	const struct es_vm *vm = row->sum;
	const char *mode = es_paging_name(vm->paging);

	es_json_object(j, NULL);
	es_json_string(j, "id", vm->id);
	es_json_string(j, "name", vm->name);
	es_json_u64(j, "pid", vm->pid);
	es_json_u64(j, "vcpus", vm->n_vcpus);
	es_json_object(j, "paging");
	es_json_string(j, "mode", mode);
	es_json_bool(j, "nested", vm->nested);
	es_json_object_end(j);
	es_json_string(j, "state", es_vm_state_name(vm->state));
	es_json_u64(j, "exits", es_exits_total(&vm->counts));
	double rate = es_vm_rate(row), outside = es_vm_outside(row);
	es_json_double(j, "exits_per_second", rate < 0 ? 0.0 / 0.0 : rate);
	es_json_double(j, "outside_share", outside < 0 ? 0.0 / 0.0 : outside);
	es_json_double(j, "paging_exit_share", row->cost.exit_share < 0 ? 0.0 / 0.0 : row->cost.exit_share);
	es_json_double(j, "paging_time_share", row->cost.time_share < 0 ? 0.0 / 0.0 : row->cost.time_share);
	es_json_object_end(j);
}

/* Ends a text with a newline, or says what went wrong. */
static int write_json(FILE *f, struct es_json *j)
{
	size_t len;
	_cleanup_free_ char *text = es_json_take(j, &len);

	if (!text)
		return -ENOMEM;
	fwrite(text, 1, len, f);
	fputc('\n', f);
	return 0;
}

int es_render_list_json(FILE *f, const struct es_snapshot *sum, const struct es_snapshot *now)
{
	_cleanup_free_ struct es_vm_row *rows = NULL;
	struct es_json j;

	if (es_vm_rows(sum, now, &rows))
		return -ENOMEM;
	es_json_init(&j, true);
	es_json_object(&j, NULL);
	es_json_string(&j, "schema", "exitstat-list/1");
	es_json_array(&j, "vms");
	for (size_t i = 0; i < sum->n_vms; i++)
		write_row(&j, &rows[i]);
	es_json_array_end(&j);
	es_json_object_end(&j);
	return write_json(f, &j);
}

int es_render_json(FILE *f, const struct es_snapshot *s, bool per_vcpu)
{
	size_t len;
	_cleanup_free_ char *text = es_snapshot_to_json(s, per_vcpu, true, &len);

	if (!text)
		return -ENOMEM;
	fwrite(text, 1, len, f);
	fputc('\n', f);
	return 0;
}
