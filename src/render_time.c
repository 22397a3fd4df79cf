// SPDX-License-Identifier: GPL-2.0-only
/* The time view: of VMs, or of vCPUs, how much of their time they spent where. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <exitstat/render.h>
#include <exitstat/util.h>

#define ROW(p) ((const struct es_time_row *)(p))

#define BAR_WIDTH 30 /* where nothing limits it */
#define BAR_LEAST 10
#define BESIDE	  62 /* columns of a text table that are not its bar, nor its names */

struct es_time_row es_time_row_of_vm(const struct es_vm *vm, const struct es_counts *counts)
{
	struct es_time_row r = { .of = ES_TIME_OF_VM, .vm = vm, .vcpus = vm->n_vcpus, .nothing = !counts };

	if (counts)
		es_time_split(&r.split, counts);
	return r;
}

struct es_time_row es_time_row_of_vcpu(const struct es_vm *vm, const struct es_vcpu *vcpu,
				       const struct es_counts *counts)
{
	struct es_time_row r = es_time_row_of_vm(vm, counts);

	r.of = ES_TIME_OF_VCPU;
	r.vcpu_id = vcpu->vcpu_id;
	r.vcpus = 0;
	return r;
}

/* Which parts are known of a row, a bit each; 0 where there are no shares. */
static unsigned int known_parts(const struct es_time_row *r)
{
	unsigned int known = 0;

	if (r->nothing || r->split.whole_ns == ES_NONE)
		return 0;
	for (enum es_time_part p = 0; p < ES_TIME_PARTS; p++)
		known |= (r->split.ns[p] != ES_NONE) << p;
	return known;
}

struct es_time_row es_time_row_of_all(const void *const *rows, size_t n)
{
	struct es_time_row all = { .of = ES_TIME_OF_ALL };
	unsigned int known = 0;
	bool any = false;

	for (size_t i = 0; i < n; i++)
		known |= known_parts(rows[i]);
	for (size_t i = 0; i < n; i++) {
		const struct es_time_row *r = rows[i];

		all.vms++;
		any = any || !r->nothing;
		if (!r->nothing && known_parts(r) != known) {
			all.left_out++;
			continue;
		}
		all.vcpus += r->vcpus;
		if (!r->nothing)
			es_time_split_add(&all.split, &r->split);
	}
	all.nothing = !any || !known;
	return all;
}

static void cell_name(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	const struct es_time_row *r = ROW(p);
	char text[64];

	if (r->of == ES_TIME_OF_VM) {
		es_text_fit(buf, ES_CELL_MAX, r->vm->name, width, st->utf8);
		return;
	}
	if (r->of == ES_TIME_OF_VCPU)
		snprintf(text, sizeof(text), "  vCPU %u", r->vcpu_id);
	else if (r->left_out)
		snprintf(text, sizeof(text), "%zu of %zu VMs", r->vms - r->left_out, r->vms);
	else
		snprintf(text, sizeof(text), "%s", r->vm ? "all vCPUs" : "all VMs");
	es_text_fit(buf, ES_CELL_MAX, text, width, st->utf8);
}

static void cell_vcpu(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	if (ROW(p)->of == ES_TIME_OF_VCPU)
		snprintf(buf, ES_CELL_MAX, "vCPU %u", ROW(p)->vcpu_id);
	else
		cell_name(buf, p, width, st);
}

static void cell_vcpus(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width, (void)st;
	*buf = '\0';
	if (ROW(p)->vcpus)
		snprintf(buf, ES_CELL_MAX, "%u", ROW(p)->vcpus);
}

static void cell_whole(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	(void)width;
	es_fmt_time(buf, ROW(p)->nothing ? ES_NONE : ROW(p)->split.whole_ns, st->utf8);
}

static double share(const void *p, enum es_time_part part)
{
	return ROW(p)->nothing ? -1 : es_time_share(&ROW(p)->split, part);
}

/* A cell and an order for the share of one part. */
#define SHARE_COLUMN(name, part)                                                          \
	static void cell_##name(char buf[ES_CELL_MAX], const void *p, unsigned int width, \
				const struct es_style *st)                                \
	{                                                                                 \
		(void)width, (void)st;                                                    \
		es_fmt_share(buf, share(p, part));                                        \
	}                                                                                 \
	static int by_##name(const void *a, const void *b)                                \
	{                                                                                 \
		return es_descending(share(a, part), share(b, part));                     \
	}

SHARE_COLUMN(guest, ES_TIME_GUEST)
SHARE_COLUMN(kernel, ES_TIME_KERNEL)
SHARE_COLUMN(vmm, ES_TIME_VMM)
SHARE_COLUMN(waiting, ES_TIME_RUNQUEUE)
SHARE_COLUMN(idle, ES_TIME_IDLE)

static int by_name(const void *a, const void *b)
{
	return strcmp(ROW(a)->vm->name, ROW(b)->vm->name);
}

static int by_vcpu(const void *a, const void *b)
{
	return es_descending(ROW(b)->vcpu_id, ROW(a)->vcpu_id);
}

static int by_vcpus(const void *a, const void *b)
{
	return es_descending(ROW(a)->vcpus, ROW(b)->vcpus);
}

static int by_whole(const void *a, const void *b)
{
	uint64_t x = ROW(a)->nothing ? ES_NONE : ROW(a)->split.whole_ns,
		 y = ROW(b)->nothing ? ES_NONE : ROW(b)->split.whole_ns;

	return es_descending(x == ES_NONE ? -1 : (double)x, y == ES_NONE ? -1 : (double)y);
}

const char *es_time_glyph(unsigned int piece, bool utf8)
{
	static const char *const glyphs[ES_TIME_PIECES][2] = {
		[ES_TIME_GUEST] = { "#", "█" }, [ES_TIME_KERNEL] = { "k", "▓" },
		[ES_TIME_VMM] = { "v", "▒" },	[ES_TIME_RUNQUEUE] = { "w", "╱" },
		[ES_TIME_IDLE] = { ".", "·" },	[ES_TIME_REST] = { "?", "?" },
	};

	return glyphs[piece][utf8];
}

enum es_sgr es_time_sgr(unsigned int piece)
{
	static const enum es_sgr colours[ES_TIME_PIECES] = {
		[ES_TIME_GUEST] = ES_SGR_GOOD, [ES_TIME_KERNEL] = ES_SGR_WARN,
		[ES_TIME_VMM] = ES_SGR_IO,     [ES_TIME_RUNQUEUE] = ES_SGR_BAD,
		[ES_TIME_IDLE] = ES_SGR_DIM,   [ES_TIME_REST] = ES_SGR_PAGING,
	};

	return colours[piece];
}

static void bar_pieces(unsigned int columns[ES_TIME_PIECES], const void *p, unsigned int width)
{
	memset(columns, 0, ES_TIME_PIECES * sizeof(*columns));
	if (!ROW(p)->nothing)
		es_time_bar(&ROW(p)->split, width, columns);
}

/* What stands where there can be no bar. */
static void say_unknown(char buf[ES_CELL_MAX], const struct es_time_split *s, unsigned int width, bool utf8)
{
	char text[ES_CELL_MAX] = "";
	size_t used = 0, unknown = 0;

	for (enum es_time_part p = 0; p < ES_TIME_PARTS; p++) {
		if (s->ns[p] != ES_NONE)
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", unknown++ ? ", " : "",
					 es_time_words[p].name);
	}
	snprintf(text + (unknown == ES_TIME_PARTS ? 0 : used),
		 sizeof(text) - (unknown == ES_TIME_PARTS ? 0 : used), "%snot measured",
		 unknown == ES_TIME_PARTS ? "" : " ");
	es_text_fit(buf, ES_CELL_MAX, text, width, utf8);
}

static void cell_bar(char buf[ES_CELL_MAX], const void *p, unsigned int width, const struct es_style *st)
{
	const struct es_time_row *r = ROW(p);
	unsigned int columns[ES_TIME_PIECES];
	size_t used = 0;

	*buf = '\0';
	if (r->nothing)
		return;
	if (r->split.whole_ns == ES_NONE) {
		say_unknown(buf, &r->split, width, st->utf8);
		return;
	}
	if (!width)
		width = !st->width			 ? BAR_WIDTH
			: st->width > BESIDE + BAR_LEAST ? st->width - BESIDE
							 : BAR_LEAST;
	width = width < ES_CELL_MAX / 4 ? width : ES_CELL_MAX / 4;
	bar_pieces(columns, p, width);
	for (unsigned int i = 0; i < ES_TIME_PIECES; i++)
		for (unsigned int n = columns[i]; n; n--)
			used += (size_t)snprintf(buf + used, ES_CELL_MAX - used, "%s",
						 es_time_glyph(i, st->utf8));
}

#define SHARES(name, heading, text, importance, columns)                                       \
	{                                                                                      \
		.key = #name, .title = heading, .help = text, .right = true, .sortable = true, \
		.keep = importance, .live = columns, .cell = cell_##name, .compare = by_##name \
	}
#define WHOLE                                                                               \
	{                                                                                   \
		.key = "time", .title = "vCPU TIME",                                        \
		.help = "the time of all its vCPUs together, which is 100%", .right = true, \
		.sortable = true, .keep = 20, .cell = cell_whole, .compare = by_whole       \
	}
#define PARTS                                                                                            \
	SHARES(guest, "GUEST", "share of that time in the guest: its own instructions", 65, 6),          \
		SHARES(kernel, "KERNEL", "in the host's kernel, that is in KVM, handling exits", 70, 6), \
		SHARES(vmm, "VMM", "in user space, in QEMU or another VMM", 60, 6),                      \
		SHARES(waiting, "WAITING", "ready to run, waiting for a CPU", 50, 7),                    \
		SHARES(idle, "IDLE", "halted: the guest had nothing to do", 40, 6),                      \
	{                                                                                                \
		.key = "bar", .title = "WHERE IT GOES", .help = "the same shares, side by side",         \
		.flex = true, .keep = 90, .live = 13, .cell = cell_bar, .pieces = bar_pieces             \
	}

const struct es_column es_time_columns[] = {
	{ .key = "name",
	  .title = "VM",
	  .help = "the VM's name",
	  .sortable = true,
	  .keep = 100,
	  .live = 14,
	  .cell = cell_name,
	  .compare = by_name },
	{ .key = "vcpus",
	  .title = "vCPUs",
	  .help = "vCPUs seen so far",
	  .right = true,
	  .sortable = true,
	  .keep = 10,
	  .live = 5,
	  .cell = cell_vcpus,
	  .compare = by_vcpus },
	WHOLE,
	PARTS,
	{ 0 },
};

const struct es_column es_vcpu_time_columns[] = {
	{ .key = "vcpu",
	  .title = "vCPU",
	  .help = "its number",
	  .sortable = true,
	  .keep = 100,
	  .live = 10,
	  .cell = cell_vcpu,
	  .compare = by_vcpu },
	WHOLE,
	PARTS,
	{ 0 },
};

void es_render_time_key(FILE *f, const struct es_style *st)
{
	const char *gap = st->width && st->width < ES_TIME_KEY_WIDTH ? " " : "  ";

	for (unsigned int i = 0; i < ES_TIME_PARTS; i++)
		fprintf(f, "%s%s%s%s %s", i ? gap : "", es_sgr(es_time_sgr(i), st),
			es_time_glyph(i, st->utf8), es_sgr(ES_SGR_OFF, st), es_time_words[i].name);
}

const char *es_time_remark(const void *const *rows, size_t n)
{
	bool rest = false, no_waiting = false;

	for (size_t i = 0; i < n; i++) {
		const struct es_time_split *s = &ROW(rows[i])->split;

		if (ROW(rows[i])->nothing || s->whole_ns == ES_NONE)
			continue;
		rest = rest || s->rest_ns;
		no_waiting = no_waiting || (es_time_apart(s) && s->ns[ES_TIME_RUNQUEUE] == ES_NONE);
	}
	return rest	    ? "? outside the guest: kernel, VMM and waiting are not told apart"
	       : no_waiting ? "Waiting is not measured: it is in the other parts."
			    : NULL;
}

int es_render_time_table(FILE *f, const void **rows, size_t n, const struct es_time_row *sum, bool vcpus,
			 const struct es_style *st)
{
	const char *remark = es_time_remark(rows, n);
	struct es_layout l;

	rows[n] = sum;
	if (!vcpus)
		fprintf(f, "%s\n", ES_TIME_OF_WHAT);
	es_layout(&l, vcpus ? es_vcpu_time_columns : es_time_columns, rows, n + (sum != NULL), false, st);
	es_layout_heading(f, &l, st);
	for (size_t i = 0; i < n; i++)
		es_layout_row(f, &l, rows[i], st);
	if (sum) {
		fputs(es_sgr(ES_SGR_BOLD, st), f);
		es_layout_row(f, &l, sum, st);
		fputs(es_sgr(ES_SGR_OFF, st), f);
	}
	es_render_time_key(f, st);
	fputc('\n', f);
	if (remark)
		fprintf(f, "%s\n", remark);
	return 0;
}

/* The VMs in their order, with their vCPUs behind each. */
static size_t with_vcpus(const void *const *order, size_t n, struct es_time_row *out)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		const struct es_vm *vm = ROW(order[i])->vm;

		out[used++] = *ROW(order[i]);
		for (size_t k = 0; k < vm->n_per_vcpu; k++)
			out[used++] = es_time_row_of_vcpu(vm, &vm->vcpus[k], &vm->vcpus[k].counts);
	}
	return used;
}

int es_render_times(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v,
		    const struct es_style *st)
{
	size_t n = s->n_vms, room = n + 1;
	_cleanup_free_ struct es_time_row *vms = calloc(n + 1, sizeof(*vms)), *all = NULL;
	_cleanup_free_ const void **order = NULL;
	struct es_time_row sum;
	int r = 0;

	fputc('\n', f);
	if (es_times_all_off(s)) {
		fputs(ES_NO_TIMES "\n", f);
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		room += v->per_vcpu ? s->vms[i]->n_per_vcpu : 0;
	all = calloc(room, sizeof(*all));
	order = calloc(room, sizeof(*order));
	if (!vms || !all || !order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		vms[i] = es_time_row_of_vm(s->vms[i], &s->vms[i]->counts);
		order[i] = &vms[i];
	}
	sum = es_time_row_of_all(order, n);
	if (v->sort)
		r = es_rows_sort(order, n, v->sort, false);
	if (r)
		return r;
	if (v->per_vcpu) {
		n = with_vcpus(order, n, all);
		for (size_t i = 0; i < n; i++)
			order[i] = &all[i];
	}
	return es_render_time_table(f, order, n, s->n_vms > 1 ? &sum : NULL, false, st);
}
