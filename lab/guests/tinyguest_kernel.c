// SPDX-License-Identifier: GPL-2.0-only
/* What a patched KVM says of its own exits, in each place where it says it. */
#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tinyguest_kernel.h"
#include "tinyguest_options.h"

#define MAX_TEXT  65536
#define MAX_STATS 4096
#define MAX_NAME  1024

/* --- debugfs ---------------------------------------------------------- */

char *read_exit_stats(int vm_fd)
{
	char path[128], *text;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/exit_stats", getpid(), vm_fd);
	f = fopen(path, "re");
	if (!f)
		return NULL;
	text = malloc(MAX_TEXT);
	if (!text)
		die("out of memory");
	n = fread(text, 1, MAX_TEXT - 1, f);
	if (ferror(f) || n == MAX_TEXT - 1)
		die("%s: cannot be read, or is too long", path);
	text[n] = 0;
	fclose(f);
	return text;
}

void print_text(const char *text)
{
	if (!text) {
		printf("null");
		return;
	}
	putchar('"');
	for (; *text; text++) {
		if (*text == '\n')
			printf("\\n");
		else if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
			printf("\\u%04x", (unsigned char)*text);
		else
			putchar(*text);
	}
	putchar('"');
}

/* --- CPUID ------------------------------------------------------------ */

/* Every exit number that means anything, and some around them that do not. */
static const struct {
	uint32_t first, last;
} numbers[] = {
	{ 0, 0xff },
	{ 0x3fd, 0x40a },
	{ 0x3fffffff, 0x3fffffff },
	{ 0x80000000, 0x80000001 },
	{ 0xfffffff0, 0xffffffff },
};

size_t fill_queries(struct tg_query *q)
{
	static const uint32_t leaves[] = { TG_LEAF_EXITS, TG_LEAF_CYCLES, TG_LEAF_CYCLES_2 };
	const size_t nr_leaves = sizeof(leaves) / sizeof(*leaves);
	size_t n = 0;

	if (q)
		q[n] = (struct tg_query){ .leaf = TG_LEAF_ALL };
	n++;
	for (size_t r = 0; r < sizeof(numbers) / sizeof(*numbers); r++) {
		for (uint64_t i = numbers[r].first; i <= numbers[r].last; i++) {
			for (size_t l = 0; q && l < nr_leaves; l++)
				q[n + l] = (struct tg_query){ .leaf = leaves[l], .index = i };
			n += nr_leaves;
		}
	}
	if (q)
		q[n] = (struct tg_query){ .leaf = TG_LEAF_ALL };
	return n + 1;
}

void print_queries(const struct tg_query *q, size_t n)
{
	for (size_t i = 0; i < n; i++, q++)
		printf("%s[%u,%u,%u,%u,%u,%u]", i ? "," : "[", q->leaf, q->index, q->eax, q->ebx, q->ecx,
		       q->edx);
	printf("]");
}

/* --- binary statistics ------------------------------------------------ */

static void must_read(int fd, void *to, size_t size, off_t at)
{
	const ssize_t n = pread(fd, to, size, at);

	if (n != (ssize_t)size)
		die("binary statistics: %s", n < 0 ? strerror(errno) : "they end too early");
}

static void print_stat(int fd, off_t data, const struct kvm_stats_desc *desc)
{
	uint64_t values[512];

	if (desc->size > sizeof(values) / sizeof(*values))
		die("binary statistics: %s has %u values", desc->name, desc->size);
	must_read(fd, values, desc->size * sizeof(*values), data + desc->offset);
	printf("\"%s\":{\"type\":%u,\"bucket\":%u,\"values\":[", desc->name,
	       desc->flags & KVM_STATS_TYPE_MASK, desc->bucket_size);
	for (int i = 0; i < desc->size; i++)
		printf("%s%" PRIu64, i ? "," : "", values[i]);
	printf("]}");
}

void print_stats(int vcpu_fd)
{
	const int fd = must(ioctl(vcpu_fd, KVM_GET_STATS_FD, NULL), "KVM_GET_STATS_FD");
	struct kvm_stats_header head;
	struct kvm_stats_desc *desc;
	const char *comma = "";
	size_t size;

	must_read(fd, &head, sizeof(head), 0);
	if (head.num_desc > MAX_STATS || !head.name_size || head.name_size > MAX_NAME)
		die("binary statistics: %u of them, names of %u bytes", head.num_desc, head.name_size);
	size = sizeof(*desc) + head.name_size;
	desc = malloc(size);
	if (!desc)
		die("out of memory");
	putchar('{');
	for (uint32_t i = 0; i < head.num_desc; i++) {
		must_read(fd, desc, size, head.desc_offset + i * size);
		desc->name[head.name_size - 1] = 0;
		if (strncmp(desc->name, "exit_", 5))
			continue;
		printf("%s", comma);
		print_stat(fd, head.data_offset, desc);
		comma = ",";
	}
	putchar('}');
	free(desc);
	close(fd);
}
