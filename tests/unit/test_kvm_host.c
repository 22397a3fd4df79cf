// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <exitstat/kvm_host.h>

#include "../../src/uevent.h"

static char root[64];

static void put(const char *path, const char *bytes, size_t n)
{
	char full[256], *p;
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(full, 0755);
		*p = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

static void puts_at(const char *path, const char *text)
{
	put(path, text, strlen(text));
}

static int setup(void **state)
{
	(void)state;
	strcpy(root, "/tmp/exitstat-kvm-host-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", root);
	return system(cmd);
}

static void no_kvm_at_all(void **state)
{
	struct es_kvm_host h;

	(void)state;
	es_kvm_host_read(root, root, &h);
	assert_false(h.kvm);
	assert_null(h.vendor);
	assert_int_equal(h.isa, ES_ISA_NONE);
	assert_int_equal(h.tdp, ES_UNKNOWN);
	assert_int_equal(es_kvm_host_paging(&h), ES_PAGING_NONE);
}

static void amd_module_with_npt_off(void **state)
{
	static const char note[] = "\4\0\0\0\4\0\0\0\3\0\0\0GNU\0\xde\xad\xbe\xef";
	struct es_kvm_host h;

	(void)state;
	puts_at("module/kvm/initstate", "live\n");
	puts_at("module/kvm_amd/initstate", "live\n");
	puts_at("module/kvm_amd/parameters/npt", "0\n");
	put("module/kvm_amd/notes/.note.gnu.build-id", note, sizeof(note) - 1);
	es_kvm_host_read(root, root, &h);
	assert_true(h.kvm);
	assert_string_equal(h.vendor, "kvm_amd");
	assert_int_equal(h.isa, ES_ISA_SVM);
	assert_int_equal(h.tdp, ES_NO);
	assert_string_equal(h.build_id, "deadbeef");
	assert_int_equal(es_kvm_host_paging(&h), ES_PAGING_SHADOW);
}

static void module_that_is_leaving_does_not_count(void **state)
{
	struct es_kvm_host h;

	(void)state;
	puts_at("module/kvm_amd/initstate", "going\n");
	es_kvm_host_read(root, root, &h);
	assert_null(h.vendor);
}

static void built_in_both_vendors_the_cpu_decides(void **state)
{
	struct es_kvm_host h;

	(void)state;
	puts_at("module/kvm/parameters/halt_poll_ns", "200000\n");
	puts_at("module/kvm_intel/parameters/ept", "Y\n");
	puts_at("module/kvm_amd/parameters/npt", "Y\n");
	puts_at("cpuinfo", "processor\t: 0\nflags\t\t: fpu vme svm sse\n");
	es_kvm_host_read(root, root, &h);
	assert_string_equal(h.vendor, "kvm_amd");
	assert_int_equal(es_kvm_host_paging(&h), ES_PAGING_NPT);
	puts_at("cpuinfo", "processor\t: 0\nflags\t\t: fpu vmx sse\n");
	es_kvm_host_read(root, root, &h);
	assert_string_equal(h.vendor, "kvm_intel");
	assert_int_equal(es_kvm_host_paging(&h), ES_PAGING_EPT);
	puts_at("cpuinfo", "processor\t: 0\nflags\t\t: fpu sse vmxx\n");
	es_kvm_host_read(root, root, &h);
	assert_null(h.vendor);
}

static void unreadable_parameter_is_unknown(void **state)
{
	struct es_kvm_host h;

	(void)state;
	puts_at("module/kvm_intel/initstate", "live\n");
	es_kvm_host_read(root, root, &h);
	assert_string_equal(h.vendor, "kvm_intel");
	assert_int_equal(h.tdp, ES_UNKNOWN);
	assert_int_equal(es_kvm_host_paging(&h), ES_PAGING_NONE);
}

static void uevents_of_kvm_modules_only(void **state)
{
	static const char add[] = "add@/module/kvm_amd\0ACTION=add";

	(void)state;
	assert_true(es_uevent_is_kvm_module(add, sizeof(add)));
	assert_true(es_uevent_is_kvm_module("remove@/module/kvm", 18));
	assert_false(es_uevent_is_kvm_module("add@/module/snd", 15));
	assert_false(es_uevent_is_kvm_module("change@/devices/virtual/misc/kvm", 32));
	assert_false(es_uevent_is_kvm_module("add@/module/kv", 14));
	assert_false(es_uevent_is_kvm_module("libudev\0@/module/kvm", 20));
	assert_false(es_uevent_is_kvm_module("", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_kvm_at_all, setup, teardown),
		cmocka_unit_test_setup_teardown(amd_module_with_npt_off, setup, teardown),
		cmocka_unit_test_setup_teardown(module_that_is_leaving_does_not_count, setup, teardown),
		cmocka_unit_test_setup_teardown(built_in_both_vendors_the_cpu_decides, setup, teardown),
		cmocka_unit_test_setup_teardown(unreadable_parameter_is_unknown, setup, teardown),
		cmocka_unit_test(uevents_of_kvm_modules_only),
	};

	return cmocka_run_group_tests_name("kvm_host", tests, NULL, NULL);
}
