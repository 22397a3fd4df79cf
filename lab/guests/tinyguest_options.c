// SPDX-License-Identifier: GPL-2.0-only
/* What tinyguest is asked to do. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tinyguest_options.h"

static const struct {
	const char *name;
	const char *arg;
	const char *help;
	long dflt;
} options[NR_OPTS] = {
	[OPT_VCPUS] = { "vcpus", "N", "vCPUs of each VM, each doing all of the below", 1 },
	[OPT_CPUID] = { "cpuid", "N", "CPUID instructions a round (VM i does N + i)", 0 },
	[OPT_TOUCH] = { "touch", "N", "fresh 4 KiB pages written a round", 0 },
	[OPT_CR3] = { "cr3", "N", "reads and as many writes of CR3 a round", 0 },
	[OPT_INVLPG] = { "invlpg", "N", "INVLPG instructions a round", 0 },
	[OPT_IO] = { "io", "N", "port writes a round, served in user space", 0 },
	[OPT_IO_SLEEP_US] = { "io-sleep-us", "US", "sleep in user space for each of those port writes", 0 },
	[OPT_HLT] = { "hlt", "N",
		      "HLTs a round; each is ended by an interrupt that the guest\n"
		      "acknowledges with one port write",
		      0 },
	[OPT_MSR] = { "msr", "N", "reads of MSR 0x1b (APIC base) a round: always an exit", 0 },
	[OPT_MMIO] = { "mmio", "N", "writes a round to an address without memory, served in user space", 0 },
	[OPT_REMAP] = { "remap", "N",
			"changes of a page table entry a round, each with INVLPG and\n                      "
			"a read of the page",
			0 },
	[OPT_TIMER] = { "timer", "N",
			"times a round that the local APIC's timer is set and runs out, by\n"
			"MSR TSC_DEADLINE; its interrupt is masked",
			0 },
	[OPT_SPIN] = { "spin", "N",
		       "loops a round that read the TSC: time in the guest, summed up\n"
		       "as far as no exit came in between",
		       0 },
	[OPT_HALT_MS] = { "halt-ms", "MS", "how long each HLT lasts", 5 },
	[OPT_REPEAT] = { "repeat", "N", "rounds", 1 },
	[OPT_FOREVER] = { "forever", NULL, "rounds until SIGTERM or SIGINT", 0 },
	[OPT_RATE] = { "rate", "N", "at most N rounds a second", 0 },
	[OPT_PAUSE_MS] = { "pause-ms", "MS", "time in user space after each round", 0 },
	[OPT_PIN] = { "pin", "CPU", "run all vCPUs on this CPU", -1 },
	[OPT_VMS] = { "vms", "N", "VMs, one after the other, in this process", 1 },
	[OPT_CONCURRENT] = { "concurrent", "N", "VMs alive at the same time (at least --vms that many)", 1 },
	[OPT_THREADS_MOVE] = { "threads-move", NULL, "two threads take turns at each vCPU's KVM_RUN", 0 },
	[OPT_CPUS_MOVE] = { "cpus-move", NULL, "each KVM_RUN is on another CPU than the one before", 0 },
	[OPT_LATE] = { "late", NULL, "make the last vCPU only when a line comes on stdin; the others run",
		       0 },
	[OPT_UNPLUG] = { "unplug", NULL,
			 "the last vCPU does one round: its thread ends, and its file\n"
			 "descriptor is closed, while the others go on",
			 0 },
	[OPT_HEIR] = { "heir", NULL,
		       "when all is done, end, and leave the VMs to a child process,\n"
		       "which keeps them until SIGTERM",
		       0 },
	[OPT_HOLD] = { "hold", "SEC", "keep each VM alive that long after its work", 0 },
	[OPT_WAIT] = { "wait", NULL, "create the first VMs, then wait for a line on stdin", 0 },
	[OPT_FF] = { "ff", "N",
		     "reads of CPUID leaf 0x4fffffff a round; the guest counts as\n"
		     "bad those whose exits did not grow or whose cycles shrank",
		     0 },
	[OPT_LEAVES] = { "leaves", NULL,
			 "when all is done, vCPU 0 reads the exit counters' CPUID\n"
			 "leaves for every exit number, between two marks",
			 0 },
	[OPT_STATS] = { "stats", NULL, "show KVM's binary statistics exit_* of each vCPU", 0 },
	[OPT_CPUID_ENTRY] = { "cpuid-entry", "LEAF", "give the guest a CPUID entry of ours for that leaf",
			      0 },
	[OPT_INTEL] = { "intel", NULL, "tell the guest that its CPU is Intel's", 0 },
	[OPT_HELP] = { "help", NULL, "this text", 0 },
};

long opt[NR_OPTS];

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("tinyguest: ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

int must(int r, const char *what)
{
	if (r < 0)
		die("%s: %s", what, strerror(errno));
	return r;
}

static void usage(void)
{
	printf("Usage: tinyguest [OPTION...]\n"
	       "Runs a tiny KVM guest whose exits are known in advance and prints, one line of\n"
	       "JSON a VM, what it did.\n");
	for (int i = 0; i < NR_OPTS; i++) {
		char left[32];
		const char *nl = strchr(options[i].help, '\n');
		int first = nl ? (int)(nl - options[i].help) : (int)strlen(options[i].help);

		snprintf(left, sizeof(left), "--%s %s", options[i].name, options[i].arg ?: "");
		printf("  %-19s %.*s", left, first, options[i].help);
		if (nl)
			printf("\n  %-19s %s", "", nl + 1);
		if (options[i].dflt > 0)
			printf(" (default %ld)", options[i].dflt);
		putchar('\n');
	}
}

static void check_options(void)
{
	if (opt[OPT_VCPUS] < 1 || opt[OPT_VCPUS] > MAX_VCPUS)
		die("--vcpus wants 1 to %d", MAX_VCPUS);
	if (opt[OPT_TOUCH] * opt[OPT_VCPUS] > (long)MAX_TOUCH)
		die("--touch times --vcpus must not exceed %lu", MAX_TOUCH);
	if (opt[OPT_CONCURRENT] < 1 || opt[OPT_REPEAT] < 1)
		die("--concurrent and --repeat want at least 1");
	if (opt[OPT_VMS] < opt[OPT_CONCURRENT])
		opt[OPT_VMS] = opt[OPT_CONCURRENT];
}

void parse(int argc, char **argv)
{
	struct option lo[NR_OPTS + 1] = { 0 };
	char *end;
	int c;

	for (int i = 0; i < NR_OPTS; i++) {
		opt[i] = options[i].dflt;
		lo[i] = (struct option){ options[i].name, options[i].arg ? required_argument : no_argument,
					 NULL, i };
	}
	while ((c = getopt_long(argc, argv, "", lo, NULL)) != -1) {
		if (c == '?')
			exit(2);
		if (c == OPT_HELP) {
			usage();
			exit(0);
		}
		errno = 0;
		opt[c] = optarg ? strtol(optarg, &end, 0) : 1;
		if (optarg && (*end || end == optarg || opt[c] < 0 || errno)) {
			fprintf(stderr, "tinyguest: --%s wants a number, not '%s'\n", options[c].name,
				optarg);
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "tinyguest: '%s': no arguments but options; see --help\n", argv[optind]);
		exit(2);
	}
	check_options();
}
