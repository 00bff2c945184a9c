// SPDX-License-Identifier: GPL-2.0

//! Parsing of protocol headers.
//!
//! Pure Rust on bytes, independent of the kernel, so that it builds and is tested on any host.
//! Nothing here can panic, allocates, or trusts a length or an offset from the packet.
//!
//! A packet that does not match is cheap: [`UpperLayer`] has the fields that most packets are
//! matched on. A matching packet is then parsed once in full, as [`PktInfo`], for all sinks.
//!
//! Whatever the stack delivers to a socket, or nft matches by protocol, address or port, must match
//! the same protocol, address or port here. So fields are read as they are, also in headers that
//! contradict themselves; a header need not be complete to have ports; and what follows extension
//! headers that are not walked to their end [may be any protocol](Network::may_have).

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
    ipv6::{
        Extensions,
        Ipv6Header, //
    },
    sctp::SctpHeader,
    tcp::TcpHeader,
    udp::UdpHeader, //
};
use core::net::IpAddr;

/// The bytes of a packet, from its network header on, contiguous or not.
pub(crate) trait Bytes {
    /// Returns the length in bytes.
    fn len(&self) -> usize;

    /// Copies `N` bytes at `offset`. `None` if the packet ends before them.
    fn copy<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// Returns whether the packet stands for several segments, so that its length fields may be too
    /// narrow: C's `skb_is_gso()`.
    fn is_gso(&self) -> bool;
}

/// A defect of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// The packet ends inside a header.
    Truncated,
    /// A header contradicts itself: wrong version, impossible length.
    Invalid,
    /// The packet has more extension headers than are walked.
    TooManyExtensions,
}

/// All parsed fields of a packet, as C's `nft_pktinfo`.
///
/// The sender may share the memory behind the network header and change it at any time. So it is
/// parsed once for all sinks, and the conditions on ports apply to the values that are shown.
pub(crate) struct PktInfo {
    /// The network header and the transport header. If the latter is truncated or misplaced, only
    /// the ports. `None` if the packet ends inside the network header.
    pub(crate) headers: Option<(Network, Transport)>,
    /// The packet's defect, if any.
    pub(crate) malformed: Option<Malformed>,
}

/// The ports of a packet, as conditions on ports see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnownPorts {
    /// Source and destination port.
    Both(u16, u16),
    /// The packet ends before the destination port, or before both.
    Cut(Option<u16>),
    /// Any, since the upper-layer protocol is not known.
    Unknown,
    None,
}

/// The network header, with IPv6's extension headers: all fields before the transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) ip: Ip,
    /// The upper-layer protocol, as assigned by IANA. The number of an extension header if the
    /// upper layer is not known: see [`UpperLayer::is_known`].
    pub(crate) protocol: u8,
    /// Offset of the upper-layer header, in bytes from the network header.
    pub(crate) transport_offset: usize,
    /// End of the datagram, in bytes from the network header; the rest is padding.
    pub(crate) end: usize,
    /// The fragment's fields, unless the datagram is complete.
    pub(crate) fragment: Option<Fragment>,
    /// The extension headers before the upper-layer header.
    extensions: Extensions,
    /// The defect of these headers, if any. Their fields are parsed as they are all the same, and
    /// the kernel's own rules use them.
    pub(crate) malformed: Option<Malformed>,
}

/// The protocol and offset of the upper-layer header: all that most packets are matched on.
///
/// Passed by value, so that fields that a caller does not use are not even loaded.
#[derive(Clone, Copy)]
pub(crate) struct UpperLayer {
    v6: bool,
    /// The fields below are those of [`Network`].
    protocol: u8,
    transport_offset: usize,
    end: usize,
    piece: Piece,
    malformed: Option<Malformed>,
}

/// The part of its datagram that a packet is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Whole,
    FirstFragment,
    LaterFragment,
}

/// The IP header, of either version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ip {
    V4(Ipv4Header),
    V6(Ipv6Header),
}

/// The position of a fragment in its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The identification, common to all fragments of a datagram.
    pub(crate) id: u32,
    /// The offset in units of 8 bytes; 0 for the first fragment.
    pub(crate) offset: u16,
    /// The more-fragments flag.
    pub(crate) more: bool,
}

/// The upper-layer header; for protocols with ports, at least the ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp(TcpHeader),
    Udp(UdpHeader),
    Icmp(IcmpHeader),
    Sctp(SctpHeader),
    /// A protocol of which only the ports are parsed, or one whose header is truncated behind them.
    Ports(Ports),
    /// A protocol whose header is not parsed.
    Other,
    /// A fragment other than the first, which starts behind the start of the header.
    LaterFragment,
}

/// The ports, at the same offset in all protocols that have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) source: Option<u16>,
    /// Present only if the source port is.
    pub(crate) destination: Option<u16>,
}

/// The protocols of which only the ports are parsed, as assigned by IANA.
mod protocol {
    pub(super) const DCCP: u8 = 33;
    pub(super) const UDP_LITE: u8 = 136;
}

/// Returns whether a protocol has ports that are parsed.
#[inline(always)]
pub(crate) fn has_ports(protocol: u8) -> bool {
    matches!(
        protocol,
        tcp::PROTOCOL | udp::PROTOCOL | sctp::PROTOCOL | protocol::DCCP | protocol::UDP_LITE
    )
}

/// Returns the source address, IPv6 if `v6`. `None` if the packet ends inside the header.
#[inline(always)]
pub(crate) fn source(packet: &impl Bytes, v6: bool) -> Option<IpAddr> {
    Some(match v6 {
        false => Ipv4Header::parse(&packet.copy(0)?).source.into(),
        true => Ipv6Header::parse(&packet.copy(0)?).source.into(),
    })
}

/// Returns the destination address, as [`source`].
#[inline(always)]
pub(crate) fn destination(packet: &impl Bytes, v6: bool) -> Option<IpAddr> {
    Some(match v6 {
        false => Ipv4Header::parse(&packet.copy(0)?).destination.into(),
        true => Ipv6Header::parse(&packet.copy(0)?).destination.into(),
    })
}

impl KnownPorts {
    /// Returns the ports that are there.
    pub(crate) fn there(self) -> Ports {
        match self {
            Self::Both(source, destination) => Ports {
                source: Some(source),
                destination: Some(destination),
            },
            Self::Cut(source) => Ports {
                source,
                destination: None,
            },
            Self::Unknown | Self::None => Ports::default(),
        }
    }
}

impl PktInfo {
    /// Parses the upper-layer header behind a network header.
    #[inline(always)]
    pub(crate) fn classify(network: Option<Network>, packet: &impl Bytes) -> Self {
        let Some(network) = network else {
            return Self {
                headers: None,
                malformed: Some(Malformed::Truncated),
            };
        };
        let (transport, malformed) = network.upper_layer().classify(packet);

        Self {
            headers: Some((network, transport)),
            malformed,
        }
    }

    /// Returns the network header. `None` if the packet ends inside it.
    pub(crate) fn network(&self) -> Option<&Network> {
        self.headers.as_ref().map(|(network, _)| network)
    }

    /// Returns the ports, as far as the packet has them.
    #[inline]
    pub(crate) fn ports(&self) -> KnownPorts {
        let Some((network, transport)) = &self.headers else {
            return KnownPorts::None;
        };

        match transport.ports() {
            Ports {
                source: Some(source),
                destination: Some(destination),
            } => KnownPorts::Both(source, destination),
            Ports { source, .. } => network.upper_layer().missing_ports(source),
        }
    }
}

impl Network {
    /// Parses an IPv4 header. `None` if the packet ends inside it.
    ///
    /// Always inlined, as all parsers here: fields that the caller does not use are not even
    /// loaded.
    #[inline(always)]
    pub(crate) fn parse_ipv4(packet: &impl Bytes) -> Option<Self> {
        let ip = Ipv4Header::parse(&packet.copy::<{ Ipv4Header::MIN_LEN }>(0)?);

        Some(Self {
            ip: Ip::V4(ip),
            protocol: ip.protocol,
            transport_offset: ip.header_len(),
            end: ip.datagram_len(packet.len()),
            fragment: ip.fragment(),
            extensions: Extensions::NONE,
            malformed: (!ip.is_sound()).then_some(Malformed::Invalid),
        })
    }

    /// Parses an IPv6 header, and walks its extension headers. `None` if the packet ends inside the
    /// IPv6 header.
    #[inline(always)]
    pub(crate) fn parse_ipv6(packet: &impl Bytes) -> Option<Self> {
        let ip = Ipv6Header::parse(&packet.copy::<{ Ipv6Header::LEN }>(0)?);
        let end = ip.datagram_len(packet.len());
        let upper = ip.upper(packet, end);

        Some(Self {
            ip: Ip::V6(ip),
            protocol: upper.protocol,
            transport_offset: upper.offset,
            end,
            fragment: upper.fragment,
            extensions: upper.extensions,
            malformed: match ip.is_sound() {
                true => upper.malformed,
                false => Some(Malformed::Invalid),
            },
        })
    }

    /// Returns whether one of the headers, extension headers included, is of a matching protocol,
    /// or may be since the upper layer is not known.
    pub(crate) fn may_have(&self, wanted: impl Fn(u8) -> bool) -> bool {
        !self.upper_layer().is_known() || wanted(self.protocol) || self.extensions.any(wanted)
    }

    /// Returns the IP identification. In IPv6 only fragments have one, and it is 0 for others.
    pub(crate) fn id(&self) -> u32 {
        match (self.ip, self.fragment) {
            (Ip::V4(ip), _) => ip.id.into(),
            (Ip::V6(_), fragment) => fragment.map_or(0, |fragment| fragment.id),
        }
    }

    /// Returns the source address.
    #[inline]
    pub(crate) fn source(&self) -> IpAddr {
        match self.ip {
            Ip::V4(ip) => IpAddr::V4(ip.source),
            Ip::V6(ip) => IpAddr::V6(ip.source),
        }
    }

    /// Returns the destination address.
    #[inline]
    pub(crate) fn destination(&self) -> IpAddr {
        match self.ip {
            Ip::V4(ip) => IpAddr::V4(ip.destination),
            Ip::V6(ip) => IpAddr::V6(ip.destination),
        }
    }

    /// Returns the protocol and offset of the upper-layer header.
    #[inline(always)]
    pub(crate) fn upper_layer(&self) -> UpperLayer {
        UpperLayer {
            v6: matches!(self.ip, Ip::V6(_)),
            protocol: self.protocol,
            transport_offset: self.transport_offset,
            end: self.end,
            piece: match self.fragment {
                Some(fragment) if fragment.offset != 0 => Piece::LaterFragment,
                Some(fragment) if fragment.more => Piece::FirstFragment,
                _ => Piece::Whole,
            },
            malformed: self.malformed,
        }
    }

    /// Returns the number of payload bytes behind `transport`'s header in this packet.
    pub(crate) fn payload_len(&self, transport: &Transport) -> Option<usize> {
        let there = self.end.checked_sub(self.transport_offset)?;

        match transport {
            Transport::Tcp(header) => there.checked_sub(header.header_len()),
            Transport::Udp(header) => {
                let len = match header.length {
                    0 => there,
                    length => there.min(length.into()),
                };
                Some(len.saturating_sub(UdpHeader::LEN))
            }
            _ => None,
        }
    }
}

impl UpperLayer {
    /// Returns whether `protocol` is the upper-layer protocol. It is not if the chain of IPv6's
    /// extension headers is truncated or too long, or continues in another fragment: the upper
    /// layer may be any then.
    #[inline(always)]
    fn is_known(self) -> bool {
        !self.v6 || !ipv6::is_extension(self.protocol)
    }

    /// Returns whether the upper-layer protocol has ports, and its header should be in this packet.
    #[inline(always)]
    fn should_have_ports(self) -> bool {
        has_ports(self.protocol) && self.piece != Piece::LaterFragment
    }

    /// Returns the ports, as far as the packet has them.
    ///
    /// nft needs only these bytes: the header may be incomplete, and may exceed the datagram.
    #[inline(always)]
    pub(crate) fn ports(self, packet: &impl Bytes) -> KnownPorts {
        let both = match self.should_have_ports() {
            true => packet.copy::<4>(self.transport_offset),
            false => None,
        };

        match both {
            Some([s0, s1, d0, d1]) => {
                KnownPorts::Both(u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]))
            }
            None => self.cut_ports(packet),
        }
    }

    /// Returns the ports of a truncated header. Out of line: nearly all packets that should have
    /// ports have both.
    #[cold]
    #[inline(never)]
    fn cut_ports(self, packet: &impl Bytes) -> KnownPorts {
        let source = packet.copy::<2>(self.transport_offset);

        self.missing_ports(source.map(u16::from_be_bytes))
    }

    /// Returns the result where not both ports are present; the source port may be.
    #[cold]
    #[inline(never)]
    fn missing_ports(self, source: Option<u16>) -> KnownPorts {
        if self.should_have_ports() {
            KnownPorts::Cut(source)
        } else if !self.is_known() && self.piece != Piece::LaterFragment {
            KnownPorts::Unknown
        } else {
            KnownPorts::None
        }
    }

    /// Parses the upper-layer header.
    ///
    /// As in `dump_ipv4_packet()`, it is expected behind the IPv4 header's options, which need not
    /// be present themselves. An invalid length in the header is ignored here.
    #[inline(always)]
    fn transport(self, packet: &impl Bytes) -> Result<Transport, Malformed> {
        if self.piece == Piece::LaterFragment {
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
            protocol::DCCP | protocol::UDP_LITE => {
                let [s0, s1, d0, d1] = self.header(packet)?;
                Transport::Ports(Ports {
                    source: Some(u16::from_be_bytes([s0, s1])),
                    destination: Some(u16::from_be_bytes([d0, d1])),
                })
            }
            _ => Transport::Other,
        })
    }

    /// Returns whether all parsed headers are complete and valid.
    #[inline(always)]
    pub(crate) fn check(self, packet: &impl Bytes) -> Result<(), Malformed> {
        self.sound_transport(packet).map(|_| ())
    }

    /// Parses the upper-layer header, if all parsed headers are complete and valid.
    #[inline(always)]
    fn sound_transport(self, packet: &impl Bytes) -> Result<Transport, Malformed> {
        if let Some(malformed) = self.malformed {
            return Err(malformed);
        }
        let transport = self.transport(packet)?;

        match self.check_transport(packet, &transport) {
            None => Ok(transport),
            Some(malformed) => Err(malformed),
        }
    }

    /// Parses the upper-layer header, or as much of it as is present. Also returns the packet's
    /// defect.
    #[inline(always)]
    fn classify(self, packet: &impl Bytes) -> (Transport, Option<Malformed>) {
        let whole = match self.malformed {
            None => self.transport(packet),
            Some(malformed) => Err(malformed),
        };

        match whole {
            Ok(transport) => (transport, self.check_transport(packet, &transport)),
            Err(malformed) => (self.only_ports(packet), Some(malformed)),
        }
    }

    #[cold]
    #[inline(never)]
    fn only_ports(self, packet: &impl Bytes) -> Transport {
        Transport::Ports(self.ports(packet).there())
    }

    /// Returns the defect of a header whose fixed part is present.
    #[inline(always)]
    fn check_transport(self, packet: &impl Bytes, transport: &Transport) -> Option<Malformed> {
        match transport {
            Transport::Tcp(header) if header.header_len() < TcpHeader::MIN_LEN => {
                Some(Malformed::Invalid)
            }
            // The options are truncated.
            Transport::Tcp(header)
                if self.end.saturating_sub(self.transport_offset) < header.header_len() =>
            {
                Some(Malformed::Truncated)
            }
            Transport::Udp(header) if !self.udp_is_sound(packet, header) => {
                Some(Malformed::Invalid)
            }
            _ => None,
        }
    }

    /// Returns whether UDP's length is one that `udp_rcv()` and conntrack accept.
    ///
    /// As for them, bytes of the datagram behind it belong to no header. A first fragment has only
    /// a part of the datagram whose length it is. 0 stands for a length that exceeds the field:
    /// that of a jumbogram, [RFC 2675](https://www.rfc-editor.org/rfc/rfc2675#section-4), or of an
    /// aggregate.
    #[inline]
    fn udp_is_sound(self, packet: &impl Bytes, header: &UdpHeader) -> bool {
        let there = self.end.saturating_sub(self.transport_offset);

        match usize::from(header.length) {
            0 => packet.is_gso() || (self.v6 && ipv6::is_jumbogram(packet)),
            length => {
                length >= UdpHeader::LEN && (length <= there || self.piece == Piece::FirstFragment)
            }
        }
    }

    /// Copies the first `N` bytes of the upper-layer header. Bytes behind the datagram's end are
    /// padding.
    #[inline(always)]
    fn header<const N: usize>(self, packet: &impl Bytes) -> Result<[u8; N], Malformed> {
        if self.end.saturating_sub(self.transport_offset) < N {
            return Err(Malformed::Truncated);
        }
        packet
            .copy(self.transport_offset)
            .ok_or(Malformed::Truncated)
    }
}

impl Transport {
    /// Returns the source and destination port.
    #[inline]
    pub(crate) fn ports(&self) -> Ports {
        let (source, destination) = match self {
            Self::Tcp(header) => (header.source_port, header.destination_port),
            Self::Udp(header) => (header.source_port, header.destination_port),
            Self::Sctp(header) => (header.source_port, header.destination_port),
            Self::Ports(ports) => return *ports,
            Self::Icmp(_) | Self::Other | Self::LaterFragment => return Ports::default(),
        };
        Ports {
            source: Some(source),
            destination: Some(destination),
        }
    }
}
