// SPDX-License-Identifier: GPL-2.0-only
/* The programs on exits of guests' guests: a part of the loader. */
#include <string.h>

#include <exitstat/util.h>

#include "loader_optional.h"
#include "nested.skel.h"
#include "nested_raw.skel.h"

static const struct {
	const char *name;
	enum es_flag flag;
} tracepoints[] = {
	{ "kvm_nested_vmexit", ES_FLAG_L2 },
	{ "kvm_nested_vmexit_inject", ES_FLAG_L2_REFLECTED },
};

static bool wanted(const char *tracepoint, const struct es_optional_host *host)
{
	(void)tracepoint, (void)host;
	return true;
}

static void measures(const char *tracepoint, bool typed, struct es_measured *m)
{
	(void)typed;
	for (size_t i = 0; i < ES_ARRAY_SIZE(tracepoints); i++) {
		if (!strcmp(tracepoints[i].name, tracepoint))
			m->flags |= 1u << tracepoints[i].flag;
	}
}

const struct es_optional_kind es_optional_nested = {
	.name = "nested",
	.elf = nested__elf_bytes,
	.elf_raw = nested_raw__elf_bytes,
	.wanted = wanted,
	.measures = measures,
};
