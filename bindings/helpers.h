/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C functions for what Rust cannot call: inline functions and macros.
 *
 * Each one does what the kernel's function of the same name does, without the
 * prefix rust_helper_, and has its calling context. The build takes the prefix
 * off in the Rust bindings, as the kernel's own rust/helpers do.
 */
#ifndef NF_TRACER_HELPERS_H
#define NF_TRACER_HELPERS_H

#include <linux/percpu.h>
#include <linux/skbuff.h>

int rust_helper_skb_network_offset(const struct sk_buff *skb);

/*
 * An array of u64 counters per CPU, zeroed. Allocation and freeing may sleep;
 * counting may happen in any context, NMI included. The sum is over all
 * possible CPUs, and exact once nobody counts any more.
 */
u64 __percpu *rust_helper_alloc_percpu_counters(unsigned int nr);
void rust_helper_free_percpu_counters(u64 __percpu *counters);
void rust_helper_this_cpu_inc_counter(u64 __percpu *counters, unsigned int i);
u64 rust_helper_sum_percpu_counter(const u64 __percpu *counters,
				   unsigned int i);

#endif
