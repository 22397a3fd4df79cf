// SPDX-License-Identifier: GPL-2.0-only
/* What KVM's MMU did, and the accesses to control registers. */
#include <math.h>
#include <string.h>

#include <exitstat/report.h>
#include <exitstat/util.h>

struct event {
	const char *name, *title; /* name: the path in a snapshot's JSON */
	size_t offset;		  /* in struct es_counts */
};

struct group {
	const char *title;
	struct event events[10]; /* name NULL ends them */
	const char *none;	 /* said in place of rows that are all 0 */
};

#define MMU(member) offsetof(struct es_counts, mmu.member)
#define CR(reg, member)                                                        \
	(offsetof(struct es_counts, cr) + (reg) * sizeof(struct es_cr_count) + \
	 offsetof(struct es_cr_count, member))

static const struct group groups[] = {
	{ .title = "Page faults",
	  .events = { { "mmu.faults.tdp", "in the nested page tables", MMU(faults.tdp) },
		      { "mmu.faults.shadow", "under shadow paging", MMU(faults.shadow) },
		      { "mmu.faults.mmio", "on device memory", MMU(faults.mmio) } } },
	{ .title = "How page faults ended",
	  .events = { { "mmu.faults.fixed", "page table entry set", MMU(faults.fixed) },
		      { "mmu.faults.fast", "fixed without the lock", MMU(faults.fast) },
		      { "mmu.faults.spurious", "nothing was to be done", MMU(faults.spurious) },
		      { "mmu.faults.emulated", "instruction emulated", MMU(faults.emulated) } } },
	{ .title = "Shadow page tables",
	  .events = { { "mmu.shadow_pages.created", "pages created", MMU(shadow_pages.created) },
		      { "mmu.shadow_pages.reused", "pages reused", MMU(shadow_pages.reused) },
		      { "mmu.shadow_pages.synced", "pages synced", MMU(shadow_pages.synced) },
		      { "mmu.shadow_pages.unsynced", "pages left to get out of sync",
			MMU(shadow_pages.unsynced) },
		      { "mmu.shadow_pages.zapped", "pages zapped", MMU(shadow_pages.zapped) },
		      { "mmu.zap_all", "all pages zapped at once", MMU(zap_all) } } },
	{ .title = "Page table entries set",
	  .events = { { "mmu.sptes.4k", "of 4 KiB", MMU(sptes.s4k) },
		      { "mmu.sptes.2m", "of 2 MiB", MMU(sptes.s2m) },
		      { "mmu.sptes.1g", "of 1 GiB", MMU(sptes.s1g) },
		      { "mmu.huge_splits", "huge pages split", MMU(huge_splits) } } },
	{ .title = "With exitstatd --mmu full",
	  .events = { { "mmu.guest_walks", "walks of the guest’s page tables", MMU(guest_walks) },
		      { "mmu.spte_requests", "entries asked for", MMU(spte_requests) },
		      { "mmu.tdp_changes", "entries of nested page tables changed", MMU(tdp_changes) },
		      { "mmu.fast_attempts", "tries without the lock", MMU(fast_attempts) } } },
	{ .title = "For guests of the guest",
	  .events = { { "mmu.nested.faults", "page faults", MMU(nested.faults) },
		      { "mmu.nested.guest_walks", "walks of page tables", MMU(nested.guest_walks) },
		      { "mmu.nested.created", "shadow pages created", MMU(nested.created) },
		      { "mmu.nested.reused", "shadow pages reused", MMU(nested.reused) },
		      { "mmu.nested.synced", "shadow pages synced", MMU(nested.synced) },
		      { "mmu.nested.unsynced", "left to get out of sync", MMU(nested.unsynced) },
		      { "mmu.nested.zapped", "shadow pages zapped", MMU(nested.zapped) },
		      { "mmu.nested.4k", "entries of 4 KiB set", MMU(nested.s4k) },
		      { "mmu.nested.2m", "entries of 2 MiB set", MMU(nested.s2m) },
		      { "mmu.nested.1g", "entries of 1 GiB set", MMU(nested.s1g) } },
	  .none = "Nothing was done for guests of the guest." },
	{ .title = "Accesses to control registers",
	  .events = { { "cr.cr0.read", "CR0 read", CR(ES_CR0, read) },
		      { "cr.cr0.write", "CR0 written", CR(ES_CR0, write) },
		      { "cr.cr3.read", "CR3 read", CR(ES_CR3, read) },
		      { "cr.cr3.write", "CR3 written", CR(ES_CR3, write) },
		      { "cr.cr4.read", "CR4 read", CR(ES_CR4, read) },
		      { "cr.cr4.write", "CR4 written", CR(ES_CR4, write) },
		      { "cr.cr8.read", "CR8 read", CR(ES_CR8, read) },
		      { "cr.cr8.write", "CR8 written", CR(ES_CR8, write) } } },
};

static uint64_t value(const struct es_page *pg, const struct event *e, size_t side)
{
	uint64_t v;

	memcpy(&v, (const char *)&pg->p->compare.sides[side].vm->counts + e->offset, sizeof(v));
	return v;
}

static bool event_known(const struct es_page *pg, const struct event *e)
{
	for (size_t i = 0; i < pg->p->compare.n_sides; i++)
		if (value(pg, e, i) != ES_NONE)
			return true;
	return false;
}

static const struct event *event_at(const struct group *g, size_t k)
{
	return k < ES_ARRAY_SIZE(g->events) && g->events[k].name ? &g->events[k] : NULL;
}

static bool group_known(const struct es_page *pg, const struct group *g)
{
	for (size_t k = 0; event_at(g, k); k++)
		if (event_known(pg, event_at(g, k)))
			return true;
	return false;
}

/* All that is known of it is 0, and there are words for that. */
static bool group_none(const struct es_page *pg, const struct group *g)
{
	for (size_t k = 0; event_at(g, k); k++)
		for (size_t i = 0; i < pg->p->compare.n_sides; i++)
			if (value(pg, event_at(g, k), i) != 0 && value(pg, event_at(g, k), i) != ES_NONE)
				return false;
	return g->none && group_known(pg, g);
}

static void event_row(const struct es_page *pg, const struct event *e, size_t from, size_t to)
{
	const struct es_compare *c = &pg->p->compare;

	fputs("<tr", pg->f);
	es_html_data_text(pg->f, "data-event", e->name);
	fputs("><th scope=\"row\">", pg->f);
	es_html_escape(pg->f, e->title);
	fputs("</th>", pg->f);
	for (size_t i = from; i < to; i++) {
		uint64_t v = value(pg, e, i);
		char buf[ES_CELL_MAX];

		es_page_count(pg, i, "data-count", v);
		if (pg->r->per == ES_PER_TOTAL)
			continue;
		es_page_cell(pg, i, v == 0);
		es_page_cell_end(pg->f,
				 v == ES_NONE || c->sides[i].divisor <= 0
					 ? NULL
					 : es_report_fmt_n(buf, (double)v / c->sides[i].divisor, pg->r->per));
	}
	fputs("</tr>\n", pg->f);
}

static void head(const struct es_page *pg, size_t from, size_t to)
{
	bool rates = pg->r->per != ES_PER_TOTAL;

	fputs("<thead>\n<tr><td></td>", pg->f);
	for (size_t i = from; i < to; i++) {
		fprintf(pg->f, "<th scope=\"colgroup\" class=\"first r%zu\" colspan=\"%d\">",
			es_page_colour(pg, i), rates ? 2 : 1);
		es_page_run(pg, i);
		fputs("</th>", pg->f);
	}
	fputs("</tr>\n", pg->f);
	if (rates) {
		fputs("<tr><td></td>", pg->f);
		for (size_t i = from; i < to; i++)
			fprintf(pg->f,
				"<th scope=\"col\" class=\"num first\">count</th><th scope=\"col\" "
				"class=\"num\">%s</th>",
				es_report_unit_short(pg->r->per));
		fputs("</tr>\n", pg->f);
	}
	fputs("</thead>\n", pg->f);
}

/* Rows that no run has are a line of text, not rows of dashes. */
static void not_measured(const struct es_page *pg)
{
	bool first = true;

	for (size_t g = 0; g < ES_ARRAY_SIZE(groups); g++)
		for (size_t k = 0; event_at(&groups[g], k); k++) {
			const struct event *e = event_at(&groups[g], k);

			if (event_known(pg, e))
				continue;
			fprintf(pg->f, "%s<code>%s</code>", first ? "<p class=\"note\">Not measured: " : ", ",
				e->name);
			first = false;
		}
	if (!first)
		fputs(".</p>\n", pg->f);
}

static bool any_known(const struct es_page *pg)
{
	for (size_t g = 0; g < ES_ARRAY_SIZE(groups); g++)
		if (group_known(pg, &groups[g]))
			return true;
	return false;
}

static void write_events(const struct es_page *pg, size_t from, size_t to)
{
	size_t width = 1 + (to - from) * (pg->r->per == ES_PER_TOTAL ? 1 : 2);

	es_page_table(pg->f, "What KVM’s MMU did", "numbers events", to - from);
	head(pg, from, to);
	for (size_t g = 0; g < ES_ARRAY_SIZE(groups); g++) {
		if (!group_known(pg, &groups[g]) || group_none(pg, &groups[g]))
			continue;
		fprintf(pg->f, "<tbody>\n<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"%zu\">", width);
		es_html_escape(pg->f, groups[g].title);
		fputs("</th></tr>\n", pg->f);
		for (size_t k = 0; event_at(&groups[g], k); k++)
			if (event_known(pg, event_at(&groups[g], k)))
				event_row(pg, event_at(&groups[g], k), from, to);
		fputs("</tbody>\n", pg->f);
	}
	es_page_table_end(pg->f);
}

void es_report_events(const struct es_page *pg)
{
	size_t n = pg->p->compare.n_sides;

	fputs("<section>\n", pg->f);
	es_page_heading(pg, 0, "mmu", "What KVM’s MMU did");
	if (!any_known(pg)) {
		fputs("<p class=\"none\">Not measured: exitstatd had no tracepoints of KVM’s "
		      "MMU.</p>\n</section>\n",
		      pg->f);
		return;
	}
	for (size_t from = 0; from < n; from += ES_REPORT_COLUMNS)
		write_events(pg, from, from + ES_REPORT_COLUMNS < n ? from + ES_REPORT_COLUMNS : n);
	for (size_t g = 0; g < ES_ARRAY_SIZE(groups); g++)
		if (group_none(pg, &groups[g]))
			fprintf(pg->f, "<p class=\"note\">%s</p>\n", groups[g].none);
	not_measured(pg);
	fputs("</section>\n", pg->f);
}
