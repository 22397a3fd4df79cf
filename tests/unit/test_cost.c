// SPDX-License-Identifier: GPL-2.0-only
/* Measurements of what the programs cost, over statistics that the test keeps in place of the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "es_test.h"

#include "../../src/daemon_cost.h"

#define MS 1000000ULL

static struct kernel {
	struct es_cost_counts counts;
	int fd;		    /* the reading end: at its end once all that was given out is closed */
	unsigned int asked; /* to switch them on */
	int error;
} kernel;

static sd_event *event;
static struct es_costs *costs;

static int on(void *ctx, char why[ES_COST_WHY])
{
	int fds[2];

	assert_ptr_equal(ctx, &kernel);
	kernel.asked++;
	if (kernel.error) {
		snprintf(why, ES_COST_WHY, "it does not want to");
		return kernel.error;
	}
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	if (kernel.fd >= 0)
		close(kernel.fd);
	kernel.fd = fds[0];
	return fds[1];
}

static bool is_on(void)
{
	char c;

	return kernel.fd >= 0 && read(kernel.fd, &c, 1) < 0 && errno == EAGAIN;
}

static void counts(void *ctx, struct es_cost_counts *out)
{
	assert_ptr_equal(ctx, &kernel);
	assert_true(is_on());
	*out = kernel.counts;
}

static const struct es_cost_ops ops = { on, counts };

static int set_up(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.fd = -1;
	if (sd_event_new(&event) < 0)
		return -1;
	costs = es_costs_new(event, &ops, &kernel);
	return costs ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	assert_false(is_on());
	if (kernel.fd >= 0)
		close(kernel.fd);
	es_costs_free(costs);
	sd_event_unref(event);
	return 0;
}

struct asker {
	struct es_cost_run *run;
	bool ready;
};

static void ready(void *ctx)
{
	struct asker *a = ctx;

	assert_false(a->ready);
	a->ready = true;
}

static void ask(struct asker *a, unsigned int ms)
{
	char why[ES_COST_WHY] = "";

	*a = (struct asker){ 0 };
	assert_int_equal(es_cost_begin(costs, ms * MS, ready, a, &a->run, why), 0);
	assert_non_null(a->run);
}

static void run_until(const struct asker *a)
{
	for (unsigned int i = 0; !a->ready && i < 1000; i++)
		assert_true(sd_event_run(event, 10000) >= 0);
	assert_true(a->ready);
}

static void runs(const char *name, uint64_t n, uint64_t ns)
{
	es_cost_add(&kernel.counts, name, n, ns);
}

static void expect(const struct es_cost *c, const char *name, uint64_t n, uint64_t ns)
{
	for (unsigned int i = 0; i < c->in.n; i++) {
		const struct es_cost_program *p = &c->in.programs[i];

		if (strcmp(p->name, name))
			continue;
		assert_int_equal(p->runs, n);
		assert_int_equal(p->ns, ns);
		return;
	}
	fail_msg("nothing of %s", name);
}

static void what_came_in_between(void **state)
{
	const struct es_cost *c;
	struct asker a;
	uint64_t begin = es_monotonic_ns(), end;

	(void)state;
	runs("exit", 1000, 90000);
	runs("entry", 7, 70);
	kernel.counts.daemon_ns = 500;
	kernel.counts.samples = 3;
	ask(&a, 30);
	assert_true(is_on());
	runs("exit", 10, 1000);
	kernel.counts.daemon_ns = 600;
	kernel.counts.samples = 4;
	run_until(&a);
	assert_false(is_on());
	end = es_monotonic_ns();
	runs("exit", 5, 5); /* too late */
	c = es_cost_result(a.run);
	assert_string_equal(c->why, "");
	assert_in_range(c->interval_ns, 29 * MS, end - begin);
	assert_int_equal(c->in.n, 2);
	expect(c, "exit", 10, 1000);
	expect(c, "entry", 0, 0);
	assert_int_equal(c->in.daemon_ns, 100);
	assert_int_equal(c->in.samples, 1);
	es_cost_end(a.run);
}

static void programs_that_come_meanwhile(void **state)
{
	struct asker a;

	(void)state;
	runs("exit", 10, 100);
	ask(&a, 10);
	runs("fault", 3, 30);
	run_until(&a);
	expect(es_cost_result(a.run), "exit", 0, 0);
	expect(es_cost_result(a.run), "fault", 3, 30);
	es_cost_end(a.run);
}

/* A counter that went back, or is not known, is no number. */
static void what_cannot_be_told(void **state)
{
	struct asker a;

	(void)state;
	runs("exit", 10, 100);
	kernel.counts.daemon_ns = ES_NONE;
	ask(&a, 10);
	kernel.counts.programs[0].runs = 5;
	run_until(&a);
	expect(es_cost_result(a.run), "exit", ES_NONE, 0);
	assert_true(es_cost_result(a.run)->in.daemon_ns == ES_NONE);
	es_cost_end(a.run);
}

static void several_share_one_switch(void **state)
{
	struct asker a, b, c;

	(void)state;
	ask(&a, 30);
	runs("exit", 1, 10);
	ask(&b, 60);
	runs("exit", 2, 20);
	assert_int_equal(kernel.asked, 1);
	run_until(&a);
	assert_true(is_on());
	runs("exit", 4, 40);
	ask(&c, 1);
	assert_int_equal(kernel.asked, 1);
	run_until(&b);
	run_until(&c);
	assert_false(is_on());
	expect(es_cost_result(a.run), "exit", 3, 30);
	expect(es_cost_result(b.run), "exit", 6, 60);
	es_cost_end(a.run);
	es_cost_end(b.run);
	es_cost_end(c.run);
	ask(&a, 1); /* and on again */
	assert_int_equal(kernel.asked, 2);
	assert_true(is_on());
	run_until(&a);
	es_cost_end(a.run);
}

static void given_up(void **state)
{
	struct asker a, b;

	(void)state;
	ask(&a, 1000);
	ask(&b, 20);
	es_cost_end(a.run);
	assert_true(is_on()); /* for b */
	run_until(&b);
	assert_false(is_on());
	assert_false(a.ready);
	es_cost_end(b.run);
	es_cost_end(NULL);

	ask(&a, 1000);
	es_cost_end(a.run);
	assert_false(is_on());
	assert_int_equal(kernel.asked, 2);
}

/* As a server does whose clients are all gone once one has its answer. */
static void end_two(void *ctx)
{
	struct asker *two = ctx;

	es_cost_end(two[0].run);
	es_cost_end(two[1].run);
	two[0].ready = true;
}

static void ended_while_told(void **state)
{
	char why[ES_COST_WHY] = "";
	struct asker two[2];

	(void)state;
	ask(&two[1], 1000);
	two[0].ready = false;
	assert_int_equal(es_cost_begin(costs, MS, end_two, two, &two[0].run, why), 0);
	run_until(&two[0]);
	assert_false(is_on());
}

static void refused(void **state)
{
	char why[ES_COST_WHY] = "";
	struct asker a = { 0 };

	(void)state;
	kernel.error = -EPERM;
	assert_int_equal(es_cost_begin(costs, MS, ready, &a, &a.run, why), -EPERM);
	assert_null(a.run);
	assert_string_equal(why, "it does not want to");
	kernel.error = 0;
	ask(&a, 1);
	run_until(&a);
	es_cost_end(a.run);
}

static void more_programs_than_there_is_room_for(void **state)
{
	struct es_cost_counts c = { .n = 0 };
	char name[16];

	(void)state;
	for (unsigned int i = 0; i < 2 * ES_COST_PROGRAMS; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		es_cost_add(&c, name, 1, 1);
		es_cost_add(&c, name, 1, 1);
	}
	assert_int_equal(c.n, ES_COST_PROGRAMS);
	assert_int_equal(c.programs[ES_COST_PROGRAMS - 1].runs, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_came_in_between),
		TEST(programs_that_come_meanwhile),
		TEST(what_cannot_be_told),
		TEST(several_share_one_switch),
		TEST(given_up),
		TEST(ended_while_told),
		TEST(refused),
		TEST(more_programs_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
