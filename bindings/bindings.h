/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything of C that the module sees and the kernel crate lacks.
 *
 * This is bindgen's input. What is taken from it is named in
 * bindgen_parameters; types that the kernel crate has already (sk_buff, net,
 * list_head...) are left out there and come from kernel::bindings, so that
 * both crates speak of the same type.
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

#endif
