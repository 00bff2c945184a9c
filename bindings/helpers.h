/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C functions for what Rust cannot call: inline functions and macros.
 *
 * A function named after one of the kernel, with the prefix rust_helper_, does
 * what that function does, in its calling context. The build strips the prefix
 * in the Rust bindings, as for the kernel's own rust/helpers.
 */
#ifndef NF_TRACER_HELPERS_H
#define NF_TRACER_HELPERS_H

#include <linux/netfilter.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <net/netfilter/nf_log.h>

struct bpf_prog;
struct netdev_notifier_info;
struct sock_filter;

struct net *rust_helper_get_net(struct net *net);
void rust_helper_put_net(struct net *net);
u32 rust_helper_net_inode(const struct net *net);

int rust_helper_netdev_ifindex(const struct net_device *dev);
/* Copies IFNAMSIZ bytes, the last of which is 0. */
void nf_tracer_netdev_copy_name(const struct net_device *dev, char *to);
void rust_helper_dev_put(struct net_device *dev);
struct net_device *
rust_helper_netdev_notifier_info_to_dev(const struct netdev_notifier_info *info);

struct sock *rust_helper_sk_to_full_sk(struct sock *sk);
/* The uid is that in the initial user namespace. */
bool rust_helper_sk_is_kern(const struct sock *sk);
u32 rust_helper_sk_uid(const struct sock *sk);
u64 rust_helper_sk_cookie(const struct sock *sk);

struct net_device *rust_helper_skb_dev(const struct sk_buff *skb);
u32 rust_helper_skb_mark(const struct sk_buff *skb);
void rust_helper_skb_set_mark(struct sk_buff *skb, u32 mark);
u32 rust_helper_skb_priority(const struct sk_buff *skb);
void rust_helper_skb_set_priority(struct sk_buff *skb, u32 priority);
u16 rust_helper_skb_protocol_host_order(const struct sk_buff *skb);
u16 rust_helper_skb_gso_segs(const struct sk_buff *skb);
u16 rust_helper_skb_gso_size(const struct sk_buff *skb);
int rust_helper_skb_gso_type(const struct sk_buff *skb);
/* From skb->data on, or -1 if the packet has no tunnel header known to offload. */
int rust_helper_skb_inner_transport_offset(const struct sk_buff *skb);
bool rust_helper_skb_is_gso(const struct sk_buff *skb);
u8 rust_helper_skb_ip_summed(const struct sk_buff *skb);
u32 rust_helper_skb_hash(const struct sk_buff *skb);
s64 rust_helper_skb_tstamp(const struct sk_buff *skb);

/*
 * Writes to bytes that skb_ensure_writable() has made writable. Each function
 * keeps a device's checksum over the packet (CHECKSUM_COMPLETE) correct.
 */
void nf_tracer_skb_write(struct sk_buff *skb, int offset, const void *from,
			 int len);

enum nf_checksum {
	NF_CHECKSUM_IP_HEADER,		/* the IPv4 header checksum */
	NF_CHECKSUM_TRANSPORT,		/* a change behind the IP header */
	NF_CHECKSUM_PSEUDO_HEADER,	/* a change of an address */
	NF_CHECKSUM_UDP,		/* as NF_CHECKSUM_TRANSPORT, 0 is no checksum */
	NF_CHECKSUM_UDP_PSEUDO_HEADER,	/* as NF_CHECKSUM_PSEUDO_HEADER, likewise */
};

void nf_tracer_skb_csum_replace(struct sk_buff *skb, int offset, u32 from,
				u32 to, u32 what);

/* As skb_ensure_writable(), but -EBUSY for a shared skb. */
int nf_tracer_skb_make_writable(struct sk_buff *skb, u32 len);
/*
 * Returns the offset of the transport header from the network header of IPv4 or
 * IPv6, and whether it is TCP's. -1 if there is none.
 */
int nf_tracer_skb_transport_header_at(const struct sk_buff *skb, bool *is_tcp);

void rust_helper_skb_clear_hash(struct sk_buff *skb);
/*
 * Reroutes a packet at NF_INET_LOCAL_OUT of IPv4 or IPv6. After an error it may
 * have no route, and can only be dropped.
 */
int nf_tracer_reroute(struct sk_buff *skb, const struct nf_hook_state *state);

/* Returns whether a hook with this state has a continuation to call. */
bool nf_tracer_hook_goes_on(const struct nf_hook_state *state);
/*
 * Calls the hook point's continuation, which consumes the packet; in a hook
 * call, or as below.
 */
int nf_tracer_hook_continue(const struct nf_hook_state *state,
			    struct sk_buff *skb);

/* A packet kept after its hook call, and what it and the state refer to. */
struct nf_held {
	struct sk_buff *skb;
	struct net_device *dev;
	struct nf_hook_state state;
};

/* The connection tracking modules that cannot be unloaded while packets are held. */
struct nf_held_modules {
	bool conntrack;
	bool nat;
};

/*
 * Takes references to devices, sockets and the route, or returns false and
 * leaves the packet unchanged. To be called in the hook call. Takes none to the
 * namespace: it stays valid as long as nf_tracer_held_is_live() was true after
 * the packet was put where a netdevice notifier finds it. To be released by
 * nf_tracer_held_release() after the packet is gone. Takes a reference to each
 * module that the packet needs and that is not marked yet, and marks it;
 * nf_tracer_held_put_modules() puts all of these, after the last packet.
 */
bool nf_tracer_held_take(const struct nf_held *held,
			 struct nf_held_modules *modules);
void nf_tracer_held_release(const struct nf_held *held);
void nf_tracer_held_put_modules(const struct nf_held_modules *modules);
/*
 * Returns whether the devices are up, and the namespace is not being
 * dismantled. If not, the event NETDEV_DOWN or NETDEV_UNREGISTER is still to
 * come or in progress.
 */
bool nf_tracer_held_is_live(const struct nf_held *held);

/*
 * A section in which packets may be reinjected: bottom halves disabled, under
 * RCU. Process context.
 */
void nf_tracer_reinject_begin(void);
void nf_tracer_reinject_end(void);

/* As bpf_prog_create(), but from classic instructions, which are copied. */
int nf_tracer_bpf_prog_create_classic(struct bpf_prog **prog,
				      const struct sock_filter *filter, u16 len);
/*
 * Runs a program whose offset 0 is `offset` bytes from the start of the data,
 * in any context of a hook. Returns 0 if that is beyond the linear part.
 */
u32 nf_tracer_bpf_prog_run_at(const struct bpf_prog *prog, struct sk_buff *skb,
			      u32 offset);

/*
 * Takes a reference to the loggers of this type for IPv4 and IPv6, to be put by
 * nf_logger_put(). May sleep and load a module.
 */
int nf_tracer_logger_load(enum nf_log_type type);

/*
 * Log a packet, in a hook call. Return whether a line was written, or NFLOG was
 * called, which does not report what it does with the packet. Not with
 * interrupts off.
 */
bool nf_tracer_log_syslog(const struct sk_buff *skb,
			  const struct nf_hook_state *state,
			  const char *prefix);
bool nf_tracer_log_nflog(u16 group, const struct sk_buff *skb,
			 const struct nf_hook_state *state, const char *prefix);

/* Returns whether this is outside any hook, as far as the kernel can tell. */
bool nf_tracer_may_wait_for_rcu(void);

/* As synchronize_rcu(), but faster. May sleep. */
void rust_helper_synchronize_rcu_expedited(void);

/* As the macros of C, whose flags are returned and passed back. */
unsigned long nf_tracer_spin_lock_irqsave(spinlock_t *lock);
bool nf_tracer_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags);
void rust_helper_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags);

/* Work that may sleep. */
void rust_helper_work_init(struct work_struct *work, work_func_t func);
void rust_helper_work_schedule(struct work_struct *work);
/*
 * Work that may sleep, delayed by a number of jiffies. No-op if it is scheduled
 * already.
 */
void rust_helper_delayed_work_init(struct delayed_work *work, work_func_t func);
void rust_helper_delayed_work_schedule(struct delayed_work *work,
				       unsigned long delay);

/* The lock of a module's parameters. May sleep. */
void rust_helper_kernel_param_lock(struct module *mod);
void rust_helper_kernel_param_unlock(struct module *mod);

/* Returns whether messages of level info are printed on a serial console. May sleep. */
bool nf_tracer_serial_console_shows_info(void);

/*
 * An array of per-CPU u64 counters, zeroed. Allocation and freeing may sleep;
 * counting may happen in any context, NMI included. The sum is over all
 * possible CPUs, and exact once counting has stopped.
 */
u64 __percpu *rust_helper_alloc_percpu_counters(unsigned int nr);
void rust_helper_free_percpu_counters(u64 __percpu *counters);
void rust_helper_this_cpu_inc_counter(u64 __percpu *counters, unsigned int i);
u64 nf_tracer_sum_percpu_counter(const u64 __percpu *counters,
				 unsigned int i);

#endif
