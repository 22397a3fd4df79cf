// SPDX-License-Identifier: GPL-2.0-only
/* Options from tables: the getopt_long arrays and the help are both made of them. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include <exitstat/cli.h>
#include <exitstat/options_table.h>
#include <exitstat/util.h>

#define OPTIONS_MAX 32
#define HELP_INDENT 28

const char *const es_formats[] = { "table", "json", "csv", NULL };
const char *const es_formats_short[] = { "table", "json", NULL };
const char *const es_pers[] = { "second", "guest-second", "total", NULL };

const struct es_option es_common_options[] = {
	{ .name = "socket",
	  .kind = ES_OPT_STRING,
	  .offset = offsetof(struct es_args, socket),
	  .arg = "PATH",
	  .help = "exitstatd's socket (default $EXITSTAT_SOCKET, else\n" ES_SOCKET_DEFAULT ")" },
	{ .name = "help", .letter = 'h', .kind = ES_OPT_FLAG, .help = "this text" },
	{ 0 },
};

/* The verb's options and the common ones as one list. */
struct option_set {
	const struct es_option *at[OPTIONS_MAX];
	size_t n;
};

static void collect(struct option_set *set, const struct es_option *table)
{
	for (; table && table->name && set->n < OPTIONS_MAX - 1; table++)
		set->at[set->n++] = table;
}

static struct option_set options_of(const struct es_verb *verb)
{
	struct option_set set = { .n = 0 };

	collect(&set, verb->options);
	collect(&set, es_common_options);
	return set;
}

/* "table|json|csv" */
static const char *argument(char buf[ES_CELL_MAX], const struct es_option *o)
{
	size_t used = 0;

	if (o->kind == ES_OPT_COLUMN)
		return es_column_words(buf, o->columns, ES_ASPECTS);
	if (o->kind != ES_OPT_WORD)
		return o->arg;
	for (size_t i = 0; o->words[i] && used < ES_CELL_MAX; i++)
		used += (size_t)snprintf(buf + used, ES_CELL_MAX - used, "%s%s", i ? "|" : "", o->words[i]);
	return buf;
}

static int set_count(uint64_t *where, const char *value)
{
	char *end;

	errno = 0;
	*where = strtoull(value, &end, 10);
	return !isdigit((unsigned char)*value) || *end || errno || !*where ? -EINVAL : 0;
}

static int set_word(int *where, const char *value, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], value) == 0) {
			*where = i;
			return 0;
		}
	return -EINVAL;
}

static int set_column(const char **where, const char *value, const struct es_column *const *tables)
{
	for (enum es_aspect i = 0; i < ES_ASPECTS; i++)
		if (tables[i] && es_column_find(tables[i], value)) {
			*where = value;
			return 0;
		}
	return -EINVAL;
}

/* 0 or -EINVAL. */
static int set_option(const struct es_option *o, const char *value, struct es_args *args)
{
	void *where = (char *)args + o->offset;

	switch (o->kind) {
	case ES_OPT_FLAG:
		*(bool *)where = true;
		return 0;
	case ES_OPT_STRING:
		*(const char **)where = value;
		return *value ? 0 : -EINVAL;
	case ES_OPT_DURATION:
		return es_duration_parse(value, where);
	case ES_OPT_COUNT:
		return set_count(where, value);
	case ES_OPT_WORD:
		return set_word(where, value, o->words);
	case ES_OPT_COLUMN:
		return set_column(where, value, o->columns);
	}
	return -EINVAL;
}

static enum es_exit bad_value(const struct es_verb *verb, const struct es_option *o, const char *value)
{
	static const char *const wants[] = {
		[ES_OPT_STRING] = "something that is not empty",
		[ES_OPT_DURATION] = "a time such as 10s, 500ms, 2m or 1.5",
		[ES_OPT_COUNT] = "a whole number from 1 up",
	};
	char buf[ES_CELL_MAX];
	bool list = o->kind == ES_OPT_WORD || o->kind == ES_OPT_COLUMN;

	return es_fail(ES_EXIT_USAGE, "%s: --%s wants %s%s, not '%s'", verb->name, o->name,
		       list ? "one of " : "", list ? argument(buf, o) : wants[o->kind], value);
}

static enum es_exit bad_option(const struct es_verb *verb, const struct option_set *set, const char *word)
{
	char name[64];
	const char *best = NULL;
	int least = 3;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	for (size_t i = 0; i < set->n && strncmp(name, "--", 2) == 0; i++) {
		int d = es_distance(set->at[i]->name, name + 2);

		if (d >= 0 && d < least && (size_t)d < strlen(name + 2) && !set->at[i]->hidden) {
			least = d;
			best = set->at[i]->name;
		}
	}
	if (best)
		return es_fail(ES_EXIT_USAGE, "%s: unknown option '%s'; did you mean '--%s'?", verb->name,
			       name, best);
	return es_fail(ES_EXIT_USAGE, "%s: unknown option '%s'; see `exitstat %s --help`", verb->name, name,
		       verb->name);
}

/* What getopt_long did not like, in our words. */
static enum es_exit complain(const struct es_verb *verb, const struct option_set *set, int c, char **argv)
{
	char letter[3] = { '-', (char)optopt, '\0' };

	for (size_t i = 0; c == ':' && i < set->n; i++)
		if (optopt == 1000 + (int)i || (optopt && optopt == set->at[i]->letter)) {
			char buf[ES_CELL_MAX];
			return es_fail(ES_EXIT_USAGE, "%s: --%s wants an argument: %s", verb->name,
				       set->at[i]->name, argument(buf, set->at[i]));
		}
	if (optopt >= 1000 && (size_t)optopt < 1000 + set->n)
		return es_fail(ES_EXIT_USAGE, "%s: --%s takes no argument", verb->name,
			       set->at[optopt - 1000]->name);
	return bad_option(verb, set, optopt && optopt < 256 ? letter : argv[optind - 1]);
}

static void to_getopt(const struct option_set *set, struct option *longs, char *shorts)
{
	*shorts++ = ':';
	for (size_t i = 0; i < set->n; i++) {
		const struct es_option *o = set->at[i];
		bool arg = o->kind != ES_OPT_FLAG;

		longs[i] = (struct option){ o->name, arg ? required_argument : no_argument, NULL,
					    1000 + (int)i };
		if (o->letter)
			*shorts++ = o->letter;
		if (o->letter && arg)
			*shorts++ = ':';
	}
	*shorts = '\0';
}

static const struct es_option *option_of(const struct option_set *set, int c)
{
	for (size_t i = 0; i < set->n; i++)
		if (c == 1000 + (int)i || (c && c == set->at[i]->letter))
			return set->at[i];
	return NULL;
}

static bool take_operands(const struct es_verb *verb, int argc, char **argv, struct es_args *args)
{
	args->operands = argv + optind;
	args->n_operands = argc - optind;
	if (args->n_operands > verb->max_operands) {
		es_fail(ES_EXIT_USAGE, "%s: what is '%s'? see `exitstat %s --help`%s", verb->name,
			argv[optind + verb->max_operands], verb->name,
			args->n_operands == 1 && !verb->operands ? " (a VM is chosen with --vm)" : "");
		return false;
	}
	if (args->n_operands < verb->min_operands) {
		es_fail(ES_EXIT_USAGE, "%s: %s wanted; see `exitstat %s --help`", verb->name, verb->operands,
			verb->name);
		return false;
	}
	return true;
}

bool es_options_parse(const struct es_verb *verb, int argc, char **argv, struct es_args *args,
		      enum es_exit *status)
{
	struct option_set set = options_of(verb);
	struct option longs[OPTIONS_MAX] = { 0 };
	char shorts[2 * OPTIONS_MAX + 2];
	int c;

	to_getopt(&set, longs, shorts);
	opterr = 0;
	optind = 0; /* glibc: begin anew */
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct es_option *o = option_of(&set, c);

		if (!o) {
			*status = complain(verb, &set, c, argv);
			return false;
		}
		if (strcmp(o->name, "help") == 0) {
			es_verb_help(stdout, verb);
			*status = es_finish_stdout(0);
			return false;
		}
		if (set_option(o, optarg, args)) {
			*status = bad_value(verb, o, optarg);
			return false;
		}
	}
	*status = ES_EXIT_USAGE;
	return take_operands(verb, argc, argv, args);
}

static bool has_views(const struct es_option *o)
{
	bool views = false;

	for (enum es_aspect i = ES_ASPECT_REASONS + 1; o->kind == ES_OPT_COLUMN && i < ES_ASPECTS; i++)
		views = views || o->columns[i];
	return views;
}

/* The columns of each view, which are too many for one line. */
static void columns_help(FILE *f, const struct es_option *o)
{
	char words[ES_CELL_MAX];

	for (enum es_aspect i = 0; i < ES_ASPECTS; i++) {
		if (!o->columns[i])
			continue;
		fprintf(f, "%*s", HELP_INDENT, "");
		if (i != ES_ASPECT_REASONS)
			fprintf(f, "--%s: ", es_aspect_word(i));
		fprintf(f, "%s\n", es_column_words(words, &o->columns[i], 1));
	}
}

static void option_help(FILE *f, const struct es_option *o)
{
	char left[ES_CELL_MAX * 2], arg[ES_CELL_MAX];
	char letter[8] = "    ";
	int used;

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	used = snprintf(left, sizeof(left), "  %s--%s", letter, o->name);
	if (o->kind != ES_OPT_FLAG)
		used += snprintf(left + used, sizeof(left) - (size_t)used, " %s",
				 has_views(o) ? "COLUMN" : argument(arg, o));
	if (used >= HELP_INDENT - 1)
		fprintf(f, "%s\n%*s", left, HELP_INDENT, "");
	else
		fprintf(f, "%-*s", HELP_INDENT, left);
	for (const char *s = o->help; *s; s++) {
		fputc(*s, f);
		if (*s == '\n')
			fprintf(f, "%*s", HELP_INDENT, "");
	}
	fputc('\n', f);
	if (has_views(o))
		columns_help(f, o);
}

void es_verb_help(FILE *f, const struct es_verb *verb)
{
	struct option_set set = options_of(verb);

	fprintf(f, "exitstat %s - %s\n\nUsage: exitstat %s [OPTION...]%s%s\n\n", verb->name, verb->summary,
		verb->name, verb->operands ? " " : "", verb->operands ? verb->operands : "");
	for (size_t i = 0; i < set.n; i++)
		if (!set.at[i]->hidden)
			option_help(f, set.at[i]);
	if (verb->details)
		fprintf(f, "\n%s", verb->details);
}

void es_options_table(FILE *f, const struct es_verb *verb)
{
	struct option_set set = options_of(verb);

	es_options_line(f, verb->name, NULL, NULL, verb->operands, verb->summary);
	for (size_t i = 0; i < set.n; i++) {
		const struct es_option *o = set.at[i];
		char arg[ES_CELL_MAX], name[40], letter[3] = { '-', o->letter, '\0' };

		if (o->hidden)
			continue;
		snprintf(name, sizeof(name), "--%s", o->name);
		es_options_line(f, verb->name, name, o->letter ? letter : NULL,
				o->kind == ES_OPT_FLAG ? NULL : argument(arg, o), o->help);
	}
}
