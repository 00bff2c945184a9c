// SPDX-License-Identifier: GPL-2.0

//! Reading protocol headers from a packet's bytes.
//!
//! Plain Rust over bytes, with nothing of the kernel in it, so that it builds and is tested on any
//! host. Nothing here can panic, allocates, or trusts what a packet says of itself.
//!
//! A packet that nobody wants costs little: [`UpperLayer`] has what most packets are looked at for. One that somebody
//! wants is read once as a whole, [`PktInfo`], for the conditions and for all sinks.
//!
//! Whatever the stack delivers to a socket, or nft matches by protocol, address or port, is to be found by the
//! same ones here. So fields are read as they stand there, also in headers that contradict themselves; a header
//! need not be whole to have ports; and what is behind extension headers that are not walked to their end
//! [may be anything](Network::may_have).

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

/// The bytes of a packet, from its network header on, wherever they lie in memory.
pub(crate) trait Bytes {
    /// How many there are.
    fn len(&self) -> usize;

    /// A copy of the `N` bytes at `offset`. `None` if the packet ends before them.
    fn copy<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// Whether it stands for several segments, which may be more than its length fields have room for:
    /// C's `skb_is_gso()`.
    fn is_gso(&self) -> bool;
}

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It ends inside a header.
    Truncated,
    /// A header contradicts itself: another version, a length that cannot be.
    Invalid,
    /// It has more extension headers than are walked.
    TooManyExtensions,
}

/// All that is read of a packet, as C's `nft_pktinfo`.
///
/// Whoever sends a packet may share the memory that it is in, and change it at any time. So it is read once, and what
/// is chosen, counted and shown is the same.
pub(crate) struct PktInfo {
    /// Of a transport header that is cut, or not where it should be, the ports. `None` if the packet ends inside of
    /// the network header.
    pub(crate) headers: Option<(Network, Transport)>,
    /// What is wrong with the packet.
    pub(crate) malformed: Option<Malformed>,
}

/// The ports of a packet, as the conditions on them see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnownPorts {
    /// Those of source and destination.
    Both(u16, u16),
    /// The packet ends before that of the destination, or before both.
    Cut(Option<u16>),
    /// They may be any, since what is above is not known.
    Unknown,
    None,
}

/// The network header, with IPv6's extension headers: all that is known before the transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) ip: Ip,
    /// The protocol above, as IANA numbers them. An extension header's number where what is above is not
    /// known: see [`UpperLayer::is_known`].
    pub(crate) protocol: u8,
    /// Where its header starts, in bytes from the network header.
    pub(crate) transport_offset: usize,
    /// Where the datagram ends, in bytes from the network header: what is behind is padding.
    pub(crate) end: usize,
    /// Which piece of its datagram this is, unless it is all of it.
    pub(crate) fragment: Option<Fragment>,
    /// Those that stand before the protocol above.
    extensions: Extensions,
    /// What is wrong with these headers. Their fields are as they stand there all the same, and the kernel's
    /// own rules go by them.
    pub(crate) malformed: Option<Malformed>,
}

/// Which header is above a network header, and where: as much of that as most packets are looked at for.
///
/// By values, so that what a caller has no use for is not even loaded.
#[derive(Clone, Copy)]
pub(crate) struct UpperLayer {
    v6: bool,
    /// See [`Network`], whose fields these are.
    protocol: u8,
    transport_offset: usize,
    end: usize,
    piece: Piece,
    malformed: Option<Malformed>,
}

/// What a packet is of its datagram.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Whole,
    FirstFragment,
    LaterFragment,
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
    /// A protocol of whose header only the ports are read, or one whose header is cut behind them.
    Ports(Ports),
    /// A protocol whose header is not read.
    Other,
    /// A fragment other than its datagram's first, which starts behind the start of the header.
    LaterFragment,
}

/// The ports, which all protocols that have them have at the same place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) source: Option<u16>,
    /// There only if the source's is.
    pub(crate) destination: Option<u16>,
}

/// The protocols with ports of whose headers nothing else is read, as IANA numbers them.
mod protocol {
    pub(super) const DCCP: u8 = 33;
    pub(super) const UDP_LITE: u8 = 136;
}

/// Whether a protocol has ports that are read.
#[inline(always)]
pub(crate) fn has_ports(protocol: u8) -> bool {
    matches!(
        protocol,
        tcp::PROTOCOL | udp::PROTOCOL | sctp::PROTOCOL | protocol::DCCP | protocol::UDP_LITE
    )
}

/// The source's address, of IPv6 if `v6`. `None` if the packet ends inside of the header.
#[inline(always)]
pub(crate) fn source(packet: &impl Bytes, v6: bool) -> Option<IpAddr> {
    Some(match v6 {
        false => Ipv4Header::parse(&packet.copy(0)?).source.into(),
        true => Ipv6Header::parse(&packet.copy(0)?).source.into(),
    })
}

/// The destination's address, as [`source`].
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
    /// Reads what is above a network header.
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

    /// The network header. `None` if the packet ends inside of it.
    pub(crate) fn network(&self) -> Option<&Network> {
        self.headers.as_ref().map(|(network, _)| network)
    }

    /// The ports, as far as the packet has them.
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
    /// Reads an IPv4 header. `None` if the packet ends inside of it.
    ///
    /// Always inlined, as all that is read here: what the caller has no use for is not even loaded.
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

    /// Reads an IPv6 header, and walks its extension headers. `None` if the packet ends inside of the first.
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

    /// Whether one of the headers, extension headers included, is of a protocol that is wanted, or may be
    /// since what is above is not known.
    pub(crate) fn may_have(&self, wanted: impl Fn(u8) -> bool) -> bool {
        !self.upper_layer().is_known() || wanted(self.protocol) || self.extensions.any(wanted)
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

    /// Where the header above is.
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

    /// How many bytes of data are behind `transport`'s header, in this packet.
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
    /// Whether `protocol` is the protocol above. It is not if the chain of IPv6's extension headers is cut or
    /// too long, or goes on in another fragment: it may be any then.
    #[inline(always)]
    fn is_known(self) -> bool {
        !self.v6 || !ipv6::is_extension(self.protocol)
    }

    /// Whether the header above is of a protocol with ports, and should be here.
    #[inline(always)]
    fn should_have_ports(self) -> bool {
        has_ports(self.protocol) && self.piece != Piece::LaterFragment
    }

    /// The ports, as far as the packet has them.
    ///
    /// nft needs no more of a header than these: not that it is whole, nor that it is within the datagram.
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

    /// Out of line: nearly all that should have ports have both.
    #[cold]
    #[inline(never)]
    fn cut_ports(self, packet: &impl Bytes) -> KnownPorts {
        let source = packet.copy::<2>(self.transport_offset);

        self.missing_ports(source.map(u16::from_be_bytes))
    }

    /// What it says of the ports that there are not both, where that of the source may be there.
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

    /// Reads the header above.
    ///
    /// As `dump_ipv4_packet()` does, it is looked for behind the IPv4 header's options, which need
    /// not be there themselves. A length in the header that makes no sense does not
    /// matter here.
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

    /// Whether all headers that are read are whole and make sense.
    #[inline(always)]
    pub(crate) fn check(self, packet: &impl Bytes) -> Result<(), Malformed> {
        self.sound_transport(packet).map(|_| ())
    }

    /// Reads the header above, if all headers that are read are whole and make sense.
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

    /// Reads the header above, or as much as there is of it, and says what is wrong with the packet.
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

    /// Says what is wrong with a header whose first bytes are there.
    #[inline(always)]
    fn check_transport(self, packet: &impl Bytes, transport: &Transport) -> Option<Malformed> {
        match transport {
            Transport::Tcp(header) if header.header_len() < TcpHeader::MIN_LEN => {
                Some(Malformed::Invalid)
            }
            // Its options are cut.
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

    /// Whether UDP's length is one that `udp_rcv()` and conntrack take.
    ///
    /// What is behind it in the datagram belongs to none, as for them. A first fragment has only a part of
    /// the datagram whose length it is. 0 stands for a length that the field has no room for: that of a
    /// jumbogram, [RFC 2675](https://www.rfc-editor.org/rfc/rfc2675#section-4), or of an aggregate.
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

    /// The first `N` bytes of the header above. Bytes behind the datagram's end are padding.
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
    /// The ports of source and destination.
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
