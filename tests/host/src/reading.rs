// SPDX-License-Identifier: GPL-2.0

//! What the `etherparse` crate makes of a packet of either version, up to the transport header.
//!
//! Header by header, since its readers of whole packets want more than the tracer does, see
//! [`oracle`](crate::oracle). Each header's fields are etherparse's.

use std::net::IpAddr;

use etherparse::{
    ip_number,
    IpAuthHeaderSlice,
    Ipv4HeaderSlice,
    Ipv6FragmentHeaderSlice,
    Ipv6HeaderSlice,
    Ipv6RawExtHeaderSlice,
    TcpHeaderSlice,
    UdpHeaderSlice, //
};

use crate::packet::Malformed::{
    self,
    Invalid,
    Truncated, //
};

/// How many of IPv6's extension headers the tracer walks.
const MAX_EXTENSIONS: usize = 8;

/// What stands in a packet.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) network: Result<Net, Malformed>,
    pub(crate) upper: Result<Upper, Malformed>,
}

#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    /// Where the protocol's header starts, and where the datagram ends.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// TTL or hop limit, type of service or traffic class.
    pub(crate) hops: u8,
    pub(crate) class: u8,
    /// IPv4's id and whether it says not to fragment, or IPv6's flow label.
    pub(crate) v4: Option<(u16, bool)>,
    pub(crate) flow_label: u32,
    /// Id, where it starts in units of 8 bytes, whether others follow.
    pub(crate) fragment: Option<(u32, u16, bool)>,
}

#[derive(Debug)]
pub(crate) enum Upper {
    /// With the header's bytes, as far as they are there, options included.
    Tcp {
        header: etherparse::TcpHeader,
        data_offset: usize,
        options: Option<Vec<u8>>,
    },
    Udp {
        ports: (u16, u16),
        length: u16,
        check: u16,
    },
    Icmp {
        kind: u8,
        code: u8,
        check: u16,
        rest: [u8; 4],
    },
    Sctp {
        ports: (u16, u16),
        tag: u32,
    },
    Other,
    LaterFragment,
}

impl Upper {
    pub(crate) fn ports(&self) -> Option<(u16, u16)> {
        match self {
            Self::Tcp { header, .. } => Some((header.source_port, header.destination_port)),
            Self::Udp { ports, .. } | Self::Sctp { ports, .. } => Some(*ports),
            _ => None,
        }
    }

    /// Whether a length in the header is less than the header has.
    pub(crate) fn is_invalid(&self) -> bool {
        match self {
            Self::Tcp { data_offset, .. } => *data_offset < 20,
            Self::Udp { length, .. } => (1..8).contains(length),
            _ => false,
        }
    }

    /// The length of the header, where data is told of.
    fn header_len(&self) -> Option<usize> {
        match self {
            Self::Tcp { data_offset, .. } => Some(*data_offset),
            Self::Udp { .. } => Some(8),
            _ => None,
        }
    }
}

impl Net {
    /// How many bytes of data there are.
    pub(crate) fn payload(&self, upper: &Upper) -> Option<usize> {
        self.end
            .checked_sub(self.start)?
            .checked_sub(upper.header_len()?)
    }
}

pub(crate) fn read(packet: &[u8], v6: bool) -> Reading {
    let network = if v6 { read_v6(packet) } else { read_v4(packet) };
    let upper = match &network {
        Ok(net) => read_upper(packet, net),
        Err(malformed) => Err(*malformed),
    };
    Reading { network, upper }
}

fn read_v4(packet: &[u8]) -> Result<Net, Malformed> {
    if packet.len() < 20 {
        return Err(Truncated);
    }
    // Options need not be there.
    let mut whole = packet.to_vec();
    whole.resize(packet.len().max(60), 0);
    let header = Ipv4HeaderSlice::from_slice(&whole).map_err(|_| Invalid)?;
    let start = header.slice().len();
    let end = match usize::from(header.total_len()) {
        0 => packet.len(),
        length if length < start => return Err(Invalid),
        length => length.min(packet.len()),
    };
    let (offset, more) = (header.fragments_offset().value(), header.more_fragments());

    Ok(Net {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol: header.protocol().0,
        start,
        end,
        hops: header.ttl(),
        class: (header.dcp().value() << 2) | header.ecn().value(),
        v4: Some((header.identification(), header.dont_fragment())),
        flow_label: 0,
        fragment: header.is_fragmenting_payload().then_some((
            header.identification().into(),
            offset,
            more,
        )),
    })
}

fn read_v6(packet: &[u8]) -> Result<Net, Malformed> {
    if packet.len() < 40 {
        return Err(Truncated);
    }
    let header = Ipv6HeaderSlice::from_slice(packet).map_err(|_| Invalid)?;
    let end = match usize::from(header.payload_length()) {
        0 => packet.len(),
        length => packet.len().min(40 + length),
    };
    let mut net = Net {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol: header.next_header().0,
        start: 40,
        end,
        hops: header.hop_limit(),
        class: header.traffic_class(),
        v4: None,
        flow_label: header.flow_label().value(),
        fragment: None,
    };

    for number in 0.. {
        let rest = &packet[net.start..end];
        let (next, len) = match net.protocol.into() {
            ip_number::IPV6_FRAG => {
                let header = Ipv6FragmentHeaderSlice::from_slice(rest).map_err(|_| Truncated)?;
                let offset = header.fragment_offset().value();
                net.fragment = Some((header.identification(), offset, header.more_fragments()));
                (header.next_header(), 8)
            }
            ip_number::AUTH if rest.len() >= 8 && rest[1] == 0 => (rest[0].into(), 8),
            ip_number::AUTH => {
                let header = IpAuthHeaderSlice::from_slice(rest).map_err(|_| Truncated)?;
                (header.next_header(), header.slice().len())
            }
            kind if Ipv6RawExtHeaderSlice::header_type_supported(kind) => {
                let header = Ipv6RawExtHeaderSlice::from_slice(rest).map_err(|_| Truncated)?;
                (header.next_header(), header.slice().len())
            }
            _ => break,
        };
        net.protocol = next.0;
        net.start += len;
        // What is behind the header of a later fragment belongs to none.
        if net.fragment.is_some_and(|(_, offset, _)| offset != 0) {
            break;
        }
        if number == MAX_EXTENSIONS {
            return Err(Invalid);
        }
    }
    Ok(net)
}

fn read_upper(packet: &[u8], net: &Net) -> Result<Upper, Malformed> {
    if net.fragment.is_some_and(|(_, offset, _)| offset != 0) {
        return Ok(Upper::LaterFragment);
    }
    let v6 = net.v4.is_none();
    let bytes = packet.get(net.start..net.end).unwrap_or_default();
    let needed = match net.protocol.into() {
        ip_number::TCP => 20,
        ip_number::UDP => 8,
        ip_number::ICMP if !v6 => 8,
        ip_number::IPV6_ICMP if v6 => 8,
        ip_number::SCTP => 12,
        _ => return Ok(Upper::Other),
    };
    if bytes.len() < needed {
        return Err(Truncated);
    }

    Ok(match net.protocol.into() {
        ip_number::TCP => {
            let mut fixed: [u8; 20] = *bytes.first_chunk().unwrap();
            let data_offset = usize::from(fixed[12] >> 4) * 4;
            // A header that says it has no options is one that etherparse takes.
            fixed[12] = (5 << 4) | (fixed[12] & 0x0f);
            Upper::Tcp {
                header: TcpHeaderSlice::from_slice(&fixed).unwrap().to_header(),
                data_offset,
                options: bytes.get(20..data_offset).map(<[u8]>::to_vec),
            }
        }
        ip_number::UDP => {
            let header = UdpHeaderSlice::from_slice(bytes).unwrap();
            Upper::Udp {
                ports: (header.source_port(), header.destination_port()),
                length: header.length(),
                check: header.checksum(),
            }
        }
        ip_number::SCTP => Upper::Sctp {
            ports: (
                u16::from_be_bytes([bytes[0], bytes[1]]),
                u16::from_be_bytes([bytes[2], bytes[3]]),
            ),
            tag: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        },
        _ => {
            // etherparse wants all of a time stamp message.
            let mut message = bytes.to_vec();
            message.resize(bytes.len().max(20), 0);
            let (kind, code, check, rest) = if v6 {
                let slice = etherparse::Icmpv6Slice::from_slice(&message).unwrap();
                (
                    slice.type_u8(),
                    slice.code_u8(),
                    slice.checksum(),
                    slice.bytes5to8(),
                )
            } else {
                message.truncate(20);
                let slice = etherparse::Icmpv4Slice::from_slice(&message).unwrap();
                (
                    slice.type_u8(),
                    slice.code_u8(),
                    slice.checksum(),
                    slice.bytes5to8(),
                )
            };
            Upper::Icmp {
                kind,
                code,
                check,
                rest,
            }
        }
    })
}
