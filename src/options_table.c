// SPDX-License-Identifier: GPL-2.0-only
/* A program's options for the shells' completions. */
#include <string.h>

#include <exitstat/options_table.h>

void es_options_line(FILE *f, const char *verb, const char *option, const char *letter, const char *argument,
		     const char *help)
{
	fprintf(f, "%s\t%s\t%s\t%s\t", verb, option ? option : "", letter ? letter : "",
		argument ? argument : "");
	/* Help has its own line breaks and indentation. */
	for (const char *s = help; *s; s += strspn(s, " \n")) {
		size_t n = strcspn(s, " \n");

		fprintf(f, "%s%.*s", s == help ? "" : " ", (int)n, s);
		s += n;
	}
	fputc('\n', f);
}
