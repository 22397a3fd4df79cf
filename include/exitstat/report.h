/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs as one HTML page that needs nothing else: no network, no script. Pure: structs in, bytes out.
 * docs/report.md says what the page shows and which data-* attributes programs may read.
 */
#ifndef EXITSTAT_REPORT_H
#define EXITSTAT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <exitstat/compare.h>
#include <exitstat/render.h>

#define ES_REPORT_VMS_MAX 32
#define ES_REPORT_COLUMNS 4 /* runs beside each other in a table */

/* A VM, in all runs that have it: a part of the page. */
struct es_report_part {
	const char *name;
	struct es_compare compare; /* its sides point into es_report.runs */
};

struct es_report {
	const char *title; /* NULL: made of the VMs' names */
	enum es_per per;
	const struct es_run *runs;
	size_t n_runs;
	struct es_report_part *parts; /* by name; none: nothing was seen */
	size_t n_parts;
};

/*
 * Pairs the VMs of the runs (at most ES_SIDES_MAX, which must outlive r): by name, or, where each run has just one VM, those.
 * 0; -E2BIG: more than ES_REPORT_VMS_MAX VMs; else as es_compare(). The reason is in err.
 */
int es_report_init(struct es_report *r, const struct es_run *runs, size_t n, enum es_per per, char err[ES_ERR_MAX]);
void es_report_clear(struct es_report *r);
/* The page. 0 or -ENOMEM; what f says (ferror) is the caller's to ask. */
int es_report_write(FILE *f, const struct es_report *r);

/* --- what the page is made of --- */

/* Text between tags or in a quoted attribute: escaped; of strangers: cleaned as for a terminal first, and cut at ES_CELL_MAX. */
void es_html_escape(FILE *f, const char *text);
void es_html_text(FILE *f, const char *text);
/* ` name="value"` in the start of a tag; nothing for ES_NONE, NAN and the negative numbers that mean "not known". */
void es_html_data(FILE *f, const char *name, uint64_t v);
void es_html_data_double(FILE *f, const char *name, double v);
/* ` name="text"`, cleaned and escaped. */
void es_html_data_text(FILE *f, const char *name, const char *text);

/* An axis from 0 to a round number not below top: step is 1, 2 or 5 times a power of ten, about want of them. */
struct es_scale {
	double max, step;
	unsigned int steps; /* max / step */
};
struct es_scale es_scale_nice(double top, unsigned int want);
/* A step of seconds that clocks have: 1, 2, 5, 10, 15, 30 s, 1 min … of which at most want fit in span. */
double es_scale_clock(double span_s, unsigned int want);
/* "1.5k", "200ms", "1m30s": what stands at an axis of such a step. */
const char *es_tick_count(char buf[32], double v);
const char *es_tick_seconds(char buf[32], double s, double step);
/* Percent of max that v is, for the length of a bar: 0 for what is not known, 100 at most. */
double es_bar_percent(double v, double max);
/* The same on a logarithmic axis from lo to hi. */
double es_log_percent(double v, double lo, double hi);

/* At most max intervals made of the VM's points, neighbours put together. Returns how many. */
size_t es_report_points(const struct es_run_vm *vm, struct es_run_point *out, size_t max);

/* The colour of each run, per scheme; nested and shadow paging get a hue each where there are two of each at most. */
struct es_report_colour {
	const char *light, *dark;
};
void es_report_colours(const struct es_report *r, struct es_report_colour out[ES_SIDES_MAX]);

/* --- the page in parts --- */

/* Where on the page we are. */
struct es_page {
	FILE *f;
	const struct es_report *r;
	const struct es_report_part *p;
	size_t part; /* p's number: ids of the second part end in -2 */
	int level;   /* of headings */
};

extern const char es_report_css[];
/* What there is to know in a few plain sentences. */
void es_report_summary(const struct es_page *pg);
void es_report_runs(const struct es_page *pg);
void es_report_time(const struct es_page *pg);
int es_report_bars(const struct es_page *pg);
int es_report_lines(const struct es_page *pg);
int es_report_latency(const struct es_page *pg);
void es_report_tables(const struct es_page *pg);
void es_report_events(const struct es_page *pg);
/* How it was measured: of the files, not of one VM. */
void es_report_measured(const struct es_page *pg);

/* Shared by them. */
void es_page_heading(const struct es_page *pg, int deeper, const char *id, const char *text);
/* <col> as wide as the labels of the runs; nothing for one run, whose name need not stand in each row. */
void es_page_run_column(const struct es_page *pg);
/* The row's <th> with the run's name; nothing for one run. */
void es_page_run_head(const struct es_page *pg, size_t side);
/* A box that its content scrolls in, and the table in it, open: classes are the table's. */
void es_page_table(FILE *f, const char *label, const char *classes, size_t n_sides);
void es_page_table_end(FILE *f);
size_t es_page_colour(const struct es_page *pg, size_t side);
/* A run's label in running text: not broken at its hyphens, unless it is long. */
void es_page_label(FILE *f, const struct es_run *run);
/* The same after the swatch of its colour. */
void es_page_swatch(FILE *f, const struct es_report *r, size_t run);
/* The same of a side. */
void es_page_run(const struct es_page *pg, size_t side);
/* <td>: text right-aligned, with data-side and one more data-* attribute; "not measured" for unknown. */
/* A <td> of that side, up to where data-* and '>' follow; and the rest: text escaped, NULL not measured. */
void es_page_cell(const struct es_page *pg, size_t side, bool zero);
void es_page_cell_end(FILE *f, const char *text);
void es_page_count(const struct es_page *pg, size_t side, const char *data, uint64_t v);
void es_page_time(const struct es_page *pg, size_t side, const char *data, uint64_t ns);
/* "exits per second", "exits per second in the guest", "exits" */
const char *es_report_unit(enum es_per per);
/* "40,409", "2,088.1"; negative: "not measured" */
const char *es_report_fmt_n(char buf[ES_CELL_MAX], double n, enum es_per per);
const char *es_report_fmt_ns(char buf[ES_CELL_MAX], double ns, enum es_per per);
/* The same for running text: "40,409 exits", "2,088.1/s" */
const char *es_report_say_n(char buf[ES_CELL_MAX], double n, enum es_per per);
/* Heading of a column of such numbers: "per s", "per guest s", "exits" */
const char *es_report_unit_short(enum es_per per);
/* <span>s for what a cell cannot hold: not measured, and not to be asked (the mean of no exits). */
#define ES_HTML_UNKNOWN "<span class=\"none\" title=\"not measured\">–</span>"

#endif
