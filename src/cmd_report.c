// SPDX-License-Identifier: GPL-2.0-only
/* exitstat report: recordings as one HTML page. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <exitstat/cli.h>
#include <exitstat/report.h>
#include <exitstat/util.h>

const struct es_option es_report_options[] = {
	{ .name = "output",
	  .letter = 'o',
	  .kind = ES_OPT_STRING,
	  .offset = offsetof(struct es_args, output),
	  .arg = "OUT.html",
	  .help = "the page; written whole or not at all. - is stdout" },
	{ .name = "vm",
	  .kind = ES_OPT_STRING,
	  .offset = offsetof(struct es_args, vm),
	  .arg = "V",
	  .help = "only these VMs: a name, pid, id, or a glob such as 'web-*'" },
	{ .name = "per",
	  .kind = ES_OPT_WORD,
	  .offset = offsetof(struct es_args, per),
	  .words = es_pers,
	  .help = "what runs are compared by (default second)" },
	{ .name = "title",
	  .kind = ES_OPT_STRING,
	  .offset = offsetof(struct es_args, title),
	  .arg = "TEXT",
	  .help = "the page's title" },
	{ 0 },
};

struct runs {
	struct es_run at[ES_SIDES_MAX];
	size_t n;
};

static void runs_clear(struct runs *runs)
{
	for (size_t i = 0; i < runs->n; i++)
		es_run_clear(&runs->at[i]);
}

/* LABEL=FILE, unless there is a file of that whole name. Returns FILE; *label is 0 characters long if there is none. */
static const char *operand_path(const char *operand, size_t *label)
{
	const char *equals = strchr(operand, '=');

	*label = 0;
	if (!equals || equals == operand || !equals[1] || access(operand, F_OK) == 0)
		return operand;
	*label = (size_t)(equals - operand);
	return equals + 1;
}

static enum es_exit load(struct runs *runs, const struct es_args *args)
{
	char err[ES_ERR_MAX];

	for (int i = 0; i < args->n_operands; i++) {
		size_t label;
		const char *path = operand_path(args->operands[i], &label);
		struct es_run *run = &runs->at[runs->n];
		int r = es_run_load(path, args->vm, run, err);

		if (r)
			return es_fail(r == -ESRCH ? ES_EXIT_NO_VM : ES_EXIT_FAILED, "%s", err);
		runs->n++;
		if (!label)
			continue;
		free(run->label);
		run->label = strndup(args->operands[i], label);
		if (!run->label)
			return es_fail(ES_EXIT_FAILED, "%s", strerror(ENOMEM));
	}
	return ES_EXIT_OK;
}

/* The label, until no run before has it: first the path, then a number behind it. */
static int name_apart(struct runs *runs, size_t i)
{
	struct es_run *run = &runs->at[i];

	for (unsigned int try = 1;; try++) {
		char *other = NULL;
		size_t k = 0;

		while (k < i && strcmp(runs->at[k].label, run->label) != 0)
			k++;
		if (k == i)
			return 0;
		if (asprintf(&other, try == 1 ? "%s" : "%s (%u)", run->path, try) < 0)
			return -ENOMEM;
		free(run->label);
		run->label = other;
	}
}

/* --- the file --- */

/* A page in the making: beside the file it will replace, so that a reader sees the old one or the new one. */
struct output {
	FILE *f;
	char *path; /* the file to be */
	char *temp; /* NULL: written as it is (a device, a pipe) */
};

static void output_clear(struct output *o)
{
	if (o->f)
		fclose(o->f);
	if (o->temp)
		unlink(o->temp);
	free(o->temp);
	free(o->path);
}

static int open_temp(struct output *o)
{
	mode_t mask = umask(0);
	int fd;

	umask(mask);
	if (asprintf(&o->temp, "%s.XXXXXX", o->path) < 0) {
		o->temp = NULL;
		return -ENOMEM;
	}
	fd = mkstemp(o->temp);
	if (fd < 0) {
		free(es_steal_ptr(&o->temp));
		return -errno;
	}
	if (fchmod(fd, 0666 & ~mask) == 0)
		o->f = fdopen(fd, "w");
	if (o->f)
		return 0;
	close(fd);
	return -ENOMEM;
}

/* 0 or a negative errno. -EEXIST: path is one of the recordings. */
static int output_open(struct output *o, const char *path, const struct runs *runs)
{
	struct stat st, run;

	/* A link stays one, its target is replaced. */
	o->path = realpath(path, NULL);
	if (!o->path)
		o->path = strdup(path);
	if (!o->path)
		return -ENOMEM;
	if (stat(o->path, &st) < 0)
		return open_temp(o);
	for (size_t i = 0; i < runs->n; i++)
		if (stat(runs->at[i].path, &run) == 0 && run.st_dev == st.st_dev && run.st_ino == st.st_ino)
			return -EEXIST;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (S_ISREG(st.st_mode))
		return open_temp(o);
	o->f = fopen(o->path, "w");
	return o->f ? 0 : -errno;
}

static int output_finish(struct output *o)
{
	FILE *f = es_steal_ptr(&o->f);
	bool bad = ferror(f);

	if (fclose(f) || bad)
		return errno ? -errno : -EIO;
	if (!o->temp)
		return 0;
	if (rename(o->temp, o->path) < 0)
		return -errno;
	free(es_steal_ptr(&o->temp));
	return 0;
}

static enum es_exit write_file(const struct es_report *r, const char *path, const struct runs *runs)
{
	struct output o = { 0 };
	int e = output_open(&o, path, runs);

	if (e == -EEXIST) {
		output_clear(&o);
		return es_fail(ES_EXIT_USAGE, "report: %s is a recording to be read; give -o another name",
			       path);
	}
	errno = 0;
	if (!e)
		e = es_report_write(o.f, r);
	if (!e)
		e = output_finish(&o);
	output_clear(&o);
	return e ? es_fail(ES_EXIT_FAILED, "cannot write %s: %s", path, strerror(-e)) : ES_EXIT_OK;
}

static enum es_exit make(const struct es_args *args, struct runs *runs)
{
	struct es_report r;
	char err[ES_ERR_MAX];
	enum es_exit status;
	int e = 0;

	for (size_t i = 0; i < runs->n && !e; i++)
		e = name_apart(runs, i);
	if (e)
		return es_fail(ES_EXIT_FAILED, "%s", strerror(-e));
	e = es_report_init(&r, runs->at, runs->n, (enum es_per)args->per, err);
	if (e)
		return es_fail(ES_EXIT_FAILED, "%s", err);
	r.title = args->title;
	if (strcmp(args->output, "-") == 0)
		status = es_finish_stdout(es_report_write(stdout, &r));
	else
		status = write_file(&r, args->output, runs);
	es_report_clear(&r);
	return status;
}

enum es_exit es_cmd_report(const struct es_args *args)
{
	struct runs runs = { .n = 0 };
	enum es_exit status;

	if (!args->output)
		return es_fail(ES_EXIT_USAGE,
			       "report: which page is to be written? say -o OUT.html (-o - is stdout)");
	status = load(&runs, args);
	if (status == ES_EXIT_OK)
		status = make(args, &runs);
	runs_clear(&runs);
	return status;
}
