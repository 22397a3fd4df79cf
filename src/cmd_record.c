// SPDX-License-Identifier: GPL-2.0-only
/* exitstat record: what the daemon says, look by look, into a file. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include <exitstat/cli.h>
#include <exitstat/diff.h>
#include <exitstat/record.h>
#include <exitstat/util.h>

#define NS_PER_MS      1000000ULL
#define INTERVAL_NS    (1000 * NS_PER_MS)
#define RETRY_NS       (500 * NS_PER_MS)
#define LAST_LOOK_NS   (2000 * NS_PER_MS)  /* how long a daemon may take for it when the user wants to end */
#define IDLE_NS	       (30000 * NS_PER_MS) /* the daemon disconnects who is silent for 60 s */
#define INTERVAL_LEAST (100 * NS_PER_MS)

const struct es_option es_record_options[] = {
	{ .name = "output",
	  .letter = 'o',
	  .kind = ES_OPT_STRING,
	  .offset = offsetof(struct es_args, output),
	  .arg = "FILE",
	  .help = "where to; '-' is standard output" },
	{ .name = "vm",
	  .kind = ES_OPT_STRING,
	  .offset = offsetof(struct es_args, vm),
	  .arg = "V",
	  .help = "only this VM, which may come later: a name, pid, id,\nor a glob such as 'web-*'" },
	{ .name = "for",
	  .kind = ES_OPT_DURATION,
	  .offset = offsetof(struct es_args, for_ns),
	  .arg = "T",
	  .help = "end after T (10s, 2m, 1h); Ctrl-C ends it early, with\na last look and a whole file" },
	{ .name = "interval",
	  .letter = 'i',
	  .kind = ES_OPT_DURATION,
	  .offset = offsetof(struct es_args, interval_ns),
	  .arg = "S",
	  .help = "time between two looks (default 1s, at least 100ms)" },
	{ .name = "force",
	  .letter = 'f',
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, force),
	  .help = "overwrite FILE if it exists" },
	{ 0 },
};

struct recorder {
	const struct es_args *args;
	struct es_client *client; /* NULL: the daemon is gone, or not needed for long */
	struct es_record_file file;
	struct es_record_vms vms;
	int signals;
	unsigned int stops; /* signals so far */
	uint64_t start_ns, shown_ns;
	double rate; /* of the last interval; negative: none */
	bool open, lost;
	char *notice;
	char err[ES_CLIENT_ERR];
};

/* --- waiting --- */

static int signals_begin(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction old;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ES_ARRAY_SIZE(ends); i++)
		/* nohup(1) has its reasons. A shell's & ignores SIGINT, which is no reason. */
		if (ends[i] != SIGHUP || sigaction(SIGHUP, NULL, &old) || old.sa_handler != SIG_IGN)
			sigaddset(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void take_signals(struct recorder *rec)
{
	struct signalfd_siginfo si;

	while (read(rec->signals, &si, sizeof(si)) == sizeof(si))
		rec->stops++;
}

static void show_progress(struct recorder *rec)
{
	struct es_style st = es_style_for(stderr);
	char gone[ES_CELL_MAX], whole[ES_CELL_MAX], rate[ES_CELL_MAX], bytes[ES_CELL_MAX], looks[ES_CELL_MAX];
	uint64_t now = es_monotonic_ns();
	char text[256];

	if (!rec->open || !isatty(STDERR_FILENO) || now - rec->shown_ns < ES_PROGRESS_NS ||
	    (strcmp(rec->file.path, "-") == 0 && isatty(STDOUT_FILENO)))
		return;
	rec->shown_ns = now;
	es_fmt_time(gone, (now - rec->start_ns) / (100 * NS_PER_MS) * (100 * NS_PER_MS), st.utf8);
	es_fmt_time(whole, rec->args->for_ns, st.utf8);
	es_fmt_rate(rate, rec->rate, &st);
	snprintf(text, sizeof(text),
		 "recording: %.16s%s%.16s, %.16s exits/s, %.24s look%s, %.16s; Ctrl-C ends it", gone,
		 rec->args->for_ns ? " of " : "", rec->args->for_ns ? whole : "", rate,
		 es_fmt_group(looks, rec->file.looks), rec->file.looks == 1 ? "" : "s",
		 es_fmt_bytes(bytes, rec->file.bytes));
	if (st.width && strlen(text) >= st.width)
		text[st.width - 1] = '\0';
	fprintf(stderr, "\r%s\033[K", text);
}

static enum es_exit say(struct recorder *rec, enum es_exit status, const char *format, const char *text)
{
	if (rec->shown_ns)
		es_progress_clear();
	return es_fail(status, format, text);
}

/* Until something happens, or until_ns; counts signals. */
static void wait_until(struct recorder *rec, uint64_t until_ns, bool for_answer)
{
	struct pollfd p[] = { { .fd = rec->signals, .events = POLLIN }, { .fd = -1 } };
	uint64_t now = es_monotonic_ns(), left = until_ns > now ? until_ns - now : 0;

	if (for_answer) {
		p[1].fd = es_client_fd(rec->client);
		p[1].events = es_client_events(rec->client);
	}
	show_progress(rec);
	left = left < ES_PROGRESS_NS ? left : ES_PROGRESS_NS;
	poll(p, ES_ARRAY_SIZE(p), (int)((left + NS_PER_MS - 1) / NS_PER_MS));
	take_signals(rec);
}

/* --- asking --- */

static void take_notice(struct recorder *rec, char *notice)
{
	if (notice && (!rec->notice || strcmp(notice, rec->notice) != 0))
		say(rec, ES_EXIT_OK, "note: %s", notice);
	free(rec->notice);
	rec->notice = notice;
}

/* -EINTR: the user does not want to wait for the answer. */
static int receive(struct recorder *rec, json_t **answer)
{
	uint64_t silence = ES_CLIENT_TIMEOUT_MS * NS_PER_MS, heard = es_client_heard(rec->client);
	uint64_t heard_ns = es_monotonic_ns(), stopped_ns = rec->stops ? heard_ns : 0;

	for (;;) {
		int r = es_client_receive(rec->client, answer, rec->err);
		uint64_t now = es_monotonic_ns(), until = heard_ns + silence;

		if (r != -EAGAIN)
			return r;
		if (es_client_heard(rec->client) != heard)
			heard_ns = now;
		heard = es_client_heard(rec->client);
		if (stopped_ns && (rec->stops > 1 || now >= stopped_ns + LAST_LOOK_NS)) {
			snprintf(rec->err, sizeof(rec->err),
				 "exitstatd does not answer: the last look is missing");
			return -EINTR;
		}
		if (now >= until) {
			snprintf(rec->err, sizeof(rec->err), "exitstatd does not answer");
			return -ETIMEDOUT;
		}
		wait_until(rec,
			   stopped_ns && stopped_ns + LAST_LOOK_NS < until ? stopped_ns + LAST_LOOK_NS
									   : until,
			   true);
		if (rec->stops && !stopped_ns)
			stopped_ns = es_monotonic_ns();
	}
}

static int ask(struct recorder *rec, const char *vm, struct es_snapshot **out)
{
	struct es_snapshot_request q = { .vm = vm };
	json_t *answer = NULL;
	char *notice = NULL;
	int r = 0;

	if (!rec->client)
		r = es_client_open(es_client_socket(rec->args->socket), &rec->client, rec->err);
	if (!r)
		r = es_client_send(rec->client, "exitstat.GetSnapshot", es_snapshot_params(&q), rec->err);
	if (!r)
		r = receive(rec, &answer);
	if (!r)
		r = es_client_take_snapshot(answer, out, &notice, rec->err);
	if (!r)
		take_notice(rec, notice);
	json_decref(answer);
	return r;
}

/* One look at all that may belong into the next line. */
static int look(struct recorder *rec, struct es_snapshot **out)
{
	int r = ask(rec, rec->args->vm, out);

	/* Also for the time and the host, where there is no such VM. */
	if (rec->args->vm && (r == -ESRCH || (!r && es_record_hides(&rec->vms, *out)))) {
		if (!r)
			es_snapshot_unref(es_steal_ptr(out));
		r = ask(rec, NULL, out);
	}
	return r;
}

static void lose(struct recorder *rec)
{
	es_client_free(rec->client);
	rec->client = NULL;
	if (!rec->lost)
		say(rec, ES_EXIT_OK, "daemon gone, waiting for it: %s", rec->err);
	rec->lost = true;
}

static uint64_t end_ns(const struct recorder *rec)
{
	return rec->args->for_ns ? rec->start_ns + rec->args->for_ns : UINT64_MAX;
}

/* The same, through an end and a new start of the daemon. Negative: the recording ends here. */
static int look_again(struct recorder *rec, struct es_snapshot **out)
{
	for (;;) {
		int r = look(rec, out);
		uint64_t retry = es_monotonic_ns() + RETRY_NS;

		if (!r && rec->lost)
			say(rec, ES_EXIT_OK, "%s",
			    "daemon back; what happened meanwhile is not in the recording");
		if (!r)
			rec->lost = false;
		if (!r || r == -EINTR || r == -ENOMEM)
			return r;
		lose(rec);
		while (!rec->stops && es_monotonic_ns() < retry && es_monotonic_ns() < end_ns(rec))
			wait_until(rec, retry < end_ns(rec) ? retry : end_ns(rec), false);
		if (rec->stops || es_monotonic_ns() >= end_ns(rec))
			return r;
	}
}

/* --- recording --- */

static void take_rate(struct recorder *rec, const struct es_snapshot *before, const struct es_snapshot *line)
{
	struct es_snapshot *d = NULL;
	uint64_t sum = 0;

	rec->rate = -1;
	if (!before || !isatty(STDERR_FILENO) || es_diff(before, line, &d))
		return;
	for (size_t i = 0; i < d->n_vms; i++) {
		uint64_t n = es_exits_total(&d->vms[i]->counts);

		sum += n == ES_NONE ? 0 : n;
	}
	rec->rate = es_per_second(sum, d->taken.interval_ns);
	es_snapshot_unref(d);
}

/* Writes what is new in a look. */
static int write_look(struct recorder *rec, const struct es_snapshot *answer)
{
	struct es_snapshot *line, *before = rec->vms.last ? es_snapshot_ref(rec->vms.last) : NULL;
	int r = es_record_take(&rec->vms, answer, &line);

	if (!r) {
		r = es_record_write(&rec->file, line, rec->err);
		take_rate(rec, before, line);
		es_snapshot_unref(line);
	} else if (r == -EALREADY) {
		r = 0;
	} else {
		snprintf(rec->err, sizeof(rec->err), "%s",
			 r == -EINVAL ? "the daemon's clock went back: is that another host, or a recording "
					"that it replays anew?"
				      : strerror(-r));
	}
	es_snapshot_unref(before);
	return r;
}

static uint64_t next_look(const struct recorder *rec, uint64_t interval)
{
	uint64_t gone = es_monotonic_ns() - rec->start_ns,
		 next = rec->start_ns + (gone / interval + 1) * interval;

	return next < end_ns(rec) ? next : end_ns(rec);
}

/* All looks after the first. */
static int record(struct recorder *rec)
{
	uint64_t interval = rec->args->interval_ns ? rec->args->interval_ns : INTERVAL_NS;
	int r = 0;

	while (!r && !rec->stops && es_monotonic_ns() < end_ns(rec)) {
		uint64_t next = next_look(rec, interval);
		struct es_snapshot *s;

		if (next - es_monotonic_ns() > IDLE_NS && !rec->lost) {
			es_client_free(rec->client);
			rec->client = NULL;
		}
		while (!rec->stops && es_monotonic_ns() < next)
			wait_until(rec, next, false);
		r = look_again(rec, &s);
		if (!r) {
			r = write_look(rec, s);
			es_snapshot_unref(s);
		}
	}
	return r;
}

/* The daemon first: without it there is nothing to write, and no file to make or to overwrite. */
static int begin(struct recorder *rec)
{
	struct es_snapshot *first = NULL;
	int r = look(rec, &first);

	if (!r)
		r = es_record_open(&rec->file, rec->args->output, rec->args->force, rec->err);
	if (!r) {
		rec->open = true;
		r = write_look(rec, first);
	}
	if (!r && rec->args->vm && !rec->vms.came)
		es_fail(ES_EXIT_OK, "no VM '%.64s' yet, waiting for it to come", rec->args->vm);
	es_snapshot_unref(first);
	return r;
}

static enum es_exit finish(struct recorder *rec, int error)
{
	char err[ES_CLIENT_ERR], span[ES_CELL_MAX], bytes[ES_CELL_MAX], looks[ES_CELL_MAX];
	int r = rec->open ? es_record_close(&rec->file, err) : 0;

	if (rec->shown_ns)
		es_progress_clear();
	if (error)
		return es_fail(ES_EXIT_FAILED, "%s", rec->err);
	if (r)
		return es_fail(ES_EXIT_FAILED, "%s", err);
	if (rec->args->vm && !rec->vms.came)
		return es_fail(ES_EXIT_NO_VM, "no VM '%.64s' came; nothing was recorded but its absence",
			       rec->args->vm);
	if (rec->shown_ns)
		fprintf(stderr, "recorded %s look%s in %s, %s\n", es_fmt_group(looks, rec->file.looks),
			rec->file.looks == 1 ? "" : "s",
			es_fmt_time(span, es_monotonic_ns() - rec->start_ns, es_style_for(stderr).utf8),
			es_fmt_bytes(bytes, rec->file.bytes));
	return ES_EXIT_OK;
}

enum es_exit es_cmd_record(const struct es_args *args)
{
	struct recorder rec = { .args = args, .vms = { .vm = args->vm }, .rate = -1 };
	enum es_exit status;
	int r;

	if (!args->output)
		return es_fail(ES_EXIT_USAGE, "record: where to? give -o FILE, or -o - for standard output");
	if (args->interval_ns && args->interval_ns < INTERVAL_LEAST)
		return es_fail(ES_EXIT_USAGE, "record: --interval is at least 100ms");
	rec.signals = signals_begin();
	if (rec.signals < 0)
		return es_fail(ES_EXIT_FAILED, "cannot wait for signals: %s", strerror(errno));
	rec.start_ns = es_monotonic_ns();
	r = begin(&rec);
	if (!r)
		r = record(&rec);
	status = finish(&rec, r);
	es_record_vms_clear(&rec.vms);
	es_client_free(rec.client);
	free(rec.notice);
	close(rec.signals);
	return status;
}
