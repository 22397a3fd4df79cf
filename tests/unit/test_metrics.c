// SPDX-License-Identifier: GPL-2.0-only
/* The page for Prometheus: what is in it, what is not, and what hostile names do to it. */
#include "es_test.h"

#include <ctype.h>

#include <exitstat/metrics.h>

static const struct es_metrics_options all = { .vms = 1000, .histograms = true };
static struct es_status status;

static char *write_page(enum es_metrics_format format, const struct es_metrics_options *o,
			const struct es_snapshot *s)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	es_metrics_write(f, format, o, s, &status);
	assert_int_equal(fclose(f), 0);
	return text;
}

static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (const char *p = text; (p = strstr(p, line)); p += n) {
		if ((p == text || p[-1] == '\n') && p[n] == '\n')
			return true;
	}
	return false;
}

static struct es_vm *add(struct es_snapshot *s, const char *id, const char *name, uint64_t since,
			 enum es_vm_state state)
{
	struct es_vm *vm = es_vm_new(id, name);

	assert_non_null(vm);
	vm->since_ns = since;
	vm->state = state;
	vm->ended_ns = state == ES_VM_ENDED ? since + 1 : ES_NONE;
	assert_int_equal(es_snapshot_add(s, vm), 0);
	return vm;
}

static void numbers_are_the_snapshots(void **state)
{
	struct es_snapshot *s = es_snapshot_new();
	struct es_vm *vm = add(s, "1-a-0", "guest1", 5, ES_VM_RUNNING);
	struct es_reason *r;
	char *text;

	(void)state;
	s->host.isa = ES_ISA_SVM;
	r = es_sample_reason(&vm->counts, 0x72, 20, 3000000007);
	vm->paging = ES_PAGING_NPT;
	vm->counts.mmu.faults.tdp = 12;
	text = write_page(ES_METRICS_TEXT, &all, s);
	assert_true(has_line(text, "exitstat_vm_exits_total{vm=\"guest1\",reason=\"CPUID\"} 20"));
	assert_true(
		has_line(text, "exitstat_vm_exit_seconds_total{vm=\"guest1\",reason=\"CPUID\"} 3.000000007"));
	assert_true(has_line(text, "exitstat_mmu_events_total{vm=\"guest1\",event=\"faults_tdp\"} 12"));
	assert_true(has_line(text, "exitstat_vm_paging_mode{vm=\"guest1\",mode=\"npt\"} 1"));
	assert_true(has_line(text, "exitstat_vm_state{vm=\"guest1\",state=\"running\"} 1"));
	/* Not measured: absent, not 0. */
	assert_null(strstr(text, "event=\"faults_shadow\""));
	assert_null(strstr(text, "exitstat_vm_time_seconds_total{"));
	free(text);
	r->time_ns = ES_NONE;
	r->hist[0] = ES_NONE;
	text = write_page(ES_METRICS_TEXT, &all, s);
	assert_null(strstr(text, "exitstat_vm_exit_seconds_total{"));
	assert_null(strstr(text, "exitstat_vm_exit_duration_seconds_bucket{"));
	assert_true(has_line(text, "exitstat_vm_exits_total{vm=\"guest1\",reason=\"CPUID\"} 20"));
	free(text);
	es_snapshot_unref(s);
}

static void histograms_add_up(void **state)
{
	const struct es_metrics_options off = { .vms = 10 };
	struct es_snapshot *s = es_snapshot_new();
	struct es_vm *vm = add(s, "1-a-0", "g", 5, ES_VM_RUNNING);
	struct es_reason *r = es_counts_reason(&vm->counts, 0x72);
	char *text;

	(void)state;
	s->host.isa = ES_ISA_SVM;
	r->count = 6;
	r->time_ns = 1000;
	r->hist[0] = 1;			  /* to 64 ns */
	r->hist[1] = 2;			  /* to 128 */
	r->hist[2] = 1;			  /* to 256 */
	r->hist[ES_HIST_BUCKETS - 1] = 2; /* no end */
	text = write_page(ES_METRICS_TEXT, &all, s);
#define BUCKET(le, n) \
	"exitstat_vm_exit_duration_seconds_bucket{vm=\"g\",class=\"instruction\",le=\"" le "\"} " n
	assert_true(has_line(text, BUCKET("0.000000128", "3")));
	assert_true(has_line(text, BUCKET("0.000000512", "4")));
	assert_true(has_line(text, BUCKET("34.359738368", "4")));
	assert_true(has_line(text, BUCKET("+Inf", "6")));
	assert_true(
		has_line(text, "exitstat_vm_exit_duration_seconds_count{vm=\"g\",class=\"instruction\"} 6"));
	assert_true(has_line(
		text, "exitstat_vm_exit_duration_seconds_sum{vm=\"g\",class=\"instruction\"} 0.000001000"));
	free(text);
	text = write_page(ES_METRICS_TEXT, &off, s);
	assert_null(strstr(text, "_bucket{"));
	free(text);
	es_snapshot_unref(s);
}

static void hostile_names_stay_in_their_label(void **state)
{
	struct es_snapshot *s = es_snapshot_new();
	size_t lines = 0, with = 0;
	char *text, *clean;

	(void)state;
	clean = write_page(ES_METRICS_TEXT, &all, s);
	for (const char *p = clean; *p; p++)
		lines += *p == '\n';
	add(s, "1-a-0", "a\"} 1\nexitstat_vms 99\n\\", 5, ES_VM_RUNNING);
	text = write_page(ES_METRICS_TEXT, &all, s);
	assert_non_null(strstr(text, "vm=\"a\\\"} 1\\nexitstat_vms 99\\n\\\\\""));
	assert_false(has_line(text, "exitstat_vms 99"));
	for (const char *p = text; *p; p++)
		with += *p == '\n';
	assert_int_equal(with, lines + 5); /* info, three states, vCPUs */
	free(text);
	free(clean);
	es_snapshot_unref(s);
}

/* The names that are exported, by exitstat_vm_info. */
static const char *exported(const struct es_snapshot *s, uint64_t vms)
{
	const struct es_metrics_options o = { .vms = vms };
	char *text = write_page(ES_METRICS_TEXT, &o, s);
	static char names[256];

	names[0] = '\0';
	for (char *p = text; (p = strstr(p, "\nexitstat_vm_info{vm=\"")); p++) {
		const char *name = strchr(p, '"') + 1;

		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%.*s ",
			 (int)strcspn(name, "\""), name);
	}
	snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s",
		 strstr(text, "\nexitstat_vms_left_out ") + strlen("\nexitstat_vms_left_out "));
	names[strcspn(names, "\n")] = '\0';
	free(text);
	return names;
}

static void names_are_told_apart(void **state)
{
	struct es_snapshot *s = es_snapshot_new();

	(void)state;
	add(s, "young", "twin", 9, ES_VM_RUNNING);
	add(s, "old", "twin", 3, ES_VM_PAUSED);
	add(s, "before", "twin", 1, ES_VM_ENDED);
	add(s, "gone", "ended", 1, ES_VM_ENDED);
	assert_string_equal(exported(s, 1000), "twin twin@young ended 0");
	add(s, "x", "twin@evil", 2, ES_VM_RUNNING);
	add(s, "evil", "twin", 20, ES_VM_RUNNING);
	assert_string_equal(exported(s, 1000), "twin@evil twin twin@young ended 1");
	/* The oldest live one first, whoever comes. */
	assert_string_equal(exported(s, 1), "twin@evil 5");
	es_snapshot_unref(s);
}

static void openmetrics_has_its_own_names(void **state)
{
	struct es_snapshot *s = es_snapshot_new();
	char *text;

	(void)state;
	es_sample_reason(&add(s, "1", "g", 1, ES_VM_RUNNING)->counts, 0x72, 1, 1);
	s->host.isa = ES_ISA_SVM;
	text = write_page(ES_METRICS_OPENMETRICS, &all, s);
	assert_true(has_line(text, "# TYPE exitstat_vm_exits counter"));
	assert_true(has_line(text, "exitstat_vm_exits_total{vm=\"g\",reason=\"CPUID\"} 1"));
	assert_string_equal(text + strlen(text) - 6, "# EOF\n");
	free(text);
	es_snapshot_unref(s);
}

/* docs/metrics.md has a row a family, as they are, in their order, and no other. */
static void docs_list_every_family(void **state)
{
	_cleanup_fclose_ FILE *f = fopen("docs/metrics.md", "re");
	char line[1024], want[1024];
	size_t i = 0;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		const struct es_metrics_family *m = es_metrics_family(i);

		if (strncmp(line, "| `exitstat_", 12) != 0)
			continue;
		assert_non_null(m);
		snprintf(want, sizeof(want), "| `%s` | %s | %s | %s |\n", m->name, m->type, m->labels,
			 m->help);
		assert_string_equal(line, want);
		i++;
	}
	assert_null(es_metrics_family(i));
}

static void names_follow_the_rules(void **state)
{
	const struct es_metrics_family *m;

	(void)state;
	for (size_t i = 0; (m = es_metrics_family(i)); i++) {
		bool total = strlen(m->name) > 6 && !strcmp(m->name + strlen(m->name) - 6, "_total");

		assert_int_equal(total, !strcmp(m->type, "counter"));
		assert_int_equal(m->help[strlen(m->help) - 1], '.');
		for (const char *c = m->name; *c; c++)
			assert_true(islower((unsigned char)*c) || *c == '_');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_the_snapshots),
		cmocka_unit_test(histograms_add_up),
		cmocka_unit_test(hostile_names_stay_in_their_label),
		cmocka_unit_test(names_are_told_apart),
		cmocka_unit_test(openmetrics_has_its_own_names),
		cmocka_unit_test(docs_list_every_family),
		cmocka_unit_test(names_follow_the_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
