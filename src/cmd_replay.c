// SPDX-License-Identifier: GPL-2.0-only
/* exitstat replay: top over a recording. */
#include <errno.h>
#include <string.h>

#include <exitstat/cli.h>
#include <exitstat/tui.h>
#include <exitstat/util.h>

const struct es_option es_replay_options[] = {
	{ .name = "vm",
	  .kind = ES_OPT_STRING,
	  .offset = offsetof(struct es_args, vm),
	  .arg = "V",
	  .help = "only this VM, reason by reason: a name, pid, id, or a\nglob such as 'web-*'" },
	{ .name = "paging",
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, paging),
	  .help = "begin with the paging view (key m)" },
	{ .name = "time",
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, time),
	  .help = "begin with the time view (key t)" },
	{ .name = "latency",
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, latency),
	  .help = "begin with the latency view (key l)" },
	{ .name = "speed",
	  .kind = ES_OPT_COUNT,
	  .offset = offsetof(struct es_args, speed),
	  .arg = "N",
	  .help = "N times as fast as it was recorded, up to 4096" },
	{ .name = "sort",
	  .kind = ES_OPT_COLUMN,
	  .offset = offsetof(struct es_args, sort),
	  .columns = es_top_sorts,
	  .help = "order at the start (rate, cost, kernel, p99 if not given):" },
	{ .name = "batch",
	  .letter = 'b',
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, batch),
	  .help = "plain text to a pipe or file, look by look, without\nwaiting" },
	{ .name = "rounds",
	  .letter = 'n',
	  .kind = ES_OPT_COUNT,
	  .offset = offsetof(struct es_args, rounds),
	  .arg = "N",
	  .help = "with --batch: end after N looks" },
	{ 0 },
};

enum es_exit es_cmd_replay(const struct es_args *args)
{
	struct es_top top = { 0 };
	struct es_feed feed = {
		.ops = &es_feed_replay,
		.top = &top,
		.path = args->operands[0],
		.hurry = args->batch,
	};
	enum es_exit status = es_top_check("replay", args);

	if (status)
		return status;
	if (args->speed > ES_SPEED_MAX)
		return es_fail(ES_EXIT_USAGE, "replay: --speed is at most %d", ES_SPEED_MAX);
	if (es_replay_set_speed(&feed, args->speed ? args->speed : 1))
		return es_fail(ES_EXIT_FAILED, "%s", strerror(ENOMEM));
	return es_top_run(&feed, args);
}
