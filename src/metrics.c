// SPDX-License-Identifier: GPL-2.0-only
/* The page that Prometheus reads: families in a table, each with the function that writes its samples. */
#include <exitstat/metrics.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <exitstat/paging.h>
#include <exitstat/reasons.h>
#include <exitstat/util.h>

/* A VM as it is exported. */
struct exported {
	const struct es_vm *vm;
	char *label;	     /* its name, or NAME@ID */
	struct es_time time; /* as of the page */
};

struct page {
	FILE *f;
	enum es_metrics_format format;
	const struct es_metrics_options *o;
	const struct es_snapshot *s;
	const struct es_status *st;
	struct exported *vms;
	size_t n, left_out;
	const char *family, *suffix;
};

/* --- samples --- */

struct label {
	const char *name, *value;
};

/* Both formats escape backslash, quote and newline, and are UTF-8, which names are. */
static void put_value(FILE *f, const char *value)
{
	for (const char *p = value; *p;) {
		size_t n = strcspn(p, "\n\\\"");

		fwrite(p, 1, n, f);
		p += n;
		if (*p)
			fprintf(f, "\\%c", *p == '\n' ? 'n' : *p);
		p += *p != '\0';
	}
}

static void begin_sample(const struct page *p, const char *suffix, const struct label *labels, size_t n)
{
	fprintf(p->f, "%s%s", p->family, suffix);
	for (size_t i = 0; i < n; i++) {
		fprintf(p->f, "%c%s=\"", i ? ',' : '{', labels[i].name);
		put_value(p->f, labels[i].value);
		fputc('"', p->f);
	}
	if (n)
		fputc('}', p->f);
}

#define LABELS(...)                            \
	(const struct label[]){ __VA_ARGS__ }, \
		sizeof((const struct label[]){ __VA_ARGS__ }) / sizeof(struct label)

/* v: ES_NONE is not measured, and not told. */
static void put_count(const struct page *p, uint64_t v, const struct label *labels, size_t n)
{
	if (v == ES_NONE)
		return;
	begin_sample(p, p->suffix, labels, n);
	fprintf(p->f, " %" PRIu64 "\n", v);
}

/* From ns, to the last digit. */
static void put_seconds(const struct page *p, uint64_t ns, const struct label *labels, size_t n)
{
	if (ns == ES_NONE)
		return;
	begin_sample(p, p->suffix, labels, n);
	fprintf(p->f, " %" PRIu64 ".%09" PRIu64 "\n", ns / 1000000000, ns % 1000000000);
}

/* --- VMs --- */

static void vm_info(const struct page *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct es_vm *vm = p->vms[i].vm;
		char pid[16];

		snprintf(pid, sizeof(pid), "%u", vm->pid);
		put_count(p, 1,
			  LABELS({ "vm", p->vms[i].label }, { "id", vm->id }, { "name", vm->name },
				 { "pid", pid }));
	}
}

static void vm_state(const struct page *p)
{
	for (size_t i = 0; i < p->n; i++) {
		for (enum es_vm_state s = ES_VM_RUNNING; s <= ES_VM_ENDED; s++)
			put_count(p, p->vms[i].vm->state == s,
				  LABELS({ "vm", p->vms[i].label }, { "state", es_vm_state_name(s) }));
	}
}

static void vm_paging(const struct page *p)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->vms[i].vm->paging != ES_PAGING_NONE)
			put_count(p, 1,
				  LABELS({ "vm", p->vms[i].label },
					 { "mode", es_paging_name(p->vms[i].vm->paging) }));
	}
}

static void vm_vcpus(const struct page *p)
{
	for (size_t i = 0; i < p->n; i++)
		put_count(p, p->vms[i].vm->n_vcpus, LABELS({ "vm", p->vms[i].label }));
}

static void for_each_reason(const struct page *p, void (*put)(const struct page *p, const struct es_reason *r,
							      const char *vm, const char *reason))
{
	char buf[ES_REASON_NAME_MAX];

	for (size_t i = 0; i < p->n; i++) {
		const struct es_counts *c = &p->vms[i].vm->counts;

		for (size_t k = 0; k < c->n_reasons; k++)
			put(p, &c->reasons[k], p->vms[i].label,
			    es_reason_name(p->s->host.isa, c->reasons[k].code, buf));
	}
}

static void put_exits(const struct page *p, const struct es_reason *r, const char *vm, const char *reason)
{
	put_count(p, r->count, LABELS({ "vm", vm }, { "reason", reason }));
}

static void vm_exits(const struct page *p)
{
	for_each_reason(p, put_exits);
}

static void put_exit_seconds(const struct page *p, const struct es_reason *r, const char *vm,
			     const char *reason)
{
	put_seconds(p, r->time_ns, LABELS({ "vm", vm }, { "reason", reason }));
}

static void vm_exit_seconds(const struct page *p)
{
	for_each_reason(p, put_exit_seconds);
}

static void vm_paging_exits(const struct page *p)
{
	struct es_paging_cost cost;

	for (size_t i = 0; i < p->n; i++) {
		es_paging_cost(p->s->host.isa, p->vms[i].vm->paging, &p->vms[i].vm->counts, &cost);
		put_count(p, cost.exits, LABELS({ "vm", p->vms[i].label }));
	}
}

static void vm_paging_seconds(const struct page *p)
{
	struct es_paging_cost cost;

	for (size_t i = 0; i < p->n; i++) {
		es_paging_cost(p->s->host.isa, p->vms[i].vm->paging, &p->vms[i].vm->counts, &cost);
		put_seconds(p, cost.time_ns, LABELS({ "vm", p->vms[i].label }));
	}
}

static void vm_time(const struct page *p)
{
	static const char *const where[ES_TIME_PARTS] = {
		[ES_TIME_GUEST] = "guest",	 [ES_TIME_KERNEL] = "kernel", [ES_TIME_VMM] = "vmm",
		[ES_TIME_RUNQUEUE] = "runqueue", [ES_TIME_IDLE] = "idle",
	};

	for (size_t i = 0; i < p->n; i++) {
		for (unsigned int k = 0; k < ES_TIME_PARTS; k++)
			put_seconds(p, ES_U64S(p->vms[i].time)[k],
				    LABELS({ "vm", p->vms[i].label }, { "where", where[k] }));
	}
}

/* "mmu.faults.tdp" is faults_tdp. */
static const char *event_label(const char *key, char *buf, size_t size)
{
	const char *dot = strchr(key, '.');

	snprintf(buf, size, "%s", dot ? dot + 1 : key);
	for (char *c = buf; *c; c++) {
		if (*c == '.')
			*c = '_';
	}
	return buf;
}

static void mmu_events(const struct page *p)
{
	size_t n;
	const struct es_paging_event *e = es_paging_events(&n);
	char buf[64];

	for (size_t i = 0; i < p->n; i++) {
		const struct es_vm *vm = p->vms[i].vm;

		for (size_t k = 0; k < n; k++) {
			if (es_paging_event_shown(&e[k], vm->nested, &vm->counts))
				put_count(p, es_paging_event_count(&e[k], &vm->counts),
					  LABELS({ "vm", p->vms[i].label },
						 { "event", event_label(e[k].key, buf, sizeof(buf)) }));
		}
	}
}

/* --- histograms --- */

struct histogram {
	uint64_t count, time_ns, hist[ES_HIST_BUCKETS];
};

/* Of one class: what of it has times. */
static void add_class(const struct page *p, const struct es_vm *vm, enum es_class class, struct histogram *h)
{
	memset(h, 0, sizeof(*h));
	for (size_t k = 0; k < vm->counts.n_reasons; k++) {
		const struct es_reason *r = &vm->counts.reasons[k];

		if (es_reason_class_for(p->s->host.isa, vm->paging, r->code) != class ||
		    r->hist[0] == ES_NONE)
			continue;
		h->time_ns += r->time_ns;
		for (size_t b = 0; b < ES_HIST_BUCKETS; b++) {
			h->hist[b] += r->hist[b];
			h->count += r->hist[b];
		}
	}
}

/* The upper bound of bucket b of ours, in seconds: 2^(b + 6) ns, see abi.h. */
static void put_histogram(const struct page *p, const char *vm, const char *class, const struct histogram *h)
{
	uint64_t sum = 0;
	char le[32];

	for (size_t b = 0; b < ES_HIST_BUCKETS; b++) {
		uint64_t ns = 1ull << (b + ES_HIST_SHIFT);

		sum += h->hist[b];
		if (b % 2 == 0 || b == ES_HIST_BUCKETS - 1)
			continue;
		snprintf(le, sizeof(le), "%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);
		begin_sample(p, "_bucket", LABELS({ "vm", vm }, { "class", class }, { "le", le }));
		fprintf(p->f, " %" PRIu64 "\n", sum);
	}
	begin_sample(p, "_bucket", LABELS({ "vm", vm }, { "class", class }, { "le", "+Inf" }));
	fprintf(p->f, " %" PRIu64 "\n", h->count);
	begin_sample(p, "_sum", LABELS({ "vm", vm }, { "class", class }));
	fprintf(p->f, " %" PRIu64 ".%09" PRIu64 "\n", h->time_ns / 1000000000, h->time_ns % 1000000000);
	begin_sample(p, "_count", LABELS({ "vm", vm }, { "class", class }));
	fprintf(p->f, " %" PRIu64 "\n", h->count);
}

static void vm_durations(const struct page *p)
{
	struct histogram h;

	for (size_t i = 0; p->o->histograms && i < p->n; i++) {
		for (enum es_class c = 0; c < ES_CLASSES; c++) {
			add_class(p, p->vms[i].vm, c, &h);
			if (h.count)
				put_histogram(p, p->vms[i].label, es_class_name(c), &h);
		}
	}
}

/* --- the host and the daemon --- */

static void host_info(const struct page *p)
{
	const char *isa = es_isa_name(p->s->host.isa);

	put_count(p, 1, LABELS({ "isa", isa ? isa : "none" }, { "kernel", p->s->host.kernel }));
}

static void build_info(const struct page *p)
{
	put_count(p, 1, LABELS({ "version", ES_VERSION }));
}

static void attached(const struct page *p)
{
	put_count(p, p->st->attach == ES_ATTACH_ATTACHED || p->st->attach == ES_ATTACH_REPLAY, NULL, 0);
}

static void vms(const struct page *p)
{
	size_t live = 0;

	for (size_t i = 0; i < p->s->n_vms; i++)
		live += p->s->vms[i]->state != ES_VM_ENDED;
	put_count(p, live, NULL, 0);
}

static void vms_left_out(const struct page *p)
{
	put_count(p, p->left_out, NULL, 0);
}

static void program_missed(const struct page *p)
{
	for (unsigned int i = 0; i < p->st->n_programs; i++)
		put_count(p, p->st->programs[i].missed, LABELS({ "program", p->st->programs[i].name }));
}

/* Families of one number, by where it stands. */
#define HEALTH(member)                                      \
	static void health_##member(const struct page *p)   \
	{                                                   \
		put_count(p, p->s->health.member, NULL, 0); \
	}
HEALTH(slots_used)
HEALTH(slots_max)
HEALTH(dropped)
HEALTH(missed)
HEALTH(unattributed)
HEALTH(unknown_reasons)
HEALTH(read_errors)

#define STATUS(member, put)                               \
	static void status_##member(const struct page *p) \
	{                                                 \
		put(p, p->st->member, NULL, 0);           \
	}
STATUS(cpu_ns, put_seconds)
STATUS(rss_bytes, put_count)
STATUS(map_bytes, put_count)
STATUS(samples, put_count)
STATUS(sample_ns_sum, put_seconds)
STATUS(clients, put_count)
STATUS(requests, put_count)
STATUS(ring_full, put_count)
STATUS(uptime_ns, put_seconds)

static void taken(const struct page *p)
{
	put_seconds(p, p->s->taken.realtime_ns, NULL, 0);
}

/* --- the page --- */

static const struct {
	struct es_metrics_family of;
	void (*samples)(const struct page *p);
} families[] = {
	{ { "exitstat_vm_info", "gauge", "vm,id,name,pid", "VMs that are exported, and who they are." },
	  vm_info },
	{ { "exitstat_vm_state", "gauge", "vm,state",
	    "1 for the state a VM is in: running, paused or ended." },
	  vm_state },
	{ { "exitstat_vm_paging_mode", "gauge", "vm,mode",
	    "1 for how KVM translates a VM's addresses: ept, npt or shadow." },
	  vm_paging },
	{ { "exitstat_vm_vcpus", "gauge", "vm", "vCPUs of a VM." }, vm_vcpus },
	{ { "exitstat_vm_exits_total", "counter", "vm,reason", "Exits to the hypervisor, by reason." },
	  vm_exits },
	{ { "exitstat_vm_exit_seconds_total", "counter", "vm,reason",
	    "Time from exits of a reason to the next entry, time halted left out." },
	  vm_exit_seconds },
	{ { "exitstat_vm_exit_duration_seconds", "histogram", "vm,class",
	    "The same as a histogram, by class of reasons." },
	  vm_durations },
	{ { "exitstat_vm_paging_exits_total", "counter", "vm",
	    "Exits because of how addresses are translated." },
	  vm_paging_exits },
	{ { "exitstat_vm_paging_seconds_total", "counter", "vm", "Time in them." }, vm_paging_seconds },
	{ { "exitstat_vm_time_seconds_total", "counter", "vm,where",
	    "Time of a VM's vCPUs: guest, kernel, vmm, runqueue (waiting for a CPU), idle (halted)." },
	  vm_time },
	{ { "exitstat_mmu_events_total", "counter", "vm,event", "What paging makes KVM do for a VM." },
	  mmu_events },
	{ { "exitstat_vms", "gauge", "", "VMs that live." }, vms },
	{ { "exitstat_vms_left_out", "gauge", "", "VMs that are not exported: more than --metrics-vms." },
	  vms_left_out },
	{ { "exitstat_attached", "gauge", "", "1 while exits are counted." }, attached },
	{ { "exitstat_host_info", "gauge", "isa,kernel", "The host: vmx or svm, and its kernel." },
	  host_info },
	{ { "exitstat_build_info", "gauge", "version", "The daemon." }, build_info },
	{ { "exitstat_snapshot_timestamp_seconds", "gauge", "", "When VMs were looked at." }, taken },
	{ { "exitstat_slots_used", "gauge", "", "vCPUs that are counted." }, health_slots_used },
	{ { "exitstat_slots_max", "gauge", "", "vCPUs that can be counted: --slots." }, health_slots_max },
	{ { "exitstat_dropped_total", "counter", "",
	    "Exits of vCPUs or reasons for which there was no room." },
	  health_dropped },
	{ { "exitstat_missed_total", "counter", "", "Events that the kernel ran no program for." },
	  health_missed },
	{ { "exitstat_unattributed_total", "counter", "", "Events that belong to no vCPU known." },
	  health_unattributed },
	{ { "exitstat_unknown_reasons_total", "counter", "", "Exits under codes that have no name." },
	  health_unknown_reasons },
	{ { "exitstat_read_errors_total", "counter", "", "Kernel memory that could not be read." },
	  health_read_errors },
	{ { "exitstat_ring_full_total", "counter", "",
	    "Announcements that were not sent; all slots are looked at then." },
	  status_ring_full },
	{ { "exitstat_program_missed_total", "counter", "program", "The same as missed, by program." },
	  program_missed },
	{ { "exitstat_uptime_seconds", "gauge", "", "How long the daemon has run." }, status_uptime_ns },
	{ { "exitstat_cpu_seconds_total", "counter", "", "CPU time of the daemon." }, status_cpu_ns },
	{ { "exitstat_resident_bytes", "gauge", "", "Memory of the daemon." }, status_rss_bytes },
	{ { "exitstat_map_bytes", "gauge", "", "Memory of its maps in the kernel." }, status_map_bytes },
	{ { "exitstat_samples_total", "counter", "", "Looks at the VMs." }, status_samples },
	{ { "exitstat_sample_seconds_total", "counter", "", "Time that they took." }, status_sample_ns_sum },
	{ { "exitstat_clients", "gauge", "", "Clients on the local socket." }, status_clients },
	{ { "exitstat_requests_total", "counter", "", "Requests on the local socket." }, status_requests },
};

const struct es_metrics_family *es_metrics_family(size_t i)
{
	return i < ES_ARRAY_SIZE(families) ? &families[i].of : NULL;
}

/* Is there one of this name among those chosen? */
static bool is_taken(const struct page *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++) {
		if (!strcmp(p->vms[i].label, name))
			return true;
	}
	return false;
}

static void add_vm(struct page *p, const struct es_vm *vm)
{
	bool ended = vm->state == ES_VM_ENDED, known = is_taken(p, vm->name);
	struct exported *e = &p->vms[p->n];
	struct es_counts c = vm->counts;
	char *label;

	/* Its series go on with the live one's, from 0 as when a program starts anew. */
	if (ended && known)
		return;
	if (p->n == p->o->vms) {
		p->left_out++;
		return;
	}
	if ((known ? asprintf(&label, "%s@%s", vm->name, vm->id) : asprintf(&label, "%s", vm->name)) < 0)
		label = NULL;
	/* One series twice, and Prometheus would refuse the whole page: a VM may be called like that to do it. */
	if (!label || (known && is_taken(p, label))) {
		free(label);
		p->left_out++;
		return;
	}
	e->label = label;
	es_counts_advance(&c, p->s->taken.monotonic_ns);
	e->vm = vm;
	e->time = c.time;
	p->n++;
}

static int by_age(const void *a, const void *b)
{
	const struct es_vm *x = *(const struct es_vm *const *)a, *y = *(const struct es_vm *const *)b;
	bool ended = x->state == ES_VM_ENDED;

	if (ended != (y->state == ES_VM_ENDED))
		return ended ? 1 : -1;
	if (ended)
		return (x->ended_ns < y->ended_ns) - (x->ended_ns > y->ended_ns);
	if (x->since_ns != y->since_ns)
		return x->since_ns < y->since_ns ? -1 : 1;
	return strcmp(x->id, y->id);
}

/* The oldest that live first, so that a newcomer changes nobody's label. */
static void choose(struct page *p)
{
	_cleanup_free_ struct es_vm **sorted = calloc(p->s->n_vms + 1, sizeof(struct es_vm *));

	p->vms = calloc(p->s->n_vms + 1, sizeof(*p->vms));
	if (!p->vms || !sorted) {
		p->left_out = p->s->n_vms;
		return;
	}
	for (size_t i = 0; i < p->s->n_vms; i++)
		sorted[i] = p->s->vms[i];
	qsort(sorted, p->s->n_vms, sizeof(*sorted), by_age);
	for (size_t i = 0; i < p->s->n_vms; i++)
		add_vm(p, sorted[i]);
}

/* OpenMetrics names a counter without the _total of its samples, and text format 0.0.4 with it. */
static void put_family(struct page *p, const struct es_metrics_family *f)
{
	size_t len = strlen(f->name), total = strlen("_total");
	bool cut = p->format == ES_METRICS_OPENMETRICS && !strcmp(f->type, "counter") && len > total;

	p->family = f->name;
	p->suffix = "";
	fprintf(p->f, "# HELP %.*s %s\n", (int)(cut ? len - total : len), f->name, f->help);
	fprintf(p->f, "# TYPE %.*s %s\n", (int)(cut ? len - total : len), f->name, f->type);
}

void es_metrics_write(FILE *f, enum es_metrics_format format, const struct es_metrics_options *o,
		      const struct es_snapshot *s, const struct es_status *st)
{
	struct page p = { .f = f, .format = format, .o = o, .s = s, .st = st };

	choose(&p);
	for (size_t i = 0; i < ES_ARRAY_SIZE(families); i++) {
		put_family(&p, &families[i].of);
		families[i].samples(&p);
	}
	if (format == ES_METRICS_OPENMETRICS)
		fputs("# EOF\n", f);
	for (size_t i = 0; p.vms && i < p.n; i++)
		free(p.vms[i].label);
	free(p.vms);
}
