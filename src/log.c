// SPDX-License-Identifier: GPL-2.0-only
/* Lines on stderr, for a person or for the journal. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <exitstat/log.h>

#define LINE_SIZE 1024

static bool to_journal;

void es_log_init(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long dev, ino;
	struct stat st;

	/* The variable is inherited, so it means us only if stderr is the very stream it names. */
	to_journal = stream && sscanf(stream, "%lu:%lu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
		     st.st_dev == dev && st.st_ino == ino;
}

void es_log(int priority, const char *fmt, ...)
{
	char line[LINE_SIZE];
	va_list ap;
	size_t head, len;

	head = to_journal ? (size_t)snprintf(line, sizeof(line), "<%d>", priority)
			  : (size_t)snprintf(line, sizeof(line), "exitstatd: ");
	va_start(ap, fmt);
	vsnprintf(line + head, sizeof(line) - head - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	/* One write, so that lines of several processes do not mix; nothing to do if it fails. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}
