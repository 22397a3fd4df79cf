// SPDX-License-Identifier: GPL-2.0-only
/* Text as HTML: nothing of a stranger may become markup, or move what stands around it. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <exitstat/report.h>

void es_html_escape(FILE *f, const char *text)
{
	static const char special[] = "&<>\"'";
	static const char *const entity[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };

	while (*text) {
		size_t plain = strcspn(text, special);

		fwrite(text, 1, plain, f);
		text += plain;
		if (*text)
			fputs(entity[strchr(special, *text++) - special], f);
	}
}

void es_html_text(FILE *f, const char *text)
{
	char clean[ES_CELL_MAX];

	es_text_clean(clean, sizeof(clean), text, true);
	es_html_escape(f, clean);
}

void es_html_data(FILE *f, const char *name, uint64_t v)
{
	if (v != ES_NONE)
		fprintf(f, " %s=\"%" PRIu64 "\"", name, v);
}

void es_html_data_double(FILE *f, const char *name, double v)
{
	if (isfinite(v))
		fprintf(f, " %s=\"%.17g\"", name, v);
}

void es_html_data_text(FILE *f, const char *name, const char *text)
{
	fprintf(f, " %s=\"", name);
	es_html_text(f, text);
	fputc('"', f);
}
