/* SPDX-License-Identifier: GPL-2.0-only */
/* Which exit is whose and of which kind, for who makes them and who expects them. */
#ifndef RATE_H
#define RATE_H

#define RATE_VCPUS 64 /* at most */
#define RATE_BURST 64 /* exits before the next vCPU has its turn */
#define RATE_CODES 8
/* SVM: CPUID, IOIO, MSR, INTR, NPF, VINTR, PAUSE, INVLPG */
#define RATE_CODE_LIST                                          \
	{                                                       \
		0x72, 0x7b, 0x7c, 0x60, 0x400, 0x64, 0x77, 0x79 \
	}

/* Exit number n of all. */
static inline __attribute__((always_inline)) unsigned int rate_vcpu(unsigned long long n, unsigned int vcpus)
{
	return (unsigned int)(n / RATE_BURST % vcpus);
}

/* Not all alike: the first code comes half of the time. */
static inline __attribute__((always_inline)) unsigned int rate_code(unsigned long long n)
{
	return n % 2 ? (unsigned int)(n / 2 % RATE_CODES) : 0;
}

#endif
