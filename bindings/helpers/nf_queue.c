// SPDX-License-Identifier: GPL-2.0
/* Helpers for packets held by a queue, and their reinjection. */
#include <linux/hash.h>
#include <linux/kallsyms.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/netfilter.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_extend.h>
#include <net/sock.h>

#include "../helpers.h"

int nf_tracer_reroute(struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (!skb_dst(skb))
		return 0;
	if (state->pf == NFPROTO_IPV4)
		return ip_route_me_harder(state->net, state->sk, skb, RTN_UNSPEC);
	return nf_ip6_route_me_harder(state->net, state->sk, skb);
}

#if !IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
static bool nf_bridge_info_exists(const struct sk_buff *skb)
{
	return false;
}
#endif

#if IS_ENABLED(CONFIG_NF_CONNTRACK)
/* By a symbol of the module: the only way to a module that may be absent. */
static bool hold_module(bool *is_held, const char *symbol)
{
	if (!*is_held)
		*is_held = __symbol_get(symbol);
	return *is_held;
}

static bool is_bound_elsewhere(const struct nf_conn *ct)
{
#ifdef CONFIG_NF_CONNTRACK_TIMEOUT
	if (nf_ct_ext_exist(ct, NF_CT_EXT_TIMEOUT))
		return true;
#endif
	return nf_ct_ext_exist(ct, NF_CT_EXT_HELPER);
}

/*
 * A new connection is in no table: code that changes or removes connections
 * before something that they refer to goes away cannot find it, except through
 * nf_queue_nf_hook_drop(), which only notifies the one queue handler. And
 * whoever holds one may change it without a lock, as nf_ct_drop_unconfirmed()
 * assumes.
 */
static bool hold_connection(const struct sk_buff *skb, struct nf_held_modules *modules)
{
	const struct nf_conn *ct = (const struct nf_conn *)skb_nfct(skb);
	bool is_new;

	if (!ct)
		return true;
	is_new = !nf_ct_is_confirmed(ct);
	if (is_new && (refcount_read(&ct->ct_general.use) > 1 || is_bound_elsewhere(ct)))
		return false;
	/* In a list of nf_nat's, which is all that refers to a deleted one. */
	if (ct->status & IPS_NAT_DONE_MASK &&
	    !hold_module(&modules->nat, "nf_nat_packet"))
		return false;
	return hold_module(&modules->conntrack, "nf_ct_delete");
}

void nf_tracer_held_put_modules(const struct nf_held_modules *modules)
{
	if (modules->nat)
		__symbol_put("nf_nat_packet");
	if (modules->conntrack)
		__symbol_put("nf_ct_delete");
}
#else
static bool hold_connection(const struct sk_buff *skb, struct nf_held_modules *modules)
{
	return true;
}

void nf_tracer_held_put_modules(const struct nf_held_modules *modules)
{
}
#endif

/*
 * Takes a reference to an RCU-protected route; on failure leaves the route as
 * it was.
 */
static bool hold_route(struct sk_buff *skb)
{
	struct dst_entry *dst = skb_dst(skb);

	if (!skb_dst_is_noref(skb))
		return true;
	/* On its own, skb_dst_force() clears a route that is going away. */
	if (!dst_hold_safe(dst))
		return false;
	skb_dst_force(skb);
	dst_release(dst);
	return true;
}

/*
 * A VRF device's prerouting only evaluates its rules: its continuation frees
 * the packet.
 */
bool nf_tracer_hook_goes_on(const struct nf_hook_state *state)
{
	return state->okfn && !(state->hook == NF_INET_PRE_ROUTING && state->in &&
				netif_is_l3_master(state->in));
}

/*
 * Whether it is a function of a module, which may be unloaded. On arm64 the
 * kernel's own image is in the range of vmalloc(), too, and only its symbol
 * tells. What is found to be the kernel's own stays so, and is remembered.
 */
static bool may_be_unloaded(const void *function)
{
	static const void *kernels[16];
	const void **slot;
	char symbol[KSYM_SYMBOL_LEN];

	if (!is_vmalloc_or_module_addr(function))
		return false;
	if (!IS_ENABLED(CONFIG_ARM64))
		return true;
	slot = &kernels[hash_ptr(function, ilog2(ARRAY_SIZE(kernels)))];
	if (READ_ONCE(*slot) == function)
		return false;
	/* "name [module]", or a number if it is unknown. */
	sprint_symbol_no_offset(symbol, (unsigned long)function);
	if (!symbol[0] || strstarts(symbol, "0x") || strchr(symbol, '['))
		return true;
	WRITE_ONCE(*slot, function);
	return false;
}

bool nf_tracer_held_take(const struct nf_held *held,
			 struct nf_held_modules *modules)
{
	const struct nf_hook_state *state = &held->state;
	struct sk_buff *skb = held->skb;
	struct sock *sk = state->sk;
	bool prefetched = skb_sk_is_prefetched(skb);

	if (!nf_tracer_hook_goes_on(state))
		return false;
	/* Only nf_queue.c can hold a bridge's ports. */
	if (state->pf == NFPROTO_BRIDGE || nf_bridge_info_exists(skb) ||
	    (state->pf == NFPROTO_ARP && state->hook == NF_ARP_FORWARD))
		return false;
	/*
	 * A module's function: it is unloaded once its hooks are gone, and only
	 * nf_queue.c is notified.
	 */
	if (may_be_unloaded(state->okfn))
		return false;
	if (!hold_connection(skb, modules))
		return false;
	if (prefetched) {
		/*
		 * No hook point has both: each would have to be undone if the
		 * other failed.
		 */
		if (sk)
			return false;
		/*
		 * One that BPF created from a SYN cookie, whose listener cannot
		 * be held.
		 */
		if (skb->sk->sk_state == TCP_NEW_SYN_RECV)
			return false;
		if (!sk_is_refcounted(skb->sk))
			sk = skb->sk;
	}
	if (!hold_route(skb))
		return false;
	if (sk && !refcount_inc_not_zero(&sk->sk_refcnt))
		return false;
	/* Nothing fails from here on. */
	if (sk && !state->sk)
		skb->destructor = sock_edemux;
	dev_hold(held->dev);
	dev_hold(state->in);
	dev_hold(state->out);
	return true;
}

static bool is_up(const struct net_device *dev)
{
	return !dev || READ_ONCE(dev->flags) & IFF_UP;
}

bool nf_tracer_held_is_live(const struct nf_held *held)
{
	const struct nf_hook_state *state = &held->state;

	return check_net(state->net) && is_up(held->dev) && is_up(state->in) &&
	       is_up(state->out);
}

void nf_tracer_held_release(const struct nf_held *held)
{
	const struct nf_hook_state *state = &held->state;

	dev_put(held->dev);
	dev_put(state->in);
	dev_put(state->out);
	if (state->sk)
		sock_gen_put(state->sk);
}

void nf_tracer_reinject_begin(void)
{
	local_bh_disable();
	rcu_read_lock();
}

void nf_tracer_reinject_end(void)
{
	rcu_read_unlock();
	local_bh_enable();
}

int nf_tracer_hook_continue(const struct nf_hook_state *state,
			    struct sk_buff *skb)
{
	return state->okfn(state->net, state->sk, skb);
}
