// SPDX-License-Identifier: GPL-2.0-only
/* The CPUID leaves of a KVM that counts exits for its guests: reading them, and why there are none. */
#include <exitstat/guest.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/reasons.h>
#include <exitstat/util.h>

#define NUMBER_NOBODY_HAS 0x3fffffffU
#define NUMBER_OF_SVM	  0xffffffffU /* VMRUN failed: no such thing on VMX */

#define LEAF_FEATURES	   1U
#define ECX_HYPERVISOR	   (1U << 31)
#define LEAF_VENDOR	   0x40000000U
#define LEAF_VENDOR_END	   0x40010000U
#define LEAF_VENDOR_STRIDE 0x100U
#define VENDOR_LEN	   12

/* --- one answer --- */

/* false: the number is not defined. */
static bool read_count(es_cpuid_fn cpuid, uint32_t leaf, uint32_t number, struct es_guest_count *c)
{
	uint32_t r[ES_REGS];

	cpuid(leaf, number, r);
	if (!r[ES_EAX] && !r[ES_EBX] && !r[ES_ECX] && r[ES_EDX] == UINT32_MAX)
		return false;
	c->code = number;
	c->count = (uint64_t)r[ES_EDX] << 32 | r[ES_EAX];
	c->cycles = (uint64_t)r[ES_EBX] << 32 | r[ES_ECX];
	return true;
}

static bool is_defined(es_cpuid_fn cpuid, uint32_t number)
{
	struct es_guest_count c;

	return read_count(cpuid, ES_LEAF_COUNT, number, &c);
}

/*
 * An unpatched KVM answers unknown leaves with zeros or with its highest basic leaf, and neither is
 * how an undefined number is answered. That alone could still be an entry which the VMM set.
 */
static bool answers_as_patched(es_cpuid_fn cpuid)
{
	return !is_defined(cpuid, NUMBER_NOBODY_HAS);
}

static uint64_t read_all(es_cpuid_fn cpuid)
{
	struct es_guest_count c;

	return read_count(cpuid, ES_LEAF_ALL, 0, &c) ? c.count : 0;
}

/* --- a look --- */

/* Reads the table's codes, CPUID's own last. Which of them are defined is KVM's to say. */
static void read_reasons(es_cpuid_fn cpuid, struct es_guest *g, const struct es_reason_info *table, size_t n,
			 uint32_t cpuid_code)
{
	struct es_guest_count own;
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		if (table[i].code == cpuid_code)
			at = g->n_reasons++;
		else if (read_count(cpuid, ES_LEAF_CYCLES, table[i].code, &g->reasons[g->n_reasons]))
			g->n_reasons++;
	}
	if (read_count(cpuid, ES_LEAF_CYCLES, cpuid_code, &own)) {
		g->reasons[at] = own;
		return;
	}
	g->n_reasons--;
	memmove(&g->reasons[at], &g->reasons[at + 1], (g->n_reasons - at) * sizeof(*g->reasons));
}

/*
 * Codes are read one after the other while the guest goes on exiting, so their sum and KVM's own are of
 * different moments. Not so if the reads were the only exits, and were all counted under CPUID (an
 * encrypted guest's are not): then no other code moved, and only the last read is missing in the sum.
 */
static uint64_t count_other(const struct es_guest *g, uint64_t all_grew, uint64_t cpuid_grew, size_t n)
{
	if (all_grew != n + 2 || cpuid_grew != n)
		return ES_NONE;
	return es_diff_u64(es_guest_total(g), g->all - 1);
}

int es_guest_look(es_cpuid_fn cpuid, struct es_guest *g)
{
	const struct es_reason_info *table, *own;
	struct es_guest_count before = { 0 };
	const struct es_guest_count *after;
	uint64_t first;
	size_t n;

	*g = (struct es_guest){ .taken = { ES_NONE, ES_NONE, ES_NONE }, .host.tdp = ES_UNKNOWN };
	if (!answers_as_patched(cpuid))
		return -ENODEV;
	g->host.isa = is_defined(cpuid, NUMBER_OF_SVM) ? ES_ISA_SVM : ES_ISA_VMX;
	table = es_reason_table(g->host.isa, &n);
	own = es_reason_by_name(g->host.isa, "CPUID");
	g->reasons = calloc(n, sizeof(*g->reasons));
	if (!g->reasons)
		return -ENOMEM;
	first = read_all(cpuid);
	read_count(cpuid, ES_LEAF_COUNT, own->code, &before);
	read_reasons(cpuid, g, table, n, own->code);
	g->all = read_all(cpuid);
	if (g->all <= first) {
		es_guest_clear(g);
		return -ENODEV;
	}
	after = es_guest_find(g, own->code);
	g->other =
		count_other(g, g->all - first, after ? es_diff_u64(before.count, after->count) : ES_NONE, n);
	return 0;
}

void es_guest_clear(struct es_guest *g)
{
	free(g->reasons);
	g->reasons = NULL;
	g->n_reasons = 0;
}

const struct es_guest_count *es_guest_find(const struct es_guest *g, uint32_t code)
{
	for (size_t i = 0; i < g->n_reasons; i++)
		if (g->reasons[i].code == code)
			return &g->reasons[i];
	return NULL;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a == ES_NONE || b >= ES_NONE - a ? ES_NONE : a + b;
}

uint64_t es_guest_total(const struct es_guest *g)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < g->n_reasons; i++)
		sum = add(sum, g->reasons[i].count);
	return sum;
}

uint64_t es_guest_cycles(const struct es_guest *g)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < g->n_reasons; i++)
		sum = add(sum, g->reasons[i].cycles);
	return sum;
}

int es_guest_diff(const struct es_guest *a, const struct es_guest *b, struct es_guest *d)
{
	if (a->host.isa != b->host.isa || b->all <= a->all || b->taken.monotonic_ns < a->taken.monotonic_ns)
		return -ERANGE;
	*d = *b;
	d->reasons = calloc(b->n_reasons + 1, sizeof(*d->reasons));
	if (!d->reasons)
		return -ENOMEM;
	for (size_t i = 0; i < b->n_reasons; i++) {
		const struct es_guest_count *now = &b->reasons[i], *was = es_guest_find(a, now->code);

		d->reasons[i] = (struct es_guest_count){
			.code = now->code,
			.count = was ? es_diff_u64(was->count, now->count) : ES_NONE,
			.cycles = was ? es_diff_u64(was->cycles, now->cycles) : ES_NONE,
		};
	}
	d->all = es_diff_u64(a->all, b->all);
	d->other = es_diff_u64(a->other, b->other);
	d->taken.interval_ns = es_diff_u64(a->taken.monotonic_ns, b->taken.monotonic_ns);
	return 0;
}

/* --- why there is nothing to look at --- */

/* How hypervisors name themselves in leaf 0x40000000. */
static const struct {
	const char *vendor, *name;
} hypervisors[] = {
	{ "TCGTCGTCGTCG", "QEMU's emulation (TCG)" },
	{ "VMwareVMware", "VMware" },
	{ "Microsoft Hv", "Microsoft Hyper-V" },
	{ "XenVMMXenVMM", "Xen" },
	{ "VBoxVBoxVBox", "VirtualBox" },
	{ "bhyve bhyve ", "bhyve" },
	{ "ACRNACRNACRN", "ACRN" },
	{ " lrpepyh  vr", "Parallels" },
	{ "prl hyperv  ", "Parallels" },
	{ "OpenBSDVMM58", "OpenBSD's vmm" },
	{ "___ NVMM ___", "NetBSD's NVMM" },
};

static const char *const kvm_vendors[] = { "KVMKVMKVM", "Linux KVM Hv" };

static void read_vendor(es_cpuid_fn cpuid, uint32_t leaf, char vendor[VENDOR_LEN + 1])
{
	static const enum es_reg order[] = { ES_EBX, ES_ECX, ES_EDX };
	uint32_t r[ES_REGS];

	cpuid(leaf, 0, r);
	for (size_t i = 0; i < ES_ARRAY_SIZE(order); i++)
		memcpy(vendor + 4 * i, &r[order[i]], 4);
	vendor[VENDOR_LEN] = '\0';
}

/* KVM may stand behind another name: QEMU's hv-* options put Hyper-V's in front and KVM's 0x100 after it. */
static bool is_kvm(es_cpuid_fn cpuid)
{
	char vendor[VENDOR_LEN + 1];

	for (uint32_t leaf = LEAF_VENDOR; leaf < LEAF_VENDOR_END; leaf += LEAF_VENDOR_STRIDE) {
		read_vendor(cpuid, leaf, vendor);
		for (size_t i = 0; i < ES_ARRAY_SIZE(kvm_vendors); i++)
			if (strcmp(vendor, kvm_vendors[i]) == 0)
				return true;
	}
	return false;
}

/* NULL: it has no name; a leaf that is not there may answer anything. */
static const char *hypervisor_name(const char vendor[VENDOR_LEN + 1])
{
	for (size_t i = 0; i < ES_ARRAY_SIZE(hypervisors); i++)
		if (strcmp(vendor, hypervisors[i].vendor) == 0)
			return hypervisors[i].name;
	if (strlen(vendor) < 4)
		return NULL;
	for (const char *s = vendor; *s; s++)
		if (*s < ' ' || *s > '~')
			return NULL;
	return vendor;
}

const char *es_guest_explain(es_cpuid_fn cpuid, char *buf, size_t size)
{
	uint32_t features[ES_REGS];
	char vendor[VENDOR_LEN + 1];
	const char *name;

	cpuid(LEAF_FEATURES, 0, features);
	read_vendor(cpuid, LEAF_VENDOR, vendor);
	name = hypervisor_name(vendor);
	if (answers_as_patched(cpuid) && read_all(cpuid) < read_all(cpuid))
		snprintf(buf, size,
			 "the counters began anew while they were read (was the VM migrated or restored?); "
			 "try "
			 "again");
	else if (answers_as_patched(cpuid))
		snprintf(buf, size,
			 "CPUID leaf 0x%x is answered, but its count stands still, so it is not KVM's: "
			 "take it out of what the VMM sets as this VM's CPUID",
			 ES_LEAF_ALL);
	else if (is_kvm(cpuid))
		snprintf(buf, size,
			 "this guest's KVM shows no exit counters: its host needs a KVM with the patch of "
			 "kernel-patch/ and Y in /sys/module/kvm/parameters/exit_cpuid");
	else if (!(features[ES_ECX] & ECX_HYPERVISOR))
		snprintf(buf, size,
			 "no hypervisor is below this system: run it inside a guest; on a host, "
			 "`exitstat snapshot` shows the guests");
	else
		snprintf(buf, size,
			 "the hypervisor below is %s, not KVM: only a KVM with the patch of kernel-patch/ "
			 "counts exits for its guests",
			 name ? name : "one that does not name itself");
	return buf;
}
