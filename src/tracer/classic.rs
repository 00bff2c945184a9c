// SPDX-License-Identifier: GPL-2.0

//! The classic line format, which existing scripts parse.
//!
//! ```text
//! source : 127.0.0.1:55560 | dest : 127.0.0.1:41705 | seq : 2257457827 | ack_seq : 4262703343 | window : 20462 | csum : 0xfe28 | urg_ptr : 0
//! ```
//!
//! This is TCP over IPv4. Lines of other packets start likewise, with an IPv6 address in brackets
//! and without a port where there is none, followed by the protocol and its fields in the same
//! style:
//!
//! ```text
//! source : [fe80::1]:5353 | dest : [ff02::fb]:5353 | udp | length : 53 | csum : 0x21ab
//! source : 10.0.0.1 | dest : 10.0.0.2 | icmp | type : 8 | code : 0 | csum : 0x5d21 | id : 17 | seq : 1
//! source : 10.0.0.1:1024 | dest : 10.0.0.2:80 | sctp | vtag : 3735928559
//! source : 10.0.0.1 | dest : 10.0.0.2 | protocol : 47 | length : 84
//! source : 10.0.0.1 | dest : 10.0.0.2 | protocol : 17 | fragment : 1480 | id : 4711 | length : 540
//! ```
//!
//! `fragment` is the fragment's offset. It and lengths are in bytes. A first fragment that ends
//! inside its transport header has a line of that form, with its ports, and so has a packet whose
//! extension headers were not walked to their end.
//!
//! Pure Rust, independent of the kernel, as [`packet`](crate::packet).

use super::line::Line;
use crate::packet::{
    Ip,
    Malformed,
    Network,
    PktInfo,
    Transport, //
};
use core::net::IpAddr;

/// Room for the longest line, which a test measures, in bytes.
pub(crate) const CAPACITY: usize = 224;

/// Returns whether a packet has a classic line. One without a complete transport header has one if
/// it is a fragment, or if its upper-layer protocol is not known.
#[inline]
pub(crate) fn has_line(info: &PktInfo) -> bool {
    info.malformed.is_none() || has_line_of(info)
}

#[cold]
#[inline(never)]
fn has_line_of(info: &PktInfo) -> bool {
    let Some((network, transport)) = &info.headers else {
        return false;
    };

    match network.malformed {
        // Of a truncated header there are only the ports.
        None => network.fragment.is_some() || !matches!(transport, Transport::Ports(_)),
        Some(Malformed::Invalid) => false,
        Some(Malformed::Truncated | Malformed::TooManyExtensions) => true,
    }
}

/// Appends the classic line of a packet. All numbers are as on the wire, in host order.
#[inline]
pub(crate) fn write(line: &mut Line<CAPACITY>, network: &Network, transport: &Transport) {
    let ports = transport.ports();

    line.text("source : ");
    end(line, network.source(), ports.source);
    line.text(" | dest : ");
    end(line, network.destination(), ports.destination);
    match transport {
        Transport::Tcp(tcp) => line
            .text(" | seq : ")
            .decimal(tcp.seq)
            .text(" | ack_seq : ")
            .decimal(tcp.ack_seq)
            .text(" | window : ")
            .decimal(tcp.window.into())
            .text(" | csum : ")
            .hex(tcp.check)
            .text(" | urg_ptr : ")
            .decimal(tcp.urg_ptr.into()),
        Transport::Udp(udp) => line
            .text(" | udp | length : ")
            .decimal(udp.length.into())
            .text(" | csum : ")
            .hex(udp.check),
        Transport::Icmp(icmp) => {
            line.text(match network.ip {
                Ip::V4(_) => " | icmp",
                Ip::V6(_) => " | icmpv6",
            });
            line.text(" | type : ")
                .decimal(icmp.kind.into())
                .text(" | code : ")
                .decimal(icmp.code.into())
                .text(" | csum : ")
                .hex(icmp.check);
            if let Some(echo) = icmp.echo {
                line.text(" | id : ")
                    .decimal(echo.id.into())
                    .text(" | seq : ")
                    .decimal(echo.seq.into());
            }
            line
        }
        Transport::Sctp(sctp) => line
            .text(" | sctp | vtag : ")
            .decimal(sctp.verification_tag),
        Transport::Ports(_) | Transport::Other | Transport::LaterFragment => {
            line.text(" | protocol : ").decimal(network.protocol.into());
            if let Some(fragment) = network.fragment {
                line.text(" | fragment : ")
                    .decimal(u32::from(fragment.offset) * 8)
                    .text(" | id : ")
                    .decimal(fragment.id);
            }
            let length = network.end.saturating_sub(network.transport_offset);
            line.text(" | length : ").decimal(length as u32)
        }
    };
}

/// Appends an address, and the port if there is one.
#[inline]
fn end(line: &mut Line<CAPACITY>, address: IpAddr, port: Option<u16>) {
    match (address, port) {
        (IpAddr::V6(_), Some(_)) => line.text("[").address(address).text("]"),
        _ => line.address(address),
    };
    if let Some(port) = port {
        line.text(":").decimal(port.into());
    }
}
