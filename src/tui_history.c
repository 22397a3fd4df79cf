// SPDX-License-Identifier: GPL-2.0-only
/* The rates of the last intervals, for sparklines. */
#include <errno.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/top.h>
#include <exitstat/util.h>

static int compare_ids(const void *a, const void *b)
{
	return strcmp(((const struct es_vm_history *)a)->id, ((const struct es_vm_history *)b)->id);
}

const struct es_vm_history *es_history_vm(const struct es_history *h, const char *id)
{
	struct es_vm_history key = { .id = (char *)id };

	return h->n ? bsearch(&key, h->vms, h->n, sizeof(key), compare_ids) : NULL;
}

const struct es_series *es_history_reason(const struct es_vm_history *vm, uint32_t code)
{
	for (size_t i = 0; vm && i < vm->n_reasons; i++)
		if (vm->reasons[i].code == code)
			return &vm->reasons[i];
	return NULL;
}

const struct es_series *es_history_event(const struct es_vm_history *vm, size_t place)
{
	for (size_t i = 0; vm && i < vm->n_events; i++)
		if (vm->events[i].code == place)
			return &vm->events[i];
	return NULL;
}

static void vm_free(struct es_vm_history *vm)
{
	free(vm->id);
	free(vm->reasons);
	free(vm->events);
}

void es_history_clear(struct es_history *h)
{
	for (size_t i = 0; i < h->n; i++)
		vm_free(&h->vms[i]);
	free(h->vms);
	*h = (struct es_history){ 0 };
}

static void push(struct es_series *s, double rate)
{
	if (s->n == ES_HISTORY_MAX)
		memmove(&s->rate[0], &s->rate[1], --s->n * sizeof(s->rate[0]));
	s->rate[s->n++] = (float)rate;
}

/* A reason or event seen for the first time did not occur in the intervals before. */
static struct es_series *add_series(const struct es_vm_history *vm, struct es_series **all, size_t *n,
				    uint32_t code)
{
	struct es_series *more = realloc(*all, (*n + 1) * sizeof(*more));
	struct es_series *s;

	if (!more)
		return NULL;
	*all = more;
	s = &more[(*n)++];
	*s = vm->total;
	s->code = code;
	for (size_t i = 0; i < s->n; i++)
		s->rate[i] = s->rate[i] < 0 ? -1 : 0;
	return s;
}

static double rate_of(const struct es_vm_row *row, uint32_t code)
{
	struct es_reason_row r = { .code = code, .span_ns = row->span_ns };

	if (row->now)
		r.now = es_counts_find(&row->now->counts, code);
	return es_reason_rate(&r);
}

/* Most events never occur in most VMs: those cost nothing. */
static int add_events(struct es_vm_history *vm, const struct es_vm_row *row)
{
	size_t n;
	const struct es_paging_event *events = es_paging_events(&n);

	for (size_t i = 0; i < n; i++) {
		uint64_t count = es_paging_event_count(&events[i], &row->sum->counts);

		if (count && count != ES_NONE && !es_history_event(vm, i) &&
		    !add_series(vm, &vm->events, &vm->n_events, (uint32_t)i))
			return -ENOMEM;
	}
	for (size_t i = 0; i < vm->n_events; i++)
		push(&vm->events[i], es_vm_event_rate(row, &events[vm->events[i].code]));
	return 0;
}

static int add_interval(struct es_vm_history *vm, const struct es_vm_row *row)
{
	const struct es_counts *c = &row->sum->counts;

	/* Before the VM's own series grows, so that new reasons get the same past. */
	for (size_t i = 0; i < c->n_reasons; i++)
		if (!es_history_reason(vm, c->reasons[i].code) &&
		    !add_series(vm, &vm->reasons, &vm->n_reasons, c->reasons[i].code))
			return -ENOMEM;
	for (size_t i = 0; i < vm->n_reasons; i++)
		push(&vm->reasons[i], rate_of(row, vm->reasons[i].code));
	if (add_events(vm, row))
		return -ENOMEM;
	push(&vm->total, es_vm_rate(row));
	return 0;
}

/* Moves the VM's past over from the old history, or begins one. */
static int carry_over(struct es_vm_history *out, const struct es_history *old, const char *id)
{
	struct es_vm_history *was = (struct es_vm_history *)es_history_vm(old, id);

	if (was) {
		out->total = was->total;
		out->reasons = es_steal_ptr(&was->reasons);
		out->n_reasons = was->n_reasons;
		was->n_reasons = 0;
		out->events = es_steal_ptr(&was->events);
		out->n_events = was->n_events;
		was->n_events = 0;
	}
	out->id = strdup(id);
	return out->id ? 0 : -ENOMEM;
}

int es_history_add(struct es_history *h, const struct es_snapshot *sum, const struct es_snapshot *now)
{
	struct es_history fresh = { .vms = calloc(sum->n_vms ? sum->n_vms : 1, sizeof(*fresh.vms)) };
	_cleanup_free_ struct es_vm_row *rows = NULL;
	int r = fresh.vms ? es_vm_rows(sum, now, &rows) : -ENOMEM;

	for (size_t i = 0; !r && i < sum->n_vms; i++) {
		r = carry_over(&fresh.vms[i], h, sum->vms[i]->id);
		fresh.n = i + 1;
		if (!r)
			r = add_interval(&fresh.vms[i], &rows[i]);
	}
	es_history_clear(h);
	if (r) {
		es_history_clear(&fresh);
		return r;
	}
	qsort(fresh.vms, fresh.n, sizeof(*fresh.vms), compare_ids);
	*h = fresh;
	return 0;
}
