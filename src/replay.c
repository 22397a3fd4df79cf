// SPDX-License-Identifier: GPL-2.0-only
/* A source that is a recording: one snapshot of it per sample. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <exitstat/log.h>
#include <exitstat/recording.h>
#include <exitstat/source.h>
#include <exitstat/util.h>

struct replay {
	struct es_source src;
	struct es_recording *rec;
	unsigned int n, looks; /* snapshots given; in the file */
	bool latency, cut;     /* cut: its last line is not whole */
	struct es_snapshot *last;
};

/* Reads all of it once: a damaged recording is refused at the start, not in the middle. */
static int check(struct replay *rp, char err[ES_ERR_MAX])
{
	struct es_snapshot *s = NULL;
	int r;

	while ((r = es_recording_next(rp->rec, &s, err)) > 0) {
		es_snapshot_unref(s);
		rp->looks++;
	}
	rp->cut = es_recording_cut(rp->rec);
	if (r == 0)
		r = es_recording_seek(rp->rec, 0, 0);
	return r;
}

static int replay_sample(struct es_source *src, struct es_snapshot **out)
{
	struct replay *rp = (struct replay *)src;
	char err[ES_ERR_MAX];
	struct es_snapshot *s;
	int r = 0;

	if (rp->n < rp->looks) {
		r = es_recording_next(rp->rec, &s, err);
		if (r > 0) {
			es_snapshot_unref(rp->last);
			rp->last = s;
			rp->n++;
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
	snprintf(f->detail, sizeof(f->detail), "snapshot %u of %u of %.64s", rp->n, rp->looks,
		 es_recording_name(rp->rec));
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
	es_recording_close(rp->rec);
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
	char why[ES_ERR_MAX];
	int r;

	if (!rp) {
		es_recording_close(o->recording);
		snprintf(err, size, "out of memory");
		return -ENOMEM;
	}
	rp->src.ops = &replay_ops;
	rp->latency = o->latency;
	rp->rec = o->recording;
	r = check(rp, why);
	if (r < 0) {
		snprintf(err, size, "%s", why);
		replay_free(&rp->src);
	} else {
		if (rp->cut)
			es_warn("%s: the last line is not whole, and left out: its recorder was killed, or "
				"is still at work",
				es_recording_name(rp->rec));
		*out = &rp->src;
	}
	return r;
}
