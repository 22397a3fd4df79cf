// SPDX-License-Identifier: GPL-2.0-only
/*
 * A million exits a second: a thread writes slots as the BPF programs do, while the real sampler, store and service
 * look at them, once a second and for clients. Nothing may be lost, torn or counted twice.
 *
 * RATE_SECONDS (3), RATE_EXITS a second (1,000,000), RATE_STRICT: fails if it takes longer. tests/bench/rate lets it run
 * for a minute.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "sampler_fixture.h"

#include <exitstat/hist.h>
#include <exitstat/json.h>
#include <exitstat/render.h>
#include <exitstat/service.h>

#define VMS    8
#define VCPUS  8 /* of each; the second half comes in bursts, and rests in between */
#define N      (VMS * VCPUS)
#define CODES  12
#define HLT    0x78 /* SVM */
#define BURST  256  /* vCPUs take turns after so many exits, of all that run */
#define LOOK   300  /* us between two looks: so often that they meet a program that writes */
#define CLIENT 97   /* ms between two requests of a client */
#define TICK   1000
#define PHASE  700 /* ms that bursts, and the rests between, last */
#define MS     1000000ull

static const uint32_t codes[CODES] = {
	0x72, 0x7b, 0x7c, 0x60, 0x61, 0x400, 0x10, 0x81, 0x64, 0x77, 0x79, HLT
};

static struct es_keeper rate_loader;

/* What the writer knows, to be held against what was read. By it alone until it is done. */
static struct writer {
	uint64_t seconds, rate; /* that are wanted */
	uint64_t did[N][CODES];
	uint64_t total, took_ns;
	_Atomic bool announced[N]; /* BUSY, for the reader's thread to pass on */
	_Atomic bool done;
} w;

/* --- as bpf/kvm_exit.bpf.c does --- */

static void write_begin(struct es_slot *s)
{
	(*(volatile uint32_t *)&s->seq)++;
	atomic_signal_fence(memory_order_seq_cst);
}

static void write_end(struct es_slot *s)
{
	atomic_signal_fence(memory_order_seq_cst);
	(*(volatile uint32_t *)&s->seq)++;
}

static uint64_t leave_state(struct es_slot *s, uint64_t now)
{
	uint8_t state = *(volatile uint8_t *)&s->state;
	uint64_t ns;

	if (state & ES_STATE_PARKED)
		atomic_store(&w.announced[s->index], true);
	state &= ES_STATE_MASK;
	if (state == ES_STATE_NEW)
		s->first_ns = s->since_ns = now;
	ns = now - s->since_ns;
	s->time_ns[state == ES_STATE_IDLE ? ES_STATE_KERNEL : state] += ns;
	return ns;
}

/* Handed out when a code comes for the first time. */
static uint8_t cell_of(struct es_slot *s, unsigned int code)
{
	uint8_t *cell = &s->cell_of[code];

	if (*cell == ES_CELL_NONE) {
		s->cells[s->cells_used].code = codes[code];
		*cell = s->cells_used;
		*(volatile uint8_t *)&s->cells_used = (uint8_t)(*cell + 1);
	}
	return *cell;
}

static void on_exit_of(struct es_slot *s, unsigned int code)
{
	uint64_t now = es_monotonic_ns();
	uint8_t cell = cell_of(s, code);

	write_begin(s);
	s->cell = cell;
	s->cells[cell].count++;
	if (*(volatile uint8_t *)&s->state == ES_STATE_GUEST)
		s->time_ns[ES_STATE_GUEST] += now - s->since_ns;
	else
		leave_state(s, now);
	s->since_ns = now;
	s->state = codes[code] == HLT ? ES_STATE_IDLE : ES_STATE_KERNEL;
	write_end(s);
}

static void on_entry_to(struct es_slot *s)
{
	uint64_t now = es_monotonic_ns(), ns;
	struct es_cell *c = &s->cells[s->cell];

	write_begin(s);
	if (*(volatile uint8_t *)&s->state == ES_STATE_KERNEL) {
		ns = now - s->since_ns;
		s->time_ns[ES_STATE_KERNEL] += ns;
	} else {
		ns = leave_state(s, now) + s->exit_ns;
		s->exit_ns = 0;
	}
	if (s->cell != ES_CELL_NONE) {
		c->time_ns += ns;
		c->max_ns = ns > c->max_ns ? ns : c->max_ns;
		c->hist[es_hist_bucket(ns)]++;
	}
	s->since_ns = now;
	s->state = ES_STATE_GUEST;
	write_end(s);
}

/* All of it was idle. */
static void on_wakeup_of(struct es_slot *s)
{
	uint64_t now = es_monotonic_ns();

	write_begin(s);
	if (*(volatile uint8_t *)&s->state & ES_STATE_PARKED)
		atomic_store(&w.announced[s->index], true);
	s->time_ns[ES_STATE_IDLE] += now - s->since_ns;
	s->since_ns = now;
	s->state = ES_STATE_KERNEL | ES_STATE_RESUMED;
	write_end(s);
}

static void begin_vcpu(uint32_t slot)
{
	struct es_slot *s = fake_begin(&rate_loader, slot, 0x10000 * (slot / VCPUS + 1), slot % VCPUS,
				       slot + 1, codes[0], 0);

	s->index = slot;
	s->state = ES_STATE_NEW;
	s->cell = ES_CELL_NONE;
	s->cells_used = ES_CELL_NONE + 1;
}

/* --- the writer --- */

static bool rests(uint32_t slot, uint64_t elapsed)
{
	return slot % VCPUS >= VCPUS / 2 && elapsed / (PHASE * MS) % 2;
}

static void enter_and_exit(uint32_t slot, unsigned int code)
{
	struct es_slot *s = &rate_loader.slots[slot];

	on_entry_to(s);
	on_exit_of(s, code);
	w.did[slot][code]++;
	w.total++;
}

/* A few exits, or the halt before a rest. */
static void take_turn(uint32_t slot, uint64_t elapsed)
{
	struct es_slot *s = &rate_loader.slots[slot];
	bool halted = (*(volatile uint8_t *)&s->state & ES_STATE_MASK) == ES_STATE_IDLE;

	if (rests(slot, elapsed)) {
		if (!halted)
			enter_and_exit(slot, CODES - 1);
		return;
	}
	if (halted)
		on_wakeup_of(s);
	for (unsigned int i = 0; i < BURST && w.total < w.seconds * w.rate; i++)
		enter_and_exit(slot, (slot + i * i) % (CODES - 1));
}

static void *write_slots(void *ctx)
{
	uint64_t begin = es_monotonic_ns(), elapsed;
	uint32_t slot = 0;

	(void)ctx;
	while (w.total < w.seconds * w.rate) {
		elapsed = es_monotonic_ns() - begin;
		if (w.total >= elapsed / 1000 * w.rate / 1000000) {
			usleep(200);
			continue;
		}
		take_turn(slot, elapsed);
		slot = (slot + 1) % N;
	}
	w.took_ns = es_monotonic_ns() - begin;
	atomic_store(&w.done, true);
	return NULL;
}

/* --- the reader --- */

static struct {
	struct es_store *store;
	struct es_service *service;
	struct es_snapshot *answer; /* the last one */
	unsigned int looks, answers;
	size_t least; /* slots that a look went to */
} reader;

static void no_less(uint64_t before, uint64_t now, const char *what)
{
	if (now < before || now == ES_NONE)
		fail_msg("%s went from %llu to %llu", what, (unsigned long long)before,
			 (unsigned long long)now);
}

static void check_growth(const struct es_counts *a, const struct es_counts *b)
{
	for (size_t i = 0; i < a->n_reasons; i++) {
		const struct es_reason *x = &a->reasons[i], *y = es_counts_find(b, x->code);

		assert_non_null(y);
		no_less(x->count, y->count, "a count");
		no_less(x->time_ns, y->time_ns, "a reason's time");
		no_less(x->max_ns, y->max_ns, "a maximum");
		for (unsigned int k = 0; k < ES_HIST_BUCKETS; k++)
			no_less(x->hist[k], y->hist[k], "a bucket");
	}
	for (size_t i = 0; i < ES_N_U64S(a->time); i++)
		no_less(ES_U64S(a->time)[i], ES_U64S(b->time)[i], "a part of the time");
}

/* The histograms lack the exits that are not over: one a vCPU at most, whatever its reason. */
static void check_counts(const struct es_counts *c, unsigned int vcpus)
{
	uint64_t parts = 0, over = 0;

	for (size_t i = 0; i < c->n_reasons; i++) {
		over += es_hist_sum(c->reasons[i].hist);
		assert_true(c->reasons[i].max_ns <= c->reasons[i].time_ns);
	}
	assert_in_range(es_exits_total(c) - over, 0, vcpus);
	if (c->time.total_ns == ES_NONE) {
		/* Seen before its first entry. */
		assert_int_equal(es_exits_total(c), 0);
		return;
	}
	for (unsigned int i = 0; i < ES_TIME_PARTS; i++)
		parts += ES_U64S(c->time)[i];
	assert_int_equal(parts, c->time.total_ns);
}

/* before: as it was at an earlier look; NULL: that is not known. */
static void check_vm(const struct es_vm *vm, const struct es_vm *before)
{
	struct es_counts sum;

	assert_int_equal(vm->n_per_vcpu, VCPUS);
	es_counts_init(&sum);
	for (size_t k = 0; k < VCPUS; k++) {
		check_counts(&vm->vcpus[k].counts, 1);
		assert_int_equal(es_counts_add(&sum, &vm->vcpus[k].counts), 0);
		if (before)
			check_growth(&before->vcpus[k].counts, &vm->vcpus[k].counts);
	}
	check_counts(&vm->counts, VCPUS);
	assert_int_equal(sum.n_reasons, vm->counts.n_reasons);
	assert_memory_equal(sum.reasons, vm->counts.reasons, sum.n_reasons * sizeof(*sum.reasons));
	if (before)
		check_growth(&before->counts, &vm->counts);
	es_counts_clear(&sum);
}

/* Of a snapshot as a client reads it: all of its times are as of the snapshot's. */
static struct es_snapshot *read_answer(const struct es_text *t)
{
	json_t *a = json_loadb(t->data, t->len, 0, NULL);
	struct es_snapshot *s = NULL;
	char err[ES_ERR_MAX] = "";

	if (es_snapshot_from_json(json_object_get(json_object_get(a, "parameters"), "snapshot"), &s, err))
		fail_msg("not a snapshot: %s", err);
	json_decref(a);
	return s;
}

static void pass_announcements_on(void)
{
	for (uint32_t slot = 0; slot < N; slot++)
		if (atomic_exchange(&w.announced[slot], false))
			fake_announce(&rate_loader, ES_EVENT_BUSY, slot);
}

static void look(void *ctx, bool vcpus)
{
	struct es_snapshot *s = NULL;

	(void)vcpus;
	pass_announcements_on();
	assert_int_equal(es_sampler_sample(sampler, &host, true, &s), 0);
	es_sampler_release(sampler);
	for (size_t i = 0; i < s->n_vms; i++)
		check_vm(s->vms[i], NULL);
	if (es_sampler_visited(sampler) < reader.least)
		reader.least = es_sampler_visited(sampler);
	assert_int_equal(es_store_put(reader.store, s, ctx != NULL), 0);
	reader.looks++;
}

static void no_status(void *ctx, struct es_status *st)
{
	(void)ctx, (void)st;
}

static const struct es_service_ops ops = { .refresh = look, .status = no_status };

static void ask(void)
{
	static const char line[] = "{\"method\":\"exitstat.GetSnapshot\",\"parameters\":{\"per_vcpu\":true}}";
	const struct es_peer root = { 0, true };
	struct es_text *t = es_service_call(reader.service, &root, line, sizeof(line) - 1, NULL);
	struct es_snapshot *s = read_answer(t);

	assert_int_equal(s->n_vms, VMS);
	for (size_t i = 0; i < s->n_vms; i++)
		check_vm(s->vms[i], reader.answer ? es_snapshot_by_id(reader.answer, s->vms[i]->id) : NULL);
	es_snapshot_unref(reader.answer);
	reader.answer = s;
	reader.answers++;
	es_text_unref(t);
}

/* --- the test --- */

/* A slot is born at its number plus one, and a VM with the first of its slots. */
static const struct es_counts *counts_of(uint32_t slot)
{
	for (size_t i = 0; i < VMS; i++)
		if (reader.answer->vms[i]->since_ns == slot / VCPUS * VCPUS + 1)
			return &reader.answer->vms[i]->vcpus[slot % VCPUS].counts;
	fail_msg("the VM of slot %u is missing", slot);
	return NULL;
}

/* Every exit that was written is in the last answer, and no other. */
static void nothing_is_missing(void)
{
	uint64_t sum = 0;

	ask();
	for (uint32_t slot = 0; slot < N; slot++) {
		const struct es_counts *c = counts_of(slot);

		for (unsigned int i = 0; i < CODES; i++) {
			const struct es_reason *r = es_counts_find(c, codes[i]);

			assert_int_equal(r ? r->count : 0, w.did[slot][i]);
		}
		sum += es_exits_total(c);
	}
	assert_int_equal(sum, w.total);
	assert_int_equal(w.total, w.seconds * w.rate);
	assert_int_equal(es_sampler_unknown_reasons(sampler), 0);
}

static void run_along(void)
{
	uint64_t now, tick = es_monotonic_ns(), client = tick;
	static int is_tick;

	while (!atomic_load(&w.done)) {
		now = es_monotonic_ns();
		if (now >= tick) {
			look(&is_tick, true);
			tick += TICK * MS;
		}
		if (now >= client) {
			ask();
			client = now + CLIENT * MS;
		}
		look(NULL, true);
		usleep(LOOK);
	}
}

static void a_million_exits_a_second(void **state)
{
	pthread_t thread;
	size_t least;

	(void)state;
	for (uint32_t slot = 0; slot < N; slot++)
		begin_vcpu(slot);
	reader.least = N;
	assert_int_equal(pthread_create(&thread, NULL, write_slots, NULL), 0);
	run_along();
	pthread_join(thread, NULL);
	nothing_is_missing();
	least = reader.least;
	for (uint32_t slot = 0; slot < N; slot++)
		fake_end(&rate_loader, slot, es_monotonic_ns());
	nothing_is_missing();
	for (size_t i = 0; i < VMS; i++)
		assert_int_equal(reader.answer->vms[i]->state, ES_VM_ENDED);
	assert_int_equal(es_sampler_slots_used(sampler), 0);
	printf("# %llu exits in %.2f s, %.0f a second, by %u vCPUs of %u VMs: all found, in %u looks and %u "
	       "answers; "
	       "vCPUs at rest: up to %zu\n",
	       (unsigned long long)w.total, (double)w.took_ns / 1e9,
	       (double)w.total * 1e9 / (double)w.took_ns, N, VMS, reader.looks, reader.answers, N - least);
	assert_true(!getenv("RATE_STRICT") || w.took_ns < w.seconds * SEC / 100 * 105);
	/* Those at rest were left alone, or they were never at rest for long on a machine this busy. */
	assert_true(least < N || reader.looks < 500);
}

static uint64_t from_environment(const char *name, uint64_t usual)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : usual;
}

static int rate_setup(void **state)
{
	const struct es_store_options o = { .ring = 2, .ended_keep_ns = 600 * SEC, .ended_max = VMS };

	(void)state;
	w.seconds = from_environment("RATE_SECONDS", 3);
	w.rate = from_environment("RATE_EXITS", 1000000);
	if (fake_keeper_init(&rate_loader, N))
		return -1;
	sampler = es_sampler_new(&rate_loader, "/proc");
	reader.store = es_store_new(&o);
	reader.service = es_service_new(reader.store, NULL, &ops, NULL);
	return sampler && reader.service ? 0 : -1;
}

static int rate_teardown(void **state)
{
	(void)state;
	es_snapshot_unref(reader.answer);
	es_service_free(reader.service);
	es_store_free(reader.store);
	es_sampler_free(sampler);
	fake_keeper_clear(&rate_loader);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_million_exits_a_second, rate_setup, rate_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
