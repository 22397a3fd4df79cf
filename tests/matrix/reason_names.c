// SPDX-License-Identifier: GPL-2.0-only
/*
 * reason_names FORMAT [--all]: the reason tables against the names that a running kernel prints. FORMAT is the kvm_exit
 * tracepoint's file of that name, whose "print fmt" holds the lists of both vendors. A line for each code that the kernel
 * names and our table does not have, or names otherwise; with --all (for the newest kernel) also for each tracefs name of
 * ours that it does not print. Exit status: 0 none, 1 some, 2 the file is not as expected.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exitstat/reasons.h>
#include <exitstat/util.h>

/* In the order of the lists in kvm_exit's print fmt. */
static const struct list {
	enum es_isa isa;
	const char *vendor;
} lists[] = {
	{ ES_ISA_VMX, "VMX" },
	{ ES_ISA_SVM, "SVM" },
};

static unsigned int problems;

static void check(const struct list *l, uint32_t code, const char *name)
{
	const struct es_reason_info *info = es_reason_info(l->isa, code);

	/* From 5.10 to 7.3 no name has changed. Should one, a list of old names with their versions would be asked here. */
	if (info && info->tracefs && !strcmp(info->tracefs, name))
		return;
	printf("%s %u (0x%x): the kernel prints \"%s\", the table has %s%s%s\n", l->vendor, code, code, name,
	       info ? info->name : "no such code", info && info->tracefs ? " as " : "",
	       info && info->tracefs ? info->tracefs : "");
	problems++;
}

/* The macros of asm/svm.h, expanded: "0x040 + 14", "(-1)". */
static uint32_t evaluate(const char *s, const char *end)
{
	uint32_t sum = 0;
	int sign = 1;

	while (s < end) {
		if (isdigit((unsigned char)*s)) {
			char *next;

			sum += sign * (uint32_t)strtoull(s, &next, 0);
			s = next;
			sign = 1;
			continue;
		}
		if (*s == '-')
			sign = -1;
		s++;
	}
	return sum;
}

/* The entries { CODE, "NAME" } from s on, until the list's end. Returns behind it; *n is how many. */
static char *read_list(const struct list *l, char *s, bool *printed, size_t *n)
{
	for (*n = 0; *s && *s != ')';) {
		char *comma, *quote, *end;

		if (*s != '{') {
			s++;
			continue;
		}
		comma = strchr(s, ',');
		quote = comma ? strchr(comma, '"') : NULL;
		end = quote ? strchr(quote + 1, '"') : NULL;
		if (!end)
			return NULL;
		*end = 0;
		uint32_t code = evaluate(s, comma);
		const struct es_reason_info *info = es_reason_info(l->isa, code);
		size_t size;

		check(l, code, quote + 1);
		if (info)
			printed[info - es_reason_table(l->isa, &size)] = true;
		(*n)++;
		s = strchr(end + 1, '}');
		if (!s)
			return NULL;
		s++;
	}
	return s;
}

static void check_ours(const struct list *l, const bool *printed)
{
	size_t n;
	const struct es_reason_info *t = es_reason_table(l->isa, &n);

	for (size_t i = 0; i < n; i++) {
		if (!t[i].tracefs || printed[i])
			continue;
		printf("%s %u (0x%x): the table has \"%s\", the kernel prints no name\n", l->vendor,
		       t[i].code, t[i].code, t[i].tracefs);
		problems++;
	}
}

int main(int argc, char **argv)
{
	static char text[1 << 16];
	static bool printed[1024];
	bool all = argc == 3 && !strcmp(argv[2], "--all");
	_cleanup_fclose_ FILE *f = argc == 2 || all ? fopen(argv[1], "re") : NULL;
	char *s;

	if (!f || !fread(text, 1, sizeof(text) - 1, f) || !(s = strstr(text, "print fmt:"))) {
		fprintf(stderr, "usage: reason_names FORMAT [--all]; FORMAT is events/kvm/kvm_exit/format\n");
		return 2;
	}
	for (size_t i = 0; i < ES_ARRAY_SIZE(lists); i++) {
		static const char open[] = "__print_symbolic(";
		size_t n = 0;

		s = strstr(s, open);
		memset(printed, 0, sizeof(printed));
		s = s ? read_list(&lists[i], s + strlen(open), printed, &n) : NULL;
		if (!s || n < 40) {
			fprintf(stderr, "%s: %s: %zu names found\n", argv[1], lists[i].vendor, n);
			return 2;
		}
		if (all)
			check_ours(&lists[i], printed);
	}
	return problems != 0;
}
