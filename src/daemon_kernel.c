// SPDX-License-Identifier: GPL-2.0-only
#include "daemon_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <exitstat/util.h>

#define ROUNDS 5
#define PAUSE_NS \
	200000 /* before each round but the first: whoever is between our counter and KVM's goes on */
#define NARROW_NS 100000000u /* after so long nobody is looked at again only to know it better */

struct es_kernel_compare {
	const char *sys;
	struct es_keeper *keeper;
	int fd; /* KVM's folder in debugfs, while somebody looks into it; negative errno: why says why not */
	char kvm[32]; /* a path to it */
	char why[192];
	struct es_kernel_seen seen; /* VMs that existed when the programs were attached */
	uint64_t epoch, errors;
};

/* A VM that is being looked at. */
struct job {
	size_t vm, n_vcpus;
	int error; /* of the last look */
	bool done, learned;
	struct es_kernel_look look;
	struct es_kernel_vm told; /* what came of the last look that succeeded */
};

/* KVM's folder comes and goes with the module, so it is taken anew each time. */
static void open_folder(struct es_kernel_compare *kc)
{
	kc->fd = es_keeper_debugfs(kc->keeper, kc->why, sizeof(kc->why));
	snprintf(kc->kvm, sizeof(kc->kvm), "/proc/self/fd/%d", kc->fd);
}

static void close_folder(struct es_kernel_compare *kc)
{
	es_closep(&kc->fd);
	kc->fd = -ENOENT;
}

struct es_kernel_compare *es_kernel_compare_new(const char *sys, struct es_keeper *keeper)
{
	struct es_kernel_compare *kc = calloc(1, sizeof(*kc));

	if (!kc)
		return NULL;
	kc->sys = sys;
	kc->keeper = keeper;
	kc->fd = -ENOENT;
	return kc;
}

void es_kernel_compare_free(struct es_kernel_compare *kc)
{
	if (kc)
		es_kernel_seen_clear(&kc->seen);
	free(kc);
}

void es_kernel_compare_attached(struct es_kernel_compare *kc)
{
	kc->epoch++;
	/* After the attachment: whoever is not among these lived under our eyes from its first exit. */
	open_folder(kc);
	es_kernel_seen_take(&kc->seen, kc->kvm);
	close_folder(kc);
}

uint64_t es_kernel_compare_errors(const struct es_kernel_compare *kc)
{
	return kc->errors;
}

/* --- looking --- */

/* What is known of the VM since the programs were attached last. NULL: out of memory. */
static struct es_kernel_track *track_of(struct es_kernel_compare *kc, const struct es_sampler_vm *vm)
{
	struct es_kernel_track *t = *vm->track;
	uint64_t inode;

	if (t && t->epoch == kc->epoch)
		return t;
	if (!t)
		t = *vm->track = malloc(sizeof(*t));
	if (!t)
		return NULL;
	inode = es_kernel_inode(kc->kvm, vm->debugfs);
	es_kernel_track_init(t, kc->epoch,
			     kc->seen.known && inode && !es_kernel_seen_has(&kc->seen, vm->debugfs, inode));
	return t;
}

static uint64_t sum(const struct es_kernel_counts *c)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < ES_KERNEL_SLOTS; i++)
		n += c->n[i];
	return n;
}

static void keep_counts(const struct es_kernel_look *look, const struct es_kernel_track *t,
			struct es_kernel_vm *out)
{
	*out = (struct es_kernel_vm){
		.whole = t->whole,
		.kernel_total = sum(&look->after),
		.bpf_total = sum(&look->bpf),
	};
	out->verdict = es_kernel_track_verdict(t, &out->within);
	for (unsigned int i = 0; i < ES_KERNEL_SLOTS && out->n_differs < ES_KERNEL_DIFFERS; i++) {
		if (!t->off[i])
			continue;
		out->differs[out->n_differs++] = (struct es_kernel_differ){
			.slot = i,
			.kernel = look->after.n[i],
			.bpf = look->bpf.n[i],
			.off = t->off[i],
		};
	}
}

static void look(struct es_kernel_compare *kc, struct es_sampler *sp, struct job *j)
{
	struct es_sampler_vm vm;

	es_sampler_vm(sp, j->vm, &vm);
	j->n_vcpus = vm.n_vcpus;
	j->error = es_kernel_read(kc->kvm, vm.debugfs, &j->look.before);
	if (!j->error)
		j->error = es_sampler_vm_counts(sp, j->vm, &j->look);
	if (!j->error)
		j->error = es_kernel_read(kc->kvm, vm.debugfs, &j->look.after);
}

/*
 * Only now is known whose counters were read: a VM that ended meanwhile may have left
 * its name to another, and a new vCPU's exits are in the kernel's sum but not yet in ours.
 */
static void judge(struct es_kernel_compare *kc, const struct es_sampler *sp, struct job *j, bool last,
		  bool narrow)
{
	struct es_kernel_track *t;
	struct es_sampler_vm vm;

	es_sampler_vm(sp, j->vm, &vm);
	if (vm.ending)
		j->error = -ESRCH;
	else if (!j->error && vm.n_vcpus != j->n_vcpus)
		j->error = -EAGAIN;
	if (j->error) {
		j->done = j->error == -ESRCH;
		return;
	}
	t = track_of(kc, &vm);
	if (!t)
		j->error = -ENOMEM;
	if (!t || (!last && !es_kernel_track_fits(t, &j->look)))
		return;
	es_kernel_track_learn(t, &j->look);
	keep_counts(&j->look, t, &j->told);
	j->learned = true;
	j->done = j->told.verdict != ES_KERNEL_WITHIN || !narrow;
}

static int look_at_all(struct es_kernel_compare *kc, struct es_sampler *sp, const struct es_kvm_host *host,
		       struct job *jobs, size_t n)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	const uint64_t begin = es_monotonic_ns();

	for (int round = 0; round < ROUNDS; round++) {
		bool all = true;

		if (round)
			nanosleep(&pause, NULL);
		for (size_t i = 0; i < n; i++)
			if (!jobs[i].done)
				look(kc, sp, &jobs[i]);
		if (es_sampler_follow(sp, host))
			return -ENOMEM;
		for (size_t i = 0; i < n; i++) {
			if (!jobs[i].done)
				judge(kc, sp, &jobs[i], round == ROUNDS - 1,
				      es_monotonic_ns() < begin + NARROW_NS);
			all = all && jobs[i].done;
		}
		if (all)
			break;
	}
	return 0;
}

/* --- telling --- */

static void tell_why(struct es_kernel_compare *kc, const struct job *j, const char *debugfs,
		     struct es_kernel_vm *out)
{
	static const struct {
		int error;
		const char *why;
	} reasons[] = {
		{ ESRCH, "it ended meanwhile" },
		{ EAGAIN, "its counters could not be read at rest; ask again" },
		{ ENOENT, "it has no exit_stats any more: it is about to end" },
		{ ENOMEM, "out of memory" },
	};

	for (size_t i = 0; i < ES_ARRAY_SIZE(reasons); i++)
		if (reasons[i].error == -j->error) {
			snprintf(out->why, sizeof(out->why), "%s",
				 j->error == -ENOENT && !debugfs[0] ? "KVM made no debugfs folder for it"
								    : reasons[i].why);
			return;
		}
	kc->errors++;
	if (j->error == -EBADMSG)
		snprintf(out->why, sizeof(out->why), "its exit_stats makes no sense");
	else
		snprintf(out->why, sizeof(out->why), "its exit_stats cannot be read: %s",
			 strerror(-j->error));
}

/* 0 or -ENOMEM. off: why nothing was looked at, NULL if it was. */
static int tell(struct es_kernel_compare *kc, const struct es_sampler *sp, const struct es_kvm_host *host,
		const struct job *j, const char *off, struct es_kernel_report *report)
{
	struct es_kernel_vm *out = &report->vms[report->n_vms++];
	struct es_sampler_vm vm;

	es_sampler_vm(sp, j->vm, &vm);
	*out = (struct es_kernel_vm){ .within = ES_NONE, .kernel_total = ES_NONE, .bpf_total = ES_NONE };
	if (off)
		snprintf(out->why, sizeof(out->why), "%s", off);
	else if (j->learned && j->error != -ESRCH)
		*out = j->told;
	else
		tell_why(kc, j, vm.debugfs, out);
	out->id = strdup(vm.id);
	out->name = strdup(vm.name);
	out->pid = vm.pid;
	out->isa = vm.isa ? vm.isa : host->isa;
	return out->id && out->name ? 0 : -ENOMEM;
}

static bool may_see(const struct es_kernel_ask *ask, const struct es_sampler_vm *vm)
{
	return ask->all || (vm->uid != UINT32_MAX && vm->uid == ask->uid);
}

/* The VMs that live, of those the asker may see. NULL: out of memory. */
static struct job *make_jobs(const struct es_sampler *sp, const struct es_kernel_ask *ask, size_t *n)
{
	struct job *jobs = calloc(es_sampler_vms(sp) + 1, sizeof(*jobs));
	struct es_sampler_vm vm;

	*n = 0;
	for (size_t i = 0; jobs && i < es_sampler_vms(sp); i++) {
		es_sampler_vm(sp, i, &vm);
		if (!vm.ending && may_see(ask, &vm))
			jobs[(*n)++].vm = i;
	}
	return jobs;
}

/* Its parameter tells; if that is missing, the file of any VM does. */
static bool patched(const struct es_kernel_compare *kc, const struct es_sampler *sp, const struct job *jobs,
		    size_t n)
{
	struct es_kernel_counts counts;
	struct es_sampler_vm vm;

	if (es_kernel_patched(kc->sys))
		return true;
	if (!n)
		return false;
	es_sampler_vm(sp, jobs[0].vm, &vm);
	return es_kernel_read(kc->kvm, vm.debugfs, &counts) == 0;
}

/* Why nothing can be compared, in r->detail; false: something can. */
static bool hindered(struct es_kernel_compare *kc, const struct es_kvm_host *host,
		     const struct es_kernel_ask *ask, struct es_kernel_report *r)
{
	if (!host->kvm)
		snprintf(r->detail, sizeof(r->detail), "not known: KVM is not loaded");
	else if (!r->present)
		snprintf(r->detail, sizeof(r->detail), "not present (KVM is not patched)");
	else if (ask->off)
		snprintf(r->detail, sizeof(r->detail), "%s", ask->off);
	else if (kc->fd < 0)
		snprintf(r->detail, sizeof(r->detail), "%s", kc->why);
	else
		return false;
	return true;
}

static int fill(struct es_kernel_compare *kc, struct es_sampler *sp, const struct es_kvm_host *host,
		const struct es_kernel_ask *ask, struct es_kernel_report *r)
{
	_cleanup_free_ struct job *jobs = NULL;
	bool off;
	size_t n;

	if (es_sampler_follow(sp, host))
		return -ENOMEM;
	jobs = make_jobs(sp, ask, &n);
	if (!jobs)
		return -ENOMEM;
	r->present = host->kvm && patched(kc, sp, jobs, n);
	off = hindered(kc, host, ask, r);
	if (!r->present)
		return 0;
	r->vms = calloc(n + 1, sizeof(*r->vms));
	if (!r->vms || (!off && look_at_all(kc, sp, host, jobs, n)))
		return -ENOMEM;
	if (!off)
		snprintf(r->detail, sizeof(r->detail),
			 n ? "compared with the programs' counts" : "there, and no VM to compare");
	for (size_t i = 0; i < n; i++)
		if (tell(kc, sp, host, &jobs[i], off ? r->detail : NULL, r))
			return -ENOMEM;
	return 0;
}

struct es_kernel_report *es_kernel_compare_run(struct es_kernel_compare *kc, struct es_sampler *sp,
					       const struct es_kvm_host *host,
					       const struct es_kernel_ask *ask)
{
	struct es_kernel_report *r = calloc(1, sizeof(*r));

	open_folder(kc);
	if (!kc->seen.known) /* debugfs could not be read then: whoever is there now counts as there before */
		es_kernel_seen_take(&kc->seen, kc->kvm);
	if (r && fill(kc, sp, host, ask, r)) {
		es_kernel_report_free(r);
		r = NULL;
	}
	close_folder(kc);
	return r;
}
