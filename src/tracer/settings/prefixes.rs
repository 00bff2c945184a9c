// SPDX-License-Identifier: GPL-2.0

//! Lists of addresses and prefixes, `host=`, `src=` and `dst=`.

use super::{
    decimal,
    is,
    ranges::Ranges,
    tokens,
    write_list,
    List,
    ParseError, //
};
use core::{
    fmt,
    net::{
        IpAddr,
        Ipv4Addr,
        Ipv6Addr, //
    }, //
};

/// IPv4 and IPv6 prefixes. Two prefixes are nested or disjoint, and nested ones are merged, so none
/// overlap here.
pub(crate) struct Prefixes {
    v4: Ranges<u32, { Self::MAX }>,
    v6: Ranges<u128, { Self::MAX }>,
}

impl Prefixes {
    /// The maximum number of prefixes of each family.
    pub(crate) const MAX: usize = 64;

    /// Returns whether there are IPv4 prefixes.
    pub(crate) fn has_v4(&self) -> bool {
        self.v4.iter().len() != 0
    }

    /// Whether one of them is IPv4-mapped, as programs show the addresses of sockets that take both families.
    pub(crate) fn has_mapped(&self) -> bool {
        let is_mapped = |bits| Ipv6Addr::from_bits(bits).to_ipv4_mapped().is_some();

        self.v6
            .iter()
            .any(|(first, last)| is_mapped(*first) && is_mapped(*last))
    }

    /// Returns whether there are IPv6 prefixes.
    pub(crate) fn has_v6(&self) -> bool {
        self.v6.iter().len() != 0
    }

    /// Returns whether one of them contains `address`.
    #[inline]
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.contain(address.to_bits()),
            IpAddr::V6(address) => self.v6.contain(address.to_bits()),
        }
    }
}

/// Returns the likely mistake of a user who gave this text for an address.
fn why_no_address(text: &str) -> &'static str {
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    let is_one_before = |byte| {
        let end = text.bytes().position(|found| found == byte);
        end.and_then(|end| text.get(..end)).is_some_and(is_address)
    };

    if is_one_before(b'-') {
        "is no address: of a range, its prefixes are wanted"
    } else if is_one_before(b'%') {
        "is no address: a zone is none of it, see iface="
    } else if is_one_before(b':') || text.starts_with(is::<'['>) {
        "is no address: ports have parameters of their own, see port="
    } else if text.eq_ignore_ascii_case("any") || text.eq_ignore_ascii_case("all") {
        "is no address: for any, give nothing"
    } else if text.bytes().any(|byte| byte.is_ascii_alphabetic()) && !text.contains(is::<':'>) {
        "is no address, and names are not looked up"
    } else {
        "is no address"
    }
}

impl List for Prefixes {
    const ALLOWED: &'static str = "IPv4 and IPv6 addresses and prefixes such as \
        10.0.0.0/8,fe80::/10, at most 64 of each family, nothing for any";

    const EMPTY: Self = Self {
        v4: Ranges::empty(0),
        v6: Ranges::empty(0),
    };

    fn read<'a>(&mut self, text: &'a str) -> Result<(), ParseError<'a>> {
        for token in tokens(text) {
            let token = token?;
            let refused = |why| ParseError::new(token, why);
            let (address, bits) = match token.split_once(is::<'/'>) {
                Some((address, bits)) => {
                    let bits = decimal::<u32>(bits);
                    (
                        address,
                        Some(bits.ok_or(refused("has no number of bits behind the slash"))?),
                    )
                }
                None => (token, None),
            };
            let parsed = address.parse();
            let added = match parsed.map_err(|_| refused(why_no_address(address)))? {
                IpAddr::V4(address) => {
                    let bits = bits.unwrap_or(32);
                    let host = match bits {
                        0..=32 => u32::MAX.checked_shr(bits).unwrap_or(0),
                        _ => return Err(refused("has more bits than IPv4's 32")),
                    };
                    let address = address.to_bits();
                    self.v4.insert(address & !host, address | host)
                }
                IpAddr::V6(address) => {
                    let bits = bits.unwrap_or(128);
                    let host = match bits {
                        0..=128 => u128::MAX.checked_shr(bits).unwrap_or(0),
                        _ => return Err(refused("has more bits than IPv6's 128")),
                    };
                    let address = address.to_bits();
                    self.v6.insert(address & !host, address | host)
                }
            };
            added.ok_or(refused("is one more than the 64 of a family"))?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.v4.iter().len() == 0 && self.v6.iter().len() == 0
    }

    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        let v4 = self.v4.iter().map(|(first, last)| {
            let address = IpAddr::V4(Ipv4Addr::from_bits(*first));
            (address, (first ^ last).leading_zeros(), 32)
        });
        let v6 = self.v6.iter().map(|(first, last)| {
            let address = IpAddr::V6(Ipv6Addr::from_bits(*first));
            (address, (first ^ last).leading_zeros(), 128)
        });

        write_list(to, v4.chain(v6), |to, (address, bits, all)| {
            write!(to, "{address}")?;
            if bits == all {
                return Ok(());
            }
            write!(to, "/{bits}")
        })
    }
}
