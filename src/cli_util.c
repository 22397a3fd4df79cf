// SPDX-License-Identifier: GPL-2.0-only
/* What all verbs need: messages, what the terminal can do, durations, near words. */
#include <ctype.h>
#include <errno.h>
#include <langinfo.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include <exitstat/cli.h>
#include <exitstat/util.h>

#define DURATION_MAX_S (366.0 * 86400)
#define WORD_MAX       64

static bool locale_is_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

enum es_exit es_fail(enum es_exit status, const char *format, ...)
{
	char text[2048], clean[2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	es_text_clean(clean, sizeof(clean), text, locale_is_utf8());
	fflush(stdout);
	fprintf(stderr, "exitstat: %s\n", clean);
	return status;
}

enum es_exit es_fail_client(int error, const char err[ES_CLIENT_ERR])
{
	return es_fail(error == -ESRCH ? ES_EXIT_NO_VM : ES_EXIT_FAILED, "%s", err);
}

void es_print_notice(const char *notice)
{
	if (notice)
		es_fail(ES_EXIT_OK, "note: %s", notice);
}

static const char *const aspect_words[ES_ASPECTS] = {
	[ES_ASPECT_REASONS] = "usual",
	[ES_ASPECT_PAGING] = "paging",
	[ES_ASPECT_TIME] = "time",
	[ES_ASPECT_LATENCY] = "latency",
};

const char *es_aspect_word(enum es_aspect aspect)
{
	return aspect_words[aspect];
}

enum es_exit es_aspect_of(const char *verb, const struct es_args *args, enum es_aspect *aspect)
{
	const bool given[ES_ASPECTS] = { [ES_ASPECT_PAGING] = args->paging,
					 [ES_ASPECT_TIME] = args->time,
					 [ES_ASPECT_LATENCY] = args->latency };

	*aspect = ES_ASPECT_REASONS;
	for (enum es_aspect i = ES_ASPECT_PAGING; i < ES_ASPECTS; i++) {
		if (given[i] && *aspect)
			return es_fail(ES_EXIT_USAGE, "%s: --%s and --%s are two views; give one of them",
				       verb, aspect_words[*aspect], aspect_words[i]);
		*aspect = given[i] ? i : *aspect;
	}
	return ES_EXIT_OK;
}

enum es_exit es_sort_of(const char *verb, const struct es_args *args, enum es_aspect aspect,
			const struct es_column *columns, const struct es_column **sort)
{
	char words[ES_CELL_MAX];

	*sort = args->sort ? es_column_find(columns, args->sort) : NULL;
	if (!args->sort || *sort)
		return ES_EXIT_OK;
	return es_fail(ES_EXIT_USAGE, "%s: the %s view has no column '%s'; it has %s", verb,
		       aspect_words[aspect], args->sort, es_column_words(words, &columns, 1));
}

struct es_style es_style_for(FILE *f)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	struct es_style st = { .utf8 = locale_is_utf8() };
	struct winsize ws;

	if (!isatty(fileno(f)))
		return st;
	st.colour = !(no_color && *no_color) && term && *term && strcmp(term, "dumb") != 0;
	if (ioctl(fileno(f), TIOCGWINSZ, &ws) == 0)
		st.width = ws.ws_col;
	return st;
}

enum es_exit es_finish_stdout(int error)
{
	if (error)
		return es_fail(ES_EXIT_FAILED, "%s", strerror(-error));
	if (fflush(stdout) == 0 && !ferror(stdout))
		return ES_EXIT_OK;
	if (errno == EPIPE)
		return ES_EXIT_OK;
	return es_fail(ES_EXIT_FAILED, "cannot write the output: %s", strerror(errno));
}

int es_duration_parse(const char *text, uint64_t *ns)
{
	static const struct {
		const char *unit;
		double s;
	} units[] = { { "", 1 },    { "ns", 1e-9 }, { "us", 1e-6 }, { "ms", 1e-3 }, { "s", 1 },
		      { "sec", 1 }, { "m", 60 },    { "min", 60 },  { "h", 3600 },  { "d", 86400 } };
	char *end;
	double v;

	/* strtod alone also takes " 1", "+1", "0x1", "inf" and "nan". */
	if (!isdigit((unsigned char)text[0]) || (text[0] == '0' && tolower((unsigned char)text[1]) == 'x'))
		return -EINVAL;
	v = strtod(text, &end);
	for (size_t i = 0; i < ES_ARRAY_SIZE(units); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		v *= units[i].s;
		if (!(v >= 1e-9) || v > DURATION_MAX_S)
			return -EINVAL;
		*ns = (uint64_t)llround(v * 1e9);
		return 0;
	}
	return -EINVAL;
}

int es_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	int row[WORD_MAX + 1];

	if (la > WORD_MAX || lb > WORD_MAX)
		return -1;
	for (size_t j = 0; j <= lb; j++)
		row[j] = (int)j;
	for (size_t i = 1; i <= la; i++) {
		int corner = row[0];

		row[0] = (int)i;
		for (size_t j = 1; j <= lb; j++) {
			int differ = tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]);
			int best = corner + differ;

			corner = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			row[j] = best;
		}
	}
	return row[lb];
}
