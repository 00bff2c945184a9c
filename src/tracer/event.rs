// SPDX-License-Identifier: GPL-2.0

//! The event of a packet, for consumers of the tracepoint `nf_tracer:packet`.
//!
//! C header: [`bindings/events.h`](../../bindings/events.h)

use super::{
    counters::Outcome,
    segments, //
};
use crate::{
    ffi::events,
    netfilter::{
        HookState, //
        Packet,
    },
    packet::{
        Malformed,
        Network,
        PktInfo,
        Transport, //
    },
};
use core::net::IpAddr;

/// Records a packet. It is lost if there is no consumer.
#[inline]
pub(super) fn record(packet: &Packet<'_>, state: &HookState<'_>, info: &PktInfo) -> Outcome {
    if events::packet(|| read(packet, state, info)) {
        Outcome::Emitted
    } else {
        Outcome::Lost
    }
}

/// Collects the fields of an event. Out of line, as for most packets there is no consumer.
#[inline(never)]
fn read(packet: &Packet<'_>, state: &HookState<'_>, info: &PktInfo) -> events::Packet {
    let mut event = events::Packet {
        skbaddr: packet.address(),
        hook: state.hooknum(),
        family: state.pf(),
        netns: state.net_inode(),
        mark: packet.mark(),
        len: packet.len() as u32,
        gso_segs: segments(packet, info).unwrap_or(1),
        csum_state: packet.checksum_state() as u8,
        malformed: match info.malformed {
            None => 0,
            Some(Malformed::Truncated) => events::TRUNCATED as u8,
            Some(Malformed::Invalid) => events::INVALID as u8,
            Some(Malformed::TooManyExtensions) => events::TOO_MANY_EXTHDRS as u8,
        },
        ..Default::default()
    };

    if let Some(device) = state.input() {
        event.indev = *device.name().as_array();
    }
    if let Some(device) = state.output() {
        event.outdev = *device.name().as_array();
    }
    if let Some((network, transport)) = &info.headers {
        read_network(&mut event, network);
        read_transport(&mut event, network, transport);
    }
    event
}

fn read_network(event: &mut events::Packet, network: &Network) {
    let octets = |address| match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };

    event.saddr = octets(network.source());
    event.daddr = octets(network.destination());
    event.protocol = network.protocol;
    event.id = network.id();
    if let Some(fragment) = network.fragment {
        event.frag_off = fragment.offset.wrapping_mul(8);
    }
}

fn read_transport(event: &mut events::Packet, network: &Network, transport: &Transport) {
    let ports = transport.ports();
    event.sport = ports.source.unwrap_or_default();
    event.dport = ports.destination.unwrap_or_default();
    event.payload = network.payload_len(transport).unwrap_or_default() as u32;
    match transport {
        Transport::Tcp(tcp) => {
            event.seq = tcp.seq;
            event.ack_seq = tcp.ack_seq;
            event.window = tcp.window;
            event.urg_ptr = tcp.urg_ptr;
            event.flags = tcp.flags.bits();
            event.csum = tcp.check;
        }
        Transport::Udp(udp) => event.csum = udp.check,
        Transport::Icmp(icmp) => {
            event.type_ = icmp.kind;
            event.code = icmp.code;
            event.csum = icmp.check;
            if let Some(echo) = icmp.echo {
                event.seq = echo.seq.into();
            }
        }
        Transport::Sctp(_) | Transport::Ports(_) | Transport::Other | Transport::LaterFragment => {}
    }
}
