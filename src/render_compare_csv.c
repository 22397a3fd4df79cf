// SPDX-License-Identifier: GPL-2.0-only
/* `exitstat compare` for spreadsheets and scripts: exact numbers, as counted. */
#include <inttypes.h>

#include <exitstat/compare.h>
#include <exitstat/render.h>

static void put_row(FILE *f, const struct es_compare *c, const struct es_compare_row *row, bool terminal)
{
	for (size_t i = 0; i < c->n_sides; i++) {
		es_csv_text(f, c->sides[i].vm->name, terminal);
		fputc(',', f);
	}
	fprintf(f, "%s,%" PRIu32 ",%s", row->name, row->code, es_class_name(row->class));
	for (size_t i = 0; i < c->n_sides; i++) {
		fputc(',', f);
		es_csv_u64(f, row->side[i].count);
	}
	for (size_t i = 0; i < c->n_sides; i++) {
		fputc(',', f);
		es_csv_u64(f, row->side[i].time_ns);
	}
	fputc('\n', f);
}

int es_render_compare_csv(FILE *f, const struct es_compare *pairs, size_t n, bool terminal)
{
	fputs("vm_a,vm_b,reason,code,class,count_a,count_b,time_ns_a,time_ns_b\n", f);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < pairs[i].n_reasons; k++)
			put_row(f, &pairs[i], &pairs[i].reasons[k], terminal);
	return 0;
}
