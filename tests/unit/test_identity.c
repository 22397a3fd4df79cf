// SPDX-License-Identifier: GPL-2.0-only
/* Names and owners from tests/fixtures/proc: one folder per process, as in /proc. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <exitstat/identity.h>
#include <exitstat/util.h>

#define FIXTURES "tests/fixtures/proc"
#define NOBODY	 UINT32_MAX
#define LATER	 UINT64_MAX /* whatever the process is, it was there before */
#define BAD	 "\xef\xbf\xbd"

struct expect {
	uint32_t pid;
	const char *name, *source;
	uint32_t uid;
};

static const struct expect expected[] = {
	{ 1, "guest1", "libvirt", 64055 },
	{ 2, "my_vm", "libvirt", 64055 },      /* the machine is called myvm */
	{ 3, "bank", "libvirt", 64055 },       /* the command line says something else: not believed */
	{ 4, "web-server", "machined", 1000 }, /* cgroup v1, no name on the command line */
	{ 5, "old", "libvirt", 64055 },	       /* no systemd */
	{ 6, "foo", "qemu", 1000 },
	{ 7, "bar", "qemu", 1000 },
	{ 8, "a,b", "qemu", 1000 },
	{ 9, "second", "qemu", 1000 },
	{ 10, "pve-web", "qemu", 0 },
	{ 11, "renamed", "qemu", 1000 }, /* argv[0] is not QEMU's, the file is, and was upgraded */
	{ 12, "comm-12", "comm", 1000 }, /* -name without a value */
	{ 20, "my-micro-vm", "firecracker", 1000 },
	{ 21, "jailed-7", "firecracker", 1000 },
	{ 22, "comm-22", "comm", 1000 },
	{ 30, "sandbox42", "cloud-hypervisor", 1000 },
	{ 31, "db", "cloud-hypervisor", 1000 },
	{ 32, "comm-32", "comm", 1000 },
	{ 33, "mail", "libvirt", 0 },
	{ 40, "termina", "crosvm", 1000 },
	{ 41, "borealis", "crosvm", 1000 },
	{ 50, "tiny", "kvmtool", 1000 },
	{ 51, "comm-51", "comm", 1000 },   /* -n is the network */
	{ 60, "comm-60", "comm", 1000 },   /* not a VMM we know: --name may mean anything */
	{ 61, "setuid", "qemu", NOBODY },  /* between two users */
	{ 62, "comm-62", "comm", NOBODY }, /* gone */
	{ 63, "comm-63", "comm", NOBODY }, /* never was */
	{ 70, "b" BAD "ro" BAD BAD, "qemu", 1000 },
	{ 72, "comm-72", "comm", 1000 },
	{ 73, BAD BAD BAD BAD BAD BAD BAD BAD BAD "x", "qemu",
	  1000 }, /* surrogate, overlong, beyond U+10FFFF */
};

static const char *exe_of(uint32_t pid)
{
	static char exe[512];
	char path[256];
	ssize_t n;

	snprintf(path, sizeof(path), FIXTURES "/%u/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	return n > 0 ? exe : NULL;
}

static void names(void **state)
{
	struct es_identity id;

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(expected); i++) {
		const struct expect *e = &expected[i];

		es_identity_resolve(FIXTURES, e->pid, "comm", exe_of(e->pid), LATER, &id);
		if (strcmp(id.name, e->name) || strcmp(id.source, e->source) || id.uid != e->uid)
			fail_msg("pid %u: got '%s' from %s, uid %u; expected '%s' from %s, uid %u", e->pid,
				 id.name, id.source, id.uid, e->name, e->source, e->uid);
	}
}

static void long_name_is_cut_at_a_character(void **state)
{
	struct es_identity id;

	(void)state;
	es_identity_resolve(FIXTURES, 71, "comm", exe_of(71), LATER, &id);
	assert_int_equal(strlen(id.name), 254); /* 127 of two bytes each; 255 would split one */
	assert_memory_equal(id.name + 252, "\xc3\xbc", 3);
}

static void comm_is_hostile_too(void **state)
{
	struct es_identity id;

	(void)state;
	es_identity_resolve(FIXTURES, 63, "a\xff", exe_of(63), LATER, &id);
	assert_string_equal(id.name, "a" BAD "-63");
	es_identity_resolve(FIXTURES, 63, "", exe_of(63), LATER, &id);
	assert_string_equal(id.name, "vm-63");
	es_identity_resolve(FIXTURES, 63, NULL, exe_of(63), LATER, &id);
	assert_string_equal(id.name, "vm-63");
}

static void write_file(const char *dir, const char *name, const char *head, size_t pad, const char *tail)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(head, f);
	fputc('\0', f);
	for (size_t i = 0; i < pad; i++)
		fputc('x', f);
	fputc('\0', f);
	fwrite(tail, 1, strlen(tail), f);
}

/* A command line of 3 MiB: what stands in the first one is read, the rest is not. */
static void huge_command_line(void **state)
{
	char root[] = "/tmp/exitstat-proc-XXXXXX", dir[64], cmd[96];
	struct es_identity id;

	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/5", root);
	assert_int_equal(mkdir(dir, 0700), 0);
	write_file(dir, "cmdline", "qemu-kvm", 3 << 20, "-name");
	es_identity_resolve(root, 5, "comm", NULL, LATER, &id);
	assert_string_equal(id.name, "comm-5");
	write_file(dir, "cmdline", "qemu-kvm", 300000, "-name");
	es_identity_resolve(root, 5, "comm", NULL, LATER, &id);
	assert_string_equal(id.name, "comm-5");
	snprintf(cmd, sizeof(cmd), "rm -r %s", root);
	assert_int_equal(system(cmd), 0);
}

/* --- one number, two processes --- */

#define FLIPS 20000

static char flips[] = "/tmp/exitstat-flip-XXXXXX";
static _Atomic bool flipping;

static void make_process(const char *name, const char *uid)
{
	char dir[128], text[160];
	FILE *f;

	snprintf(dir, sizeof(dir), "%s/%s", flips, name);
	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(text, sizeof(text), "%s/cmdline", dir);
	f = fopen(text, "w");
	assert_non_null(f);
	fprintf(f, "qemu-kvm%c-name%c%s%c", 0, 0, name, 0);
	fclose(f);
	snprintf(text, sizeof(text), "Name:\tx\nUid:\t%s\t%s\t%s\n", uid, uid, uid);
	write_file(dir, "status", text, 0, "");
}

/* The pid 5 goes from one process to the other and back, at any moment. */
static void *flip(void *unused)
{
	char link[64], next[64];

	snprintf(link, sizeof(link), "%s/5", flips);
	snprintf(next, sizeof(next), "%s/next", flips);
	for (unsigned int i = 0; flipping; i++)
		if (symlink(i % 2 ? "beta" : "alpha", next) || rename(next, link))
			abort();
	return unused;
}

/* Never the name of one process and the owner of another. */
static void pid_used_again_while_it_is_read(void **state)
{
	unsigned int alphas = 0;
	struct es_identity id;
	pthread_t thread;
	char cmd[96];

	(void)state;
	assert_non_null(mkdtemp(flips));
	make_process("alpha", "1000");
	make_process("beta", "1001");
	flipping = true;
	assert_int_equal(pthread_create(&thread, NULL, flip, NULL), 0);
	for (unsigned int i = 0; i < FLIPS; i++) {
		bool alpha;

		es_identity_resolve(flips, 5, "comm", NULL, LATER, &id);
		alpha = !strcmp(id.name, "alpha");
		alphas += alpha;
		/* Before the first of them is there, it is nobody. */
		if (strcmp(id.name, "comm-5"))
			assert_int_equal(id.uid, alpha ? 1000 : 1001);
	}
	flipping = false;
	pthread_join(thread, NULL);
	assert_true(alphas > 0 && alphas < FLIPS);
	snprintf(cmd, sizeof(cmd), "rm -r %s", flips);
	assert_int_equal(system(cmd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(long_name_is_cut_at_a_character),
		cmocka_unit_test(comm_is_hostile_too),
		cmocka_unit_test(huge_command_line),
		cmocka_unit_test(pid_used_again_while_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
