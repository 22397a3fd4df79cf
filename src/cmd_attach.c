// SPDX-License-Identifier: GPL-2.0-only
/* exitstat detach, attach: the programs off KVM, and on again. */
#include <exitstat/cli.h>

static enum es_exit call(const struct es_args *args, const char *method, const char *done)
{
	struct es_client *client = NULL;
	json_t *answer = NULL;
	char err[ES_CLIENT_ERR];
	int r = es_client_open(es_client_socket(args->socket), &client, err);

	if (!r)
		r = es_client_call(client, method, NULL, &answer, err);
	json_decref(answer);
	es_client_free(client);
	if (r)
		return es_fail_client(r, err);
	puts(done);
	return es_finish_stdout(0);
}

enum es_exit es_cmd_detach(const struct es_args *args)
{
	return call(args, "exitstat.Detach",
		    "detached: nothing is counted until `exitstat attach`; kvm.ko can be replaced now");
}

enum es_exit es_cmd_attach(const struct es_args *args)
{
	return call(args, "exitstat.Attach",
		    "no longer detached: `exitstat status` tells what is counted now");
}
