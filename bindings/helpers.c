// SPDX-License-Identifier: GPL-2.0
/*
 * C functions for what Rust cannot call, and the check that C lays the
 * netfilter structures out as bindings.rs says that Rust does.
 */
#include <linux/console.h>
#include <linux/cpumask.h>
#include <linux/filter.h>
#include <linux/kmod.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/inet_sock.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_log.h>
#include <net/netfilter/nf_queue.h>
#include <net/sock.h>

#include "helpers.h"

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

void rust_helper_netdev_copy_name(const struct net_device *dev, char *to)
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

struct sock *rust_helper_sk_to_full_sk(struct sock *sk)
{
	return sk_to_full_sk(sk);
}

u32 rust_helper_sk_uid(const struct sock *sk)
{
	return from_kuid_munged(&init_user_ns, sk_uid(sk));
}

u64 rust_helper_sk_cookie(const struct sock *sk)
{
	return atomic64_read(&sk->sk_cookie);
}

u32 rust_helper_skb_mark(const struct sk_buff *skb)
{
	return skb->mark;
}

void rust_helper_skb_set_mark(struct sk_buff *skb, u32 mark)
{
	skb->mark = mark;
}

u32 rust_helper_skb_priority(const struct sk_buff *skb)
{
	return skb->priority;
}

void rust_helper_skb_set_priority(struct sk_buff *skb, u32 priority)
{
	skb->priority = priority;
}

u16 rust_helper_skb_protocol_host_order(const struct sk_buff *skb)
{
	return ntohs(skb->protocol);
}

u16 rust_helper_skb_gso_segs(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->gso_segs;
}

bool rust_helper_skb_is_gso(const struct sk_buff *skb)
{
	return skb_is_gso(skb);
}

u8 rust_helper_skb_ip_summed(const struct sk_buff *skb)
{
	return skb->ip_summed;
}

u32 rust_helper_skb_hash(const struct sk_buff *skb)
{
	return skb->hash;
}

s64 rust_helper_skb_tstamp(const struct sk_buff *skb)
{
	return ktime_to_ns(skb->tstamp);
}

void rust_helper_skb_write(struct sk_buff *skb, int offset, const void *from,
			   int len)
{
	void *to = skb->data + offset;
	bool complete = skb->ip_summed == CHECKSUM_COMPLETE;

	/* A part that starts at an odd offset counts with its bytes swapped. */
	if (complete)
		skb->csum = csum_block_sub(skb->csum, csum_partial(to, len, 0),
					   offset);
	memcpy(to, from, len);
	if (complete)
		skb->csum = csum_block_add(skb->csum, csum_partial(to, len, 0),
					   offset);
}

void rust_helper_skb_csum_replace(struct sk_buff *skb, int offset, u32 from,
				  u32 to, u32 what)
{
	__sum16 *field = (__sum16 *)(skb->data + offset);
	__be32 old = (__force __be32)from;
	__be32 new = (__force __be32)to;
	__sum16 sum = get_unaligned(field);

	/*
	 * inet_proto_csum_replace4() counts on it that the change and its check
	 * cancel out in skb->csum, except for the pseudo header, which is not in
	 * the packet twice. Here each change is accounted for when it is made.
	 */
	if (what == NF_CHECKSUM_IP_HEADER)
		csum_replace4(&sum, old, new);
	else if (skb->ip_summed != CHECKSUM_PARTIAL)
		csum_replace4(&sum, old, new);
	else if (what == NF_CHECKSUM_PSEUDO_HEADER)
		sum = ~csum_fold(csum_add(csum_sub(csum_unfold(sum),
						   (__force __wsum)old),
					  (__force __wsum)new));
	else
		return;
	rust_helper_skb_write(skb, offset, &sum, sizeof(sum));
}

#if !IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
static bool nf_bridge_info_exists(const struct sk_buff *skb)
{
	return false;
}
#endif

struct nf_queue_entry *
rust_helper_nf_hook_steal(struct sk_buff *skb, const struct nf_hook_state *state)
{
	struct nf_queue_entry *entry;

	/* Only nf_queue.c knows how to hold a bridge's ports. */
	if (state->pf == NFPROTO_BRIDGE || nf_bridge_info_exists(skb))
		return NULL;
	/* The route of a packet may be the RCU reader's, which we cease to be. */
	if (skb_dst(skb) && !skb_dst_force(skb))
		return NULL;

	entry = kzalloc_obj(*entry, GFP_ATOMIC);
	if (!entry)
		return NULL;
	entry->skb = skb;
	entry->skb_dev = skb->dev;
	entry->state = *state;
	entry->size = sizeof(*entry);
	if (!nf_queue_entry_get_refs(entry)) {
		kfree(entry);
		return NULL;
	}
	return entry;
}

void rust_helper_nf_hook_reinject(struct nf_queue_entry *entry)
{
	const struct nf_hook_state *state = &entry->state;

	rcu_read_lock();
	local_bh_disable();
	state->okfn(state->net, state->sk, entry->skb);
	local_bh_enable();
	rcu_read_unlock();
	nf_queue_entry_free(entry);
}

void rust_helper_nf_hook_free(struct nf_queue_entry *entry,
			      enum skb_drop_reason reason)
{
	kfree_skb_reason(entry->skb, reason);
	nf_queue_entry_free(entry);
}

void rust_helper_nf_hook_continue(const struct nf_hook_state *state,
				  struct sk_buff *skb)
{
	state->okfn(state->net, state->sk, skb);
}

int rust_helper_bpf_prog_create_classic(struct bpf_prog **prog,
					const struct sock_filter *filter, u16 len)
{
	struct sock_fprog_kern program = {
		.len = len,
		.filter = (struct sock_filter *)filter,
	};

	return bpf_prog_create(prog, &program);
}

/* At all hooks of IPv4 and IPv6 the packet's data starts with the network header. */
u32 rust_helper_bpf_prog_run_at_network(const struct bpf_prog *prog,
					struct sk_buff *skb)
{
	return bpf_prog_run_save_cb(prog, skb);
}

int rust_helper_nf_logger_load(enum nf_log_type type)
{
	int err = nf_logger_find_get(NFPROTO_INET, type);

	if (err == -ENOENT &&
	    request_module(type == NF_LOG_TYPE_LOG ? "nf_log_syslog" :
						     "nfnetlink_log") == 0)
		err = nf_logger_find_get(NFPROTO_INET, type);
	return err;
}

bool rust_helper_nf_log_syslog(const struct sk_buff *skb,
			       const struct nf_hook_state *state,
			       const char *prefix)
{
	static const struct nf_loginfo all_fields = {
		.type = NF_LOG_TYPE_LOG,
		.u.log.level = LOGLEVEL_INFO,
		.u.log.logflags = NF_LOG_DEFAULT_MASK | NF_LOG_MACDECODE,
	};

	if (!net_eq(state->net, &init_net) && !READ_ONCE(sysctl_nf_log_all_netns))
		return false;
	nf_log_packet(state->net, state->pf, state->hook, skb, state->in,
		      state->out, &all_fields, "%s", prefix);
	return true;
}

/* An inline function where there is but one CPU. */
void rust_helper_synchronize_rcu_expedited(void)
{
	synchronize_rcu_expedited();
}

void rust_helper_nf_log_nflog(u16 group, const struct sk_buff *skb,
			      const struct nf_hook_state *state, const char *prefix)
{
	/*
	 * Each packet is sent at once, not up to a second later with others: NFLOG
	 * stamps no packet on its way out, and libpcap and ulogd then take the time
	 * at which they get it. Besides, dumpcap loses all but the first of several.
	 */
	const struct nf_loginfo info = {
		.type = NF_LOG_TYPE_ULOG,
		.u.ulog.group = group,
		.u.ulog.qthreshold = 1,
	};

	nf_log_packet(state->net, state->pf, state->hook, skb, state->in,
		      state->out, &info, "%s", prefix);
}

bool rust_helper_serial_console_shows_info(void)
{
	struct console *console;
	bool found = false;
	int cookie;

	if (console_loglevel <= LOGLEVEL_INFO)
		return false;
	cookie = console_srcu_read_lock();
	for_each_console_srcu(console) {
		if ((console_srcu_read_flags(console) & CON_ENABLED) &&
		    strncmp(console->name, "tty", 3) == 0 && console->name[3])
			found = true;
	}
	console_srcu_read_unlock(cookie);
	return found;
}

u64 __percpu *rust_helper_alloc_percpu_counters(unsigned int nr)
{
	return __alloc_percpu(array_size(nr, sizeof(u64)), __alignof__(u64));
}

void rust_helper_free_percpu_counters(u64 __percpu *counters)
{
	free_percpu(counters);
}

void rust_helper_this_cpu_inc_counter(u64 __percpu *counters, unsigned int i)
{
	this_cpu_inc(counters[i]);
}

u64 rust_helper_sum_percpu_counter(const u64 __percpu *counters, unsigned int i)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(&counters[i], cpu));
	return sum;
}

/*
 * gcc compiles the kernel, libclang reads the headers for bindgen. Where the
 * two see a structure differently (RANDSTRUCT, an attribute or a flag that one
 * of them does not know), Rust would write to the wrong place. bindings.rs
 * makes the same statements about what bindgen made of them.
 */
#define FIELD_END(type, field) offsetofend(struct type, field)

static_assert(offsetof(struct nf_hook_ops, list) == 0);
static_assert(offsetof(struct nf_hook_ops, rcu) == sizeof(struct list_head));
static_assert(offsetof(struct nf_hook_ops, hook) == FIELD_END(nf_hook_ops, rcu));
static_assert(offsetof(struct nf_hook_ops, dev) == FIELD_END(nf_hook_ops, hook));
static_assert(offsetof(struct nf_hook_ops, priv) == FIELD_END(nf_hook_ops, dev));
static_assert(offsetof(struct nf_hook_ops, pf) == FIELD_END(nf_hook_ops, priv));
static_assert(offsetof(struct nf_hook_ops, hooknum) ==
	      ALIGN(FIELD_END(nf_hook_ops, pf) + 1, sizeof(int)));
static_assert(offsetof(struct nf_hook_ops, priority) ==
	      FIELD_END(nf_hook_ops, hooknum));
static_assert(sizeof(struct nf_hook_ops) ==
	      ALIGN(FIELD_END(nf_hook_ops, priority), sizeof(void *)));

static_assert(offsetof(struct nf_hook_state, hook) == 0);
static_assert(offsetof(struct nf_hook_state, pf) == 1);
static_assert(offsetof(struct nf_hook_state, in) == sizeof(void *));
static_assert(offsetof(struct nf_hook_state, out) == 2 * sizeof(void *));
static_assert(offsetof(struct nf_hook_state, sk) == 3 * sizeof(void *));
static_assert(offsetof(struct nf_hook_state, net) == 4 * sizeof(void *));
static_assert(offsetof(struct nf_hook_state, okfn) == 5 * sizeof(void *));
static_assert(sizeof(struct nf_hook_state) == 6 * sizeof(void *));
