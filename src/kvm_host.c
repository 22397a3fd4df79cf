// SPDX-License-Identifier: GPL-2.0-only
#include <exitstat/kvm_host.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <exitstat/util.h>

/* Vendor modules: what they are for, their nested paging parameter, the CPU flag that makes them work. */
static const struct vendor {
	const char *module;
	enum es_isa isa;
	const char *tdp_param;
	const char *cpu_flag;
} vendors[] = {
	{ "kvm_intel", ES_ISA_VMX, "ept", "vmx" },
	{ "kvm_amd", ES_ISA_SVM, "npt", "svm" },
};

static size_t read_file(const char *root, const char *module, const char *file, char *buf, size_t size)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[PATH_MAX];
	size_t n;

	snprintf(path, sizeof(path), "%s/module/%s%s", root, module, file);
	f = fopen(path, "re");
	n = f ? fread(buf, 1, size - 1, f) : 0;
	buf[n] = 0;
	return n;
}

static bool module_dir(const char *sys, const char *module)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/module/%s", sys, module);
	return stat(path, &st) == 0;
}

static bool cpu_has(const char *proc, const char *flag)
{
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	char path[PATH_MAX];
	size_t cap = 0;

	snprintf(path, sizeof(path), "%s/cpuinfo", proc);
	f = fopen(path, "re");
	while (f && getline(&line, &cap, f) > 0) {
		char *save = NULL, *word;

		if (strncmp(line, "flags", 5))
			continue;
		for (word = strtok_r(line, " \t\n", &save); word; word = strtok_r(NULL, " \t\n", &save)) {
			if (!strcmp(word, flag))
				return true;
		}
		return false;
	}
	return false;
}

/*
 * A loadable module has initstate, and no vendor module stays loaded on the other
 * vendor's CPU. Built in, both have a directory, and the CPU decides.
 */
static bool vendor_active(const char *sys, const char *proc, const struct vendor *v)
{
	char state[16];

	if (!module_dir(sys, v->module))
		return false;
	if (read_file(sys, v->module, "/initstate", state, sizeof(state)))
		return strncmp(state, "going", 5) != 0;
	return cpu_has(proc, v->cpu_flag);
}

static enum es_tristate read_switch(const char *sys, const struct vendor *v)
{
	char file[32], value[8];

	snprintf(file, sizeof(file), "/parameters/%s", v->tdp_param);
	read_file(sys, v->module, file, value, sizeof(value));
	if (value[0] == 'Y' || value[0] == '1')
		return ES_YES;
	if (value[0] == 'N' || value[0] == '0')
		return ES_NO;
	return ES_UNKNOWN;
}

static void read_build_id(const char *sys, const char *module, char out[65])
{
	char note[64];
	size_t n = read_file(sys, module, "/notes/.note.gnu.build-id", note, sizeof(note));
	const size_t head = 16; /* three lengths and "GNU\0" */

	out[0] = 0;
	for (size_t i = head; i < n && 2 * (i - head) + 2 < 65; i++)
		sprintf(out + 2 * (i - head), "%02x", (unsigned char)note[i]);
}

void es_kvm_host_read(const char *sys, const char *proc, struct es_kvm_host *out)
{
	*out = (struct es_kvm_host){
		.kvm = module_dir(sys, "kvm"),
		.pvm = module_dir(sys, "kvm_pvm"),
		.tdp = ES_UNKNOWN,
	};
	for (size_t i = 0; i < ES_ARRAY_SIZE(vendors); i++) {
		if (!vendor_active(sys, proc, &vendors[i]))
			continue;
		out->isa = vendors[i].isa;
		out->vendor = vendors[i].module;
		out->tdp = read_switch(sys, &vendors[i]);
		read_build_id(sys, vendors[i].module, out->build_id);
		return;
	}
}

enum es_paging es_kvm_host_paging(const struct es_kvm_host *h)
{
	if (h->pvm && !h->vendor)
		return ES_PAGING_SHADOW; /* it has no other */
	if (h->tdp == ES_UNKNOWN)
		return ES_PAGING_NONE;
	if (h->tdp == ES_NO)
		return ES_PAGING_SHADOW;
	return h->isa == ES_ISA_VMX ? ES_PAGING_EPT : ES_PAGING_NPT;
}
