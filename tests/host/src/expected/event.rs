// SPDX-License-Identifier: GPL-2.0

//! The expected event.

use std::net::IpAddr;

use super::{
    echo,
    flags, //
};
use crate::{
    ffi::events,
    netfilter::Around,
    packet::Malformed,
    reading::{
        Reading,
        Upper, //
    }, //
};

/// Returns the event of a packet of `len` bytes.
pub(crate) fn event(reading: &Reading, around: &Around, len: usize) -> events::Packet {
    let octets = |address| match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };
    let v6 = around.family.name() == "ipv6";
    let mut event = events::Packet {
        skbaddr: 1,
        hook: around.hook as u8,
        family: if v6 { 10 } else { 2 },
        netns: around.netns,
        mark: around.mark,
        len: len as u32,
        csum_state: around.checksum as u8,
        indev: around.input.unwrap_or_default(),
        outdev: around.output.unwrap_or_default(),
        ..Default::default()
    };
    event.malformed = reading.malformed.map_or(0, |malformed| match malformed {
        Malformed::Truncated => 1,
        Malformed::Invalid => 2,
        Malformed::TooManyExtensions => 3,
    });
    let start = reading.network.as_ref().map_or(0, |net| net.start);
    event.gso_segs = around
        .segments
        .map_or(1, |segments| around.count(segments, len, start));
    let Some(net) = &reading.network else {
        return event;
    };
    event.saddr = octets(net.source);
    event.daddr = octets(net.destination);
    event.protocol = net.protocol;
    event.id = match (net.v4, net.fragment) {
        (Some((id, _)), _) => id.into(),
        (None, Some((id, _, _))) => id,
        (None, None) => 0,
    };
    event.frag_off = net.fragment.map_or(0, |(_, offset, _)| offset * 8);
    event.sport = reading.ports.0.unwrap_or_default();
    event.dport = reading.ports.1.unwrap_or_default();
    let Ok(upper) = &reading.upper else {
        return event;
    };
    event.payload = net.payload(upper).unwrap_or_default() as u32;
    match upper {
        Upper::Tcp { header, .. } => {
            event.seq = header.sequence_number;
            event.ack_seq = header.acknowledgment_number;
            event.window = header.window_size;
            event.urg_ptr = header.urgent_pointer;
            event.csum = header.checksum;
            event.flags = (0..)
                .zip(flags(header))
                .map(|(bit, (set, _))| u16::from(set) << bit)
                .sum();
        }
        Upper::Udp { check, .. } => event.csum = *check,
        Upper::Icmp {
            kind,
            code,
            check,
            rest,
        } => {
            (event.type_, event.code, event.csum) = (*kind, *code, *check);
            event.seq = echo(*kind, *rest, v6).map_or(0, |(_, seq)| seq.into());
        }
        _ => {}
    }
    event
}
