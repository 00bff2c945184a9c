// SPDX-License-Identifier: GPL-2.0
/* Helpers for classic BPF programs. */
#include <linux/filter.h>

#include "../helpers.h"

int nf_tracer_bpf_prog_create_classic(struct bpf_prog **prog,
				      const struct sock_filter *filter, u16 len)
{
	struct sock_fprog_kern program = {
		.len = len,
		.filter = (struct sock_filter *)filter,
	};

	return bpf_prog_create(prog, &program);
}

u32 nf_tracer_bpf_prog_run_at(const struct bpf_prog *prog, struct sk_buff *skb,
			      u32 offset)
{
	u32 result;

	/*
	 * At all hooks of IPv4 and IPv6 the packet's data starts at the network
	 * header.
	 */
	if (likely(!offset))
		return bpf_prog_run_save_cb(prog, skb);
	if (offset > skb_headlen(skb))
		return 0;
	__skb_pull(skb, offset);
	result = bpf_prog_run_save_cb(prog, skb);
	__skb_push(skb, offset);
	return result;
}
