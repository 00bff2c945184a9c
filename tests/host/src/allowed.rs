// SPDX-License-Identifier: GPL-2.0

//! Which texts a parameter is to take, by the standard library's own ways to read them.

use std::net::IpAddr;

/// Whether a parameter is to take a text. `None` for a list that may be too long: that hangs on which of
/// its items are merged.
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

    match name {
        "hooks" => Some(some(&|token| {
            [
                "all",
                "prerouting",
                "input",
                "forward",
                "output",
                "postrouting",
            ]
            .contains(&token)
        })),
        "family" => Some(["ipv4", "ipv6", "inet"].contains(&word)),
        "netns" => Some(["host", "all"].contains(&word)),
        "format" => Some(["classic", "full", "nf_log"].contains(&word)),
        "proto" => Some(some(&|token| {
            ["all", "tcp", "udp", "icmp", "icmpv6", "sctp"].contains(&token)
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
                    .all(|byte| byte.is_ascii_graphic() && byte != b'/')
        }),
        "bpf" => Some(is_program(word)),
        "rate" | "burst" => Some(number(word, u32::MAX.into()).is_some()),
        "priority" => Some(is_priority(word)),
        "sink" => {
            let mut groups: Vec<_> = tokens.iter().filter_map(|token| group(token)).collect();
            groups.dedup();
            Some(
                groups.len() <= 1
                    && some(&|token| ["log", "trace"].contains(&token) || group(token).is_some()),
            )
        }
        other => panic!("no parameter {other}"),
    }
}

/// A number of digits only, up to a bound.
fn number(text: &str, max: u64) -> Option<u64> {
    // More zeros than any number has digits are still digits.
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
    let (address, bits) = token.split_once('/').unwrap_or((token, "0"));
    address
        .parse::<IpAddr>()
        .is_ok_and(|address| number(bits, if address.is_ipv4() { 32 } else { 128 }).is_some())
}

fn is_port_range(token: &str) -> bool {
    let (first, last) = token.split_once('-').unwrap_or((token, token));
    let port = |text: &str| number(text.trim_ascii(), 65535);
    port(first)
        .zip(port(last))
        .is_some_and(|(first, last)| first <= last)
}

fn group(token: &str) -> Option<u64> {
    number(token.strip_prefix("nflog:")?, 65535)
}

fn is_priority(word: &str) -> bool {
    let bounds = i64::from(i32::MIN)..=i64::from(i32::MAX);
    let named = |name: &str| {
        Some(match name {
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
            "last" => i64::from(i32::MAX),
            _ => return None,
        })
    };
    let signed = |text: &str, max: i64| {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        number(digits, max as u64).map(|number| sign * number as i64)
    };
    let sum = match word.rfind(['+', '-']) {
        Some(sign) if sign > 0 => {
            let (name, offset) = word.split_at(sign);
            let offset = signed(offset.strip_prefix('+').unwrap_or(offset), u32::MAX.into());
            let offset = offset.filter(|offset| bounds.contains(offset));
            named(name).zip(offset).map(|(base, offset)| base + offset)
        }
        _ => named(word).or_else(|| signed(word, i64::from(u32::MAX))),
    };
    sum.is_some_and(|number| bounds.contains(&number))
}

/// The border's kernel takes what ends by returning a constant.
fn is_program(word: &str) -> bool {
    let mut pieces = word.split([',', '\n']).map(str::trim_ascii);
    let count = pieces.next().unwrap_or_default();
    if count.is_empty() {
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
}
