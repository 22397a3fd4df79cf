// SPDX-License-Identifier: GPL-2.0-only
#include <exitstat/paging.h>

#include <stdio.h>

#include <exitstat/diff.h>
#include <exitstat/util.h>

enum kind {
	KIND_NONE,
	KIND_TDP,   /* not mapped, or not so, in the nested page tables */
	KIND_MMIO,  /* known to be device memory by its code alone */
	KIND_FAULT, /* guest page fault */
	KIND_DROP,  /* a translation dropped */
	KIND_CR3,
	KIND_LOG, /* written pages logged */
	KINDS
};

enum { VMX_EXCEPTION_NMI = 0, VMX_CR_ACCESS = 28, SVM_READ_CR3 = 0x3 };

/* What is not of class paging counts under shadow paging only. */
static const struct {
	enum es_isa isa;
	uint32_t code;
	enum kind kind;
	bool shadow_only;
} paging_codes[] = {
	{ ES_ISA_SVM, 0x400, KIND_TDP, false },
	{ ES_ISA_SVM, 0x04e, KIND_FAULT, false },
	{ ES_ISA_SVM, 0x079, KIND_DROP, false },
	{ ES_ISA_SVM, 0x0a0, KIND_DROP, false },
	{ ES_ISA_SVM, 0x0a1, KIND_DROP, false },
	{ ES_ISA_SVM, 0x0a2, KIND_DROP, false },
	{ ES_ISA_SVM, 0x0a4, KIND_DROP, false },
	{ ES_ISA_SVM, 0x407, KIND_LOG, false },
	{ ES_ISA_SVM, SVM_READ_CR3, KIND_CR3, true },
	{ ES_ISA_SVM, 0x013, KIND_CR3, true },
	{ ES_ISA_VMX, 48, KIND_TDP, false },
	{ ES_ISA_VMX, 49, KIND_MMIO, false },
	{ ES_ISA_VMX, 14, KIND_DROP, false },
	{ ES_ISA_VMX, 58, KIND_DROP, false },
	{ ES_ISA_VMX, 62, KIND_LOG, false },
	{ ES_ISA_VMX, 66, KIND_TDP, false },
	{ ES_ISA_VMX, VMX_EXCEPTION_NMI, KIND_FAULT, true },
	{ ES_ISA_VMX, VMX_CR_ACCESS, KIND_CR3, true },
};

static enum kind kind_of(enum es_isa isa, enum es_paging mode, uint32_t code)
{
	if (mode == ES_PAGING_NONE)
		return KIND_NONE;
	for (size_t i = 0; i < ES_ARRAY_SIZE(paging_codes); i++)
		if (paging_codes[i].isa == isa && paging_codes[i].code == code)
			return paging_codes[i].shadow_only && mode != ES_PAGING_SHADOW ? KIND_NONE
										       : paging_codes[i].kind;
	return KIND_NONE;
}

bool es_paging_exit(enum es_isa isa, enum es_paging mode, uint32_t code)
{
	return kind_of(isa, mode, code) != KIND_NONE;
}

/* Recordings may hold any number: a sum stays below ES_NONE. */
static uint64_t sum(uint64_t a, uint64_t b)
{
	return a < ES_NONE - 1 - b ? a + b : ES_NONE - 1;
}

/* How many exits of a reason that counts do so. */
static uint64_t part_of(enum es_isa isa, const struct es_counts *c, const struct es_reason *r)
{
	const struct es_cr_count *cr3 = &c->cr[ES_CR3];
	uint64_t part = r->count;

	if (isa == ES_ISA_VMX && r->code == VMX_CR_ACCESS && cr3->read != ES_NONE && cr3->write != ES_NONE)
		part = sum(cr3->read, cr3->write);
	if (isa == ES_ISA_VMX && r->code == VMX_EXCEPTION_NMI) {
		uint64_t faults = r->flags[ES_FLAG_PAGE_FAULT];

		if ((faults && faults != ES_NONE) || c->mmu.faults.shadow == 0)
			part = faults == ES_NONE ? 0 : faults;
	}
	return part < r->count ? part : r->count;
}

struct tally {
	uint64_t exits, time_ns;
};

/* Adds a reason's part to a tally; a part of its time is an estimate. */
static void tally_add(struct tally *t, const struct es_reason *r, uint64_t part)
{
	if (r->count == ES_NONE)
		return;
	t->exits = sum(t->exits, part);
	if (r->time_ns == ES_NONE)
		return;
	if (t->time_ns == ES_NONE)
		t->time_ns = 0;
	part = part == r->count ? r->time_ns : (uint64_t)((unsigned __int128)r->time_ns * part / r->count);
	t->time_ns = sum(t->time_ns, part);
}

static const struct es_paging_cost cost_unknown = { ES_NONE, ES_NONE, -1, -1 };

void es_paging_cost(enum es_isa isa, enum es_paging mode, const struct es_counts *c,
		    struct es_paging_cost *out)
{
	uint64_t total = es_exits_total(c), time_ns = es_exits_time_ns(c);
	struct tally t = { 0, time_ns == ES_NONE ? ES_NONE : 0 };

	*out = cost_unknown;
	if (mode == ES_PAGING_NONE || total == ES_NONE || (isa == ES_ISA_NONE && c->n_reasons))
		return;
	for (size_t i = 0; i < c->n_reasons; i++)
		if (es_paging_exit(isa, mode, c->reasons[i].code))
			tally_add(&t, &c->reasons[i], part_of(isa, c, &c->reasons[i]));
	out->exits = t.exits;
	out->time_ns = t.time_ns;
	out->exit_share = es_share(t.exits, total);
	out->time_share = es_share(t.time_ns, time_ns);
}

/* --- the sentence --- */

#define LITTLE	    0.10 /* of the time outside the guest */
#define LITTLE_BUSY 0.01 /* of the time that is not idle */
#define IDLE	    0.95 /* of all time */

/* All that the sentence is made of. Measured in time where it is known, else in exits. */
struct facts {
	enum es_isa isa;
	enum es_paging mode;
	bool nested;
	const struct es_counts *c;
	struct es_paging_cost cost;
	bool timed;
	uint64_t total;	       /* exits, or the time of all */
	uint64_t paging;       /* of that, paging */
	uint64_t kinds[KINDS]; /* of that, each kind */
	uint64_t top;	       /* of the greatest reason within the greatest kind */
	uint32_t top_code;
	enum kind kind;		       /* the greatest */
	const struct es_reason *other; /* greatest reason that is not paging */
	uint64_t other_size;
};

static uint64_t size_of(const struct facts *f, const struct es_reason *r, uint64_t part)
{
	struct tally t = { 0, 0 };

	tally_add(&t, r, part);
	return f->timed ? t.time_ns : t.exits;
}

static void gather_top(struct facts *f)
{
	for (size_t k = 1; k < KINDS; k++)
		if (f->kinds[k] > f->kinds[f->kind])
			f->kind = (enum kind)k;
	for (size_t i = 0; i < f->c->n_reasons; i++) {
		const struct es_reason *r = &f->c->reasons[i];
		uint64_t size = size_of(f, r, part_of(f->isa, f->c, r));

		if (kind_of(f->isa, f->mode, r->code) == f->kind && size > f->top) {
			f->top = size;
			f->top_code = r->code;
		}
	}
}

static void gather(struct facts *f)
{
	es_paging_cost(f->isa, f->mode, f->c, &f->cost);
	f->timed = f->cost.time_share >= 0;
	f->total = f->timed ? es_exits_time_ns(f->c) : es_exits_total(f->c);
	f->paging = f->timed ? f->cost.time_ns : f->cost.exits;
	for (size_t i = 0; i < f->c->n_reasons; i++) {
		const struct es_reason *r = &f->c->reasons[i];
		enum kind kind = kind_of(f->isa, f->mode, r->code);
		uint64_t size = size_of(f, r, kind ? part_of(f->isa, f->c, r) : r->count);

		if (kind) {
			f->kinds[kind] = sum(f->kinds[kind], size);
		} else if (size > f->other_size) {
			f->other = r;
			f->other_size = size;
		}
	}
	f->kinds[KIND_NONE] = 0;
	gather_top(f);
}

/* "31%", and never 0% or 100% for what is neither. */
static const char *percent(char buf[16], double share)
{
	if (share > 0 && share < 0.005)
		return "<1%";
	if (share < 1 && share >= 0.995)
		return ">99%";
	snprintf(buf, 16, "%.0f%%", share * 100);
	return buf;
}

static bool over_half(uint64_t part, uint64_t whole)
{
	return part != ES_NONE && es_share(part, whole) > 0.5;
}

/*
 * What most of these faults are; NULL: the numbers do not tell. By count, and put so: what each took of
 * the time is not known.
 */
static const char *most_faults(const struct facts *f)
{
	const struct es_mmu *m = &f->c->mmu;
	bool tdp = f->kind == KIND_TDP;
	/* With EPT device memory has a code of its own. */
	uint64_t mmio = tdp && f->isa == ES_ISA_VMX ? 0 : m->faults.mmio;
	struct tally faults = { 0, 0 };

	for (size_t i = 0; i < f->c->n_reasons; i++)
		if (kind_of(f->isa, f->mode, f->c->reasons[i].code) == f->kind)
			tally_add(&faults, &f->c->reasons[i], part_of(f->isa, f->c, &f->c->reasons[i]));
	if (f->nested && over_half(m->nested.faults, faults.exits))
		return "for this VM's own guests";
	if (over_half(mmio, faults.exits))
		return "for emulated device memory";
	if (over_half(tdp ? m->faults.fast : m->faults.emulated, faults.exits))
		return tdp ? "to give back access taken away for tracking" : "writes to shadowed page tables";
	if (over_half(tdp ? m->faults.tdp : m->faults.shadow, faults.exits))
		return tdp ? "for memory that KVM has yet to map" : "for memory not yet shadowed";
	return NULL;
}

static const char *why_cr3(const struct facts *f)
{
	const struct es_cr_count *cr3 = &f->c->cr[ES_CR3];
	bool reads = f->top_code == SVM_READ_CR3;

	if (f->isa == ES_ISA_VMX) {
		if (cr3->read == ES_NONE || cr3->write == ES_NONE)
			return NULL;
		reads = cr3->read > cr3->write;
	}
	return reads ? "the guest reads the root of its page tables" : "the guest switches address spaces";
}

/* What the guest does that gives these exits; NULL: not known. */
static const char *why(const struct facts *f)
{
	static const char *const plain[KINDS] = {
		[KIND_MMIO] = "the guest uses emulated device memory",
		[KIND_DROP] = "the guest drops translations, as after page table changes",
		[KIND_LOG] = "KVM logs which pages the guest writes",
	};

	return f->kind == KIND_CR3 ? why_cr3(f) : plain[f->kind];
}

/* ", mostly INVLPG: the guest ..." or ", mostly NPF, most of them for ..." */
static int put_kind(char *buf, size_t size, const struct facts *f)
{
	char code[ES_REASON_NAME_MAX], name[ES_REASON_NAME_MAX + 16];
	bool faults = f->kind == KIND_TDP || f->kind == KIND_FAULT;
	const char *reason = faults ? most_faults(f) : why(f);

	if (!f->kinds[f->kind])
		return 0;
	snprintf(name, sizeof(name), f->kind == KIND_FAULT ? "page faults (%s)" : "%s",
		 es_reason_name(f->isa, f->top_code, code));
	return snprintf(buf, size, ", %s %s%s%s",
			over_half(f->kinds[f->kind], f->paging) ? "mostly" : "above all", name,
			!reason	 ? ""
			: faults ? ", most of them "
				 : ": ",
			reason ? reason : "");
}

/* "; IOIO takes 52%" */
static int put_other(char *buf, size_t size, const struct facts *f)
{
	char code[ES_REASON_NAME_MAX], share[16];
	const char *whole = f->timed ? " of the time outside the guest" : " of the exits";

	return snprintf(buf, size, "; %s %s %s%s", es_reason_name(f->isa, f->other->code, code),
			f->timed ? "takes" : "is", percent(share, es_share(f->other_size, f->total)),
			f->cost.exits ? "" : whole);
}

static int put_lead(char *buf, size_t size, const struct facts *f)
{
	static const char *const words[2][2] = {
		{ "Nested paging", "nested paging" },
		{ "Shadow paging", "shadow paging" },
	};
	const char *const *mode = words[f->mode == ES_PAGING_SHADOW];
	uint64_t guest = f->c->time.guest_ns;
	double busy = guest == ES_NONE || !f->timed ? -1 : es_share(f->paging, sum(guest, f->total));
	char exits[16], time[16], of[16];

	if (!f->cost.exits)
		return snprintf(buf, size, "%s causes no exits", mode[0]);
	if (!f->timed)
		return snprintf(buf, size, "%s is %s of the exits (their time is not known)", mode[0],
				percent(exits, f->cost.exit_share));
	if (f->cost.time_share < LITTLE)
		return snprintf(
			buf, size, "Exits for %s cost little: %s of all, %s of the time outside the guest",
			mode[1], percent(exits, f->cost.exit_share), percent(time, f->cost.time_share));
	if (busy >= 0 && busy < LITTLE_BUSY)
		return snprintf(
			buf, size,
			"Exits for %s cost little: %s of the busy time, though %s of that outside the guest",
			mode[1], percent(of, busy), percent(time, f->cost.time_share));
	return snprintf(buf, size, "%s is %s of the exits and %s of the time outside the guest", mode[0],
			percent(exits, f->cost.exit_share), percent(time, f->cost.time_share));
}

/* What can be said without looking at the reasons; NULL: look at them. */
static const char *short_answer(const struct facts *f)
{
	uint64_t total = es_exits_total(f->c);

	if (total == ES_NONE)
		return "This KVM reports no exits, so what paging costs is not known.";
	if (!total)
		return f->c->time.idle_ns != ES_NONE && f->c->time.idle_ns
			       ? "Idle: no exits, so paging costs nothing."
			       : "No exits: the VM did not run, or did nothing that needs KVM.";
	if (f->mode == ES_PAGING_NONE || f->isa == ES_ISA_NONE)
		return "The paging mode is not known, so neither is what paging costs.";
	return NULL;
}

const char *es_paging_sentence(char buf[ES_PAGING_SENTENCE], enum es_isa isa, enum es_paging mode,
			       bool nested, const struct es_counts *c)
{
	struct facts f = { .isa = isa, .mode = mode, .nested = nested, .c = c };
	const char *answer = short_answer(&f);
	char share[16];
	double idle;
	int n = 0;

	if (answer) {
		snprintf(buf, ES_PAGING_SENTENCE, "%s", answer);
		return buf;
	}
	gather(&f);
	idle = c->time.idle_ns == ES_NONE || c->time.guest_ns == ES_NONE || !f.timed
		       ? -1
		       : es_share(c->time.idle_ns, sum(c->time.idle_ns, sum(c->time.guest_ns, f.total)));
	if (idle >= IDLE)
		n = snprintf(buf, ES_PAGING_SENTENCE, "Idle %s of the time. ", percent(share, idle));
	n += put_lead(buf + n, ES_PAGING_SENTENCE - (size_t)n, &f);
	n += f.other_size > f.paging ? put_other(buf + n, ES_PAGING_SENTENCE - (size_t)n, &f)
				     : put_kind(buf + n, ES_PAGING_SENTENCE - (size_t)n, &f);
	snprintf(buf + n, ES_PAGING_SENTENCE - (size_t)n, ".");
	return buf;
}
