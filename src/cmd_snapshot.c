// SPDX-License-Identifier: GPL-2.0-only
/* exitstat snapshot: one look, or the difference of two. */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <exitstat/cli.h>
#include <exitstat/diff.h>
#include <exitstat/reasons.h>
#include <exitstat/util.h>

/* The daemon disconnects who is silent for 60 s. */
#define PING_NS (20ULL * 1000000000)

/* The paging view has its events in an order of their own. */
static const struct es_column *const sorts[ES_ASPECTS] = {
	[ES_ASPECT_REASONS] = es_reason_columns,
	[ES_ASPECT_TIME] = es_time_columns,
	[ES_ASPECT_LATENCY] = es_latency_columns,
};

const struct es_option es_snapshot_options[] = {
	{ .name = "vm",
	  .kind = ES_OPT_STRING,
	  .offset = offsetof(struct es_args, vm),
	  .arg = "V",
	  .help = "only this VM: a name, pid, id, or a glob such as 'web-*'" },
	{ .name = "for",
	  .kind = ES_OPT_DURATION,
	  .offset = offsetof(struct es_args, for_ns),
	  .arg = "T",
	  .help = "the change over T (10s, 500ms, 2m) from now;\nCtrl-C ends it early and shows what there "
		  "is" },
	{ .name = "per-vcpu",
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, per_vcpu),
	  .help = "each vCPU by itself too (in CSV: instead of the sum)" },
	{ .name = "paging",
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, paging),
	  .help = "the paging view: what paging costs, what dominates, and\nits events instead of the "
		  "reasons" },
	{ .name = "time",
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, time),
	  .help = "the time view: how much of its time each VM spent in the\nguest, the kernel, the VMM, "
		  "waiting for "
		  "a CPU, idle" },
	{ .name = "latency",
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, latency),
	  .help = "the latency view: percentiles and histograms of how long\nexits take, by reason" },
	{ .name = "reason",
	  .kind = ES_OPT_STRING,
	  .offset = offsetof(struct es_args, reason),
	  .arg = "R",
	  .help = "the histogram of this reason: a name (IOIO, CPUID) or a\ncode as a number" },
	{ .name = "sort",
	  .kind = ES_OPT_COLUMN,
	  .offset = offsetof(struct es_args, sort),
	  .columns = sorts,
	  .help = "order of the table (reasons by count if not given):" },
	{ .name = "format",
	  .kind = ES_OPT_WORD,
	  .offset = offsetof(struct es_args, format),
	  .words = es_formats,
	  .help = "table (default) for people, json with everything,\ncsv with one row a VM and reason (or "
		  "event;\nwith --time: one a VM; with --latency: one a bucket)" },
	{ 0 },
};

struct measurement {
	struct es_client *client;
	struct es_snapshot_request request;
	struct es_snapshot *first, *last, *result;
	char *notice;
	char err[ES_CLIENT_ERR];
};

static void measurement_free(struct measurement *m)
{
	es_snapshot_unref(m->first);
	es_snapshot_unref(m->last);
	es_snapshot_unref(m->result);
	es_client_free(m->client);
	free(m->notice);
}

static int take(struct measurement *m, struct es_snapshot **out)
{
	char *notice;
	int r = es_client_snapshot(m->client, &m->request, out, &notice, m->err);

	if (r)
		return r;
	free(m->notice);
	m->notice = notice;
	return 0;
}

static int ping(struct measurement *m)
{
	json_t *answer = NULL;
	int r = es_client_call(m->client, "exitstat.GetInfo", NULL, &answer, m->err);

	json_decref(answer);
	return r;
}

/* Waits for --for to pass, Ctrl-C, or the daemon's end, which is an error. */
static int wait_for(struct measurement *m, const struct es_args *args)
{
	uint64_t start = es_monotonic_ns(), pinged = start, now;
	int sig = es_interrupts_begin(), r = 0;

	while (!r && (now = es_monotonic_ns()) - start < args->for_ns) {
		uint64_t left = args->for_ns - (now - start);
		struct pollfd p[] = { { .fd = sig, .events = POLLIN },
				      { .fd = es_client_fd(m->client), .events = POLLIN } };

		es_progress_show(now - start, args->for_ns);
		left = left < ES_PROGRESS_NS ? left : ES_PROGRESS_NS;
		poll(p, ES_ARRAY_SIZE(p), (int)((left + 999999) / 1000000));
		if (p[0].revents)
			break;
		if (!p[1].revents && es_monotonic_ns() - pinged < PING_NS)
			continue;
		r = ping(m);
		pinged = es_monotonic_ns();
	}
	es_progress_clear();
	es_interrupts_end(sig);
	return r;
}

/*
 * A VM that ended meanwhile may hide behind a new one of its name; its exits
 * belong to the measurement, so it is asked for by id.
 */
static int add_vanished(struct measurement *m)
{
	for (size_t i = 0; i < m->first->n_vms; i++) {
		const char *id = m->first->vms[i]->id;
		struct es_snapshot_request q = { .vm = id, .per_vcpu = m->request.per_vcpu };
		struct es_snapshot *s = NULL;
		char *notice = NULL;
		int r;

		if (es_snapshot_by_id(m->last, id))
			continue;
		r = es_client_snapshot(m->client, &q, &s, &notice, m->err);
		free(notice);
		if (r == -ESRCH)
			continue;
		if (!r && s->n_vms)
			r = es_snapshot_add(m->last, es_vm_ref(s->vms[0]));
		es_snapshot_unref(s);
		if (r)
			return r;
	}
	return 0;
}

/* The first look, which also tells whose reasons they are. */
static int begin(struct measurement *m, const struct es_args *args)
{
	int r = es_client_open(es_client_socket(args->socket), &m->client, m->err);

	if (!r)
		r = take(m, &m->first);
	if (!r)
		es_print_notice(m->notice);
	return r;
}

static int measure(struct measurement *m, const struct es_args *args)
{
	int r;

	if (!args->for_ns) {
		m->result = es_snapshot_ref(m->first);
		return 0;
	}
	r = wait_for(m, args);
	if (!r)
		r = take(m, &m->last);
	if (!r)
		r = add_vanished(m);
	if (r)
		return r;
	r = es_diff(m->first, m->last, &m->result);
	if (r)
		snprintf(m->err, sizeof(m->err), "%s",
			 r == -EINVAL ? "the host's clock went backwards during the measurement; try again"
				      : strerror(-r));
	return r;
}

static int (*const csv[ES_ASPECTS])(FILE *f, const struct es_snapshot *s, const struct es_snapshot_view *v,
				    bool terminal) = {
	[ES_ASPECT_REASONS] = es_render_csv,
	[ES_ASPECT_PAGING] = es_render_paging_csv,
	[ES_ASPECT_TIME] = es_render_time_csv,
	[ES_ASPECT_LATENCY] = es_render_latency_csv,
};

static int render(const struct es_snapshot *s, const struct es_args *args, const struct es_snapshot_view *v)
{
	struct es_style st = es_style_for(stdout);

	st.exact = true;
	switch (args->format) {
	case ES_FORMAT_JSON:
		return es_render_json(stdout, s, args->per_vcpu);
	case ES_FORMAT_CSV:
		return csv[v->aspect](stdout, s, v, isatty(STDOUT_FILENO));
	default:
		return es_render_snapshot(stdout, s, v, &st);
	}
}

static enum es_exit choose_view(const struct es_args *args, struct es_snapshot_view *v)
{
	enum es_exit status = es_aspect_of("snapshot", args, &v->aspect);

	v->per_vcpu = args->per_vcpu;
	if (!status && args->reason && v->aspect && v->aspect != ES_ASPECT_LATENCY)
		return es_fail(ES_EXIT_USAGE, "snapshot: --reason goes with --latency, not with --%s",
			       es_aspect_word(v->aspect));
	if (!status && args->reason && args->format == ES_FORMAT_JSON)
		return es_fail(ES_EXIT_USAGE, "snapshot: json has all reasons; leave out --reason");
	if (args->reason)
		v->aspect = ES_ASPECT_LATENCY;
	if (status || !args->sort)
		return status;
	if (args->reason)
		return es_fail(ES_EXIT_USAGE, "snapshot: one --reason needs no --sort; leave it out");
	if (!sorts[v->aspect])
		return es_fail(ES_EXIT_USAGE,
			       "snapshot: --sort orders reasons, --paging shows none; give one of them");
	return es_sort_of("snapshot", args, v->aspect, sorts[v->aspect], &v->sort);
}

/* The name that is nearest to a word, NULL if none is near. */
static const char *near_reason(enum es_isa isa, const char *word)
{
	size_t n;
	const struct es_reason_info *t = es_reason_table(isa, &n);
	const char *best = NULL;
	int least = 4;

	for (size_t i = 0; i < n; i++) {
		int d = es_distance(t[i].name, word);

		if (d >= 0 && d < least && (size_t)d < strlen(word)) {
			least = d;
			best = t[i].name;
		}
	}
	return best;
}

static enum es_exit choose_reason(const char *word, enum es_isa isa, struct es_snapshot_view *v)
{
	const struct es_reason_info *info = es_reason_by_name(isa, word);
	const char *near = near_reason(isa, word);
	unsigned long code;
	char *end;

	errno = 0;
	code = info ? info->code : strtoul(word, &end, 0);
	v->one_reason = true;
	v->reason = (uint32_t)code;
	if (info || (isdigit((unsigned char)*word) && !*end && !errno && code <= UINT32_MAX))
		return ES_EXIT_OK;
	if (near)
		return es_fail(ES_EXIT_USAGE,
			       "snapshot: no reason '%s' on this processor; did you mean '%s'?", word, near);
	return es_fail(
		ES_EXIT_USAGE,
		"snapshot: no reason '%s' on this processor; `exitstat snapshot` shows those that occur",
		word);
}

enum es_exit es_cmd_snapshot(const struct es_args *args)
{
	struct measurement m = { .request = { .vm = args->vm, .per_vcpu = args->per_vcpu } };
	struct es_snapshot_view view = { .sort = NULL };
	enum es_exit status = choose_view(args, &view);
	int r;

	if (status)
		return status;
	r = begin(&m, args);
	if (!r && args->reason)
		status = choose_reason(args->reason, m.first->host.isa, &view);
	if (!r && !status)
		r = measure(&m, args);
	if (r)
		status = es_fail_client(r, m.err);
	else if (!status)
		status = es_finish_stdout(render(m.result, args, &view));
	measurement_free(&m);
	return status;
}
