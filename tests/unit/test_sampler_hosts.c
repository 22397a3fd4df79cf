// SPDX-License-Identifier: GPL-2.0-only
/* Big and odd hosts: pids used again, processes that are gone before their VMs, vCPUs that come late, and a day of VMs. */
#include <errno.h>
#include <malloc.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <exitstat/store.h>

#include "sampler_fixture.h"

#define PID	  77
#define TID	  78
#define NS_A_TICK (SEC / 100)

/* --- a clock that a test sets --- */

static uint64_t day_ns; /* 0: the time is as it is */

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (!day_ns || clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, ts);
	ts->tv_sec = (time_t)(day_ns / SEC);
	ts->tv_nsec = (long)(day_ns % SEC);
	return 0;
}

/* --- a /proc with one process --- */

static char proc[64];

static void put_file(const char *folder, const char *name, const char *text, size_t len)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

static void put_stat(const char *folder, uint64_t start_ns)
{
	uint64_t boottime = es_clock_ns(CLOCK_BOOTTIME) - (es_monotonic_ns() - start_ns);
	char text[256];
	int n = snprintf(text, sizeof(text), "1 (a) Z) S %s %llu 0 0",
			 "1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0", (unsigned long long)(boottime / NS_A_TICK));

	put_file(folder, "stat", text, (size_t)n);
}

static void remove_process(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s/*", proc);
	assert_int_equal(system(command), 0);
}

/* A QEMU of that name and uid, with a thread that waits outside KVM, since then. */
static void make_process(const char *name, unsigned int uid, uint64_t start_ns)
{
	char folder[128], thread[160], text[160];

	remove_process();
	snprintf(folder, sizeof(folder), "%s/%u", proc, PID);
	snprintf(thread, sizeof(thread), "%s/task/%u", folder, TID);
	assert_int_equal(mkdir(folder, 0755), 0);
	put_file(folder, "cmdline", text, (size_t)sprintf(text, "qemu-kvm%c-name%c%s", 0, 0, name) + 1);
	put_file(folder, "status", text,
		 (size_t)sprintf(text, "Name:\tx\nUid:\t%u\t%u\t%u\t%u\n", uid, uid, uid, uid));
	put_stat(folder, start_ns);
	snprintf(text, sizeof(text), "%s/task", folder);
	assert_int_equal(mkdir(text, 0755), 0);
	assert_int_equal(mkdir(thread, 0755), 0);
	put_stat(thread, start_ns);
	put_file(thread, "syscall", "202 0x7f 0x80 0x0", 17);
}

static int setup_proc(void **state)
{
	strcpy(proc, "/tmp/exitstat-hosts-XXXXXX");
	if (!mkdtemp(proc) || setup(state))
		return -1;
	es_sampler_free(sampler);
	loader.proc = proc;
	sampler = es_sampler_new(&loader, proc);
	return sampler ? 0 : -1;
}

static int teardown_proc(void **state)
{
	remove_process();
	rmdir(proc);
	day_ns = 0;
	return teardown(state);
}

static struct es_slot *begin_of(uint32_t pid, uint32_t slot, uint64_t kvm, uint32_t vcpu_id, uint64_t born)
{
	struct es_slot *s = begin(slot, kvm, vcpu_id, born, CPUID, 1);

	s->tgid = pid;
	s->tid = TID;
	s->state = ES_STATE_VMM;
	s->since_ns = born;
	return s;
}

/* A VMM under another argv[0] is known by the file that runs, which only the keeper may look at. */
static void the_keeper_tells_the_program(void **state)
{
	struct es_snapshot *s;
	char folder[128], exe[160], text[64];

	(void)state;
	make_process("odd one", 1000, es_monotonic_ns() - SEC);
	snprintf(folder, sizeof(folder), "%s/%u", proc, PID);
	put_file(folder, "cmdline", text, (size_t)sprintf(text, "wrapper%c-name%codd one", 0, 0) + 1);
	snprintf(exe, sizeof(exe), "%s/exe", folder);
	begin_of(PID, 0, 0x1000, 0, es_monotonic_ns());
	s = sample();
	assert_string_not_equal(s->vms[0]->name, "odd one");
	es_snapshot_unref(s);
	assert_int_equal(symlink("/usr/bin/qemu-kvm (deleted)", exe), 0);
	begin_of(PID, 1, 0x2000, 0, es_monotonic_ns());
	s = sample();
	assert_string_equal(s->vms[1]->name, "odd one");
	es_snapshot_unref(s);
	unlink(exe);
}

/* --- a pid that is used again --- */

/* Another VM, under the same pid, at the same addresses and in the same slot. */
static void pid_used_again_is_another_vm(void **state)
{
	const struct es_store_options options = { .ring = 2, .ended_keep_ns = 600 * SEC, .ended_max = 64 };
	struct es_store *store = es_store_new(&options);
	const struct es_snapshot *s;
	uint64_t now = es_monotonic_ns();

	(void)state;
	make_process("alpha", 1000, now - 20 * SEC);
	begin_of(PID, 0, 0x1000, 0, now - 10 * SEC);
	es_store_put(store, sample(), true);
	end(0, now - 5 * SEC);
	make_process("beta", 1001, now - 4 * SEC);
	es_store_put(store, sample(), true);
	begin_of(PID, 0, 0x1000, 0, now - 3 * SEC);
	es_store_put(store, sample(), true);
	es_store_put(store, sample(), true);
	s = es_store_latest(store);
	assert_int_equal(s->n_vms, 2);
	assert_string_equal(s->vms[0]->name, "beta");
	assert_int_equal(s->vms[0]->uid, 1001);
	assert_string_equal(s->vms[1]->name, "alpha");
	assert_int_equal(s->vms[1]->uid, 1000);
	assert_int_equal(s->vms[1]->state, ES_VM_ENDED);
	assert_int_equal(s->vms[0]->pid, s->vms[1]->pid);
	assert_string_not_equal(s->vms[0]->id, s->vms[1]->id);
	es_store_free(store);
}

/* The VM's process was gone before anybody asked for its name: whoever has its pid now is somebody else, of another user. */
static void nothing_is_taken_of_who_came_later(void **state)
{
	struct es_snapshot *s;
	uint64_t now = es_monotonic_ns();

	(void)state;
	make_process("beta", 1001, now - 2 * SEC);
	begin_of(PID, 0, 0x1000, 0, now - 3 * SEC);
	begin_of(PID, 1, 0x2000, 0, now - 1 * SEC);
	s = sample();
	assert_string_equal(s->vms[0]->name, "qemu-77");
	assert_int_equal(s->vms[0]->uid, UINT32_MAX);
	assert_string_equal(s->vms[1]->name, "beta");
	assert_int_equal(s->vms[1]->uid, 1001);
	es_snapshot_unref(s);
}

/* --- a VM whose process is gone, as its child has the file descriptors --- */

static enum es_vm_state sample_state(void)
{
	struct es_snapshot *s = sample();
	enum es_vm_state state = s->vms[0]->state;

	es_snapshot_unref(s);
	return state;
}

static void vm_that_outlives_its_process_is_paused(void **state)
{
	struct es_snapshot *s;
	uint64_t now = es_monotonic_ns();

	(void)state;
	make_process("alpha", 1000, now - 20 * SEC);
	begin_of(PID, 0, 0x1000, 0, now - 10 * SEC)->state = ES_STATE_KERNEL;
	assert_int_equal(sample_state(), ES_VM_RUNNING);
	remove_process();
	fake_act(&loader, &loader.slots[0], ES_STATE_VMM);
	s = sample();
	assert_int_equal(s->vms[0]->state, ES_VM_PAUSED);
	assert_string_equal(s->vms[0]->name, "alpha");
	assert_int_equal(s->vms[0]->uid, 1000);
	assert_int_equal(s->vms[0]->pid, PID);
	es_snapshot_unref(s);
	/* Nor does it run when another process has its numbers, and runs a VM of its own. */
	make_process("beta", 1001, now - 5 * SEC);
	put_file(strcat(strcpy((char[160]){ 0 }, proc), "/77/task/78"), "syscall", "16 0xd 0xae80 0x0", 17);
	assert_int_equal(sample_state(), ES_VM_PAUSED);
	end(0, now);
	s = sample();
	assert_int_equal(s->vms[0]->state, ES_VM_ENDED);
	assert_string_equal(s->vms[0]->name, "alpha");
	es_snapshot_unref(s);
}

/* One of its vCPUs was taken out: its thread is gone, the vCPU is not until the VM ends. */
static void vm_with_a_vcpu_less_can_be_paused(void **state)
{
	uint64_t now = es_monotonic_ns();

	(void)state;
	make_process("alpha", 1000, now - 20 * SEC);
	begin_of(PID, 0, 0x1000, 0, now - 10 * SEC);
	begin_of(PID, 1, 0x1000, 1, now - 10 * SEC)->tid = TID + 1;
	assert_int_equal(sample_state(), ES_VM_PAUSED);
}

/* Without the kprobe a VM ends with its process, also if another one has its pid by now. */
static void without_the_kprobe_a_pid_used_again_is_an_end(void **state)
{
	struct es_snapshot *s;
	uint64_t now = es_monotonic_ns(), own = getpid();
	char folder[128];

	(void)state;
	loader.life = false;
	snprintf(folder, sizeof(folder), "%s/%u", proc, (unsigned int)own);
	assert_int_equal(mkdir(folder, 0755), 0);
	put_stat(folder, now - 5 * SEC);
	begin_of((uint32_t)own, 0, 0x1000, 0, now - 10 * SEC);
	begin_of((uint32_t)own, 1, 0x2000, 0, now - 3 * SEC);
	es_snapshot_unref(sample());
	s = sample();
	assert_int_equal(s->n_vms, 2);
	assert_int_equal(s->vms[0]->state, ES_VM_ENDED);
	assert_int_not_equal(s->vms[1]->state, ES_VM_ENDED);
	es_snapshot_unref(s);
}

/* --- vCPUs that come late --- */

static void vcpu_added_later(void **state)
{
	struct es_snapshot *s;

	(void)state;
	begin(0, 0x1000, 0, 5, CPUID, 7);
	es_snapshot_unref(sample());
	begin(5, 0x1000, 3, es_monotonic_ns(), CPUID, 2);
	s = sample();
	assert_int_equal(s->n_vms, 1);
	assert_int_equal(s->vms[0]->n_vcpus, 2);
	assert_int_equal(s->vms[0]->vcpus[1].vcpu_id, 3);
	assert_int_equal(es_exits_total(&s->vms[0]->vcpus[1].counts), 2);
	assert_int_equal(es_exits_total(&s->vms[0]->counts), 9);
	assert_int_equal(s->vms[0]->since_ns, 5);
	es_snapshot_unref(s);
}

/* --- a day --- */

#define DAY	  86400
#define STEP	  10 /* seconds from one sample to the next */
#define DAY_VMS	  5000
#define DAY_VCPUS 4
#define DAY_SLOTS 1024
#define LIFE	  1800 /* seconds that a VM lives at most */
#define PIDS	  100  /* that its processes have by turns */
#define KEEP	  600
#define KEPT	  64

struct guest {
	uint32_t slots[DAY_VCPUS];
	unsigned int vcpus;
	uint64_t kvm, ends;
	bool alive;
};

static struct day {
	struct guest guests[DAY_VMS];
	uint32_t free[DAY_SLOTS];
	unsigned int n_free, freed[DAY_SLOTS];
	unsigned int begun, told, begun_vcpus;
	uint64_t exits, told_exits, seed;
	char ids[DAY_VMS][48];
	struct es_store *store;
	size_t peak;
} day;

/* Bytes of memory in use, as malloc has them, or as ASan does, which has a malloc of its own. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t heap(void)
{
	return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes()
						       : mallinfo2().uordblks;
}

static unsigned int random_below(unsigned int n)
{
	day.seed ^= day.seed << 13;
	day.seed ^= day.seed >> 7;
	day.seed ^= day.seed << 17;
	return (unsigned int)(day.seed >> 16) % n;
}

/* At an address that was another VM's a moment ago. */
static void day_begin(void)
{
	struct guest *g = &day.guests[day.begun];

	g->vcpus = 1 + random_below(DAY_VCPUS);
	g->ends = day_ns + (1 + random_below(LIFE)) * SEC;
	g->alive = true;
	for (unsigned int i = 0; i < g->vcpus; i++) {
		uint32_t slot = day.free[--day.n_free];
		struct es_slot *s;

		if (!i)
			g->kvm = 0x100000 + 0x1000ull * slot;
		s = fake_begin(&loader, slot, g->kvm, i, day_ns - i, CPUID, 1 + i);
		s->tgid = s->tid = 1000 + day.begun % PIDS;
		g->slots[i] = slot;
		day.exits += 1 + i;
	}
	day.begun++;
	day.begun_vcpus += g->vcpus;
}

static void day_live(struct guest *g)
{
	for (unsigned int i = 0; i < g->vcpus; i++) {
		struct es_slot *s = &loader.slots[g->slots[i]];

		if (random_below(4))
			continue;
		s->cells[1].count++;
		s->cells[1].hist[0]++;
		day.exits++;
		fake_act(&loader, s, random_below(2) ? ES_STATE_IDLE : ES_STATE_GUEST);
	}
	if (g->ends > day_ns)
		return;
	for (unsigned int i = 0; i < g->vcpus; i++)
		fake_end(&loader, g->slots[i], day_ns);
	g->alive = false;
}

/* As the queue free_slots: a slot can be had again when it was read. */
static void day_take_back(void)
{
	for (uint32_t i = 0; i < DAY_SLOTS; i++) {
		if (loader.freed[i] == day.freed[i])
			continue;
		assert_int_equal(loader.freed[i], day.freed[i] + 1);
		day.freed[i]++;
		day.free[day.n_free++] = i;
	}
}

static void day_sample(void)
{
	struct es_snapshot *s = sample();
	size_t ended = 0;

	for (size_t i = 0; i < s->n_vms; i++) {
		if (s->vms[i]->state != ES_VM_ENDED)
			continue;
		assert_true(strlen(s->vms[i]->id) < sizeof(day.ids[0]));
		strcpy(day.ids[day.told++], s->vms[i]->id);
		day.told_exits += es_exits_total(&s->vms[i]->counts);
	}
	assert_int_equal(es_store_put(day.store, s, true), 0);
	s = es_store_latest(day.store);
	for (size_t i = 0; i < s->n_vms; i++)
		ended += s->vms[i]->state == ES_VM_ENDED;
	assert_true(ended <= KEPT);
	day_take_back();
}

/* seconds in which n VMs begin; then until they all have ended, and are forgotten. Returns the memory in use after that. */
static size_t day_part(unsigned int seconds, unsigned int n)
{
	uint64_t from = day_ns, all = day.begun + n, first = day.begun;

	while (day_ns < from + (seconds + LIFE + 2 * KEEP) * SEC) {
		uint64_t due = first + n * ((day_ns - from) / SEC) / seconds;

		for (unsigned int i = 0; i < day.begun; i++)
			if (day.guests[i].alive)
				day_live(&day.guests[i]);
		while (day.begun < all && day.begun < due)
			day_begin();
		day_ns += STEP * SEC;
		day_sample();
		day.peak = heap() > day.peak ? heap() : day.peak;
	}
	assert_int_equal(day.n_free, DAY_SLOTS);
	assert_int_equal(es_sampler_slots_used(sampler), 0);
	assert_int_equal(es_sampler_vms(sampler), 0);
	assert_int_equal(es_store_latest(day.store)->n_vms, 0);
	return heap();
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void day_setup(void)
{
	const struct es_store_options options = { .ring = 2, .ended_keep_ns = KEEP * SEC, .ended_max = KEPT };

	day_ns = 1000 * SEC;
	day.seed = 88172645463325252ull;
	es_sampler_free(sampler);
	fake_keeper_clear(&loader);
	assert_int_equal(fake_keeper_init(&loader, DAY_SLOTS), 0);
	sampler = es_sampler_new(&loader, proc);
	day.store = es_store_new(&options);
	for (uint32_t i = 0; i < DAY_SLOTS; i++)
		day.free[day.n_free++] = i;
	per_vcpu = false;
}

/* 5,000 VMs in a day: each is told once, with all of its exits, under an id of its own; and nothing of them is left. */
static void a_day_of_vms(void **state)
{
	size_t after_a_part, after_the_day, peak;

	(void)state;
	day_setup();
	after_a_part = day_part(DAY / 10, DAY_VMS / 10);
	peak = day.peak;
	day.peak = 0;
	after_the_day = day_part(DAY * 9 / 10, DAY_VMS * 9 / 10);
	print_message("# memory in use: %zu bytes after a tenth of the day, %zu after all of it; at most "
		      "%zu, %zu\n",
		      after_a_part, after_the_day, peak, day.peak);
	assert_int_equal(day.told, DAY_VMS);
	assert_int_equal(day.told_exits, day.exits);
	qsort(day.ids, day.told, sizeof(day.ids[0]), by_text);
	for (unsigned int i = 1; i < day.told; i++)
		assert_string_not_equal(day.ids[i - 1], day.ids[i]);
	/* glibc counts what a thread keeps for its next calls; and tables may have doubled once more. */
	assert_true(after_the_day <= after_a_part + (__sanitizer_get_current_allocated_bytes ? 4096 : 65536));
	assert_true(day.peak <= peak + peak / 4);
	es_store_free(day.store);
}

#define PROC_TEST(f) cmocka_unit_test_setup_teardown(f, setup_proc, teardown_proc)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROC_TEST(the_keeper_tells_the_program),
		PROC_TEST(pid_used_again_is_another_vm),
		PROC_TEST(nothing_is_taken_of_who_came_later),
		PROC_TEST(vm_that_outlives_its_process_is_paused),
		PROC_TEST(vm_with_a_vcpu_less_can_be_paused),
		PROC_TEST(without_the_kprobe_a_pid_used_again_is_an_end),
		PROC_TEST(vcpu_added_later),
		PROC_TEST(a_day_of_vms),
	};

	return cmocka_run_group_tests_name("sampler_hosts", tests, NULL, NULL);
}
