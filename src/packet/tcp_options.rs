// SPDX-License-Identifier: GPL-2.0

//! The options of a TCP header, [as assigned by
//! IANA](https://www.iana.org/assignments/tcp-parameters).

use super::{
    tcp::TcpHeader,
    Bytes,
    Network, //
};

/// The bytes of a header's options, read only for output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpOptions {
    bytes: [u8; Self::MAX_LEN],
    len: usize,
}

/// An option. Padding (NOP) is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TcpOption<'a> {
    /// Maximum segment size in bytes, RFC 9293.
    Mss(u16),
    /// Window scale as a shift count, RFC 7323.
    WindowScale(u8),
    /// SACK permitted, RFC 2018.
    SackPermitted,
    /// The received blocks, RFC 2018.
    Sack(SackBlocks<'a>),
    /// Timestamps, RFC 7323.
    Timestamps { value: u32, echo: u32 },
    /// A cookie, empty in a request for one, RFC 7413.
    FastOpen(&'a [u8]),
    /// MPTCP, by its subtype, RFC 8684.
    Mptcp(u8),
    /// Any other option, with its data.
    Other { kind: u8, data: &'a [u8] },
    /// A malformed option: the rest of the bytes.
    Invalid(&'a [u8]),
}

/// The blocks of sequence numbers in a SACK option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SackBlocks<'a>(&'a [u8]);

impl<'a> SackBlocks<'a> {
    /// Returns the left and right edge of each block.
    pub(crate) fn iter(self) -> impl Iterator<Item = (u32, u32)> + 'a {
        self.0.chunks_exact(8).filter_map(|block| {
            let (left, right) = block.split_first_chunk::<4>()?;
            let right = right.first_chunk::<4>()?;
            Some((u32::from_be_bytes(*left), u32::from_be_bytes(*right)))
        })
    }
}

impl TcpOptions {
    /// The maximum length in bytes: a data offset of 15 words.
    const MAX_LEN: usize = 40;

    /// Reads the options of `tcp`, which is the upper-layer header of `network`.
    ///
    /// `None` if the datagram ends before the header does.
    pub(crate) fn read(packet: &impl Bytes, network: &Network, tcp: &TcpHeader) -> Option<Self> {
        let len = tcp.header_len().saturating_sub(TcpHeader::MIN_LEN);
        let start = network.transport_offset.wrapping_add(TcpHeader::MIN_LEN);
        let mut options = Self {
            bytes: [0; Self::MAX_LEN],
            len,
        };

        if network.end.saturating_sub(start) < len {
            return None;
        }
        // The header length is a multiple of whole words.
        for (word, offset) in options.bytes.chunks_exact_mut(4).zip((0..len).step_by(4)) {
            let bytes = packet.copy::<4>(start.wrapping_add(offset));
            word.copy_from_slice(&bytes?);
        }
        Some(options)
    }

    /// Returns an iterator over the options, in order.
    pub(crate) fn iter(&self) -> Iter<'_> {
        Iter(self.bytes.get(..self.len).unwrap_or_default())
    }
}

/// An iterator over the options of a header.
pub(crate) struct Iter<'a>(&'a [u8]);

impl<'a> Iterator for Iter<'a> {
    type Item = TcpOption<'a>;

    fn next(&mut self) -> Option<TcpOption<'a>> {
        const END: u8 = 0;
        const NOP: u8 = 1;

        while let Some((&NOP, rest)) = self.0.split_first() {
            self.0 = rest;
        }
        let bytes = core::mem::take(&mut self.0);
        let (&kind, _) = bytes.split_first().filter(|(kind, _)| **kind != END)?;
        let Some((option, rest)) = bytes
            .get(1)
            .and_then(|len| bytes.split_at_checked(usize::from(*len)))
        else {
            return Some(TcpOption::Invalid(bytes));
        };
        let Some(data) = option.get(2..) else {
            return Some(TcpOption::Invalid(bytes));
        };

        self.0 = rest;
        Some(match (kind, data) {
            (2, &[a, b]) => TcpOption::Mss(u16::from_be_bytes([a, b])),
            (3, &[shift]) => TcpOption::WindowScale(shift),
            (4, &[]) => TcpOption::SackPermitted,
            (5, data) if !data.is_empty() && data.len() % 8 == 0 => {
                TcpOption::Sack(SackBlocks(data))
            }
            (8, &[v0, v1, v2, v3, e0, e1, e2, e3]) => TcpOption::Timestamps {
                value: u32::from_be_bytes([v0, v1, v2, v3]),
                echo: u32::from_be_bytes([e0, e1, e2, e3]),
            },
            (34, cookie) => TcpOption::FastOpen(cookie),
            (30, &[subtype, ..]) => TcpOption::Mptcp(subtype >> 4),
            (kind, data) => TcpOption::Other { kind, data },
        })
    }
}
