// SPDX-License-Identifier: GPL-2.0-only
/* Which VMs belong into the next line of a recording. */
#include <errno.h>
#include <string.h>

#include <exitstat/record.h>
#include <exitstat/render.h>

void es_record_vms_clear(struct es_record_vms *v)
{
	es_snapshot_unref(v->last);
	*v = (struct es_record_vms){ 0 };
}

bool es_record_hides(const struct es_record_vms *v, const struct es_snapshot *answer)
{
	if (!v->vm)
		return false;
	for (size_t i = 0; i < answer->n_vms; i++)
		if (!v->last || !es_snapshot_by_id(v->last, answer->vms[i]->id))
			return true;
	for (size_t i = 0; v->last && i < v->last->n_vms; i++)
		if (v->last->vms[i]->state != ES_VM_ENDED && !es_snapshot_by_id(answer, v->last->vms[i]->id))
			return true;
	return false;
}

static bool belongs(const struct es_record_vms *v, const struct es_vm *vm)
{
	if (vm->state == ES_VM_ENDED && vm->ended_ns <= v->begin_ns)
		return false;
	return !v->vm || es_vm_matches(vm, v->vm);
}

/* Is it over, and no longer in the answer, though not for long? */
static bool to_keep(const struct es_vm *vm, const struct es_snapshot *answer)
{
	return vm->state == ES_VM_ENDED && vm->ended_ns + ES_RECORD_KEEP_NS > answer->taken.monotonic_ns &&
	       !es_snapshot_by_id(answer, vm->id);
}

static int add_kept(const struct es_record_vms *v, const struct es_snapshot *answer, struct es_snapshot *line)
{
	size_t n = 0, skip;

	for (size_t i = 0; v->last && i < v->last->n_vms; i++)
		n += to_keep(v->last->vms[i], answer);
	skip = n > ES_RECORD_KEEP_MAX ? n - ES_RECORD_KEEP_MAX : 0;
	for (size_t i = 0; v->last && i < v->last->n_vms; i++) {
		if (!to_keep(v->last->vms[i], answer))
			continue;
		if (skip)
			skip--;
		else if (es_snapshot_add(line, es_vm_ref(v->last->vms[i])))
			return -ENOMEM;
	}
	return 0;
}

static int fill(const struct es_record_vms *v, const struct es_snapshot *answer, struct es_snapshot *line)
{
	line->host = answer->host;
	line->taken = answer->taken;
	line->health = answer->health;
	for (size_t i = 0; i < answer->n_vms; i++)
		if (belongs(v, answer->vms[i]) && es_snapshot_add(line, es_vm_ref(answer->vms[i])))
			return -ENOMEM;
	return add_kept(v, answer, line);
}

int es_record_take(struct es_record_vms *v, const struct es_snapshot *answer, struct es_snapshot **line)
{
	uint64_t now = answer->taken.monotonic_ns;
	struct es_snapshot *s;
	int r;

	if (v->last && now <= v->last->taken.monotonic_ns)
		return now == v->last->taken.monotonic_ns ? -EALREADY : -EINVAL;
	s = es_snapshot_new();
	if (!s)
		return -ENOMEM;
	if (!v->last)
		v->begin_ns = now;
	r = fill(v, answer, s);
	if (r) {
		es_snapshot_unref(s);
		return r;
	}
	v->came = v->came || s->n_vms;
	es_snapshot_unref(v->last);
	v->last = es_snapshot_ref(s);
	*line = s;
	return 0;
}
