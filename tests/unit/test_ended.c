// SPDX-License-Identifier: GPL-2.0-only
/* VMs that ended, in a file for the next daemon: what it finds there, also of a file that somebody spoilt. */
#include "es_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <exitstat/store.h>

#include "../../src/daemon_ended.h"

static const struct es_store_options options = { .ring = 2,
						 .ended_keep_ns = 1000000000000,
						 .ended_max = 1000 };
static char dir[64], socket_path[80], file[128];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/exitstat-ended-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
	snprintf(file, sizeof(file), "%s.ended/vms.jsonl", socket_path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	es_ended_remove(socket_path);
	return rmdir(dir);
}

static struct es_ended *open_ended(void)
{
	const struct es_privilege_user me = { getuid(), getgid(), true };
	struct es_ended *e;
	char err[256];

	assert_int_equal(es_ended_open(socket_path, &me, &e, err, sizeof(err)), 0);
	return e;
}

/* A daemon's sample with a VM that ends: stored, then written. */
static void end_vm(struct es_ended *e, struct es_store *st, unsigned int n)
{
	struct es_snapshot *s = es_snapshot_new();
	char name[32];
	struct es_vm *vm;

	snprintf(name, sizeof(name), "vm%u", n);
	vm = es_vm_new(name, name);
	vm->state = ES_VM_ENDED;
	vm->ended_ns = 1000 + n;
	vm->uid = 4000 + n;
	s->host.isa = ES_ISA_SVM;
	s->taken.monotonic_ns = 1000 + n;
	es_sample_reason(&vm->counts, 0x72, n + 1, 100);
	assert_int_equal(es_snapshot_add(s, vm), 0);
	assert_int_equal(es_store_put(st, es_snapshot_ref(s), true), 0);
	es_ended_write(e, s, st);
	es_snapshot_unref(s);
}

/* What another daemon knows after its first look at a host without VMs. */
static struct es_store *another(void)
{
	struct es_store *st = es_store_new(&options);
	struct es_ended *e = open_ended();
	struct es_snapshot *s = es_snapshot_new();

	s->taken.monotonic_ns = 5000;
	es_ended_load(e, st);
	assert_int_equal(es_store_put(st, s, true), 0);
	es_ended_free(e);
	return st;
}

static void the_next_daemon_knows_them(void **state)
{
	struct es_store *st = es_store_new(&options), *next;
	struct es_ended *e = open_ended();
	const struct es_snapshot *s;
	struct stat about;

	(void)state;
	es_ended_load(e, st);
	for (unsigned int i = 0; i < 600; i++)
		end_vm(e, st, i);
	es_ended_free(e);
	es_store_free(st);
	assert_int_equal(stat(file, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0600);
	next = another();
	s = es_store_latest(next);
	assert_int_equal(s->n_vms, 600);
	/* The newest first. */
	assert_string_equal(s->vms[0]->name, "vm599");
	assert_int_equal(s->vms[0]->uid, 4599);
	assert_int_equal(es_exits_total(&s->vms[0]->counts), 600);
	es_store_free(next);
}

static void the_file_does_not_grow_for_ever(void **state)
{
	const struct es_store_options few = { .ring = 2, .ended_keep_ns = 1000000000000, .ended_max = 2 };
	struct es_store *st = es_store_new(&few);
	struct es_ended *e = open_ended();
	struct stat small, about;

	(void)state;
	es_ended_load(e, st);
	end_vm(e, st, 0);
	assert_int_equal(stat(file, &small), 0);
	for (unsigned int i = 1; i < 2000; i++)
		end_vm(e, st, i);
	assert_int_equal(stat(file, &about), 0);
	assert_true(about.st_size < 300 * small.st_size);
	es_ended_free(e);
	es_store_free(st);
}

/* Half a line of a daemon that was killed, and lines of anybody. */
static void bad_lines_are_left_out(void **state)
{
	static const char *const bad[] = {
		"{\"uid\":1,\"snapsh",
		"\n[]\n{}\nnull\n{\"uid\":-1}\n{\"uid\":99999999999,\"snapshot\":{}}\n{\"uid\":0,"
		"\"snapshot\":7}\n",
		"{\"uid\":0,\"snapshot\":{\"schema\":\"exitstat/1\",\"vms\":[]}}\n",
	};
	struct es_store *st = es_store_new(&options), *next;
	struct es_ended *e = open_ended();
	FILE *f;

	(void)state;
	es_ended_load(e, st);
	end_vm(e, st, 1);
	es_ended_free(e);
	es_store_free(st);
	f = fopen(file, "a");
	assert_non_null(f);
	for (size_t i = 0; i < ES_ARRAY_SIZE(bad); i++)
		fputs(bad[i], f);
	fputc('\0', f);
	fclose(f);
	next = another();
	assert_int_equal(es_store_latest(next)->n_vms, 1);
	es_store_free(next);
}

static void a_folder_of_others_is_refused(void **state)
{
	const struct es_privilege_user me = { getuid(), getgid(), true };
	char path[128], err[256] = "";
	struct es_ended *e;

	(void)state;
	snprintf(path, sizeof(path), "%s.ended", socket_path);
	assert_int_equal(mkdir(path, 0700) || chmod(path, 0777), 0);
	assert_true(es_ended_open(socket_path, &me, &e, err, sizeof(err)) < 0);
	assert_non_null(strstr(err, "cannot keep VMs that ended in"));
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_true(es_ended_open(socket_path, &me, &e, err, sizeof(err)) < 0);
	assert_int_equal(unlink(path), 0);
}

#define ENDED_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENDED_TEST(the_next_daemon_knows_them),
		ENDED_TEST(the_file_does_not_grow_for_ever),
		ENDED_TEST(bad_lines_are_left_out),
		ENDED_TEST(a_folder_of_others_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
