/* SPDX-License-Identifier: GPL-2.0-only */
/* What `exitstat compare` prints: tables, the sentence, JSON. */
#include "es_test.h"

#include <locale.h>
#include <math.h>

#include <jansson.h>

#include <exitstat/render.h>

#include "boots.h"

static const struct es_style plain = { .utf8 = true };

/* The sample, and what is printed of it. */
struct shown {
	struct boots b;
	char *text;
};

static void prepare(struct shown *s)
{
	setenv("TZ", "UTC", 1);
	*s = (struct shown){ 0 };
	es_boots(&s->b);
}

static void compared(struct shown *s, enum es_per per)
{
	char err[ES_ERR_MAX];

	assert_int_equal(es_compare(s->b.runs, s->b.vms, 2, per, &s->b.c, err), 0);
}

static const char *print(struct shown *s, enum es_per per, const struct es_style *st)
{
	size_t size;
	FILE *f = open_memstream(&s->text, &size);

	compared(s, per);
	es_render_compare_title(f, &s->b.c, st);
	assert_int_equal(es_render_compare(f, &s->b.c, st), 0);
	fclose(f);
	return s->text;
}

static void again(struct shown *s)
{
	es_compare_clear(&s->b.c);
	free(s->text);
	s->text = NULL;
}

static void done(struct shown *s)
{
	again(s);
	es_boots_clear(&s->b);
}

/* The widest line, in columns. */
static unsigned int width_of(char *text)
{
	unsigned int widest = 0, w;

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if ((w = es_text_width(line)) > widest)
			widest = w;
	return widest;
}

static void tables(void **state)
{
	struct shown s;

	(void)state;
	prepare(&s);
	es_assert_golden("compare.txt", print(&s, ES_PER_SECOND, &plain));
	again(&s);
	es_assert_golden("compare-total.txt", print(&s, ES_PER_TOTAL, &(struct es_style){ .utf8 = false }));
	again(&s);
	es_assert_golden("compare-guest-second.txt", print(&s, ES_PER_GUEST_SECOND, &plain));
	done(&s);
}

static void colour_is_only_that(void **state)
{
	_cleanup_free_ char *without = NULL;
	char *from, *to;
	struct shown s;

	(void)state;
	prepare(&s);
	without = strdup(print(&s, ES_PER_SECOND, &plain));
	again(&s);
	print(&s, ES_PER_SECOND, &(struct es_style){ .utf8 = true, .colour = true });
	assert_non_null(strchr(s.text, '\033'));
	for (from = to = s.text; *from;) {
		if (*from == '\033')
			from = strchr(from, 'm') + 1;
		else
			*to++ = *from++;
	}
	*to = '\0';
	assert_string_equal(s.text, without);
	done(&s);
}

/* Of a narrow terminal the tables leave out what matters least; the lines above are left to wrap. */
static void narrow_terminals(void **state)
{
	static const unsigned int widths[] = { 100, 80, 60, 40, 30 };

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(widths); i++) {
		struct shown s;
		char *tables;

		prepare(&s);
		print(&s, ES_PER_SECOND, &(struct es_style){ .utf8 = true, .width = widths[i] });
		tables = strstr(s.text, "\nCLASS");
		assert_non_null(tables);
		assert_non_null(strstr(tables, "B/s"));
		assert_true(width_of(tables) <= widths[i]);
		done(&s);
	}
}

static void names_are_cleaned(void **state)
{
	struct shown s;

	(void)state;
	prepare(&s);
	s.b.vm[0].name = "evil\033[31m";
	s.b.run[1].path = "file\n\x80";
	strcpy(s.b.run[0].host.kernel, "6.1\007");
	strcpy(s.b.run[1].host.kernel, "6.1\007");
	print(&s, ES_PER_SECOND, &plain);
	for (const char *p = s.text; *p; p++)
		assert_true(*p == '\n' || (unsigned char)*p >= ' ');
	assert_non_null(strstr(s.text, "evil?[31m"));
	done(&s);
}

static void sentence_is(struct shown *s, const char *wanted)
{
	char buf[ES_COMPARE_SENTENCE];

	compared(s, ES_PER_SECOND);
	assert_string_equal(es_compare_sentence(buf, &s->b.c), wanted);
	es_compare_clear(&s->b.c);
}

static void swap(struct shown *s)
{
	const struct es_run *run = s->b.runs[0];
	const struct es_run_vm *vm = s->b.vms[0];

	s->b.runs[0] = s->b.runs[1];
	s->b.vms[0] = s->b.vms[1];
	s->b.runs[1] = run;
	s->b.vms[1] = vm;
}

static void sentences(void **state)
{
	struct shown s;

	(void)state;
	prepare(&s);
	sentence_is(&s, "B has 5.06x the exits per second of A; INVLPG, EXCP_PF and WRITE_CR3 (shadow "
			"paging) explain "
			"117% of the difference, while NPF fell.");
	swap(&s);
	sentence_is(&s, "A has 5.06x the exits per second of B; INVLPG, EXCP_PF and WRITE_CR3 (shadow "
			"paging) explain "
			"117% of the difference, while NPF rose.");
	s.b.vms[0] = s.b.vms[1];
	sentence_is(&s, "A and B have about as many exits per second (800.0 and 800.0).");
	done(&s);
}

static void sentences_without_numbers(void **state)
{
	struct shown s;

	(void)state;
	prepare(&s);
	es_counts_clear(&s.b.vm[0].counts);
	sentence_is(&s,
		    "A has no exits, B has 4,051.0 per second; INVLPG, EXCP_PF and WRITE_CR3 (shadow paging) "
		    "explain 94% of the difference.");
	s.b.vm[0].counts.exits_unknown = true;
	sentence_is(&s, "The exits per second of A are not known, so the two cannot be compared.");
	s.b.vm[1].span_ns = s.b.run[1].span_ns = ES_NONE;
	sentence_is(&s, "The exits per second of A and B are not known, so the two cannot be compared.");
	done(&s);
	prepare(&s);
	es_counts_clear(&s.b.vm[0].counts);
	es_counts_clear(&s.b.vm[1].counts);
	sentence_is(&s, "Neither A nor B has exits.");
	es_boots_reason(&s.b, 0, IOIO, 5000);
	sentence_is(&s, "B has no exits, A has 500.0 per second; IOIO explains 100% of the difference.");
	es_boots_reason(&s.b, 1, IOIO, 1000000);
	sentence_is(&s, "B has 100x the exits per second of A; IOIO explains 100% of the difference.");
	done(&s);
}

static const json_t *path(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);

	if (!v)
		fail_msg("no member %s", key);
	return v;
}

static void json_has_every_number(void **state)
{
	struct shown s;
	const struct es_run *runs[2];
	json_t *root;
	const json_t *pair, *row;
	json_error_t e;
	size_t size;
	FILE *f;

	(void)state;
	prepare(&s);
	s.b.run[1].cut = true;
	compared(&s, ES_PER_SECOND);
	runs[0] = s.b.runs[0];
	runs[1] = s.b.runs[1];
	f = open_memstream(&s.text, &size);
	assert_int_equal(es_render_compare_json(f, runs, &s.b.c, 1, ES_PER_SECOND), 0);
	fclose(f);
	root = json_loads(s.text, JSON_REJECT_DUPLICATES, &e);
	assert_non_null(root);
	assert_string_equal(json_string_value(path(root, "schema")), "exitstat-compare/1");
	assert_string_equal(json_string_value(path(root, "per")), "second");
	assert_true(json_is_true(path(json_array_get(path(root, "runs"), 1), "cut")));
	pair = json_array_get(path(root, "pairs"), 0);
	assert_int_equal(json_array_size(path(pair, "warnings")), 1);
	assert_int_equal(json_array_size(path(pair, "reasons")), s.b.c.n_reasons);
	assert_int_equal(json_array_size(path(pair, "classes")), s.b.c.n_classes);
	row = json_array_get(path(pair, "reasons"), 0);
	assert_string_equal(json_string_value(path(row, "name")), "INVLPG");
	assert_string_equal(json_string_value(path(row, "class")), "paging");
	assert_int_equal(json_integer_value(path(row, "code")), INVLPG);
	assert_true(json_is_null(path(row, "ratio"))); /* of 0 */
	assert_int_equal(json_integer_value(path(json_array_get(path(row, "sides"), 1), "count")), 40000);
	assert_true(fabs(json_real_value(path(row, "explained")) - 2000 / 3251.0) < 1e-12);
	assert_true(fabs(json_number_value(path(path(pair, "total"), "ratio")) - 4051 / 800.0) < 1e-12);
	assert_true(json_number_value(path(path(pair, "total"), "explained")) == 1);
	assert_int_equal(json_array_size(path(root, "alone")), 2);
	json_decref(root);
	done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables),
		cmocka_unit_test(colour_is_only_that),
		cmocka_unit_test(narrow_terminals),
		cmocka_unit_test(names_are_cleaned),
		cmocka_unit_test(sentences),
		cmocka_unit_test(sentences_without_numbers),
		cmocka_unit_test(json_has_every_number),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("render_compare", tests, NULL, NULL);
}
