// SPDX-License-Identifier: GPL-2.0

//! The list of protocols, `proto=`.

use super::{
    decimal,
    tokens,
    write_list,
    Refused,
    Value, //
};
use crate::packet::{
    icmp,
    sctp,
    tcp,
    udp, //
};
use core::fmt;

/// A set of the protocols that can stand in an IP header, as IANA numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Protocols([u64; 4]);

/// Those that have a name here.
const NAMES: [(&str, u8); 5] = [
    ("tcp", tcp::PROTOCOL),
    ("udp", udp::PROTOCOL),
    ("icmp", icmp::PROTOCOL),
    ("icmpv6", icmp::PROTOCOL_V6),
    ("sctp", sctp::PROTOCOL),
];

/// The name of a protocol, if it has one.
pub(crate) fn name(protocol: u8) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|(_, number)| *number == protocol)
        .map(|(name, _)| *name)
}

impl Protocols {
    const ALL: Self = Self([u64::MAX; 4]);

    /// TCP alone.
    pub(crate) const TCP: Self = Self([1 << tcp::PROTOCOL, 0, 0, 0]);

    /// Whether `protocol` is one of them.
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
    const ALLOWED: &'static str = "tcp,udp,icmp,icmpv6,sctp, numbers from 0 to 255, or all";

    fn parse(text: &str) -> Result<Self, Refused<'_>> {
        let mut protocols = Self([0; 4]);

        for token in tokens(text) {
            let token = token?;
            if token == "all" {
                protocols = Self::ALL;
                continue;
            }
            let named = NAMES.iter().find(|(name, _)| *name == token);
            let number = named.map(|(_, number)| *number).or_else(|| decimal(token));
            protocols.insert(number.ok_or(Refused::new(token, "is no protocol"))?);
        }
        if protocols == Self([0; 4]) {
            return Err(Refused::new(text, "names no protocol"));
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

        write_list(to, all, |to, number| match name(number) {
            Some(name) => to.write_str(name),
            None => write!(to, "{number}"),
        })
    }
}
