// SPDX-License-Identifier: GPL-2.0
/*
 * C functions for what Rust cannot call, and the check that C lays the
 * netfilter structures out as bindings.rs says that Rust does.
 */
#include <linux/console.h>
#include <linux/cpumask.h>
#include <linux/filter.h>
#include <linux/kmod.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <linux/workqueue.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_extend.h>
#include <net/netfilter/nf_log.h>
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

bool rust_helper_sk_is_kern(const struct sock *sk)
{
	return sk->sk_kern_sock;
}

u32 rust_helper_sk_uid(const struct sock *sk)
{
	return from_kuid_munged(&init_user_ns, sk_uid(sk));
}

u64 rust_helper_sk_cookie(const struct sock *sk)
{
	return atomic64_read(&sk->sk_cookie);
}

struct net_device *rust_helper_skb_dev(const struct sk_buff *skb)
{
	return skb->dev;
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

u16 rust_helper_skb_gso_size(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->gso_size;
}

int rust_helper_skb_gso_type(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->gso_type;
}

int rust_helper_skb_inner_transport_offset(const struct sk_buff *skb)
{
	return skb->encapsulation ? skb_inner_transport_offset(skb) : -1;
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
	bool udp = what == NF_CHECKSUM_UDP || what == NF_CHECKSUM_UDP_PSEUDO_HEADER;
	bool pseudo = what == NF_CHECKSUM_PSEUDO_HEADER ||
		      what == NF_CHECKSUM_UDP_PSEUDO_HEADER;
	bool partial = what != NF_CHECKSUM_IP_HEADER &&
		       skb->ip_summed == CHECKSUM_PARTIAL;
	__sum16 *field = (__sum16 *)(skb->data + offset);
	__be32 old = (__force __be32)from;
	__be32 new = (__force __be32)to;
	__sum16 sum = get_unaligned(field);

	/*
	 * inet_proto_csum_replace4() counts on it that the change and its check
	 * cancel out in skb->csum, except for the pseudo header, which is not in
	 * the packet twice. Here each change is accounted for when it is made.
	 */
	if (udp && !partial && !sum)
		return;
	if (!partial)
		csum_replace4(&sum, old, new);
	else if (pseudo)
		sum = ~csum_fold(csum_add(csum_sub(csum_unfold(sum),
						   (__force __wsum)old),
					  (__force __wsum)new));
	else
		return;
	if (udp && !sum)
		sum = CSUM_MANGLED_0;
	rust_helper_skb_write(skb, offset, &sum, sizeof(sum));
}

int rust_helper_skb_make_writable(struct sk_buff *skb, u32 len)
{
	if (skb_shared(skb))
		return -EBUSY;
	return skb_ensure_writable(skb, len);
}

int rust_helper_skb_transport_header_at(const struct sk_buff *skb, bool *is_tcp)
{
	int start = skb_network_offset(skb);
	unsigned short fragment_offset = 0;
	unsigned int offset = 0;
	struct iphdr header;
	int protocol;

	if (skb_copy_bits(skb, start, &header, sizeof(header)))
		return -1;
	if (header.version == 4) {
		if (header.ihl < 5)
			return -1;
		offset = header.ihl * 4;
		protocol = header.protocol;
		fragment_offset = ntohs(header.frag_off) & IP_OFFSET;
	} else {
		protocol = ipv6_find_hdr(skb, &offset, -1, &fragment_offset, NULL);
		if (protocol < 0)
			return -1;
		offset -= start;
	}
	*is_tcp = protocol == IPPROTO_TCP && !fragment_offset;
	return offset;
}

void rust_helper_skb_clear_hash(struct sk_buff *skb)
{
	skb_clear_hash(skb);
}

int rust_helper_nf_reroute(struct sk_buff *skb, const struct nf_hook_state *state)
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
/* By a symbol of the module's: there is no other way to a module that may be absent. */
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
 * A new connection is in no table: nobody finds it who changes or removes connections
 * before something that they refer to goes, other than by nf_queue_nf_hook_drop(), which
 * only the one handler of queues is told of. And who has one, as nf_ct_drop_unconfirmed()
 * has it, may change it without a lock.
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
	/* In a list of nf_nat's, which is all that has one that was deleted. */
	if (ct->status & IPS_NAT_DONE_MASK &&
	    !hold_module(&modules->nat, "nf_nat_packet"))
		return false;
	return hold_module(&modules->conntrack, "nf_ct_delete");
}

void rust_helper_nf_held_put_modules(const struct nf_held_modules *modules)
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

void rust_helper_nf_held_put_modules(const struct nf_held_modules *modules)
{
}
#endif

/* Takes the route over from the RCU readers, and leaves it where that fails. */
static bool hold_route(struct sk_buff *skb)
{
	struct dst_entry *dst = skb_dst(skb);

	if (!skb_dst_is_noref(skb))
		return true;
	/* skb_dst_force() takes one that is going away from the packet. */
	if (!dst_hold_safe(dst))
		return false;
	skb_dst_force(skb);
	dst_release(dst);
	return true;
}

/* A VRF device's prerouting is there for its rules only: it frees what passes. */
bool rust_helper_nf_hook_goes_on(const struct nf_hook_state *state)
{
	return state->okfn && !(state->hook == NF_INET_PRE_ROUTING && state->in &&
				netif_is_l3_master(state->in));
}

bool rust_helper_nf_held_take(const struct nf_held *held,
			      struct nf_held_modules *modules)
{
	const struct nf_hook_state *state = &held->state;
	struct sk_buff *skb = held->skb;
	struct sock *sk = state->sk;
	bool prefetched = skb_sk_is_prefetched(skb);

	if (!rust_helper_nf_hook_goes_on(state))
		return false;
	/* Only nf_queue.c knows how to hold a bridge's ports. */
	if (state->pf == NFPROTO_BRIDGE || nf_bridge_info_exists(skb) ||
	    (state->pf == NFPROTO_ARP && state->hook == NF_ARP_FORWARD))
		return false;
	/* A module's: it is unloaded once its hooks are gone, and only nf_queue.c is told. */
	if (is_vmalloc_or_module_addr(state->okfn))
		return false;
	if (!hold_connection(skb, modules))
		return false;
	if (prefetched) {
		/* No hook point knows of both: each would have to be undone for the other. */
		if (sk)
			return false;
		/* One that BPF has made of a SYN cookie, whose listener nobody may hold. */
		if (skb->sk->sk_state == TCP_NEW_SYN_RECV)
			return false;
		if (!sk_is_refcounted(skb->sk))
			sk = skb->sk;
	}
	if (!hold_route(skb))
		return false;
	if (sk && !refcount_inc_not_zero(&sk->sk_refcnt))
		return false;
	/* From here on nothing fails. */
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

bool rust_helper_nf_held_is_live(const struct nf_held *held)
{
	const struct nf_hook_state *state = &held->state;

	return check_net(state->net) && is_up(held->dev) && is_up(state->in) &&
	       is_up(state->out);
}

void rust_helper_nf_held_release(const struct nf_held *held)
{
	const struct nf_hook_state *state = &held->state;

	dev_put(held->dev);
	dev_put(state->in);
	dev_put(state->out);
	if (state->sk)
		sock_gen_put(state->sk);
}

void rust_helper_nf_reinject_begin(void)
{
	local_bh_disable();
	rcu_read_lock();
}

void rust_helper_nf_reinject_end(void)
{
	rcu_read_unlock();
	local_bh_enable();
}

int rust_helper_nf_hook_continue(const struct nf_hook_state *state,
				 struct sk_buff *skb)
{
	return state->okfn(state->net, state->sk, skb);
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

u32 rust_helper_bpf_prog_run_at(const struct bpf_prog *prog, struct sk_buff *skb,
				u32 offset)
{
	u32 result;

	/* At all hooks of IPv4 and IPv6 the packet's data starts with the network header. */
	if (likely(!offset))
		return bpf_prog_run_save_cb(prog, skb);
	if (offset > skb_headlen(skb))
		return 0;
	__skb_pull(skb, offset);
	result = bpf_prog_run_save_cb(prog, skb);
	__skb_push(skb, offset);
	return result;
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

/* The loggers take locks with bottom halves off. */
static bool may_log(void)
{
	return !in_hardirq() && !irqs_disabled();
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

	if (!may_log() ||
	    (!net_eq(state->net, &init_net) && !READ_ONCE(sysctl_nf_log_all_netns)))
		return false;
	nf_log_packet(state->net, state->pf, state->hook, skb, state->in,
		      state->out, &all_fields, "%s", prefix);
	return true;
}

/* Hooks run inside rcu_read_lock(), which not every kernel counts, often with softirqs off. */
bool rust_helper_may_wait_for_rcu(void)
{
	return !rcu_preempt_depth() && !preempt_count() && !irqs_disabled();
}

/* An inline function where there is but one CPU. */
void rust_helper_synchronize_rcu_expedited(void)
{
	synchronize_rcu_expedited();
}

bool rust_helper_nf_log_nflog(u16 group, const struct sk_buff *skb,
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

	if (!may_log())
		return false;
	nf_log_packet(state->net, state->pf, state->hook, skb, state->in,
		      state->out, &info, "%s", prefix);
	return true;
}

void rust_helper_work_init(struct work_struct *work, work_func_t func)
{
	INIT_WORK(work, func);
}

void rust_helper_work_schedule(struct work_struct *work)
{
	schedule_work(work);
}

void rust_helper_delayed_work_init(struct delayed_work *work, work_func_t func)
{
	INIT_DELAYED_WORK(work, func);
}

void rust_helper_delayed_work_schedule(struct delayed_work *work,
				       unsigned long delay)
{
	schedule_delayed_work(work, delay);
}

void rust_helper_kernel_param_lock(struct module *mod)
{
	kernel_param_lock(mod);
}

void rust_helper_kernel_param_unlock(struct module *mod)
{
	kernel_param_unlock(mod);
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
