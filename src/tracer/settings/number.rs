// SPDX-License-Identifier: GPL-2.0

//! Numbers: `rate=`, `burst=` and `priority=`.

use super::{
    decimal,
    is,
    is_digits,
    number,
    strip_prefix,
    ParseError,
    Settings,
    Value, //
};
use core::fmt;

/// A number of lines.
impl Value for u32 {
    const ALLOWED: &'static str = "a number from 0 to 4294967295";

    fn parse(text: &str) -> Result<Self, ParseError<'_>> {
        let text = text.trim_ascii();

        number(text, "is not from 0 to 4294967295", "is no number")
    }

    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "{self}")
    }
}

/// The number of lines in a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Burst {
    /// The number derived from the rate.
    Auto,
    Lines(u32),
}

impl Value for Burst {
    const ALLOWED: &'static str = "a number from 0 to 4294967295, or auto for twice the rate";

    fn parse(text: &str) -> Result<Self, ParseError<'_>> {
        if text.trim_ascii().eq_ignore_ascii_case("auto") {
            return Ok(Self::Auto);
        }
        u32::parse(text).map(Self::Lines)
    }

    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::Auto => to.write_str("auto"),
            Self::Lines(lines) => lines.write(to),
        }
    }

    /// Writes the number, also where it is derived from the rate.
    fn write_active(&self, settings: &Settings, to: &mut dyn fmt::Write) -> fmt::Result {
        settings.burst().write(to)
    }
}

/// A priority among the hooks of a point: lower is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PriorityValue(pub(crate) i32);

impl PriorityValue {
    /// The second lowest. At the lowest, `br_netfilter` ends the second traversal of
    /// `NF_INET_PRE_ROUTING` by what a bridge has received: behind it no packet is seen twice.
    pub(crate) const DEFAULT: Self = Self(i32::MIN + 1);
}

/// The names of the IP families' priorities, C's `enum nf_ip_hook_priorities`. If two have the same
/// number, the first one is written.
const NAMES: [(&str, i32); 17] = [
    ("first", i32::MIN),
    ("raw_before_defrag", -450),
    ("conntrack_defrag", -400),
    ("raw", -300),
    ("selinux_first", -225),
    ("conntrack", -200),
    ("mangle", -150),
    ("nat_dst", -100),
    ("filter", 0),
    ("security", 50),
    ("nat_src", 100),
    ("selinux_last", 225),
    ("conntrack_helper", 300),
    ("last", i32::MAX),
    ("dstnat", -100),
    ("srcnat", 100),
    ("conntrack_confirm", i32::MAX),
];

/// The maximum distance at which a number is written relative to a name, as in nft.
const NEAR: u64 = 10;

/// The prefixes of the names in C.
const C_PREFIXES: [&str; 2] = ["nf_ip_pri_", "nf_ip6_pri_"];

/// Returns the number that a name stands for.
fn named(word: &str) -> Option<i32> {
    let mut prefixes = C_PREFIXES.iter();
    let word = prefixes
        .find_map(|prefix| strip_prefix(word, prefix))
        .unwrap_or(word);
    let found = NAMES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word));

    found.map(|(_, number)| *number)
}

/// Splits a text into a name, which may be empty, and an offset: its sign and its digits. As in nft
/// there may be blanks around the sign.
fn parts(text: &str) -> Option<(&str, i64, &str)> {
    let (name, offset) = text.split_at_checked(text.rfind(['+', '-'])?)?;
    let (sign, digits) = match offset.strip_prefix(is::<'-'>) {
        Some(digits) => (-1, digits),
        None => (1, offset.get(1..)?),
    };
    let digits = digits.trim_ascii_start();

    is_digits(digits).then_some((name.trim_ascii_end(), sign, digits))
}

impl Value for PriorityValue {
    const ALLOWED: &'static str = "a number, or first, raw_before_defrag, conntrack_defrag, raw, \
        selinux_first, conntrack, mangle, nat_dst, filter, security, nat_src, selinux_last, \
        conntrack_helper or last, also with an offset such as raw+5";

    fn parse(text: &str) -> Result<Self, ParseError<'_>> {
        let text = text.trim_ascii();
        let (base, sign, digits) = match parts(text) {
            Some(("", sign, digits)) => (Some(0), sign, digits),
            Some((name, sign, digits)) => (named(name), sign, digits),
            None if is_digits(text) => (Some(0), 1, text),
            None => (named(text), 1, "0"),
        };
        let base = base.ok_or(ParseError::new(text, "is no priority"))?;
        let offset = decimal::<u32>(digits).map(|offset| sign * i64::from(offset));

        offset
            .and_then(|offset| i32::try_from(i64::from(base) + offset).ok())
            .map(Self)
            .ok_or(ParseError::new(
                text,
                "is not from -2147483648 to 2147483647",
            ))
    }

    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        let offset = |number: i32| i64::from(self.0) - i64::from(number);
        let near = NAMES
            .iter()
            .find(|(_, number)| offset(*number).unsigned_abs() <= NEAR);

        match near {
            Some((name, number)) if *number == self.0 => to.write_str(name),
            Some((name, number)) => write!(to, "{name}{:+}", offset(*number)),
            None => write!(to, "{}", self.0),
        }
    }
}
