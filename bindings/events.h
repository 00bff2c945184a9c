/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoint nf_tracer:packet. Field names and address formats are those of
 * trace/events/tcp.h, so that existing knowledge of those events applies;
 * skbaddr is what the kernel's own events (skb:kfree_skb, net:net_dev_queue...)
 * call the same packet.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM nf_tracer

#if !defined(NF_TRACER_EVENTS_H) || defined(TRACE_HEADER_MULTI_READ)
#define NF_TRACER_EVENTS_H

#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <linux/tracepoint.h>
#include <linux/types.h>

#ifndef NF_TRACER_PACKET
#define NF_TRACER_PACKET

/* A truncated header, an invalid one, more extension headers than are walked. */
enum nf_tracer_malformed {
	NF_TRACER_WELL_FORMED,
	NF_TRACER_TRUNCATED,
	NF_TRACER_INVALID,
	NF_TRACER_TOO_MANY_EXTHDRS,
};

/* A packet as parsed by Rust, in host order. Absent fields are 0. */
struct nf_tracer_packet {
	unsigned long skbaddr;
	/* As in an IPv6 header; IPv4 addresses are mapped ones, ::ffff:a.b.c.d. */
	u8 saddr[16];
	u8 daddr[16];
	char indev[IFNAMSIZ];
	char outdev[IFNAMSIZ];
	u32 netns;
	u32 mark;
	u32 len;
	u32 payload;
	u32 id;
	u32 seq;
	u32 ack_seq;
	u16 frag_off;
	u16 sport;
	u16 dport;
	u16 window;
	u16 csum;
	u16 urg_ptr;
	u16 flags;
	u16 gso_segs;
	u8 hook;
	u8 family;
	u8 protocol;
	u8 type;
	u8 code;
	u8 csum_state;
	u8 malformed;
};

/* Called by Rust behind the tracepoint's static branch; defined by events.c. */
void rust_do_trace_packet(const struct nf_tracer_packet *packet);

/*
 * Returns whether the kernel has created the event, once the module's
 * parameters are parsed. It does not for a force-loaded module, for one, and
 * loads it all the same.
 */
bool nf_tracer_trace_event_exists(void);

/* Returns whether the event has a consumer, for Rust without static branches. Any context. */
bool nf_tracer_trace_event_enabled(void);

/* Pin the module while there is a consumer. */
int nf_tracer_events_reg(void);
void nf_tracer_events_unreg(void);

#endif

TRACE_DEFINE_ENUM(NF_INET_PRE_ROUTING);
TRACE_DEFINE_ENUM(NF_INET_LOCAL_IN);
TRACE_DEFINE_ENUM(NF_INET_FORWARD);
TRACE_DEFINE_ENUM(NF_INET_LOCAL_OUT);
TRACE_DEFINE_ENUM(NF_INET_POST_ROUTING);
TRACE_DEFINE_ENUM(NFPROTO_IPV4);
TRACE_DEFINE_ENUM(NFPROTO_IPV6);
TRACE_DEFINE_ENUM(IPPROTO_TCP);
TRACE_DEFINE_ENUM(IPPROTO_UDP);
TRACE_DEFINE_ENUM(IPPROTO_ICMP);
TRACE_DEFINE_ENUM(IPPROTO_ICMPV6);
TRACE_DEFINE_ENUM(IPPROTO_SCTP);
TRACE_DEFINE_ENUM(NF_TRACER_WELL_FORMED);
TRACE_DEFINE_ENUM(NF_TRACER_TRUNCATED);
TRACE_DEFINE_ENUM(NF_TRACER_INVALID);
TRACE_DEFINE_ENUM(NF_TRACER_TOO_MANY_EXTHDRS);

TRACE_EVENT_FN(packet,

	TP_PROTO(const struct nf_tracer_packet *packet),

	TP_ARGS(packet),

	TP_STRUCT__entry(
		__field(const void *, skbaddr)
		__field(u8, hook)
		__field(u8, family)
		__field(u8, protocol)
		__field(u8, malformed)
		__field(u32, netns)
		__array(char, indev, IFNAMSIZ)
		__array(char, outdev, IFNAMSIZ)
		__field(u32, mark)
		__field(u32, len)
		__field(u32, payload)
		__field(u16, gso_segs)
		__field(u16, frag_off)
		__field(u32, id)
		__array(__u8, saddr, 4)
		__array(__u8, daddr, 4)
		__array(__u8, saddr_v6, 16)
		__array(__u8, daddr_v6, 16)
		__field(u16, sport)
		__field(u16, dport)
		__field(u32, seq)
		__field(u32, ack_seq)
		__field(u16, window)
		__field(u16, urg_ptr)
		__field(u16, flags)
		__field(u16, csum)
		__field(u8, csum_state)
		__field(u8, type)
		__field(u8, code)
	),

	TP_fast_assign(
		__entry->skbaddr = (const void *)packet->skbaddr;
		__entry->hook = packet->hook;
		__entry->family = packet->family;
		__entry->protocol = packet->protocol;
		__entry->malformed = packet->malformed;
		__entry->netns = packet->netns;
		memcpy(__entry->indev, packet->indev, IFNAMSIZ);
		memcpy(__entry->outdev, packet->outdev, IFNAMSIZ);
		__entry->mark = packet->mark;
		__entry->len = packet->len;
		__entry->payload = packet->payload;
		__entry->gso_segs = packet->gso_segs;
		__entry->frag_off = packet->frag_off;
		__entry->id = packet->id;
		memset(__entry->saddr, 0, sizeof(__entry->saddr));
		memset(__entry->daddr, 0, sizeof(__entry->daddr));
		if (packet->family == NFPROTO_IPV4) {
			memcpy(__entry->saddr, packet->saddr + 12, 4);
			memcpy(__entry->daddr, packet->daddr + 12, 4);
		}
		memcpy(__entry->saddr_v6, packet->saddr, 16);
		memcpy(__entry->daddr_v6, packet->daddr, 16);
		__entry->sport = packet->sport;
		__entry->dport = packet->dport;
		__entry->seq = packet->seq;
		__entry->ack_seq = packet->ack_seq;
		__entry->window = packet->window;
		__entry->urg_ptr = packet->urg_ptr;
		__entry->flags = packet->flags;
		__entry->csum = packet->csum;
		__entry->csum_state = packet->csum_state;
		__entry->type = packet->type;
		__entry->code = packet->code;
	),

	TP_printk("skbaddr=%p hook=%s family=%s indev=%s outdev=%s netns=%u mark=0x%x len=%u payload=%u gso_segs=%u id=%u frag_off=%u protocol=%s saddr=%pI4 daddr=%pI4 saddrv6=%pI6c daddrv6=%pI6c sport=%u dport=%u seq=%u ack_seq=%u window=%u urg_ptr=%u flags=%s type=%u code=%u csum=0x%x csum_state=%s malformed=%s",
		  __entry->skbaddr,
		  __print_symbolic(__entry->hook,
				   { NF_INET_PRE_ROUTING, "prerouting" },
				   { NF_INET_LOCAL_IN, "input" },
				   { NF_INET_FORWARD, "forward" },
				   { NF_INET_LOCAL_OUT, "output" },
				   { NF_INET_POST_ROUTING, "postrouting" }),
		  __print_symbolic(__entry->family,
				   { NFPROTO_IPV4, "ipv4" },
				   { NFPROTO_IPV6, "ipv6" }),
		  __entry->indev, __entry->outdev, __entry->netns, __entry->mark,
		  __entry->len, __entry->payload, __entry->gso_segs,
		  __entry->id, __entry->frag_off,
		  __print_symbolic(__entry->protocol,
				   { IPPROTO_TCP, "tcp" },
				   { IPPROTO_UDP, "udp" },
				   { IPPROTO_ICMP, "icmp" },
				   { IPPROTO_ICMPV6, "icmpv6" },
				   { IPPROTO_SCTP, "sctp" }),
		  __entry->saddr, __entry->daddr,
		  __entry->saddr_v6, __entry->daddr_v6,
		  __entry->sport, __entry->dport,
		  __entry->seq, __entry->ack_seq, __entry->window, __entry->urg_ptr,
		  __print_flags(__entry->flags, "|",
				{ 0x001, "FIN" }, { 0x002, "SYN" },
				{ 0x004, "RST" }, { 0x008, "PSH" },
				{ 0x010, "ACK" }, { 0x020, "URG" },
				{ 0x040, "ECE" }, { 0x080, "CWR" },
				{ 0x100, "AE" }),
		  __entry->type, __entry->code, __entry->csum,
		  __print_symbolic(__entry->csum_state,
				   { CHECKSUM_NONE, "none" },
				   { CHECKSUM_UNNECESSARY, "unnecessary" },
				   { CHECKSUM_COMPLETE, "complete" },
				   { CHECKSUM_PARTIAL, "partial" }),
		  __print_symbolic(__entry->malformed,
				   { NF_TRACER_WELL_FORMED, "no" },
				   { NF_TRACER_TRUNCATED, "truncated" },
				   { NF_TRACER_INVALID, "invalid" },
				   { NF_TRACER_TOO_MANY_EXTHDRS, "too-many-exthdrs" })),

	nf_tracer_events_reg,
	nf_tracer_events_unreg
);

#endif

/* Outside the include guard: read again for each of the macros above. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE events
#include <trace/define_trace.h>
