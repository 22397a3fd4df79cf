// SPDX-License-Identifier: GPL-2.0-only
/*
 * The source of snapshots that is KVM itself: keeps the programs on whatever KVM
 * is loaded, through module reloads, and turns samples into snapshots.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <exitstat/kvm_host.h>
#include <exitstat/process.h>
#include <exitstat/source.h>
#include <exitstat/util.h>

#include "daemon_kernel.h"
#include "keeper.h"
#include "sampler.h"
#include "uevent.h"

struct collector {
	struct es_source src; /* first: see source.h */
	struct es_keeper *keeper;
	struct es_sampler *sampler;
	struct es_kernel_compare *kernel;
	struct es_kvm_host host;
	const char *sys, *proc;
	unsigned int n_slots;
	int uevent_fd;
	sd_event_source *uevents, *events;
	bool sees_host;			  /* the processes in proc are those that the programs tell */
	bool detached;			  /* by request: stay off until attach */
	enum es_attach_state told;	  /* at the last sample */
	uint64_t misread;		  /* ES_HEALTH_LAYOUT as of the last attempt to attach */
	char relocated_for[ES_BUILD_MAX]; /* vendor module and build the programs were relocated against */
	char life_failure[128];		  /* why vCPUs' ends are not seen, "" if they are */
	char failure[256];		  /* of the last attempt to attach, "" if none */
};

static struct collector *to_collector(struct es_source *src)
{
	return (struct collector *)src;
}

/* --- attach --- */

static void wanted_build(const struct collector *c, char *buf, size_t size)
{
	snprintf(buf, size, "%s %s", c->host.vendor ? c->host.vendor : "kvm", c->host.build_id);
}

/*
 * A module on its way out loses its build id in sysfs, and what tells it from one that is
 * built in, a moment before it is gone. To relocate then would be for nothing, twice, and cost
 * the exits of VMs that begin meanwhile.
 */
static bool is_going(const struct collector *c)
{
	size_t n = c->host.vendor ? strlen(c->host.vendor) : 0;

	return n && !c->host.build_id[0] && !strncmp(c->relocated_for, c->host.vendor, n) &&
	       c->relocated_for[n] == ' ' && c->relocated_for[n + 1];
}

static int attach(struct collector *c, const char *build)
{
	uint64_t begin = es_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	int r;

	/* Also if it fails: the same build fails again, until another one or a module's event comes. */
	snprintf(c->relocated_for, sizeof(c->relocated_for), "%s", build);
	c->failure[0] = c->life_failure[0] = 0;
	/* Without it counts still come; only VMs of one process may be mixed, and status says so. */
	es_keeper_attach_life(c->keeper, c->life_failure, sizeof(c->life_failure));
	c->misread = es_keeper_lost(c->keeper, ES_HEALTH_LAYOUT);
	r = es_keeper_attach_exits(c->keeper, c->host.isa, build, c->failure, sizeof(c->failure));
	if (!r)
		es_kernel_compare_attached(c->kernel);
	c->src.aside_ns += es_clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
	return r;
}

/* Without type information the programs know where a few things are, and check that. Better no numbers than wrong ones. */
static void refuse_unknown_layout(struct collector *c)
{
	if (!es_keeper_attached(c->keeper) || es_keeper_lost(c->keeper, ES_HEALTH_LAYOUT) == c->misread)
		return;
	es_keeper_detach_exits(c->keeper);
	snprintf(
		c->failure, sizeof(c->failure),
		"KVM's modules have no type information, and its struct kvm_vcpu does not begin as exitstatd "
		"knows it: boot a kernel built with CONFIG_DEBUG_INFO_BTF_MODULES");
}

/*
 * Bring programs and modules in line. Called whenever a kvm module came or went, and
 * at each sample, since announcements can be lost. A vendor module that comes back in
 * the same build (as after a change of ept or npt) needs nothing: offsets are the same.
 */
static int reconcile(struct collector *c)
{
	char build[sizeof(c->relocated_for)];

	es_kvm_host_read(c->sys, c->proc, &c->host);
	if (c->detached)
		return 0;
	if (!c->host.kvm) {
		es_keeper_detach_exits(c->keeper);
		es_keeper_detach_life(c->keeper);
		c->relocated_for[0] = c->failure[0] = 0;
		return 0;
	}
	if ((!c->host.vendor && !c->host.pvm) || is_going(c))
		return 0;
	refuse_unknown_layout(c);
	wanted_build(c, build, sizeof(build));
	if (!strcmp(build, c->relocated_for))
		return 0;
	return attach(c, build);
}

/* --- events --- */

static int on_uevent(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct collector *c = ctx;
	bool kvm = false;

	(void)s, (void)revents;
	if (es_uevent_drain(fd, &kvm) == -ENOBUFS)
		kvm = true;
	if (kvm) {
		/* What failed may have been a module still on its way in, or its twin without type information. */
		if (c->failure[0])
			c->relocated_for[0] = 0;
		reconcile(c);
		c->src.changed(c->src.ctx);
	}
	return 0;
}

static int on_vcpu_event(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct collector *c = ctx;

	(void)s, (void)fd, (void)revents;
	if (es_sampler_listen(c->sampler))
		c->src.changed(c->src.ctx);
	return 0;
}

/* --- source operations --- */

static enum es_attach_state attach_state(const struct collector *c)
{
	if (c->detached)
		return ES_ATTACH_DETACHED;
	if (c->failure[0])
		return ES_ATTACH_FAILED;
	if (!es_keeper_attached(c->keeper) || (!c->host.vendor && !c->host.pvm))
		return ES_ATTACH_WAITING;
	if (es_sampler_seen_exits(c->sampler))
		return ES_ATTACH_ATTACHED;
	/* KVM_RUN returns to threads of which no kvm_entry was ever seen. */
	if (!c->host.vendor || es_keeper_lost(c->keeper, ES_HEALTH_FOREIGN_RETURNS) > 1000)
		return ES_ATTACH_SILENT;
	return ES_ATTACH_ATTACHED;
}

static void fill_notice(const struct collector *c, enum es_attach_state state, char *buf, size_t size)
{
	static const char *const notices[] = {
		[ES_ATTACH_WAITING] = "KVM is not loaded, waiting for it: modprobe kvm_intel or kvm_amd",
		[ES_ATTACH_SILENT] =
			"attached, but this KVM reports no kvm_exit (kvm_pvm does not): only its "
			"shadow paging can be counted; use a kernel with kvm_intel or kvm_amd",
		[ES_ATTACH_DETACHED] = "detached from KVM, nothing is counted: exitstat attach",
	};

	if (state == ES_ATTACH_FAILED)
		snprintf(buf, size, "%s", c->failure);
	else if ((size_t)state < ES_ARRAY_SIZE(notices) && notices[state])
		snprintf(buf, size, "%s", notices[state]);
}

static void fill_host(const struct collector *c, struct es_host *h)
{
	struct utsname u;

	if (!uname(&u)) {
		snprintf(h->hostname, sizeof(h->hostname), "%s", u.nodename);
		snprintf(h->kernel, sizeof(h->kernel), "%s", u.release);
	}
	h->isa = c->host.isa;
	h->tdp = c->host.tdp;
}

static void fill_health(struct collector *c, struct es_health_counts *h)
{
	struct es_loader_health programs;

	es_keeper_health(c->keeper, &programs);
	h->slots_used = es_sampler_slots_used(c->sampler);
	h->slots_max = c->n_slots;
	h->dropped = es_keeper_lost(c->keeper, ES_HEALTH_DROPPED) +
		     es_keeper_lost(c->keeper, ES_HEALTH_SHORT_CELLS);
	h->missed = programs.missed;
	h->unattributed_mmu = programs.mmu_strays;
	h->unattributed = es_keeper_lost(c->keeper, ES_HEALTH_UNATTRIBUTED) +
			  es_keeper_lost(c->keeper, ES_HEALTH_NO_EXIT) + h->unattributed_mmu;
	h->unknown_reasons = es_sampler_unknown_reasons(c->sampler);
	h->read_errors = es_keeper_lost(c->keeper, ES_HEALTH_READ_ERRORS) +
			 es_keeper_lost(c->keeper, ES_HEALTH_LAYOUT) + es_kernel_compare_errors(c->kernel);
}

static int sample(struct es_source *src, struct es_snapshot **out)
{
	struct collector *c = to_collector(src);
	struct es_snapshot *s;
	int r;

	reconcile(c);
	r = es_sampler_sample(c->sampler, &c->host, src->per_vcpu, &s);
	if (r)
		return r;
	s->taken.interval_ns = ES_NONE;
	fill_host(c, &s->host);
	fill_health(c, &s->health);
	*out = s;
	if (c->told != attach_state(c)) {
		c->told = attach_state(c);
		src->changed(src->ctx);
	}
	return 0;
}

static void told(struct es_source *src)
{
	es_sampler_release(to_collector(src)->sampler);
}

static int look(struct es_source *src, const struct es_snapshot *at, struct es_snapshot **out)
{
	struct collector *c = to_collector(src);
	int r = es_sampler_look(c->sampler, at, src->per_vcpu, out);

	if (r)
		return r;
	(*out)->taken.interval_ns = ES_NONE;
	fill_host(c, &(*out)->host);
	fill_health(c, &(*out)->health);
	return 0;
}

static void __attribute__((format(printf, 4, 5)))
add_feature(struct es_status *st, const char *name, bool on, const char *fmt, ...)
{
	struct es_feature_status *f;
	va_list ap;

	if (st->n_features >= ES_STATUS_FEATURES)
		return;
	f = &st->features[st->n_features++];
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->on = on;
	va_start(ap, fmt);
	vsnprintf(f->detail, sizeof(f->detail), fmt, ap);
	va_end(ap);
}

static void add_features(struct collector *c, struct es_status *st)
{
	bool on = es_keeper_attached(c->keeper);
	bool latency = es_keeper_latency(c->keeper), typed = es_keeper_typed(c->keeper);
	static const char *const optional[ES_OPTIONALS] = {
		[ES_OPTIONAL_MMU] = "mmu",
		[ES_OPTIONAL_NESTED] = "nested",
	};
	char detail[sizeof(st->features[0].detail)];
	static const char *const reason_by[] = {
		[ES_ISA_NONE] = "neither kvm_intel nor kvm_amd is loaded",
		[ES_ISA_VMX] = "vcpu_vmx exit_reason by CO-RE",
		[ES_ISA_SVM] = "vcpu_svm vmcb->control.exit_code by CO-RE",
	};

	add_feature(st, "exits", on, "%s/kvm_exit, kvm_entry; one slot a vCPU, read by mmap",
		    typed || !on ? "tp_btf" : "raw tracepoints, since KVM has no type information: raw_tp");
	add_feature(st, "reason", on && c->host.vendor, "%s",
		    typed || !on || !c->host.vendor ? reason_by[c->host.isa] : "an argument of kvm_exit");
	add_feature(st, "latency", on && latency,
		    latency ? "exit to next entry, less idle" : "off: --no-latency");
	add_feature(st, "idle", on && latency, "kvm_vcpu_wakeup, halt polling included");
	add_feature(st, "waiting", on && latency && es_keeper_waits(c->keeper), "%s",
		    es_keeper_waits(c->keeper)
			    ? "sched_info.run_delay of the vCPUs' threads"
			    : "no CONFIG_SCHED_INFO: waits for a CPU are in the state they fall in");
	for (enum es_optional_id i = 0; i < ES_OPTIONALS; i++) {
		es_keeper_optional_explain(c->keeper, i, detail, sizeof(detail));
		add_feature(st, optional[i], es_keeper_optional_attached(c->keeper, i), "%s", detail);
	}
	add_feature(st, "vcpu end", es_keeper_life_attached(c->keeper), "%s",
		    c->life_failure[0] ? c->life_failure : "kprobe on kvm_arch_vcpu_destroy");
	on = es_keeper_pin_explain(c->keeper, detail, sizeof(detail));
	add_feature(st, "pinned", on, "%s", detail);
	add_feature(st, "names", c->sees_host, "%s",
		    c->sees_host
			    ? "by the VMs' processes"
			    : "not in a pid namespace of its own: VMs have no name, only root sees them");
	add_feature(st, "module events", c->uevent_fd >= 0, "%s",
		    c->uevent_fd >= 0 ? "kernel uevents"
				      : "no uevents here: modules are looked at every sample");
}

static void status(struct es_source *src, struct es_status *st)
{
	struct collector *c = to_collector(src);

	reconcile(c);
	st->attach = attach_state(c);
	fill_notice(c, st->attach, st->notice, sizeof(st->notice));
	fill_host(c, &st->host);
	fill_health(c, &st->health);
	st->short_cells = es_keeper_lost(c->keeper, ES_HEALTH_SHORT_CELLS);
	st->ring_full = es_keeper_lost(c->keeper, ES_HEALTH_RING_FULL);
	st->latency = es_keeper_latency(c->keeper);
	es_keeper_status(c->keeper, st);
	add_features(c, st);
}

static int cost_on(struct es_source *src, char why[ES_COST_WHY])
{
	struct collector *c = to_collector(src);

	if (es_keeper_attached(c->keeper))
		return es_keeper_stats_on(c->keeper, why);
	snprintf(why, ES_COST_WHY, "the programs are not attached");
	return -ENODEV;
}

static void cost(struct es_source *src, struct es_cost_counts *out)
{
	es_keeper_counts(to_collector(src)->keeper, out);
}

static const char *not_comparable(struct collector *c)
{
	if (!es_keeper_attached(c->keeper))
		return "cannot be compared: the programs are not attached";
	/* An ended VM's name may be another's by now, and its counters would be taken for those. */
	if (!es_keeper_life_attached(c->keeper))
		return "cannot be compared: the end of VMs is not seen (feature \"vcpu end\")";
	return NULL;
}

static int kernel(struct es_source *src, bool all, uint32_t uid, struct es_kernel_report **out)
{
	struct collector *c = to_collector(src);
	struct es_kernel_ask ask = { .all = all, .uid = uid };

	reconcile(c);
	ask.off = not_comparable(c);
	*out = es_kernel_compare_run(c->kernel, c->sampler, &c->host, &ask);
	/* It may have heard of what nobody will tell again. */
	if (es_sampler_listen(c->sampler))
		src->changed(src->ctx);
	return *out ? 0 : -ENOMEM;
}

static int detach_op(struct es_source *src, char *err, size_t size)
{
	struct collector *c = to_collector(src);

	(void)err, (void)size;
	c->detached = true;
	c->relocated_for[0] = c->failure[0] = 0;
	es_keeper_detach_exits(c->keeper);
	return 0;
}

static int attach_op(struct es_source *src, char *err, size_t size)
{
	struct collector *c = to_collector(src);
	int r;

	if (c->detached) {
		/* kvm.ko may be another one than the kprobe was put on. */
		es_keeper_detach_life(c->keeper);
		c->detached = false;
	}
	if (!es_keeper_attached(c->keeper))
		c->relocated_for[0] = 0; /* asked to try again */
	r = reconcile(c);
	if (r)
		snprintf(err, size, "%s", c->failure);
	return r;
}

static void collector_free(struct es_source *src)
{
	struct collector *c = to_collector(src);

	sd_event_source_disable_unref(c->uevents);
	sd_event_source_disable_unref(c->events);
	if (c->uevent_fd >= 0)
		close(c->uevent_fd);
	es_kernel_compare_free(c->kernel);
	es_sampler_free(c->sampler);
	free(c);
}

static const struct es_source_ops collector_ops = {
	.sample = sample,
	.told = told,
	.look = look,
	.status = status,
	.kernel = kernel,
	.cost_on = cost_on,
	.cost = cost,
	.detach = detach_op,
	.attach = attach_op,
	.free = collector_free,
};

static int check_host(char *err, size_t size)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		snprintf(err, size,
			 "this kernel has no type information (/sys/kernel/btf/vmlinux): "
			 "boot one built with CONFIG_DEBUG_INFO_BTF");
		return -ENOTSUP;
	}
	return 0;
}

static int watch(struct collector *c, sd_event *event)
{
	c->uevent_fd = es_uevent_open();
	if (c->uevent_fd >= 0) {
		int r = sd_event_add_io(event, &c->uevents, c->uevent_fd, EPOLLIN, on_uevent, c);

		if (r < 0)
			return r;
	}
	return sd_event_add_io(event, &c->events, es_keeper_events_fd(c->keeper), EPOLLIN, on_vcpu_event, c);
}

int es_collector_new(sd_event *event, const struct es_source_options *o, struct es_source **out, char *err,
		     size_t size)
{
	struct collector *c;
	int r = check_host(err, size);

	if (r)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c) {
		snprintf(err, size, "out of memory");
		return -ENOMEM;
	}
	c->src.ops = &collector_ops;
	c->uevent_fd = -1;
	c->sys = o->sys;
	c->proc = o->proc;
	c->n_slots = o->slots;
	c->keeper = o->keeper;
	c->sees_host = es_process_sees_host(c->proc);
	c->sampler = es_sampler_new(c->keeper, c->sees_host ? c->proc : NULL);
	c->kernel = es_kernel_compare_new(c->sys, c->keeper);
	r = c->sampler && c->kernel ? watch(c, event) : -ENOMEM;
	if (r < 0) {
		snprintf(err, size, "cannot start: %s", strerror(-r));
		collector_free(&c->src);
		return r;
	}
	/* What a daemon before left on KVM may be just right. */
	snprintf(c->relocated_for, sizeof(c->relocated_for), "%s", es_keeper_build(c->keeper));
	c->misread = es_keeper_lost(c->keeper, ES_HEALTH_LAYOUT);
	if (es_keeper_attached(c->keeper))
		es_kernel_compare_attached(c->kernel);
	/* A failure here does not end the daemon: another KVM may be loaded later. Status tells. */
	reconcile(c);
	*out = &c->src;
	return 0;
}
