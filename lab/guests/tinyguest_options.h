/* SPDX-License-Identifier: GPL-2.0-only */
/* What tinyguest is asked to do, and how it gives up. */
#ifndef TINYGUEST_OPTIONS_H
#define TINYGUEST_OPTIONS_H

#define MAX_VCPUS 64
#define MAX_TOUCH 200000UL

enum {
	OPT_VCPUS,
	OPT_CPUID,
	OPT_TOUCH,
	OPT_CR3,
	OPT_INVLPG,
	OPT_IO,
	OPT_IO_SLEEP_US,
	OPT_HLT,
	OPT_MSR,
	OPT_MMIO,
	OPT_REMAP,
	OPT_TIMER,
	OPT_SPIN,
	OPT_HALT_MS,
	OPT_REPEAT,
	OPT_FOREVER,
	OPT_RATE,
	OPT_PAUSE_MS,
	OPT_PIN,
	OPT_VMS,
	OPT_CONCURRENT,
	OPT_THREADS_MOVE,
	OPT_CPUS_MOVE,
	OPT_LATE,
	OPT_UNPLUG,
	OPT_HEIR,
	OPT_HOLD,
	OPT_WAIT,
	OPT_FF,
	OPT_LEAVES,
	OPT_STATS,
	OPT_CPUID_ENTRY,
	OPT_INTEL,
	OPT_HELP,
	NR_OPTS
};

/* By OPT_*: the number given, 1 for a flag; else the default. */
extern long opt[NR_OPTS];

/* Fills opt[], or prints what is wrong, or the help, and exits. */
void parse(int argc, char **argv);

/* One line on stderr; exit status 1. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);
/* r, if it is not negative; else dies with errno's message. */
int must(int r, const char *what);

#endif
