// SPDX-License-Identifier: GPL-2.0-only
/*
 * What things cost in a BPF program: empty ones, and programs on kvm_exit that do one
 * thing TIMES times and nothing else, so that the difference to the empty one, divided
 * by TIMES, is what it takes. tests/bench/operations loads them one at a time.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct sched_info {
	unsigned long long run_delay;
};
struct task_struct {
	struct sched_info sched_info;
};
struct kvm_vcpu {
	int cpu;
};
struct vmcb_control_area {
	__u32 exit_code;
};
struct vmcb {
	struct vmcb_control_area control;
};
struct svm_cpu_data {
	struct vmcb *current_vmcb;
};
#pragma clang attribute pop

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64[64]);
} array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} percpu_array SEC(".maps");

/* Nobody puts anything into it: a bucket is computed, and found empty. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u32);
} hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} task_storage SEC(".maps");

extern struct svm_cpu_data svm_data __ksym __weak;

static volatile __u64 global;
static volatile __u64 table[64];

#define TIMES 8

/* Computed, not optimized away, and put nowhere. */
#define KEEP(x) asm volatile("" ::"r"(x))

static __noinline int call_me(__u64 x)
{
	KEEP(x);
	return 0;
}

/* PROBE(name, what it does; `vcpu` is the tracepoint's) */
#define PROBE(name, ...)                                                           \
	SEC("tp_btf/kvm_exit")                                                     \
	int BPF_PROG(name, struct kvm_vcpu *vcpu)                                  \
	{                                                                          \
		if (!vcpu)                                                         \
			return 0;                                                  \
		_Pragma("clang loop unroll(full)") for (int i = 0; i < TIMES; i++) \
		{                                                                  \
			__VA_ARGS__;                                               \
		}                                                                  \
		return 0;                                                          \
	}

SEC("tp_btf/kvm_exit")
int empty_exit(void *ctx)
{
	return 0;
}

SEC("tp_btf/kvm_exit")
int empty_exit2(void *ctx)
{
	return 0;
}

SEC("tp_btf/kvm_entry")
int empty_entry(void *ctx)
{
	return 0;
}

SEC("raw_tp/kvm_exit")
int empty_raw_exit(void *ctx)
{
	return 0;
}

/* The check of `vcpu`, and nothing. */
PROBE(nothing, KEEP(vcpu))
PROBE(clock, KEEP(bpf_ktime_get_ns()))
PROBE(clock_boot, KEEP(bpf_ktime_get_boot_ns()))
PROBE(jiffies, KEEP(bpf_jiffies64()))
PROBE(cpu_number, KEEP(bpf_get_smp_processor_id()))
PROBE(pid, KEEP(bpf_get_current_pid_tgid()))
PROBE(task, KEEP(bpf_get_current_task()))
PROBE(task_btf, KEEP(bpf_get_current_task_btf()))
PROBE(run_delay, KEEP(bpf_get_current_task_btf()->sched_info.run_delay))
PROBE(load_typed, KEEP(*(volatile int *)&vcpu->cpu))
PROBE(probe_read_4, __u32 v; bpf_probe_read_kernel(&v, sizeof(v), vcpu); KEEP(v))
PROBE(probe_read_8, __u64 v; bpf_probe_read_kernel(&v, sizeof(v), vcpu); KEEP(v))
PROBE(probe_read_64, __u64 v[8]; bpf_probe_read_kernel(v, sizeof(v), vcpu); KEEP(v[0]))
PROBE(array_lookup, __u32 key = i; __u64 *v = bpf_map_lookup_elem(&array, &key); if (v) KEEP(*v))
PROBE(percpu_lookup, __u32 key = 0; __u64 *v = bpf_map_lookup_elem(&percpu_array, &key); if (v) KEEP(*v))
PROBE(hash_lookup, __u64 key = (__u64)vcpu + i; __u32 *v = bpf_map_lookup_elem(&hash, &key); if (v) KEEP(*v))
PROBE(task_storage_get, __u64 *v = bpf_task_storage_get(&task_storage, bpf_get_current_task_btf(), 0,
							BPF_LOCAL_STORAGE_GET_F_CREATE);
      if (v) KEEP(*v))
PROBE(global_load, KEEP(global))
PROBE(global_add, global++)
PROBE(atomic_add, __sync_fetch_and_add(&global, 1))
PROBE(global_table, __u64 at = bpf_get_smp_processor_id(); KEEP(table[at & 63]))
PROBE(exit_code,
      if (&svm_data)
	      KEEP(((struct svm_cpu_data *)bpf_this_cpu_ptr(&svm_data))->current_vmcb->control.exit_code))
PROBE(function_call, call_me(i))

char LICENSE[] SEC("license") = "GPL";
