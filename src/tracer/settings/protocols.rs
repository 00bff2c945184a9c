// SPDX-License-Identifier: GPL-2.0

//! The list of protocols, `proto=`.

use super::{
    number,
    tokens,
    write_list,
    ParseError,
    Value, //
};
use crate::packet::{
    icmp,
    sctp,
    tcp,
    udp, //
};
use core::fmt;

/// A set of protocols in IP headers, as assigned by IANA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Protocols([u64; 4]);

/// The protocols with names in lines; events have theirs in `bindings/events.h`.
const NAMES: [(&str, u8); 5] = [
    ("tcp", tcp::PROTOCOL),
    ("udp", udp::PROTOCOL),
    ("icmp", icmp::PROTOCOL),
    ("icmpv6", icmp::PROTOCOL_V6),
    ("sctp", sctp::PROTOCOL),
];

/// The protocols with names in `proto=` only, from /etc/protocols; if two have the same number, the
/// first one is written. `ipip` is C's `IPPROTO_IPIP`, and what `ip tunnel` means by it; in that
/// file it is 94, a protocol that is not in use.
const MORE_NAMES: [(&str, u8); 23] = [
    ("igmp", 2),
    ("ipip", 4),
    ("dccp", 33),
    ("ipv6", 41),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("eigrp", 88),
    ("ospf", 89),
    ("etherip", 97),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("mobility-header", 135),
    ("udplite", 136),
    ("mpls-in-ip", 137),
    ("hip", 139),
    ("shim6", 140),
    ("ipv6-icmp", icmp::PROTOCOL_V6),
    ("ipencap", 4),
    ("ospfigp", 89),
];

/// Returns the name of a protocol in lines, if it has one there.
pub(crate) fn name(protocol: u8) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|(_, number)| *number == protocol)
        .map(|(name, _)| *name)
}

fn all_names() -> impl Iterator<Item = &'static (&'static str, u8)> {
    Iterator::chain(NAMES.iter(), &MORE_NAMES)
}

impl Protocols {
    const ALL: Self = Self([u64::MAX; 4]);

    /// TCP alone.
    pub(crate) const TCP: Self = Self([1 << tcp::PROTOCOL, 0, 0, 0]);

    /// Returns whether `protocol` is one of them.
    #[inline]
    pub(crate) fn contain(&self, protocol: u8) -> bool {
        let word = self.0.get(usize::from(protocol >> 6));

        word.is_some_and(|word| (word >> (protocol & 63)) & 1 != 0)
    }

    fn insert(&mut self, protocol: u8) {
        if let Some(word) = self.0.get_mut(usize::from(protocol >> 6)) {
            *word |= 1 << (protocol & 63);
        }
    }
}

impl Value for Protocols {
    const ALLOWED: &'static str =
        "tcp,udp,icmp,icmpv6,sctp and names such as gre or esp, numbers from 0 \
        to 255, or all";

    fn parse(text: &str) -> Result<Self, ParseError<'_>> {
        let mut protocols = Self([0; 4]);

        for token in tokens(text) {
            let token = token?;
            let named = all_names().find(|(name, _)| name.eq_ignore_ascii_case(token));

            if token.eq_ignore_ascii_case("all") {
                protocols = Self::ALL;
                continue;
            }
            protocols.insert(match named {
                Some((_, number)) => *number,
                None => number(token, "is not from 0 to 255", "is no protocol")?,
            });
        }
        if protocols == Self([0; 4]) {
            return Err(ParseError::new(text, "names no protocol"));
        }
        Ok(protocols)
    }

    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        if *self == Self::ALL {
            return to.write_str("all");
        }
        let named = NAMES.iter().map(|(_, number)| *number);
        let others = (0..=u8::MAX).filter(|number| name(*number).is_none());
        let all = named.chain(others).filter(|number| self.contain(*number));

        write_list(to, all, |to, protocol| {
            match all_names().find(|(_, number)| *number == protocol) {
                Some((name, _)) => to.write_str(name),
                None => write!(to, "{protocol}"),
            }
        })
    }
}
