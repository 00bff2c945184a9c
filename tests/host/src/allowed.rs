// SPDX-License-Identifier: GPL-2.0

//! The texts that a parameter must accept, by the standard library's parsers.

use std::net::IpAddr;

/// The parameters that are lists of words or numbers.
const LISTS: [&str; 11] = [
    "hooks", "family", "proto", "host", "src", "dst", "port", "sport", "dport", "iface", "sink",
];

/// The names of protocols.
const PROTOCOLS: &str =
    "all tcp udp icmp icmpv6 sctp igmp ipip dccp ipv6 rsvp gre esp ah eigrp ospf etherip pim \
    ipcomp vrrp l2tp mobility-header udplite mpls-in-ip hip shim6 ipv6-icmp ipencap ospfigp";

/// Returns whether a parameter must accept a text. `None` for a list that may be too long, which
/// depends on the items that are merged.
pub(crate) fn is_allowed(name: &str, text: &[u8]) -> Option<bool> {
    let Ok(text) = std::str::from_utf8(text) else {
        return Some(false);
    };
    let word = text.trim_ascii();
    let tokens: Vec<_> = match word {
        "" => vec![],
        word => word.split(',').map(str::trim_ascii).collect(),
    };
    let some =
        |is: &dyn Fn(&str) -> bool| !tokens.is_empty() && tokens.iter().all(|token| is(token));
    let list = |max: usize, is: &dyn Fn(&str) -> bool| match tokens.iter().all(|token| is(token)) {
        true if tokens.len() > max => None,
        is_allowed => Some(is_allowed),
    };

    // Lists have no negation.
    if LISTS.contains(&name) && tokens.iter().any(|token| token.starts_with('!')) {
        return Some(false);
    }
    let lower = word.to_ascii_lowercase();

    match name {
        "hooks" => Some(some(&|token| {
            let token = token.to_ascii_lowercase();
            let bare = ["nf_inet_", "nf_ip_", "nf_ip6_"]
                .iter()
                .find_map(|prefix| token.strip_prefix(prefix));
            [
                "all",
                "prerouting",
                "input",
                "forward",
                "output",
                "postrouting",
            ]
            .contains(&token.as_str())
                || [
                    "pre_routing",
                    "local_in",
                    "forward",
                    "local_out",
                    "post_routing",
                ]
                .contains(&bare.unwrap_or(&token))
        })),
        "family" => Some(some(&|token| {
            let token = token.to_ascii_lowercase();
            let token = token.strip_prefix("nfproto_").unwrap_or(&token);
            ["ipv4", "ipv6", "inet", "ip", "ip6"].contains(&token) && token != "nfproto_ip"
        })),
        "netns" => Some(["host", "all"].contains(&lower.as_str())),
        "format" => Some(["classic", "full", "nf_log"].contains(&lower.as_str())),
        "proto" => Some(some(&|token| {
            PROTOCOLS
                .split_whitespace()
                .any(|name| name.eq_ignore_ascii_case(token))
                || number(token, 255).is_some()
        })),
        "host" | "src" | "dst" => list(64, &is_prefix),
        "port" | "sport" | "dport" => list(128, &is_port_range),
        "iface" => list(64, &|token| {
            let name = token.strip_suffix('+').unwrap_or(token);
            !token.is_empty()
                && name.len() <= 15
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !b"/:*'\"".contains(&byte))
                && !["any", "all"].contains(&token.to_ascii_lowercase().as_str())
        }),
        "bpf" => Some(is_program(word)),
        "burst" if lower == "auto" => Some(true),
        "rate" | "burst" => Some(number(word, u32::MAX.into()).is_some()),
        "priority" => Some(is_priority(word)),
        "sink" => {
            let mut groups: Vec<_> = tokens.iter().filter_map(|token| group(token)).collect();
            groups.dedup();
            Some(
                groups.len() <= 1
                    && some(&|token| {
                        ["log", "trace"].contains(&token.to_ascii_lowercase().as_str())
                            || group(token).is_some()
                    }),
            )
        }
        other => panic!("no parameter {other}"),
    }
}

/// Parses a number of digits only, up to a maximum.
fn number(text: &str, max: u64) -> Option<u64> {
    // Any number of leading zeros is allowed.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.trim_start_matches('0');
    match number {
        "" if text.is_empty() => None,
        "" => Some(0),
        number if digits => number.parse().ok().filter(|number| *number <= max),
        _ => None,
    }
}

fn is_prefix(token: &str) -> bool {
    let (address, bits) = match token.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (token, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(all), |bits| number(bits, all));
    bits.is_some()
}

fn is_port_range(token: &str) -> bool {
    let (first, last) = token.split_once('-').unwrap_or((token, token));
    let port = |text: &str| number(text.trim_ascii(), 65535);
    port(first)
        .zip(port(last))
        .is_some_and(|(first, last)| first <= last)
}

fn group(token: &str) -> Option<u64> {
    let (sink, group) = token.split_once(':')?;
    number(group, 65535).filter(|_| sink.eq_ignore_ascii_case("nflog"))
}

fn is_priority(word: &str) -> bool {
    let bounds = i64::from(i32::MIN)..=i64::from(i32::MAX);
    let named = |name: &str| {
        let name = name.to_ascii_lowercase();
        let bare = ["nf_ip_pri_", "nf_ip6_pri_"]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix));
        Some(match bare.unwrap_or(&name) {
            "first" => i64::from(i32::MIN),
            "raw_before_defrag" => -450,
            "conntrack_defrag" => -400,
            "raw" => -300,
            "selinux_first" => -225,
            "conntrack" => -200,
            "mangle" => -150,
            "nat_dst" | "dstnat" => -100,
            "filter" => 0,
            "security" => 50,
            "nat_src" | "srcnat" => 100,
            "selinux_last" => 225,
            "conntrack_helper" => 300,
            "last" | "conntrack_confirm" => i64::from(i32::MAX),
            _ => return None,
        })
    };
    let offset = |text: &str| number(text, u32::MAX.into()).map(|number| number as i64);
    let sum = match word.rfind(['+', '-']) {
        Some(sign) => {
            let (name, digits) = (word[..sign].trim_ascii(), word[sign + 1..].trim_ascii());
            let base = if name.is_empty() {
                Some(0)
            } else {
                named(name)
            };
            let sign = if word[sign..].starts_with('-') { -1 } else { 1 };
            base.zip(offset(digits))
                .map(|(base, offset)| base + sign * offset)
        }
        None => named(word).or_else(|| offset(word)),
    };
    sum.is_some_and(|number| bounds.contains(&number))
}

/// Returns whether the fake kernel of these tests accepts a program: it must end by returning a
/// constant.
fn is_program(word: &str) -> bool {
    let mut pieces = word.split([',', '\n']).map(str::trim_ascii);
    let count = pieces.next().unwrap_or_default();
    if word.is_empty() {
        return true;
    }
    let instructions: Vec<_> = word
        .trim_end_matches(',')
        .split([',', '\n'])
        .skip(1)
        .map(|piece| {
            let fields: Vec<_> = piece.split_ascii_whitespace().collect();
            let bounds = [65535, 255, 255, u32::MAX.into()];
            let numbers: Option<Vec<_>> = fields
                .iter()
                .zip(bounds)
                .map(|(field, max)| number(field, max))
                .collect();
            numbers.filter(|_| fields.len() == 4)
        })
        .collect();

    instructions.iter().all(Option::is_some)
        && number(count, 4096) == Some(instructions.len() as u64)
        && matches!(instructions.last(), Some(Some(last)) if last[0] == 6)
        && !instructions.iter().flatten().any(|it| reads_elsewhere(it))
        && !instructions
            .iter()
            .flatten()
            .zip(instructions.iter().flatten().skip(1))
            .any(|(first, second)| {
                // ldh [0], [12] or [14], and jeq of an EtherType.
                first[0] == 40
                    && [0, 12, 14].contains(&first[3])
                    && second[0] == 21
                    && [
                        2048, 2054, 32821, 34525, 33024, 34984, 37120, 34887, 34888, 34915, 34916,
                    ]
                    .contains(&second[3])
            })
}

/// Returns whether an instruction is ld, ldh or ldb of an offset from -0x200000 on, other than
/// those next to ld proto that tcpdump knows, or ldxb of a nibble there.
fn reads_elsewhere(instruction: &[u64]) -> bool {
    let special = instruction[3] >= 0xffe0_0000;
    let known = [0xffff_f004, 0xffff_f008].contains(&instruction[3]);

    special && (instruction[0] == 0xb1 || [0x20, 0x28, 0x30].contains(&instruction[0]) && !known)
}
