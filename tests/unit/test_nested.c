// SPDX-License-Identifier: GPL-2.0-only
/* Which exits that a guest's hypervisor is given are those its guest made: what the BPF programs go by. */
#include "es_test.h"

#include "../../bpf/nested.h"

#define SVM_INTR 0x60
#define SVM_NPF	 0x400
#define SVM_HLT	 0x78 /* VMX: none */

static void svm_goes_by_the_code(void **state)
{
	(void)state;
	assert_true(is_reflection(false, SVM_NPF, SVM_NPF));
	assert_false(is_reflection(false, SVM_NPF, SVM_INTR));
	assert_true(is_reflection(false, 0xffffffff, 0xffffffff));
	/* Codes have no flags above them; VMX's numbers mean nothing here. */
	assert_false(is_reflection(false, SVM_HLT, 0x10000 | SVM_HLT));
	assert_false(is_reflection(false, VMX_EPT_VIOLATION, VMX_EPT_MISCONFIG));
}

static void vmx_has_flags_above_the_reason(void **state)
{
	(void)state;
	assert_true(is_reflection(true, 10, 10));
	assert_true(is_reflection(true, 33, 1u << 31 | 33));
	assert_true(is_reflection(true, 10, 1u << 27 | 10));
	assert_false(is_reflection(true, 10, 1));
}

static void what_l1s_ept_says_was_a_violation(void **state)
{
	(void)state;
	assert_true(is_reflection(true, VMX_EPT_VIOLATION, VMX_EPT_VIOLATION));
	assert_true(is_reflection(true, VMX_EPT_VIOLATION, VMX_EPT_MISCONFIG));
	assert_true(is_reflection(true, VMX_EPT_VIOLATION, VMX_PML_FULL));
	assert_false(is_reflection(true, VMX_EPT_MISCONFIG, VMX_EPT_VIOLATION));
	assert_false(is_reflection(true, VMX_EPT_VIOLATION, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(svm_goes_by_the_code),
		cmocka_unit_test(vmx_has_flags_above_the_reason),
		cmocka_unit_test(what_l1s_ept_says_was_a_violation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
