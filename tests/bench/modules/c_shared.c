// SPDX-License-Identifier: GPL-2.0
/* A hook that counts in memory that all CPUs write to: what contention costs. */
#include <linux/atomic.h>

#include "c_hook.h"

static atomic64_t count;

static unsigned int hook(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	atomic64_inc(&count);
	return NF_ACCEPT;
}

MODULE_DESCRIPTION("Counts packets in one place for all CPUs");
