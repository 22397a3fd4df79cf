/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command line: verbs and options are tables, from which parsing, help and
 * suggestions are made.
 */
#ifndef EXITSTAT_CLI_H
#define EXITSTAT_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <exitstat/client.h>
#include <exitstat/guest.h>
#include <exitstat/render.h>

enum es_exit { ES_EXIT_OK, ES_EXIT_FAILED, ES_EXIT_USAGE, ES_EXIT_NO_VM };

enum es_format { ES_FORMAT_TABLE, ES_FORMAT_JSON, ES_FORMAT_CSV };

/* What the options of all verbs fill in; 0 and NULL are "not given". */
struct es_args {
	const char *socket;
	const char *vm;
	uint64_t for_ns;
	uint64_t interval_ns;
	uint64_t rounds;
	int format; /* enum es_format */
	const char *sort; /* key of a column */
	bool per_vcpu;
	bool paging, time, latency; /* one of the views: es_aspect_of() */
	const char *reason; /* a name, or a code as a number */
	bool batch;
	bool watch;
	bool force;
	bool no_cost;
	const char *output; /* a file, "-" for stdout */
	const char *with;
	uint64_t speed;
	const char *title;
	int per; /* enum es_per */
	const char *root; /* where /proc, /sys and /dev are looked for, "" usually */
	char *const *operands;
	int n_operands;
};

enum es_option_kind {
	ES_OPT_FLAG,	 /* bool */
	ES_OPT_STRING,	 /* const char * */
	ES_OPT_DURATION, /* uint64_t ns, > 0 */
	ES_OPT_COUNT,	 /* uint64_t, > 0 */
	ES_OPT_WORD,	 /* int: place in words */
	ES_OPT_COLUMN,	 /* const char *: key of one of the columns */
};

struct es_option {
	const char *name; /* NULL ends a table */
	char letter;	  /* 0: only the long name */
	enum es_option_kind kind;
	size_t offset;	  /* in struct es_args */
	const char *arg;  /* name of the argument in help; words and columns name themselves */
	const char *help; /* "\n" starts a new line of help */
	const char *const *words;
	const struct es_column *const *columns; /* [ES_ASPECTS]: of each view; NULL where it has none */
	bool hidden; /* for tests: works, but help is silent about it */
};

struct es_verb {
	const char *name; /* NULL ends the table */
	const char *summary;
	const char *details; /* below the options in --help; may be NULL */
	const struct es_option *options;
	const char *operands; /* "FILE…" in help; NULL: none are taken */
	int min_operands, max_operands;
	enum es_exit (*run)(const struct es_args *args);
};

/* Options that every verb has; the verb's own table comes first. */
extern const struct es_option es_common_options[];
extern const char *const es_formats[];	     /* table, json, csv */
extern const char *const es_formats_short[]; /* table, json */
extern const char *const es_pers[];	     /* second, guest-second, total */

/*
 * Reads argv (argv[0] is the verb's name) into args. false: *status is what to
 * exit with, everything has been said (help on stdout, or an error).
 */
bool es_options_parse(const struct es_verb *verb, int argc, char **argv, struct es_args *args,
		      enum es_exit *status);
void es_verb_help(FILE *f, const struct es_verb *verb);
/* The verb and its options that help names, as lines of options_table.h. */
void es_options_table(FILE *f, const struct es_verb *verb);

/* A view as its option names it: "paging"; "usual" for the one without. */
const char *es_aspect_word(enum es_aspect aspect);
/* The view that was asked for; of several, ES_EXIT_USAGE, and that has been said. */
enum es_exit es_aspect_of(const char *verb, const struct es_args *args, enum es_aspect *aspect);
/* args->sort as a column of that table, NULL if not given; ES_EXIT_USAGE: the view has none such. */
enum es_exit es_sort_of(const char *verb, const struct es_args *args, enum es_aspect aspect,
			const struct es_column *columns, const struct es_column **sort);

/* "10s", "500ms", "2m", "1h", "1.5" (seconds) to ns; 0, or -EINVAL, also for 0 and for more than a year. */
int es_duration_parse(const char *text, uint64_t *ns);
/* Edit distance, letter case aside; -1 if over 64 bytes. */
int es_distance(const char *a, const char *b);

/* One line on stderr: "exitstat: …", cleaned. Returns status. */
enum es_exit es_fail(enum es_exit status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for what client.h gave: -ESRCH is ES_EXIT_NO_VM. */
enum es_exit es_fail_client(int error, const char err[ES_CLIENT_ERR]);
/* The daemon's notice, once, on stderr. NULL is fine. */
void es_print_notice(const char *notice);
/* What f, a terminal or not, can show. exact is left false. */
struct es_style es_style_for(FILE *f);
/* Ends output to stdout: a full disk is an error, a reader that left is not. */
enum es_exit es_finish_stdout(int error);

/* Ctrl-C as a readable fd, until the end of which it does nothing else; a pending one is then forgotten. */
int es_interrupts_begin(void);
void es_interrupts_end(int fd);
/* A line on stderr, if that is a terminal, to be shown again every ES_PROGRESS_NS. */
#define ES_PROGRESS_NS 200000000ULL
void es_progress_show(uint64_t gone_ns, uint64_t whole_ns);
void es_progress_clear(void);
/* false: Ctrl-C, now or since es_interrupts_begin() gave interrupts, ended it early. */
bool es_wait(int interrupts, uint64_t ns, bool progress);

enum es_exit es_cmd_top(const struct es_args *args);
enum es_exit es_cmd_list(const struct es_args *args);
enum es_exit es_cmd_snapshot(const struct es_args *args);
enum es_exit es_cmd_record(const struct es_args *args);
enum es_exit es_cmd_replay(const struct es_args *args);
enum es_exit es_cmd_compare(const struct es_args *args);
enum es_exit es_cmd_report(const struct es_args *args);
enum es_exit es_cmd_guest(const struct es_args *args);
/* The same where CPUID is read as told. */
enum es_exit es_guest_run(const struct es_args *args, es_cpuid_fn cpuid);
enum es_exit es_cmd_status(const struct es_args *args);
enum es_exit es_cmd_doctor(const struct es_args *args);
enum es_exit es_cmd_detach(const struct es_args *args);
enum es_exit es_cmd_attach(const struct es_args *args);
extern const struct es_option es_top_options[], es_list_options[], es_snapshot_options[], es_guest_options[],
	es_record_options[], es_replay_options[], es_compare_options[], es_report_options[], es_status_options[], es_doctor_options[];

#endif
