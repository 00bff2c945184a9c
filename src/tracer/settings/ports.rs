// SPDX-License-Identifier: GPL-2.0

//! Lists of ports, `port=`, `sport=` and `dport=`.

use super::{
    is,
    number,
    ranges::Ranges,
    tokens,
    write_list,
    List,
    ParseError, //
};
use core::fmt;

/// Ports and ranges of ports.
pub(crate) struct Ports(Ranges<u16, 128>);

impl Ports {
    /// Returns whether `port` is one of them.
    #[inline]
    pub(crate) fn contain(&self, port: u16) -> bool {
        self.0.contain(port)
    }
}

impl List for Ports {
    const ALLOWED: &'static str =
        "ports and ranges such as 22,80-90, from 0 to 65535, at most 128, nothing for any";

    const EMPTY: Self = Self(Ranges::empty(0));

    fn read<'a>(&mut self, text: &'a str) -> Result<(), ParseError<'a>> {
        for token in tokens(text) {
            let token = token?;
            let refused = |why| ParseError::new(token, why);
            let port = |text: &'a str| {
                let read = number(text.trim_ascii(), "is not from 0 to 65535", "is no port");
                read.map_err(|part| refused(part.why))
            };
            let (first, last) = match token.split_once(is::<'-'>) {
                Some((_, "")) => return Err(refused("has no end: ranges are such as 1024-65535")),
                Some(("", _)) => return Err(refused("has no start: ranges are such as 0-1023")),
                Some((first, last)) => (port(first)?, port(last)?),
                None if token.contains(is::<':'>) => {
                    return Err(refused("has a colon: ranges are such as 80-90"));
                }
                None => (port(token)?, port(token)?),
            };
            if first > last {
                return Err(refused("is a range upside down"));
            }
            self.0
                .insert(first, last)
                .ok_or(refused("is one more than 128"))?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.0.iter().len() == 0
    }

    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        write_list(to, self.0.iter(), |to, (first, last)| {
            write!(to, "{first}")?;
            if first == last {
                return Ok(());
            }
            write!(to, "-{last}")
        })
    }
}
