// SPDX-License-Identifier: GPL-2.0
/* A hook that prints a line that needs no formatting: what printk alone costs. */
#define pr_fmt(fmt) "nf_tracer: " fmt

#include "c_hook.h"

static unsigned int hook(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	pr_info("source : 10.0.0.1:55560 | dest : 10.0.0.2:41705 | seq : 2257457827 | ack_seq : 4262703343 | window : 20462 | csum : 0xfe28 | urg_ptr : 0\n");
	return NF_ACCEPT;
}

MODULE_DESCRIPTION("Prints a ready line");
