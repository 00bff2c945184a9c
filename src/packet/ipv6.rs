// SPDX-License-Identifier: GPL-2.0

//! The IPv6 header and its extension headers,
//! [RFC 8200](https://www.rfc-editor.org/rfc/rfc8200#section-3).

use super::{
    Bytes,
    Fragment,
    Malformed, //
};
use core::net::Ipv6Addr;

/// The fields of an IPv6 header, in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ipv6Header {
    /// Differentiated services and ECN.
    pub(crate) traffic_class: u8,
    pub(crate) flow_label: u32,
    /// Length in bytes of all that is behind this header, or 0: see [`Self::datagram_len`].
    pub(crate) payload_length: u16,
    /// What comes next: an extension header or the protocol above.
    pub(crate) next_header: u8,
    pub(crate) hop_limit: u8,
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
}

/// What stands behind the extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Upper {
    /// The protocol above.
    pub(super) protocol: u8,
    /// Where it starts, in bytes from the IPv6 header.
    pub(super) offset: usize,
    pub(super) fragment: Option<Fragment>,
}

/// How many extension headers are walked. Hosts send each kind once, but for destination options,
/// which stand before and behind a routing header.
const MAX_EXTENSIONS: usize = 8;

/// Extension headers, as IANA numbers them.
mod extension {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const DESTINATION: u8 = 60;
    pub(super) const MOBILITY: u8 = 135;
    pub(super) const HIP: u8 = 139;
    pub(super) const SHIM6: u8 = 140;
}

impl Ipv6Header {
    /// Length in bytes.
    pub(crate) const LEN: usize = 40;

    /// Where the addresses are, in bytes from the start.
    pub(super) const SOURCE: usize = 8;
    pub(super) const DESTINATION: usize = 24;

    /// Reads a header. `None` if it is not version 6.
    #[inline(always)]
    pub(crate) fn parse(bytes: &[u8; Self::LEN]) -> Option<Self> {
        #[rustfmt::skip]
        let [
            v0, v1, v2, v3,
            len0, len1, next_header, hop_limit,
            s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15,
            d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12, d13, d14, d15,
        ] = *bytes;

        (v0 >> 4 == 6).then_some(Self {
            traffic_class: (v0 << 4) | (v1 >> 4),
            flow_label: u32::from_be_bytes([0, v1 & 0x0f, v2, v3]),
            payload_length: u16::from_be_bytes([len0, len1]),
            next_header,
            hop_limit,
            source: Ipv6Addr::from([
                s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15,
            ]),
            destination: Ipv6Addr::from([
                d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12, d13, d14, d15,
            ]),
        })
    }

    /// Length in bytes of the datagram with this header, of which `packet_len` bytes are there.
    ///
    /// A payload length of 0 stands for one that the field has no room for: a jumbogram, or what
    /// segmentation offload makes (BIG TCP). These end where the packet does, and so does a header
    /// with nothing behind it.
    #[inline]
    pub(crate) fn datagram_len(&self, packet_len: usize) -> usize {
        match self.payload_length {
            0 => packet_len,
            length => packet_len.min(usize::from(length) + Self::LEN),
        }
    }

    /// Walks the extension headers of a datagram that ends at `end`.
    ///
    /// Ends at the first header that is none, and at a fragment other than the first, which has none
    /// of the headers that follow. As in `ipv6_skip_exthdr()`, no more is read than there is.
    #[inline(always)]
    pub(super) fn upper(&self, packet: &impl Bytes, end: usize) -> Result<Upper, Malformed> {
        let mut upper = Upper {
            protocol: self.next_header,
            offset: Self::LEN,
            fragment: None,
        };

        for _ in 0..=MAX_EXTENSIONS {
            let units = match upper.protocol {
                extension::HOP_BY_HOP
                | extension::ROUTING
                | extension::DESTINATION
                | extension::MOBILITY
                | extension::HIP
                | extension::SHIM6 => 8,
                extension::AUTHENTICATION => 4,
                extension::FRAGMENT => 0,
                _ => return Ok(upper),
            };
            if upper.offset.wrapping_add(8) > end {
                return Err(Malformed::Truncated);
            }
            let [next, length, offset0, offset1, id @ ..] =
                packet.copy::<8>(upper.offset).ok_or(Malformed::Truncated)?;
            let len = match units {
                0 => 8,
                // An authentication header's length is in words, without the first two.
                4 => (usize::from(length) + 2) * 4,
                _ => (usize::from(length) + 1) * 8,
            };
            let behind = upper.offset.wrapping_add(len);
            if behind > end {
                return Err(Malformed::Truncated);
            }

            if upper.protocol == extension::FRAGMENT {
                let fragment = Fragment {
                    id: u32::from_be_bytes(id),
                    offset: u16::from_be_bytes([offset0, offset1]) >> 3,
                    more: offset1 & 1 != 0,
                };
                upper.fragment = Some(fragment);
                if fragment.offset != 0 {
                    upper.protocol = next;
                    upper.offset = behind;
                    return Ok(upper);
                }
            }
            upper.protocol = next;
            upper.offset = behind;
        }
        // More of them than any host has a use for.
        Err(Malformed::Invalid)
    }
}
