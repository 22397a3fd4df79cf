// SPDX-License-Identifier: GPL-2.0-only
/* Waiting that Ctrl-C ends and a person can watch. */
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <exitstat/cli.h>
#include <exitstat/util.h>

int es_interrupts_begin(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void es_interrupts_end(int fd)
{
	struct signalfd_siginfo si;
	sigset_t set;

	while (read(fd, &si, sizeof(si)) == sizeof(si))
		;
	close(fd);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void es_progress_show(uint64_t gone_ns, uint64_t whole_ns)
{
	struct es_style st = es_style_for(stderr);
	char done[ES_CELL_MAX], whole[ES_CELL_MAX];

	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rmeasuring: %s of %s, Ctrl-C to end now \033[K",
			es_fmt_time(done, gone_ns / 100000000 * 100000000, st.utf8),
			es_fmt_time(whole, whole_ns, st.utf8));
}

void es_progress_clear(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

bool es_wait(int interrupts, uint64_t ns, bool progress)
{
	struct pollfd p = { .fd = interrupts, .events = POLLIN };
	uint64_t start = es_monotonic_ns(), gone;

	do {
		gone = es_monotonic_ns() - start;
		uint64_t left = gone < ns ? ns - gone : 0;

		if (progress)
			es_progress_show(gone, ns);
		left = left < ES_PROGRESS_NS ? left : ES_PROGRESS_NS;
		poll(&p, 1, (int)((left + 999999) / 1000000));
	} while (!p.revents && gone < ns);
	if (progress)
		es_progress_clear();
	return !p.revents;
}
