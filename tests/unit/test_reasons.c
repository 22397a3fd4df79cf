/* SPDX-License-Identifier: GPL-2.0-only */
/* The reason tables, against the system's own asm/vmx.h and asm/svm.h. */
#include "es_test.h"

#include <asm/svm.h>
#include <asm/vmx.h>
#include <ctype.h>

#include <exitstat/reasons.h>

/* svm.h counts on KVM's header for these. */
enum {
	DE_VECTOR = 0,
	DB_VECTOR = 1,
	BP_VECTOR = 3,
	OF_VECTOR = 4,
	BR_VECTOR = 5,
	UD_VECTOR = 6,
	NM_VECTOR = 7,
	DF_VECTOR = 8,
	TS_VECTOR = 10,
	NP_VECTOR = 11,
	SS_VECTOR = 12,
	GP_VECTOR = 13,
	PF_VECTOR = 14,
	MF_VECTOR = 16,
	AC_VECTOR = 17,
	MC_VECTOR = 18,
	XM_VECTOR = 19,
};

static const struct {
	uint32_t code;
	const char *name;
} kernel_vmx[] = { VMX_EXIT_REASONS }, kernel_svm[] = { SVM_EXIT_REASONS };

static const enum es_isa isas[] = { ES_ISA_VMX, ES_ISA_SVM };

static void tables_are_sorted(void **state)
{
	(void)state;
	for (size_t k = 0; k < ES_ARRAY_SIZE(isas); k++) {
		size_t n;
		const struct es_reason_info *t = es_reason_table(isas[k], &n);

		assert_true(n > 70);
		for (size_t i = 0; i < n; i++) {
			assert_true(!i || t[i - 1].code < t[i].code);
			assert_ptr_equal(es_reason_info(isas[k], t[i].code), &t[i]);
		}
	}
}

static void every_reason_is_described(void **state)
{
	(void)state;
	for (size_t k = 0; k < ES_ARRAY_SIZE(isas); k++) {
		size_t n;
		const struct es_reason_info *t = es_reason_table(isas[k], &n);

		for (size_t i = 0; i < n; i++) {
			assert_true(strlen(t[i].name) < ES_REASON_NAME_MAX);
			for (const char *p = t[i].name; *p; p++)
				assert_true(isupper(*p) || isdigit(*p) || *p == '_');
			assert_in_range(strlen(t[i].help), 10, 100);
			assert_true(t[i].class < ES_CLASSES);
			assert_ptr_equal(es_reason_by_name(isas[k], t[i].name), &t[i]);
		}
	}
}

static void names_are_unique(void **state)
{
	(void)state;
	for (size_t k = 0; k < ES_ARRAY_SIZE(isas); k++) {
		size_t n;
		const struct es_reason_info *t = es_reason_table(isas[k], &n);

		for (size_t i = 0; i < n; i++)
			for (size_t j = i + 1; j < n; j++) {
				assert_string_not_equal(t[i].name, t[j].name);
				if (t[i].tracefs && t[j].tracefs)
					assert_string_not_equal(t[i].tracefs, t[j].tracefs);
			}
	}
}

static void vmx_is_what_the_kernel_prints(void **state)
{
	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(kernel_vmx); i++) {
		const struct es_reason_info *info = es_reason_info(ES_ISA_VMX, kernel_vmx[i].code);

		assert_non_null(info);
		assert_string_equal(info->tracefs, kernel_vmx[i].name);
	}
}

static void svm_is_what_the_kernel_prints(void **state)
{
	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(kernel_svm); i++) {
		const struct es_reason_info *info = es_reason_info(ES_ISA_SVM, kernel_svm[i].code);

		assert_non_null(info);
		assert_string_equal(info->tracefs, kernel_svm[i].name);
		assert_ptr_equal(es_reason_by_name(ES_ISA_SVM, kernel_svm[i].name), info);
	}
}

/* #define PREFIXNAME code: every such macro is in the table under NAME, but for those in not_reasons. */
static unsigned int compare_macros(const char *path, const char *prefix, const char *keep, enum es_isa isa,
				   const char *not_reasons)
{
	_cleanup_free_ char *text = es_read_file(path, NULL);
	unsigned int compared = 0;
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char macro[80], name[96], word[100];
		const struct es_reason_info *info;
		long long code;

		if (sscanf(line, "#define %79s %lli", macro, &code) != 2 ||
		    strncmp(macro, prefix, strlen(prefix)))
			continue;
		snprintf(name, sizeof(name), "%s%s", keep, macro + strlen(prefix));
		snprintf(word, sizeof(word), " %s ", name);
		if (strstr(not_reasons, word))
			continue;
		info = es_reason_info(isa, (uint32_t)code);
		if (!info)
			fail_msg("%s (%lld) is missing", macro, code);
		assert_string_equal(info->name, name);
		compared++;
	}
	return compared;
}

static const char *header(const char *name)
{
	static const char *const dirs[] = { "/usr/include/x86_64-linux-gnu/asm", "/usr/include/asm" };
	static char path[128];

	for (size_t i = 0; i < ES_ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
		if (!access(path, R_OK))
			break;
	}
	return path;
}

static void names_are_the_kernels_macros(void **state)
{
	(void)state;
	assert_true(compare_macros(header("vmx.h"), "EXIT_REASON_", "", ES_ISA_VMX, "") > 60);
	assert_true(compare_macros(header("svm.h"), "SVM_EXIT_", "", ES_ISA_SVM, " EXCP_BASE LAST_EXCP ") >
		    90);
	/* The others of that prefix are parameters of such an event. */
	assert_true(compare_macros(header("svm.h"), "SVM_VMGEXIT_", "VMGEXIT_", ES_ISA_SVM,
				   " VMGEXIT_SET_AP_JUMP_TABLE  VMGEXIT_GET_AP_JUMP_TABLE "
				   " VMGEXIT_AP_CREATE_ON_INIT  VMGEXIT_AP_CREATE  VMGEXIT_AP_DESTROY ") > 8);
}

static void all_of_the_manuals(void **state)
{
	(void)state;
	for (uint32_t code = 0; code <= 0xa6; code++)
		assert_non_null(es_reason_info(ES_ISA_SVM, code));
	for (uint32_t code = 0x400; code <= 0x403; code++)
		assert_non_null(es_reason_info(ES_ISA_SVM, code));
	for (uint32_t code = 0xfffffffc; code; code++)
		assert_non_null(es_reason_info(ES_ISA_SVM, code));
	for (uint32_t code = 0; code <= 85; code++) {
		bool defined = !memchr("\x23\x26\x2a\x47\x52\x53", (int)code, 6);

		assert_int_equal(es_reason_info(ES_ISA_VMX, code) != NULL, defined);
	}
	assert_null(es_reason_info(ES_ISA_VMX, 86));
	assert_null(es_reason_info(ES_ISA_VMX, UINT32_MAX));
	assert_null(es_reason_info(ES_ISA_NONE, 0));
	assert_null(es_reason_info((enum es_isa)77, 0));
}

static void names_and_numbers(void **state)
{
	char buf[ES_REASON_NAME_MAX];

	(void)state;
	assert_string_equal(es_reason_name(ES_ISA_VMX, 48, buf), "EPT_VIOLATION");
	assert_string_equal(es_reason_name(ES_ISA_SVM, 0x4e, buf), "EXCP_PF");
	assert_string_equal(es_reason_name(ES_ISA_SVM, 0x13, buf), "WRITE_CR3");
	assert_string_equal(es_reason_name(ES_ISA_SVM, 0xffffffff, buf), "ERR");
	assert_string_equal(es_reason_name(ES_ISA_VMX, 12345, buf), "12345");
	assert_string_equal(es_reason_name(ES_ISA_SVM, 0x7fff, buf), "0x7fff");
	assert_string_equal(es_reason_name(ES_ISA_NONE, 10, buf), "10");
}

static void by_name(void **state)
{
	(void)state;
	assert_int_equal(es_reason_by_name(ES_ISA_SVM, "npf")->code, 0x400);
	assert_int_equal(es_reason_by_name(ES_ISA_SVM, "pf EXCP")->code, 0x4e);
	assert_int_equal(es_reason_by_name(ES_ISA_SVM, "excp_pf")->code, 0x4e);
	assert_int_equal(es_reason_by_name(ES_ISA_VMX, "cpuid")->code, 10);
	assert_null(es_reason_by_name(ES_ISA_VMX, "NPF"));
	assert_null(es_reason_by_name(ES_ISA_VMX, ""));
	assert_null(es_reason_by_name(ES_ISA_NONE, "CPUID"));
	/* "interrupt" is what tracefs says for INTR; "init" and "msr" are both a name and a tracefs name. */
	assert_int_equal(es_reason_by_name(ES_ISA_SVM, "interrupt")->code, 0x60);
	assert_int_equal(es_reason_by_name(ES_ISA_SVM, "init")->code, 0x63);
}

static void classes(void **state)
{
	static const struct {
		enum es_isa isa;
		uint32_t code;
		const char *class;
	} want[] = {
		{ ES_ISA_SVM, 0x400, "paging" },   { ES_ISA_SVM, 0x4e, "paging" },
		{ ES_ISA_SVM, 0x79, "paging" },	   { ES_ISA_SVM, 0x13, "cr" },
		{ ES_ISA_SVM, 0x7b, "io" },	   { ES_ISA_SVM, 0x7c, "msr" },
		{ ES_ISA_SVM, 0x60, "interrupt" }, { ES_ISA_SVM, 0x78, "halt" },
		{ ES_ISA_SVM, 0x81, "hypercall" }, { ES_ISA_SVM, 0x72, "instruction" },
		{ ES_ISA_SVM, 0x80, "nested" },	   { ES_ISA_SVM, 0x7f, "other" },
		{ ES_ISA_SVM, 0x7fff, "other" },   { ES_ISA_VMX, 48, "paging" },
		{ ES_ISA_VMX, 49, "paging" },	   { ES_ISA_VMX, 28, "cr" },
		{ ES_ISA_VMX, 0, "interrupt" },	   { ES_ISA_VMX, 40, "instruction" },
	};

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(want); i++)
		assert_string_equal(es_class_name(es_reason_class(want[i].isa, want[i].code)), want[i].class);
	/* Page faults of a guest under shadow paging share their code with NMIs of the host. */
	assert_int_equal(es_reason_class_for(ES_ISA_VMX, ES_PAGING_SHADOW, 0), ES_CLASS_PAGING);
	assert_int_equal(es_reason_class_for(ES_ISA_VMX, ES_PAGING_EPT, 0), ES_CLASS_INTERRUPT);
	assert_int_equal(es_reason_class_for(ES_ISA_VMX, ES_PAGING_SHADOW, 10), ES_CLASS_INSTRUCTION);
	assert_int_equal(es_reason_class_for(ES_ISA_SVM, ES_PAGING_SHADOW, 0), ES_CLASS_CR);
	for (unsigned int f = 0; f < ES_FLAGS; f++)
		assert_non_null(es_flag_name(f));
	assert_null(es_flag_name(ES_FLAGS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_sorted),
		cmocka_unit_test(every_reason_is_described),
		cmocka_unit_test(names_are_unique),
		cmocka_unit_test(vmx_is_what_the_kernel_prints),
		cmocka_unit_test(svm_is_what_the_kernel_prints),
		cmocka_unit_test(names_are_the_kernels_macros),
		cmocka_unit_test(all_of_the_manuals),
		cmocka_unit_test(names_and_numbers),
		cmocka_unit_test(by_name),
		cmocka_unit_test(classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
