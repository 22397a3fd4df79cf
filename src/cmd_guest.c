// SPDX-License-Identifier: GPL-2.0-only
/* exitstat guest: inside a guest, what a patched KVM counted for it. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#include <exitstat/cli.h>
#include <exitstat/guest.h>
#include <exitstat/tui.h>
#include <exitstat/util.h>

#define INTERVAL_DEFAULT_NS 1000000000ULL
/* Lines of a round that are not reasons: title and summary (either may wrap), heading, "and N more", total, the cursor's. */
#define LINES_AROUND 8

const struct es_option es_guest_options[] = {
	{ .name = "watch",
	  .letter = 'w',
	  .kind = ES_OPT_FLAG,
	  .offset = offsetof(struct es_args, watch),
	  .help = "look again and again: totals, and the change per second\nsince the last look" },
	{ .name = "interval",
	  .letter = 'i',
	  .kind = ES_OPT_DURATION,
	  .offset = offsetof(struct es_args, interval_ns),
	  .arg = "S",
	  .help = "with --watch: time between two looks (default 1s, at\nleast 100ms)" },
	{ .name = "rounds",
	  .letter = 'n',
	  .kind = ES_OPT_COUNT,
	  .offset = offsetof(struct es_args, rounds),
	  .arg = "N",
	  .help = "with --watch: end after N looks" },
	{ .name = "for",
	  .kind = ES_OPT_DURATION,
	  .offset = offsetof(struct es_args, for_ns),
	  .arg = "T",
	  .help = "the change over T (10s, 500ms, 2m) from now;\nCtrl-C ends it early and shows what there "
		  "is" },
	{ .name = "sort",
	  .kind = ES_OPT_COLUMN,
	  .offset = offsetof(struct es_args, sort),
	  .columns = (const struct es_column *const[ES_ASPECTS]){ es_guest_columns },
	  .help = "order of the table's reasons (default count, with\n--watch and --for rate)" },
	{ .name = "format",
	  .kind = ES_OPT_WORD,
	  .offset = offsetof(struct es_args, format),
	  .words = es_formats_short,
	  .help = "table (default) for people, json for programs, with\n--watch one line a look" },
	{ 0 },
};

/* <cpuid.h> of some compilers lets two reads of one leaf become one; here each is to exit. */
static void read_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[ES_REGS])
{
	__asm__ volatile("cpuid"
			 : "=a"(regs[ES_EAX]), "=b"(regs[ES_EBX]), "=c"(regs[ES_ECX]), "=d"(regs[ES_EDX])
			 : "a"(leaf), "c"(subleaf)
			 : "memory");
}

static void describe(struct es_guest *g)
{
	struct utsname u;

	g->taken.monotonic_ns = es_monotonic_ns();
	g->taken.realtime_ns = es_clock_ns(CLOCK_REALTIME);
	if (uname(&u))
		return;
	snprintf(g->host.hostname, sizeof(g->host.hostname), "%s", u.nodename);
	snprintf(g->host.kernel, sizeof(g->host.kernel), "%s", u.release);
}

static enum es_exit look(es_cpuid_fn cpuid, struct es_guest *g)
{
	char why[ES_CELL_MAX];
	int r = es_guest_look(cpuid, g);

	if (!r) {
		describe(g);
		return ES_EXIT_OK;
	}
	return es_fail(ES_EXIT_FAILED, "%s",
		       r == -ENODEV ? es_guest_explain(cpuid, why, sizeof(why)) : strerror(-r));
}

static bool screen_can_be_cleared(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

/* How many reasons fit below each other: what scrolls off the top would be the most frequent ones. */
static unsigned int rows_of_screen(void)
{
	struct winsize ws;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) || !ws.ws_row)
		return 0;
	return ws.ws_row > LINES_AROUND ? ws.ws_row - LINES_AROUND : 1;
}

/* --- one look, or the difference of two --- */

static const struct es_column *sort_of(const struct es_args *args)
{
	return args->sort ? es_column_find(es_guest_columns, args->sort) : NULL;
}

static enum es_exit show(const struct es_guest *g, const struct es_guest *now, const struct es_args *args)
{
	struct es_guest_view view = { .sort = sort_of(args) };
	struct es_style st = es_style_for(stdout);

	st.exact = true;
	return es_finish_stdout(args->format == ES_FORMAT_JSON ? es_render_guest_json(stdout, g, true)
							       : es_render_guest(stdout, g, now, &view, &st));
}

static enum es_exit show_change(const struct es_guest *before, const struct es_args *args, es_cpuid_fn cpuid)
{
	int interrupts = es_interrupts_begin(), r;
	struct es_guest after, change;
	enum es_exit status;

	es_wait(interrupts, args->for_ns, true);
	es_interrupts_end(interrupts);
	status = look(cpuid, &after);
	if (status)
		return status;
	r = es_guest_diff(before, &after, &change);
	es_guest_clear(&after);
	if (r == -ERANGE)
		return es_fail(ES_EXIT_FAILED,
			       "the counters began anew during the measurement (was the VM migrated or "
			       "restored?); try again");
	if (r)
		return es_finish_stdout(r);
	status = show(&change, &change, args);
	es_guest_clear(&change);
	return status;
}

static enum es_exit once(const struct es_args *args, es_cpuid_fn cpuid)
{
	struct es_guest g;
	enum es_exit status = look(cpuid, &g);

	if (status)
		return status;
	status = args->for_ns ? show_change(&g, args, cpuid) : show(&g, NULL, args);
	es_guest_clear(&g);
	return status;
}

/* --- look after look --- */

static int render_round(const struct es_guest *g, const struct es_guest *now, uint64_t round,
			const struct es_args *args)
{
	struct es_guest_view view = { .sort = sort_of(args) };
	struct es_style st = es_style_for(stdout);

	if (args->format == ES_FORMAT_JSON)
		return es_render_guest_json(stdout, g, false);
	if (screen_can_be_cleared()) {
		fputs("\033[H\033[2J", stdout);
		view.rows = rows_of_screen();
	} else if (round) {
		putchar('\n');
	}
	return es_render_guest(stdout, g, now, &view, &st);
}

/* last: the look before this one, empty in the first round; takes over g. */
static enum es_exit watch_round(struct es_guest *last, struct es_guest *g, uint64_t round,
				const struct es_args *args)
{
	struct es_guest now = { 0 };
	/* Counters that began anew have no rate yet: a first round again. */
	int r = round ? es_guest_diff(last, g, &now) : -ERANGE;

	if (r != -ENOMEM)
		r = render_round(g, r ? NULL : &now, round, args);
	es_guest_clear(&now);
	es_guest_clear(last);
	*last = *g;
	return es_finish_stdout(r);
}

static enum es_exit watch(const struct es_args *args, es_cpuid_fn cpuid)
{
	uint64_t interval = args->interval_ns ? args->interval_ns : INTERVAL_DEFAULT_NS;
	uint64_t next = es_monotonic_ns();
	/* To the end: a Ctrl-C in the middle of a round ends it after that. */
	int interrupts = es_interrupts_begin();
	struct es_guest last = { 0 }, g;
	enum es_exit status = ES_EXIT_OK;

	for (uint64_t round = 0; !status && (!args->rounds || round < args->rounds); round++) {
		uint64_t now = es_monotonic_ns();

		/* Nobody reads it any more where SIGPIPE is ignored. */
		if (ferror(stdout) || !es_wait(interrupts, now < next ? next - now : 0, false))
			break;
		/* From the start, so that rounds do not drift; a system that slept does not catch up. */
		next = (now > next + interval ? now : next) + interval;
		status = look(cpuid, &g);
		if (!status)
			status = watch_round(&last, &g, round, args);
	}
	es_interrupts_end(interrupts);
	es_guest_clear(&last);
	return status;
}

enum es_exit es_guest_run(const struct es_args *args, es_cpuid_fn cpuid)
{
	if (!args->watch && (args->interval_ns || args->rounds))
		return es_fail(ES_EXIT_USAGE, "guest: --interval and -n are of --watch; give it, too");
	if (args->watch && args->for_ns)
		return es_fail(ES_EXIT_USAGE, "guest: --watch goes on, --for T ends; give one of them");
	if (args->interval_ns && args->interval_ns < ES_INTERVAL_MIN_NS)
		return es_fail(ES_EXIT_USAGE, "guest: --interval is at least 100ms");
	return args->watch ? watch(args, cpuid) : once(args, cpuid);
}

enum es_exit es_cmd_guest(const struct es_args *args)
{
	return es_guest_run(args, read_cpuid);
}
