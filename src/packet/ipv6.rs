// SPDX-License-Identifier: GPL-2.0

//! The IPv6 header and its extension headers, [RFC
//! 8200](https://www.rfc-editor.org/rfc/rfc8200#section-3).

use super::{
    Bytes,
    Fragment,
    Malformed, //
};
use core::net::Ipv6Addr;

/// The fields of an IPv6 header, in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ipv6Header {
    version: u8,
    /// Differentiated services and ECN.
    pub(crate) traffic_class: u8,
    pub(crate) flow_label: u32,
    /// Length in bytes of all that follows this header, or 0: see [`Self::datagram_len`].
    pub(crate) payload_length: u16,
    /// The next header: an extension header or the upper-layer protocol.
    pub(crate) next_header: u8,
    pub(crate) hop_limit: u8,
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
}

/// The result of a walk of the extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExtensionWalk {
    /// The upper-layer protocol, or the extension header at which the walk has stopped.
    pub(super) protocol: u8,
    /// Its offset, in bytes from the IPv6 header.
    pub(super) offset: usize,
    pub(super) fragment: Option<Fragment>,
    pub(super) extensions: Extensions,
    /// Why the walk has stopped at an extension header.
    pub(super) malformed: Option<Malformed>,
}

/// The maximum number of extension headers that are walked.
///
/// The stack and nft stop at `IP6_MAX_EXT_HDRS_CNT`, 12. A first fragment can have one more and
/// still be delivered: conntrack removes the fragment header before the stack counts. And the stack
/// counts anew behind each segment routing header that leads to an address of its own in a VRF, so
/// that no number would suffice. Whatever follows those that are walked, no condition excludes such
/// a packet.
pub(crate) const MAX_EXTENSIONS: usize = 16;

/// Extension headers, as assigned by IANA: those that `ipv6_ext_hdr()` knows.
///
/// The kernel, and so nft, treats Mobility (135), HIP (139) and SHIM6 (140) as protocols, and also
/// "no next header" (59), which nothing follows. ESP (50) hides what follows.
mod extension {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const DESTINATION: u8 = 60;
}

/// In the order of the bits of [`Extensions`].
const EXTENSIONS: [u8; 5] = [
    extension::HOP_BY_HOP,
    extension::ROUTING,
    extension::FRAGMENT,
    extension::AUTHENTICATION,
    extension::DESTINATION,
];

/// Returns whether a number is that of an extension header.
#[inline(always)]
pub(crate) fn is_extension(number: u8) -> bool {
    matches!(
        number,
        extension::HOP_BY_HOP
            | extension::ROUTING
            | extension::FRAGMENT
            | extension::AUTHENTICATION
            | extension::DESTINATION
    )
}

/// The set of extension header types that a packet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extensions(u8);

impl Extensions {
    pub(super) const NONE: Self = Self(0);

    fn insert(&mut self, number: u8) {
        for (bit, known) in (0..).zip(EXTENSIONS) {
            self.0 |= u8::from(known == number) << bit;
        }
    }

    /// Returns whether one of them has a number that is `wanted`.
    pub(super) fn any(self, wanted: impl Fn(u8) -> bool) -> bool {
        (0..)
            .zip(EXTENSIONS)
            .any(|(bit, number)| (self.0 >> bit) & 1 != 0 && wanted(number))
    }
}

/// Returns the next-header field of the IPv6 header. `None` if the packet ends inside the header.
#[inline(always)]
pub(crate) fn next_header(packet: &impl Bytes) -> Option<u8> {
    packet
        .copy::<{ Ipv6Header::LEN }>(0)
        .map(|bytes| Ipv6Header::parse(&bytes).next_header)
}

/// Returns whether a packet has a jumbo payload option, for a length that exceeds the header's
/// field: [RFC 2675](https://www.rfc-editor.org/rfc/rfc2675#section-2).
///
/// As `ipv6_parse_hopopts()` sets `IP6SKB_JUMBOGRAM`: only if the hop-by-hop options directly
/// follow the IPv6 header, and within the number of options that the kernel accepts.
#[cold]
pub(super) fn is_jumbogram(packet: &impl Bytes) -> bool {
    const JUMBO_PAYLOAD: u8 = 194;
    const LEN: u8 = 4;
    /// The default of the sysctl `net.ipv6.max_hbh_number`, and the maximum padding between two
    /// options.
    const MAX_OPTIONS: usize = 8;
    const MAX_PADDING: usize = 7;

    let Some([0, 0, extension::HOP_BY_HOP]) = packet.copy::<3>(4) else {
        return false;
    };
    let Some([_, units]) = packet.copy::<2>(Ipv6Header::LEN) else {
        return false;
    };
    let end = Ipv6Header::LEN + (usize::from(units) + 1) * 8;
    let mut offset = Ipv6Header::LEN + 2;

    for _ in 0..MAX_OPTIONS * (MAX_PADDING + 1) {
        let Some([kind, len]) = packet.copy::<2>(offset).filter(|_| offset < end) else {
            return false;
        };
        if kind == JUMBO_PAYLOAD {
            // The jumbo length must exceed the range of the header's field.
            let payload = packet.copy::<4>(offset + 2).map(u32::from_be_bytes);
            return len == LEN && payload.is_some_and(|payload| payload > u16::MAX.into());
        }
        // Pad1 has no length field.
        offset += match kind {
            0 => 1,
            _ => usize::from(len) + 2,
        };
    }
    false
}

impl Ipv6Header {
    /// Length in bytes.
    pub(crate) const LEN: usize = 40;

    /// Parses a header. Any bytes are accepted: [`Self::is_sound`] validates.
    #[inline(always)]
    pub(crate) fn parse(bytes: &[u8; Self::LEN]) -> Self {
        #[rustfmt::skip]
        let [
            v0, v1, v2, v3,
            len0, len1, next_header, hop_limit,
            s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15,
            d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12, d13, d14, d15,
        ] = *bytes;

        Self {
            version: v0 >> 4,
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
        }
    }

    /// Returns whether the header is valid: version 6.
    #[inline(always)]
    pub(crate) fn is_sound(&self) -> bool {
        self.version == 6
    }

    /// Returns the length in bytes of the datagram with this header. `packet_len` is the number of
    /// bytes present, padding included.
    ///
    /// A payload length of 0 stands for one that exceeds the field: a jumbogram, or what
    /// segmentation offload builds (BIG TCP). These end where the packet does, and so does a header
    /// that nothing follows.
    #[inline]
    pub(crate) fn datagram_len(&self, packet_len: usize) -> usize {
        match self.payload_length {
            0 => packet_len,
            length => packet_len.min(usize::from(length) + Self::LEN),
        }
    }

    /// Walks the extension headers of a datagram that ends at `end`.
    ///
    /// Stops at the first header that is not an extension header, and at a fragment other than the
    /// first, which has none of the headers that follow. Goes at least as far as
    /// `ipv6_skip_exthdr()` and `ipv6_find_hdr()` do.
    #[inline(always)]
    pub(super) fn upper(&self, packet: &impl Bytes, end: usize) -> ExtensionWalk {
        let upper = ExtensionWalk {
            protocol: self.next_header,
            offset: Self::LEN,
            fragment: None,
            extensions: Extensions::NONE,
            malformed: None,
        };

        match is_extension(upper.protocol) {
            true => upper.walk(packet, end),
            false => upper,
        }
    }
}

impl ExtensionWalk {
    /// Continues to the header behind the extension headers, if not there yet.
    fn walk(mut self, packet: &impl Bytes, end: usize) -> Self {
        for _ in 0..MAX_EXTENSIONS {
            if !is_extension(self.protocol) {
                return self;
            }
            self.extensions.insert(self.protocol);
            // The fields that all of them start with, and the fragment offset.
            let Some([next, length, offset0, offset1]) = packet.copy::<4>(self.offset) else {
                return self.cut();
            };

            if self.protocol == extension::FRAGMENT {
                let id = packet.copy::<4>(self.offset.wrapping_add(4));
                let fragment = Fragment {
                    id: id.map(u32::from_be_bytes).unwrap_or_default(),
                    offset: u16::from_be_bytes([offset0, offset1]) >> 3,
                    more: offset1 & 1 != 0,
                };
                self.fragment = Some(fragment);
                if fragment.offset != 0 {
                    // nft needs no more of the header to know the protocol.
                    self.protocol = next;
                    self.offset = self.offset.wrapping_add(8);
                    return match self.offset <= end {
                        true => self,
                        false => self.cut(),
                    };
                }
            }
            let len = match self.protocol {
                extension::FRAGMENT => 8,
                // An authentication header's length is in words, minus 2.
                extension::AUTHENTICATION => (usize::from(length) + 2) * 4,
                _ => (usize::from(length) + 1) * 8,
            };
            let behind = self.offset.wrapping_add(len);
            if behind > end {
                return self.cut();
            }
            self.protocol = next;
            self.offset = behind;
        }
        if is_extension(self.protocol) {
            self.malformed = Some(Malformed::TooManyExtensions);
        }
        self
    }

    /// Marks that the datagram ends before the header that the walk has reached.
    fn cut(self) -> Self {
        Self {
            malformed: Some(Malformed::Truncated),
            ..self
        }
    }
}
