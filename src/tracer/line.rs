// SPDX-License-Identifier: GPL-2.0

//! A buffer for a line of the log.
//!
//! Pure Rust, independent of the kernel, as [`packet`](crate::packet).

use core::{
    fmt::{
        self,
        Write, //
    },
    net::{
        IpAddr,
        Ipv4Addr, //
    }, //
};

/// A line of ASCII text of at most `N` bytes, on the stack. A number or text that does not fit is
/// omitted as a whole.
pub(crate) struct Line<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Line<N> {
    /// Creates an empty line.
    pub(crate) fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    /// Appends a text.
    #[inline]
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.push(text.as_bytes())
    }

    /// Appends a number in decimal.
    #[inline]
    pub(crate) fn decimal(&mut self, mut number: u32) -> &mut Self {
        // The digits are produced from the last to the first.
        let mut digits = [b'0'; 10];
        let mut used = 0;

        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
            used += 1;
            if number == 0 {
                break;
            }
        }
        self.push(digits.get(10 - used..).unwrap_or_default())
    }

    /// Appends a number as C's `0x%x`.
    #[inline]
    pub(crate) fn hex(&mut self, number: u16) -> &mut Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |shift: u16| DIGITS[usize::from((number >> shift) & 0xf)];
        let digits = [digit(12), digit(8), digit(4), digit(0)];
        let zeros = (number | 1).leading_zeros() as usize / 4;

        self.push(b"0x")
            .push(digits.get(zeros..).unwrap_or_default())
    }

    /// Appends an IPv4 address in dotted decimal.
    #[inline]
    pub(crate) fn ipv4(&mut self, address: Ipv4Addr) -> &mut Self {
        let [a, b, c, d] = address.octets().map(u32::from);

        self.decimal(a)
            .text(".")
            .decimal(b)
            .text(".")
            .decimal(c)
            .text(".")
            .decimal(d)
    }

    /// Appends an address in its usual notation, RFC 5952 for IPv6.
    #[inline]
    pub(crate) fn address(&mut self, address: IpAddr) -> &mut Self {
        match address {
            IpAddr::V4(address) => self.ipv4(address),
            IpAddr::V6(address) => self.format(format_args!("{address}")),
        }
    }

    /// Appends bytes in hexadecimal, two digits each.
    pub(crate) fn hex_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        for byte in bytes {
            self.format(format_args!("{byte:02x}"));
        }
        self
    }

    /// Appends arbitrary bytes as one word: all but plain visible characters as `\xNN`, so that
    /// they cannot forge a field or a line.
    pub(crate) fn word(&mut self, bytes: &[u8]) -> &mut Self {
        for byte in bytes {
            match byte {
                b'\\' | b'=' | b'"' | b'|' => self.format(format_args!("\\x{byte:02x}")),
                0x21..=0x7e => self.push(core::slice::from_ref(byte)),
                _ => self.format(format_args!("\\x{byte:02x}")),
            };
        }
        self
    }

    /// Appends formatted text.
    pub(crate) fn format(&mut self, text: fmt::Arguments<'_>) -> &mut Self {
        // Fails only if a piece is omitted, which the capacity rules out.
        let _ = self.write_fmt(text);
        self
    }

    /// Returns the text of the line.
    pub(crate) fn as_str(&self) -> &str {
        self.bytes
            .get(..self.len)
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.len.wrapping_add(bytes.len());

        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(bytes);
            self.len = end;
        }
        self
    }
}

impl<const N: usize> fmt::Write for Line<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let before = self.len;
        self.push(text.as_bytes());
        (self.len == before.wrapping_add(text.len()))
            .then_some(())
            .ok_or(fmt::Error)
    }
}
