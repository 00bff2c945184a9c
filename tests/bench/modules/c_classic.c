// SPDX-License-Identifier: GPL-2.0
/*
 * A hook that prints nf_tracer's classic line, as it is usually written in C: all of
 * it by one pr_info(), the headers taken to be where they belong.
 */
#define pr_fmt(fmt) "nf_tracer: " fmt

#include <linux/ip.h>
#include <linux/tcp.h>

#include "c_hook.h"

static unsigned int hook(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	struct iphdr *iph;
	struct tcphdr *tcph;

	if (!skb)
		return NF_ACCEPT;
	iph = ip_hdr(skb);
	if (iph->protocol != IPPROTO_TCP)
		return NF_ACCEPT;
	tcph = (struct tcphdr *)((u8 *)iph + iph->ihl * 4);
	pr_info("source : %pI4:%u | dest : %pI4:%u | seq : %u | ack_seq : %u | window : %u | csum : 0x%x | urg_ptr : %u\n",
		&iph->saddr, ntohs(tcph->source), &iph->daddr, ntohs(tcph->dest),
		ntohl(tcph->seq), ntohl(tcph->ack_seq), ntohs(tcph->window),
		ntohs(tcph->check), ntohs(tcph->urg_ptr));
	return NF_ACCEPT;
}

MODULE_DESCRIPTION("Prints the classic line by pr_info");
