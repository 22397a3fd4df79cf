// SPDX-License-Identifier: GPL-2.0-only
/* A patched KVM's debugfs files, read with suspicion. The comparison itself is in kernel_track.c. */
#include <exitstat/kernel_counts.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <exitstat/util.h>

#define COUNT_MAX   (1ULL << 62) /* differences of two then fit into an s64 */
#define FOLDERS_MAX 65536

struct es_kernel_folder {
	char name[ES_DEBUGFS_NAME];
	uint64_t inode;
};

/* --- codes and slots --- */

/* From slot 192 on. */
static const uint32_t far_codes[] = {
	0x400, 0x401, 0x402, 0x403, 0x407, 0xffffffff, 0xfffffffe, 0xfffffffd, 0xfffffffc,
};

unsigned int es_kernel_slot(uint32_t code)
{
	if (code < ES_KERNEL_OTHER)
		return code;
	for (unsigned int i = 0; i < ES_ARRAY_SIZE(far_codes); i++)
		if (far_codes[i] == code)
			return ES_KERNEL_OTHER + 1 + i;
	return ES_KERNEL_OTHER;
}

uint32_t es_kernel_code(unsigned int slot)
{
	return slot <= ES_KERNEL_OTHER || slot >= ES_KERNEL_SLOTS ? slot
								  : far_codes[slot - ES_KERNEL_OTHER - 1];
}

/* --- the text --- */

struct text {
	const char *at, *end;
};

static bool take(struct text *t, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n))
		return false;
	t->at += n;
	return true;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* A number of that base up to max, at least one digit. */
static bool take_number(struct text *t, unsigned int base, uint64_t max, uint64_t *out)
{
	const char *begin = t->at;
	uint64_t v = 0;

	for (; t->at < t->end; t->at++) {
		unsigned int d = (unsigned int)digit(*t->at);

		if (d >= base)
			break;
		if (v > (max - d) / base)
			return false;
		v = v * base + d;
	}
	*out = v;
	return t->at > begin;
}

static bool take_code(struct text *t, unsigned int *slot)
{
	uint64_t code;

	if (take(t, "other")) {
		*slot = ES_KERNEL_OTHER;
		return true;
	}
	if (!take(t, "0x") || !take_number(t, 16, UINT32_MAX, &code))
		return false;
	*slot = es_kernel_slot((uint32_t)code);
	return *slot != ES_KERNEL_OTHER; /* such codes are in "other" */
}

int es_kernel_parse(const char *text, size_t len, struct es_kernel_counts *out)
{
	struct text t = { text, text + len };
	bool seen[ES_KERNEL_SLOTS] = { false };

	memset(out, 0, sizeof(*out));
	while (t.at < t.end) {
		uint64_t count, cycles;
		unsigned int slot;

		if (!take_code(&t, &slot) || seen[slot] || !take(&t, " ") ||
		    !take_number(&t, 10, COUNT_MAX, &count) || !take(&t, " ") ||
		    !take_number(&t, 10, UINT64_MAX, &cycles) || !take(&t, "\n"))
			return -EBADMSG;
		seen[slot] = true;
		out->n[slot] = count;
	}
	return 0;
}

/* --- the files --- */

bool es_kernel_folder_valid(const char *folder)
{
	size_t len = strnlen(folder, ES_DEBUGFS_NAME), pid = strspn(folder, "0123456789"), fd;

	if (len == ES_DEBUGFS_NAME || !pid || folder[pid] != '-')
		return false;
	fd = strspn(folder + pid + 1, "0123456789");
	return fd && pid + 1 + fd == len;
}

static void folder_path(char path[PATH_MAX], const char *kvm, const char *folder, const char *file)
{
	snprintf(path, PATH_MAX, "%s/%s%s", kvm, folder, file);
}

int es_kernel_read(const char *kvm, const char *folder, struct es_kernel_counts *out)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX], text[ES_KERNEL_TEXT_MAX + 1];
	size_t len = 0;
	ssize_t n;

	if (!es_kernel_folder_valid(folder))
		return -ENOENT;
	folder_path(path, kvm, folder, "/exit_stats");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	do {
		n = read(fd, text + len, sizeof(text) - len);
		if (n < 0)
			return -errno;
		len += (size_t)n;
	} while (n && len < sizeof(text));
	return len > ES_KERNEL_TEXT_MAX ? -EBADMSG : es_kernel_parse(text, len, out);
}

uint64_t es_kernel_inode(const char *kvm, const char *folder)
{
	char path[PATH_MAX];
	struct stat st;

	if (!es_kernel_folder_valid(folder))
		return 0;
	folder_path(path, kvm, folder, "");
	return stat(path, &st) ? 0 : st.st_ino;
}

bool es_kernel_patched(const char *sys)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/module/kvm/parameters/exit_cpuid", sys);
	return access(path, F_OK) == 0;
}

int es_kernel_reachable(const char *sys, char *why, size_t size)
{
	char path[PATH_MAX];
	struct stat st;
	int r = 0;

	snprintf(path, sizeof(path), "%s/kernel/debug/kvm", sys);
	if (access(path, R_OK | X_OK) == 0)
		return 0;
	r = -errno;
	if (r != -ENOENT) {
		snprintf(why, size, "debugfs cannot be read (%s): give exitstatd the right to read %s",
			 strerror(-r), "/sys/kernel/debug");
		return r;
	}
	snprintf(path, sizeof(path), "%s/kernel/debug", sys);
	if (stat(path, &st))
		snprintf(why, size, "this kernel has no debugfs: boot one built with CONFIG_DEBUG_FS");
	else
		snprintf(why, size, "debugfs is not mounted: mount -t debugfs debugfs /sys/kernel/debug");
	return r;
}

/* --- VMs that were there at a moment --- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct es_kernel_folder *)a)->name, ((const struct es_kernel_folder *)b)->name);
}

void es_kernel_seen_clear(struct es_kernel_seen *seen)
{
	free(seen->folders);
	*seen = (struct es_kernel_seen){ 0 };
}

/* false: not all of them could be taken. */
static bool take_folders(struct es_kernel_seen *seen, DIR *dir)
{
	struct dirent *e;
	size_t cap = 0;

	while ((errno = 0, e = readdir(dir))) {
		if (!es_kernel_folder_valid(e->d_name))
			continue;
		if (seen->n == FOLDERS_MAX)
			return false;
		if (seen->n == cap) {
			struct es_kernel_folder *more;

			cap = cap ? cap * 2 : 64;
			more = reallocarray(seen->folders, cap, sizeof(*more));
			if (!more)
				return false;
			seen->folders = more;
		}
		strcpy(seen->folders[seen->n].name, e->d_name); /* fits: it is valid */
		seen->folders[seen->n++].inode = e->d_ino;
	}
	return !errno;
}

void es_kernel_seen_take(struct es_kernel_seen *seen, const char *kvm)
{
	char path[PATH_MAX];
	DIR *dir;

	es_kernel_seen_clear(seen);
	folder_path(path, kvm, "", "");
	dir = opendir(path);
	if (!dir)
		return;
	seen->known = take_folders(seen, dir);
	closedir(dir);
	if (!seen->known)
		es_kernel_seen_clear(seen);
	else if (seen->n)
		qsort(seen->folders, seen->n, sizeof(*seen->folders), by_name);
}

bool es_kernel_seen_has(const struct es_kernel_seen *seen, const char *folder, uint64_t inode)
{
	struct es_kernel_folder key = { 0 };
	const struct es_kernel_folder *found;

	snprintf(key.name, sizeof(key.name), "%s", folder);
	found = seen->n ? bsearch(&key, seen->folders, seen->n, sizeof(key), by_name) : NULL;
	return found && found->inode == inode;
}

void es_kernel_report_free(struct es_kernel_report *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_vms; i++) {
		free(r->vms[i].id);
		free(r->vms[i].name);
	}
	free(r->vms);
	free(r);
}
