// SPDX-License-Identifier: GPL-2.0

//! The UDP header, [RFC 768](https://www.rfc-editor.org/rfc/rfc768).

/// UDP's number in the IP header.
pub(crate) const PROTOCOL: u8 = 17;

/// The fields of a UDP header, in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UdpHeader {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    /// Length in bytes of header and data.
    pub(crate) length: u16,
    /// The checksum field: 0 for none, partial while a network device is to complete it.
    pub(crate) check: u16,
}

impl UdpHeader {
    /// Length in bytes.
    pub(crate) const LEN: usize = 8;

    /// Parses a header. Any bytes are valid.
    #[inline(always)]
    pub(crate) fn parse(bytes: &[u8; Self::LEN]) -> Self {
        let [s0, s1, d0, d1, l0, l1, c0, c1] = *bytes;

        Self {
            source_port: u16::from_be_bytes([s0, s1]),
            destination_port: u16::from_be_bytes([d0, d1]),
            length: u16::from_be_bytes([l0, l1]),
            check: u16::from_be_bytes([c0, c1]),
        }
    }
}
