// SPDX-License-Identifier: GPL-2.0-only
/* exitstat: finds the verb and runs it. */
#include <errno.h>
#include <locale.h>
#include <string.h>

#include <exitstat/cli.h>
#include <exitstat/util.h>

#ifndef ES_VERSION
#define ES_VERSION "unknown"
#endif

static const struct es_verb verbs[] = {
	{ .name = "top",
	  .summary = "live full-screen view of why guests exit; --batch prints plain text",
	  .details = "Keys: press h in the view. Rates are those of the last interval, counts are since the "
		     "VM was "
		     "first seen.\n",
	  .options = es_top_options,
	  .run = es_cmd_top },
	{ .name = "list",
	  .summary = "the VMs seen: name, pid, vCPUs, paging mode, state, exits per second",
	  .options = es_list_options,
	  .run = es_cmd_list },
	{ .name = "snapshot",
	  .summary = "exits by reason: totals since each VM was first seen, or the change over --for",
	  .details = "Examples:\n"
		     "  exitstat snapshot --vm guest1\n"
		     "  exitstat snapshot --vm 'web-*' --for 10s --sort time\n"
		     "  exitstat snapshot --reason IOIO --for 10s\n"
		     "  exitstat snapshot --format csv > exits.csv\n\n"
		     "Percentiles are within a factor of two of the true value.\n",
	  .options = es_snapshot_options,
	  .run = es_cmd_snapshot },
	{ .name = "record",
	  .summary = "a file with a snapshot each second, for replay, compare and report",
	  .details =
		  "FILE is JSON Lines; each line is a whole snapshot and is written at once, so that a file\n"
		  "whose recorder was killed can be read up to there. VMs that end are in it with their\n"
		  "final counts. Exit status 3: a VM was named, and none came.\n\n"
		  "Examples:\n"
		  "  exitstat record --vm guest1 -o boot.jsonl\n"
		  "  exitstat record --for 1h --interval 10s -o hour.jsonl\n",
	  .options = es_record_options,
	  .run = es_cmd_record },
	{ .name = "replay",
	  .summary = "top over a recording: stop it, step through it, go back",
	  .details = "Needs no exitstatd. Keys: press h in the view. `exitstatd --replay FILE` serves a\n"
		     "recording to all other verbs.\n",
	  .options = es_replay_options,
	  .operands = "FILE",
	  .min_operands = 1,
	  .max_operands = 1,
	  .run = es_cmd_replay },
	{ .name = "compare",
	  .summary = "two recordings or snapshots side by side: what differs, and what explains it",
	  .details = "Files of `exitstat record`, or of `exitstat snapshot --format json`. VMs of one\n"
		     "name are compared; or, if each file holds just one VM, those.\n"
		     "--per guest-second takes out how long the guest ran; --per total is for runs of the\n"
		     "same work, such as two boots.\n\n"
		     "Examples:\n"
		     "  exitstat compare nested.jsonl shadow.jsonl --vm guest1\n"
		     "  exitstat compare a.jsonl b.jsonl --vm web-1 --with web-2 --per total\n",
	  .options = es_compare_options,
	  .operands = "FILE_A FILE_B",
	  .min_operands = 2,
	  .max_operands = 2,
	  .run = es_cmd_compare },
	{ .name = "report",
	  .summary = "recordings as one HTML page with charts, side by side",
	  .details = "FILE is a recording or a JSON snapshot, 8 at most; LABEL=FILE names it on the page.\n"
		     "Runs are compared with the first. VMs are paired by name, or if each FILE has just\n"
		     "one, those. The page needs no network and no script.\n\n"
		     "Examples:\n"
		     "  exitstat report nested.jsonl shadow.jsonl -o paging.html\n"
		     "  exitstat report before=a.jsonl after=b.jsonl --vm guest1 -o guest1.html\n",
	  .options = es_report_options,
	  .operands = "FILE…",
	  .min_operands = 1,
	  .max_operands = 8,
	  .run = es_cmd_report },
	{ .name = "guest",
	  .summary = "inside a guest: its own exits by reason, as a patched KVM tells it",
	  .details = "Needs no exitstatd and no root, but a host whose KVM has the patch of kernel-patch/.\n"
		     "Totals are since the VM was created. Each look is itself 85 (Intel) or 195\n"
		     "(AMD) exits or so, which CPUID shows.\n",
	  .options = es_guest_options,
	  .run = es_cmd_guest },
	{ .name = "status",
	  .summary = "how exitstatd measures, what that costs, and everything it lost",
	  .options = es_status_options,
	  .run = es_cmd_status },
	{ .name = "doctor",
	  .summary = "what works on this host, what does not, and what to do about it",
	  .details = "Works without exitstatd. Exit status: 0 if exitstatd can measure here, else 1.\n",
	  .options = es_doctor_options,
	  .run = es_cmd_doctor },
	{ .name = "detach",
	  .summary = "take exitstatd's programs off KVM, so that kvm.ko can be replaced (root)",
	  .run = es_cmd_detach },
	{ .name = "attach", .summary = "put them back (root)", .run = es_cmd_attach },
	{ 0 },
};

static void print_help(void)
{
	puts("exitstat - why KVM guests exit, live and per VM\n\n"
	     "Usage: exitstat VERB [OPTION...]\n");
	for (const struct es_verb *v = verbs; v->name; v++)
		printf("  %-10s %s\n", v->name, v->summary);
	puts("\n  --help, -h     this text; `exitstat VERB --help` says more\n"
	     "  --version, -V  the version\n\n"
	     "V in --vm V is a VM's name, a pid, an id, or a glob such as 'web-*'.\n"
	     "Exit status: 0 done, 1 failed, 2 usage, 3 no such VM. exitstat(1) says it all.");
}

static const struct es_verb *find_verb(const char *name)
{
	for (const struct es_verb *v = verbs; v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

static enum es_exit unknown_verb(const char *name)
{
	const char *best = NULL;
	int least = 3;

	for (const struct es_verb *v = verbs; v->name; v++) {
		int d = es_distance(v->name, name);

		if (d >= 0 && d < least && (size_t)d < strlen(name)) {
			least = d;
			best = v->name;
		}
	}
	if (*name == '-')
		return es_fail(ES_EXIT_USAGE,
			       "unknown option '%s'; options follow the verb, see `exitstat --help`", name);
	if (best)
		return es_fail(ES_EXIT_USAGE, "no verb '%s'; did you mean '%s'? `exitstat --help` lists them",
			       name, best);
	return es_fail(ES_EXIT_USAGE, "no verb '%s'; `exitstat --help` lists them", name);
}

static enum es_exit run_verb(const struct es_verb *verb, int argc, char **argv)
{
	struct es_args args = { .root = "" };
	enum es_exit status;

	if (!es_options_parse(verb, argc, argv, &args, &status))
		return status;
	return verb->run(&args);
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;
	const struct es_verb *verb;

	/* Only characters: numbers keep the point that programs expect. */
	setlocale(LC_CTYPE, "");
	if (!word)
		return es_fail(ES_EXIT_USAGE,
			       "which verb? `exitstat --help` lists them; `exitstat top` is the live view");
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
		puts("exitstat " ES_VERSION);
		return es_finish_stdout(0);
	}
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		print_help();
		return es_finish_stdout(0);
	}
	if (strcmp(word, "--options") == 0) {
		for (verb = verbs; verb->name; verb++)
			es_options_table(stdout, verb);
		return es_finish_stdout(0);
	}
	if (strcmp(word, "help") == 0) {
		verb = argc > 2 ? find_verb(argv[2]) : NULL;
		if (argc > 2 && !verb)
			return unknown_verb(argv[2]);
		if (verb)
			es_verb_help(stdout, verb);
		else
			print_help();
		return es_finish_stdout(0);
	}
	verb = find_verb(word);
	return verb ? run_verb(verb, argc - 1, argv + 1) : unknown_verb(word);
}
