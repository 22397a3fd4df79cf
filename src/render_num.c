// SPDX-License-Identifier: GPL-2.0-only
/* Numbers for people: exact and grouped, or three digits and a unit. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <exitstat/render.h>
#include <exitstat/util.h>

#define NS_PER_S 1000000000ULL

static const char *none(char buf[ES_CELL_MAX])
{
	return strcpy(buf, "-");
}

const char *es_fmt_group(char buf[ES_CELL_MAX], uint64_t v)
{
	char digits[24];
	size_t n, out = 0;

	if (v == ES_NONE)
		return none(buf);
	n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)v);
	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			buf[out++] = ',';
		buf[out++] = digits[i];
	}
	buf[out] = '\0';
	return buf;
}

/* Three digits: 9.87, 98.7, 987. The limits are where printf would round up into a fourth. */
static const char *three_digits(char buf[ES_CELL_MAX], double v, const char *unit)
{
	snprintf(buf, ES_CELL_MAX, "%.*f%s", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v, unit);
	return buf;
}

const char *es_fmt_short(char buf[ES_CELL_MAX], double v)
{
	static const char *const units[] = { "", "k", "M", "G", "T", "P", "E" };
	size_t unit = 0;

	if (!(v >= 0))
		return none(buf);
	if (v == 0)
		return strcpy(buf, "0");
	if (v < 0.05)
		return strcpy(buf, "<0.1");
	if (v < 999.5) {
		snprintf(buf, ES_CELL_MAX, "%.*f", v < 9.95 && v != floor(v) ? 1 : 0, v);
		return buf;
	}
	while (v >= 999.5 && unit + 1 < ES_ARRAY_SIZE(units)) {
		v /= 1000;
		unit++;
	}
	return three_digits(buf, v, units[unit]);
}

const char *es_fmt_count(char buf[ES_CELL_MAX], uint64_t v, const struct es_style *st)
{
	if (st->exact || v == ES_NONE || v < 1000)
		return es_fmt_group(buf, v);
	return es_fmt_short(buf, (double)v);
}

const char *es_fmt_rate(char buf[ES_CELL_MAX], double v, const struct es_style *st)
{
	char whole[ES_CELL_MAX];

	if (!st->exact || !(v >= 0.05) || v > 1e15)
		return es_fmt_short(buf, v);
	uint64_t tenths = (uint64_t)llround(v * 10);
	snprintf(buf, ES_CELL_MAX, "%s.%u", es_fmt_group(whole, tenths / 10), (unsigned int)(tenths % 10));
	return buf;
}

const char *es_fmt_share(char buf[ES_CELL_MAX], double share)
{
	double percent = share * 100;

	if (!(share >= 0))
		return none(buf);
	if (share == 0)
		return strcpy(buf, "0%");
	if (percent > 0 && percent < 0.05)
		return strcpy(buf, "<0.1%");
	snprintf(buf, ES_CELL_MAX, "%.*f%%", percent >= 99.95 ? 0 : 1, percent);
	return buf;
}

/* From a minute up people read clocks: 1m05s, 2h03m, 4d05h. */
static const char *long_time(char buf[ES_CELL_MAX], uint64_t s)
{
	static const struct {
		uint64_t above, div, sub;
		const char *format;
	} scales[] = {
		{ 86400, 86400, 3600, "%llud%02lluh" },
		{ 3600, 3600, 60, "%lluh%02llum" },
		{ 0, 60, 1, "%llum%02llus" },
	};

	for (size_t i = 0; i < ES_ARRAY_SIZE(scales); i++) {
		if (s < scales[i].above)
			continue;
		snprintf(buf, ES_CELL_MAX, scales[i].format, (unsigned long long)(s / scales[i].div),
			 (unsigned long long)(s % scales[i].div / scales[i].sub));
		break;
	}
	return buf;
}

const char *es_fmt_time(char buf[ES_CELL_MAX], uint64_t ns, bool utf8)
{
	const struct {
		double below, div;
		const char *lead, *unit;
	} scales[] = {
		{ 999.5e3, 1e3, es_glyph(ES_GLYPH_MICRO, utf8), "s" },
		{ 999.5e6, 1e6, "m", "s" },
		{ 59.95e9, 1e9, "", "s" },
	};
	char unit[8];

	if (ns == ES_NONE)
		return none(buf);
	if (ns < 1000) {
		snprintf(buf, ES_CELL_MAX, ns ? "%lluns" : "0s", (unsigned long long)ns);
		return buf;
	}
	for (size_t i = 0; i < ES_ARRAY_SIZE(scales); i++) {
		if ((double)ns >= scales[i].below)
			continue;
		snprintf(unit, sizeof(unit), "%s%s", scales[i].lead, scales[i].unit);
		return three_digits(buf, (double)ns / scales[i].div, unit);
	}
	return long_time(buf, (ns + NS_PER_S / 2) / NS_PER_S);
}

const char *es_fmt_bytes(char buf[ES_CELL_MAX], uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	size_t unit = 0;

	if (bytes == ES_NONE)
		return none(buf);
	while (v >= 1023.5 && unit + 1 < ES_ARRAY_SIZE(units)) {
		v /= 1024;
		unit++;
	}
	snprintf(buf, ES_CELL_MAX, "%.*f %s", unit && v < 99.95 ? 1 : 0, v, units[unit]);
	return buf;
}

void es_spark(char *buf, size_t size, const float *values, size_t n, unsigned int width, bool utf8)
{
	/* The first is 0, so that "none" and "few" differ. */
	static const char *const bars[2][8] = {
		{ "_", ".", ":", "-", "=", "+", "*", "#" },
		{ "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" },
	};
	size_t first = n > width ? n - width : 0, used = 0;
	float top = 0;

	for (size_t i = first; i < n; i++)
		top = values[i] > top ? values[i] : top;
	for (size_t col = 0; col < width && used + 4 < size; col++) {
		size_t have = n - first, i = col + have;
		float v = i < width ? -1 : values[first + i - width];
		const char *bar = " ";

		if (v >= 0)
			bar = bars[utf8][v > 0 ? 1 + (int)fminf(6, floorf(v / top * 7)) : 0];
		used += (size_t)snprintf(buf + used, size - used, "%s", bar);
	}
	if (size)
		buf[used < size ? used : size - 1] = '\0';
}

void es_bar(char buf[ES_CELL_MAX], double share, unsigned int width, bool utf8)
{
	static const char *const ends[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	unsigned int eighths, used = 0;

	*buf = '\0';
	if (!(share > 0))
		return;
	width = width < ES_CELL_MAX / 4 ? width : ES_CELL_MAX / 4 - 1;
	eighths = (unsigned int)(fmin(share, 1) * width * 8 + 0.5);
	eighths = eighths ? eighths : 1;
	for (; eighths >= 8; eighths -= 8)
		used += (unsigned int)snprintf(buf + used, ES_CELL_MAX - used, "%s", utf8 ? "█" : "#");
	snprintf(buf + used, ES_CELL_MAX - used, "%s",
		 utf8		? ends[eighths]
		 : eighths >= 4 ? "#"
		 : !used	? "."
				: "");
}
