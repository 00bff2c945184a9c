// SPDX-License-Identifier: GPL-2.0

//! The IPv4 header, [RFC 791](https://www.rfc-editor.org/rfc/rfc791#section-3.1).

use super::Fragment;
use core::net::Ipv4Addr;

/// The fields of an IPv4 header, in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ipv4Header {
    version: u8,
    /// Internet header length, in words of 32 bits. Invalid below 5.
    ihl: u8,
    /// Differentiated services and ECN.
    pub(crate) tos: u8,
    /// Length of the datagram in bytes, with this header, or 0: see [`Self::datagram_len`].
    pub(crate) total_length: u16,
    /// Identification, common to all fragments of a datagram.
    pub(crate) id: u16,
    pub(crate) dont_fragment: bool,
    /// The more-fragments flag.
    pub(crate) more_fragments: bool,
    /// Offset of this fragment in its datagram, in units of 8 bytes; 0 if it is the first, or the
    /// datagram is complete.
    pub(crate) fragment_offset: u16,
    pub(crate) ttl: u8,
    /// The upper-layer protocol, as assigned by IANA.
    pub(crate) protocol: u8,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
}

impl Ipv4Header {
    /// Length in bytes of a header without options, which [`Self::parse`] reads.
    pub(crate) const MIN_LEN: usize = 20;

    /// Parses a header. Any bytes are accepted: [`Self::is_sound`] validates.
    #[inline(always)]
    pub(crate) fn parse(bytes: &[u8; Self::MIN_LEN]) -> Self {
        #[rustfmt::skip]
        let [
            version_ihl, tos, len0, len1,
            id0, id1, frag0, frag1,
            ttl, protocol, _check0, _check1,
            s0, s1, s2, s3,
            d0, d1, d2, d3,
        ] = *bytes;

        Self {
            version: version_ihl >> 4,
            ihl: version_ihl & 0x0f,
            tos,
            total_length: u16::from_be_bytes([len0, len1]),
            id: u16::from_be_bytes([id0, id1]),
            dont_fragment: frag0 & 0x40 != 0,
            more_fragments: frag0 & 0x20 != 0,
            fragment_offset: u16::from_be_bytes([frag0, frag1]) & 0x1fff,
            ttl,
            protocol,
            source: Ipv4Addr::new(s0, s1, s2, s3),
            destination: Ipv4Addr::new(d0, d1, d2, d3),
        }
    }

    /// Returns whether the header is valid: version 4, header length at least the minimum, datagram
    /// not shorter than the header.
    ///
    /// The checksum is not verified: `ip_rcv()` has done so for received packets, and in locally
    /// generated ones it is not set yet.
    #[inline(always)]
    pub(crate) fn is_sound(&self) -> bool {
        self.version == 4
            && self.header_len() >= Self::MIN_LEN
            && (self.total_length == 0 || usize::from(self.total_length) >= self.header_len())
    }

    /// Returns the length in bytes of the header with its options, by its own field: 0 to 60.
    #[inline]
    pub(crate) fn header_len(&self) -> usize {
        usize::from(self.ihl) * 4
    }

    /// Returns the length in bytes of the datagram. `packet_len` is the number of bytes present,
    /// padding included.
    ///
    /// A total length of 0 stands for a datagram that exceeds the field: segmentation offload
    /// builds those (BIG TCP), and they end where the packet does.
    #[inline]
    pub(crate) fn datagram_len(&self, packet_len: usize) -> usize {
        match self.total_length {
            0 => packet_len,
            length => packet_len.min(usize::from(length)),
        }
    }

    /// Returns the fragment's fields, unless the datagram is complete.
    #[inline]
    pub(crate) fn fragment(&self) -> Option<Fragment> {
        (self.more_fragments || self.fragment_offset != 0).then_some(Fragment {
            id: self.id.into(),
            offset: self.fragment_offset,
            more: self.more_fragments,
        })
    }
}
