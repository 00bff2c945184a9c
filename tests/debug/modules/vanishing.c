// SPDX-License-Identifier: GPL-2.0
/*
 * What a packet refers to, and what goes away at the wrong moment: the route of
 * each IPv4 packet that is forwarded is already being freed when other hooks see
 * it, and the device 'plain0', which hands back what is sent by it, moves to the
 * initial network namespace when its own goes, as a device with hardware does.
 */
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/netfilter_ipv4.h>
#include <net/dst.h>
#include <net/route.h>

static unsigned int routes_gone;

/* What the kernel's own rt_dst_clone() copies, as far as a plain packet needs it. */
static struct rtable *clone_route(const struct rtable *old, struct net_device *dev)
{
	struct rtable *new = dst_alloc(old->dst.ops, dev, DST_OBSOLETE_FORCE_CHK,
				       old->dst.flags);

	if (!new)
		return NULL;
	new->rt_genid = old->rt_genid;
	new->rt_flags = old->rt_flags;
	new->rt_type = old->rt_type;
	new->rt_is_input = old->rt_is_input;
	new->rt_iif = old->rt_iif;
	new->rt_pmtu = old->rt_pmtu;
	new->rt_mtu_locked = old->rt_mtu_locked;
	new->rt_gw_family = old->rt_gw_family;
	new->rt_gw4 = old->rt_gw4;
	new->dst.input = old->dst.input;
	new->dst.output = old->dst.output;
	return new;
}

static unsigned int give_route_up(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	struct rtable *route = clone_route(skb_rtable(skb), state->out);

	if (!route)
		return NF_DROP;
	skb_dst_drop(skb);
	/* As if this were a cached one that is being replaced. */
	skb_dst_set_noref(skb, &route->dst);
	dst_release(&route->dst);
	routes_gone++;
	return NF_ACCEPT;
}

static const struct nf_hook_ops hook = {
	.hook = give_route_up,
	.pf = NFPROTO_IPV4,
	.hooknum = NF_INET_FORWARD,
	.priority = NF_IP_PRI_FIRST,
};

static netdev_tx_t hand_back(struct sk_buff *skb, struct net_device *dev)
{
	skb_orphan(skb);
	skb->protocol = eth_type_trans(skb, dev);
	netif_rx(skb);
	return NETDEV_TX_OK;
}

static const struct net_device_ops device_ops = {
	.ndo_start_xmit = hand_back,
	.ndo_set_mac_address = eth_mac_addr,
};

static void set_up(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &device_ops;
	eth_hw_addr_random(dev);
}

static struct net_device *device;

static int __init vanishing_init(void)
{
	int err;

	device = alloc_netdev(0, "plain0", NET_NAME_USER, set_up);
	if (!device)
		return -ENOMEM;
	err = register_netdev(device);
	if (err)
		goto free;
	err = nf_register_net_hook(&init_net, &hook);
	if (err)
		goto unregister;
	return 0;

unregister:
	unregister_netdev(device);
free:
	free_netdev(device);
	return err;
}

static void __exit vanishing_exit(void)
{
	nf_unregister_net_hook(&init_net, &hook);
	unregister_netdev(device);
	free_netdev(device);
	pr_info("vanishing: %u routes gone\n", routes_gone);
}

module_init(vanishing_init);
module_exit(vanishing_exit);

MODULE_DESCRIPTION("Routes and devices that go away");
MODULE_AUTHOR("The nf_tracer authors");
MODULE_LICENSE("GPL");
