// SPDX-License-Identifier: GPL-2.0-only
/* exitstatd: samples a source of snapshots and serves them. */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include <exitstat/config.h>
#include <exitstat/listen.h>
#include <exitstat/log.h>
#include <exitstat/metrics.h>
#include <exitstat/process.h>
#include <exitstat/recording.h>
#include <exitstat/server.h>
#include <exitstat/source.h>
#include <exitstat/store.h>
#include <exitstat/util.h>

#include "daemon_cost.h"
#include "daemon_ended.h"
#include "daemon_privilege.h"
#include "daemon_unpin.h"
#include "keeper.h"

#define NS_PER_US      1000ULL
#define NS_PER_S       1000000000ULL
#define SAMPLE_GAP_NS  20000000ULL     /* between two samples that are not periodic */
#define SAMPLE_SHARE   20	       /* and this many times what one costs: 5 % of a CPU at most */
#define VCPUS_NS       (10 * NS_PER_S) /* vCPUs one by one are sampled for so long after a request for them */
#define TIMER_ACCURACY 1000	       /* us */

struct daemon {
	int argc;
	char **argv;
	struct es_config cfg;
	sd_event *event;
	sd_event_source *tick, *soon, *death;
	struct es_listen listen;
	struct es_ended *ended;	  /* NULL: nothing outlives us */
	struct es_keeper *keeper; /* NULL: not root, there is nothing to keep */
	struct es_source *source;
	struct es_store *store;
	struct es_costs *costs;
	struct es_service *service;
	struct es_server *server;
	struct es_metrics *metrics; /* NULL: nobody asked for them */
	uint64_t started_ns, next_tick_ns;
	uint64_t sampled_ns, samples, cost_ns, cost_max_ns,
		cost_sum_ns; /* when the last sample ended, and costs */
	uint64_t
		work_ns; /* CPU time of the last sample: waiting for a busy CPU is no reason to look less often */
	uint64_t vcpus_until_ns;
	bool has_vcpus;	  /* the last sample has them one by one */
	int sample_error; /* the last one, so that it is said once */
	bool ready, no_user;
	char state[512]; /* what was said last of the source */
};

/* --- sampling --- */

/* What ended is in the store, and where it outlives us; only now may its slots be others'. */
static void keep(struct daemon *d, const struct es_snapshot *s)
{
	if (d->ended)
		es_ended_write(d->ended, s, d->store);
	if (d->source->ops->told)
		d->source->ops->told(d->source);
}

static void sample(struct daemon *d, bool tick)
{
	uint64_t begin = es_monotonic_ns(), cpu = es_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct es_snapshot *s = NULL;
	int r;

	d->source->per_vcpu = begin < d->vcpus_until_ns;
	d->source->aside_ns = 0;
	r = d->source->ops->sample(d->source, &s);
	if (r == 0)
		r = es_store_put(d->store, es_snapshot_ref(s), tick);
	if (r == 0)
		keep(d, s);
	es_snapshot_unref(s);
	if (r == 0)
		d->has_vcpus = d->source->per_vcpu;
	if (r < 0 && r != d->sample_error)
		es_error("cannot sample: %s; the last snapshot is served on", strerror(-r));
	d->sample_error = r;
	d->sampled_ns = es_monotonic_ns();
	d->cost_ns = d->sampled_ns - begin;
	d->work_ns = es_clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu - d->source->aside_ns;
	d->cost_sum_ns += d->cost_ns;
	if (d->cost_ns > d->cost_max_ns)
		d->cost_max_ns = d->cost_ns;
	d->samples++;
}

/* The earliest time at which a sample out of turn is worth its cost. */
static uint64_t sample_due(const struct daemon *d)
{
	uint64_t gap = SAMPLE_SHARE * d->work_ns;

	return d->sampled_ns + (gap > SAMPLE_GAP_NS ? gap : SAMPLE_GAP_NS);
}

static void refresh(void *ctx, bool per_vcpu)
{
	struct daemon *d = ctx;
	uint64_t now = es_monotonic_ns();
	bool lacking = per_vcpu && !d->has_vcpus;

	/* A recording goes on with the clock, not with the number of questions. */
	if (d->cfg.replay[0])
		return;
	if (per_vcpu)
		d->vcpus_until_ns = now + VCPUS_NS;
	if (lacking || now >= sample_due(d))
		sample(d, false);
}

/* For who wants to know of few VMs: a sample of thousands takes its time. */
static int look(void *ctx, const struct es_snapshot *at, bool per_vcpu, struct es_snapshot **out)
{
	struct daemon *d = ctx;
	uint64_t now = es_monotonic_ns();

	if (!d->source->ops->look)
		return -ENOTSUP;
	if (per_vcpu)
		d->vcpus_until_ns = now + VCPUS_NS;
	if (now < d->sampled_ns + SAMPLE_GAP_NS)
		return -EAGAIN;
	d->source->per_vcpu = per_vcpu;
	return d->source->ops->look(d->source, at, out);
}

/* --- what the source is doing, for people --- */

static void describe_kvm(const struct es_status *st, char *text, size_t size)
{
	static const char *const vendors[][2] = {
		[ES_ISA_VMX] = { "Intel", "ept" },
		[ES_ISA_SVM] = { "AMD", "npt" },
	};

	if (st->host.isa == ES_ISA_NONE)
		snprintf(text, size, "KVM");
	else if (st->host.tdp == ES_UNKNOWN)
		snprintf(text, size, "KVM (%s)", vendors[st->host.isa][0]);
	else
		snprintf(text, size, "KVM (%s, %s=%d)", vendors[st->host.isa][0], vendors[st->host.isa][1],
			 st->host.tdp == ES_YES);
}

static void describe(const struct daemon *d, const struct es_status *st, char *text, size_t size)
{
	static const char *const words[] = {
		[ES_ATTACH_WAITING] = "waiting for %s to be loaded",
		[ES_ATTACH_ATTACHED] = "watching %s",
		[ES_ATTACH_SILENT] = "watching %s, which reports no exits",
		[ES_ATTACH_DETACHED] = "detached from %s",
		[ES_ATTACH_FAILED] = "not watching %s",
		[ES_ATTACH_REPLAY] = "replaying %s",
	};
	char kvm[64];

	describe_kvm(st, kvm, sizeof(kvm));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, size, words[st->attach], st->attach == ES_ATTACH_REPLAY ? d->cfg.replay : kvm);
#pragma GCC diagnostic pop
}

/* Says what has changed since it was said last. */
static void announce(struct daemon *d)
{
	_cleanup_free_ struct es_status *st = calloc(1, sizeof(*st));
	char what[sizeof(d->state) - sizeof(st->notice)], state[sizeof(d->state)];

	if (!st)
		return;
	d->source->ops->status(d->source, st);
	describe(d, st, what, sizeof(what));
	snprintf(state, sizeof(state), "%s\n%s", what, st->notice);
	if (!strcmp(state, d->state))
		return;
	memcpy(d->state, state, sizeof(state));
	if (d->ready)
		es_info("%s", what);
	else
		es_info("ready: %s, socket %s", what, d->listen.path);
	if (st->notice[0])
		es_warn("%s", st->notice);
	sd_notifyf(0, "%sSTATUS=%s", d->ready ? "" : "READY=1\n", st->notice[0] ? st->notice : what);
	d->ready = true;
}

/* --- timers --- */

static int on_tick(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct daemon *d = ctx;
	uint64_t now;

	(void)usec;
	sample(d, true);
	now = es_monotonic_ns();
	d->next_tick_ns += d->cfg.interval_ns;
	if (d->next_tick_ns <= now) /* late, or suspended: what was missed is missed */
		d->next_tick_ns += (now - d->next_tick_ns) / d->cfg.interval_ns * d->cfg.interval_ns +
				   d->cfg.interval_ns;
	return sd_event_source_set_time(source, d->next_tick_ns / NS_PER_US);
}

static int on_soon(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct daemon *d = ctx;

	(void)source;
	(void)usec;
	sample(d, false);
	announce(d);
	return 0;
}

/* Many changes at once are one sample. */
static void on_changed(void *ctx)
{
	struct daemon *d = ctx;
	int on;

	if (sd_event_source_get_enabled(d->soon, &on) >= 0 && on != SD_EVENT_OFF)
		return;
	sd_event_source_set_time(d->soon, sample_due(d) / NS_PER_US);
	sd_event_source_set_enabled(d->soon, SD_EVENT_ONESHOT);
}

static int add_timers(struct daemon *d)
{
	/* Before clients, so that they cannot hold it up. */
	const int64_t first = SD_EVENT_PRIORITY_NORMAL - 1;
	int r;

	d->next_tick_ns = es_monotonic_ns() + d->cfg.interval_ns;
	r = sd_event_add_time(d->event, &d->tick, CLOCK_MONOTONIC, d->next_tick_ns / NS_PER_US,
			      TIMER_ACCURACY, on_tick, d);
	if (r >= 0)
		r = sd_event_source_set_enabled(d->tick, SD_EVENT_ON);
	if (r >= 0)
		r = sd_event_source_set_priority(d->tick, first);
	if (r >= 0)
		r = sd_event_add_time(d->event, &d->soon, CLOCK_MONOTONIC, 0, TIMER_ACCURACY, on_soon, d);
	if (r >= 0)
		r = sd_event_source_set_enabled(d->soon, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_priority(d->soon, first);
	return r;
}

/* --- what clients ask --- */

static void status(void *ctx, struct es_status *st)
{
	struct daemon *d = ctx;

	d->source->ops->status(d->source, st);
	st->uptime_ns = es_monotonic_ns() - d->started_ns;
	st->cpu_ns += es_process_own_cpu();
	st->rss_bytes += es_process_own_rss();
	st->samples = d->samples;
	st->sample_ns_sum = d->cost_sum_ns;
	st->sample_ns_last = d->cost_ns;
	st->sample_ns_max = d->cost_max_ns;
	es_server_status(d->server, st);
}

static int cost_on(void *ctx, char why[ES_COST_WHY])
{
	struct es_source *src = ((struct daemon *)ctx)->source;

	if (src->ops->cost_on)
		return src->ops->cost_on(src, why);
	snprintf(why, ES_COST_WHY, "a recording is being replayed");
	return -ENOTSUP;
}

static void cost_counts(void *ctx, struct es_cost_counts *out)
{
	struct daemon *d = ctx;

	d->source->ops->cost(d->source, out);
	out->daemon_ns += es_process_own_cpu();
	out->samples = d->samples;
}

static const struct es_cost_ops cost_ops = { .on = cost_on, .counts = cost_counts };

static int kernel(void *ctx, bool all, uint32_t uid, struct es_kernel_report **out)
{
	struct daemon *d = ctx;

	*out = NULL;
	return d->source->ops->kernel ? d->source->ops->kernel(d->source, all, uid, out) : 0;
}

static int switched(struct daemon *d, int r)
{
	if (r == 0) {
		sample(d, false);
		announce(d);
	}
	return r;
}

static int detach(void *ctx, char *err, size_t size)
{
	struct daemon *d = ctx;

	return switched(d, d->source->ops->detach(d->source, err, size));
}

static int attach(void *ctx, char *err, size_t size)
{
	struct daemon *d = ctx;

	return switched(d, d->source->ops->attach(d->source, err, size));
}

static const struct es_service_ops service_ops = {
	.refresh = refresh,
	.look = look,
	.status = status,
	.kernel = kernel,
	.detach = detach,
	.attach = attach,
};

/* --- settings --- */

static uint32_t find_group(const char *name)
{
	struct group *g;
	unsigned long gid;
	char *end;

	if (name[strspn(name, "0123456789")] == '\0') {
		errno = 0;
		gid = strtoul(name, &end, 10);
		return errno || gid >= ES_SERVER_NO_GROUP ? ES_SERVER_NO_GROUP : (uint32_t)gid;
	}
	g = getgrnam(name);
	return g ? g->gr_gid : ES_SERVER_NO_GROUP;
}

static void apply_group(struct daemon *d)
{
	uint32_t gid = find_group(d->cfg.group);

	if (gid == ES_SERVER_NO_GROUP)
		es_info("there is no group %s: only root sees the VMs of others", d->cfg.group);
	es_server_set_group(d->server, gid);
}

static struct es_store_options store_options(const struct es_config *cfg)
{
	return (struct es_store_options){
		.ring = (unsigned int)cfg->history,
		.ended_keep_ns = cfg->ended_keep_ns,
		.ended_max = (unsigned int)cfg->ended_max,
	};
}

static void apply(struct daemon *d, const struct es_config *next)
{
	uint64_t interval_ns = d->cfg.interval_ns;
	struct es_store_options o;

	es_config_apply(&d->cfg, next);
	o = store_options(&d->cfg);
	if (es_store_configure(d->store, &o) < 0)
		es_error("out of memory: ended-keep, ended-max and history stay as they were");
	apply_group(d);
	if (d->cfg.interval_ns == interval_ns)
		return;
	d->next_tick_ns = es_monotonic_ns() + d->cfg.interval_ns;
	sd_event_source_set_time(d->tick, d->next_tick_ns / NS_PER_US);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *si, void *ctx)
{
	_cleanup_free_ struct es_config *next = malloc(sizeof(*next));
	struct daemon *d = ctx;
	char err[ES_CONFIG_ERR] = "out of memory";

	(void)source;
	(void)si;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)(es_monotonic_ns() / NS_PER_US));
	if (next && es_config_load(d->argc, d->argv, next, err) == 0) {
		apply(d, next);
		es_info("settings read again");
	} else {
		es_error("%s; settings stay as they were", err);
	}
	sd_notify(0, "READY=1");
	return 0;
}

/* --- start and stop --- */

/* 0, or -EPERM: the reason is said. */
static int check_privilege(const struct es_config *cfg)
{
	if (cfg->replay[0] || es_privilege_to_load())
		return 0;
	if (geteuid() == 0)
		es_error("root, but without CAP_SYS_ADMIN, which loading BPF programs needs: start it "
			 "outside of the container");
	else
		es_error("loading BPF programs needs root: run sudo exitstatd, or serve a recording with "
			 "--replay FILE");
	return -EPERM;
}

static void raise_fd_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static int open_source(struct daemon *d, struct es_recording *recording)
{
	struct es_source_options o = {
		.slots = (unsigned int)d->cfg.slots,
		.latency = d->cfg.latency,
		.sys = "/sys",
		.proc = "/proc",
		.keeper = d->keeper,
		.recording = recording,
	};
	char err[512] = "";
	int r;

	r = recording ? es_replay_new(&o, &d->source, err, sizeof(err))
		      : es_collector_new(d->event, &o, &d->source, err, sizeof(err));
	if (r < 0) {
		es_error("%s", err[0] ? err : strerror(-r));
		return r;
	}
	d->source->changed = on_changed;
	d->source->ctx = d;
	return 0;
}

static int on_keeper_death(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	struct daemon *d = ctx;
	char why[128];

	(void)source, (void)fd, (void)revents;
	es_keeper_explain_death(d->keeper, why, sizeof(why));
	es_error("%s: nothing can be measured any more", why);
	return sd_event_exit(d->event, -EPIPE);
}

static int watch_keeper(struct daemon *d)
{
	return d->keeper ? sd_event_add_io(d->event, &d->death, es_keeper_fd(d->keeper), EPOLLHUP,
					   on_keeper_death, d)
			 : 0;
}

static int add_signals(struct daemon *d)
{
	int r;

	r = sd_event_add_signal(d->event, NULL, SIGTERM, NULL, NULL); /* ends the loop */
	if (r >= 0)
		r = sd_event_add_signal(d->event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(d->event, NULL, SIGHUP, on_hangup, d);
	if (r >= 0)
		r = sd_event_set_watchdog(d->event, true);
	return r;
}

static int make_parts(struct daemon *d)
{
	struct es_store_options o = store_options(&d->cfg);

	d->store = es_store_new(&o);
	d->costs = es_costs_new(d->event, &cost_ops, d);
	if (d->store && d->costs)
		d->service = es_service_new(d->store, d->costs, &service_ops, d);
	return d->service ? es_server_new(d->event, d->listen.fd, d->service, &es_server_limits, &d->server)
			  : -ENOMEM;
}

/* What only root can do, which is then no more: the process that goes on has no privilege, its keeper few. */
static int split(struct daemon *d, struct es_recording **recording)
{
	const struct es_loader_options loader = {
		.slots = (unsigned int)d->cfg.slots,
		.latency = d->cfg.latency,
		.mmu = (enum es_mmu_mode)d->cfg.mmu,
		.pin_dir = d->cfg.pin ? d->cfg.pin_dir : NULL,
	};
	struct es_privilege_user user = { .known = true };
	bool root = geteuid() == 0;
	char err[512];
	int r;

	if (root)
		user = es_privilege_find_user(d->cfg.user);
	r = es_listen_open(&d->listen, d->cfg.socket, err, sizeof(err));
	if (!r && d->cfg.metrics[0] && d->listen.metrics_fd < 0) {
		d->listen.metrics_fd = es_metrics_listen(d->cfg.metrics, err, sizeof(err));
		r = d->listen.metrics_fd < 0 ? d->listen.metrics_fd : 0;
	}
	if (!r && d->cfg.replay[0])
		r = es_recording_open(d->cfg.replay, true, recording, err);
	if (!r && root && d->cfg.pin && !*recording)
		r = es_ended_open(d->listen.path, &user, &d->ended, err, sizeof(err));
	if (!r && root)
		r = es_keeper_start(*recording ? NULL : &loader, &d->listen, &d->keeper, err, sizeof(err));
	if (!r)
		r = es_privilege_drop(&user, err, sizeof(err));
	if (r < 0)
		es_error("%s", err);
	d->no_user = !user.known;
	return r;
}

static void refresh_for_metrics(void *ctx)
{
	refresh(ctx, false);
}

static int serve_metrics(struct daemon *d)
{
	static const struct es_metrics_ops ops = { .refresh = refresh_for_metrics, .status = status };
	const struct es_metrics_options o = { .vms = d->cfg.metrics_vms,
					      .histograms = d->cfg.metrics_histograms };

	return d->listen.metrics_fd < 0
		       ? 0
		       : es_metrics_new(d->event, d->listen.metrics_fd, d->store, &ops, d, &o, &d->metrics);
}

static int start(struct daemon *d)
{
	struct es_recording *recording = NULL;
	int r = split(d, &recording);

	if (r < 0) {
		es_recording_close(recording);
		return r;
	}
	r = sd_event_default(&d->event);
	if (r >= 0)
		r = add_signals(d);
	if (r >= 0)
		r = make_parts(d);
	if (r >= 0 && d->ended)
		es_ended_load(d->ended, d->store);
	if (r >= 0)
		r = serve_metrics(d);
	if (r >= 0)
		r = add_timers(d);
	if (r >= 0)
		r = watch_keeper(d);
	if (r < 0) {
		es_recording_close(recording);
		es_error("cannot start: %s", strerror(-r));
		return r;
	}
	return open_source(d, recording);
}

static bool goes_on(struct daemon *d)
{
	char where[320];

	return d->ended && es_keeper_attached(d->keeper) &&
	       es_keeper_pin_explain(d->keeper, where, sizeof(where));
}

static int run(struct daemon *d)
{
	int r = start(d);

	if (r < 0)
		return r;
	sample(d, true);
	announce(d);
	if (d->no_user)
		es_info("there is no user %s: clients are served as nobody", d->cfg.user);
	apply_group(d);
	r = sd_event_loop(d->event);
	sd_notify(0, "STOPPING=1\nSTATUS=stopping");
	if (r == -EPIPE)
		es_error("ends, since its privileged process did");
	else if (r < 0)
		es_error("event loop: %s", strerror(-r));
	else
		es_info("stopped%s",
			goes_on(d) ? "; its programs count on, exitstatd --unpin takes them off" : "");
	return r;
}

static void clean_up(struct daemon *d)
{
	es_metrics_free(d->metrics);
	es_server_free(d->server);
	es_service_free(d->service);
	es_costs_free(d->costs);
	sd_event_source_disable_unref(d->tick);
	sd_event_source_disable_unref(d->soon);
	sd_event_source_disable_unref(d->death);
	if (d->source)
		d->source->ops->free(d->source);
	es_store_free(d->store);
	es_ended_free(d->ended);
	sd_event_unref(d->event);
	es_keeper_free(d->keeper);
	es_listen_close(&d->listen);
}

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL); /* the event loop takes them */
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	struct daemon d = { .argc = argc,
			    .argv = argv,
			    .listen = { .fd = -1, .lock_fd = -1, .metrics_fd = -1 } };
	char err[ES_CONFIG_ERR];
	int r;

	es_log_init();
	r = es_config_load(argc, argv, &d.cfg, err);
	if (r < 0) {
		es_error("%s", err);
		return r == -EINVAL ? 2 : 1;
	}
	if (d.cfg.help) {
		es_config_help(stdout);
		return 0;
	}
	if (d.cfg.options) {
		es_config_table(stdout);
		return 0;
	}
	if (d.cfg.version) {
		puts("exitstatd " ES_VERSION);
		return 0;
	}
	if (d.cfg.unpin)
		return es_unpin(&d.cfg) < 0 ? 1 : 0;
	if (check_privilege(&d.cfg) < 0)
		return 1;
	block_signals();
	raise_fd_limit();
	d.started_ns = es_monotonic_ns();
	r = run(&d);
	clean_up(&d);
	return r < 0 ? 1 : 0;
}
