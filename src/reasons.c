/* SPDX-License-Identifier: GPL-2.0-only */
#include <exitstat/reasons.h>

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <exitstat/util.h>

#define ES_REASON(code, name, tracefs, class, help) { code, #name, tracefs, ES_CLASS_##class, help },

static const struct es_reason_info vmx_reasons[] = {
#include <exitstat/reasons_vmx.def>
};

static const struct es_reason_info svm_reasons[] = {
#include <exitstat/reasons_svm.def>
};

static const struct {
	const struct es_reason_info *reasons;
	size_t n;
} tables[] = {
	[ES_ISA_NONE] = { NULL, 0 },
	[ES_ISA_VMX] = { vmx_reasons, ES_ARRAY_SIZE(vmx_reasons) },
	[ES_ISA_SVM] = { svm_reasons, ES_ARRAY_SIZE(svm_reasons) },
};

static const char *const class_names[ES_CLASSES] = {
	[ES_CLASS_PAGING] = "paging",
	[ES_CLASS_CR] = "cr",
	[ES_CLASS_IO] = "io",
	[ES_CLASS_MSR] = "msr",
	[ES_CLASS_INTERRUPT] = "interrupt",
	[ES_CLASS_HALT] = "halt",
	[ES_CLASS_HYPERCALL] = "hypercall",
	[ES_CLASS_INSTRUCTION] = "instruction",
	[ES_CLASS_NESTED] = "nested",
	[ES_CLASS_OTHER] = "other",
};

static const char *const flag_names[ES_FLAGS] = {
	[ES_FLAG_BUS_LOCK] = "bus_lock",
	[ES_FLAG_ENCLAVE] = "enclave",
	[ES_FLAG_PENDING_MTF] = "pending_mtf",
	[ES_FLAG_VMX_ROOT] = "vmx_root",
	[ES_FLAG_OTHER] = "other",
	[ES_FLAG_FAILED_ENTRY] = "failed_entry",
	[ES_FLAG_PAGE_FAULT] = "page_fault",
	[ES_FLAG_L2] = "l2",
	[ES_FLAG_L2_REFLECTED] = "l2_reflected",
};

static int compare_code(const void *key, const void *elem)
{
	uint32_t code = *(const uint32_t *)key;
	uint32_t at = ((const struct es_reason_info *)elem)->code;

	return code < at ? -1 : code > at;
}

const struct es_reason_info *es_reason_table(enum es_isa isa, size_t *n)
{
	if ((size_t)isa >= ES_ARRAY_SIZE(tables))
		isa = ES_ISA_NONE;
	*n = tables[isa].n;
	return tables[isa].reasons;
}

const struct es_reason_info *es_reason_info(enum es_isa isa, uint32_t code)
{
	size_t n;
	const struct es_reason_info *t = es_reason_table(isa, &n);

	if (!n)
		return NULL;
	return bsearch(&code, t, n, sizeof(*t), compare_code);
}

const struct es_reason_info *es_reason_by_name(enum es_isa isa, const char *name)
{
	size_t n;
	const struct es_reason_info *t = es_reason_table(isa, &n);

	for (size_t i = 0; i < n; i++)
		if (!strcasecmp(t[i].name, name))
			return &t[i];
	/* Second, because a tracefs name must not hide another reason's own name. */
	for (size_t i = 0; i < n; i++)
		if (t[i].tracefs && !strcasecmp(t[i].tracefs, name))
			return &t[i];
	return NULL;
}

const char *es_reason_name(enum es_isa isa, uint32_t code, char buf[ES_REASON_NAME_MAX])
{
	const struct es_reason_info *info = es_reason_info(isa, code);

	if (info)
		return info->name;
	if (isa == ES_ISA_SVM)
		snprintf(buf, ES_REASON_NAME_MAX, "0x%x", code);
	else
		snprintf(buf, ES_REASON_NAME_MAX, "%u", code);
	return buf;
}

enum es_class es_reason_class(enum es_isa isa, uint32_t code)
{
	const struct es_reason_info *info = es_reason_info(isa, code);

	return info ? info->class : ES_CLASS_OTHER;
}

enum es_class es_reason_class_for(enum es_isa isa, enum es_paging paging, uint32_t code)
{
	enum { VMX_EXCEPTION_NMI = 0 };

	if (isa == ES_ISA_VMX && paging == ES_PAGING_SHADOW && code == VMX_EXCEPTION_NMI)
		return ES_CLASS_PAGING;
	return es_reason_class(isa, code);
}

const char *es_class_name(enum es_class c)
{
	return (size_t)c < ES_CLASSES ? class_names[c] : class_names[ES_CLASS_OTHER];
}

const char *es_flag_name(enum es_flag f)
{
	return (size_t)f < ES_FLAGS ? flag_names[f] : NULL;
}
