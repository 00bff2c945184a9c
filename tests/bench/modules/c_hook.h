/* SPDX-License-Identifier: GPL-2.0 */
/* A module that is one hook(): before all others at PRE_ROUTING, in the initial namespace. */
#ifndef C_HOOK_H
#define C_HOOK_H

#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/skbuff.h>
#include <net/net_namespace.h>

static unsigned int hook(void *priv, struct sk_buff *skb, const struct nf_hook_state *state);

static const struct nf_hook_ops c_hook_ops = {
	.hook = hook,
	.pf = NFPROTO_IPV4,
	.hooknum = NF_INET_PRE_ROUTING,
	.priority = NF_IP_PRI_FIRST,
};

static int __init c_hook_init(void)
{
	return nf_register_net_hook(&init_net, &c_hook_ops);
}

static void __exit c_hook_exit(void)
{
	nf_unregister_net_hook(&init_net, &c_hook_ops);
}

module_init(c_hook_init);
module_exit(c_hook_exit);
MODULE_LICENSE("GPL");

#endif
