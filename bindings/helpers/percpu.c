// SPDX-License-Identifier: GPL-2.0
/* Helpers for per-CPU counters. */
#include <linux/percpu.h>

#include "../helpers.h"

u64 __percpu *rust_helper_alloc_percpu_counters(unsigned int nr)
{
	return __alloc_percpu(array_size(nr, sizeof(u64)), __alignof__(u64));
}

void rust_helper_free_percpu_counters(u64 __percpu *counters)
{
	free_percpu(counters);
}

void rust_helper_this_cpu_inc_counter(u64 __percpu *counters, unsigned int i)
{
	this_cpu_inc(counters[i]);
}

u64 nf_tracer_sum_percpu_counter(const u64 __percpu *counters, unsigned int i)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(&counters[i], cpu));
	return sum;
}
