// SPDX-License-Identifier: GPL-2.0-only
/* Where the time of vCPUs went: the parts, their sum, and bars of them. */
#include <exitstat/times.h>

#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/util.h>

const struct es_time_word es_time_words[ES_TIME_PARTS] = {
	[ES_TIME_GUEST] = { "guest_ns", "guest", offsetof(struct es_time, guest_ns) },
	[ES_TIME_KERNEL] = { "kernel_ns", "kernel", offsetof(struct es_time, kernel_ns) },
	[ES_TIME_VMM] = { "vmm_ns", "VMM", offsetof(struct es_time, vmm_ns) },
	[ES_TIME_RUNQUEUE] = { "runqueue_ns", "waiting", offsetof(struct es_time, runqueue_ns) },
	[ES_TIME_IDLE] = { "idle_ns", "idle", offsetof(struct es_time, idle_ns) },
};

uint64_t es_time_part_ns(const struct es_time *t, enum es_time_part part)
{
	uint64_t ns;

	memcpy(&ns, (const char *)t + es_time_words[part].at, sizeof(ns));
	return ns;
}

/* ES_NONE if one of them is; hostile numbers do not wrap. */
static uint64_t sum_of(uint64_t a, uint64_t b)
{
	if (a == ES_NONE || b == ES_NONE)
		return ES_NONE;
	return a < ES_NONE - 1 - b ? a + b : ES_NONE - 1;
}

bool es_time_apart(const struct es_time_split *s)
{
	return s->ns[ES_TIME_KERNEL] != ES_NONE || s->ns[ES_TIME_VMM] != ES_NONE ||
	       s->ns[ES_TIME_RUNQUEUE] != ES_NONE;
}

void es_time_split(struct es_time_split *s, const struct es_counts *c)
{
	uint64_t exit_time = es_exits_time_ns(c);

	*s = (struct es_time_split){ .whole_ns = 0 };
	for (enum es_time_part p = 0; p < ES_TIME_PARTS; p++)
		s->ns[p] = es_time_part_ns(&c->time, p);
	if (!es_time_apart(s) && exit_time != ES_NONE) {
		s->rest_ns = exit_time;
		s->whole_ns = sum_of(sum_of(s->ns[ES_TIME_GUEST], s->ns[ES_TIME_IDLE]), exit_time);
		return;
	}
	for (enum es_time_part p = 0; p < ES_TIME_PARTS; p++)
		if (p != ES_TIME_RUNQUEUE || s->ns[p] != ES_NONE)
			s->whole_ns = sum_of(s->whole_ns, s->ns[p]);
}

void es_time_split_add(struct es_time_split *sum, const struct es_time_split *s)
{
	for (enum es_time_part p = 0; p < ES_TIME_PARTS; p++)
		sum->ns[p] = sum_of(sum->ns[p], s->ns[p]);
	sum->rest_ns = sum_of(sum->rest_ns, s->rest_ns);
	sum->whole_ns = sum_of(sum->whole_ns, s->whole_ns);
}

double es_time_share(const struct es_time_split *s, enum es_time_part part)
{
	return es_share(s->ns[part], s->whole_ns);
}

/* Each gets what is whole of its share; what is left over goes to those that lost most by that. */
void es_time_bar(const struct es_time_split *s, unsigned int width, unsigned int columns[ES_TIME_PIECES])
{
	double lost[ES_TIME_PIECES];
	unsigned int left = width;

	memset(columns, 0, ES_TIME_PIECES * sizeof(*columns));
	if (s->whole_ns == ES_NONE || !s->whole_ns)
		return;
	for (unsigned int i = 0; i < ES_TIME_PIECES; i++) {
		uint64_t ns = i < ES_TIME_PARTS ? s->ns[i] : s->rest_ns;
		double wanted = ns == ES_NONE ? 0 : es_share(ns, s->whole_ns) * width;

		columns[i] = (unsigned int)wanted < left ? (unsigned int)wanted : left;
		lost[i] = wanted - columns[i];
		left -= columns[i];
	}
	while (left) {
		unsigned int most = 0;

		for (unsigned int i = 1; i < ES_TIME_PIECES; i++)
			most = lost[i] > lost[most] ? i : most;
		columns[most]++;
		lost[most] -= 1;
		left--;
	}
}

bool es_times_off(const struct es_counts *c)
{
	uint64_t total = es_exits_total(c);

	for (enum es_time_part p = 0; p < ES_TIME_PARTS; p++)
		if (es_time_part_ns(&c->time, p) != ES_NONE)
			return false;
	return total && total != ES_NONE && es_exits_time_ns(c) == ES_NONE;
}

bool es_times_all_off(const struct es_snapshot *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n_vms; i++) {
		const struct es_counts *c = &s->vms[i]->counts;

		if (es_times_off(c))
			any = true;
		else if (es_exits_total(c) && es_exits_total(c) != ES_NONE)
			return false;
	}
	return any;
}
