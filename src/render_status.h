/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of `exitstat status` share. */
#ifndef EXITSTAT_RENDER_STATUS_H
#define EXITSTAT_RENDER_STATUS_H

#include <exitstat/render.h>

/* A member of an object: ES_NONE, and "-", if it is not there or of another kind. The text is clean. */
uint64_t es_status_number(const json_t *o, const char *key);
void es_status_string(char buf[ES_CELL_MAX], const json_t *o, const char *key, const struct es_style *st);

/* The programs, and what they and the daemon cost. 0 or -ENOMEM. */
int es_render_cost(FILE *f, const json_t *status, const struct es_style *st);

#endif
