// SPDX-License-Identifier: GPL-2.0-only
/* exitstat status: how the daemon measures, what it costs, what it lost. */
#include <errno.h>

#include <exitstat/cli.h>

const struct es_option es_status_options[] = {
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

enum es_exit es_cmd_status(const struct es_args *args)
{
	struct es_client *client = NULL;
	json_t *answer = NULL;
	char err[ES_CLIENT_ERR];
	enum es_exit status;
	int r = es_client_open(es_client_socket(args->socket), &client, err);

	if (!r)
		r = es_client_call(client, "exitstat.GetStatus", NULL, &answer, err);
	if (r)
		status = es_fail_client(r, err);
	else
		status = es_finish_stdout(render(json_object_get(answer, "status"), args));
	json_decref(answer);
	es_client_free(client);
	return status;
}
