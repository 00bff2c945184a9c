// SPDX-License-Identifier: GPL-2.0

//! The expected full line.

use std::fmt::Write as _;

use super::{
    echo,
    flags, //
};
use crate::{
    netfilter::{
        Around,
        ChecksumState, //
    },
    packet::Malformed,
    reading::{
        Net,
        Reading,
        Upper, //
    }, //
};

/// Returns the full line of a packet of `len` bytes.
pub(crate) fn full(reading: &Reading, around: &Around, len: usize) -> String {
    let mut line = format!(
        "hook={} family={}",
        around.hook.name(),
        around.family.name()
    );
    for (key, name) in [("in", around.input), ("out", around.output)] {
        if let Some(name) = name {
            let shown: String = name
                .iter()
                .take_while(|byte| **byte != 0)
                .map(|byte| word(*byte))
                .collect();
            write!(line, " {key}={shown}").unwrap();
        }
    }
    write!(line, " netns={} mark={:#x}", around.netns, around.mark).unwrap();
    if let Some(uid) = around.uid {
        write!(line, " uid={uid}").unwrap();
    }
    write!(line, " len={len}").unwrap();
    if let Some(segments) = around.segments {
        let start = reading.network.as_ref().map_or(0, |net| net.start);
        let segments = around.count(segments, len, start);
        write!(line, " segments={segments}").unwrap();
    }
    if let Some(net) = &reading.network {
        line += &full_network(net);
        for (key, port) in [("sport", reading.ports.0), ("dport", reading.ports.1)] {
            if let Some(port) = port {
                write!(line, " {key}={port}").unwrap();
            }
        }
        if let Ok(upper) = &reading.upper {
            line += &full_upper(net, upper, around.checksum);
        }
    }
    line + match reading.malformed {
        Some(Malformed::Truncated) => " TRUNCATED",
        Some(Malformed::Invalid) => " INVALID",
        Some(Malformed::TooManyExtensions) => " TOO_MANY_EXTHDRS",
        None => "",
    }
}

fn word(byte: u8) -> String {
    match byte {
        b'\\' | b'=' | b'"' | b'|' | 0..=b' ' | 0x7f.. => format!("\\x{byte:02x}"),
        plain => char::from(plain).to_string(),
    }
}

fn full_network(net: &Net) -> String {
    let mut line = format!(" src={} dst={}", net.source, net.destination);
    match net.v4 {
        Some((id, dont_fragment)) => {
            write!(line, " ttl={} tos={:#x} id={id}", net.hops, net.class).unwrap();
            line += if dont_fragment { " df" } else { "" };
        }
        None => write!(
            line,
            " hoplimit={} tc={:#x} flowlabel={}",
            net.hops, net.class, net.flow_label
        )
        .unwrap(),
    }
    if let Some((id, offset, more)) = net.fragment {
        write!(
            line,
            " frag={}{}",
            u32::from(offset) * 8,
            if more { "+" } else { "" }
        )
        .unwrap();
        if net.v4.is_none() {
            write!(line, " fragid={id}").unwrap();
        }
    }
    write!(line, " proto={}", protocol_name(net.protocol)).unwrap();
    line
}

fn full_upper(net: &Net, upper: &Upper, checksum: ChecksumState) -> String {
    let mut line = String::new();
    let check = match upper {
        Upper::Tcp { header, .. } => {
            write!(
                line,
                " seq={} ack={} window={} flags={} urg={}",
                header.sequence_number,
                header.acknowledgment_number,
                header.window_size,
                flag_names(header).join(","),
                header.urgent_pointer,
            )
            .unwrap();
            Some(header.checksum)
        }
        Upper::Udp { check, .. } => Some(*check),
        Upper::Icmp {
            kind,
            code,
            check,
            rest,
        } => {
            let v6 = net.v4.is_none();
            write!(
                line,
                " type={} code={}",
                icmp_type(*kind, v6),
                icmp_code(*kind, *code, v6)
            )
            .unwrap();
            if let Some((id, seq)) = echo(*kind, *rest, net.v4.is_none()) {
                write!(line, " echoid={id} echoseq={seq}").unwrap();
            }
            Some(*check)
        }
        Upper::Sctp { tag, .. } => {
            write!(line, " vtag={tag}").unwrap();
            None
        }
        Upper::Ports | Upper::Other | Upper::LaterFragment => None,
    };
    if let Some(check) = check {
        let state = ["none", "unnecessary", "complete", "partial"][checksum as usize];
        write!(line, " csum={check:#x} csum_state={state}").unwrap();
    }
    if let Some(len) = net.payload(upper) {
        write!(line, " payload={len}").unwrap();
    }
    if let Upper::Tcp {
        options: Some(options),
        data_offset,
        ..
    } = upper
    {
        if *data_offset > 20 {
            write!(line, " options={}", tcp_options(options)).unwrap();
        }
    }
    line
}

fn flag_names(header: &etherparse::TcpHeader) -> Vec<&'static str> {
    flags(header)
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, name)| name)
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The name that nft gives a type of message, or its number.
pub(crate) fn icmp_type(kind: u8, v6: bool) -> String {
    let names: &[(u8, &str)] = match v6 {
        true => &[
            (1, "destination-unreachable"),
            (2, "packet-too-big"),
            (3, "time-exceeded"),
            (4, "parameter-problem"),
            (128, "echo-request"),
            (129, "echo-reply"),
            (130, "mld-listener-query"),
            (131, "mld-listener-report"),
            (132, "mld-listener-done"),
            (133, "nd-router-solicit"),
            (134, "nd-router-advert"),
            (135, "nd-neighbor-solicit"),
            (136, "nd-neighbor-advert"),
            (137, "nd-redirect"),
            (143, "mld2-listener-report"),
        ],
        false => &[
            (0, "echo-reply"),
            (3, "destination-unreachable"),
            (4, "source-quench"),
            (5, "redirect"),
            (8, "echo-request"),
            (9, "router-advertisement"),
            (10, "router-solicitation"),
            (11, "time-exceeded"),
            (12, "parameter-problem"),
            (13, "timestamp-request"),
            (14, "timestamp-reply"),
            (15, "info-request"),
            (16, "info-reply"),
            (17, "address-mask-request"),
            (18, "address-mask-reply"),
        ],
    };
    named(names, kind)
}

/// The same for a code.
pub(crate) fn icmp_code(kind: u8, code: u8, v6: bool) -> String {
    let names: &[(u8, &str)] = match (v6, kind) {
        (false, 3) => &[
            (0, "net-unreachable"),
            (1, "host-unreachable"),
            (2, "prot-unreachable"),
            (3, "port-unreachable"),
            (4, "frag-needed"),
            (9, "net-prohibited"),
            (10, "host-prohibited"),
            (13, "admin-prohibited"),
        ],
        (false, 5) => &[(0, "net-redirect"), (1, "host-redirect")],
        (false, 11) | (true, 3) => &[(0, "ttl-exceeded"), (1, "reassembly-timeout")],
        (true, 1) => &[
            (0, "no-route"),
            (1, "admin-prohibited"),
            (3, "addr-unreachable"),
            (4, "port-unreachable"),
            (5, "policy-fail"),
            (6, "reject-route"),
        ],
        _ => &[],
    };
    named(names, code)
}

fn named(names: &[(u8, &str)], number: u8) -> String {
    let found = names.iter().find(|(known, _)| *known == number);
    found.map_or(number.to_string(), |(_, name)| (*name).into())
}

/// Formats TCP's options: by hand, since etherparse knows five kinds, and stops at others.
fn tcp_options(mut bytes: &[u8]) -> String {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte))
    };
    let mut shown = Vec::new();
    while let [kind, rest @ ..] = bytes {
        if *kind == 0 {
            break;
        }
        if *kind == 1 {
            bytes = rest;
            continue;
        }
        let len = rest.first().map_or(0, |len| usize::from(*len));
        if len < 2 || len > bytes.len() {
            shown.push(format!("INVALID:{}", hex(bytes)));
            break;
        }
        let data = &bytes[2..len];
        bytes = &bytes[len..];
        shown.push(match (kind, data.len()) {
            (2, 2) => format!("mss:{}", number(data)),
            (3, 1) => format!("wscale:{}", data[0]),
            (4, 0) => "sackOK".into(),
            (5, 8 | 16 | 24 | 32) => data.chunks(8).fold("sack".into(), |text, block| {
                format!("{text}:{}-{}", number(&block[..4]), number(&block[4..]))
            }),
            (8, 8) => format!("ts:{}:{}", number(&data[..4]), number(&data[4..])),
            (34, _) => format!("fastopen:{}", hex(data)),
            (30, 1..) => format!("mptcp:{}", data[0] >> 4),
            _ => format!("opt-{kind}:{}", hex(data)),
        });
    }
    shown.join(",")
}

fn protocol_name(number: u8) -> String {
    match number {
        6 => "tcp".into(),
        17 => "udp".into(),
        1 => "icmp".into(),
        58 => "icmpv6".into(),
        132 => "sctp".into(),
        other => other.to_string(),
    }
}
