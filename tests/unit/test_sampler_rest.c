// SPDX-License-Identifier: GPL-2.0-only
/* vCPUs at rest cost nothing, and nothing of them is lost. */
#include "sampler_fixture.h"

#include <errno.h>

/* --- at rest --- */

static void idle_vcpus_are_not_looked_at(void **state)
{
	struct es_slot *slot = begin(0, 0x1000, 0, 5, CPUID, 1);
	struct es_snapshot *s;

	(void)state;
	begin(1, 0x1000, 1, 5, CPUID, 2)->state = ES_STATE_IDLE;
	begin(2, 0x2000, 0, 5, CPUID, 3)->state = ES_STATE_IDLE;
	slot->state = ES_STATE_IDLE;
	rest();
	for (unsigned int i = 0; i < 3; i++)
		assert_true(loader.slots[i].state == (ES_STATE_IDLE | ES_STATE_PARKED) &&
			    loader.slots[i].parked_others);
	es_snapshot_unref(sample());
	assert_int_equal(es_sampler_visited(sampler), 0);
	slot->cells[1].count += 4;
	fake_act(&loader, slot, ES_STATE_KERNEL);
	s = sample();
	assert_int_equal(es_sampler_visited(sampler), 1);
	assert_int_equal(es_exits_total(&s->vms[0]->counts), 7);
	assert_int_equal(s->vms[0]->counts.open.vcpus[ES_TIME_KERNEL], 1);
	assert_int_equal(s->vms[0]->counts.open.vcpus[ES_TIME_IDLE], 1);
	es_snapshot_unref(s);
	fake_act(&loader, slot, ES_STATE_IDLE);
	rest();
	es_snapshot_unref(sample());
	assert_int_equal(es_sampler_visited(sampler), 0);
	fake_zap(&loader, &loader.slots[2]);
	loader.measured.events = 1ull << ES_MMU_PAGES_ZAPPED;
	s = sample();
	assert_int_equal(s->vms[1]->counts.mmu.shadow_pages.zapped, 1);
	es_snapshot_unref(s);
	rest();
	es_snapshot_unref(sample());
	assert_int_equal(es_sampler_visited(sampler), 0);
	/* Parked and gone. */
	end(2, 50);
	s = sample();
	assert_int_equal(s->vms[1]->state, ES_VM_ENDED);
	es_snapshot_unref(s);
	assert_int_equal(es_sampler_slots_used(sampler), 2);
}

/* One in the guest may run without an exit, or wait for its CPU: nothing would tell. */
static void who_runs_or_waits_is_not_parked(void **state)
{
	static const enum es_state states[] = { ES_STATE_GUEST, ES_STATE_KERNEL, ES_STATE_IDLE };

	(void)state;
	for (unsigned int i = 0; i < ES_ARRAY_SIZE(states); i++) {
		struct es_slot *slot = begin(i, 0x1000, i, 5, CPUID, 1);

		slot->state = states[i];
		slot->look_seq = slot->seq;
		slot->look_queued = states[i] == ES_STATE_IDLE;
	}
	rest();
	es_snapshot_unref(sample());
	assert_int_equal(es_sampler_visited(sampler), 3);
	assert_int_equal(loader.slots[0].state, ES_STATE_GUEST);
	/* Halted in KVM after another exit than HLT. */
	loader.slots[1].look_seq = loader.slots[1].seq;
	loader.slots[1].look_halted = 1;
	rest();
	es_snapshot_unref(sample());
	assert_int_equal(es_sampler_visited(sampler), 2);
}

/* A program that had read the state before it was marked wipes the mark out, and announces nothing. */
static void wiped_mark_is_noticed(void **state)
{
	struct es_slot *slot = begin(0, 0x1000, 0, 5, CPUID, 1);
	struct es_snapshot *s;

	(void)state;
	slot->state = ES_STATE_IDLE;
	es_snapshot_unref(sample());
	es_snapshot_unref(sample());
	assert_true(slot->state & ES_STATE_PARKED);
	slot->state = ES_STATE_IDLE;
	slot->seq += 2;
	slot->cells[1].count = 5;
	s = sample();
	assert_int_equal(es_exits_total(&s->vms[0]->counts), 5);
	es_snapshot_unref(s);
	/* As well as one that wiped it with no other trace, which none does. */
	es_snapshot_unref(sample());
	slot->state = ES_STATE_IDLE;
	es_snapshot_unref(sample());
	assert_int_equal(es_sampler_visited(sampler), 1);
	rest();
	es_snapshot_unref(sample());
	assert_int_equal(es_sampler_visited(sampler), 0);
}

static void lost_announcements_are_made_up_for(void **state)
{
	struct es_slot *slot = begin(0, 0x1000, 0, 5, CPUID, 1);
	struct es_snapshot *s;

	(void)state;
	slot->state = ES_STATE_IDLE;
	rest();
	loader.deaf = true;
	slot->cells[1].count = 9;
	fake_act(&loader, slot, ES_STATE_KERNEL);
	begin(5, 0x1000, 1, 6, CPUID, 1);
	s = sample();
	assert_int_equal(es_exits_total(&s->vms[0]->counts), 10);
	es_snapshot_unref(s);
	fake_act(&loader, slot, ES_STATE_IDLE);
	fake_act(&loader, &loader.slots[5], ES_STATE_IDLE);
	rest();
	fake_zap(&loader, slot);
	loader.measured.events = 1ull << ES_MMU_PAGES_ZAPPED;
	end(5, 70);
	s = sample();
	assert_int_equal(s->vms[0]->counts.mmu.shadow_pages.zapped, 1);
	assert_int_equal(loader.freed[5], 0); /* its VM is there: what it counted is in its slot alone */
	es_snapshot_unref(s);
	end(0, 80);
	es_snapshot_unref(sample());
	assert_int_equal(loader.freed[0] + loader.freed[5], 2);
}

/* The loader closes all intervals when it takes the programs off: that nobody announces. */
static void detached_and_attached_again(void **state)
{
	struct es_slot *slot = in_state(ES_STATE_IDLE, 10 * SEC);
	struct es_time t;

	(void)state;
	rest();
	slot->time_ns[ES_STATE_IDLE] = 11 * SEC;
	slot->since_ns += 11 * SEC;
	slot->state = ES_STATE_NEW;
	slot->seq += 2;
	loader.attached = false;
	loader.epoch++;
	t = sample_time();
	assert_int_equal(t.idle_ns, 11 * SEC);
	usleep(1000);
	t = sample_time();
	assert_int_equal(t.total_ns, 11 * SEC + 1000);
	rest();
	es_snapshot_unref(sample());
	assert_int_equal(es_sampler_visited(sampler), 0);
	loader.attached = true;
	loader.epoch++;
	slot->unwatched_ns = SEC;
	slot->since_ns += SEC;
	fake_act(&loader, slot, ES_STATE_GUEST);
	assert_int_equal(sample_time().idle_ns, 11 * SEC);
}

/* --- one VM alone --- */

static void one_vm_alone(void **state)
{
	struct es_slot *a = in_state(ES_STATE_IDLE, 10 * SEC), *b = begin(1, 0x2000, 0, 6, CPUID, 1);
	struct es_snapshot *all, *one, *which, *later;

	(void)state;
	b->state = ES_STATE_IDLE;
	rest();
	all = sample();
	which = es_snapshot_select(all, all->vms[0]->id);
	assert_int_equal(which->n_vms, 1);
	a->cells[1].count = 5;
	a->time_ns[ES_STATE_IDLE] = 10 * SEC;
	a->since_ns += 10 * SEC;
	fake_act(&loader, a, ES_STATE_KERNEL);
	b->cells[1].count = 9;
	fake_act(&loader, b, ES_STATE_KERNEL);
	assert_int_equal(es_sampler_look(sampler, which, true, &one), 0);
	assert_int_equal(one->n_vms, 1);
	check_sums(one);
	assert_int_equal(es_exits_total(&one->vms[0]->counts), 5);
	assert_int_equal(es_exits_total(&all->vms[0]->counts), 1);
	later = sample();
	assert_int_equal(es_exits_total(&later->vms[0]->counts), 5);
	assert_int_equal(es_exits_total(&later->vms[1]->counts), 9);
	for (unsigned int i = 0; i < ES_TIME_PARTS; i++) {
		struct es_time t[3] = { time_at(all, 0), time_at(one, 0), time_at(later, 0) };

		assert_true(ES_U64S(t[0])[i] <= ES_U64S(t[1])[i]);
		assert_true(ES_U64S(t[1])[i] <= ES_U64S(t[2])[i]);
	}
	es_snapshot_unref(one);
	/* Its view is another one by now: only a sample can tell what became of it. */
	assert_int_equal(es_sampler_look(sampler, which, true, &one), -ESRCH);
	end(0, es_monotonic_ns());
	es_snapshot_unref(which);
	which = es_snapshot_select(later, later->vms[0]->id);
	assert_int_equal(es_sampler_look(sampler, which, false, &one), 0);
	assert_int_equal(one->vms[0]->state, ES_VM_RUNNING);
	es_snapshot_unref(one);
	es_snapshot_unref(which);
	es_snapshot_unref(all);
	all = sample();
	assert_int_equal(all->vms[0]->state, ES_VM_ENDED);
	es_snapshot_unref(all);
	es_snapshot_unref(later);
	/* At rest again as if nobody had looked. */
	fake_act(&loader, b, ES_STATE_IDLE);
	rest();
	es_snapshot_unref(sample());
	assert_int_equal(es_sampler_visited(sampler), 0);
}

/* --- many --- */

#define MANY 16000
#define BUSY 10

static size_t visited_when(unsigned int busy, unsigned int round)
{
	struct es_snapshot *s;

	for (unsigned int i = 0; i < busy; i++) {
		struct es_slot *slot = &loader.slots[i * (MANY / BUSY) + round];

		slot->cells[1].count++;
		fake_act(&loader, slot, ES_STATE_IDLE);
	}
	s = sample();
	assert_int_equal(s->n_vms, MANY / 4);
	es_snapshot_unref(s);
	return es_sampler_visited(sampler);
}

/* What a sample costs goes with the vCPUs that ran since the last one, not with the slots. */
static void cost_goes_with_busy_vcpus(void **state)
{
	(void)state;
	es_sampler_free(sampler);
	fake_keeper_clear(&loader);
	assert_int_equal(fake_keeper_init(&loader, MANY), 0);
	sampler = es_sampler_new(&loader, "/proc");
	per_vcpu = false;
	for (uint32_t i = 0; i < MANY; i++)
		fake_begin(&loader, i, 0x1000 + i / 4 * 16, i % 4, i + 1, CPUID, 1)->state = ES_STATE_IDLE;
	es_snapshot_unref(sample());
	assert_int_equal(es_sampler_visited(sampler), MANY);
	rest();
	assert_int_equal(visited_when(0, 0), 0);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(visited_when(BUSY, 0), BUSY);
	/* Others each time: each of them is looked at until it is parked again, the second time after. */
	for (unsigned int i = 1; i < 10; i++)
		assert_true(visited_when(BUSY, i) <= 3 * BUSY);
	rest();
	assert_int_equal(visited_when(0, 0), 0);
}

/* --- paused --- */

#define PID 77

static char proc[64];

static void put_file(const char *folder, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* As /proc has it: in KVM_RUN, or in another system call. */
static void set_thread(uint32_t tid, bool in_kvm)
{
	char folder[128];

	snprintf(folder, sizeof(folder), "%s/%u/task/%u", proc, PID, tid);
	put_file(folder, "stat", "1 (CPU 0/KVM) S 1 1");
	put_file(folder, "syscall", in_kvm ? "16 0xd 0xae80 0x0" : "202 0x7f 0x80 0x0");
}

static void make_proc(void)
{
	char command[256];

	snprintf(proc, sizeof(proc), "/tmp/test_sampler.%d", (int)getpid());
	snprintf(command, sizeof(command), "mkdir -p %s/%u/task/1 %s/%u/task/2", proc, PID, proc, PID);
	assert_int_equal(system(command), 0);
}

static enum es_vm_state sample_state(void)
{
	struct es_snapshot *s = sample();
	enum es_vm_state state = s->vms[0]->state;

	es_snapshot_unref(s);
	return state;
}

static void remove_proc(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", proc);
	assert_int_equal(system(command), 0);
}

/* Counts only, a slot holds no times: a thread that is in user space for a moment is no paused VM there either. */
static void no_pause_at_once_without_times(void **state)
{
	struct timespec a_second = { .tv_sec = 1, .tv_nsec = 1000000 };
	struct es_slot *a;

	(void)state;
	loader.latency = false;
	make_proc();
	es_sampler_free(sampler);
	loader.proc = proc;
	sampler = es_sampler_new(&loader, proc);
	a = begin(0, 0x1000, 0, 5, CPUID, 1);
	a->tgid = PID;
	a->tid = 1;
	set_thread(1, false);
	a->state = ES_STATE_VMM;
	assert_int_equal(sample_state(), ES_VM_RUNNING);
	nanosleep(&a_second, NULL);
	fake_act(&loader, a, ES_STATE_VMM);
	assert_int_equal(sample_state(), ES_VM_RUNNING); /* it came back just now */
	nanosleep(&a_second, NULL);
	assert_int_equal(sample_state(), ES_VM_PAUSED);
	remove_proc();
}

static void paused_is_told_by_proc(void **state)
{
	struct es_slot *a, *b;

	(void)state;
	make_proc();
	es_sampler_free(sampler);
	loader.proc = proc;
	sampler = es_sampler_new(&loader, proc);
	a = begin(0, 0x1000, 0, 5, CPUID, 1);
	b = begin(1, 0x1000, 1, 5, CPUID, 1);
	a->tgid = b->tgid = PID;
	a->tid = 1;
	b->tid = 2;
	set_thread(1, false);
	set_thread(2, true);
	a->state = ES_STATE_VMM;
	a->since_ns = b->since_ns = es_monotonic_ns() - 3 * SEC;
	b->state = ES_STATE_IDLE;
	rest();
	assert_int_equal(sample_state(), ES_VM_RUNNING);
	assert_int_equal(es_sampler_visited(sampler), 0);
	/* Both in user space, the second one only just now. */
	b->since_ns = es_monotonic_ns();
	fake_act(&loader, b, ES_STATE_VMM);
	assert_int_equal(sample_state(), ES_VM_RUNNING);
	b->since_ns -= 2 * SEC;
	fake_act(&loader, b, ES_STATE_VMM);
	assert_int_equal(sample_state(), ES_VM_RUNNING); /* /proc says that its thread is in KVM */
	set_thread(2, false);
	assert_int_equal(sample_state(), ES_VM_PAUSED);
	rest();
	assert_int_equal(sample_state(), ES_VM_PAUSED);
	assert_int_equal(es_sampler_visited(sampler), 0);
	/* Back in KVM, and halted at once: nothing is announced. */
	set_thread(1, true);
	assert_int_equal(sample_state(), ES_VM_RUNNING);
	a->look_seq = a->seq;
	a->look_halted = 1;
	rest();
	assert_int_equal(sample_state(), ES_VM_RUNNING);
	assert_int_equal(es_sampler_visited(sampler), 0);
	remove_proc();
}

/* --- everything at once --- */

#define LIVES 20000

struct model {
	struct es_slot *slot; /* NULL: free */
	uint64_t exits;
};

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* The vCPU does something as the programs would note it down: exits, time, another state. */
static void live(struct model *m, uint64_t now, uint64_t *seed)
{
	struct es_slot *s = m->slot;
	enum es_state from = s->state & ~ES_STATE_PARKED;
	unsigned int cell = 1 + next(seed) % 8;

	while (s->cells_used <= cell) {
		s->cells[s->cells_used].code = 0x60 + (uint32_t)(next(seed) % 4) * 0x100 + s->cells_used;
		s->cells[s->cells_used].count = 1;
		s->cells_used++;
		m->exits++;
	}
	s->cells[cell].count++;
	s->cells[cell].time_ns += next(seed) % 1000;
	s->cells[cell].hist[next(seed) % ES_HIST_BUCKETS]++;
	if (next(seed) % 4 == 0)
		s->cells[cell].max_ns += next(seed) % 1000;
	s->mmu[next(seed) % ES_MMU_EVENTS]++;
	m->exits++;
	if (from == ES_STATE_NEW)
		s->first_ns = now;
	else
		s->time_ns[from] += now - s->since_ns;
	s->since_ns = now;
	fake_act(&loader, s, (enum es_state)(ES_STATE_GUEST + next(seed) % 4));
}

/* Every VM of the model has one or two vCPUs, in slots 2n and 2n + 1. */
static void check_model(const struct model *m, const struct es_snapshot *s)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < s->n_vms; i++) {
		const struct es_vm *vm = s->vms[i];
		unsigned int n = (unsigned int)strtoul(strrchr(vm->id, '-') + 1, NULL, 16) & ~1u;
		uint64_t exits = 0;

		time_at(s, i);
		if (vm->state == ES_VM_ENDED)
			continue;
		for (unsigned int k = n; k < n + 2; k++)
			exits += m[k].slot ? m[k].exits : 0;
		assert_int_equal(es_exits_total(&vm->counts), exits);
		seen++;
	}
	for (unsigned int n = 0; n < SLOTS; n += 2)
		seen -= m[n].slot || m[n + 1].slot;
	assert_int_equal(seen, 0);
}

static void random_lives(void **state)
{
	struct model m[SLOTS] = { 0 };
	struct es_snapshot *last = NULL;
	uint64_t seed = 5, vms = 0;
	unsigned int ended = 0, told = 0;

	(void)state;
	loader.measured.events = (1ull << ES_MMU_EVENTS) - 1;
	for (int i = 0; i < LIVES; i++) {
		unsigned int n = next(&seed) % SLOTS & ~1u, k = n + next(&seed) % 2;
		unsigned int what = next(&seed) % 100;

		loader.deaf = next(&seed) % 20 == 0;
		if (loader.slots[n].ended_ns || loader.slots[n + 1].ended_ns)
			what = 100; /* free again when they were read */
		if (what < 4 && !m[n].slot && !m[n + 1].slot) {
			m[k] = (struct model){ begin(k, 0x1000 * ++vms, 0, es_monotonic_ns(), CPUID, 1), 1 };
			m[k].slot->state = ES_STATE_NEW;
		} else if (what < 6 && m[k ^ 1].slot && !m[k].slot) {
			m[k] = (struct model){ begin(k, m[k ^ 1].slot->kvm, 1, es_monotonic_ns(), CPUID, 1),
					       1 };
			m[k].slot->state = ES_STATE_NEW;
		} else if (what < 7 && (m[n].slot || m[n + 1].slot)) {
			for (k = n; k < n + 2; k++)
				if (m[k].slot)
					end(k, es_monotonic_ns());
			m[n].slot = m[n + 1].slot = NULL;
			ended++;
		} else if (what < 30 && m[k].slot) {
			live(&m[k], es_monotonic_ns(), &seed);
		} else if (what < 33 && m[k].slot) {
			fake_zap(&loader, m[k].slot);
		} else if (what > 70) {
			struct es_snapshot *s;

			per_vcpu = next(&seed) % 4 == 0;
			s = sample();
			for (size_t v = 0; v < s->n_vms; v++)
				told += s->vms[v]->state == ES_VM_ENDED;
			check_model(m, s);
			assert_int_equal(told, ended);
			es_snapshot_unref(last);
			last = s;
		} else if (what > 60 && last && last->n_vms) {
			struct es_snapshot *which = es_snapshot_select(
						   last, last->vms[next(&seed) % last->n_vms]->id),
					   *one;

			if (!es_sampler_look(sampler, which, true, &one)) {
				check_sums(one);
				time_at(one, 0);
				es_snapshot_unref(one);
			}
			es_snapshot_unref(which);
		}
	}
	es_snapshot_unref(last);
	assert_true(ended > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(idle_vcpus_are_not_looked_at),   TEST(who_runs_or_waits_is_not_parked),
		TEST(wiped_mark_is_noticed),	      TEST(lost_announcements_are_made_up_for),
		TEST(detached_and_attached_again),    TEST(one_vm_alone),
		TEST(cost_goes_with_busy_vcpus),      TEST(paused_is_told_by_proc),
		TEST(no_pause_at_once_without_times), TEST(random_lives),
	};

	return cmocka_run_group_tests_name("sampler_rest", tests, NULL, NULL);
}
