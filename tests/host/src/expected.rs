// SPDX-License-Identifier: GPL-2.0

//! The expected lines and events for a packet, from etherparse's fields and by the standard
//! library's formatting.

mod event;
pub(crate) mod full;

pub(crate) use self::{
    event::event,
    full::full, //
};

use std::{
    fmt::Write as _,
    net::IpAddr, //
};

use crate::{
    packet::Malformed,
    reading::{
        Reading,
        Upper, //
    }, //
};

/// Returns identifier and sequence number, for message types that have them.
fn echo(kind: u8, rest: [u8; 4], v6: bool) -> Option<(u16, u16)> {
    let has_them = match v6 {
        true => [128, 129].contains(&kind),
        false => [0, 8, 13, 14, 15, 16, 17, 18].contains(&kind),
    };
    let [i0, i1, s0, s1] = rest;
    has_them.then_some((u16::from_be_bytes([i0, i1]), u16::from_be_bytes([s0, s1])))
}

/// Returns the classic line. With a truncated transport header, only packets that may be delivered
/// have one.
pub(crate) fn classic(reading: &Reading) -> Option<String> {
    let net = reading.network.as_ref()?;
    let upper = match &reading.upper {
        Ok(upper) => upper,
        Err(Malformed::Invalid) => return None,
        Err(_) if net.malformed.is_none() && net.fragment.is_none() => return None,
        Err(_) => &Upper::Ports,
    };
    let end = |address: IpAddr, port: Option<u16>| match (address, port) {
        (IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
        (address, Some(port)) => format!("{address}:{port}"),
        (address, None) => address.to_string(),
    };
    let (sport, dport) = reading.ports;
    let v6 = net.v4.is_none();
    let mut line = format!(
        "source : {} | dest : {}",
        end(net.source, sport),
        end(net.destination, dport)
    );
    match upper {
        Upper::Tcp { header, .. } => write!(
            line,
            " | seq : {} | ack_seq : {} | window : {} | csum : {:#x} | urg_ptr : {}",
            header.sequence_number,
            header.acknowledgment_number,
            header.window_size,
            header.checksum,
            header.urgent_pointer,
        ),
        Upper::Udp { length, check, .. } => {
            write!(line, " | udp | length : {length} | csum : {check:#x}")
        }
        Upper::Icmp {
            kind,
            code,
            check,
            rest,
        } => {
            let name = if v6 { "icmpv6" } else { "icmp" };
            let echo =
                echo(*kind, *rest, v6).map(|(id, seq)| format!(" | id : {id} | seq : {seq}"));
            write!(
                line,
                " | {name} | type : {kind} | code : {code} | csum : {check:#x}{}",
                echo.unwrap_or_default(),
            )
        }
        Upper::Sctp { tag, .. } => write!(line, " | sctp | vtag : {tag}"),
        Upper::Ports | Upper::Other | Upper::LaterFragment => {
            let fragment = net.fragment.map(|(id, offset, _)| {
                format!(" | fragment : {} | id : {id}", u32::from(offset) * 8)
            });
            write!(
                line,
                " | protocol : {}{} | length : {}",
                net.protocol,
                fragment.unwrap_or_default(),
                net.end.saturating_sub(net.start),
            )
        }
    }
    .unwrap();
    Some(line)
}

/// Returns TCP's flags, from the lowest bit on.
fn flags(header: &etherparse::TcpHeader) -> [(bool, &'static str); 9] {
    [
        (header.fin, "FIN"),
        (header.syn, "SYN"),
        (header.rst, "RST"),
        (header.psh, "PSH"),
        (header.ack, "ACK"),
        (header.urg, "URG"),
        (header.ece, "ECE"),
        (header.cwr, "CWR"),
        (header.ns, "AE"),
    ]
}
