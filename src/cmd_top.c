// SPDX-License-Identifier: GPL-2.0-only
/* exitstat top: the full screen, or rounds of text. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <exitstat/cli.h>
#include <exitstat/tui.h>
#include <exitstat/util.h>

#define INTERVAL_DEFAULT_NS 1000000000ULL

const struct es_column *const es_top_sorts[ES_ASPECTS] = { [ES_ASPECT_REASONS] = es_vm_columns,
							   [ES_ASPECT_PAGING] = es_paging_columns,
							   [ES_ASPECT_TIME] = es_time_columns,
							   [ES_ASPECT_LATENCY] = es_vm_latency_columns };

const struct es_option es_top_options[] = {
	{ .name = "vm",
	  .kind = ES_OPT_STRING,
	  .offset = offsetof(struct es_args, vm),
	  .arg = "V",
	  .help = "only this VM, reason by reason: a name, pid, id, or a\nglob such as 'web-*'" },
	{ .name = "paging",
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, paging),
	  .help = "begin with the paging view (key m): what paging costs\nand what KVM does for it" },
	{ .name = "time",
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, time),
	  .help = "begin with the time view (key t): in the guest, the kernel,\nthe VMM, waiting for a CPU, "
		  "idle" },
	{ .name = "latency",
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, latency),
	  .help = "begin with the latency view (key l): percentiles and\nhistograms of how long exits take" },
	{ .name = "interval",
	  .letter = 'i',
	  .kind = ES_OPT_DURATION,
	  .offset = offsetof(struct es_args, interval_ns),
	  .arg = "S",
	  .help = "time between two looks (default 1s, at least 100ms)" },
	{ .name = "sort",
	  .kind = ES_OPT_COLUMN,
	  .offset = offsetof(struct es_args, sort),
	  .columns = es_top_sorts,
	  .help = "order at the start (rate, cost, kernel, p99 if not given):" },
	{ .name = "batch",
	  .letter = 'b',
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, batch),
	  .help = "plain text to a pipe or file, round by round" },
	{ .name = "rounds",
	  .letter = 'n',
	  .kind = ES_OPT_COUNT,
	  .offset = offsetof(struct es_args, rounds),
	  .arg = "N",
	  .help = "with --batch: end after N rounds" },
	{ 0 },
};

/* Waits until the feed has something new. 0 or what es_feed_step says. */
static int next_round(struct es_feed *feed)
{
	bool said = false;

	for (;;) {
		struct pollfd p;
		int r = feed->ops->step(feed);

		if (r)
			return r > 0 ? 0 : r;
		if (feed->lost && !said)
			es_fail(ES_EXIT_OK, "daemon gone, reconnecting: %s", feed->err);
		said = feed->lost;
		int timeout = feed->ops->wait(feed, &p.fd, &p.events);
		poll(&p, 1, timeout);
	}
}

static enum es_exit batch(struct es_feed *feed, const struct es_args *args)
{
	struct es_top_query q = { .reverse = false };
	struct es_style st = es_style_for(stdout);
	_cleanup_free_ char *said = NULL;
	int r = 0;

	/* What was wrong with them has been said before: es_top_check(). */
	es_aspect_of("", args, &q.aspect);
	es_sort_of("", args, q.aspect, es_aspect_columns(q.aspect), &q.sort);
	st.colour = false;
	for (uint64_t round = 0; !feed->done && (!args->rounds || round < args->rounds); round++) {
		r = next_round(feed);
		if (r)
			return es_fail_client(r, feed->err);
		if (feed->notice && (!said || strcmp(said, feed->notice) != 0))
			es_print_notice(feed->notice);
		free(said);
		said = feed->notice ? strdup(feed->notice) : NULL;
		if (round)
			putchar('\n');
		r = es_render_top(stdout, feed->top, &q, args->vm, &st);
		enum es_exit status = es_finish_stdout(r);
		if (status || ferror(stdout))
			return status;
	}
	return ES_EXIT_OK;
}

enum es_exit es_top_check(const char *verb, const struct es_args *args)
{
	const struct es_column *sort;
	enum es_aspect aspect;
	enum es_exit status = es_aspect_of(verb, args, &aspect);

	if (!status)
		status = es_sort_of(verb, args, aspect, es_aspect_columns(aspect), &sort);
	if (status)
		return status;
	if (args->interval_ns && args->interval_ns < ES_INTERVAL_MIN_NS)
		return es_fail(ES_EXIT_USAGE, "%s: --interval is at least 100ms", verb);
	if (args->rounds && !args->batch)
		return es_fail(ES_EXIT_USAGE, "%s: -n counts the rounds of --batch; give both", verb);
	if (!args->batch && (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)))
		return es_fail(ES_EXIT_USAGE,
			       "%s: needs a terminal; use `exitstat %s --batch` for a pipe or a file", verb,
			       verb);
	return ES_EXIT_OK;
}

enum es_exit es_top_run(struct es_feed *feed, const struct es_args *args)
{
	enum es_exit status;
	int r;

	feed->vm = args->vm;
	feed->top->vcpus = args->time && args->vm && args->batch;
	r = feed->ops->open(feed);
	if (r)
		status = es_fail_client(r, feed->err);
	else
		status = args->batch ? batch(feed, args) : es_tui_run(feed, args);
	feed->ops->close(feed);
	es_top_clear(feed->top);
	return status;
}

enum es_exit es_cmd_top(const struct es_args *args)
{
	struct es_top top = { 0 };
	struct es_feed feed = {
		.ops = &es_feed_daemon,
		.top = &top,
		.socket = es_client_socket(args->socket),
		.interval_ns = args->interval_ns ? args->interval_ns : INTERVAL_DEFAULT_NS,
	};
	enum es_exit status = es_top_check("top", args);

	return status ? status : es_top_run(&feed, args);
}
