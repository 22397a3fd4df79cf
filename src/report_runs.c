// SPDX-License-Identifier: GPL-2.0-only
/* What the runs are, side by side, and how they were measured. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include <exitstat/paging.h>
#include <exitstat/report.h>
#include <exitstat/util.h>

typedef void (*fact_fn)(const struct es_page *pg, size_t side);

static const struct es_run *run_of(const struct es_page *pg, size_t side)
{
	return pg->p->compare.sides[side].run;
}

static const struct es_run_vm *vm_of(const struct es_page *pg, size_t side)
{
	return pg->p->compare.sides[side].vm;
}

static void unknown(FILE *f)
{
	fputs(ES_HTML_UNKNOWN, f);
}

static void text_or_unknown(FILE *f, const char *text)
{
	if (text && *text)
		es_html_text(f, text);
	else
		unknown(f);
}

static void fact_file(const struct es_page *pg, size_t side)
{
	const char *path = run_of(pg, side)->path, *slash = strrchr(path, '/');

	es_html_text(pg->f, slash && slash[1] ? slash + 1 : path);
}

static void fact_vm(const struct es_page *pg, size_t side)
{
	const struct es_run_vm *vm = vm_of(pg, side);

	es_html_text(pg->f, vm->name);
	if (vm->instances > 1)
		fprintf(pg->f, " <small>(seen as %u VMs)</small>", vm->instances);
}

static void fact_host(const struct es_page *pg, size_t side)
{
	text_or_unknown(pg->f, run_of(pg, side)->host.hostname);
}

static void fact_kernel(const struct es_page *pg, size_t side)
{
	text_or_unknown(pg->f, run_of(pg, side)->host.kernel);
}

static void fact_vendor(const struct es_page *pg, size_t side)
{
	static const char *const names[] = { [ES_ISA_VMX] = "Intel VMX", [ES_ISA_SVM] = "AMD SVM" };

	text_or_unknown(pg->f, names[run_of(pg, side)->host.isa]);
}

static void fact_paging(const struct es_page *pg, size_t side)
{
	static const char *const names[] = { [ES_PAGING_EPT] = "nested (EPT)",
					     [ES_PAGING_NPT] = "nested (NPT)",
					     [ES_PAGING_SHADOW] = "shadow" };

	text_or_unknown(pg->f, names[vm_of(pg, side)->paging]);
	if (vm_of(pg, side)->nested)
		fputs(" <small>runs guests of its own</small>", pg->f);
}

static void fact_vcpus(const struct es_page *pg, size_t side)
{
	fprintf(pg->f, "%" PRIu32, vm_of(pg, side)->n_vcpus);
}

static void fact_when(const struct es_page *pg, size_t side)
{
	uint64_t ns = run_of(pg, side)->begin_realtime_ns;
	time_t s = (time_t)(ns / 1000000000);
	char text[64], iso[64];
	struct tm local, utc;

	if (ns == ES_NONE || !ns || !localtime_r(&s, &local) || !gmtime_r(&s, &utc)) {
		unknown(pg->f);
		return;
	}
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local);
	strftime(iso, sizeof(iso), "%Y-%m-%dT%H:%M:%SZ", &utc);
	fprintf(pg->f, "<time datetime=\"%s\">%s</time>", iso, text);
}

static void show_time(FILE *f, uint64_t ns)
{
	char buf[ES_CELL_MAX];

	if (ns == ES_NONE)
		unknown(f);
	else
		es_html_escape(f, es_fmt_time(buf, ns, true));
}

static void fact_span(const struct es_page *pg, size_t side)
{
	show_time(pg->f, vm_of(pg, side)->span_ns);
}

static void fact_guest(const struct es_page *pg, size_t side)
{
	show_time(pg->f, vm_of(pg, side)->counts.time.guest_ns);
}

static void fact_time(const struct es_page *pg, size_t side)
{
	show_time(pg->f, es_exits_time_ns(&vm_of(pg, side)->counts));
}

static void fact_exits(const struct es_page *pg, size_t side)
{
	char buf[ES_CELL_MAX];
	uint64_t total = es_exits_total(&vm_of(pg, side)->counts);

	if (total == ES_NONE)
		unknown(pg->f);
	else
		es_html_escape(pg->f, es_fmt_group(buf, total));
}

static void fact_rate(const struct es_page *pg, size_t side)
{
	uint64_t total = es_exits_total(&vm_of(pg, side)->counts), span = vm_of(pg, side)->span_ns;
	char buf[ES_CELL_MAX];

	if (total == ES_NONE || span == ES_NONE || !span)
		unknown(pg->f);
	else
		es_html_escape(pg->f,
			       es_report_fmt_n(buf, (double)total / ((double)span / 1e9), ES_PER_SECOND));
}

static void show_share(FILE *f, double share)
{
	char buf[ES_CELL_MAX];

	if (!(share >= 0)) {
		unknown(f);
		return;
	}
	fprintf(f, "<data value=\"%.17g\">", share);
	es_html_escape(f, es_fmt_share(buf, share));
	fprintf(f,
		"</data>"
		"<svg class=\"meter\" width=\"100%%\" height=\"6\" aria-hidden=\"true\">"
		"<rect class=\"track\" width=\"100%%\" height=\"6\" rx=\"2\"/>"
		"<rect class=\"fill\" width=\"%.4f%%\" height=\"6\" rx=\"2\"/></svg>",
		es_bar_percent(share, 1));
}

static void fact_paging_exits(const struct es_page *pg, size_t side)
{
	show_share(pg->f, pg->p->compare.sides[side].paging.exit_share);
}

static void fact_paging_time(const struct es_page *pg, size_t side)
{
	show_share(pg->f, pg->p->compare.sides[side].paging.time_share);
}

static const struct {
	const char *name, *title;
	fact_fn show;
} facts[] = {
	{ "file", "File", fact_file },
	{ "vm", "VM", fact_vm },
	{ "host", "Host", fact_host },
	{ "kernel", "Host’s kernel", fact_kernel },
	{ "vendor", "Processor", fact_vendor },
	{ "paging", "Paging", fact_paging },
	{ "vcpus", "vCPUs", fact_vcpus },
	{ "when", "Recorded", fact_when },
	{ "span", "Length", fact_span },
	{ "guest", "Time in the guest", fact_guest },
	{ "time", "Time in exits", fact_time },
	{ "exits", "Exits", fact_exits },
	{ "rate", "Exits per second", fact_rate },
	{ "paging-exits", "Paging’s share of exits", fact_paging_exits },
	{ "paging-time", "Paging’s share of exit time", fact_paging_time },
};

void es_report_runs(const struct es_page *pg)
{
	size_t n = pg->p->compare.n_sides;

	fputs("<section>\n", pg->f);
	es_page_heading(pg, 0, "runs", n > 1 ? "The runs" : "The run");
	es_page_table(pg->f, "The runs", "facts", n);
	fputs("<thead><tr><td></td>", pg->f);
	for (size_t i = 0; i < n; i++) {
		fputs("<th scope=\"col\">", pg->f);
		es_page_run(pg, i);
		fputs("</th>", pg->f);
	}
	fputs("</tr></thead>\n<tbody>\n", pg->f);
	for (size_t k = 0; k < ES_ARRAY_SIZE(facts); k++) {
		fprintf(pg->f, "<tr data-fact=\"%s\"><th scope=\"row\">%s</th>", facts[k].name,
			facts[k].title);
		for (size_t i = 0; i < n; i++) {
			fprintf(pg->f, "<td class=\"r%zu\">", es_page_colour(pg, i));
			facts[k].show(pg, i);
			fputs("</td>", pg->f);
		}
		fputs("</tr>\n", pg->f);
	}
	fputs("</tbody>\n", pg->f);
	es_page_table_end(pg->f);
	fputs("</section>\n", pg->f);
}

/* --- how it was measured --- */

static const struct {
	const char *name, *title;
	size_t offset;
} losses[] = {
	{ "dropped", "events for which there was no room", offsetof(struct es_health_counts, dropped) },
	{ "missed", "events that the kernel skipped", offsetof(struct es_health_counts, missed) },
	{ "unattributed", "events of no known VM", offsetof(struct es_health_counts, unattributed) },
	{ "unattributed_mmu", "of these, of the MMU", offsetof(struct es_health_counts, unattributed_mmu) },
	{ "unknown_reasons", "exits whose reason has no name (not lost)",
	  offsetof(struct es_health_counts, unknown_reasons) },
	{ "read_errors", "reading errors", offsetof(struct es_health_counts, read_errors) },
};

static void loss_rows(FILE *f, const struct es_report *r)
{
	char buf[ES_CELL_MAX];

	for (size_t k = 0; k < ES_ARRAY_SIZE(losses); k++) {
		fprintf(f, "<tr><th scope=\"row\">%s <code>%s</code></th>", losses[k].title, losses[k].name);
		for (size_t i = 0; i < r->n_runs; i++) {
			uint64_t v;

			memcpy(&v, (const char *)&r->runs[i].health + losses[k].offset, sizeof(v));
			fprintf(f, "<td class=\"num%s\"", v == 0 ? " zero" : "");
			es_html_data(f, "data-value", v);
			fputc('>', f);
			if (v == ES_NONE)
				unknown(f);
			else
				fputs(es_fmt_group(buf, v), f);
			fputs("</td>", f);
		}
		fputs("</tr>\n", f);
	}
}

static const char *yes_text(const struct es_run *run, bool latency)
{
	if (latency)
		return run->latency ? "yes" : "no, counts only";
	return run->cut ? "yes: the last line is not whole, what came before counts" : "no";
}

static void file_row(FILE *f, const struct es_report *r, const char *title, bool latency)
{
	fprintf(f, "<tr><th scope=\"row\">%s</th>", title);
	for (size_t i = 0; i < r->n_runs; i++)
		fprintf(f, "<td class=\"num\">%s</td>", yes_text(&r->runs[i], latency));
	fputs("</tr>\n", f);
}

static void file_table(FILE *f, const struct es_report *r)
{
	char buf[ES_CELL_MAX];

	es_page_table(f, "The recordings", "facts", r->n_runs);
	fputs("<thead><tr><td></td>", f);
	for (size_t i = 0; i < r->n_runs; i++) {
		fputs("<th scope=\"col\" class=\"num\">", f);
		es_page_swatch(f, r, i);
		fputs("</th>", f);
	}
	fputs("</tr></thead>\n<tbody>\n<tr><th scope=\"row\">Snapshots in the file</th>", f);
	for (size_t i = 0; i < r->n_runs; i++)
		fprintf(f, "<td class=\"num\">%s</td>", es_fmt_group(buf, r->runs[i].lines));
	fputs("</tr>\n", f);
	file_row(f, r, "Times measured", true);
	file_row(f, r, "Cut short", false);
	fputs("</tbody>\n<tbody>\n", f);
	fprintf(f,
		"<tr><th scope=\"rowgroup\" colspan=\"%zu\">Lost meanwhile, of all VMs on the "
		"host</th></tr>\n",
		r->n_runs + 1);
	loss_rows(f, r);
	fputs("</tbody>\n", f);
	es_page_table_end(f);
}

void es_report_measured(const struct es_page *pg)
{
	fputs("<section class=\"measured\">\n<h2 id=\"measured\">How it was measured</h2>\n"
	      "<p>exitstatd’s BPF programs on KVM’s own tracepoints add up every exit in the kernel, for "
	      "each vCPU and "
	      "reason: nothing is sampled. Recorded are snapshots of these counters; all numbers here are "
	      "differences of "
	      "two of them.</p>\n<dl>\n"
	      "<dt>Exit</dt><dd>One firing of <code>kvm_exit</code>: the hardware left the guest.</dd>\n"
	      "<dt>Exit time</dt><dd>From <code>kvm_exit</code> to the next <code>kvm_entry</code> of the "
	      "same vCPU, less "
	      "the time it was halted: what KVM did, what the VMM did, and any wait for a CPU.</dd>\n"
	      "<dt>Where the time went</dt><dd>A vCPU is in the guest, in the kernel (KVM), in the VMM (user "
	      "space), waiting for a CPU, or idle (halted): in one of them at any time.</dd>\n"
	      "<dt>Paging</dt><dd>Exits that exist only because of how guest addresses are translated. With "
	      "nested paging: "
	      "EPT violations and misconfigurations, nested page faults. With shadow paging: page faults, "
	      "INVLPG and its "
	      "kin, reads and writes of CR3.</dd>\n"
	      "<dt>Percentiles</dt><dd>From histograms whose buckets double: within a factor of two of the "
	      "true value.</dd>\n"
	      "<dt>–</dt><dd>Not measured. It is never shown as 0.</dd>\n</dl>\n",
	      pg->f);
	file_table(pg->f, pg->r);
	fputs("</section>\n", pg->f);
}
