// SPDX-License-Identifier: GPL-2.0-only
/* Axes: where their ticks stand and what is written at them. */
#include <math.h>
#include <stdio.h>

#include <exitstat/report.h>
#include <exitstat/util.h>

struct es_scale es_scale_nice(double top, unsigned int want)
{
	static const double nice[] = { 1, 2, 5, 10 };
	struct es_scale s;
	double rough, power;
	size_t i = 0;

	if (!(top > 0) || !isfinite(top))
		top = 1;
	rough = top / (want ? want : 1);
	power = pow(10, floor(log10(rough)));
	/* The tolerance is for tops that are themselves round: 0.3 / 3 is a little over 0.1. */
	while (i + 1 < ES_ARRAY_SIZE(nice) && nice[i] * power < rough * (1 - 1e-9))
		i++;
	s.step = nice[i] * power;
	s.steps = (unsigned int)ceil(top / s.step * (1 - 1e-9));
	s.max = s.steps * s.step;
	return s;
}

double es_scale_clock(double span_s, unsigned int want)
{
	static const double steps[] = { 1,   2,	  5,	10,   15,   30,	   60,	  120,	 300,
					600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400 };

	if (!(span_s > 0) || !want)
		return 1;
	if (span_s / want < 1)
		return es_scale_nice(span_s, want).step;
	for (size_t i = 0; i < ES_ARRAY_SIZE(steps); i++)
		if (span_s / steps[i] <= want)
			return steps[i];
	return es_scale_nice(span_s / 86400, want).step * 86400;
}

const char *es_tick_count(char buf[32], double v)
{
	static const char *const units[] = { "", "k", "M", "G", "T", "P", "E" };
	size_t unit = 0;

	/* 999.9995 is what %g with six digits would round up to 1000. */
	while (v >= 999.9995 && unit + 1 < ES_ARRAY_SIZE(units)) {
		v /= 1000;
		unit++;
	}
	snprintf(buf, 32, "%g%s", v, units[unit]);
	return buf;
}

/* The two greatest units that are not 0: "1m30s", "2h", "1d12h". */
static void clock_text(char buf[32], unsigned long long s)
{
	static const struct {
		unsigned int length;
		char unit;
	} parts[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t used = 0;

	for (size_t i = 0, said = 0; i < ES_ARRAY_SIZE(parts) && said < 2; i++) {
		if (s / parts[i].length == 0)
			continue;
		used += (size_t)snprintf(buf + used, 32 - used, "%llu%c", s / parts[i].length, parts[i].unit);
		s %= parts[i].length;
		said++;
	}
}

const char *es_tick_seconds(char buf[32], double s, double step)
{
	if (s <= 0)
		snprintf(buf, 32, "0");
	else if (step < 1e-6)
		snprintf(buf, 32, "%gns", s * 1e9);
	else if (step < 1e-3)
		snprintf(buf, 32, "%gµs", s * 1e6);
	else if (step < 1)
		snprintf(buf, 32, "%gms", s * 1e3);
	else
		clock_text(buf, (unsigned long long)fmin(round(s), 1e15));
	return buf;
}

double es_bar_percent(double v, double max)
{
	if (!(v > 0) || !(max > 0))
		return 0;
	return fmin(v / max, 1) * 100;
}

double es_log_percent(double v, double lo, double hi)
{
	if (!(v > 0) || !(lo > 0) || !(hi > lo))
		return 0;
	return fmax(0, fmin(1, log(v / lo) / log(hi / lo))) * 100;
}

static void merge_point(struct es_run_point *to, const struct es_run_point *from)
{
	uint64_t *const sums[] = { &to->exits, &to->time_ns, &to->paging_exits, &to->paging_time_ns,
				   &to->guest_ns };
	const uint64_t more[] = { from->exits, from->time_ns, from->paging_exits, from->paging_time_ns,
				  from->guest_ns };

	for (size_t i = 0; i < ES_ARRAY_SIZE(sums); i++)
		if (*sums[i] == ES_NONE || more[i] == ES_NONE ||
		    __builtin_add_overflow(*sums[i], more[i], sums[i]))
			*sums[i] = ES_NONE;
	to->at_ns = from->at_ns;
	if (__builtin_add_overflow(to->span_ns, from->span_ns, &to->span_ns))
		to->span_ns = ES_NONE;
}

size_t es_report_points(const struct es_run_vm *vm, struct es_run_point *out, size_t max)
{
	size_t each = max ? (vm->n_points + max - 1) / max : 0, n = 0;

	for (size_t i = 0; each && i < vm->n_points; i++) {
		if (i % each == 0)
			out[n++] = vm->points[i];
		else
			merge_point(&out[n - 1], &vm->points[i]);
	}
	return n;
}
