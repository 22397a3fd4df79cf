// SPDX-License-Identifier: GPL-2.0-only
/* Runs side by side. Differences of rates are made here, differences of counters never. */
#include <exitstat/compare.h>

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/util.h>

#define NS_PER_S     1e9
#define DIFFER	     2.0 /* loads that differ by more than this are another load */
#define ALL_BUT_REST 0.9 /* of a difference: the rest needs no name, */
#define WORTH_A_NAME 0.1 /* unless there is so much of it */

/* --- numbers --- */

static double per_divisor(uint64_t v, double divisor)
{
	return v == ES_NONE || divisor <= 0 ? -1 : (double)v / divisor;
}

static double ratio_of(double n, double first)
{
	if (n < 0 || first < 0 || (first == 0 && n == 0))
		return -1;
	return first == 0 ? INFINITY : n / first;
}

static double part_of(double n, double first, double total, double first_total)
{
	if (n < 0 || first < 0 || total < 0 || first_total < 0 || total == first_total)
		return NAN;
	return (n - first) / (total - first_total);
}

/* Fills what follows from count and time_ns. */
static void derive(struct es_compare *c, struct es_compare_row *row)
{
	for (size_t i = 0; i < c->n_sides; i++) {
		struct es_compare_cell *cell = &row->side[i], *first = &row->side[0];
		const struct es_compare_cell *total = c->total.side;

		cell->n = per_divisor(cell->count, c->sides[i].divisor);
		cell->ns = per_divisor(cell->time_ns, c->sides[i].divisor);
		cell->ratio = ratio_of(cell->n, first->n);
		cell->explained = part_of(cell->n, first->n, total[i].n, total[0].n);
		cell->explained_time = part_of(cell->ns, first->ns, total[i].ns, total[0].ns);
	}
}

static uint64_t guest_ns(const struct es_run_vm *vm)
{
	return vm->counts.time.guest_ns;
}

static double divisor_of(const struct es_run *run, const struct es_run_vm *vm, enum es_per per)
{
	uint64_t ns = per == ES_PER_GUEST_SECOND ? guest_ns(vm)
		      : vm->span_ns != ES_NONE	 ? vm->span_ns
						 : run->span_ns;

	if (per == ES_PER_TOTAL)
		return 1;
	return ns == ES_NONE || !ns ? -1 : (double)ns / NS_PER_S;
}

/* --- rows --- */

/* What a side has of a reason; where exits are known, what does not stand there is 0. */
static struct es_compare_cell cell_of(const struct es_run_vm *vm, uint32_t code)
{
	const struct es_reason *r = es_counts_find(&vm->counts, code);
	struct es_compare_cell none = { .count = ES_NONE, .time_ns = ES_NONE };

	if (r)
		return (struct es_compare_cell){ .count = r->count, .time_ns = r->time_ns };
	if (!vm->counts.exits_unknown) {
		none.count = 0;
		none.time_ns = es_exits_time_ns(&vm->counts) == ES_NONE ? ES_NONE : 0;
	}
	return none;
}

/* On VMX a code's class is one matter under shadow paging and another under nested: the side with more of it decides. */
static enum es_class class_of(const struct es_compare *c, const struct es_compare_row *row)
{
	size_t most = 0;

	for (size_t i = 1; i < c->n_sides; i++)
		if (row->side[i].count != ES_NONE &&
		    (row->side[most].count == ES_NONE || row->side[i].count > row->side[most].count))
			most = i;
	return es_reason_class_for(c->sides[most].run->host.isa, c->sides[most].vm->paging, row->code);
}

static enum es_isa isa_of(const struct es_compare *c)
{
	for (size_t i = 0; i < c->n_sides; i++)
		if (c->sides[i].run->host.isa != ES_ISA_NONE)
			return c->sides[i].run->host.isa;
	return ES_ISA_NONE;
}

static void fill_reason(struct es_compare *c, struct es_compare_row *row, uint32_t code)
{
	char buf[ES_REASON_NAME_MAX];

	*row = (struct es_compare_row){ .code = code };
	snprintf(row->name, sizeof(row->name), "%s", es_reason_name(isa_of(c), code, buf));
	for (size_t i = 0; i < c->n_sides; i++)
		row->side[i] = cell_of(c->sides[i].vm, code);
	row->class = class_of(c, row);
	derive(c, row);
}

static int compare_codes(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return a < b ? -1 : a > b;
}

static int fill_reasons(struct es_compare *c)
{
	_cleanup_free_ uint32_t *codes = NULL;
	size_t n = 0, k = 0;

	for (size_t i = 0; i < c->n_sides; i++)
		n += c->sides[i].vm->counts.n_reasons;
	codes = calloc(n + 1, sizeof(*codes));
	c->reasons = calloc(n + 1, sizeof(*c->reasons));
	if (!codes || !c->reasons)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_sides; i++)
		for (size_t j = 0; j < c->sides[i].vm->counts.n_reasons; j++)
			codes[k++] = c->sides[i].vm->counts.reasons[j].code;
	qsort(codes, n, sizeof(*codes), compare_codes);
	for (size_t i = 0; i < n; i++)
		if (!i || codes[i] != codes[i - 1])
			fill_reason(c, &c->reasons[c->n_reasons++], codes[i]);
	return 0;
}

static void add_up(uint64_t *sum, uint64_t v)
{
	if (*sum == ES_NONE || v == ES_NONE)
		*sum = ES_NONE;
	else
		*sum = *sum < ES_NONE - 1 - v ? *sum + v : ES_NONE - 1;
}

/* Of the reasons, so that classes sum to the same as those. */
static void fill_classes(struct es_compare *c)
{
	struct es_compare_row all[ES_CLASSES] = { 0 };
	bool occurs[ES_CLASSES] = { false };

	for (size_t i = 0; i < c->n_reasons; i++) {
		const struct es_compare_row *r = &c->reasons[i];

		occurs[r->class] = true;
		for (size_t k = 0; k < c->n_sides; k++) {
			add_up(&all[r->class].side[k].count, r->side[k].count);
			add_up(&all[r->class].side[k].time_ns, r->side[k].time_ns);
		}
	}
	for (size_t i = 0; i < ES_CLASSES; i++) {
		if (!occurs[i])
			continue;
		all[i].class = (enum es_class)i;
		snprintf(all[i].name, sizeof(all[i].name), "%s", es_class_name(all[i].class));
		derive(c, &all[i]);
		c->classes[c->n_classes++] = all[i];
	}
}

static void fill_total(struct es_compare *c)
{
	snprintf(c->total.name, sizeof(c->total.name), "total");
	for (size_t i = 0; i < c->n_sides; i++) {
		c->total.side[i].count = es_exits_total(&c->sides[i].vm->counts);
		c->total.side[i].time_ns = es_exits_time_ns(&c->sides[i].vm->counts);
	}
	/* The second time the totals of all sides are there to be compared with. */
	derive(c, &c->total);
	derive(c, &c->total);
}

/* How far the sides are apart; without numbers that can be compared, not at all. */
static double spread(const struct es_compare *c, const struct es_compare_row *row)
{
	double most = 0;

	for (size_t i = 1; i < c->n_sides; i++)
		if (row->side[i].n >= 0 && row->side[0].n >= 0)
			most = fmax(most, fabs(row->side[i].n - row->side[0].n));
	return most;
}

static double greatest(const struct es_compare_row *row)
{
	double most = 0;

	for (size_t i = 0; i < ES_SIDES_MAX; i++)
		if (row->side[i].count != ES_NONE)
			most = fmax(most, (double)row->side[i].count);
	return most;
}

static int compare_rows(const void *pa, const void *pb, void *c)
{
	const struct es_compare_row *a = pa, *b = pb;
	double da = spread(c, a), db = spread(c, b), ca = greatest(a), cb = greatest(b);

	if (da != db)
		return da > db ? -1 : 1;
	if (ca != cb)
		return ca > cb ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* --- warnings --- */

static void warn(struct es_compare *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void warn(struct es_compare *c, const char *fmt, ...)
{
	va_list ap;
	char *text;

	if (c->n_warnings == ES_COMPARE_WARNINGS)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0)
		c->warnings[c->n_warnings++] = text;
	va_end(ap);
}

static bool far_apart(double a, double b)
{
	return a > 0 && b > 0 && (a / b > DIFFER || b / a > DIFFER);
}

static double seconds(uint64_t ns)
{
	return ns == ES_NONE ? -1 : (double)ns / NS_PER_S;
}

static const char *known(const char *text)
{
	return *text ? text : "unknown";
}

static char letter(size_t side)
{
	return (char)('A' + side);
}

/* What is odd of one file by itself. */
static void warn_of_run(struct es_compare *c, size_t i)
{
	const struct es_run *run = c->sides[i].run;
	const struct es_health_counts *h = &run->health;
	const struct {
		uint64_t n;
		const char *what;
	} losses[] = {
		{ h->dropped, "with no room in the maps" },
		{ h->missed, "skipped by the kernel" },
		{ es_unattributed_other(h), "of no known vCPU" },
		{ h->read_errors, "unreadable" },
	};

	if (c->sides[i].vm->mixed)
		warn(c, "%c holds VMs of that name with several paging modes: what paging cost is not known.",
		     letter(i));
	if (run->cut)
		warn(c, "%c ends in the middle of a line: its recorder was killed, or is still at work.",
		     letter(i));
	if (run->vanished)
		warn(c, "%c misses exits: exitstatd was restarted, or forgot a VM, while it recorded.",
		     letter(i));
	for (size_t k = 0; k < ES_ARRAY_SIZE(losses); k++)
		if (losses[k].n && losses[k].n != ES_NONE)
			warn(c, "%c lost events (of all VMs): %llu %s.", letter(i),
			     (unsigned long long)losses[k].n, losses[k].what);
}

static void warn_of_hosts(struct es_compare *c, size_t i)
{
	const struct es_run *a = c->sides[0].run, *b = c->sides[i].run;

	if (strcmp(a->host.hostname, b->host.hostname) != 0)
		warn(c, "A and %c are of different hosts: %s and %s.", letter(i), known(a->host.hostname),
		     known(b->host.hostname));
	if (strcmp(a->host.kernel, b->host.kernel) != 0)
		warn(c, "A and %c are of different kernels: %s and %s.", letter(i), known(a->host.kernel),
		     known(b->host.kernel));
	if (a->host.isa == ES_ISA_NONE || b->host.isa == ES_ISA_NONE)
		warn(c, "The processor's vendor is not known of %s: codes may mean different things.",
		     a->host.isa == b->host.isa	  ? "both"
		     : a->host.isa == ES_ISA_NONE ? "A"
						  : (char[]){ letter(i), '\0' });
	if (a->totals != b->totals && c->per == ES_PER_TOTAL)
		warn(c,
		     "%c holds totals since the VM was first seen, the other what happened while it was "
		     "recorded.",
		     a->totals ? 'A' : letter(i));
}

static void warn_of_vms(struct es_compare *c, size_t i)
{
	const struct es_run_vm *a = c->sides[0].vm, *b = c->sides[i].vm;
	double span_a = seconds(a->span_ns), span_b = seconds(b->span_ns), guest_a = seconds(guest_ns(a)),
	       guest_b = seconds(guest_ns(b));
	bool timed_a = es_exits_time_ns(&a->counts) != ES_NONE,
	     timed_b = es_exits_time_ns(&b->counts) != ES_NONE;

	if (a->n_vcpus != b->n_vcpus)
		warn(c, "A has %u vCPU%s, %c has %u.", a->n_vcpus, a->n_vcpus == 1 ? "" : "s", letter(i),
		     b->n_vcpus);
	if (a->nested != b->nested)
		warn(c, "%c ran guests of its own (nested), the other did not.", a->nested ? 'A' : letter(i));
	if (timed_a != timed_b)
		warn(c, "Times were measured on %c only.", timed_a ? 'A' : letter(i));
	if (far_apart(span_a, span_b))
		warn(c, "Very different spans: A %.1f s, %c %.1f s.", span_a, letter(i), span_b);
	if (far_apart(guest_a, guest_b))
		warn(c, "Very different loads: the guest ran %.1f s on A, %.1f s on %c.", guest_a, guest_b,
		     letter(i));
	if (a->instances != b->instances)
		warn(c, "A adds up %u VM%s of that name, %c %u.", a->instances, a->instances == 1 ? "" : "s",
		     letter(i), b->instances);
}

/* --- all of it --- */

static int fail(char err[ES_ERR_MAX], int error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fail(char err[ES_ERR_MAX], int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, ES_ERR_MAX, fmt, ap);
	va_end(ap);
	return -error;
}

static int check_vendors(const struct es_compare *c, char err[ES_ERR_MAX])
{
	enum es_isa isa = isa_of(c);

	for (size_t i = 0; i < c->n_sides; i++) {
		const struct es_run *run = c->sides[i].run;

		if (run->host.isa != ES_ISA_NONE && run->host.isa != isa)
			return fail(err, EXDEV,
				    "%.60s is of %s, %.60s of %s: their exit reasons have nothing in common",
				    c->sides[0].run->path, isa == ES_ISA_VMX ? "Intel (VMX)" : "AMD (SVM)",
				    run->path, isa == ES_ISA_VMX ? "AMD (SVM)" : "Intel (VMX)");
	}
	return 0;
}

static int check_divisors(const struct es_compare *c, char err[ES_ERR_MAX])
{
	for (size_t i = 0; i < c->n_sides; i++)
		if (c->per == ES_PER_GUEST_SECOND && c->sides[i].divisor < 0)
			return fail(err, EINVAL,
				    "%.120s has no guest time of %.40s: compare per second, or in total",
				    c->sides[i].run->path, c->sides[i].vm->name);
	return 0;
}

int es_compare(const struct es_run *const *runs, const struct es_run_vm *const *vms, size_t n,
	       enum es_per per, struct es_compare *out, char err[ES_ERR_MAX])
{
	int r;

	*out = (struct es_compare){ .n_sides = n, .per = per };
	if (!n || n > ES_SIDES_MAX)
		return fail(err, EINVAL, "1 to %d runs can be compared", ES_SIDES_MAX);
	for (size_t i = 0; i < n; i++) {
		out->sides[i].run = runs[i];
		out->sides[i].vm = vms[i];
		out->sides[i].divisor = divisor_of(runs[i], vms[i], per);
		es_paging_cost(runs[i]->host.isa, vms[i]->paging, &vms[i]->counts, &out->sides[i].paging);
	}
	r = check_vendors(out, err);
	if (!r)
		r = check_divisors(out, err);
	if (r)
		return r;
	fill_total(out);
	r = fill_reasons(out);
	if (r) {
		es_compare_clear(out);
		return fail(err, ENOMEM, "out of memory");
	}
	fill_classes(out);
	qsort_r(out->reasons, out->n_reasons, sizeof(*out->reasons), compare_rows, out);
	qsort_r(out->classes, out->n_classes, sizeof(*out->classes), compare_rows, out);
	for (size_t i = 0; i < n; i++)
		warn_of_run(out, i);
	for (size_t i = 1; i < n; i++)
		warn_of_hosts(out, i);
	out->n_run_warnings = out->n_warnings;
	for (size_t i = 0; i < n; i++)
		if (vms[i]->counts.exits_unknown)
			warn(out, "%c has no exits: the KVM there reports none.", letter(i));
	for (size_t i = 1; i < n; i++)
		warn_of_vms(out, i);
	return 0;
}

void es_compare_clear(struct es_compare *c)
{
	for (size_t i = 0; i < c->n_warnings; i++)
		free(c->warnings[i]);
	free(c->reasons);
	*c = (struct es_compare){ 0 };
}

/* Which of the reasons not in at[] explains most; n_reasons if none does any. */
static size_t best_of_rest(const struct es_compare *c, size_t side, const size_t *at, size_t n)
{
	size_t best = c->n_reasons;

	for (size_t i = 0; i < c->n_reasons; i++) {
		double e = c->reasons[i].side[side].explained;
		bool taken = false;

		for (size_t k = 0; k < n; k++)
			taken = taken || at[k] == i;
		if (!taken && e > 0 && (best == c->n_reasons || e > c->reasons[best].side[side].explained))
			best = i;
	}
	return best;
}

size_t es_compare_main(const struct es_compare *c, size_t side, size_t at[3], double *explained)
{
	size_t n = 0;

	*explained = 0;
	while (n < 3) {
		size_t best = best_of_rest(c, side, at, n);
		double e = best < c->n_reasons ? c->reasons[best].side[side].explained : 0;

		if (e <= 0 || (*explained >= ALL_BUT_REST && e < WORTH_A_NAME))
			break;
		at[n++] = best;
		*explained += e;
	}
	return n;
}

int es_run_pairs(const struct es_run *a, const struct es_run *b, struct es_run_pair **pairs, size_t *n)
{
	*n = 0;
	*pairs = calloc(a->n_vms + 1, sizeof(**pairs));
	if (!*pairs)
		return -ENOMEM;
	for (size_t i = 0; i < a->n_vms; i++) {
		const struct es_run_vm *other = es_run_vm(b, a->vms[i].name);

		if (!other && a->n_vms == 1 && b->n_vms == 1)
			other = &b->vms[0];
		if (other)
			(*pairs)[(*n)++] = (struct es_run_pair){ { &a->vms[i], other } };
	}
	return 0;
}
