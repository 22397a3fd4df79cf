/* SPDX-License-Identifier: GPL-2.0-only */
/* What `exitstat --options` and `exitstatd --options` print, of which the shells' completions are made. */
#ifndef EXITSTAT_OPTIONS_TABLE_H
#define EXITSTAT_OPTIONS_TABLE_H

#include <stdio.h>

/*
 * A line of five fields between tabs: the verb ("-": the program has none), the option with its dashes (empty: the line
 * is about the verb and its operands), its letter with the dash, the argument as help names it, and what help says, on one line.
 * NULL is an empty field.
 */
void es_options_line(FILE *f, const char *verb, const char *option, const char *letter, const char *argument,
		     const char *help);

#endif
