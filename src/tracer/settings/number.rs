// SPDX-License-Identifier: GPL-2.0

//! Numbers: `rate=`, `burst=` and `priority=`.

use super::{
    decimal,
    Refused,
    Value, //
};
use core::fmt;

/// A count of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lines(pub(crate) u32);

impl Value for Lines {
    const ALLOWED: &'static str = "a number from 0 to 4294967295";

    fn parse(text: &str) -> Result<Self, Refused<'_>> {
        let text = text.trim_ascii();

        decimal(text)
            .map(Self)
            .ok_or(Refused::new(text, "is no such number"))
    }

    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "{}", self.0)
    }
}

/// A place among the hooks of a point: lower is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) i32);

/// The names of the IP families' priorities, C's `enum nf_ip_hook_priorities`. Of two with the same
/// number the first one is written.
const NAMES: [(&str, i32); 16] = [
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
];

impl Value for Place {
    const ALLOWED: &'static str = "a number, or first, raw_before_defrag, conntrack_defrag, raw, \
        selinux_first, conntrack, mangle, nat_dst, filter, security, nat_src, selinux_last, \
        conntrack_helper or last, also with an offset such as raw+5";

    fn parse(text: &str) -> Result<Self, Refused<'_>> {
        let text = text.trim_ascii();
        let named = |name: &str| {
            let found = NAMES.iter().find(|(known, _)| *known == name);
            found.map(|(_, number)| *number)
        };
        let number = || {
            let digits = text.strip_prefix('-').unwrap_or(text);
            decimal::<u32>(digits).and(text.parse().ok())
        };
        let moved = || {
            let sign = text.rfind(['+', '-'])?;
            let (name, offset) = text.split_at_checked(sign)?;
            let digits = offset.get(1..)?;
            decimal::<u32>(digits)?;
            named(name)?.checked_add(offset.parse().ok()?)
        };

        named(text)
            .or_else(number)
            .or_else(moved)
            .map(Self)
            .ok_or(Refused::new(text, "is no priority"))
    }

    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => to.write_str(name),
            None => write!(to, "{}", self.0),
        }
    }
}
