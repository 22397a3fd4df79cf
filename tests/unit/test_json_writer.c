/* SPDX-License-Identifier: GPL-2.0-only */
#include "es_test.h"

#include <locale.h>
#include <math.h>

#include <exitstat/json.h>

static void expect(struct es_json *j, const char *want)
{
	size_t len = 0;
	_cleanup_free_ char *text = es_json_take(j, &len);

	assert_non_null(text);
	assert_string_equal(text, want);
	assert_int_equal(len, strlen(want));
}

static void nesting_and_commas(void **state)
{
	struct es_json j;

	(void)state;
	es_json_init(&j, false);
	es_json_object(&j, NULL);
	es_json_u64(&j, "a", 1);
	es_json_array(&j, "b");
	es_json_u64(&j, NULL, 0);
	es_json_object(&j, NULL);
	es_json_object_end(&j);
	es_json_array(&j, NULL);
	es_json_array_end(&j);
	es_json_null(&j, NULL);
	es_json_array_end(&j);
	es_json_bool(&j, "c", true);
	es_json_bool(&j, "d", false);
	es_json_object_end(&j);
	expect(&j, "{\"a\":1,\"b\":[0,{},[],null],\"c\":true,\"d\":false}");
}

static void pretty(void **state)
{
	struct es_json j;

	(void)state;
	es_json_init(&j, true);
	es_json_object(&j, NULL);
	es_json_u64(&j, "a", 1);
	es_json_array(&j, "b");
	es_json_u64(&j, NULL, 2);
	es_json_u64(&j, NULL, 3);
	es_json_array_end(&j);
	es_json_object(&j, "c");
	es_json_object_end(&j);
	es_json_object_end(&j);
	expect(&j, "{\n  \"a\": 1,\n  \"b\": [\n    2,\n    3\n  ],\n  \"c\": {}\n}");
}

static void numbers(void **state)
{
	struct es_json j;

	(void)state;
	es_json_init(&j, false);
	es_json_array(&j, NULL);
	es_json_u64(&j, NULL, 0);
	es_json_u64(&j, NULL, ES_NONE);
	es_json_u64(&j, NULL, ES_NONE - 1);
	es_json_u64(&j, NULL, 4294967295);
	es_json_i64(&j, NULL, -1);
	es_json_i64(&j, NULL, INT64_MIN);
	es_json_i64(&j, NULL, INT64_MAX);
	es_json_array_end(&j);
	expect(&j, "[0,null,18446744073709551614,4294967295,-1,-9223372036854775808,9223372036854775807]");
}

static void doubles(void **state)
{
	static const double values[] = { 0, 1, 0.1, 1.0 / 3, 1e300, 5e-324, -2.5, 123456789.125 };
	struct es_json j;

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(values); i++) {
		_cleanup_free_ char *text = NULL;

		es_json_init(&j, false);
		es_json_double(&j, NULL, values[i]);
		text = es_json_take(&j, NULL);
		assert_true(strtod(text, NULL) == values[i]);
	}
	es_json_init(&j, false);
	es_json_array(&j, NULL);
	es_json_double(&j, NULL, NAN);
	es_json_double(&j, NULL, -INFINITY);
	es_json_double(&j, NULL, 0.1);
	es_json_array_end(&j);
	expect(&j, "[null,null,0.1]");
}

static void decimal_point_is_a_point(void **state)
{
	struct es_json j;

	(void)state;
	if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
		printf("# no locale with a decimal comma here: only the C locale is looked at\n");
		setlocale(LC_NUMERIC, "C");
	}
	es_json_init(&j, false);
	es_json_double(&j, NULL, 2.5);
	expect(&j, "2.5");
	setlocale(LC_NUMERIC, "C");
}

static void strings(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "\"\"" },
		{ "plain", "\"plain\"" },
		{ "\"\\/", "\"\\\"\\\\/\"" },
		{ "\b\f\n\r\t\x01\x1b\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001b\\u007f\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		/* cut off, overlong, surrogate, too great, stray */
		{ "\xc3", "\"\xef\xbf\xbd\"" },
		{ "\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xf4\x90\x80\x80z", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"" },
		{ "a\xff\x80"
		  "b",
		  "\"a\xef\xbf\xbd\xef\xbf\xbd"
		  "b\"" },
	};
	struct es_json j;

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++) {
		es_json_init(&j, false);
		es_json_string(&j, NULL, cases[i].in);
		expect(&j, cases[i].out);
	}
	es_json_init(&j, false);
	es_json_string(&j, NULL, NULL);
	expect(&j, "null");
}

/* Whatever the bytes, a strict reader takes it. */
static void garbage_is_still_json(void **state)
{
	unsigned int seed = 3;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		char bytes[17];
		size_t n = rand_r(&seed) % (sizeof(bytes) - 1);
		_cleanup_free_ char *text = NULL;
		struct es_json j;
		json_t *root;

		for (size_t k = 0; k < n; k++)
			bytes[k] = (char)(rand_r(&seed) % 3 ? 0x80 | rand_r(&seed) : 1 + rand_r(&seed) % 127);
		bytes[n] = '\0';
		es_json_init(&j, false);
		es_json_object(&j, NULL);
		es_json_u64(&j, bytes, 1);
		es_json_string(&j, "v", bytes);
		es_json_object_end(&j);
		text = es_json_take(&j, NULL);
		root = json_loads(text, 0, NULL);
		assert_non_null(root);
		json_decref(root);
	}
}

static void deeper_than_it_can_count(void **state)
{
	struct es_json j;
	size_t len;
	char *text;

	(void)state;
	es_json_init(&j, false);
	for (unsigned int i = 0; i < 100; i++)
		es_json_array(&j, NULL);
	for (unsigned int i = 0; i < 101; i++)
		es_json_array_end(&j);
	text = es_json_take(&j, &len);
	assert_non_null(text);
	free(text);
}

static void can_be_used_again(void **state)
{
	struct es_json j;

	(void)state;
	es_json_init(&j, false);
	es_json_u64(&j, NULL, 1);
	expect(&j, "1");
	es_json_array(&j, NULL);
	es_json_array_end(&j);
	expect(&j, "[]");
	es_json_free(&j);
	es_json_free(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nesting_and_commas),
		cmocka_unit_test(pretty),
		cmocka_unit_test(numbers),
		cmocka_unit_test(doubles),
		cmocka_unit_test(decimal_point_is_a_point),
		cmocka_unit_test(strings),
		cmocka_unit_test(garbage_is_still_json),
		cmocka_unit_test(deeper_than_it_can_count),
		cmocka_unit_test(can_be_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
