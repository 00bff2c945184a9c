// SPDX-License-Identifier: GPL-2.0

//! Reading protocol headers from a packet's bytes.
//!
//! Plain Rust over bytes, with nothing of the kernel in it, so that it builds and is tested on any
//! host. Nothing here can panic, allocates, or trusts what a packet says of itself.
//!
//! A packet is read in two steps, so that one that nobody wants costs little: [`Network`] tells the
//! protocol and the addresses, [`Transport`] the ports and all else.

pub(crate) mod icmp;
pub(crate) mod ipv4;
pub(crate) mod ipv6;
pub(crate) mod sctp;
pub(crate) mod tcp;
pub(crate) mod tcp_options;
pub(crate) mod udp;

use self::{
    icmp::IcmpHeader,
    ipv4::Ipv4Header,
    ipv6::Ipv6Header,
    sctp::SctpHeader,
    tcp::TcpHeader,
    udp::UdpHeader, //
};
use core::net::IpAddr;

/// The bytes of a packet, from its network header on, wherever they lie in memory.
pub(crate) trait Bytes {
    /// How many there are.
    fn len(&self) -> usize;

    /// A copy of the `N` bytes at `offset`. `None` if the packet ends before them.
    fn copy<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;
}

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It ends inside a header.
    Truncated,
    /// A header contradicts itself: another version, a length that cannot be.
    Invalid,
}

/// The network header, with IPv6's extension headers: all that is known before the transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) ip: Ip,
    /// The protocol above, as IANA numbers them.
    pub(crate) protocol: u8,
    /// Where its header starts, in bytes from the network header.
    pub(crate) transport_offset: usize,
    /// Where the datagram ends, in bytes from the network header: what is behind is padding.
    pub(crate) end: usize,
    /// Which piece of its datagram this is, unless it is all of it.
    pub(crate) fragment: Option<Fragment>,
}

/// As much of a network header as most packets are looked at for. The rest is read when it is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Glance {
    v6: bool,
    /// See [`Network`], whose fields these are.
    pub(crate) protocol: u8,
    transport_offset: usize,
    end: usize,
    /// Whether it is a fragment other than its datagram's first.
    is_later_fragment: bool,
}

/// The header of either version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ip {
    V4(Ipv4Header),
    V6(Ipv6Header),
}

/// Which piece of a datagram a fragment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// Common to all fragments of a datagram.
    pub(crate) id: u32,
    /// Where it starts, in units of 8 bytes; 0 for the first one.
    pub(crate) offset: u16,
    /// Whether others belong behind it.
    pub(crate) more: bool,
}

/// The header of the protocol above, and for the protocols that have them, the ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp(TcpHeader),
    Udp(UdpHeader),
    Icmp(IcmpHeader),
    Sctp(SctpHeader),
    /// A protocol whose header is not read.
    Other,
    /// A fragment other than its datagram's first, which starts behind the start of the header.
    LaterFragment,
}

impl Network {
    /// Reads an IPv4 header.
    ///
    /// Always inlined, as all that is read here: what the caller has no use for is not even loaded.
    #[inline(always)]
    pub(crate) fn parse_ipv4(packet: &impl Bytes) -> Result<Self, Malformed> {
        let bytes = packet
            .copy::<{ Ipv4Header::MIN_LEN }>(0)
            .ok_or(Malformed::Truncated)?;
        let ip = Ipv4Header::parse(&bytes).ok_or(Malformed::Invalid)?;

        Ok(Self {
            ip: Ip::V4(ip),
            protocol: ip.protocol,
            transport_offset: ip.header_len(),
            end: ip.datagram_len(packet.len()),
            fragment: ip.fragment(),
        })
    }

    /// Reads an IPv6 header, and walks its extension headers.
    #[inline(always)]
    pub(crate) fn parse_ipv6(packet: &impl Bytes) -> Result<Self, Malformed> {
        let bytes = packet
            .copy::<{ Ipv6Header::LEN }>(0)
            .ok_or(Malformed::Truncated)?;
        let ip = Ipv6Header::parse(&bytes).ok_or(Malformed::Invalid)?;
        let end = ip.datagram_len(packet.len());
        let upper = ip.upper(packet, end)?;

        Ok(Self {
            ip: Ip::V6(ip),
            protocol: upper.protocol,
            transport_offset: upper.offset,
            end,
            fragment: upper.fragment,
        })
    }

    /// What tells the datagram from others of the same ends: of IPv6, only fragments have it, and 0 is
    /// that of the others.
    pub(crate) fn id(&self) -> u32 {
        match (self.ip, self.fragment) {
            (Ip::V4(ip), _) => ip.id.into(),
            (Ip::V6(_), fragment) => fragment.map_or(0, |fragment| fragment.id),
        }
    }

    #[inline]
    pub(crate) fn source(&self) -> IpAddr {
        match self.ip {
            Ip::V4(ip) => IpAddr::V4(ip.source),
            Ip::V6(ip) => IpAddr::V6(ip.source),
        }
    }

    #[inline]
    pub(crate) fn destination(&self) -> IpAddr {
        match self.ip {
            Ip::V4(ip) => IpAddr::V4(ip.destination),
            Ip::V6(ip) => IpAddr::V6(ip.destination),
        }
    }

    /// What most packets are looked at for.
    #[inline(always)]
    pub(crate) fn glance(&self) -> Glance {
        Glance {
            v6: matches!(self.ip, Ip::V6(_)),
            protocol: self.protocol,
            transport_offset: self.transport_offset,
            end: self.end,
            is_later_fragment: self.fragment.is_some_and(|fragment| fragment.offset != 0),
        }
    }

    /// Reads the header above, see [`Glance::transport`].
    #[inline]
    pub(crate) fn transport(&self, packet: &impl Bytes) -> Result<Transport, Malformed> {
        self.glance().transport(packet)
    }

    /// How many bytes of data are behind `transport`'s header, in this packet.
    pub(crate) fn payload_len(&self, transport: &Transport) -> Option<usize> {
        let header = match transport {
            Transport::Tcp(header) => header.header_len(),
            Transport::Udp(_) => UdpHeader::LEN,
            _ => return None,
        };
        self.end
            .checked_sub(self.transport_offset)?
            .checked_sub(header)
    }
}

impl Glance {
    /// The source's address. `None` if the packet ends before it.
    #[inline]
    pub(crate) fn source(&self, packet: &impl Bytes) -> Option<IpAddr> {
        self.address(packet, Ipv4Header::SOURCE, Ipv6Header::SOURCE)
    }

    /// The destination's address. `None` if the packet ends before it.
    #[inline]
    pub(crate) fn destination(&self, packet: &impl Bytes) -> Option<IpAddr> {
        self.address(packet, Ipv4Header::DESTINATION, Ipv6Header::DESTINATION)
    }

    #[inline(always)]
    fn address(&self, packet: &impl Bytes, v4: usize, v6: usize) -> Option<IpAddr> {
        if self.v6 {
            packet.copy::<16>(v6).map(IpAddr::from)
        } else {
            packet.copy::<4>(v4).map(IpAddr::from)
        }
    }

    /// Reads the header above.
    ///
    /// As `dump_ipv4_packet()` does, it is looked for behind the IPv4 header's options, which need
    /// not be there themselves, nor need TCP's. A length in the header that makes no sense does not
    /// matter here: [`Transport::is_invalid`] tells.
    #[inline(always)]
    pub(crate) fn transport(&self, packet: &impl Bytes) -> Result<Transport, Malformed> {
        if self.is_later_fragment {
            return Ok(Transport::LaterFragment);
        }
        let v6 = self.v6;

        Ok(match self.protocol {
            tcp::PROTOCOL => Transport::Tcp(TcpHeader::parse(&self.header(packet)?)),
            udp::PROTOCOL => Transport::Udp(UdpHeader::parse(&self.header(packet)?)),
            icmp::PROTOCOL if !v6 => Transport::Icmp(IcmpHeader::parse(&self.header(packet)?, v6)),
            icmp::PROTOCOL_V6 if v6 => {
                Transport::Icmp(IcmpHeader::parse(&self.header(packet)?, v6))
            }
            sctp::PROTOCOL => Transport::Sctp(SctpHeader::parse(&self.header(packet)?)),
            _ => Transport::Other,
        })
    }

    /// Whether the header above is one, of which nothing but that is read: see [`Transport::is_invalid`].
    #[inline(always)]
    pub(crate) fn check_transport(&self, packet: &impl Bytes) -> Result<(), Malformed> {
        let is_sound = match self.protocol {
            _ if self.is_later_fragment => true,
            tcp::PROTOCOL => {
                TcpHeader::parse(&self.header(packet)?).header_len() >= TcpHeader::MIN_LEN
            }
            _ => !self.transport(packet)?.is_invalid(),
        };

        is_sound.then_some(()).ok_or(Malformed::Invalid)
    }

    /// The first `N` bytes of the header above. Bytes behind the datagram's end are padding.
    #[inline(always)]
    fn header<const N: usize>(&self, packet: &impl Bytes) -> Result<[u8; N], Malformed> {
        if self.end.saturating_sub(self.transport_offset) < N {
            return Err(Malformed::Truncated);
        }
        packet
            .copy(self.transport_offset)
            .ok_or(Malformed::Truncated)
    }
}

impl Transport {
    /// Whether the header gives itself a length that is less than it has.
    pub(crate) fn is_invalid(&self) -> bool {
        match self {
            Self::Tcp(header) => header.header_len() < TcpHeader::MIN_LEN,
            // 0 stands for a jumbogram's length, RFC 2675.
            Self::Udp(header) => (1..UdpHeader::LEN).contains(&usize::from(header.length)),
            _ => false,
        }
    }

    /// The ports of source and destination.
    #[inline]
    pub(crate) fn ports(&self) -> Option<(u16, u16)> {
        match self {
            Self::Tcp(header) => Some((header.source_port, header.destination_port)),
            Self::Udp(header) => Some((header.source_port, header.destination_port)),
            Self::Sctp(header) => Some((header.source_port, header.destination_port)),
            _ => None,
        }
    }
}
