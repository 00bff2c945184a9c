// SPDX-License-Identifier: GPL-2.0

//! What a user can ask for: the values of the parameters, read from text and written as text.
//!
//! A value is taken whole or refused whole. What is written is the canonical form: read again, it
//! gives the same value.
//!
//! Plain Rust with nothing of the kernel in it, like [`packet`](crate::packet).

pub(crate) mod bpf;
pub(crate) mod choice;
pub(crate) mod devices;
pub(crate) mod number;
pub(crate) mod ports;
pub(crate) mod prefixes;
pub(crate) mod protocols;
mod ranges;
pub(crate) mod sinks;

use core::fmt;

/// The value of a parameter.
pub(crate) trait Value: Sized {
    /// What is allowed, for whoever wrote something else.
    const ALLOWED: &'static str;

    /// Reads a value. Blanks around it and around each of its tokens count for nothing.
    fn parse(text: &str) -> Result<Self, Refused<'_>>;

    /// Writes the canonical form.
    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result;
}

/// The value of a parameter that is a list of conditions, one of which must hold.
///
/// Some kilobytes, which is too much for the kernel's stack: it is filled where it lies.
pub(crate) trait List: Sized {
    /// What is allowed, for whoever wrote something else.
    const ALLOWED: &'static str;

    /// No condition at all.
    const EMPTY: Self;

    /// Adds what a text lists, as for [`Value::parse`]. After an error it is of no use.
    fn read<'a>(&mut self, text: &'a str) -> Result<(), Refused<'a>>;

    /// Whether there is no condition.
    fn is_empty(&self) -> bool;

    /// Writes the canonical form.
    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result;
}

/// Why a value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused<'a> {
    /// The part of the text that is at fault, if it is a part.
    pub(crate) token: Option<&'a str>,
    /// What is wrong with it, to be read behind the token.
    pub(crate) why: &'static str,
}

impl<'a> Refused<'a> {
    /// There is nothing but the parameter's name.
    pub(crate) const NO_VALUE: Self = Self {
        token: None,
        why: "there is no '=' with a value behind the name",
    };
    /// It may be the first page of a longer one.
    pub(crate) const TOO_LONG: Self = Self {
        token: None,
        why: "the value is longer than a write may be, 4095 bytes with pages of 4096: insmod takes more",
    };
    /// There are bytes that are no characters.
    pub(crate) const NO_TEXT: Self = Self {
        token: None,
        why: "the value is no plain text",
    };

    fn new(token: &'a str, why: &'static str) -> Self {
        Self {
            token: Some(token),
            why,
        }
    }
}

impl fmt::Display for Refused<'_> {
    /// One line, whatever the token holds, and not a long one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 40;

        if let Some(token) = self.token {
            f.write_str("'")?;
            for byte in token.bytes().take(SHOWN) {
                match byte {
                    b' '..=b'~' => fmt::Write::write_char(f, byte.into())?,
                    _ => write!(f, "\\x{byte:02x}")?,
                }
            }
            if token.len() > SHOWN {
                f.write_str("...")?;
            }
            f.write_str("' ")?;
        }
        f.write_str(self.why)
    }
}

/// The tokens of a list, between commas. No token at all for a text that is blank.
fn tokens(text: &str) -> impl Iterator<Item = Result<&str, Refused<'_>>> {
    let text = text.trim_ascii();
    let pieces = (!text.is_empty()).then(|| text.split(is::<','>));

    pieces.into_iter().flatten().map(move |token| {
        let token = token.trim_ascii();
        match token.bytes().next() {
            None => Err(Refused::new(text, "has nothing between two commas")),
            Some(b'!') => Err(Refused::new(
                token,
                "excludes, and a list only includes: bpf= takes expressions such as 'not port 22'",
            )),
            Some(_) => Ok(token),
        }
    })
}

/// Whether a character is `CHAR`.
///
/// To split by a `char` itself, core searches with slices that can panic.
fn is<const CHAR: char>(char: char) -> bool {
    char == CHAR
}

/// What is behind a prefix, whatever the case of its letters.
fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;

    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Writes items with commas between.
fn write_list<T>(
    to: &mut dyn fmt::Write,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut dyn fmt::Write, T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.enumerate() {
        if index != 0 {
            to.write_str(",")?;
        }
        write(to, item)?;
    }
    Ok(())
}

/// Whether a text is one or more digits.
fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads a decimal number, digits only.
fn decimal<T: core::str::FromStr>(text: &str) -> Option<T> {
    is_digits(text).then(|| text.parse().ok()).flatten()
}

/// Reads a decimal number. Otherwise says that it is out of its range, or else what it is not.
fn number<'a, T: core::str::FromStr>(
    text: &'a str,
    range: &'static str,
    none: &'static str,
) -> Result<T, Refused<'a>> {
    let unsigned = text.strip_prefix(is::<'-'>).unwrap_or(text);
    let why = if is_digits(unsigned) { range } else { none };

    decimal(text).ok_or(Refused::new(text, why))
}
