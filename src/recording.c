// SPDX-License-Identifier: GPL-2.0-only
/* Reads recordings, line by line, and trusts them in nothing. */
#include <exitstat/recording.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <exitstat/reasons.h>
#include <exitstat/util.h>

#define CHUNK	  65536
#define PATH_SHOW 100 /* of a path, in messages: its end */

struct es_recording {
	int fd;
	char shown[PATH_SHOW + 4];
	char *buf;
	size_t start, end, cap; /* what is read and not yet used */
	uint64_t offset;	/* of buf[start] in the file */
	size_t line;		/* of the last snapshot */
	size_t n;		/* snapshots read since the start */
	bool eof, cut;
	struct es_snapshot *last; /* what the next one must not fall behind */
	struct es_vm **sorted;	  /* its VMs by id */
};

/* A piece of the file without its newline. */
struct piece {
	const char *text;
	size_t len;
	bool whole; /* there was a newline */
};

static int fail(const struct es_recording *r, size_t line, char err[ES_ERR_MAX], int error, const char *fmt,
		...) __attribute__((format(printf, 5, 6)));
static int fail(const struct es_recording *r, size_t line, char err[ES_ERR_MAX], int error, const char *fmt,
		...)
{
	int n = line ? snprintf(err, ES_ERR_MAX, "%s:%zu: ", r->shown, line)
		     : snprintf(err, ES_ERR_MAX, "%s: ", r->shown);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err + n, ES_ERR_MAX - (size_t)n, fmt, ap);
	va_end(ap);
	/* Reasons quote the file. */
	for (char *p = err + n; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
	return -error;
}

static int open_file(const char *path, bool seekable, char err[ES_ERR_MAX])
{
	/* Whoever opens a FIFO waits for its writer: fine where a pipe will do, else a trap. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | (seekable ? O_NONBLOCK : 0)), r;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		r = -errno;
		snprintf(err, ES_ERR_MAX, "cannot read %.150s: %s", path, strerror(-r));
	} else if (seekable && !S_ISREG(st.st_mode)) {
		r = -EINVAL; /* it is read more than once */
		snprintf(err, ES_ERR_MAX, "cannot replay %.150s: not a regular file", path);
	} else if (S_ISDIR(st.st_mode)) {
		r = -EISDIR;
		snprintf(err, ES_ERR_MAX, "cannot read %.150s: it is a directory", path);
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return r;
}

int es_recording_open(const char *path, bool seekable, struct es_recording **out, char err[ES_ERR_MAX])
{
	int fd = open_file(path, seekable, err);
	size_t len = strlen(path);
	struct es_recording *r;

	if (fd < 0)
		return fd;
	r = calloc(1, sizeof(*r));
	if (!r) {
		close(fd);
		snprintf(err, ES_ERR_MAX, "out of memory");
		return -ENOMEM;
	}
	r->fd = fd;
	snprintf(r->shown, sizeof(r->shown), "%s%s", len > PATH_SHOW ? "..." : "",
		 path + (len > PATH_SHOW ? len - PATH_SHOW : 0));
	*out = r;
	return 0;
}

static void forget_last(struct es_recording *r)
{
	es_snapshot_unref(r->last);
	free(r->sorted);
	r->last = NULL;
	r->sorted = NULL;
}

void es_recording_close(struct es_recording *r)
{
	if (!r)
		return;
	forget_last(r);
	close(r->fd);
	free(r->buf);
	free(r);
}

const char *es_recording_name(const struct es_recording *r)
{
	return r->shown;
}

bool es_recording_cut(const struct es_recording *r)
{
	return r->cut;
}

size_t es_recording_line(const struct es_recording *r)
{
	return r->line;
}

uint64_t es_recording_tell(const struct es_recording *r)
{
	return r->offset;
}

int es_recording_seek(struct es_recording *r, uint64_t offset, size_t line)
{
	if (lseek(r->fd, (off_t)offset, SEEK_SET) < 0)
		return -errno;
	forget_last(r);
	r->start = r->end = 0;
	r->offset = offset;
	r->line = line;
	r->eof = r->cut = false;
	r->n = offset ? r->n : 0;
	return 0;
}

/* --- lines --- */

/* Reads more behind what is there. 0, also at the end of the file, or negative errno with err. */
static int read_more(struct es_recording *r, char err[ES_ERR_MAX])
{
	ssize_t n;

	if (r->start) {
		memmove(r->buf, r->buf + r->start, r->end - r->start);
		r->end -= r->start;
		r->start = 0;
	}
	if (r->end > ES_RECORDING_LINE_MAX)
		return fail(r, r->line + 1, err, EBADMSG, "longer than %lu MiB, which no snapshot is",
			    ES_RECORDING_LINE_MAX >> 20);
	if (r->cap - r->end < CHUNK) {
		size_t cap = r->cap ? r->cap * 2 : 4UL * CHUNK;
		char *bigger = realloc(r->buf, cap);

		if (!bigger)
			return fail(r, r->line + 1, err, ENOMEM, "out of memory");
		r->buf = bigger;
		r->cap = cap;
	}
	do
		n = read(r->fd, r->buf + r->end, r->cap - r->end);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		int error = errno;

		return fail(r, 0, err, error, "cannot be read: %s", strerror(error));
	}
	r->eof = !n;
	r->end += (size_t)n;
	return 0;
}

static void use_up(struct es_recording *r, size_t n)
{
	r->start += n;
	r->offset += n;
}

/* The next line: 1, 0 at the end, or negative errno. It stays where it is until use_up(). */
static int next_line(struct es_recording *r, struct piece *out, char err[ES_ERR_MAX])
{
	size_t scanned = 0;

	for (;;) {
		const char *text = r->buf + r->start, *end = NULL;
		size_t have = r->end - r->start;
		int e;

		if (have > scanned)
			end = memchr(text + scanned, '\n', have - scanned);
		if (end || (r->eof && have)) {
			*out = (struct piece){ text, end ? (size_t)(end - text) : have, end };
			return 1;
		}
		if (r->eof)
			return 0;
		scanned = have;
		e = read_more(r, err);
		if (e)
			return e;
	}
}

static bool blank(const struct piece *p)
{
	for (size_t i = 0; i < p->len; i++)
		if (!strchr(" \t\r", p->text[i]) || !p->text[i])
			return false;
	return true;
}

/* --- what a file of snapshots must be --- */

static int compare_ids(const void *pa, const void *pb)
{
	const struct es_vm *const *a = pa, *const *b = pb;

	return strcmp((*a)->id, (*b)->id);
}

static int went_back(const struct es_recording *r, const struct es_host *host, const struct es_vm *vm,
		     const struct es_reason *was, uint64_t now, char err[ES_ERR_MAX])
{
	char name[ES_REASON_NAME_MAX];

	return fail(r, r->line, err, EBADMSG, "exits of VM %.40s go back: %s from %llu to %llu", vm->id,
		    es_reason_name(host->isa, was->code, name), (unsigned long long)was->count,
		    (unsigned long long)now);
}

/* Counts of exits only grow. Times may be corrected by a little: they are not looked at. */
static int check_counts(const struct es_recording *r, const struct es_host *host, const struct es_vm *was,
			const struct es_vm *vm, char err[ES_ERR_MAX])
{
	const struct es_counts *now = &vm->counts;
	size_t at = 0;

	for (size_t i = 0; i < was->counts.n_reasons; i++) {
		const struct es_reason *old = &was->counts.reasons[i];
		uint64_t count = 0;

		while (at < now->n_reasons && now->reasons[at].code < old->code)
			at++;
		if (at < now->n_reasons && now->reasons[at].code == old->code)
			count = now->reasons[at].count;
		if (old->count != ES_NONE && count < old->count)
			return went_back(r, host, vm, old, count, err);
	}
	return 0;
}

/* sorted: the VMs of s by id. */
static int check_vms(const struct es_recording *r, const struct es_snapshot *s, struct es_vm **sorted,
		     char err[ES_ERR_MAX])
{
	size_t at = 0, n = r->last ? r->last->n_vms : 0;
	int e = 0;

	for (size_t i = 0; i < s->n_vms; i++) {
		if (!*sorted[i]->id)
			return fail(r, r->line, err, EBADMSG, "a VM without an id");
		if (i && !strcmp(sorted[i]->id, sorted[i - 1]->id))
			return fail(r, r->line, err, EBADMSG, "two VMs have the id %.60s", sorted[i]->id);
	}
	for (size_t i = 0; !e && i < s->n_vms; i++) {
		while (at < n && strcmp(r->sorted[at]->id, sorted[i]->id) < 0)
			at++;
		if (at < n && !strcmp(r->sorted[at]->id, sorted[i]->id))
			e = check_counts(r, &s->host, r->sorted[at], sorted[i], err);
	}
	return e;
}

/* Does s follow on what was read before? */
static int check_order(const struct es_recording *r, const struct es_snapshot *s, char err[ES_ERR_MAX])
{
	const struct es_host *was = &r->last->host, *host = &s->host;

	if (s->taken.interval_ns != ES_NONE || r->last->taken.interval_ns != ES_NONE)
		return fail(r, r->line, err, EBADMSG, "differences, where a recording holds totals");
	if (s->taken.monotonic_ns == ES_NONE || r->last->taken.monotonic_ns == ES_NONE)
		return fail(r, r->line, err, EBADMSG, "taken.monotonic_ns: missing");
	if (s->taken.monotonic_ns < r->last->taken.monotonic_ns)
		return fail(r, r->line, err, EBADMSG,
			    "time goes back: are these two recordings in one file?");
	if (was->isa != ES_ISA_NONE && host->isa != ES_ISA_NONE && was->isa != host->isa)
		return fail(r, r->line, err, EBADMSG, "another host: %s after %s", es_isa_name(host->isa),
			    es_isa_name(was->isa));
	if (strcmp(was->kernel, host->kernel) != 0)
		return fail(r, r->line, err, EBADMSG, "another host: Linux %s after %s", host->kernel,
			    was->kernel);
	return 0;
}

static int check(struct es_recording *r, struct es_snapshot *s, char err[ES_ERR_MAX])
{
	_cleanup_free_ struct es_vm **sorted = calloc(s->n_vms + 1, sizeof(struct es_vm *));
	int e = r->last ? check_order(r, s, err) : 0;

	if (!sorted)
		return fail(r, r->line, err, ENOMEM, "out of memory");
	for (size_t i = 0; i < s->n_vms; i++)
		sorted[i] = s->vms[i];
	qsort(sorted, s->n_vms, sizeof(struct es_vm *), compare_ids);
	if (!e)
		e = check_vms(r, s, sorted, err);
	if (e)
		return e;
	forget_last(r);
	r->last = es_snapshot_ref(s);
	r->sorted = es_steal_ptr(&sorted);
	return 0;
}

/* --- snapshots --- */

/*
 * Owners are not part of the schema, so a recorded VM has none and a daemon that replays shows it to root and
 * its group only; a member "uid", which tests put there, gives it one.
 */
static void take_owners(const json_t *root, struct es_snapshot *s)
{
	const json_t *vms = json_object_get(root, "vms");

	/* As many as the snapshot has, in its order: the parser keeps both. */
	for (size_t i = 0; i < s->n_vms; i++) {
		const json_t *uid = json_object_get(json_array_get(vms, i), "uid");

		if (json_is_integer(uid))
			s->vms[i]->uid = (uint32_t)json_integer_value(uid);
	}
}

/* What is not ours, and what a newer version of us may have written. */
static int check_schema(const struct es_recording *r, const json_t *root, char err[ES_ERR_MAX])
{
	const char *schema = json_string_value(json_object_get(root, "schema"));
	unsigned int version;
	char end;

	if (!schema)
		return fail(r, r->line, err, EBADMSG, "not a snapshot: it has no schema");
	if (!strcmp(schema, ES_SCHEMA))
		return 0;
	if (sscanf(schema, "exitstat/%u%c", &version, &end) == 1)
		return fail(r, r->line, err, EBADMSG,
			    "schema %.20s: of a newer exitstat; this one reads " ES_SCHEMA, schema);
	return fail(r, r->line, err, EBADMSG, "schema '%.40s' is not " ES_SCHEMA, schema);
}

static int take_root(struct es_recording *r, json_t *root, struct es_snapshot **out, char err[ES_ERR_MAX])
{
	char reason[ES_ERR_MAX] = "out of memory";
	struct es_snapshot *s = NULL;
	int e = check_schema(r, root, err);

	if (!e && (e = es_snapshot_from_json(root, &s, reason)))
		fail(r, r->line, err, -e, "%s", reason);
	if (!e) {
		take_owners(root, s);
		e = check(r, s, err);
	}
	json_decref(root);
	if (e) {
		es_snapshot_unref(s);
		return e;
	}
	r->n++;
	*out = s;
	return 1;
}

static int not_json(const struct es_recording *r, size_t line, const json_error_t *je, char err[ES_ERR_MAX])
{
	if (json_error_code(je) == json_error_out_of_memory)
		return fail(r, line, err, ENOMEM, "out of memory");
	return fail(r, line, err, EBADMSG, "not JSON: %s (column %d)", je->text, je->column);
}

/* The file is one snapshot over many lines. All of it is read. why: what is wrong with the first line alone. */
static int parse_spread(struct es_recording *r, const struct piece *first, const json_error_t *why,
			json_t **root, char err[ES_ERR_MAX])
{
	bool opens = first->len == strspn(first->text, " \t\r{");
	json_error_t je;
	int e = 0;

	while (!e && !r->eof)
		e = read_more(r, err);
	if (e)
		return e;
	*root = json_loadb(r->buf + r->start, r->end - r->start, JSON_REJECT_DUPLICATES, &je);
	use_up(r, r->end - r->start);
	if (*root)
		return 1;
	if (json_error_code(&je) == json_error_premature_end_of_input)
		return fail(r, r->line + (size_t)je.line - 1, err, EBADMSG,
			    "ends in the middle of a snapshot");
	/* Lines of which the first is damaged, or one damaged snapshot? */
	return opens ? not_json(r, r->line + (size_t)je.line - 1, &je, err) : not_json(r, r->line, why, err);
}

/* 1 and *root is the caller's; 0: the recorder died while it wrote this line; or negative errno. */
static int parse_line(struct es_recording *r, const struct piece *p, json_t **root, char err[ES_ERR_MAX])
{
	json_error_t je;

	*root = json_loadb(p->text, p->len, JSON_REJECT_DUPLICATES, &je);
	if (!*root && !r->n && p->whole && p->text[strspn(p->text, " \t")] == '{' &&
	    json_error_code(&je) == json_error_premature_end_of_input)
		return parse_spread(r, p, &je, root, err);
	if (*root) {
		use_up(r, p->len + p->whole);
		return 1;
	}
	if (p->whole || json_error_code(&je) == json_error_out_of_memory)
		return not_json(r, r->line, &je, err);
	if (!r->n)
		return fail(r, r->line, err, EBADMSG, "ends in the middle of its first snapshot");
	r->cut = true;
	return 0;
}

int es_recording_next(struct es_recording *r, struct es_snapshot **out, char err[ES_ERR_MAX])
{
	json_t *root = NULL;
	struct piece p = { 0 };
	int e;

	while ((e = next_line(r, &p, err)) > 0 && blank(&p)) {
		use_up(r, p.len + p.whole);
		r->line++;
	}
	if (!e && !r->n)
		return fail(r, 1, err, EBADMSG, "no snapshot in it");
	if (e <= 0)
		return e;
	r->line++;
	e = parse_line(r, &p, &root, err);
	return e > 0 ? take_root(r, root, out, err) : e;
}
