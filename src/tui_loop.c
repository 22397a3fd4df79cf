// SPDX-License-Identifier: GPL-2.0-only
/* The full screen's event loop: keys, the daemon, signals. */
#include <errno.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include <exitstat/tui.h>
#include <exitstat/util.h>

struct loop {
	struct es_tui tui;
	int signals;
	sigset_t waiting; /* the mask while waiting: SIGWINCH may come then, and only then */
	int error;
};

static int signals_begin(struct loop *l)
{
	sigset_t quits, blocked;

	sigemptyset(&quits);
	sigaddset(&quits, SIGINT);
	sigaddset(&quits, SIGTERM);
	sigaddset(&quits, SIGHUP);
	blocked = quits;
	sigaddset(&blocked, SIGWINCH);
	sigprocmask(SIG_BLOCK, &blocked, &l->waiting);
	sigaddset(&l->waiting, SIGINT);
	sigaddset(&l->waiting, SIGTERM);
	sigaddset(&l->waiting, SIGHUP);
	l->signals = signalfd(-1, &quits, SFD_CLOEXEC | SFD_NONBLOCK);
	return l->signals < 0 ? -errno : 0;
}

static void read_keys(struct es_tui *t)
{
	wint_t ch;
	int r;

	while (!t->quit && (r = get_wch(&ch)) != ERR) {
		es_tui_key(t, r == KEY_CODE_YES, ch);
		/* The next key means what is on the screen by then. */
		es_tui_draw(t);
	}
}

/* Waits for whatever comes first. */
static void wait_for_events(struct loop *l)
{
	struct pollfd p[] = { { .fd = STDIN_FILENO, .events = POLLIN },
			      { .fd = l->signals, .events = POLLIN },
			      { .fd = -1 } };
	int ms = l->tui.feed->ops->wait(l->tui.feed, &p[2].fd, &p[2].events);
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	if (l->tui.paused)
		p[2].fd = -1;
	ppoll(p, ES_ARRAY_SIZE(p), l->tui.paused ? NULL : &ts, &l->waiting);
	if (p[1].revents || (p[0].revents & (POLLHUP | POLLERR | POLLNVAL)))
		l->tui.quit = true;
	/* Also without input: a resize is read as a key. */
	read_keys(&l->tui);
}

/* With --vm and one VM of that name, that is what to look at. */
static void open_only_vm(struct es_tui *t)
{
	const struct es_snapshot *s = t->feed->top->sum;

	if (t->feed->vm && s->n_vms == 1 && !es_top_watch(t->feed->top, s->vms[0]->id))
		es_tui_go(t, es_tui_view_of(es_tui_aspect(t->view), true));
}

/* The first answer comes before the screen does, so that errors are plain lines. */
static int first_answer(struct loop *l)
{
	for (;;) {
		int r = l->tui.feed->ops->step(l->tui.feed);
		struct pollfd p[] = { { .fd = l->signals, .events = POLLIN }, { .fd = -1 } };

		if (r)
			return r < 0 ? r : 0;
		int ms = l->tui.feed->ops->wait(l->tui.feed, &p[1].fd, &p[1].events);
		poll(p, ES_ARRAY_SIZE(p), ms);
		if (p[0].revents)
			return -EINTR;
	}
}

static void run(struct loop *l)
{
	struct es_tui *t = &l->tui;

	while (!t->quit) {
		if ((!t->paused || t->feed->urgent) && t->feed->ops->step(t->feed) == -ENOMEM)
			l->error = -ENOMEM;
		if (l->error)
			return;
		es_tui_draw(t);
		wait_for_events(l);
	}
}

/* A list in the order that was asked for, where it has such a column; else as is usual there. */
static void list_begin(struct es_tui *t, enum es_tui_view view, const struct es_column *columns,
		       const char *usual, const char *wanted)
{
	const struct es_column *sort = wanted ? es_column_find(columns, wanted) : NULL;

	t->lists[view].columns = columns;
	t->lists[view].sort = sort ? sort : es_column_find(columns, usual);
}

static void lists_begin(struct es_tui *t, const struct es_args *args)
{
	enum es_aspect aspect;

	for (enum es_aspect a = 0; a < ES_ASPECTS; a++)
		list_begin(t, es_tui_view_of(a, false), es_aspect_columns(a), es_aspect_sort(a)->key,
			   args->sort);
	list_begin(t, ES_VIEW_VM, es_reason_columns, "rate", args->sort);
	list_begin(t, ES_VIEW_VM_PAGING, es_event_columns, "event", NULL);
	list_begin(t, ES_VIEW_VM_LATENCY, es_latency_columns, "time", args->sort);
	/* Its order is that of the buckets. */
	t->lists[ES_VIEW_REASON].columns = es_bucket_columns;
	list_begin(t, ES_VIEW_VM_TIME, es_vcpu_time_columns, "vcpu", args->sort);
	/* Several would have been refused: es_top_check(). */
	es_aspect_of("", args, &aspect);
	es_tui_go(t, es_tui_view_of(aspect, false));
}

enum es_exit es_tui_run(struct es_feed *feed, const struct es_args *args)
{
	struct loop l = { .tui = { .feed = feed, .style = es_style_for(stdout) } };
	const char *term = getenv("TERM");
	void *screen;
	int r = signals_begin(&l);

	if (r)
		return es_fail(ES_EXIT_FAILED, "cannot wait for signals: %s", strerror(-r));
	lists_begin(&l.tui, args);
	r = first_answer(&l);
	if (r == -EINTR)
		return ES_EXIT_OK;
	if (r)
		return es_fail_client(r, feed->err);
	open_only_vm(&l.tui);
	if (es_screen_begin(l.tui.style.colour, &screen))
		return es_fail(ES_EXIT_FAILED,
			       "terminal '%s' cannot show the full screen; use --batch, or set TERM",
			       term ? term : "");
	run(&l);
	es_screen_end(screen);
	close(l.signals);
	return l.error ? es_fail(ES_EXIT_FAILED, "%s", strerror(-l.error)) : ES_EXIT_OK;
}
