// SPDX-License-Identifier: GPL-2.0-only
/* The privileged process, asked by one that was taken over: what it refuses, and that it goes on. */
#include "es_test.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/keeper_server.h"
#include "../../src/keeper_wire.h"

#define SLOTS 8

/* --- a loader without BPF --- */

struct es_loader {
	struct es_slot slots[SLOTS];
	unsigned int freed[SLOTS], read, parked, attached;
	bool life;
	char build[ES_BUILD_MAX];
	struct es_mmu_measured mmu;
};

static struct es_loader loader;

int es_loader_new(const struct es_loader_options *o, struct es_loader **out, char *err, size_t size)
{
	(void)o, (void)err, (void)size;
	*out = &loader;
	return 0;
}

struct es_slot *es_loader_slots(const struct es_loader *l, unsigned int *n)
{
	*n = SLOTS;
	return ((struct es_loader *)l)->slots;
}

int es_loader_slot_free(struct es_loader *l, uint32_t slot)
{
	l->slots[slot].ended_ns = 0;
	l->freed[slot]++;
	return 0;
}

void es_loader_slot_end(struct es_loader *l, uint32_t slot, uint64_t now)
{
	l->slots[slot].vcpu = 0;
	l->slots[slot].ended_ns = now;
}

int es_loader_attach_exits(struct es_loader *l, enum es_isa isa, const char *build, char *err, size_t size)
{
	(void)isa, (void)err, (void)size;
	snprintf(l->build, sizeof(l->build), "%s", build);
	l->attached++;
	return 0;
}

bool es_loader_park(struct es_loader *l, uint32_t slot, uint8_t state)
{
	l->parked++;
	return l->slots[slot].state == state;
}

void es_loader_read_threads(struct es_loader *l, const uint32_t *slots, size_t n)
{
	for (size_t i = 0; i < n; i++)
		l->read += l->slots[slots[i]].index + 1;
}

int es_loader_slots_fd(const struct es_loader *l)
{
	(void)l;
	return dup(0);
}
int es_loader_events_fd(const struct es_loader *l)
{
	(void)l;
	return dup(0);
}
int es_loader_attach_life(struct es_loader *l, char *err, size_t size)
{
	(void)l, (void)err, (void)size;
	return 0;
}
int es_loader_events_take(struct es_loader *l, struct es_event *out, uint32_t max)
{
	(void)l, (void)out, (void)max;
	return 0;
}
bool es_loader_life_attached(const struct es_loader *l)
{
	return l->life;
}
bool es_loader_attached(const struct es_loader *l)
{
	return l->attached;
}
bool es_loader_typed(const struct es_loader *l)
{
	(void)l;
	return true;
}
bool es_loader_latency(const struct es_loader *l)
{
	(void)l;
	return true;
}
bool es_loader_waits(const struct es_loader *l)
{
	(void)l;
	return true;
}
bool es_loader_optional_attached(const struct es_loader *l, enum es_optional_id id)
{
	(void)l, (void)id;
	return false;
}
bool es_loader_pin_explain(const struct es_loader *l, char *buf, size_t size)
{
	(void)l;
	snprintf(buf, size, "off");
	return false;
}
uint32_t es_loader_flags(const struct es_loader *l)
{
	(void)l;
	return 0;
}
uint64_t es_loader_epoch(const struct es_loader *l)
{
	(void)l;
	return 7;
}
const char *es_loader_build(const struct es_loader *l)
{
	return l->build;
}
const struct es_mmu_measured *es_loader_mmu(const struct es_loader *l)
{
	return &l->mmu;
}
void es_loader_free(struct es_loader *l)
{
	(void)l;
}
void es_loader_detach_life(struct es_loader *l)
{
	l->life = false;
}
void es_loader_detach_exits(struct es_loader *l)
{
	l->attached = 0;
}
void es_loader_forget_threads(struct es_loader *l)
{
	(void)l;
}
void es_loader_lost(const struct es_loader *l, uint64_t out[ES_HEALTH_MAX])
{
	(void)l;
	memset(out, 0, ES_HEALTH_MAX * sizeof(*out));
}
void es_loader_health(const struct es_loader *l, struct es_loader_health *out)
{
	(void)l;
	memset(out, 0, sizeof(*out));
}
void es_loader_counts(const struct es_loader *l, struct es_cost_counts *out)
{
	(void)l;
	memset(out, 0, sizeof(*out));
}
void es_loader_status(struct es_loader *l, struct es_status *st)
{
	(void)l;
	st->n_programs = 1;
}
void es_loader_optional_explain(const struct es_loader *l, enum es_optional_id id, char *buf, size_t size)
{
	(void)l, (void)id;
	snprintf(buf, size, "%s", "counted");
}

/* --- the other process --- */

static int peer;
static pthread_t keeper;
static struct es_keeper_question q;
static struct es_keeper_answer a;

static void *serve(void *fd)
{
	const struct es_loader_options o = { .slots = SLOTS };

	es_keeper_serve((int)(intptr_t)fd, &o);
	close((int)(intptr_t)fd);
	return NULL;
}

/* The fds that come are dropped. */
static ssize_t receive(void)
{
	return recv(peer, &a, sizeof(a), 0);
}

static int setup(void **state)
{
	int pair[2];

	(void)state;
	memset(&loader, 0, sizeof(loader));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		return -1;
	peer = pair[0];
	return pthread_create(&keeper, NULL, serve, (void *)(intptr_t)pair[1]) || receive() < 0 || a.r;
}

static int teardown(void **state)
{
	(void)state;
	close(peer);
	return pthread_join(keeper, NULL);
}

static int ask(uint32_t op, size_t size)
{
	q.op = op;
	assert_int_equal(send(peer, &q, size, 0), size);
	assert_true(receive() >= (ssize_t)offsetof(struct es_keeper_answer, text));
	return a.r;
}

static int ask_slot(uint32_t op, uint32_t slot)
{
	memset(&q, 0, sizeof(q));
	q.slot = slot;
	return ask(op, sizeof(q));
}

static void a_slot_is_freed_once_and_only_if_it_ended(void **state)
{
	(void)state;
	assert_int_equal(ask_slot(ES_ASK_SLOT_FREE, 3), -EINVAL);
	loader.slots[3].vcpu = 1;
	assert_int_equal(ask_slot(ES_ASK_SLOT_FREE, 3), -EINVAL);
	loader.slots[3].vcpu = 0;
	loader.slots[3].ended_ns = 5;
	assert_int_equal(ask_slot(ES_ASK_SLOT_FREE, 3), 0);
	assert_int_equal(ask_slot(ES_ASK_SLOT_FREE, 3), -EINVAL);
	assert_int_equal(loader.freed[3], 1);
	assert_int_equal(ask_slot(ES_ASK_SLOT_FREE, SLOTS), -EINVAL);
	assert_int_equal(ask_slot(ES_ASK_SLOT_FREE, UINT32_MAX), -EINVAL);
}

static void a_slot_is_ended_only_where_no_program_tells(void **state)
{
	(void)state;
	loader.slots[2].vcpu = 1;
	loader.life = true;
	assert_int_equal(ask_slot(ES_ASK_SLOT_END, 2), -EINVAL);
	loader.life = false;
	assert_int_equal(ask_slot(ES_ASK_SLOT_END, SLOTS), -EINVAL);
	assert_int_equal(ask_slot(ES_ASK_SLOT_END, 1), -EINVAL); /* nobody's */
	assert_int_equal(ask_slot(ES_ASK_SLOT_END, 2), 0);
	assert_int_equal(ask_slot(ES_ASK_SLOT_END, 2), -EINVAL);
}

static void lists_of_slots_are_checked(void **state)
{
	(void)state;
	for (uint32_t op = ES_ASK_PARK; op <= ES_ASK_READ_THREADS; op++) {
		memset(&q, 0, sizeof(q));
		q.n = ES_KEEPER_SLOTS + 1;
		assert_int_equal(ask(op, sizeof(q)), -EINVAL);
		q.n = 3;
		q.slots[2] = SLOTS;
		assert_int_equal(ask(op, sizeof(q)), -EINVAL);
	}
	assert_int_equal(loader.read + loader.parked, 0);
	memset(&q, 0, sizeof(q));
	q.n = 2;
	q.slots[1] = 1;
	q.states[1] = 9;
	assert_int_equal(ask(ES_ASK_PARK, sizeof(q)), 0);
	assert_true(a.parked[0] && !a.parked[1]);
}

static void words_are_checked(void **state)
{
	(void)state;
	memset(&q, 'x', sizeof(q));
	assert_int_equal(ask(ES_ASK_ATTACH_EXITS, sizeof(q)), -EINVAL); /* no such isa */
	q.isa = ES_ISA_SVM;
	assert_int_equal(ask(ES_ASK_ATTACH_EXITS, sizeof(q)), 0);
	assert_int_equal(strlen(loader.build), ES_BUILD_MAX - 1); /* it did not end in a NUL */
	q.id = ES_OPTIONALS;
	assert_int_equal(ask(ES_ASK_EXPLAIN, sizeof(q)), -EINVAL);
	assert_int_equal(ask_slot(ES_ASK_EXE, SLOTS), -EINVAL);
	assert_int_equal(ask_slot(ES_ASK_THREAD_CALL, SLOTS), -EINVAL);
	assert_int_equal(ask_slot(ES_ASK_START, 0), -EINVAL);
	assert_int_equal(ask_slot(ES_ASK_OPS, 0), -EINVAL);
	assert_int_equal(ask_slot(UINT32_MAX, 0), -EINVAL);
}

/* A question cut off anywhere is taken for one whose rest is 0, and never for what the one before left there. */
static void short_questions(void **state)
{
	(void)state;
	loader.slots[5].ended_ns = 1;
	loader.slots[0].ended_ns = 1;
	memset(&q, 0, sizeof(q));
	q.slot = 5;
	assert_int_equal(ask(ES_ASK_HEALTH, sizeof(q)), 0);
	assert_int_equal(ask(ES_ASK_SLOT_FREE, sizeof(q.op)), 0);
	assert_int_equal(loader.freed[5], 0);
	assert_int_equal(loader.freed[0], 1);
}

static void garbage(void **state)
{
	(void)state;
	srandom(1);
	for (unsigned int i = 0; i < 10000; i++) {
		size_t size = 1 + (size_t)random() % sizeof(q);

		for (size_t k = 0; k < sizeof(q); k++)
			((unsigned char *)&q)[k] = (unsigned char)random();
		q.op %= 2 * ES_ASK_OPS;
		/* Those that look at this machine take long, or need a KVM. */
		if (q.op == ES_ASK_STATS_ON || q.op == ES_ASK_DEBUGFS || q.op == ES_ASK_THREAD_CALL ||
		    q.op == ES_ASK_EXE)
			continue;
		assert_int_equal(send(peer, &q, size, 0), size);
		assert_true(receive() > 0);
	}
	assert_int_equal(ask_slot(ES_ASK_HEALTH, 0), 0);
	assert_int_equal(a.state.epoch, 7);
}

#define KEEPER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEEPER_TEST(a_slot_is_freed_once_and_only_if_it_ended),
		KEEPER_TEST(a_slot_is_ended_only_where_no_program_tells),
		KEEPER_TEST(lists_of_slots_are_checked),
		KEEPER_TEST(words_are_checked),
		KEEPER_TEST(short_questions),
		KEEPER_TEST(garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
