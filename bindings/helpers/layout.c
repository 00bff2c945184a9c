// SPDX-License-Identifier: GPL-2.0
/* Asserts the layout of the netfilter structures, as bindings.rs does for Rust. */
#include <linux/netfilter.h>

/*
 * gcc compiles the kernel, libclang parses the headers for bindgen. If they lay
 * out a structure differently (RANDSTRUCT, an attribute or a flag that one of
 * them does not support), Rust would write to the wrong place. bindings.rs
 * asserts the same of bindgen's output.
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
