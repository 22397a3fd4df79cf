// SPDX-License-Identifier: GPL-2.0-only
/*
 * A source that is a recording: JSON Lines, a snapshot a line, one line per sample.
 *
 * Owners are not part of the schema, so a recorded VM has none and only root and the
 * group see it; a member "uid" in a VM, which tests put there, gives it one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <exitstat/json.h>
#include <exitstat/source.h>
#include <exitstat/util.h>

struct replay {
	struct es_source src;
	FILE *f;
	char path[256];
	size_t line_size;
	char *line;
	unsigned int n, lines; /* lines read; lines in the file */
	bool latency;
	struct es_snapshot *last;
};

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

static int parse_line(const char *line, size_t len, struct es_snapshot **out, char err[ES_ERR_MAX])
{
	json_error_t je;
	json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &je);
	int r;

	if (!root) {
		snprintf(err, ES_ERR_MAX, "%s (column %d)", je.text, je.column);
		return -EBADMSG;
	}
	r = es_snapshot_from_json(root, out, err);
	if (r == 0)
		take_owners(root, *out);
	json_decref(root);
	return r;
}

/* The next line: 1, or 0 at the end of the file. */
static int next(struct replay *rp, struct es_snapshot **out, char *err, size_t size)
{
	char reason[ES_ERR_MAX] = "out of memory";
	ssize_t len = getline(&rp->line, &rp->line_size, rp->f);
	int r;

	if (len < 0 && ferror(rp->f)) {
		r = errno ? errno : EIO;
		snprintf(err, size, "cannot read %s: %s", rp->path, strerror(r));
		return -r;
	}
	if (len < 0)
		return 0;
	rp->n++;
	r = parse_line(rp->line, (size_t)len, out, reason);
	if (r < 0) {
		snprintf(err, size, "%s:%u: %s", rp->path, rp->n, reason);
		return r;
	}
	return 1;
}

/* Reads all of it once: a damaged recording is refused at the start, not in the middle. */
static int check(struct replay *rp, char *err, size_t size)
{
	struct es_snapshot *s = NULL;
	int r;

	while ((r = next(rp, &s, err, size)) > 0)
		es_snapshot_unref(s);
	if (r < 0)
		return r;
	if (!rp->n) {
		snprintf(err, size, "%s:1: no snapshot in it", rp->path);
		return -EBADMSG;
	}
	rp->lines = rp->n;
	rp->n = 0;
	rewind(rp->f);
	return 0;
}

static int replay_sample(struct es_source *src, struct es_snapshot **out)
{
	struct replay *rp = (struct replay *)src;
	char err[ES_ERR_MAX];
	struct es_snapshot *s;
	int r = 0;

	if (rp->n < rp->lines) {
		r = next(rp, &s, err, sizeof(err));
		if (r > 0) {
			es_snapshot_unref(rp->last);
			rp->last = s;
		}
	}
	if (r < 0)
		return r;
	if (!rp->last) /* the file was cut after it was checked */
		return -ENODATA;
	*out = es_snapshot_ref(rp->last);
	return 0;
}

static void replay_status(struct es_source *src, struct es_status *st)
{
	struct replay *rp = (struct replay *)src;
	struct es_feature_status *f = &st->features[st->n_features++];

	st->attach = ES_ATTACH_REPLAY;
	st->latency = rp->latency;
	if (rp->last) {
		st->host = rp->last->host;
		st->health = rp->last->health;
	}
	st->short_cells = st->ring_full = st->map_bytes = ES_NONE;
	snprintf(f->name, sizeof(f->name), "replay");
	f->on = true;
	snprintf(f->detail, sizeof(f->detail), "snapshot %u of %u of %.64s", rp->n, rp->lines, rp->path);
}

static int replay_refuse(struct es_source *src, char *err, size_t size)
{
	(void)src;
	snprintf(err, size, "a recording is being replayed: nothing is attached to KVM");
	return -EOPNOTSUPP;
}

static void replay_free(struct es_source *src)
{
	struct replay *rp = (struct replay *)src;

	es_snapshot_unref(rp->last);
	es_fclosep(&rp->f);
	free(rp->line);
	free(rp);
}

static const struct es_source_ops replay_ops = {
	.sample = replay_sample,
	.status = replay_status,
	.detach = replay_refuse,
	.attach = replay_refuse,
	.free = replay_free,
};

int es_replay_new(const struct es_source_options *o, struct es_source **out, char *err, size_t size)
{
	struct replay *rp = calloc(1, sizeof(*rp));
	struct stat st;
	int r = 0;

	if (!rp) {
		snprintf(err, size, "out of memory");
		return -ENOMEM;
	}
	rp->src.ops = &replay_ops;
	rp->latency = o->latency;
	snprintf(rp->path, sizeof(rp->path), "%s", o->replay);
	rp->f = fopen(o->replay, "re");
	if (!rp->f || fstat(fileno(rp->f), &st) < 0) {
		r = -errno;
		snprintf(err, size, "cannot read %s: %s", rp->path, strerror(-r));
	} else if (!S_ISREG(st.st_mode)) {
		r = -EINVAL; /* it is read twice */
		snprintf(err, size, "cannot replay %s: not a regular file", rp->path);
	} else {
		r = check(rp, err, size);
	}
	if (r < 0)
		replay_free(&rp->src);
	else
		*out = &rp->src;
	return r;
}
