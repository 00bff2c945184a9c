// SPDX-License-Identifier: GPL-2.0
/* Helpers for reading and writing packets. */
#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "../helpers.h"

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

void nf_tracer_skb_write(struct sk_buff *skb, int offset, const void *from,
			 int len)
{
	void *to = skb->data + offset;
	bool complete = skb->ip_summed == CHECKSUM_COMPLETE;

	/* A block at an odd offset is summed with its bytes swapped. */
	if (complete)
		skb->csum = csum_block_sub(skb->csum, csum_partial(to, len, 0),
					   offset);
	memcpy(to, from, len);
	if (complete)
		skb->csum = csum_block_add(skb->csum, csum_partial(to, len, 0),
					   offset);
}

void nf_tracer_skb_csum_replace(struct sk_buff *skb, int offset, u32 from,
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
	 * inet_proto_csum_replace4() assumes that the change and the checksum's
	 * own change cancel out in skb->csum, except for the pseudo header,
	 * which is not in the packet twice. Here each write is accounted for
	 * when it is made.
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
	nf_tracer_skb_write(skb, offset, &sum, sizeof(sum));
}

int nf_tracer_skb_make_writable(struct sk_buff *skb, u32 len)
{
	if (skb_shared(skb))
		return -EBUSY;
	/*
	 * Each skb of this list is a segment for those who split the packet,
	 * such as sctp_inq_pop(): they cannot read what is left of one of which
	 * a part has been pulled.
	 */
	if (skb_is_gso(skb) && skb_has_frag_list(skb) &&
	    len > skb_pagelen(skb))
		return -EOPNOTSUPP;
	return skb_ensure_writable(skb, len);
}

int nf_tracer_skb_transport_header_at(const struct sk_buff *skb, bool *is_tcp)
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
