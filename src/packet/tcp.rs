// SPDX-License-Identifier: GPL-2.0

//! The TCP header, [RFC 9293](https://www.rfc-editor.org/rfc/rfc9293#section-3.1).

/// TCP's number in the IP header.
pub(crate) const PROTOCOL: u8 = 6;

/// The fields of a TCP header, as on the wire, in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpHeader {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    /// Sequence number of the first byte of payload.
    pub(crate) seq: u32,
    /// The acknowledgment field, whether or not the ACK flag is set.
    pub(crate) ack_seq: u32,
    /// Length of the header with its options, in words of 32 bits. Invalid below 5.
    pub(crate) data_offset: u8,
    pub(crate) flags: TcpFlags,
    /// Not scaled: the scale is negotiated in the handshake only.
    pub(crate) window: u16,
    /// The checksum field, which is partial while a network device is to complete it.
    pub(crate) check: u16,
    /// The urgent pointer, whether or not the URG flag is set.
    pub(crate) urg_ptr: u16,
}

/// The nine flags, as on the wire: FIN is the lowest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpFlags(u16);

impl TcpFlags {
    /// The names, from the lowest bit on.
    pub(crate) const NAMES: [&'static str; 9] =
        ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"];

    /// Returns the bits.
    pub(crate) fn bits(self) -> u16 {
        self.0
    }

    /// Returns the names of the flags that are set, from the lowest bit on.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        (0..)
            .zip(Self::NAMES)
            .filter(move |(bit, _)| (self.0 >> bit) & 1 != 0)
            .map(|(_, name)| name)
    }
}

impl TcpHeader {
    /// Length in bytes of a header without options, which [`Self::parse`] reads.
    pub(crate) const MIN_LEN: usize = 20;

    /// Parses a header. Any bytes are valid.
    #[inline(always)]
    pub(crate) fn parse(bytes: &[u8; Self::MIN_LEN]) -> Self {
        #[rustfmt::skip]
        let [
            source0, source1, dest0, dest1,
            seq0, seq1, seq2, seq3,
            ack0, ack1, ack2, ack3,
            offset_flags, flags, window0, window1,
            check0, check1, urg0, urg1,
        ] = *bytes;

        Self {
            source_port: u16::from_be_bytes([source0, source1]),
            destination_port: u16::from_be_bytes([dest0, dest1]),
            seq: u32::from_be_bytes([seq0, seq1, seq2, seq3]),
            ack_seq: u32::from_be_bytes([ack0, ack1, ack2, ack3]),
            data_offset: offset_flags >> 4,
            flags: TcpFlags(u16::from_be_bytes([offset_flags & 1, flags])),
            window: u16::from_be_bytes([window0, window1]),
            check: u16::from_be_bytes([check0, check1]),
            urg_ptr: u16::from_be_bytes([urg0, urg1]),
        }
    }

    /// Returns the length in bytes of the header with its options, by its own field: 0 to 60.
    #[inline]
    pub(crate) fn header_len(&self) -> usize {
        usize::from(self.data_offset) * 4
    }
}
