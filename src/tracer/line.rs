// SPDX-License-Identifier: GPL-2.0

//! A line of the log, on its way to being printed.
//!
//! Plain Rust with nothing of the kernel in it, like [`packet`](crate::packet).

use core::net::Ipv4Addr;

/// A line of ASCII text, on the stack. A text or a number that does not fit is left out whole.
pub(crate) struct Line {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl Line {
    /// Room for the longest line that there is, which a test of `classic` measures.
    pub(crate) const CAPACITY: usize = 160;

    /// An empty line.
    pub(crate) fn new() -> Self {
        Self {
            bytes: [0; Self::CAPACITY],
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
        // The digits come out from the last to the first.
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

    /// Appends an address in the usual notation with dots.
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

    /// What the line says.
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
