// SPDX-License-Identifier: GPL-2.0
/*
 * Calls the hooks at PRE_ROUTING with a made packet, and says how long that took.
 *
 * Whoever opens /proc/nf_tracer_bench has a packet of its own. Writing
 * "FAMILY CALLS BATCHES PAUSE" makes BATCHES times CALLS calls, each as far from the
 * next as PAUSE nanoseconds say, on the writer's CPU, as a softirq would: in an RCU
 * reader, bottom halves off. Reading gives the nanoseconds of each batch, one a line,
 * the pauses left out. The packet is a TCP segment from loopback; the family is 4 or 6.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/uaccess.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/net_namespace.h>

#define PAYLOAD		64
#define MAX_BATCHES	1000

struct session {
	struct mutex lock;	/* one run at a time */
	struct sk_buff *skb;
	unsigned int batches;
	u64 ns[MAX_BATCHES];
};

static void write_tcp(struct sk_buff *skb)
{
	struct tcphdr *tcp = skb_put_zero(skb, sizeof(*tcp));

	skb_put_zero(skb, PAYLOAD);
	tcp->source = htons(55560);
	tcp->dest = htons(41705);
	tcp->seq = htonl(2257457827u);
	tcp->ack_seq = htonl(4262703343u);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->ack = 1;
	tcp->window = htons(20462);
}

static void write_ipv4(struct sk_buff *skb)
{
	struct iphdr *ip = skb_put_zero(skb, sizeof(*ip));
	int len = sizeof(struct tcphdr) + PAYLOAD;

	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tot_len = htons(sizeof(*ip) + len);
	ip->id = htons(1);
	ip->ttl = 64;
	ip->protocol = IPPROTO_TCP;
	ip->saddr = htonl(0x0a000001);
	ip->daddr = htonl(0x0a000002);
	ip_send_check(ip);
	write_tcp(skb);
	tcp_hdr(skb)->check = csum_tcpudp_magic(ip->saddr, ip->daddr, len, IPPROTO_TCP,
						csum_partial(tcp_hdr(skb), len, 0));
}

static void write_ipv6(struct sk_buff *skb)
{
	struct ipv6hdr *ip = skb_put_zero(skb, sizeof(*ip));
	int len = sizeof(struct tcphdr) + PAYLOAD;

	ip->version = 6;
	ip->payload_len = htons(len);
	ip->nexthdr = IPPROTO_TCP;
	ip->hop_limit = 64;
	/* 2001:db8::1 and ::2, which are for documentation */
	ip->saddr.s6_addr32[0] = htonl(0x20010db8);
	ip->saddr.s6_addr[15] = 1;
	ip->daddr.s6_addr32[0] = htonl(0x20010db8);
	ip->daddr.s6_addr[15] = 2;
	write_tcp(skb);
	tcp_hdr(skb)->check = csum_ipv6_magic(&ip->saddr, &ip->daddr, len, IPPROTO_TCP,
					      csum_partial(tcp_hdr(skb), len, 0));
}

static struct sk_buff *make_packet(struct net *net, int family)
{
	struct sk_buff *skb = alloc_skb(256, GFP_KERNEL);

	if (!skb)
		return NULL;
	skb_reserve(skb, ETH_HLEN + NET_IP_ALIGN);
	skb_reset_network_header(skb);
	skb_set_mac_header(skb, -ETH_HLEN);
	eth_zero_addr(eth_hdr(skb)->h_dest);
	eth_zero_addr(eth_hdr(skb)->h_source);
	skb->mac_len = ETH_HLEN;
	skb->dev = net->loopback_dev;
	skb->pkt_type = PACKET_HOST;
	if (family == 4) {
		skb->protocol = htons(ETH_P_IP);
		skb_set_transport_header(skb, sizeof(struct iphdr));
		write_ipv4(skb);
	} else {
		skb->protocol = htons(ETH_P_IPV6);
		skb_set_transport_header(skb, sizeof(struct ipv6hdr));
		write_ipv6(skb);
	}
	eth_hdr(skb)->h_proto = skb->protocol;
	return skb;
}

static int okfn(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	return 0;
}

/* One packet's way through the hooks: whether all of them let it pass. */
static noinline bool call_ipv4(struct net *net, struct sk_buff *skb)
{
	/* A rule may have marked it. */
	skb->nf_trace = 0;
	return nf_hook(NFPROTO_IPV4, NF_INET_PRE_ROUTING, net, NULL, skb, skb->dev, NULL,
		       okfn) == 1;
}

static noinline bool call_ipv6(struct net *net, struct sk_buff *skb)
{
	skb->nf_trace = 0;
	return nf_hook(NFPROTO_IPV6, NF_INET_PRE_ROUTING, net, NULL, skb, skb->dev, NULL,
		       okfn) == 1;
}

typedef bool call_fn(struct net *net, struct sk_buff *skb);

static __always_inline u64 batch(call_fn *call, struct net *net, struct sk_buff *skb,
				 unsigned int calls, bool *passed)
{
	u64 start = ktime_get_ns();

	while (calls--) {
		if (unlikely(!call(net, skb))) {
			*passed = false;
			break;
		}
	}
	return ktime_get_ns() - start;
}

static int run(struct session *s, struct net *net, int family, unsigned int calls,
	       unsigned int batches, u64 pause)
{
	bool passed = true;
	unsigned int i;

	consume_skb(s->skb);
	s->batches = 0;
	s->skb = make_packet(net, family);
	if (!s->skb)
		return -ENOMEM;
	for (i = 0; i < batches && passed; i++) {
		u64 until = ktime_get_ns() + pause;

		rcu_read_lock();
		local_bh_disable();
		s->ns[i] = family == 4 ? batch(call_ipv4, net, s->skb, calls, &passed) :
					 batch(call_ipv6, net, s->skb, calls, &passed);
		local_bh_enable();
		rcu_read_unlock();
		while (ktime_get_ns() < until)
			cond_resched();
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	/* Who dropped it or took it may have freed it. */
	if (!passed) {
		s->skb = NULL;
		return -ENODATA;
	}
	s->batches = batches;
	return 0;
}

static ssize_t bench_write(struct file *file, const char __user *from, size_t len, loff_t *at)
{
	struct session *s = ((struct seq_file *)file->private_data)->private;
	unsigned int family, calls, batches;
	char text[64] = "";
	u64 pause;
	int err;

	if (len >= sizeof(text) || copy_from_user(text, from, len))
		return -EINVAL;
	if (sscanf(text, "%u %u %u %llu", &family, &calls, &batches, &pause) != 4 ||
	    (family != 4 && family != 6) || batches > MAX_BATCHES)
		return -EINVAL;

	mutex_lock(&s->lock);
	err = run(s, current->nsproxy->net_ns, family, calls, batches, pause);
	mutex_unlock(&s->lock);
	return err ?: len;
}

static int bench_show(struct seq_file *to, void *data)
{
	struct session *s = to->private;
	unsigned int i;

	for (i = 0; i < s->batches; i++)
		seq_printf(to, "%llu\n", s->ns[i]);
	return 0;
}

static int bench_open(struct inode *inode, struct file *file)
{
	struct session *s = kvzalloc_obj(*s);
	int err;

	if (!s)
		return -ENOMEM;
	mutex_init(&s->lock);
	err = single_open(file, bench_show, s);
	if (err)
		kvfree(s);
	return err;
}

static int bench_release(struct inode *inode, struct file *file)
{
	struct session *s = ((struct seq_file *)file->private_data)->private;

	consume_skb(s->skb);
	kvfree(s);
	return single_release(inode, file);
}

static const struct proc_ops bench_ops = {
	.proc_open = bench_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_write = bench_write,
	.proc_release = bench_release,
};

static int __init bench_init(void)
{
	return proc_create("nf_tracer_bench", 0600, NULL, &bench_ops) ? 0 : -ENOMEM;
}

static void __exit bench_exit(void)
{
	remove_proc_entry("nf_tracer_bench", NULL);
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Calls the netfilter hooks with a made packet");
