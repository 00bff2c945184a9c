/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything from C that the module uses and the kernel crate lacks.
 *
 * This is bindgen's input. bindgen_parameters lists what is generated from it;
 * types that the kernel crate already has (sk_buff, net, list_head...) are
 * omitted there and come from kernel::bindings, so that both crates use the
 * same types.
 */
#ifndef NF_TRACER_BINDINGS_H
#define NF_TRACER_BINDINGS_H

#include <linux/filter.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/notifier.h>
#include <linux/rcupdate.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <net/netfilter/nf_log.h>

#include "events.h"
#include "helpers.h"
#include "report.h"

/* Constants of an enum without a name, for which bindgen would make up one. */
const u32 RUST_CONST_HELPER_NFPROTO_INET = NFPROTO_INET;
const u32 RUST_CONST_HELPER_NFPROTO_IPV4 = NFPROTO_IPV4;
const u32 RUST_CONST_HELPER_NFPROTO_ARP = NFPROTO_ARP;
const u32 RUST_CONST_HELPER_NFPROTO_NETDEV = NFPROTO_NETDEV;
const u32 RUST_CONST_HELPER_NFPROTO_BRIDGE = NFPROTO_BRIDGE;
const u32 RUST_CONST_HELPER_NFPROTO_IPV6 = NFPROTO_IPV6;

#endif
