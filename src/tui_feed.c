// SPDX-License-Identifier: GPL-2.0-only
/* Keeps top fed by the daemon: one state machine for the full screen and for --batch. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <exitstat/top.h>
#include <exitstat/util.h>

#define NS_PER_MS 1000000ULL
#define RETRY_NS  (500 * NS_PER_MS)
#define SLOW_NS	  (2000 * NS_PER_MS)

static void drop_round(struct es_feed *f)
{
	es_snapshot_unref(f->seed);
	es_snapshot_unref(f->sum);
	f->seed = f->sum = NULL;
}

/* The daemon is gone: whatever it says when it is back is not compared with what it said before. */
static void lose(struct es_feed *f)
{
	drop_round(f);
	es_client_free(f->client);
	f->client = NULL;
	f->phase = ES_FEED_DOWN;
	f->retry_ns = es_monotonic_ns() + RETRY_NS;
	f->lost = true;
	f->top->baseline = true;
}

static int ask(struct es_feed *f, enum es_feed_phase phase)
{
	struct es_snapshot_request q = {
		.vm = phase == ES_FEED_WATCHED ? f->top->watched : f->vm,
		.per_vcpu = f->top->vcpus && (f->vm || phase == ES_FEED_WATCHED),
		.last_interval = phase == ES_FEED_SEED,
	};

	f->phase = phase;
	f->sent_ns = f->heard_ns = es_monotonic_ns();
	return es_client_send(f->client, "exitstat.GetSnapshot", es_snapshot_params(&q), f->err);
}

static int begin_round(struct es_feed *f)
{
	f->round_ns = es_monotonic_ns();
	return ask(f, f->top->baseline || !f->top->sum ? ES_FEED_SEED : ES_FEED_TOTALS);
}

static int feed_open(struct es_feed *f)
{
	int r = es_client_open(f->socket, &f->client, f->err);

	f->top->baseline = true;
	return r ? r : begin_round(f);
}

static void feed_close(struct es_feed *f)
{
	drop_round(f);
	es_client_free(f->client);
	f->client = NULL;
	free(f->notice);
	f->notice = NULL;
}

static void feed_restart(struct es_feed *f)
{
	bool lost = f->lost;

	lose(f);
	f->lost = lost;
	f->retry_ns = 0;
}

/* What --vm names is gone from the daemon's memory: that is an answer, namely none. */
static struct es_snapshot *empty_totals(const struct es_feed *f)
{
	struct es_snapshot *s = es_snapshot_new();

	if (!s)
		return NULL;
	s->host = f->top->sum->host;
	s->taken = f->top->sum->taken;
	s->taken.monotonic_ns += f->interval_ns;
	s->taken.realtime_ns += f->interval_ns;
	return s;
}

static int finish_round(struct es_feed *f)
{
	int r = es_top_put(f->top, es_steal_ptr(&f->sum), es_steal_ptr(&f->seed));

	f->phase = ES_FEED_RESTING;
	f->lost = false;
	return r < 0 ? r : 1;
}

/* Has the watched VM to be asked for by itself? */
static bool asks_for_watched(const struct es_feed *f)
{
	return es_top_misses(f->top, f->sum) || (f->top->watched && f->top->vcpus && !f->vm);
}

/* The watched VM, by itself, in the place of what the totals say of it. */
static int put_watched(struct es_snapshot *sum, struct es_vm *vm)
{
	for (size_t i = 0; i < sum->n_vms; i++) {
		if (strcmp(sum->vms[i]->id, vm->id) != 0)
			continue;
		es_vm_unref(sum->vms[i]);
		sum->vms[i] = es_vm_ref(vm);
		return 0;
	}
	return es_snapshot_add(sum, es_vm_ref(vm));
}

/* The answer to the question of the current phase, or that there is no such VM. */
static int take_answer(struct es_feed *f, struct es_snapshot *s, char *notice)
{
	if (f->phase == ES_FEED_WATCHED) {
		free(notice);
		int r = s && s->n_vms ? put_watched(f->sum, s->vms[0]) : 0;

		es_snapshot_unref(s);
		if (r)
			return r;
		return finish_round(f);
	}
	free(f->notice);
	f->notice = notice;
	if (f->phase == ES_FEED_SEED) {
		f->seed = s;
		return ask(f, ES_FEED_TOTALS);
	}
	f->sum = s ? s : empty_totals(f);
	if (!f->sum)
		return -ENOMEM;
	if (asks_for_watched(f))
		return ask(f, ES_FEED_WATCHED);
	return finish_round(f);
}

static int receive(struct es_feed *f)
{
	json_t *answer = NULL;
	struct es_snapshot *s = NULL;
	char *notice = NULL;
	int r = es_client_receive(f->client, &answer, f->err);

	if (!r && f->phase == ES_FEED_RESTING) {
		json_decref(answer);
		snprintf(f->err, sizeof(f->err), "exitstatd answered what was not asked");
		return -EPROTO;
	}
	if (!r)
		r = es_client_take_snapshot(answer, &s, &notice, f->err);
	json_decref(answer);
	if (r == -ESRCH && (f->top->sum || f->phase == ES_FEED_WATCHED))
		r = 0;
	return r ? r : take_answer(f, s, notice);
}

static int reconnect(struct es_feed *f)
{
	if (es_monotonic_ns() < f->retry_ns)
		return -EAGAIN;
	f->retry_ns = es_monotonic_ns() + RETRY_NS;
	if (es_client_open(f->socket, &f->client, f->err)) {
		f->lost = true; /* also if it went while we were paused */
		return -EAGAIN;
	}
	return begin_round(f);
}

static int advance(struct es_feed *f)
{
	int r;

	if (f->phase == ES_FEED_DOWN)
		return reconnect(f);
	r = receive(f);
	if (r != -EAGAIN)
		return r;
	if (f->phase == ES_FEED_RESTING)
		return es_monotonic_ns() >= f->round_ns + f->interval_ns ? begin_round(f) : -EAGAIN;
	if (es_client_heard(f->client) != f->heard)
		f->heard_ns = es_monotonic_ns();
	f->heard = es_client_heard(f->client);
	if (es_monotonic_ns() < f->heard_ns + ES_CLIENT_TIMEOUT_MS * NS_PER_MS)
		return -EAGAIN;
	snprintf(f->err, sizeof(f->err), "exitstatd does not answer on %s", f->socket);
	return -ETIMEDOUT;
}

static int feed_step(struct es_feed *f)
{
	for (;;) {
		int r = advance(f);

		if (r == -EAGAIN)
			return 0;
		if (r > 0 || r == -ENOMEM)
			return r;
		if (r == 0)
			continue;
		if (!f->top->sum)
			return r;
		lose(f);
	}
}

static bool feed_slow(const struct es_feed *f)
{
	return f->phase != ES_FEED_DOWN && f->phase != ES_FEED_RESTING &&
	       es_monotonic_ns() >= f->sent_ns + SLOW_NS;
}

static int feed_wait(const struct es_feed *f, int *fd, short *events)
{
	uint64_t now = es_monotonic_ns(), until = f->heard_ns + ES_CLIENT_TIMEOUT_MS * NS_PER_MS;

	if (f->phase == ES_FEED_DOWN)
		until = f->retry_ns;
	else if (f->phase == ES_FEED_RESTING)
		until = f->round_ns + f->interval_ns;
	if (!feed_slow(f) && until > f->sent_ns + SLOW_NS && f->phase > ES_FEED_DOWN &&
	    f->phase < ES_FEED_RESTING)
		until = f->sent_ns + SLOW_NS;
	*fd = f->client ? es_client_fd(f->client) : -1;
	*events = f->client ? es_client_events(f->client) : 0;
	return until <= now ? 0 : (int)((until - now + NS_PER_MS - 1) / NS_PER_MS);
}

static void feed_where(const struct es_feed *f, char buf[ES_CELL_MAX])
{
	uint64_t ms = f->interval_ns / NS_PER_MS;

	snprintf(buf, ES_CELL_MAX, ms % 1000 ? "every %llums" : "every %llus",
		 (unsigned long long)(ms % 1000 ? ms : ms / 1000));
}

const struct es_feed_ops es_feed_daemon = {
	.open = feed_open,
	.close = feed_close,
	.restart = feed_restart,
	.step = feed_step,
	.slow = feed_slow,
	.wait = feed_wait,
	.where = feed_where,
};
