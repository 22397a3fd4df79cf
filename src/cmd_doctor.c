// SPDX-License-Identifier: GPL-2.0-only
/* exitstat doctor: what works on this host, what does not, and what to do. */
#include <exitstat/cli.h>
#include <exitstat/doctor.h>
#include <exitstat/util.h>

#define NAME_WIDTH 15

const struct es_option es_doctor_options[] = {
	{ .name = "root",
	  .kind = ES_OPT_STRING,
	  .offset = offsetof(struct es_args, root),
	  .arg = "DIR",
	  .help = "look at DIR/proc, DIR/sys and DIR/dev",
	  .hidden = true },
	{ 0 },
};

static void print_result(const char *name, const struct es_check_result *r, const struct es_style *st)
{
	static const struct {
		const char *word;
		enum es_sgr colour;
	} findings[] = {
		[ES_FINDING_OK] = { "ok", ES_SGR_GOOD },
		[ES_FINDING_WARN] = { "warn", ES_SGR_WARN },
		[ES_FINDING_FAIL] = { "FAIL", ES_SGR_BAD },
	};
	char text[ES_CELL_MAX];

	printf("%s%-5s%s %-*s", es_sgr(findings[r->finding].colour, st), findings[r->finding].word,
	       es_sgr(ES_SGR_OFF, st), NAME_WIDTH, name);
	es_text_clean(text, sizeof(text), r->text, st->utf8);
	puts(text);
	if (*r->remedy)
		printf("%*s%s%s%s\n", 6 + NAME_WIDTH, "", es_sgr(ES_SGR_BOLD, st), r->remedy,
		       es_sgr(ES_SGR_OFF, st));
}

enum es_exit es_cmd_doctor(const struct es_args *args)
{
	struct es_doctor d = { .root = args->root, .fixture = *args->root };
	struct es_style st = es_style_for(stdout);
	struct es_check_result r;
	unsigned int failed = 0;
	enum es_exit status;

	d.socket = d.fixture && !args->socket ? NULL : es_client_socket(args->socket);
	es_doctor_begin(&d);
	for (const struct es_check *c = es_checks; c->name; c++) {
		r = (struct es_check_result){ 0 };
		c->run(&d, &r);
		print_result(c->name, &r, &st);
		failed += r.finding == ES_FINDING_FAIL;
	}
	if (failed)
		printf("\nexitstatd cannot measure here: %u check%s failed.\n", failed,
		       failed == 1 ? "" : "s");
	else
		puts("\nexitstatd can measure here.");
	status = es_finish_stdout(0);
	return status ? status : failed ? ES_EXIT_FAILED : ES_EXIT_OK;
}
