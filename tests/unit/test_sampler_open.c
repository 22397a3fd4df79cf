// SPDX-License-Identifier: GPL-2.0-only
/* Time that goes on: a state that is not over yet, seen by the sampler and by who reads its snapshots. */
#include "sampler_fixture.h"

static void open_halt_is_idle_now_and_never_shrinks(void **state)
{
	uint64_t idle, halted = es_monotonic_ns() / 2; /* a machine may be up for a minute only */
	struct es_slot *slot = in_state(ES_STATE_IDLE, halted);
	struct es_time t = sample_time();

	(void)state;
	idle = t.idle_ns;
	assert_true(idle >= halted && idle < halted + 100 * SEC);
	assert_int_equal(t.guest_ns, 1000);
	assert_int_equal(t.kernel_ns, 0);
	/* Half a second of it was on the way into the halt, as turns out when it is over. */
	slot->time_ns[ES_STATE_KERNEL] = SEC / 2;
	slot->time_ns[ES_STATE_IDLE] = idle - SEC / 2;
	slot->since_ns += idle;
	slot->state = ES_STATE_KERNEL;
	slot->seq += 2;
	t = sample_time();
	assert_int_equal(t.idle_ns, idle);
	assert_true(t.kernel_ns < SEC / 2);
	slot->since_ns -= SEC; /* as if a second went by */
	slot->first_ns -= SEC;
	slot->seq += 2;
	t = sample_time();
	assert_true(t.kernel_ns >= SEC && t.kernel_ns < SEC + SEC / 2);
}

/* A vCPU at rest is the same view in every snapshot, and yet goes on. */
static void shared_view_goes_on(void **state)
{
	struct es_snapshot *a, *b;
	uint64_t ns;

	(void)state;
	in_state(ES_STATE_IDLE, 7);
	es_snapshot_unref(sample());
	a = sample();
	b = sample();
	assert_ptr_equal(a->vms[0], b->vms[0]);
	ns = b->taken.monotonic_ns - a->taken.monotonic_ns;
	assert_int_equal(time_at(b, 0).idle_ns - time_at(a, 0).idle_ns, ns);
	assert_int_equal(time_at(b, 0).total_ns - time_at(a, 0).total_ns, ns);
	es_snapshot_unref(a);
	es_snapshot_unref(b);
}

/* What is known to wait for a CPU right now is no time of its state, and goes on waiting. */
static void waiting_is_seen_while_it_lasts(void **state)
{
	struct es_slot *slot = in_state(ES_STATE_GUEST, 10 * SEC);
	struct es_snapshot *s;
	struct es_time t;

	(void)state;
	slot->look_wait_ns = 6 * SEC;
	slot->look_seq = slot->seq;
	slot->look_queued = 1;
	s = sample();
	t = time_at(s, 0);
	assert_int_equal(t.runqueue_ns, 6 * SEC);
	assert_true(t.guest_ns >= 4 * SEC + 1000 && t.guest_ns < 5 * SEC);
	assert_int_equal(s->vms[0]->counts.open.vcpus[ES_TIME_RUNQUEUE], 1);
	es_snapshot_unref(s);
	slot->look_wait_ns = 7 * SEC; /* it was looked at again */
	assert_true(sample_time().runqueue_ns >= 6 * SEC);
	/* A look at another state says nothing. */
	slot->seq += 2;
	assert_true(sample_time().runqueue_ns < 8 * SEC);
}

/* Sent back into KVM while halted: no event tells until it wakes. */
static void asleep_is_idle_from_the_look_on(void **state)
{
	struct es_slot *slot = in_state(ES_STATE_VMM, 10 * SEC);
	struct es_snapshot *s;
	struct es_time t;
	uint64_t taken;

	(void)state;
	s = sample();
	taken = s->taken.monotonic_ns;
	t = time_at(s, 0);
	assert_int_equal(t.vmm_ns, taken - slot->since_ns);
	es_snapshot_unref(s);
	slot->look_seq = slot->seq;
	slot->look_halted = 1;
	s = sample();
	taken = s->taken.monotonic_ns;
	t = time_at(s, 0);
	assert_int_equal(t.vmm_ns, taken - slot->since_ns);
	assert_int_equal(s->vms[0]->counts.open.vcpus[ES_TIME_IDLE], 1);
	es_snapshot_unref(s);
	usleep(2000);
	s = sample();
	assert_int_equal(time_at(s, 0).vmm_ns, t.vmm_ns);
	assert_int_equal(time_at(s, 0).idle_ns, s->taken.monotonic_ns - taken);
	es_snapshot_unref(s);
}

/* The programs write on while slots are read: what is later than the snapshot is in the next one. */
static void what_is_later_than_the_snapshot_waits(void **state)
{
	struct es_slot *slot = in_state(ES_STATE_GUEST, 0);
	struct es_snapshot *s;
	struct es_time t;

	(void)state;
	slot->time_ns[ES_STATE_KERNEL] = SEC;
	slot->since_ns += SEC;
	s = sample();
	t = time_at(s, 0);
	assert_true(t.total_ns < SEC);
	assert_int_equal(t.total_ns, s->taken.monotonic_ns - slot->first_ns);
	es_snapshot_unref(s);
}

static void what_nobody_watched_is_no_time(void **state)
{
	struct es_slot *slot = in_state(ES_STATE_NEW, 50 * SEC);
	struct es_time t;

	(void)state;
	loader.attached = false;
	for (int i = 0; i < 2; i++) {
		t = sample_time();
		assert_int_equal(t.guest_ns, 1000);
		assert_int_equal(t.total_ns, 1000);
	}
	/* Attached again; it entered the guest 20 seconds ago. */
	loader.attached = true;
	slot->unwatched_ns = 30 * SEC;
	slot->since_ns += 30 * SEC;
	slot->state = ES_STATE_GUEST;
	slot->seq += 2;
	t = sample_time();
	assert_true(t.guest_ns >= 20 * SEC + 1000 && t.guest_ns < 21 * SEC);
}

static void time_stops_when_the_vm_ends(void **state)
{
	struct es_slot *slot = in_state(ES_STATE_VMM, 10 * SEC);
	struct es_snapshot *s;

	(void)state;
	slot->state |= ES_STATE_PARKED;
	end(0, slot->since_ns + 3 * SEC);
	s = sample();
	assert_int_equal(s->vms[0]->state, ES_VM_ENDED);
	assert_int_equal(time_at(s, 0).vmm_ns, 3 * SEC);
	assert_int_equal(time_at(s, 0).guest_ns, 1000);
	assert_int_equal(s->vms[0]->counts.open.vcpus[ES_TIME_VMM], 0);
	es_snapshot_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(open_halt_is_idle_now_and_never_shrinks),
		TEST(shared_view_goes_on),
		TEST(waiting_is_seen_while_it_lasts),
		TEST(asleep_is_idle_from_the_look_on),
		TEST(what_is_later_than_the_snapshot_waits),
		TEST(what_nobody_watched_is_no_time),
		TEST(time_stops_when_the_vm_ends),
	};

	return cmocka_run_group_tests_name("sampler_open", tests, NULL, NULL);
}
