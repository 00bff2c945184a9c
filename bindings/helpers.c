// SPDX-License-Identifier: GPL-2.0
/*
 * C functions for what Rust cannot call, and the check that C lays the
 * netfilter structures out as bindings.rs says that Rust does.
 */
#include <linux/cpumask.h>
#include <linux/netfilter.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>

#include "helpers.h"

int rust_helper_skb_network_offset(const struct sk_buff *skb)
{
	return skb_network_offset(skb);
}

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

u64 rust_helper_sum_percpu_counter(const u64 __percpu *counters, unsigned int i)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(&counters[i], cpu));
	return sum;
}

/*
 * gcc compiles the kernel, libclang reads the headers for bindgen. Where the
 * two see a structure differently (RANDSTRUCT, an attribute or a flag that one
 * of them does not know), Rust would write to the wrong place. bindings.rs
 * makes the same statements about what bindgen made of them.
 */
#define FIELD_END(type, field) offsetofend(struct type, field)

static_assert(offsetof(struct nf_hook_ops, list) == 0);
static_assert(offsetof(struct nf_hook_ops, rcu) == sizeof(struct list_head));
static_assert(offsetof(struct nf_hook_ops, hook) == FIELD_END(nf_hook_ops, rcu));
static_assert(offsetof(struct nf_hook_ops, dev) == FIELD_END(nf_hook_ops, hook));
static_assert(offsetof(struct nf_hook_ops, priv) == FIELD_END(nf_hook_ops, dev));
static_assert(offsetof(struct nf_hook_ops, pf) == FIELD_END(nf_hook_ops, priv));
static_assert(offsetof(struct nf_hook_ops, hooknum) ==
	      ALIGN(FIELD_END(nf_hook_ops, pf) + 1, sizeof(int)));
static_assert(offsetof(struct nf_hook_ops, priority) ==
	      FIELD_END(nf_hook_ops, hooknum));
static_assert(sizeof(struct nf_hook_ops) ==
	      ALIGN(FIELD_END(nf_hook_ops, priority), sizeof(void *)));

static_assert(offsetof(struct nf_hook_state, hook) == 0);
static_assert(offsetof(struct nf_hook_state, pf) == 1);
static_assert(offsetof(struct nf_hook_state, in) == sizeof(void *));
static_assert(offsetof(struct nf_hook_state, out) == 2 * sizeof(void *));
static_assert(offsetof(struct nf_hook_state, sk) == 3 * sizeof(void *));
static_assert(offsetof(struct nf_hook_state, net) == 4 * sizeof(void *));
static_assert(offsetof(struct nf_hook_state, okfn) == 5 * sizeof(void *));
static_assert(sizeof(struct nf_hook_state) == 6 * sizeof(void *));
