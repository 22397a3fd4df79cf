// SPDX-License-Identifier: GPL-2.0-only
/* attach OBJECT PROGRAM...: loads only these programs, attaches them, says "attached", stays until it is killed. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/libbpf.h>

static bool wanted(const char *name, char *const *names)
{
	for (; *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

static int fail(const char *what, int error)
{
	fprintf(stderr, "attach: %s: %s\n", what, strerror(-error));
	return 1;
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct bpf_program *p;
	int attached = 0, r;

	if (argc < 3) {
		fprintf(stderr, "Usage: attach OBJECT PROGRAM...\n");
		return 2;
	}
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	object = bpf_object__open_file(argv[1], NULL);
	if (!object)
		return fail(argv[1], -errno);
	bpf_object__for_each_program(p, object)
		bpf_program__set_autoload(p, wanted(bpf_program__name(p), argv + 2));
	r = bpf_object__load(object);
	if (r)
		return fail("load", r);
	bpf_object__for_each_program(p, object)
	{
		if (!bpf_program__autoload(p))
			continue;
		if (!bpf_program__attach(p))
			return fail(bpf_program__name(p), -errno);
		attached++;
	}
	if (attached != argc - 2)
		return fail("a program that is not there was named", -ENOENT);
	puts("attached");
	fflush(stdout);
	pause();
	return 0;
}
