// SPDX-License-Identifier: GPL-2.0-only
/* The state behind top: totals, the last interval, and the rows to show. */
#include <errno.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/reasons.h>
#include <exitstat/top.h>
#include <exitstat/util.h>

void es_top_clear(struct es_top *t)
{
	es_snapshot_unref(t->sum);
	es_snapshot_unref(t->now);
	es_history_clear(&t->history);
	free(t->watched);
	*t = (struct es_top){ 0 };
}

void es_top_rewind(struct es_top *t)
{
	es_snapshot_unref(t->sum);
	es_snapshot_unref(t->now);
	es_history_clear(&t->history);
	t->sum = t->now = NULL;
	t->baseline = true;
}

int es_top_watch(struct es_top *t, const char *id)
{
	char *copy = id ? strdup(id) : NULL;

	if (id && !copy)
		return -ENOMEM;
	free(t->watched);
	t->watched = copy;
	return 0;
}

bool es_top_misses(const struct es_top *t, const struct es_snapshot *sum)
{
	return t->watched && !es_snapshot_by_id(sum, t->watched);
}

/* A copy of the VM as it was seen last, which now counts as ended. */
static struct es_vm *ghost_of(const struct es_vm *vm, uint64_t seen_ns)
{
	struct es_vm *g = es_vm_new(vm->id, vm->name);

	if (!g)
		return NULL;
	g->pid = vm->pid;
	g->uid = vm->uid;
	g->n_vcpus = vm->n_vcpus;
	g->since_ns = vm->since_ns;
	g->ended_ns = vm->ended_ns == ES_NONE ? seen_ns : vm->ended_ns;
	g->state = ES_VM_ENDED;
	g->paging = vm->paging;
	g->nested = vm->nested;
	if (es_counts_copy(&g->counts, &vm->counts)) {
		es_vm_unref(g);
		return NULL;
	}
	return g;
}

/*
 * The watched VM is gone from the daemon's answer. A restarted daemon may know it by
 * another id: then the watch moves on; else the VM stays as it was.
 */
static int keep_watched(struct es_top *t, struct es_snapshot *sum)
{
	const struct es_vm *vm = es_snapshot_by_id(t->sum, t->watched);
	struct es_vm *ghost;

	if (!vm)
		return 0;
	for (size_t i = 0; t->baseline && vm->state != ES_VM_ENDED && i < sum->n_vms; i++)
		if (sum->vms[i]->pid == vm->pid && strcmp(sum->vms[i]->name, vm->name) == 0)
			return es_top_watch(t, sum->vms[i]->id);
	ghost = ghost_of(vm, t->sum->taken.monotonic_ns);
	return ghost ? es_snapshot_add(sum, ghost) : -ENOMEM;
}

/* The interval that sum ends: against the last totals, else the seed. May be NULL. */
static int interval_of(struct es_top *t, const struct es_snapshot *sum, struct es_snapshot *seed,
		       struct es_snapshot **now)
{
	int r = t->sum && !t->baseline ? es_diff(t->sum, sum, now) : -EINVAL;

	if (r != -EINVAL)
		return r;
	/* A daemon that has just begun has no interval yet. */
	if (seed && seed->taken.interval_ns && seed->taken.interval_ns != ES_NONE)
		*now = es_snapshot_ref(seed);
	return 0;
}

int es_top_put(struct es_top *t, struct es_snapshot *sum, struct es_snapshot *seed)
{
	struct es_snapshot *now = NULL;
	int r = 0;

	if (t->sum && !t->baseline && sum->taken.monotonic_ns == t->sum->taken.monotonic_ns)
		goto out;
	r = es_top_misses(t, sum) ? keep_watched(t, sum) : 0;
	if (!r)
		r = interval_of(t, sum, seed, &now);
	if (!r)
		r = es_history_add(&t->history, sum, now);
	if (r)
		goto out;
	es_snapshot_unref(t->sum);
	es_snapshot_unref(t->now);
	t->sum = es_snapshot_ref(sum);
	t->now = es_steal_ptr(&now);
	t->baseline = false;
	r = 1;
out:
	es_snapshot_unref(now);
	es_snapshot_unref(sum);
	es_snapshot_unref(seed);
	return r;
}

static void with_history(const struct es_top *t, struct es_vm_row *row)
{
	const struct es_vm_history *h = es_history_vm(&t->history, row->sum->id);

	row->history = h ? h->total.rate : NULL;
	row->n_history = h ? h->total.n : 0;
}

static const struct {
	const struct es_column *columns;
	const char *sort;
} aspects[ES_ASPECTS] = {
	[ES_ASPECT_REASONS] = { es_vm_columns, "rate" },
	[ES_ASPECT_PAGING] = { es_paging_columns, "cost" },
	[ES_ASPECT_TIME] = { es_time_columns, "kernel" },
	[ES_ASPECT_LATENCY] = { es_vm_latency_columns, "p99" },
};

const struct es_column *es_aspect_columns(enum es_aspect aspect)
{
	return aspects[aspect].columns;
}

const struct es_column *es_aspect_sort(enum es_aspect aspect)
{
	return es_column_find(aspects[aspect].columns, aspects[aspect].sort);
}

static bool vm_wanted(const struct es_vm *vm, const struct es_top_query *q)
{
	if (q->hide_ended && vm->state == ES_VM_ENDED)
		return false;
	return !q->filter || !*q->filter || strcasestr(vm->name, q->filter) || es_vm_matches(vm, q->filter);
}

void es_vm_table_free(struct es_vm_table *t)
{
	free(t->rows);
	free(t->order);
	*t = (struct es_vm_table){ 0 };
}

int es_top_vms(const struct es_top *t, const struct es_top_query *q, struct es_vm_table *out)
{
	int r;

	*out = (struct es_vm_table){ 0 };
	if (!t->sum)
		return 0;
	out->order = calloc(t->sum->n_vms + 1, sizeof(*out->order));
	r = out->order ? es_vm_rows(t->sum, t->now, &out->rows) : -ENOMEM;
	for (size_t i = 0; !r && i < t->sum->n_vms; i++) {
		if (!vm_wanted(t->sum->vms[i], q))
			continue;
		with_history(t, &out->rows[i]);
		out->order[out->n++] = &out->rows[i];
	}
	if (!r)
		r = es_rows_sort(out->order, out->n, q->sort ? q->sort : es_aspect_sort(q->aspect),
				 q->reverse);
	if (r)
		es_vm_table_free(out);
	return r;
}

int es_top_watched(const struct es_top *t, struct es_vm_row *out)
{
	struct es_snapshot one = { 0 };
	_cleanup_free_ struct es_vm_row *rows = NULL;
	struct es_vm *vm = t->watched ? (struct es_vm *)es_snapshot_by_id(t->sum, t->watched) : NULL;

	if (!vm)
		return -ENOENT;
	one = *t->sum;
	one.vms = &vm;
	one.n_vms = 1;
	if (es_vm_rows(&one, t->now, &rows))
		return -ENOMEM;
	*out = rows[0];
	with_history(t, out);
	return 0;
}

void es_reason_table_free(struct es_reason_table *t)
{
	free(t->rows);
	free(t->order);
	*t = (struct es_reason_table){ 0 };
}

static bool reason_wanted(const struct es_reason_row *row, const char *filter)
{
	char name[ES_REASON_NAME_MAX];

	return !filter || !*filter || strcasestr(es_reason_name(row->isa, row->code, name), filter) ||
	       strcasestr(es_class_name(es_reason_row_class(row)), filter);
}

int es_top_reasons(const struct es_top *t, const struct es_vm_row *vm, const struct es_top_query *q,
		   struct es_reason_table *out)
{
	const struct es_vm_history *h = es_history_vm(&t->history, vm->sum->id);
	size_t n = vm->sum->counts.n_reasons;
	int r;

	*out = (struct es_reason_table){ .order = calloc(n + 1, sizeof(*out->order)) };
	r = out->order ? es_reason_rows(&vm->sum->counts, vm->now ? &vm->now->counts : NULL, vm->isa,
					vm->sum->paging, vm->span_ns, &out->rows)
		       : -ENOMEM;
	for (size_t i = 0; !r && i < n; i++) {
		const struct es_series *s = es_history_reason(h, out->rows[i].code);

		if (!reason_wanted(&out->rows[i], q->filter))
			continue;
		out->rows[i].history = s ? s->rate : NULL;
		out->rows[i].n_history = s ? s->n : 0;
		out->order[out->n++] = &out->rows[i];
	}
	if (!r)
		r = es_rows_sort(out->order, out->n,
				 q->sort ? q->sort : es_column_find(es_reason_columns, "rate"), q->reverse);
	if (r)
		es_reason_table_free(out);
	return r;
}

void es_event_table_free(struct es_event_table *t)
{
	free(t->rows);
	free(t->order);
	*t = (struct es_event_table){ 0 };
}

int es_top_events(const struct es_top *t, const struct es_vm_row *vm, const struct es_top_query *q,
		  struct es_event_table *out)
{
	const struct es_vm_history *h = es_history_vm(&t->history, vm->sum->id);
	size_t n = 0;
	int r = 0;

	*out = (struct es_event_table){ 0 };
	if (!es_paging_events_known(&vm->sum->counts))
		return 0;
	r = es_event_rows(&vm->sum->counts, vm->now ? &vm->now->counts : NULL, vm->sum->nested, vm->span_ns,
			  &out->rows, &n);
	out->order = calloc(n + 1, sizeof(*out->order));
	if (!out->order)
		r = -ENOMEM;
	for (size_t i = 0; !r && i < n; i++) {
		const struct es_series *s = es_history_event(h, out->rows[i].place);

		if (q->filter && !strcasestr(out->rows[i].event->name, q->filter))
			continue;
		out->rows[i].history = s ? s->rate : NULL;
		out->rows[i].n_history = s ? s->n : 0;
		out->order[out->n++] = &out->rows[i];
	}
	if (!r)
		r = es_rows_sort(out->order, out->n,
				 q->sort ? q->sort : es_column_find(es_event_columns, "event"), q->reverse);
	if (r)
		es_event_table_free(out);
	return r;
}

const char *es_vm_sentence(char buf[ES_CELL_MAX], const struct es_vm_row *vm)
{
	const struct es_vm *of = vm->now ? vm->now : vm->sum;
	char sentence[ES_PAGING_SENTENCE];

	es_paging_sentence(sentence, vm->isa, of->paging, of->nested, &of->counts);
	snprintf(buf, ES_CELL_MAX, "%s%s", vm->now ? "" : "In total: ", sentence);
	return buf;
}

void es_top_summarise(const struct es_top *t, struct es_top_summary *out)
{
	uint64_t guest = 0, outside = 0, total = 0;

	*out = (struct es_top_summary){ .rate = -1, .outside = -1 };
	for (size_t i = 0; t->sum && i < t->sum->n_vms; i++) {
		size_t *states[] = { &out->running, &out->paused, &out->ended };

		out->vms++;
		++*states[t->sum->vms[i]->state];
	}
	for (size_t i = 0; t->now && i < t->now->n_vms; i++) {
		const struct es_counts *c = &t->now->vms[i]->counts;
		uint64_t time = es_exits_time_ns(c), n = es_exits_total(c);

		total += n == ES_NONE ? 0 : n;
		if (c->time.guest_ns == ES_NONE || time == ES_NONE)
			continue;
		guest += c->time.guest_ns;
		outside += time;
	}
	/* Where nothing is seen there is no rate of 0, too. */
	if (!out->vms || !t->now || t->now->taken.interval_ns == ES_NONE || !t->now->taken.interval_ns)
		return;
	out->rate = es_per_second(total, t->now->taken.interval_ns);
	out->outside = es_share(outside, guest + outside);
}
