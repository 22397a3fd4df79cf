// SPDX-License-Identifier: GPL-2.0-only
/* exitstat compare: two recordings or snapshots side by side. */
#include <errno.h>
#include <string.h>

#include <exitstat/cli.h>
#include <exitstat/compare.h>
#include <exitstat/util.h>

const struct es_option es_compare_options[] = {
	{ .name = "vm",
	  .kind = ES_OPT_STRING,
	  .offset = offsetof(struct es_args, vm),
	  .arg = "V",
	  .help = "only this VM: a name, pid, id, or a glob such as 'web-*'" },
	{ .name = "with",
	  .kind = ES_OPT_STRING,
	  .offset = offsetof(struct es_args, with),
	  .arg = "V",
	  .help = "the VM of B to compare it with, if that has another name" },
	{ .name = "per",
	  .kind = ES_OPT_WORD,
	  .offset = offsetof(struct es_args, per),
	  .words = es_pers,
	  .help = "what exits and times are per: a second that the VM lived\n(default), a second that the "
		  "guest "
		  "ran, or not at all" },
	{ .name = "format",
	  .kind = ES_OPT_WORD,
	  .offset = offsetof(struct es_args, format),
	  .words = es_formats,
	  .help = "table (default) for people, json with everything, csv" },
	{ 0 },
};

struct comparison {
	const struct es_args *args;
	struct es_run runs[2];
	struct es_run_pair *pairs;
	struct es_compare *compared; /* one a pair */
	size_t n, n_pairs;
	char err[ES_ERR_MAX];
};

static void comparison_free(struct comparison *c)
{
	for (size_t i = 0; i < c->n; i++)
		es_compare_clear(&c->compared[i]);
	free(c->compared);
	free(c->pairs);
	es_run_clear(&c->runs[0]);
	es_run_clear(&c->runs[1]);
}

/* "'a', 'b' and 3 more" */
static const char *names_of(char *buf, size_t size, const struct es_run *run)
{
	size_t used = 0, shown = 0;

	for (; shown < run->n_vms && shown < 3 && used < size; shown++)
		used += (size_t)snprintf(buf + used, size - used, "%s'%.32s'", shown ? ", " : "",
					 run->vms[shown].name);
	if (shown < run->n_vms && used < size)
		snprintf(buf + used, size - used, " and %zu more", run->n_vms - shown);
	return buf;
}

static enum es_exit no_pair(const struct comparison *c)
{
	char a[160], b[160];

	for (size_t i = 0; i < 2; i++)
		if (!c->runs[i].n_vms)
			return es_fail(ES_EXIT_NO_VM, "no VM ran in %s", c->runs[i].path);
	return es_fail(ES_EXIT_NO_VM,
		       "no VM of one name in both: %s has %s, %s has %s; choose with --vm and --with",
		       c->runs[0].path, names_of(a, sizeof(a), &c->runs[0]), c->runs[1].path,
		       names_of(b, sizeof(b), &c->runs[1]));
}

static int load(struct comparison *c)
{
	const char *vms[] = { c->args->vm, c->args->with ? c->args->with : c->args->vm };

	for (size_t i = 0; i < 2; i++) {
		int r = es_run_load(c->args->operands[i], vms[i], &c->runs[i], c->err);

		if (r)
			return r;
	}
	return 0;
}

static int compare(struct comparison *c)
{
	int r = es_run_pairs(&c->runs[0], &c->runs[1], &c->pairs, &c->n_pairs);

	if (!r) {
		c->compared = calloc(c->n_pairs + 1, sizeof(*c->compared));
		r = c->compared ? 0 : -ENOMEM;
	}
	if (r)
		snprintf(c->err, sizeof(c->err), "out of memory");
	for (; !r && c->n < c->n_pairs; c->n += !r) {
		const struct es_run *runs[] = { &c->runs[0], &c->runs[1] };

		r = es_compare(runs, c->pairs[c->n].vms, 2, (enum es_per)c->args->per, &c->compared[c->n],
			       c->err);
	}
	return r;
}

/* What is about the files once, what is about a VM with its name if there are several. */
static void say_warnings(const struct comparison *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct es_compare *pair = &c->compared[i];

		for (size_t k = i ? pair->n_run_warnings : 0; k < pair->n_warnings; k++) {
			bool named = c->n > 1 && k >= pair->n_run_warnings;

			es_fail(ES_EXIT_OK, "warning: %s%s%s", named ? pair->sides[0].vm->name : "",
				named ? ": " : "", pair->warnings[k]);
		}
		if (strcmp(pair->sides[0].vm->name, pair->sides[1].vm->name) != 0 &&
		    !(c->args->vm && c->args->with))
			es_fail(ES_EXIT_OK, "note: comparing '%s' with '%s', the only VMs in these files",
				pair->sides[0].vm->name, pair->sides[1].vm->name);
	}
}

static void write_alone(const struct comparison *c, size_t side, const struct es_style *st)
{
	char name[ES_CELL_MAX];
	size_t n = 0;

	for (size_t i = 0; i < c->runs[side].n_vms; i++) {
		bool paired = false;

		for (size_t k = 0; k < c->n; k++)
			paired = paired || c->pairs[k].vms[side] == &c->runs[side].vms[i];
		if (paired)
			continue;
		es_text_clean(name, sizeof(name), c->runs[side].vms[i].name, st->utf8);
		printf("%s%s", n++ ? ", " : side ? "Only in B: " : "Only in A: ", name);
	}
	if (n)
		putchar('\n');
}

static int render(const struct comparison *c)
{
	const struct es_run *const runs[] = { &c->runs[0], &c->runs[1] };
	struct es_style st = es_style_for(stdout);
	int r = 0;

	if (c->args->format == ES_FORMAT_JSON)
		return es_render_compare_json(stdout, runs, c->compared, c->n, (enum es_per)c->args->per);
	if (c->args->format == ES_FORMAT_CSV)
		return es_render_compare_csv(stdout, c->compared, c->n, isatty(STDOUT_FILENO));
	es_render_compare_title(stdout, &c->compared[0], &st);
	for (size_t i = 0; i < c->n && !r; i++) {
		if (i)
			putchar('\n');
		r = es_render_compare(stdout, &c->compared[i], &st);
	}
	if (c->n < c->runs[0].n_vms || c->n < c->runs[1].n_vms)
		putchar('\n');
	for (size_t side = 0; side < 2; side++)
		write_alone(c, side, &st);
	return r;
}

enum es_exit es_cmd_compare(const struct es_args *args)
{
	struct comparison c = { .args = args };
	int r = load(&c);
	enum es_exit status;

	if (!r)
		r = compare(&c);
	if (r) {
		status = es_fail(r == -ESRCH ? ES_EXIT_NO_VM : ES_EXIT_FAILED, "%s", c.err);
	} else if (!c.n) {
		status = no_pair(&c);
	} else {
		say_warnings(&c);
		status = es_finish_stdout(render(&c));
	}
	comparison_free(&c);
	return status;
}
