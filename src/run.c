// SPDX-License-Identifier: GPL-2.0-only
/*
 * Folds a file of snapshots into one measurement. VMs are followed by id, so that one that ended and one that
 * came after it under its name are two; their counts are then added up by name. All subtracting is es_diff()'s.
 */
#include <exitstat/run.h>

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/paging.h>
#include <exitstat/recording.h>
#include <exitstat/util.h>

#define OTHERS_SHOWN 3

/* All VMs of a name. */
struct group {
	struct es_run_vm vm;
	size_t look; /* to which the last point belongs */
	struct group *next;
};

/* One VM. */
struct life {
	struct es_vm *last; /* as it was seen last */
	struct group *group;
	size_t look;	   /* when that was */
	uint64_t seen_ns;  /* the same, CLOCK_MONOTONIC */
	bool at_start;	   /* it was there in the first snapshot */
	struct life *next; /* in order of appearance */
};

struct fold {
	struct es_run *run;
	const char *want;
	size_t look; /* snapshots so far */
	struct es_snapshot *first, *prev;
	void *by_id, *by_name; /* trees of lives and groups */
	struct life *lives, **lives_end;
	struct group *groups;
	unsigned int n_others;
	char others[96]; /* names of VMs that are not wanted */
};

static int compare_lives(const void *pa, const void *pb)
{
	const struct life *a = pa, *b = pb;

	return strcmp(a->last->id, b->last->id);
}

static int compare_groups(const void *pa, const void *pb)
{
	const struct group *a = pa, *b = pb;

	return strcmp(a->vm.name, b->vm.name);
}

static void no_free(void *p)
{
	(void)p;
}

static void vm_clear(struct es_run_vm *vm)
{
	es_counts_clear(&vm->counts);
	free(vm->points);
	free(vm->name);
}

static void fold_free(struct fold *f)
{
	tdestroy(f->by_id, no_free);
	tdestroy(f->by_name, no_free);
	for (struct life *l = f->lives, *next; l; l = next) {
		next = l->next;
		es_vm_unref(l->last);
		free(l);
	}
	for (struct group *g = f->groups, *next; g; g = next) {
		next = g->next;
		vm_clear(&g->vm);
		free(g);
	}
	es_snapshot_unref(f->first);
	es_snapshot_unref(f->prev);
}

static struct group *group_of(struct fold *f, const char *name)
{
	struct group key = { .vm.name = (char *)name }, **at = tfind(&key, &f->by_name, compare_groups), *g;

	if (at)
		return *at;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	es_counts_init(&g->vm.counts);
	g->vm.name = strdup(name);
	if (!g->vm.name || !tsearch(g, &f->by_name, compare_groups)) {
		vm_clear(&g->vm);
		free(g);
		return NULL;
	}
	g->next = f->groups;
	f->groups = g;
	return g;
}

static struct life *life_of(const struct fold *f, struct es_vm *vm)
{
	struct life key = { .last = vm }, **at = tfind(&key, &f->by_id, compare_lives);

	return at ? *at : NULL;
}

static struct life *new_life(struct fold *f, struct es_vm *vm)
{
	struct life *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->last = es_vm_ref(vm);
	l->group = group_of(f, vm->name);
	if (!l->group || !tsearch(l, &f->by_id, compare_lives)) {
		es_vm_unref(vm);
		free(l);
		return NULL;
	}
	l->at_start = !f->look;
	*f->lives_end = l;
	f->lives_end = &l->next;
	return l;
}

/* --- points --- */

static void add_known(uint64_t *sum, uint64_t v)
{
	*sum = *sum == ES_NONE || v == ES_NONE || *sum > ES_NONE - 1 - v ? ES_NONE : *sum + v;
}

static struct es_run_point *point_of(const struct fold *f, struct group *g, uint64_t at_ns, uint64_t span_ns)
{
	size_t n = g->vm.n_points;

	if (n && g->look == f->look)
		return &g->vm.points[n - 1];
	if (!(n & (n - 1))) {
		struct es_run_point *more = reallocarray(g->vm.points, n ? 2 * n : 1, sizeof(*more));

		if (!more)
			return NULL;
		g->vm.points = more;
	}
	g->look = f->look;
	g->vm.points[n] = (struct es_run_point){ .at_ns = at_ns, .span_ns = span_ns };
	g->vm.n_points++;
	return &g->vm.points[n];
}

/* d: what happened since the snapshot before. */
static int add_points(struct fold *f, const struct es_snapshot *d)
{
	uint64_t at = es_diff_u64(f->first->taken.monotonic_ns, d->taken.monotonic_ns);

	for (size_t i = 0; i < d->n_vms; i++) {
		const struct es_vm *vm = d->vms[i];
		struct es_paging_cost cost;
		struct life *l = life_of(f, d->vms[i]);
		struct es_run_point *p = l ? point_of(f, l->group, at, d->taken.interval_ns) : NULL;

		if (!p)
			return -ENOMEM;
		es_paging_cost(d->host.isa, vm->paging, &vm->counts, &cost);
		add_known(&p->exits, es_exits_total(&vm->counts));
		add_known(&p->time_ns, es_exits_time_ns(&vm->counts));
		add_known(&p->paging_exits, cost.exits);
		add_known(&p->paging_time_ns, cost.time_ns);
		add_known(&p->guest_ns, vm->counts.time.guest_ns);
	}
	return 0;
}

/* --- snapshots --- */

/* For who asked for a VM that is not there: a few names of those that are. */
static void note_other(struct fold *f, const char *name)
{
	size_t used = strlen(f->others);
	char quoted[32];

	if (f->n_others > OTHERS_SHOWN)
		return;
	snprintf(quoted, sizeof(quoted), "'%.24s'", name);
	if (strstr(f->others, quoted))
		return;
	if (f->n_others++ < OTHERS_SHOWN)
		snprintf(f->others + used, sizeof(f->others) - used, "%s%s", used ? ", " : "", quoted);
}

static struct es_snapshot *select_vms(struct fold *f, const struct es_snapshot *s)
{
	struct es_snapshot *out = es_snapshot_new();

	if (!out)
		return NULL;
	out->host = s->host;
	out->taken = s->taken;
	out->health = s->health;
	for (size_t i = 0; i < s->n_vms; i++) {
		if (f->want && !es_vm_matches(s->vms[i], f->want)) {
			note_other(f, s->vms[i]->name);
			continue;
		}
		if (es_snapshot_add(out, es_vm_ref(s->vms[i]))) {
			es_snapshot_unref(out);
			return NULL;
		}
	}
	return out;
}

static int follow_vms(struct fold *f, const struct es_snapshot *s)
{
	for (size_t i = 0; i < s->n_vms; i++) {
		struct life *l = life_of(f, s->vms[i]);

		if (!l)
			l = new_life(f, s->vms[i]);
		if (!l)
			return -ENOMEM;
		es_vm_unref(l->last);
		l->last = es_vm_ref(s->vms[i]);
		l->seen_ns = s->taken.monotonic_ns;
		l->look = f->look;
	}
	for (size_t i = 0; f->prev && i < f->prev->n_vms; i++) {
		struct es_vm *vm = f->prev->vms[i];
		const struct life *l = life_of(f, vm);

		if (l && l->look != f->look && vm->state != ES_VM_ENDED)
			f->run->vanished++;
	}
	return 0;
}

/* Takes over s, the next snapshot of the file. */
static int fold_snapshot(struct fold *f, struct es_snapshot *s)
{
	struct es_snapshot *d = NULL;
	int r;

	if (!f->prev)
		f->run->begin_realtime_ns = s->taken.realtime_ns;
	f->run->end_realtime_ns = s->taken.realtime_ns;
	if (s->host.isa == ES_ISA_NONE && f->prev)
		s->host.isa = f->prev->host.isa;
	r = follow_vms(f, s);
	if (!r && f->prev)
		r = es_diff(f->prev, s, &d);
	if (!r && d)
		r = add_points(f, d);
	es_snapshot_unref(d);
	if (!f->first)
		f->first = es_snapshot_ref(s);
	es_snapshot_unref(f->prev);
	f->prev = s;
	f->look++;
	return r;
}

/* --- the end --- */

/* What is unknown of one is unknown of the sum. */
static void agree(uint64_t *a, uint64_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] == ES_NONE || b[i] == ES_NONE)
			a[i] = b[i] = ES_NONE;
}

static void agree_on_reasons(struct es_counts *a, struct es_counts *b)
{
	for (size_t i = 0; i < a->n_reasons; i++) {
		struct es_reason *x = &a->reasons[i], *y = (struct es_reason *)es_counts_find(b, x->code);

		if (!y)
			continue;
		agree(&x->count, &y->count, 1);
		agree(&x->time_ns, &y->time_ns, 1);
		agree(&x->max_ns, &y->max_ns, 1);
		agree(x->flags, y->flags, ES_FLAGS);
		agree(x->hist, y->hist, 1); /* the first stands for all */
	}
}

/* sum += c, which is changed. */
static int add_counts(struct es_counts *sum, struct es_counts *c, bool first)
{
	if (!first) {
		agree_on_reasons(sum, c);
		agree(ES_U64S(sum->time), ES_U64S(c->time), ES_N_U64S(c->time));
		agree(ES_U64S(sum->mmu), ES_U64S(c->mmu), ES_N_U64S(c->mmu));
		agree(ES_U64S(sum->cr), ES_U64S(c->cr), ES_N_U64S(c->cr));
	}
	return es_counts_add(sum, c);
}

/* How long the VM lived within the run. */
static uint64_t lived(const struct fold *f, const struct life *l)
{
	uint64_t run_begin = 0, begin = l->last->since_ns, end = f->prev->taken.monotonic_ns;

	if (f->look > 1)
		run_begin = f->first->taken.monotonic_ns;
	else if (!f->run->totals) /* a difference: its begin is not in the file, its length is */
		run_begin = es_diff_u64(f->prev->taken.interval_ns, end);
	if (l->at_start && !f->run->totals && (begin == ES_NONE || begin < run_begin))
		begin = run_begin;
	if (begin != ES_NONE && begin < run_begin)
		begin = run_begin;
	if (end == ES_NONE || l->last->ended_ns < end)
		end = l->last->ended_ns;
	/* Gone without an end, as when the daemon was restarted: what it did later is in no count. */
	if (l->seen_ns < end)
		end = l->seen_ns;
	return es_diff_u64(begin, end);
}

static int add_life(struct fold *f, const struct life *l, struct es_vm *vm)
{
	struct group *g = l->group;

	add_known(&g->vm.span_ns, lived(f, l));
	/* What counts as paging depends on the mode; of both together it cannot be told. */
	g->vm.mixed |= g->vm.instances && g->vm.paging != vm->paging;
	g->vm.paging = g->vm.mixed ? ES_PAGING_NONE : vm->paging;
	g->vm.nested |= vm->nested;
	g->vm.n_vcpus = vm->n_vcpus;
	for (size_t i = 0; i < vm->counts.n_reasons; i++)
		f->run->latency |= vm->counts.reasons[i].time_ns != ES_NONE;
	return add_counts(&g->vm.counts, &vm->counts, !g->vm.instances++);
}

/* All VMs as they were seen last, as if they stood in one snapshot. */
static struct es_snapshot *last_of_all(const struct fold *f)
{
	struct es_snapshot *s = es_snapshot_new();

	if (!s)
		return NULL;
	s->host = f->prev->host;
	s->taken = f->prev->taken;
	s->health = f->prev->health;
	for (struct life *l = f->lives; l; l = l->next) {
		if (!es_snapshot_add(s, es_vm_ref(l->last)))
			continue;
		es_snapshot_unref(s);
		return NULL;
	}
	return s;
}

static int add_lives(struct fold *f)
{
	struct es_snapshot *whole = last_of_all(f), *d = NULL;
	int r = whole ? 0 : -ENOMEM;

	if (!r && f->look > 1)
		r = es_diff(f->first, whole, &d);
	else if (!r)
		d = es_snapshot_ref(whole);
	for (size_t i = 0; !r && i < d->n_vms; i++)
		r = add_life(f, life_of(f, d->vms[i]), d->vms[i]);
	if (!r)
		f->run->health = d->health;
	es_snapshot_unref(whole);
	es_snapshot_unref(d);
	return r;
}

static int compare_names(const void *pa, const void *pb)
{
	const struct es_run_vm *a = pa, *b = pb;

	return strcmp(a->name, b->name);
}

static int take_groups(struct fold *f)
{
	struct es_run *run = f->run;
	size_t n = 0;

	for (struct group *g = f->groups; g; g = g->next)
		n += !!g->vm.instances;
	run->vms = calloc(n + 1, sizeof(*run->vms));
	if (!run->vms)
		return -ENOMEM;
	for (struct group *g = f->groups; g; g = g->next) {
		if (!g->vm.instances)
			continue;
		run->vms[run->n_vms++] = g->vm;
		g->vm = (struct es_run_vm){ 0 };
	}
	qsort(run->vms, run->n_vms, sizeof(*run->vms), compare_names);
	return 0;
}

static uint64_t span_of(const struct fold *f)
{
	const struct es_taken *last = &f->prev->taken;
	uint64_t oldest = ES_NONE;

	if (f->look > 1)
		return es_diff_u64(f->first->taken.monotonic_ns, last->monotonic_ns);
	if (!f->run->totals)
		return last->interval_ns;
	for (const struct life *l = f->lives; l; l = l->next)
		oldest = l->last->since_ns < oldest ? l->last->since_ns : oldest;
	return es_diff_u64(oldest, last->monotonic_ns);
}

static int fold_end(struct fold *f)
{
	int r;

	f->run->lines = f->look;
	f->run->host = f->prev->host;
	f->run->totals = f->look == 1 && f->prev->taken.interval_ns == ES_NONE;
	f->run->span_ns = span_of(f);
	r = add_lives(f);
	return r ? r : take_groups(f);
}

/* --- files --- */

static int no_such_vm(const struct fold *f, const char *file, char err[ES_ERR_MAX])
{
	snprintf(err, ES_ERR_MAX, "%.90s: no VM '%.40s' ran in it%s%.80s%s", file, f->want,
		 *f->others ? ", but " : "", f->others, f->n_others > OTHERS_SHOWN ? " and more" : "");
	return -ESRCH;
}

static int read_all(struct fold *f, struct es_recording *rec, char err[ES_ERR_MAX])
{
	const char *file = es_recording_name(rec);
	struct es_snapshot *s, *mine;
	int r;

	while ((r = es_recording_next(rec, &s, err)) > 0) {
		mine = select_vms(f, s);
		es_snapshot_unref(s);
		r = mine ? fold_snapshot(f, mine) : -ENOMEM;
		if (r < 0) {
			snprintf(err, ES_ERR_MAX, "%s:%zu: %s", file, es_recording_line(rec), strerror(-r));
			return r;
		}
	}
	if (r < 0)
		return r;
	f->run->cut = es_recording_cut(rec);
	r = fold_end(f);
	if (r < 0)
		snprintf(err, ES_ERR_MAX, "%s: %s", file, strerror(-r));
	else if (f->want && !f->run->n_vms)
		r = no_such_vm(f, file, err);
	return r;
}

static char *label_of(const char *path)
{
	static const char *const ends[] = { ".jsonl", ".json" };
	const char *slash = strrchr(path, '/'), *name = slash && slash[1] ? slash + 1 : path;
	size_t len = strlen(name);

	for (size_t i = 0; i < ES_ARRAY_SIZE(ends); i++) {
		size_t n = strlen(ends[i]);

		if (len > n && !strcmp(name + len - n, ends[i]))
			return strndup(name, len - n);
	}
	return strdup(name);
}

int es_run_load(const char *path, const char *vm, struct es_run *out, char err[ES_ERR_MAX])
{
	struct fold f = { .run = out, .want = vm };
	struct es_recording *rec = NULL;
	int r;

	*out = (struct es_run){ .path = strdup(path), .label = label_of(path) };
	f.lives_end = &f.lives;
	if (!out->path || !out->label) {
		snprintf(err, ES_ERR_MAX, "out of memory");
		r = -ENOMEM;
	} else {
		r = es_recording_open(path, false, &rec, err);
	}
	if (!r)
		r = read_all(&f, rec, err);
	es_recording_close(rec);
	fold_free(&f);
	if (r < 0)
		es_run_clear(out);
	return r;
}

void es_run_clear(struct es_run *r)
{
	for (size_t i = 0; i < r->n_vms; i++)
		vm_clear(&r->vms[i]);
	free(r->vms);
	free(r->path);
	free(r->label);
	*r = (struct es_run){ 0 };
}

const struct es_run_vm *es_run_vm(const struct es_run *r, const char *name)
{
	struct es_run_vm key = { .name = (char *)name };

	return r->n_vms ? bsearch(&key, r->vms, r->n_vms, sizeof(key), compare_names) : NULL;
}
