/* SPDX-License-Identifier: GPL-2.0-only */
/* Is what L1 gets the exit that L2 made? Pure, for a unit test too. */
#ifndef EXITSTAT_NESTED_H
#define EXITSTAT_NESTED_H

#include <stdbool.h>
#include <linux/types.h>

/* VMX basic exit reasons. */
#define VMX_EPT_VIOLATION 48
#define VMX_EPT_MISCONFIG 49
#define VMX_PML_FULL	  62

/*
 * exited: the code of L2's exit; injected: that of the exit which L1 is given, on VMX with the flags above the basic
 * reason. On what L1's own EPT says of a page KVM looks only after its shadow of it had none, so for the CPU each of these is
 * an EPT_VIOLATION: device memory that L1 has marked by a misconfiguration, a full log of dirty pages
 * (nested_ept_inject_page_fault in vmx/nested.c).
 */
static inline bool is_reflection(bool vmx, __u32 exited, __u32 injected)
{
	if (vmx)
		injected &= 0xffff;
	if (vmx && exited == VMX_EPT_VIOLATION && (injected == VMX_EPT_MISCONFIG || injected == VMX_PML_FULL))
		return true;
	return exited == injected;
}

#endif
