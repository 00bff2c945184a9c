/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C functions for what Rust cannot call: inline functions and macros.
 *
 * One that is named after a function of the kernel, with the prefix rust_helper_,
 * does what that function does, in its calling context. The build takes the prefix
 * off in the Rust bindings, as for the kernel's own rust/helpers.
 */
#ifndef NF_TRACER_HELPERS_H
#define NF_TRACER_HELPERS_H

#include <linux/netfilter.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
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
/* As the initial user namespace has it. */
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
/* From skb->data on, or -1 where the packet is in no tunnel that offload knows of. */
int rust_helper_skb_inner_transport_offset(const struct sk_buff *skb);
bool rust_helper_skb_is_gso(const struct sk_buff *skb);
u8 rust_helper_skb_ip_summed(const struct sk_buff *skb);
u32 rust_helper_skb_hash(const struct sk_buff *skb);
s64 rust_helper_skb_tstamp(const struct sk_buff *skb);

/*
 * Changes of bytes that skb_ensure_writable() has made writable. The sum over the
 * packet that a device has made (CHECKSUM_COMPLETE) is kept right by each.
 */
void nf_tracer_skb_write(struct sk_buff *skb, int offset, const void *from,
			 int len);

enum nf_checksum {
	NF_CHECKSUM_IP_HEADER,		/* the IPv4 header's own */
	NF_CHECKSUM_TRANSPORT,		/* a change behind the IP header */
	NF_CHECKSUM_PSEUDO_HEADER,	/* a change of an address */
	NF_CHECKSUM_UDP,		/* as NF_CHECKSUM_TRANSPORT, where 0 is none */
	NF_CHECKSUM_UDP_PSEUDO_HEADER,	/* as NF_CHECKSUM_PSEUDO_HEADER, likewise */
};

void nf_tracer_skb_csum_replace(struct sk_buff *skb, int offset, u32 from,
				u32 to, u32 what);

/* As skb_ensure_writable(), or -EBUSY for one that others have a reference to. */
int nf_tracer_skb_make_writable(struct sk_buff *skb, u32 len);
/*
 * Where the transport header is, from the network header, which is one of IPv4 or
 * IPv6, and whether it is TCP's. -1 where none is found.
 */
int nf_tracer_skb_transport_header_at(const struct sk_buff *skb, bool *is_tcp);

void rust_helper_skb_clear_hash(struct sk_buff *skb);
/*
 * Routes a packet at NF_INET_LOCAL_OUT of IPv4 or IPv6 again. After an error it may
 * have no route any more, and can only be dropped.
 */
int nf_tracer_reroute(struct sk_buff *skb, const struct nf_hook_state *state);

/* Whether there is something to go on to from a hook of this state. */
bool nf_tracer_hook_goes_on(const struct nf_hook_state *state);
/* Goes on behind the hook point, which takes the packet; in a hook's call, or as below. */
int nf_tracer_hook_continue(const struct nf_hook_state *state,
			    struct sk_buff *skb);

/* A packet that has left the hook's call, and what it and the state refer to. */
struct nf_held {
	struct sk_buff *skb;
	struct net_device *dev;
	struct nf_hook_state state;
};

/* Of connection tracking's modules, those that cannot be unloaded while packets are held. */
struct nf_held_modules {
	bool conntrack;
	bool nat;
};

/*
 * Holds devices, sockets and the route, or returns false and leaves the packet as it
 * was. To be called in the hook's call. Holds no namespace: it is valid for as long as
 * nf_held_is_live() was true after its packet was put where a notifier of network
 * devices looks. To be given back with nf_held_release() after the packet has gone.
 * Takes a reference to those modules that the packet needs and that are not marked yet,
 * and marks them; nf_held_put_modules() gives all these back, after the last packet.
 */
bool nf_tracer_held_take(const struct nf_held *held,
			 struct nf_held_modules *modules);
void nf_tracer_held_release(const struct nf_held *held);
void nf_tracer_held_put_modules(const struct nf_held_modules *modules);
/*
 * Whether the devices are up, and the namespace is not being taken down. If not, there
 * has been no event NETDEV_DOWN or NETDEV_UNREGISTER yet, or it is going on.
 */
bool nf_tracer_held_is_live(const struct nf_held *held);

/* A section in which a packet may go on: without bottom halves, under RCU. Process context. */
void nf_tracer_reinject_begin(void);
void nf_tracer_reinject_end(void);

/* As bpf_prog_create(), but from instructions as they are, which are copied. */
int nf_tracer_bpf_prog_create_classic(struct bpf_prog **prog,
				      const struct sock_filter *filter, u16 len);
/*
 * Runs a program whose offset 0 is at `offset` from the start of the data; any context
 * that hooks run in. Returns 0 if there is no such place in the linear part.
 */
u32 nf_tracer_bpf_prog_run_at(const struct bpf_prog *prog, struct sk_buff *skb,
			      u32 offset);

/*
 * Takes a reference to the loggers of IPv4 and IPv6 of a type. May sleep and load a
 * module. nf_logger_put() gives it back.
 */
int nf_tracer_logger_load(enum nf_log_type type);

/*
 * Log a packet, for within a hook's call. Whether there is a line, or NFLOG was
 * told; what it does then, it does not say. Not with interrupts off.
 */
bool nf_tracer_log_syslog(const struct sk_buff *skb,
			  const struct nf_hook_state *state,
			  const char *prefix);
bool nf_tracer_log_nflog(u16 group, const struct sk_buff *skb,
			 const struct nf_hook_state *state, const char *prefix);

/* Whether this is outside any hook, as far as the kernel can tell. */
bool nf_tracer_may_wait_for_rcu(void);

/* Waits as synchronize_rcu() does, but not as long. May sleep. */
void rust_helper_synchronize_rcu_expedited(void);

/* Work that may sleep, soon. */
void rust_helper_work_init(struct work_struct *work, work_func_t func);
void rust_helper_work_schedule(struct work_struct *work);
/* Work that may sleep, in so many jiffies. Scheduled again before that, it stays as it was. */
void rust_helper_delayed_work_init(struct delayed_work *work, work_func_t func);
void rust_helper_delayed_work_schedule(struct delayed_work *work,
				       unsigned long delay);

/* The lock of a module's parameters. May sleep. */
void rust_helper_kernel_param_lock(struct module *mod);
void rust_helper_kernel_param_unlock(struct module *mod);

/* Whether what is logged at level info goes to a serial port. May sleep. */
bool nf_tracer_serial_console_shows_info(void);

/*
 * An array of u64 counters per CPU, zeroed. Allocation and freeing may sleep;
 * counting may happen in any context, NMI included. The sum is over all
 * possible CPUs, and exact once nobody counts any more.
 */
u64 __percpu *rust_helper_alloc_percpu_counters(unsigned int nr);
void rust_helper_free_percpu_counters(u64 __percpu *counters);
void rust_helper_this_cpu_inc_counter(u64 __percpu *counters, unsigned int i);
u64 nf_tracer_sum_percpu_counter(const u64 __percpu *counters,
				 unsigned int i);

#endif
