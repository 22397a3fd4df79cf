/* SPDX-License-Identifier: GPL-2.0-only */
/* What sysfs says about this host's KVM. */
#ifndef EXITSTAT_KVM_HOST_H
#define EXITSTAT_KVM_HOST_H

#include <stdbool.h>

#include <exitstat/snapshot.h>

struct es_kvm_host {
	bool kvm;		/* kvm is loaded or built in */
	bool pvm;		/* its vendor module is kvm_pvm, which never fires kvm_exit */
	enum es_isa isa;	/* of the vendor module; ES_ISA_NONE: there is none */
	const char *vendor;	/* "kvm_intel", "kvm_amd", NULL */
	enum es_tristate tdp;	/* its parameter ept or npt */
	char build_id[65];	/* of the vendor module in hex: another build means other offsets; "" if built in */
};

/* sys, proc: "/sys", "/proc"; tests pass fixtures. Never fails: what cannot be read is unknown. */
void es_kvm_host_read(const char *sys, const char *proc, struct es_kvm_host *out);
/* The paging mode of a VM that starts now. */
enum es_paging es_kvm_host_paging(const struct es_kvm_host *h);

#endif
