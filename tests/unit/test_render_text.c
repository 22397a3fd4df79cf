/* SPDX-License-Identifier: GPL-2.0-only */
/* Text of strangers, numbers and sparklines. */
#include "es_test.h"

#include <locale.h>

#include <exitstat/render.h>

static void assert_clean(const char *text, bool utf8, const char *want, unsigned int width)
{
	char buf[ES_CELL_MAX];

	assert_int_equal(es_text_clean(buf, sizeof(buf), text, utf8), width);
	assert_string_equal(buf, want);
	assert_int_equal(es_text_width(buf), width);
}

static void controls_never_pass(void **state)
{
	(void)state;
	assert_clean("guest1", true, "guest1", 6);
	assert_clean("\033[31mred\a\r\n\t\x7f", true, "?[31mred?????", 13);
	assert_clean("c1\xc2\x9b"
		     "31m",
		     true, "c1?31m", 6);
	assert_clean("rtl\xe2\x80\xae"
		     "evil\xe2\x81\xa6",
		     true, "rtl?evil?", 9);
	assert_clean("zero\xe2\x80\x8bwidth\xef\xbb\xbf", true, "zero?width?", 11);
	assert_clean("tag\xf3\xa0\x81\x81", true, "tag?", 4);
}

static void broken_utf8_is_replaced(void **state)
{
	(void)state;
	assert_clean("\xff\xfe", true, "??", 2);
	assert_clean("cut\xe6\x95", true, "cut??", 5);
	assert_clean("long\xc0\xaf", true, "long??", 6);	 /* overlong */
	assert_clean("half\xed\xa0\x80", true, "half?", 5);	 /* surrogate */
	assert_clean("far\xf4\x90\x80\x80", true, "far????", 7); /* beyond U+10FFFF */
}

static void width_is_counted_in_columns(void **state)
{
	(void)state;
	assert_clean("数据库", true, "数据库", 6);
	assert_clean("数据库", false, "???", 3);
	assert_clean("caf\xc3\xa9", true, "caf\xc3\xa9", 4);
	assert_clean("cafe\xcc\x81", true, "cafe\xcc\x81", 4);
	/* Heaps of marks would paint over the lines above. */
	assert_clean("e\xcc\x81\xcc\x82\xcc\x83\xcc\x84\xcc\x85x", true, "e\xcc\x81\xcc\x82x", 2);
}

static void assert_fit(const char *text, unsigned int width, bool utf8, const char *want)
{
	char buf[ES_CELL_MAX];
	unsigned int w = es_text_fit(buf, sizeof(buf), text, width, utf8);

	assert_string_equal(buf, want);
	assert_int_equal(w, es_text_width(want));
	assert_true(w <= width);
}

static void long_names_are_cut(void **state)
{
	char longer[2000], buf[64];

	(void)state;
	assert_fit("guest1", 6, true, "guest1");
	assert_fit("guest10", 6, true, "guest…");
	assert_fit("guest10", 6, false, "gues..");
	assert_fit("guest10", 1, false, ".");
	assert_fit("guest10", 1, true, ".");
	assert_fit("数据库服务器", 7, true, "数据库…");
	assert_fit("数据库服务器", 8, true, "数据库…");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_true(es_text_fit(buf, sizeof(buf), longer, 0, true) < sizeof(buf));
	assert_true(strlen(buf) < sizeof(buf));
	assert_non_null(strstr(buf, "…"));
}

static void padding_goes_by_columns(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	es_text_pad(f, "数", 4, false);
	es_text_pad(f, "7", 3, true);
	es_text_pad(f, "toolong", 3, true);
	fclose(f);
	assert_string_equal(text, "数    7toolong");
	free(text);
}

static void numbers(void **state)
{
	static const struct es_style rounded = { .utf8 = true }, exact = { .utf8 = true, .exact = true };
	static const struct {
		double v;
		const char *rounded, *exact;
	} rates[] = {
		{ -1, "-", "-" },
		{ 0, "0", "0" },
		{ 0.001, "<0.1", "<0.1" },
		{ 0.2, "0.2", "0.2" },
		{ 4.26, "4.3", "4.3" },
		{ 9.96, "10", "10.0" },
		{ 45.3, "45", "45.3" },
		{ 999.4, "999", "999.4" },
		{ 999.6, "1.00k", "999.6" },
		{ 1234.56, "1.23k", "1,234.6" },
		{ 999499, "999k", "999,499.0" },
		{ 999500, "1.00M", "999,500.0" },
		{ 1e10, "10.0G", "10,000,000,000.0" },
	};
	static const struct {
		double share;
		const char *text;
	} shares[] = { { -1, "-" },	    { 0, "0%" },	 { 0.0001, "<0.1%" }, { 0.0006, "0.1%" },
		       { 0.1234, "12.3%" }, { 0.9994, "99.9%" }, { 0.9996, "100%" },  { 1, "100%" } };
	char buf[ES_CELL_MAX];

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(rates); i++) {
		assert_string_equal(es_fmt_rate(buf, rates[i].v, &rounded), rates[i].rounded);
		assert_string_equal(es_fmt_rate(buf, rates[i].v, &exact), rates[i].exact);
	}
	for (size_t i = 0; i < ES_ARRAY_SIZE(shares); i++)
		assert_string_equal(es_fmt_share(buf, shares[i].share), shares[i].text);
	assert_string_equal(es_fmt_group(buf, 0), "0");
	assert_string_equal(es_fmt_group(buf, 999), "999");
	assert_string_equal(es_fmt_group(buf, 1234567), "1,234,567");
	assert_string_equal(es_fmt_group(buf, ES_NONE), "-");
	assert_string_equal(es_fmt_count(buf, 1234567, &rounded), "1.23M");
	assert_string_equal(es_fmt_count(buf, 1234567, &exact), "1,234,567");
	assert_string_equal(es_fmt_bytes(buf, 16384), "16.0 KiB");
	assert_string_equal(es_fmt_bytes(buf, 12), "12 B");
	assert_string_equal(es_fmt_bytes(buf, ES_NONE), "-");
}

static void times(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{ ES_NONE, "-" },
		{ 0, "0s" },
		{ 999, "999ns" },
		{ 1000, "1.00µs" },
		{ 9994, "9.99µs" },
		{ 9995, "10.0µs" },
		{ 99950, "100µs" },
		{ 999499, "999µs" },
		{ 999500, "1.00ms" },
		{ 12345678, "12.3ms" },
		{ 1000000000, "1.00s" },
		{ 59900000000, "59.9s" },
		{ 59960000000, "1m00s" },
		{ 65000000000, "1m05s" },
		{ 3599600000000, "1h00m" },
		{ 7380000000000, "2h03m" },
		{ 363600000000000, "4d05h" },
	};
	char buf[ES_CELL_MAX];

	(void)state;
	for (size_t i = 0; i < ES_ARRAY_SIZE(cases); i++)
		assert_string_equal(es_fmt_time(buf, cases[i].ns, true), cases[i].text);
	assert_string_equal(es_fmt_time(buf, 1500, false), "1.50us");
}

static void sparklines(void **state)
{
	static const float rising[] = { -1, 0, 1, 2, 3, 4, 5, 6, 7 }, flat[] = { 0, 0, 0 };
	char buf[ES_CELL_MAX], tiny[8];

	(void)state;
	es_spark(buf, sizeof(buf), rising, ES_ARRAY_SIZE(rising), 9, true);
	assert_string_equal(buf, " ▁▃▄▅▆▇██");
	es_spark(buf, sizeof(buf), rising, ES_ARRAY_SIZE(rising), 9, false);
	assert_string_equal(buf, " _:-=+*##");
	/* The newest are at the right; of too many the oldest go. */
	es_spark(buf, sizeof(buf), rising, ES_ARRAY_SIZE(rising), 3, false);
	assert_string_equal(buf, "*##");
	es_spark(buf, sizeof(buf), rising, 3, 6, false);
	assert_string_equal(buf, "    _#");
	es_spark(buf, sizeof(buf), flat, 3, 4, false);
	assert_string_equal(buf, " ___");
	es_spark(buf, sizeof(buf), NULL, 0, 3, true);
	assert_string_equal(buf, "   ");
	es_spark(tiny, sizeof(tiny), rising, ES_ARRAY_SIZE(rising), 9, true);
	assert_true(strlen(tiny) < sizeof(tiny));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(controls_never_pass),
		cmocka_unit_test(broken_utf8_is_replaced),
		cmocka_unit_test(width_is_counted_in_columns),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(padding_goes_by_columns),
		cmocka_unit_test(numbers),
		cmocka_unit_test(times),
		cmocka_unit_test(sparklines),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
