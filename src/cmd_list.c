// SPDX-License-Identifier: GPL-2.0-only
/* exitstat list: the VMs seen. */
#include <exitstat/cli.h>
#include <exitstat/util.h>

const struct es_option es_list_options[] = {
	{ .name = "vm",
	  .kind = ES_OPT_STRING,
	  .offset = offsetof(struct es_args, vm),
	  .arg = "V",
	  .help = "only these: a name, pid, id, or a glob such as 'web-*'" },
	{ .name = "sort",
	  .kind = ES_OPT_COLUMN,
	  .offset = offsetof(struct es_args, sort),
	  .columns = (const struct es_column *const[ES_ASPECTS]){ es_vm_columns },
	  .help = "order of the VMs (default rate)" },
	{ .name = "format",
	  .kind = ES_OPT_WORD,
	  .offset = offsetof(struct es_args, format),
	  .words = es_formats_short,
	  .help = "table (default) for people, json for programs" },
	{ 0 },
};

static int render(const struct es_snapshot *sum, const struct es_snapshot *now, const struct es_args *args)
{
	struct es_style st = es_style_for(stdout);

	if (args->format == ES_FORMAT_JSON)
		return es_render_list_json(stdout, sum, now);
	if (!sum->n_vms)
		es_fail(ES_EXIT_OK, "no VM has been seen yet");
	return es_render_list(stdout, sum, now, args->sort ? es_column_find(es_vm_columns, args->sort) : NULL,
			      &st);
}

enum es_exit es_cmd_list(const struct es_args *args)
{
	struct es_snapshot_request q = { .vm = args->vm }, last = { .vm = args->vm, .last_interval = true };
	struct es_snapshot *sum = NULL, *now = NULL;
	struct es_client *client = NULL;
	char *notice = NULL, *same = NULL;
	char err[ES_CLIENT_ERR];
	enum es_exit status;
	int r = es_client_open(es_client_socket(args->socket), &client, err);

	if (!r)
		r = es_client_snapshot(client, &q, &sum, &notice, err);
	if (!r)
		r = es_client_snapshot(client, &last, &now, &same, err);
	if (r) {
		status = es_fail_client(r, err);
	} else {
		es_print_notice(notice);
		status = es_finish_stdout(render(sum, now, args));
	}
	es_snapshot_unref(sum);
	es_snapshot_unref(now);
	es_client_free(client);
	free(notice);
	free(same);
	return status;
}
