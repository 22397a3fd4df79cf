/* SPDX-License-Identifier: GPL-2.0-only */
/* A sampler over slots that a test writes in place of BPF, for who includes this: every snapshot is checked to add up. */
#ifndef SAMPLER_FIXTURE_H
#define SAMPLER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <exitstat/util.h>

#include "../../src/sampler.h"
#include "fake_keeper.h"

#define SLOTS 8
#define CPUID 0x72 /* SVM */
#define SEC   1000000000ull

extern struct es_keeper loader;
extern struct es_sampler *sampler;
extern bool per_vcpu;
extern const struct es_kvm_host host; /* AMD, nested paging */

/* fake_begin and fake_end */
struct es_slot *begin(uint32_t slot, uint64_t kvm, uint32_t vcpu_id, uint64_t born, uint32_t code,
		      uint64_t count);
void end(uint32_t slot, uint64_t when);
struct es_snapshot *sample(void);
/* The VMs' counts are the sums of their vCPUs', of those that have them. */
void check_sums(const struct es_snapshot *s);
/* The time of VM i as of the snapshot; of a snapshot's first VM. */
struct es_time time_at(const struct es_snapshot *s, size_t i);
struct es_time sample_time(void);
/* Slot 0: a vCPU that is in a state since ago ns; before that it was in the guest for 1000 ns. */
struct es_slot *in_state(enum es_state state, uint64_t ago);
/* Samples until who may be parked is. */
void rest(void);

int setup(void **state);
int teardown(void **state);

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
