// SPDX-License-Identifier: GPL-2.0-only
/* What exitstatd needs of a host, looked at one thing at a time. */
#include <errno.h>
#include <grp.h>
#include <langinfo.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <exitstat/client.h>
#include <exitstat/doctor.h>
#include <exitstat/kernel_counts.h>
#include <exitstat/process.h>
#include <exitstat/util.h>

#define GROUP "exitstat"

static void say(struct es_check_result *r, enum es_finding finding, const char *remedy, const char *format,
		...) __attribute__((format(printf, 4, 5)));

static void say(struct es_check_result *r, enum es_finding finding, const char *remedy, const char *format,
		...)
{
	va_list ap;

	r->finding = finding;
	va_start(ap, format);
	vsnprintf(r->text, sizeof(r->text), format, ap);
	va_end(ap);
	snprintf(r->remedy, sizeof(r->remedy), "%s", remedy ? remedy : "");
}

static void path_of(char buf[PATH_MAX], const struct es_doctor *d, const char *path)
{
	snprintf(buf, PATH_MAX, "%s%s", d->root, path);
}

static bool exists(const struct es_doctor *d, const char *path)
{
	char full[PATH_MAX];

	path_of(full, d, path);
	return access(full, F_OK) == 0;
}

/* The first bytes of a small file, without its last newline. 0 or negative errno. */
static int read_text(const struct es_doctor *d, const char *path, char *buf, size_t size)
{
	_cleanup_fclose_ FILE *f = NULL;
	char full[PATH_MAX];
	size_t n;

	path_of(full, d, path);
	*buf = '\0';
	f = fopen(full, "re");
	if (!f)
		return -errno;
	n = fread(buf, 1, size - 1, f);
	buf[n] = '\0';
	buf[strcspn(buf, "\n") == n - 1 ? n - 1 : n] = '\0';
	return 0;
}

/* A field of /proc/self/status, as a number. */
static unsigned long long status_field(const char *status, const char *name, int base)
{
	const char *at = strstr(status, name);

	return at ? strtoull(at + strlen(name), NULL, base) : 0;
}

void es_doctor_begin(struct es_doctor *d)
{
	char sys[PATH_MAX], proc[PATH_MAX], status[8192];

	path_of(sys, d, "/sys");
	path_of(proc, d, "/proc");
	es_kvm_host_read(sys, proc, &d->kvm);
	if (read_text(d, "/proc/self/status", status, sizeof(status)))
		return;
	d->is_root = status_field(status, "\nUid:", 10) == 0;
	d->sys_admin = status_field(status, "\nCapEff:", 16) >> CAP_SYS_ADMIN & 1;
}

static void check_privilege(const struct es_doctor *d, struct es_check_result *r)
{
	if (d->sys_admin)
		say(r, ES_FINDING_OK, NULL, "CAP_SYS_ADMIN is there: exitstatd can load its programs");
	else if (d->is_root)
		say(r, ES_FINDING_FAIL,
		    "run exitstatd on the host itself, or give the container CAP_SYS_ADMIN",
		    "root, but without CAP_SYS_ADMIN");
	else
		say(r, ES_FINDING_WARN, "start exitstatd with sudo; `sudo exitstat doctor` can check more",
		    "not root: exitstat needs no more, exitstatd does");
}

static void check_pid_namespace(const struct es_doctor *d, struct es_check_result *r)
{
	char path[PATH_MAX];

	path_of(path, d, "/proc");
	if (es_process_sees_host(path))
		say(r, ES_FINDING_OK, NULL, "the host's own: VMs can be named by their processes");
	else
		say(r, ES_FINDING_WARN, "run exitstatd on the host, or with the host's pid namespace",
		    "a container's: VMs cannot be named by their processes");
}

/* major * 1000 + minor, 0 if it cannot be told. */
static unsigned int kernel_version(const struct es_doctor *d, char release[128])
{
	unsigned int major, minor;

	read_text(d, "/proc/sys/kernel/osrelease", release, 128);
	return sscanf(release, "%u.%u", &major, &minor) == 2 ? major * 1000 + minor : 0;
}

/* From 5.10 on a program on a raw tracepoint can be run by hand, as exitstatd does to read what no event tells. */
static void check_kernel(const struct es_doctor *d, struct es_check_result *r)
{
	char release[128];
	unsigned int version = kernel_version(d, release);

	if (!version)
		say(r, ES_FINDING_WARN, NULL, "unknown release '%s'", release);
	else if (version < 5010)
		say(r, ES_FINDING_FAIL, "boot Linux 5.10 or later; 5.10, 6.1 and later are tested",
		    "Linux %s cannot run exitstatd's programs", release);
	else
		say(r, ES_FINDING_OK, NULL, "Linux %s", release);
}

static void check_btf(const struct es_doctor *d, struct es_check_result *r)
{
	if (exists(d, "/sys/kernel/btf/vmlinux"))
		say(r, ES_FINDING_OK, NULL, "/sys/kernel/btf/vmlinux is there");
	else
		say(r, ES_FINDING_FAIL,
		    "boot a kernel built with CONFIG_DEBUG_INFO_BTF, as those of distributions are",
		    "no /sys/kernel/btf/vmlinux: the programs cannot be fitted to this kernel");
}

/* To 5.14 kvm_exit itself names the reason, see bpf/compat.h; and modules have no types before 5.11. */
static void say_untyped(const struct es_doctor *d, const char *module, struct es_check_result *r)
{
	unsigned int version;
	char release[128];

	version = kernel_version(d, release);
	if (version && version < 5015 && !strcmp(module, "kvm"))
		say(r, ES_FINDING_OK, NULL,
		    "not known, and not needed: raw tracepoints tell of exits and times, and less of paging");
	else
		say(r, ES_FINDING_FAIL,
		    "boot a kernel with CONFIG_DEBUG_INFO_BTF_MODULES; rebuild a module built by hand with "
		    "vmlinux at hand",
		    "no /sys/kernel/btf/%s: the types of module %s are unknown", module, module);
}

/* A loaded module has initstate; one built in has its types in vmlinux. */
static void check_module_btf(const struct es_doctor *d, struct es_check_result *r)
{
	const char *modules[] = { "kvm", d->kvm.vendor };
	char path[PATH_MAX];

	if (!d->kvm.kvm) {
		say(r, ES_FINDING_OK, NULL, "KVM is not loaded, so there is nothing to look at yet");
		return;
	}
	for (size_t i = 0; i < ES_ARRAY_SIZE(modules) && modules[i]; i++) {
		snprintf(path, sizeof(path), "/sys/module/%s/initstate", modules[i]);
		if (!exists(d, path))
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/btf/%s", modules[i]);
		if (exists(d, path))
			continue;
		say_untyped(d, modules[i], r);
		return;
	}
	say(r, ES_FINDING_OK, NULL, "the types of KVM are known");
}

static void check_lockdown(const struct es_doctor *d, struct es_check_result *r)
{
	char text[128];

	if (read_text(d, "/sys/kernel/security/lockdown", text, sizeof(text)))
		say(r, ES_FINDING_OK, NULL, "none");
	else if (strstr(text, "[confidentiality]"))
		say(r, ES_FINDING_FAIL,
		    "boot with lockdown=integrity or lockdown=none on the kernel command line",
		    "confidentiality: BPF may not read kernel memory");
	else
		say(r, ES_FINDING_OK, NULL, "%s",
		    strstr(text, "[integrity]") ? "integrity, which lets BPF read" : "none");
}

/* The smallest map there is. 0 or negative errno. Before 5.11 maps count as locked memory; exitstatd lifts that limit, too. */
static int try_bpf(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	long fd;

	setrlimit(RLIMIT_MEMLOCK, &all);
	fd = syscall(__NR_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));

	if (fd < 0)
		return -errno;
	close((int)fd);
	return 0;
}

static void check_bpf(const struct es_doctor *d, struct es_check_result *r)
{
	int e = d->fixture ? 0 : try_bpf();

	if (d->fixture)
		say(r, ES_FINDING_OK, NULL, "not tried: this is another root");
	else if (!e)
		say(r, ES_FINDING_OK, NULL, "the system call works");
	else if (e == -ENOSYS)
		say(r, ES_FINDING_FAIL, "boot a kernel built with CONFIG_BPF_SYSCALL",
		    "this kernel has no BPF");
	else if (!d->sys_admin)
		say(r, ES_FINDING_WARN, "`sudo exitstat doctor` can tell", "not tried: only root may");
	else
		say(r, ES_FINDING_FAIL,
		    "allow bpf() in the container's seccomp profile, or run on the host itself",
		    "the system call is refused: %s", strerror(-e));
}

static void check_tracefs(const struct es_doctor *d, struct es_check_result *r)
{
	if (exists(d, "/sys/kernel/tracing/events/kvm/kvm_exit"))
		say(r, ES_FINDING_OK, NULL, "kvm:kvm_exit is there");
	else if (!d->is_root && !d->fixture)
		say(r, ES_FINDING_OK, NULL, "not readable but for root; exitstatd does not need it");
	else if (exists(d, "/sys/kernel/tracing/events") && d->kvm.kvm)
		say(r, ES_FINDING_FAIL, "boot a kernel built with CONFIG_KVM and CONFIG_TRACEPOINTS",
		    "this KVM has no tracepoint kvm:kvm_exit");
	else
		say(r, ES_FINDING_OK, NULL, "nothing there to look at; exitstatd does not need it");
}

static void check_cpu(const struct es_doctor *d, struct es_check_result *r)
{
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	char path[PATH_MAX];
	size_t cap = 0;

	path_of(path, d, "/proc/cpuinfo");
	f = fopen(path, "re");
	while (f && getline(&line, &cap, f) > 0) {
		const char *found = strncmp(line, "flags", 5) ? NULL
				    : strstr(line, " vmx")    ? "vmx (Intel)"
				    : strstr(line, " svm")    ? "svm (AMD)"
							      : NULL;

		if (!found)
			continue;
		say(r, ES_FINDING_OK, NULL, "virtualization by hardware: %s", found);
		return;
	}
	say(r, d->kvm.vendor ? ES_FINDING_WARN : ES_FINDING_FAIL,
	    "enable VT-x or AMD-V in the firmware; inside a VM, nested virtualization on its host",
	    "no virtualization by hardware: neither vmx nor svm in /proc/cpuinfo");
}

static void check_kvm(const struct es_doctor *d, struct es_check_result *r)
{
	static const char *const tdp[] = { "nested paging off", "nested paging on" };
	const struct es_kvm_host *k = &d->kvm;

	if (k->vendor)
		say(r, ES_FINDING_OK, NULL, "%s, %s (%s=%s)", k->vendor,
		    k->tdp == ES_UNKNOWN ? "nested paging unknown" : tdp[k->tdp],
		    k->isa == ES_ISA_VMX ? "ept" : "npt",
		    k->tdp == ES_UNKNOWN ? "?"
		    : k->tdp		 ? "Y"
					 : "N");
	else if (k->pvm)
		say(r, ES_FINDING_FAIL,
		    "use a host with kvm_intel or kvm_amd; `make demo` shows everything in an emulated one",
		    "kvm_pvm: this KVM runs guests, but never reports an exit (kvm_exit does not fire)");
	else
		say(r, ES_FINDING_WARN, "modprobe kvm_intel or kvm_amd; exitstatd waits for it",
		    k->kvm ? "kvm is there, but neither kvm_intel nor kvm_amd" : "not loaded");
}

/* A bonus, so it is fine either way. */
static void check_patch(const struct es_doctor *d, struct es_check_result *r)
{
	char sys[PATH_MAX];

	path_of(sys, d, "/sys");
	if (!d->kvm.kvm)
		say(r, ES_FINDING_OK, NULL, "KVM is not loaded, so there is nothing to look at yet");
	else if (es_kernel_patched(sys))
		say(r, ES_FINDING_OK, NULL,
		    "there: KVM counts exits too, `exitstat status` compares, `exitstat guest` reads them in "
		    "a guest");
	else
		say(r, ES_FINDING_OK, NULL,
		    "not there, and not needed: KVM has no exit counters of its own to compare with");
}

static void check_dev_kvm(const struct es_doctor *d, struct es_check_result *r)
{
	if (exists(d, "/dev/kvm"))
		say(r, ES_FINDING_OK, NULL, "/dev/kvm is there");
	else
		say(r, ES_FINDING_WARN, "load KVM; in a container, pass /dev/kvm on",
		    "no /dev/kvm: no VM can be started from here");
}

static void check_daemon(const struct es_doctor *d, struct es_check_result *r)
{
	struct es_client *c = NULL;
	json_t *answer = NULL;
	char err[ES_CLIENT_ERR];
	const char *attach, *notice;
	int e;

	if (d->fixture && !d->socket) {
		say(r, ES_FINDING_OK, NULL, "not looked for: this is another root");
		return;
	}
	e = es_client_open(d->socket, &c, err);
	if (!e)
		e = es_client_call(c, "exitstat.GetStatus", NULL, &answer, err);
	es_client_free(c);
	if (e) {
		say(r, ES_FINDING_WARN, NULL, "%s", err);
		return;
	}
	attach = json_string_value(json_object_get(json_object_get(answer, "status"), "attach"));
	notice = json_string_value(json_object_get(json_object_get(answer, "status"), "notice"));
	attach = attach ? attach : "in an unknown state";
	if (!notice)
		say(r, ES_FINDING_OK, NULL, "exitstatd runs and is %s", attach);
	else
		say(r,
		    strcmp(attach, "silent") && strcmp(attach, "failed") ? ES_FINDING_WARN : ES_FINDING_FAIL,
		    NULL, "exitstatd runs, but: %s", notice);
	json_decref(answer);
}

static void check_group(const struct es_doctor *d, struct es_check_result *r)
{
	struct group *g = getgrnam(GROUP);
	gid_t groups[NGROUPS_MAX];
	int n = getgroups(NGROUPS_MAX, groups);

	if (d->is_root) {
		say(r, ES_FINDING_OK, NULL, "root sees every VM%s",
		    g ? "" : "; there is no group " GROUP " for others");
		return;
	}
	for (int i = 0; g && i < n; i++)
		if (groups[i] == g->gr_gid) {
			say(r, ES_FINDING_OK, NULL, "in group " GROUP ": you see every VM");
			return;
		}
	say(r, ES_FINDING_WARN,
	    g ? "sudo usermod -aG " GROUP " YOU, then log in again"
	      : "sudo groupadd --system " GROUP ", and join it",
	    "you see your own VMs only: %s", g ? "not in group " GROUP : "there is no group " GROUP);
}

static void check_terminal(const struct es_doctor *d, struct es_check_result *r)
{
	const char *charset = nl_langinfo(CODESET);

	(void)d;
	if (strcmp(charset, "UTF-8") == 0)
		say(r, ES_FINDING_OK, NULL, "UTF-8: top draws with block characters");
	else
		say(r, ES_FINDING_WARN, "set LC_ALL=C.UTF-8", "%s: top draws with ASCII", charset);
}

const struct es_check es_checks[] = {
	{ "privilege", check_privilege },
	{ "pid namespace", check_pid_namespace },
	{ "kernel", check_kernel },
	{ "kernel types", check_btf },
	{ "lockdown", check_lockdown },
	{ "BPF", check_bpf },
	{ "CPU", check_cpu },
	{ "KVM", check_kvm },
	{ "KVM types", check_module_btf },
	{ "KVM patch", check_patch },
	{ "tracefs", check_tracefs },
	{ "/dev/kvm", check_dev_kvm },
	{ "exitstatd", check_daemon },
	{ "access", check_group },
	{ "terminal", check_terminal },
	{ 0 },
};
