/* SPDX-License-Identifier: GPL-2.0-only */
#include "es_test.h"

#include <exitstat/hist.h>
#include <exitstat/json.h>

struct es_reason *es_sample_reason(struct es_counts *c, uint32_t code, uint64_t count, uint64_t time_ns)
{
	struct es_reason *r = es_counts_reason(c, code);

	assert_non_null(r);
	r->count = count;
	r->time_ns = time_ns;
	memset(r->hist, 0, sizeof(r->hist));
	if (time_ns == ES_NONE) {
		r->max_ns = ES_NONE;
		r->hist[0] = ES_NONE;
	} else if (count) {
		/* All but one take the mean, one takes ten times as long. */
		r->max_ns = time_ns / count * 10;
		r->hist[es_hist_bucket(time_ns / count)] += count - 1;
		r->hist[es_hist_bucket(r->max_ns)]++;
	}
	return r;
}

struct es_vm *es_sample_vm(const char *name, uint32_t vcpus)
{
	const char *digits = name + strcspn(name, "0123456789");
	char id[64];
	struct es_vm *vm;

	snprintf(id, sizeof(id), "%x-%s", 0x1a2b, digits);
	vm = es_vm_new(id, name);
	assert_non_null(vm);
	vm->pid = 1000 + (uint32_t)strtoul(digits, NULL, 10);
	vm->uid = 64055;
	vm->n_vcpus = vcpus;
	vm->since_ns = 5000000000;
	vm->state = ES_VM_RUNNING;
	return vm;
}

static void fill_guest1(struct es_vm *vm)
{
	vm->paging = ES_PAGING_NPT;
	for (uint32_t id = 0; id < 2; id++) {
		struct es_vcpu *v = es_vm_add_vcpu(vm, id);

		assert_non_null(v);
		es_sample_reason(&v->counts, 0x400, 3000 + id, 9000000 + id);
		es_sample_reason(&v->counts, 0x72, 700 + id, 700000 + id);
		es_sample_reason(&v->counts, 0x78, 250 + id, 1000000 + id);
		es_sample_reason(&v->counts, 0x7b, 4900 + id, 80000000 + id);
		v->counts.time.guest_ns = 6000000000 + id;
		v->counts.time.idle_ns = 3000000000 + id;
		assert_int_equal(es_counts_add(&vm->counts, &v->counts), 0);
	}
	vm->counts.mmu.faults.tdp = 6001;
	vm->counts.mmu.sptes.s2m = 17;
}

static void fill_shadow(struct es_vm *vm)
{
	struct es_reason *l2;

	vm->paging = ES_PAGING_SHADOW;
	vm->nested = true;
	vm->state = ES_VM_PAUSED;
	l2 = es_sample_reason(&vm->counts, 0x4e, 21199, 120000000);
	l2->flags[ES_FLAG_L2] = 8123;
	l2->flags[ES_FLAG_L2_REFLECTED] = 6077;
	es_sample_reason(&vm->counts, 0x13, 17024, 40000000);
	es_sample_reason(&vm->counts, 0x79, 40590, 90000000);
	es_sample_reason(&vm->counts, 0x6ff, 3, 900)->flags[ES_FLAG_OTHER] = 2;
	es_sample_reason(&vm->counts, 0xffffffff, 1, 0);
	vm->counts.cr[ES_CR3] = (struct es_cr_count){ .read = 5, .write = 17024 };
	vm->counts.mmu.shadow_pages.created = 444;
}

struct es_snapshot *es_sample_snapshot(void)
{
	struct es_snapshot *s = es_snapshot_new();
	struct es_vm *guest1 = es_sample_vm("guest1", 2), *vm2 = es_sample_vm("a \"b\"\\\n\x01\xc3\xa9 2", 1),
		     *gone = es_sample_vm("gone3", 1);
	struct es_reason *r;

	assert_non_null(s);
	strcpy(s->host.hostname, "host");
	strcpy(s->host.kernel, "6.1.0-42-amd64");
	s->host.isa = ES_ISA_SVM;
	s->host.tdp = ES_YES;
	s->taken.realtime_ns = 1790000000123456789;
	s->taken.monotonic_ns = 99000000000;
	s->health = (struct es_health_counts){
		.slots_used = 4,
		.slots_max = 1024,
		.dropped = 0,
		.missed = 1,
		.unattributed = 2,
		.unknown_reasons = 3,
		.read_errors = ES_NONE,
	};
	fill_guest1(guest1);
	fill_shadow(vm2);
	gone->state = ES_VM_ENDED;
	gone->ended_ns = 88000000000;
	r = es_sample_reason(&gone->counts, 0x72, 2000, ES_NONE);
	r->flags[ES_FLAG_L2] = r->flags[ES_FLAG_L2_REFLECTED] = ES_NONE;
	assert_int_equal(es_snapshot_add(s, guest1), 0);
	assert_int_equal(es_snapshot_add(s, vm2), 0);
	assert_int_equal(es_snapshot_add(s, gone), 0);
	return s;
}

struct es_snapshot *es_sample_many(unsigned int vms, unsigned int reasons)
{
	struct es_snapshot *s = es_snapshot_new();

	assert_non_null(s);
	s->host.isa = ES_ISA_SVM;
	for (unsigned int i = 0; i < vms; i++) {
		char name[32];
		struct es_vm *vm;

		snprintf(name, sizeof(name), "guest%u", i);
		vm = es_sample_vm(name, 4);
		for (unsigned int k = 0; k < reasons; k++) {
			struct es_reason *r =
				es_sample_reason(&vm->counts, 0x60 + k, 123456 + k, 98765432100 + k);

			for (unsigned int b = 0; b < 20; b++)
				r->hist[b] += 1000 * b + k;
		}
		assert_int_equal(es_snapshot_add(s, vm), 0);
	}
	return s;
}

static void same_counts(const struct es_counts *a, const struct es_counts *b)
{
	assert_int_equal(a->n_reasons, b->n_reasons);
	for (size_t i = 0; i < a->n_reasons; i++) {
		const struct es_reason *x = &a->reasons[i], *y = &b->reasons[i];

		assert_int_equal(x->code, y->code);
		assert_int_equal(x->count, y->count);
		assert_int_equal(x->time_ns, y->time_ns);
		assert_int_equal(x->max_ns, y->max_ns);
		assert_memory_equal(x->flags, y->flags, sizeof(x->flags));
		assert_int_equal(es_hist_known(x->hist), es_hist_known(y->hist));
		if (es_hist_known(x->hist))
			assert_memory_equal(x->hist, y->hist, sizeof(x->hist));
	}
	assert_memory_equal(&a->time, &b->time, sizeof(a->time));
	assert_memory_equal(&a->mmu, &b->mmu, sizeof(a->mmu));
	assert_memory_equal(a->cr, b->cr, sizeof(a->cr));
}

static void same_vm(const struct es_vm *a, const struct es_vm *b, bool per_vcpu)
{
	assert_string_equal(a->id, b->id);
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->pid, b->pid);
	assert_int_equal(a->n_vcpus, b->n_vcpus);
	assert_int_equal(a->since_ns, b->since_ns);
	assert_int_equal(a->ended_ns, b->ended_ns);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->paging, b->paging);
	assert_int_equal(a->nested, b->nested);
	same_counts(&a->counts, &b->counts);
	if (!per_vcpu)
		return;
	assert_int_equal(a->n_per_vcpu, b->n_per_vcpu);
	for (size_t i = 0; i < a->n_per_vcpu; i++) {
		assert_int_equal(a->vcpus[i].vcpu_id, b->vcpus[i].vcpu_id);
		same_counts(&a->vcpus[i].counts, &b->vcpus[i].counts);
	}
}

void es_assert_same(const struct es_snapshot *a, const struct es_snapshot *b, bool per_vcpu)
{
	assert_string_equal(a->host.hostname, b->host.hostname);
	assert_string_equal(a->host.kernel, b->host.kernel);
	assert_int_equal(a->host.isa, b->host.isa);
	assert_int_equal(a->host.tdp, b->host.tdp);
	assert_memory_equal(&a->taken, &b->taken, sizeof(a->taken));
	assert_memory_equal(&a->health, &b->health, sizeof(a->health));
	assert_int_equal(a->n_vms, b->n_vms);
	for (size_t i = 0; i < a->n_vms; i++)
		same_vm(a->vms[i], b->vms[i], per_vcpu);
}

void es_temp_file(char path[ES_TEMP_PATH], const char *text, size_t len)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	snprintf(path, ES_TEMP_PATH, "%.32s/exitstat-test.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

void es_temp_recording(char path[ES_TEMP_PATH], struct es_snapshot *const *snapshots, size_t n)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	for (size_t i = 0; i < n; i++) {
		char *line = es_snapshot_to_json(snapshots[i], false, false, NULL);

		assert_non_null(line);
		fprintf(f, "%s\n", line);
		free(line);
	}
	fclose(f);
	es_temp_file(path, text, size);
	free(text);
}

char *es_read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;
	ssize_t n;

	if (!f)
		fail_msg("%s cannot be read (run tests from the top of the tree)", path);
	n = getdelim(&text, &size, EOF, f);
	fclose(f);
	if (len)
		*len = n < 0 ? 0 : (size_t)n;
	return text;
}

void es_assert_golden(const char *name, const char *text)
{
	_cleanup_free_ char *golden = NULL;
	char path[256];

	snprintf(path, sizeof(path), "tests/golden/%s", name);
	if (getenv("ES_UPDATE_GOLDEN")) {
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		fputs(text, f);
		assert_int_equal(fclose(f), 0);
	}
	golden = es_read_file(path, NULL);
	assert_string_equal(text, golden);
}
