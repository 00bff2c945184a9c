// SPDX-License-Identifier: GPL-2.0
/* Helpers for network namespaces and devices. */
#include <linux/netdevice.h>
#include <net/net_namespace.h>

#include "../helpers.h"

struct net *rust_helper_get_net(struct net *net)
{
	return get_net(net);
}

void rust_helper_put_net(struct net *net)
{
	put_net(net);
}

u32 rust_helper_net_inode(const struct net *net)
{
	return net->ns.inum;
}

int rust_helper_netdev_ifindex(const struct net_device *dev)
{
	return READ_ONCE(dev->ifindex);
}

void nf_tracer_netdev_copy_name(const struct net_device *dev, char *to)
{
	memcpy(to, dev->name, IFNAMSIZ);
	to[IFNAMSIZ - 1] = '\0';
}

void rust_helper_dev_put(struct net_device *dev)
{
	dev_put(dev);
}

struct net_device *
rust_helper_netdev_notifier_info_to_dev(const struct netdev_notifier_info *info)
{
	return netdev_notifier_info_to_dev(info);
}
