// SPDX-License-Identifier: GPL-2.0-only
/* Tables driven by column descriptions: choice, width, order and writing of columns. */
#include <errno.h>
#include <string.h>

#include <exitstat/render.h>
#include <exitstat/util.h>

const struct es_column *es_column_find(const struct es_column *table, const char *key)
{
	for (const struct es_column *c = table; c->key; c++)
		if (c->sortable && strcmp(c->key, key) == 0)
			return c;
	return NULL;
}

/* Has a table before the i-th that word? */
static bool said_before(const struct es_column *const *tables, size_t i, const char *key)
{
	while (i--)
		if (tables[i] && es_column_find(tables[i], key))
			return true;
	return false;
}

const char *es_column_words(char buf[ES_CELL_MAX], const struct es_column *const *tables, size_t n)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < n; i++)
		for (const struct es_column *c = tables[i]; c && c->key; c++)
			if (c->sortable && used < ES_CELL_MAX && !said_before(tables, i, c->key))
				used += (size_t)snprintf(buf + used, ES_CELL_MAX - used, "%s%s",
							 used ? "|" : "", c->key);
	return buf;
}

struct sort_entry {
	const void *row;
	size_t place;
	const struct es_column *by;
	bool reverse;
};

static int compare_entries(const void *pa, const void *pb)
{
	const struct sort_entry *a = pa, *b = pb;
	int c = a->by->compare(a->row, b->row);

	if (c)
		return a->reverse ? -c : c;
	return a->place < b->place ? -1 : a->place > b->place;
}

int es_descending(double a, double b)
{
	return a > b ? -1 : a < b;
}

int es_rows_sort(const void **rows, size_t n, const struct es_column *by, bool reverse)
{
	struct sort_entry *e = calloc(n ? n : 1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		e[i] = (struct sort_entry){ rows[i], i, by, reverse };
	qsort(e, n, sizeof(*e), compare_entries);
	for (size_t i = 0; i < n; i++)
		rows[i] = e[i].row;
	free(e);
	return 0;
}

/* The column that goes first when room is short; the table's name column never does. */
static unsigned int least_kept(const struct es_layout *l)
{
	unsigned int least = 0;

	for (unsigned int i = 1; i < l->n; i++)
		if (!least || l->at[i].column->keep < l->at[least].column->keep)
			least = i;
	return least;
}

static unsigned int total_width(const struct es_layout *l)
{
	unsigned int total = 0;

	for (unsigned int i = 0; i < l->n; i++)
		total += l->at[i].width + (i ? l->gap : 0);
	return total;
}

static void drop(struct es_layout *l, unsigned int i)
{
	l->n--;
	memmove(&l->at[i], &l->at[i + 1], (l->n - i) * sizeof(l->at[0]));
	l->dropped++;
}

static unsigned int content_width(const struct es_column *c, const void *const *rows, size_t n,
				  const struct es_style *st)
{
	unsigned int width = es_text_width(c->title);
	char buf[ES_CELL_MAX];

	for (size_t i = 0; i < n; i++) {
		c->cell(buf, rows[i], 0, st);
		unsigned int w = es_text_width(buf);
		width = w > width ? w : width;
	}
	return width;
}

/* Short of room: first a narrower gap, then columns go, then the flex column shrinks. */
static void fit(struct es_layout *l, unsigned int width)
{
	unsigned int victim;

	if (total_width(l) > width)
		l->gap = 1;
	while (total_width(l) > width && (victim = least_kept(l)))
		drop(l, victim);
	for (unsigned int i = 0; i < l->n && total_width(l) > width; i++)
		if (!i || l->at[i].column->flex) {
			unsigned int over = total_width(l) - width;
			l->at[i].width = l->at[i].width > over + 4 ? l->at[i].width - over : 4;
		}
}

/* Room to spare: half of it for names that need it, the rest for the flex column. */
static void spread(struct es_layout *l, const void *const *rows, size_t n, const struct es_style *st)
{
	unsigned int used = total_width(l), spare = st->width > used ? st->width - used : 0;
	unsigned int wanted = content_width(l->at[0].column, rows, n, st), have = l->at[0].width;
	unsigned int more = wanted > have ? wanted - have : 0;

	more = more > spare / 2 ? spare / 2 : more;
	l->at[0].width += more;
	for (unsigned int i = 0; i < l->n; i++)
		if (l->at[i].column->flex)
			l->at[i].width += spare - more;
}

static bool is_worth(const struct es_column *c, const void *const *rows, size_t n)
{
	for (size_t i = 0; c->worth && i < n; i++)
		if (c->worth(rows[i]))
			return true;
	return !c->worth;
}

void es_layout(struct es_layout *l, const struct es_column *table, const void *const *rows, size_t n,
	       bool live, const struct es_style *st)
{
	*l = (struct es_layout){ .gap = 2 };
	for (const struct es_column *c = table; c->key && l->n < ES_COLUMNS_MAX; c++) {
		if ((live ? !c->live : c->only_live) || !is_worth(c, rows, n))
			continue;
		l->at[l->n].column = c;
		l->at[l->n++].width = live ? c->live : content_width(c, rows, n, st);
	}
	if (!st->width)
		return;
	fit(l, st->width);
	if (live)
		spread(l, rows, n, st);
}

/* Spaces are owed until something follows them: no line ends in one. */
static void put_cell(FILE *f, const char *text, unsigned int width, bool right, unsigned int *owed)
{
	unsigned int have = es_text_width(text), pad = have < width ? width - have : 0;

	*owed += right ? pad : 0;
	if (*text) {
		fprintf(f, "%*s%s", (int)*owed, "", text);
		*owed = 0;
	}
	*owed += right ? 0 : pad;
}

/* A bar whose pieces have a colour each; all its characters are one column wide. */
static void put_pieces(FILE *f, const char *text, const unsigned int columns[ES_TIME_PIECES],
		       const struct es_style *st)
{
	for (unsigned int i = 0; i < ES_TIME_PIECES; i++) {
		const char *start = text;

		for (unsigned int n = columns[i]; n && *text; n--)
			do
				text++;
			while (((unsigned char)*text & 0xc0) == 0x80);
		if (text > start)
			fprintf(f, "%s%.*s%s", es_sgr(es_time_sgr(i), st), (int)(text - start), start,
				es_sgr(ES_SGR_OFF, st));
	}
	fputs(text, f);
}

void es_layout_heading(FILE *f, const struct es_layout *l, const struct es_style *st)
{
	unsigned int owed = 0;

	fputs(es_sgr(ES_SGR_BOLD, st), f);
	for (unsigned int i = 0; i < l->n; i++) {
		owed += i ? l->gap : 0;
		put_cell(f, l->at[i].column->title, l->at[i].width, l->at[i].column->right, &owed);
	}
	fprintf(f, "%s\n", es_sgr(ES_SGR_OFF, st));
}

void es_layout_row(FILE *f, const struct es_layout *l, const void *row, const struct es_style *st)
{
	char buf[ES_CELL_MAX], cut[ES_CELL_MAX];
	unsigned int owed = 0;

	for (unsigned int i = 0; i < l->n; i++) {
		const struct es_column *c = l->at[i].column;

		c->cell(buf, row, c->flex ? l->at[i].width : 0, st);
		es_text_fit(cut, sizeof(cut), buf, l->at[i].width, st->utf8);
		owed += i ? l->gap : 0;
		if (c->pieces && st->colour && *cut) {
			unsigned int columns[ES_TIME_PIECES], have = es_text_width(cut);

			c->pieces(columns, row, have);
			fprintf(f, "%*s", (int)owed, "");
			put_pieces(f, cut, columns, st);
			owed = l->at[i].width > have ? l->at[i].width - have : 0;
			continue;
		}
		put_cell(f, cut, l->at[i].width, c->right, &owed);
	}
	fputc('\n', f);
}
