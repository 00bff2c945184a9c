// SPDX-License-Identifier: GPL-2.0

//! The SCTP common header, [RFC 9260](https://www.rfc-editor.org/rfc/rfc9260#section-3.1).

/// SCTP's number in the IP header.
pub(crate) const PROTOCOL: u8 = 132;

/// The fields of an SCTP common header, in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SctpHeader {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) verification_tag: u32,
}

impl SctpHeader {
    /// Length in bytes, the checksum included.
    pub(crate) const LEN: usize = 12;

    /// Parses a header. Any bytes are valid.
    #[inline(always)]
    pub(crate) fn parse(bytes: &[u8; Self::LEN]) -> Self {
        let [s0, s1, d0, d1, t0, t1, t2, t3, ..] = *bytes;

        Self {
            source_port: u16::from_be_bytes([s0, s1]),
            destination_port: u16::from_be_bytes([d0, d1]),
            verification_tag: u32::from_be_bytes([t0, t1, t2, t3]),
        }
    }
}
