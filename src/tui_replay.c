// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeps top fed by a recording. All of it is read once at the start, which finds damage and the place of each look, so that
 * any of them can be gone to; then looks are read again as their time comes.
 */
#include <errno.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/recording.h>
#include <exitstat/top.h>
#include <exitstat/util.h>

#define NS_PER_MS     1000000ULL
#define FOREVER_MS    (3600 * 1000)
#define SPEED_MIN     (1.0 / 64)
#define CONTEXT_BYTES (8UL << 20) /* read before a place that was jumped to, for the rates over time */

struct mark {
	uint64_t offset; /* in the file */
	size_t line;	 /* the one before */
	uint64_t at_ns;
};

struct es_replay {
	struct es_recording *rec;
	struct mark *looks;
	size_t n;
	size_t at;     /* looks shown: the at-th is on the screen, from 1 */
	size_t wanted; /* the one to show */
	double speed;
	uint64_t due_ns; /* when the next one is, on our own clock */
	bool vm_seen;
};

/* --- the file --- */

static int add_mark(struct es_replay *rp, const struct mark *m)
{
	/* Room for a power of two of them. */
	if (!(rp->n & (rp->n - 1))) {
		struct mark *more = reallocarray(rp->looks, rp->n ? 2 * rp->n : 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		rp->looks = more;
	}
	rp->looks[rp->n++] = *m;
	return 0;
}

static bool has_vm(const struct es_snapshot *s, const char *vm)
{
	for (size_t i = 0; vm && i < s->n_vms; i++)
		if (es_vm_matches(s->vms[i], vm))
			return true;
	return !vm;
}

static int read_all(struct es_feed *f, struct es_replay *rp)
{
	int r = 0;

	while (!r) {
		struct mark m = { es_recording_tell(rp->rec), es_recording_line(rp->rec), 0 };
		struct es_snapshot *s;

		r = es_recording_next(rp->rec, &s, f->err);
		if (r <= 0)
			break;
		m.at_ns = s->taken.monotonic_ns;
		rp->vm_seen = rp->vm_seen || has_vm(s, f->vm);
		es_snapshot_unref(s);
		r = add_mark(rp, &m);
	}
	if (r == -ENOMEM)
		snprintf(f->err, sizeof(f->err), "out of memory");
	if (!r && !rp->vm_seen) {
		snprintf(f->err, sizeof(f->err), "%s: no VM '%.64s' in it", es_recording_name(rp->rec),
			 f->vm);
		r = -ESRCH;
	}
	return r;
}

static void replay_close(struct es_feed *f)
{
	struct es_replay *rp = f->replay;

	if (rp) {
		es_recording_close(rp->rec);
		free(rp->looks);
	}
	free(rp);
	f->replay = NULL;
	free(f->notice);
	f->notice = NULL;
}

static int replay_open(struct es_feed *f)
{
	int r;

	if (!f->replay && es_replay_set_speed(f, 1)) {
		snprintf(f->err, sizeof(f->err), "out of memory");
		return -ENOMEM;
	}
	r = es_recording_open(f->path, true, &f->replay->rec, f->err);
	if (!r)
		r = read_all(f, f->replay);
	if (!r && es_recording_cut(f->replay->rec) &&
	    asprintf(&f->notice,
		     "%s: the last line is not whole: its recorder was killed, or is still at work",
		     es_recording_name(f->replay->rec)) < 0)
		f->notice = NULL;
	if (!r)
		r = es_recording_seek(f->replay->rec, 0, 0);
	f->top->baseline = true;
	return r;
}

/* --- looks --- */

/* What the daemon would answer to who asks for f->vm. */
static struct es_snapshot *select_vms(const struct es_feed *f, const struct es_snapshot *s)
{
	struct es_snapshot *sel = es_snapshot_select(s, f->vm);

	if (!sel || !es_top_misses(f->top, sel))
		return sel;
	/* An ended VM behind a new one of its name, at which somebody is looking. */
	for (size_t i = 0; i < s->n_vms; i++) {
		if (strcmp(s->vms[i]->id, f->top->watched) != 0)
			continue;
		if (!es_snapshot_add(sel, es_vm_ref(s->vms[i])))
			break;
		es_snapshot_unref(sel);
		return NULL;
	}
	return sel;
}

/* The next look. 0, or negative errno with err. */
static int read_look(struct es_feed *f)
{
	struct es_replay *rp = f->replay;
	struct es_snapshot *s = NULL, *sel;
	int r = es_recording_next(rp->rec, &s, f->err);

	if (!r) {
		snprintf(f->err, sizeof(f->err), "%s: is shorter than it was", es_recording_name(rp->rec));
		r = -ENODATA;
	}
	if (r < 0)
		return r;
	sel = select_vms(f, s);
	es_snapshot_unref(s);
	/* The one look of `snapshot --for` is a difference, and so it is its own interval. */
	r = sel ? es_top_put(f->top, sel, rp->n == 1 ? es_snapshot_ref(sel) : NULL) : -ENOMEM;
	if (r < 0)
		return r;
	rp->at++;
	return 0;
}

/* How long the look that is shown stays. */
static void set_due(struct es_replay *rp)
{
	uint64_t gap = 0;

	if (rp->at && rp->at < rp->n)
		gap = es_diff_u64(rp->looks[rp->at - 1].at_ns, rp->looks[rp->at].at_ns);
	rp->due_ns = es_monotonic_ns() + (gap == ES_NONE ? 0 : (uint64_t)((double)gap / rp->speed));
}

/* Back, or far ahead: reading begins some looks before the wanted one, so that its rates are known. */
static int jump(struct es_feed *f)
{
	struct es_replay *rp = f->replay;
	size_t first = rp->wanted - 1, least = first;

	while (least && rp->wanted - least < ES_HISTORY_MAX &&
	       (least + 1 >= first || rp->looks[first].offset - rp->looks[least - 1].offset < CONTEXT_BYTES))
		least--;
	if (rp->at >= least && rp->at < rp->wanted)
		return 0; /* on the way there, anyhow */
	es_top_rewind(f->top);
	rp->at = least;
	return es_recording_seek(rp->rec, rp->looks[least].offset, rp->looks[least].line);
}

/* The file changed since it was read: that is its end. */
static int broken(struct es_feed *f, int error)
{
	if (error == -ENOMEM || !f->top->sum || f->hurry)
		return error;
	f->lost = true;
	f->replay->n = f->replay->wanted = f->replay->at;
	f->done = true;
	return 1;
}

static int replay_step(struct es_feed *f)
{
	struct es_replay *rp = f->replay;
	bool moved = f->urgent && rp->wanted != rp->at;
	int r = 0;

	f->urgent = false;
	if (!moved && rp->at == rp->n)
		return 0;
	if (!moved && rp->at && !f->hurry && es_monotonic_ns() < rp->due_ns)
		return 0;
	if (moved)
		r = jump(f);
	else
		rp->wanted = rp->at + 1;
	while (!r && rp->at < rp->wanted)
		r = read_look(f);
	if (r)
		return broken(f, r);
	f->done = rp->at == rp->n;
	set_due(rp);
	return 1;
}

static void replay_restart(struct es_feed *f)
{
	set_due(f->replay);
}

static bool replay_slow(const struct es_feed *f)
{
	(void)f;
	return false;
}

static int replay_wait(const struct es_feed *f, int *fd, short *events)
{
	const struct es_replay *rp = f->replay;
	uint64_t now = es_monotonic_ns(), ms;

	*fd = -1;
	*events = 0;
	if (f->urgent || f->hurry || rp->at < 1)
		return 0;
	if (rp->at == rp->n)
		return FOREVER_MS;
	ms = rp->due_ns > now ? (rp->due_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0;
	return ms < FOREVER_MS ? (int)ms : FOREVER_MS;
}

static void replay_where(const struct es_feed *f, char buf[ES_CELL_MAX])
{
	const struct es_replay *rp = f->replay;
	char speed[32];

	snprintf(speed, sizeof(speed), rp->speed < 1 ? "1/%.0fx" : "%.0fx",
		 rp->speed < 1 ? 1 / rp->speed : rp->speed);
	snprintf(buf, ES_CELL_MAX, "replay %zu of %zu  %s", rp->at, rp->n, rp->at == rp->n ? "end" : speed);
}

const struct es_feed_ops es_feed_replay = {
	.open = replay_open,
	.close = replay_close,
	.restart = replay_restart,
	.step = replay_step,
	.slow = replay_slow,
	.wait = replay_wait,
	.where = replay_where,
};

/* --- keys --- */

void es_replay_move(struct es_feed *f, int looks, int tenths)
{
	struct es_replay *rp = f->replay;
	size_t tenth, from;

	if (!rp)
		return;
	tenth = rp->n > 10 ? rp->n / 10 : 1;
	from = f->urgent ? rp->wanted : rp->at;
	if (looks > 0 || tenths > 0) {
		rp->wanted =
			from + (looks > 0 ? (size_t)looks : 0) + (tenths > 0 ? (size_t)tenths * tenth : 0);
	} else {
		size_t back = (looks < 0 ? (size_t)-looks : 0) + (tenths < 0 ? (size_t)-tenths * tenth : 0);

		rp->wanted = from > back ? from - back : 1;
	}
	if (rp->wanted > rp->n)
		rp->wanted = rp->n;
	f->urgent = true;
}

void es_replay_speed(struct es_feed *f, bool faster)
{
	struct es_replay *rp = f->replay;

	if (!rp)
		return;
	rp->speed = faster ? rp->speed * 2 : rp->speed / 2;
	rp->speed = rp->speed > ES_SPEED_MAX ? ES_SPEED_MAX : rp->speed < SPEED_MIN ? SPEED_MIN : rp->speed;
	set_due(rp);
}

int es_replay_set_speed(struct es_feed *f, uint64_t n)
{
	if (!f->replay)
		f->replay = calloc(1, sizeof(*f->replay));
	if (!f->replay)
		return -ENOMEM;
	f->replay->speed = (double)n;
	return 0;
}
