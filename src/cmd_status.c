// SPDX-License-Identifier: GPL-2.0-only
/* exitstat status: how the daemon measures, what it costs, what it lost. */
#include <errno.h>
#include <poll.h>

#include <exitstat/cli.h>
#include <exitstat/cost.h>
#include <exitstat/util.h>

#define NS_PER_MS  1000000ULL
#define MEASURE_NS (1000 * NS_PER_MS)

const struct es_option es_status_options[] = {
	{ .name = "for",
	  .kind = ES_OPT_DURATION,
	  .offset = offsetof(struct es_args, for_ns),
	  .arg = "T",
	  .help = "measure the cost over T (default 1s, at most 60s);\nCtrl-C ends it early and shows the "
		  "rest" },
	{ .name = "no-cost",
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, no_cost),
	  .help = "all but the cost, at once" },
	{ .name = "format",
	  .kind = ES_OPT_WORD,
	  .offset = offsetof(struct es_args, format),
	  .words = es_formats_short,
	  .help = "table (default) for people, json for programs" },
	{ 0 },
};

static int render(const json_t *status, const struct es_args *args)
{
	struct es_style st = es_style_for(stdout);

	if (args->format == ES_FORMAT_TABLE)
		return es_render_status(stdout, status, &st);
	if (json_dumpf(status, stdout, JSON_INDENT(2)) < 0)
		return -ENOMEM;
	putchar('\n');
	return 0;
}

/* The answer that comes after ns; -EINTR: Ctrl-C. */
static int wait_for_answer(struct es_client *client, uint64_t ns, json_t **answer, char err[ES_CLIENT_ERR])
{
	const uint64_t start = es_monotonic_ns(), limit = ns + ES_CLIENT_TIMEOUT_MS * NS_PER_MS;
	int sig = es_interrupts_begin(), r = -EAGAIN;

	while (r == -EAGAIN) {
		struct pollfd p[] = {
			{ .fd = sig, .events = POLLIN },
			{ .fd = es_client_fd(client), .events = es_client_events(client) },
		};
		uint64_t gone;

		poll(p, ES_ARRAY_SIZE(p), (int)(ES_PROGRESS_NS / NS_PER_MS));
		gone = es_monotonic_ns() - start;
		if (p[0].revents)
			r = -EINTR;
		else if (p[1].revents)
			r = es_client_receive(client, answer, err);
		else if (gone > limit)
			r = -ETIMEDOUT;
		else
			es_progress_show(gone < ns ? gone : ns, ns);
	}
	es_progress_clear();
	es_interrupts_end(sig);
	if (r == -ETIMEDOUT)
		snprintf(err, ES_CLIENT_ERR, "exitstatd does not answer (waited %llu s)",
			 (unsigned long long)(limit / (1000 * NS_PER_MS)));
	return r;
}

/* measure_ns 0: without the cost. -EINTR: Ctrl-C. */
static int ask(const struct es_args *args, uint64_t measure_ns, json_t **answer, char err[ES_CLIENT_ERR])
{
	json_t *params = measure_ns ? json_pack("{s:I}", "measure_ns", (json_int_t)measure_ns) : NULL;
	struct es_client *client = NULL;
	int r = es_client_open(es_client_socket(args->socket), &client, err);

	if (r)
		json_decref(params);
	else if (!params)
		r = es_client_call(client, "exitstat.GetStatus", NULL, answer, err);
	else
		r = es_client_send(client, "exitstat.GetStatus", params, err);
	if (!r && params)
		r = wait_for_answer(client, measure_ns, answer, err);
	es_client_free(client);
	return r;
}

enum es_exit es_cmd_status(const struct es_args *args)
{
	uint64_t measure_ns = args->no_cost ? 0 : args->for_ns ? args->for_ns : MEASURE_NS;
	char err[ES_CLIENT_ERR];
	json_t *answer = NULL;
	enum es_exit status;
	int r;

	if (args->no_cost && args->for_ns)
		return es_fail(ES_EXIT_USAGE,
			       "status: --for measures the cost, --no-cost does not; give one of them");
	if (args->for_ns > ES_COST_MAX_NS)
		return es_fail(ES_EXIT_USAGE, "status: --for: 60s at most");
	r = ask(args, measure_ns, &answer, err);
	if (r == -EINTR)
		r = ask(args, 0, &answer, err);
	if (r)
		status = es_fail_client(r, err);
	else
		status = es_finish_stdout(render(json_object_get(answer, "status"), args));
	json_decref(answer);
	return status;
}
