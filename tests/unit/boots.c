/* SPDX-License-Identifier: GPL-2.0-only */
#include "es_test.h"

#include "boots.h"

static void side(struct boots *b, size_t i, const char *path, enum es_paging paging)
{
	struct es_run *r = &b->run[i];

	r->path = r->label = (char *)path;
	strcpy(r->host.hostname, "host");
	strcpy(r->host.kernel, "6.1");
	r->host.isa = ES_ISA_SVM;
	r->begin_realtime_ns = (1790000000 + i * 100) * S;
	r->span_ns = (i + 1) * 10 * S;
	r->lines = 10;
	r->latency = true;
	b->vm[i] = (struct es_run_vm){ .name = "guest1", .paging = paging, .n_vcpus = 1, .instances = 1 };
	b->vm[i].span_ns = r->span_ns;
	es_counts_init(&b->vm[i].counts);
	b->vm[i].counts.time.guest_ns = (i + 1) * 5 * S;
	b->runs[i] = r;
	b->vms[i] = &b->vm[i];
}

void es_boots_reason(struct boots *b, size_t i, uint32_t code, uint64_t count)
{
	es_sample_reason(&b->vm[i].counts, code, count, count * 1000);
}

void es_boots(struct boots *b)
{
	*b = (struct boots){ 0 };
	side(b, 0, "nested.jsonl", ES_PAGING_NPT);
	side(b, 1, "shadow.jsonl", ES_PAGING_SHADOW);
	es_boots_reason(b, 0, CPUID, 1000);
	es_boots_reason(b, 0, NPF, 4000);
	es_boots_reason(b, 0, IOIO, 3000);
	es_boots_reason(b, 1, CPUID, 2000);
	es_boots_reason(b, 1, INVLPG, 40000);
	es_boots_reason(b, 1, EXCP_PF, 20000);
	es_boots_reason(b, 1, WRITE_CR3, 16000);
	es_boots_reason(b, 1, READ_CR3, 20);
	es_boots_reason(b, 1, IOIO, 3000);
}

void es_boots_clear(struct boots *b)
{
	es_counts_clear(&b->vm[0].counts);
	es_counts_clear(&b->vm[1].counts);
}
