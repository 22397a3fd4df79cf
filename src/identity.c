// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who a VM is, read from /proc of the process that runs it.
 *
 * The control group tells best: only the system writes it. libvirt puts the VM's name
 * there, but without the characters that a machine name may not have, so the command
 * line gives the exact spelling where the two agree. Everywhere else the command line is
 * all there is, and what a user writes there is the name that user asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <exitstat/identity.h>
#include <exitstat/process.h>
#include <exitstat/util.h>

#define CMDLINE_MAX (1024 * 1024)
#define CGROUP_MAX  (64 * 1024)
#define STATUS_MAX  (16 * 1024)
#define READ_STEP   4096

/* A file of /proc; they say nothing of their size, so it is read until it ends. */
struct text {
	char *data; /* NUL after the last byte; NULL: could not be read */
	size_t len;
};

static void free_text(struct text *t)
{
	free(t->data);
}

#define _cleanup_text_ _cleanup_(free_text)

static bool grow(struct text *t, size_t *size, size_t max)
{
	size_t want = *size ? *size * 2 : READ_STEP;
	char *p;

	if (t->len < *size)
		return true;
	if (*size >= max)
		return false;
	p = realloc(t->data, (want < max ? want : max) + 1);
	if (!p)
		return false;
	t->data = p;
	*size = want < max ? want : max;
	return true;
}

/* dir: the process's folder. */
static struct text read_proc(int dir, const char *name, size_t max)
{
	_cleanup_close_ int fd = dir < 0 ? -1 : openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct text t = { 0 };
	size_t size = 0;
	ssize_t n = 0;

	if (fd < 0)
		return t;
	while (grow(&t, &size, max)) {
		n = read(fd, t.data + t.len, size - t.len);
		if (n <= 0 && !(n < 0 && errno == EINTR))
			break;
		t.len += n > 0 ? (size_t)n : 0;
	}
	if (t.data)
		t.data[t.len] = '\0';
	return t;
}

/* --- names --- */

/* Bytes of the UTF-8 character at s, of which left follow; 0: not one. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t min;
	} forms[] = {
		{ 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 }
	};

	for (size_t n = 1; n <= ES_ARRAY_SIZE(forms); n++) {
		uint32_t c = s[0] & (unsigned char)~forms[n - 1].mask;

		if ((s[0] & forms[n - 1].mask) != forms[n - 1].lead)
			continue;
		if (n > left)
			return 0;
		for (size_t i = 1; i < n; i++) {
			if ((s[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (s[i] & 0x3f);
		}
		return c < forms[n - 1].min || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
	}
	return 0;
}

/* Copies s as valid UTF-8, as many whole characters as fit. */
static void set_name(struct es_identity *id, const char *s)
{
	static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
	size_t left = strlen(s), len = 0;

	while (left) {
		size_t n = utf8_length((const unsigned char *)s, left);
		const char *from = n ? s : replacement;
		size_t add = n ? n : sizeof(replacement) - 1;

		if (len + add >= sizeof(id->name))
			break;
		memcpy(id->name + len, from, add);
		len += add;
		s += n ? n : 1;
		left -= n ? n : 1;
	}
	id->name[len] = '\0';
}

/* --- the control group --- */

/* Undoes systemd's escaping of unit names (\x2d) in place. */
static void unescape_unit(char *s)
{
	char *to = s;

	while (*s) {
		unsigned int c;

		if (s[0] == '\\' && s[1] == 'x' && strspn(s + 2, "0123456789abcdefABCDEF") >= 2 &&
		    sscanf(s + 2, "%2x", &c) == 1 && c) {
			*to++ = (char)c;
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* Groups that hold one machine: what stands between prefix and suffix is its name. */
static const struct {
	const char *prefix, *suffix;
	bool escaped;
} machine_groups[] = {
	{ "machine-", ".scope", true },		  /* systemd-machined: libvirt, vmspawn, nspawn */
	{ "systemd-vmspawn@", ".service", true }, /* systemd 256 and later */
	{ "", ".libvirt-qemu", false },		  /* libvirt on a host without systemd */
};

/* The machine's name if this part of a path is such a group. Writes into part. */
static char *machine_of_group(char *part)
{
	size_t len = strlen(part);

	for (size_t i = 0; i < ES_ARRAY_SIZE(machine_groups); i++) {
		size_t head = strlen(machine_groups[i].prefix), tail = strlen(machine_groups[i].suffix);

		if (len <= head + tail || strncmp(part, machine_groups[i].prefix, head) ||
		    strcmp(part + len - tail, machine_groups[i].suffix))
			continue;
		part[len - tail] = '\0';
		if (machine_groups[i].escaped)
			unescape_unit(part + head);
		return part + head;
	}
	return NULL;
}

/* Lines are ID:CONTROLLERS:PATH; the first group of a machine on any of them. */
static char *machine_of(struct text *cgroup)
{
	char *line_state, *line;

	if (!cgroup->data)
		return NULL;
	for (line = strtok_r(cgroup->data, "\n", &line_state); line;
	     line = strtok_r(NULL, "\n", &line_state)) {
		char *path = strchr(line, '/'), *part_state, *part;

		if (!path)
			continue;
		for (part = strtok_r(path, "/", &part_state); part; part = strtok_r(NULL, "/", &part_state)) {
			char *name = machine_of_group(part);

			if (name)
				return name;
		}
	}
	return NULL;
}

/* libvirt's machines are DRIVER-ID-NAME. Points at NAME, or NULL: not one of its VMs. */
static const char *libvirt_name(const char *machine)
{
	static const char *const drivers[] = { "qemu-", "ch-" };

	for (size_t i = 0; i < ES_ARRAY_SIZE(drivers); i++) {
		size_t head = strlen(drivers[i]), digits;

		if (strncmp(machine, drivers[i], head))
			continue;
		digits = strspn(machine + head, "0123456789");
		if (digits && machine[head + digits] == '-' && machine[head + digits + 1])
			return machine + head + digits + 1;
	}
	return NULL;
}

static bool plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Is cut what is left of full in a machine name: some characters gone, and the end of a long one? */
static bool same_name(const char *cut, const char *full)
{
	for (;; cut++, full++) {
		while (*cut && !plain(*cut))
			cut++;
		while (*full && !plain(*full))
			full++;
		if (!*cut || *cut != *full)
			return !*cut;
	}
}

/* --- the command line --- */

/* The value of option in a NUL-separated command line, the last one if it stands there twice. */
static char *option_value(const struct text *cmdline, const char *option)
{
	char *end = cmdline->data + cmdline->len, *found = NULL;
	size_t len = strlen(option);
	bool joins = !strncmp(option, "--", 2); /* --id=x and --id x */

	for (char *arg = cmdline->data; arg < end; arg += strlen(arg) + 1) {
		char *next = arg + strlen(arg) + 1;

		if (arg == cmdline->data)
			continue; /* the program's name */
		if (!strcmp(arg, option) && next < end)
			found = next;
		else if (joins && !strncmp(arg, option, len) && arg[len] == '=')
			found = arg + len + 1;
	}
	return found;
}

/* The next member of a QEMU option list, in which a doubled comma is a comma. Writes into *s. */
static char *qemu_member(char **s)
{
	char *start = *s, *to = *s, *from = *s;

	if (!from || !*from)
		return NULL;
	for (; *from; from++) {
		if (from[0] == ',' && from[1] != ',')
			break;
		if (from[0] == ',')
			from++;
		*to++ = *from;
	}
	*s = *from ? from + 1 : from;
	*to = '\0';
	return start;
}

/* -name guest=NAME,process=…,debug-threads=on; "guest=" may be left out where it comes first. */
static char *qemu_guest(char *value)
{
	char *member, *name = NULL;

	for (bool first = true; (member = qemu_member(&value)); first = false) {
		if (!strncmp(member, "guest=", 6))
			name = member + 6;
		else if (first && !strchr(member, '='))
			name = member;
	}
	return name;
}

static char *as_it_is(char *value)
{
	return value;
}

static bool is_one_of(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s, list[i]))
			return true;
	return false;
}

/*
 * VMMs without a name of their own are told apart by their control socket. Managers call
 * it NAME.sock, or have a folder for each VM and call the socket the same in all of them.
 */
static char *socket_name(char *path)
{
	static const char *const endings[] = { ".sock", ".socket", "-socket", "-api" };
	static const char *const common[] = { "api",	   "clh-api", "clh", "ch",     "cloud-hypervisor",
					      "crosvm",	   "vmm",     "vm",  "socket", "control",
					      "api-socket" };
	static const char *const places[] = { "run", "tmp", "var", "root", "home", "" };
	char *base;

	if (!strncmp(path, "path=", 5))
		path += 5;
	path[strcspn(path, ",")] = '\0';
	base = strrchr(path, '/');
	base = base ? base + 1 : path;
	for (size_t i = 0; i < ES_ARRAY_SIZE(endings); i++) {
		size_t len = strlen(base), tail = strlen(endings[i]);

		if (len > tail && !strcmp(base + len - tail, endings[i]))
			base[len - tail] = '\0';
	}
	if (!is_one_of(base, common, ES_ARRAY_SIZE(common)))
		return strchr(base, '=') ? NULL : base; /* fd=3 */
	if (base < path + 2)
		return NULL;
	base[-1] = '\0';
	base = strrchr(path, '/');
	base = base ? base + 1 : path;
	return is_one_of(base, places, ES_ARRAY_SIZE(places)) ? NULL : base;
}

/*
 * Programs, by fnmatch() with FNM_EXTMATCH, and where their command line has the name. The
 * first row that gives one counts.
 */
static const struct vmm {
	const char *source, *program, *option;
	char *(*extract)(char *value);
} vmms[] = {
	{ "qemu", "@(qemu-system-*|qemu-kvm|kvm|qemu|stratovirt)", "-name", qemu_guest },
	{ "qemu", "@(qemu-system-*|qemu-kvm|kvm|qemu|stratovirt)", "--name", qemu_guest },
	/* the jailer starts a copy under its own name, which must have "firecracker" in it */
	{ "firecracker", "*firecracker*", "--id", as_it_is },
	{ "cloud-hypervisor", "cloud-hypervisor*", "--api-socket", socket_name },
	{ "crosvm", "crosvm*", "--name", as_it_is },
	{ "crosvm", "crosvm*", "--socket", socket_name },
	{ "crosvm", "crosvm*", "-s", socket_name },
	{ "kvmtool", "@(lkvm*|kvmtool|vm)", "--name", as_it_is },
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Without what the kernel adds when the package was upgraded under it. */
static const char *clean_exe(const char *exe, char buf[512])
{
	static const char deleted[] = " (deleted)";
	size_t n, cut = sizeof(deleted) - 1;

	snprintf(buf, 512, "%s", exe ? exe : "");
	n = strlen(buf);
	if (n > cut && !strcmp(buf + n - cut, deleted))
		buf[n - cut] = '\0';
	return buf;
}

/* The name on the command line, and who says so. Writes into cmdline. */
static char *command_name(struct text *cmdline, const char *exe, const char **source)
{
	if (!cmdline->len)
		return NULL;
	for (size_t i = 0; i < ES_ARRAY_SIZE(vmms); i++) {
		const struct vmm *v = &vmms[i];
		char *value, *name;

		if (fnmatch(v->program, base_name(cmdline->data), FNM_EXTMATCH) &&
		    fnmatch(v->program, base_name(exe), FNM_EXTMATCH))
			continue;
		value = option_value(cmdline, v->option);
		name = value ? v->extract(value) : NULL;
		if (name && *name) {
			*source = v->source;
			return name;
		}
	}
	return NULL;
}

/* --- the owner --- */

/*
 * The uid, if real, effective and saved one agree, which is what the kernel asks for before
 * one process may look into another. A process between two users is root's business.
 */
static uint32_t read_uid(int dir)
{
	_cleanup_text_ struct text status = read_proc(dir, "status", STATUS_MAX);
	unsigned int real, effective, saved;
	const char *line = status.data ? strstr(status.data, "\nUid:") : NULL;

	if (!line || sscanf(line, "\nUid: %u %u %u", &real, &effective, &saved) != 3)
		return UINT32_MAX;
	return real == effective && real == saved ? real : UINT32_MAX;
}

static void fall_back(struct es_identity *out, uint32_t pid, const char *comm)
{
	char name[64];

	snprintf(name, sizeof(name), "%.15s-%u", comm && *comm ? comm : "vm", pid);
	set_name(out, name);
	out->source = "comm";
}

/* The process that was seen with this number at that time; -ESRCH: it is gone, and another one has the number. */
static int open_process(const char *proc, uint32_t pid, uint64_t seen_ns)
{
	_cleanup_close_ int dir = es_process_open(proc, pid);

	if (dir >= 0 && es_process_younger(dir, seen_ns))
		return -ESRCH;
	return es_steal_fd(&dir);
}

void es_identity_resolve(const char *proc, uint32_t pid, const char *comm, const char *exe, uint64_t seen_ns,
			 struct es_identity *out)
{
	_cleanup_close_ int dir = open_process(proc, pid, seen_ns);
	_cleanup_text_ struct text cgroup = read_proc(dir, "cgroup", CGROUP_MAX);
	_cleanup_text_ struct text cmdline = read_proc(dir, "cmdline", CMDLINE_MAX);
	const char *source = NULL, *machine = machine_of(&cgroup), *told, *name;
	char buf[512];

	memset(out, 0, sizeof(*out));
	out->uid = read_uid(dir);
	name = command_name(&cmdline, clean_exe(exe, buf), &source);
	told = machine ? libvirt_name(machine) : NULL;
	if (told) {
		set_name(out, name && same_name(told, name) ? name : told);
		out->source = "libvirt";
	} else if (name) {
		set_name(out, name);
		out->source = source;
	} else if (machine) {
		set_name(out, machine);
		out->source = "machined";
	} else {
		fall_back(out, pid, comm);
	}
}
