// SPDX-License-Identifier: GPL-2.0

//! The list of network devices, `iface=`.

use super::{
    tokens,
    write_list,
    List,
    ParseError, //
};
use core::fmt;

/// Names of devices, and prefixes of names.
pub(crate) struct Devices {
    items: [Pattern; Self::MAX],
    len: usize,
}

/// A name, or followed by `+`, a prefix of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pattern {
    /// Padded with zeros.
    bytes: [u8; Self::MAX_LEN],
    len: usize,
    prefix: bool,
}

impl Pattern {
    /// C's `IFNAMSIZ`, without the terminating zero.
    const MAX_LEN: usize = 15;

    const EMPTY: Self = Self {
        bytes: [0; Self::MAX_LEN],
        len: 0,
        prefix: false,
    };

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    #[inline]
    fn matches(&self, name: &[u8]) -> bool {
        match self.prefix {
            true => name.starts_with(self.as_bytes()),
            false => name == self.as_bytes(),
        }
    }
}

impl Devices {
    /// The maximum number of patterns.
    const MAX: usize = 64;

    /// Returns whether `name` matches one of them.
    #[inline]
    pub(crate) fn contain(&self, name: &[u8]) -> bool {
        self.iter().any(|pattern| pattern.matches(name))
    }

    /// Returns whether a byte occurs in one of them.
    pub(crate) fn has(&self, byte: u8) -> bool {
        self.iter()
            .any(|pattern| pattern.as_bytes().contains(&byte))
    }

    fn iter(&self) -> impl Iterator<Item = &Pattern> {
        self.items.iter().take(self.len)
    }
}

impl List for Devices {
    const ALLOWED: &'static str = "names of up to 15 plain characters, with + behind for all that \
        start so, at most 64, nothing for any";

    const EMPTY: Self = Self {
        items: [Pattern::EMPTY; Self::MAX],
        len: 0,
    };

    fn read<'a>(&mut self, text: &'a str) -> Result<(), ParseError<'a>> {
        for token in tokens(text) {
            let token = token?;
            let refused = |why| ParseError::new(token, why);
            let (name, prefix) = match token.strip_suffix('+') {
                Some(name) => (name, true),
                None => (token, false),
            };
            if token.eq_ignore_ascii_case("any") || token.eq_ignore_ascii_case("all") {
                return Err(refused("stands for no device: for any, give nothing"));
            }
            for byte in name.bytes() {
                let why = match byte {
                    b':' => "has a colon, as no device has: an alias is an address of the device before it",
                    b'*' => "has an asterisk: what stands for all that start so is +, at the end",
                    b'"' | b'\'' => "has a quote, around which 'settings' could not put its own",
                    b'/' => "has a character that is not allowed",
                    _ if byte.is_ascii_graphic() => continue,
                    _ => "has a character that is not allowed",
                };
                return Err(refused(why));
            }
            let mut pattern = Pattern {
                len: name.len(),
                prefix,
                ..Pattern::EMPTY
            };
            pattern
                .bytes
                .get_mut(..name.len())
                .ok_or(refused("is longer than 15 characters"))?
                .copy_from_slice(name.as_bytes());
            if self.iter().any(|known| *known == pattern) {
                continue;
            }
            *self
                .items
                .get_mut(self.len)
                .ok_or(refused("is one more than 64"))? = pattern;
            self.len += 1;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        write_list(to, self.iter(), |to, pattern| {
            for byte in pattern.as_bytes() {
                to.write_char((*byte).into())?;
            }
            to.write_str(if pattern.prefix { "+" } else { "" })
        })
    }
}
