// SPDX-License-Identifier: GPL-2.0-only
/*
 * rate OBJECT PID RATE SECONDS VMS VCPUS [clash]: runs the exit and entry programs RATE times a second, for vCPUs that are made up,
 * on the maps of the exitstatd with that pid; prints what it should have counted, as JSON. clash: all vCPUs are at addresses
 * that are one to the programs' hints. See rate.bpf.c.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <exitstat/util.h>

#include "rate.h"

#define NS_PER_S 1000000000ull
#define AT_ONCE	 20000 /* exits in one run of the program */
#define PAUSE_US 500

static struct {
	unsigned long long rate, seconds;
	unsigned int vms, vcpus; /* vCPUs: of all VMs together */
	uint64_t expected[RATE_VCPUS][RATE_CODES];
} r;

static void die(const char *what)
{
	fprintf(stderr, "rate: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- the daemon's maps --- */

/* -1: not a map. */
static int map_id(const char *pid, const char *fd)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[512], line[128];
	int id;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "map_id: %d", &id) == 1)
			return id;
	return -1;
}

/* Gives the object the map, if it has one of that name. */
static void share(struct bpf_object *obj, int id)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_map_get_fd_by_id((uint32_t)id);
	struct bpf_map *m;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		die("cannot open a map of the daemon");
	m = bpf_object__find_map_by_name(obj, info.name);
	if (m && !bpf_map__is_internal(m) && bpf_map__reuse_fd(m, fd))
		die("cannot use a map of the daemon");
	close(fd);
}

static void share_all(struct bpf_object *obj, const char *pid)
{
	struct dirent *e;
	char path[64];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo", pid);
	d = opendir(path);
	if (!d)
		die(path);
	while ((e = readdir(d))) {
		int id = map_id(pid, e->d_name);

		if (id >= 0)
			share(obj, id);
	}
	closedir(d);
}

/* --- running programs --- */

static struct bpf_object *load(const char *path, const char *pid)
{
	struct bpf_object *obj = bpf_object__open(path);
	struct bpf_program *p;

	if (!obj)
		die(path);
	bpf_object__for_each_program(p, obj)
	{
		const char *name = bpf_program__name(p);

		bpf_program__set_autoload(p, !strcmp(name, "make_vcpu") || !strcmp(name, "drive"));
	}
	share_all(obj, pid);
	if (bpf_object__load(obj))
		die("cannot load the programs");
	return obj;
}

static void run(const struct bpf_object *obj, const char *name, uint64_t a, uint64_t b, uint64_t c)
{
	const struct bpf_program *p = bpf_object__find_program_by_name(obj, name);
	uint64_t args[] = { a, b, c };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));

	if (bpf_prog_test_run_opts(bpf_program__fd(p), &opts) || opts.retval)
		die(name);
}

/* Keeps to the rate as well as the machine can. Returns how long it took. */
static uint64_t drive(const struct bpf_object *obj)
{
	uint64_t begin = es_monotonic_ns(), all = r.rate * r.seconds, n = 0;

	while (n < all) {
		uint64_t due = (es_monotonic_ns() - begin) / 1000 * r.rate / 1000000, now;

		due = due < all ? due : all;
		if (n >= due) {
			usleep(PAUSE_US);
			continue;
		}
		now = due - n < AT_ONCE ? due - n : AT_ONCE;
		run(obj, "drive", n, r.vcpus, now);
		n += now;
	}
	return es_monotonic_ns() - begin;
}

/* --- what should have been counted --- */

static void print_expected(uint64_t took_ns)
{
	static const uint32_t codes[RATE_CODES] = RATE_CODE_LIST;

	for (uint64_t n = 0; n < r.rate * r.seconds; n++)
		r.expected[rate_vcpu(n, r.vcpus)][rate_code(n)]++;
	printf("{\"pid\":%d,\"exits\":%llu,\"took_ns\":%llu,\"vcpus\":[", getpid(), r.rate * r.seconds,
	       (unsigned long long)took_ns);
	for (unsigned int v = 0; v < r.vcpus; v++) {
		printf("%s{\"vcpu_id\":%u,\"reasons\":{", v ? "," : "", v % (r.vcpus / r.vms));
		for (unsigned int c = 0; c < RATE_CODES; c++)
			printf("%s\"%u\":%llu", c ? "," : "", codes[c], (unsigned long long)r.expected[v][c]);
		printf("}}");
	}
	puts("]}");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct bpf_object *obj;
	unsigned int each;

	if (argc != 7 && (argc != 8 || strcmp(argv[7], "clash"))) {
		fprintf(stderr, "Usage: rate OBJECT PID RATE SECONDS VMS VCPUS [clash]\n");
		return 2;
	}
	r.rate = strtoull(argv[3], NULL, 10);
	r.seconds = strtoull(argv[4], NULL, 10);
	r.vms = (unsigned int)atoi(argv[5]);
	each = (unsigned int)atoi(argv[6]);
	r.vcpus = r.vms * each;
	if (!r.rate || !r.seconds || !r.vcpus || r.vcpus > RATE_VCPUS) {
		fprintf(stderr, "rate: %u vCPUs at most\n", RATE_VCPUS);
		return 2;
	}
	obj = load(argv[1], argv[2]);
	for (unsigned int v = 0; v < r.vcpus; v++)
		run(obj, "make_vcpu", v, v / each * each, argc == 8);
	print_expected(drive(obj));
	getchar(); /* the VMs live until whoever started this has seen them */
	bpf_object__close(obj);
	return 0;
}
