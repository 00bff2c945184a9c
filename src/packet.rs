// SPDX-License-Identifier: GPL-2.0

//! Reading protocol headers from a packet's bytes.
//!
//! Plain Rust over bytes, with nothing of the kernel in it, so that it builds and is tested on any
//! host. Nothing here can panic, allocates, or trusts what a packet says of itself.

pub(crate) mod ipv4;
pub(crate) mod tcp;

use self::{
    ipv4::Ipv4Header,
    tcp::TcpHeader, //
};

/// The bytes of a packet, from its network header on, wherever they lie in memory.
pub(crate) trait Bytes {
    /// How many there are.
    fn len(&self) -> usize;

    /// A copy of the `N` bytes at `offset`. `None` if the packet ends before them.
    fn copy<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;
}

/// A TCP segment over IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) ip: Ipv4Header,
    pub(crate) tcp: TcpHeader,
}

/// Why a packet is not a [`Segment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSegment {
    /// The IPv4 header contradicts itself: another version, a length that cannot be.
    Invalid,
    /// Another protocol than TCP.
    OtherProtocol,
    /// A fragment other than its datagram's first, which starts behind the start of the TCP header.
    LaterFragment,
    /// The packet ends inside its IPv4 header, or inside the 20 bytes that every TCP header has.
    Truncated,
}

impl Segment {
    /// Finds and reads the IPv4 and the TCP header.
    ///
    /// As [`dump_ipv4_packet()`] does, the TCP header is looked for behind the IPv4 header's
    /// options. Its options need not be there, nor need its length field make sense: all that is
    /// read stands in the first 20 bytes.
    ///
    /// [`dump_ipv4_packet()`]: srctree/net/netfilter/nf_log_syslog.c
    #[inline]
    pub(crate) fn parse(packet: &impl Bytes) -> Result<Self, NoSegment> {
        let bytes = packet
            .copy::<{ Ipv4Header::MIN_LEN }>(0)
            .ok_or(NoSegment::Truncated)?;
        let ip = Ipv4Header::parse(&bytes).ok_or(NoSegment::Invalid)?;

        if ip.protocol != tcp::PROTOCOL {
            return Err(NoSegment::OtherProtocol);
        }
        if ip.fragment_offset != 0 {
            return Err(NoSegment::LaterFragment);
        }

        let start = ip.header_len();
        // Bytes behind the datagram's end are padding, not TCP.
        if ip.datagram_len(packet.len()).saturating_sub(start) < TcpHeader::MIN_LEN {
            return Err(NoSegment::Truncated);
        }
        let bytes = packet
            .copy::<{ TcpHeader::MIN_LEN }>(start)
            .ok_or(NoSegment::Truncated)?;

        Ok(Self {
            ip,
            tcp: TcpHeader::parse(&bytes),
        })
    }
}
