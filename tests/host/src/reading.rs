// SPDX-License-Identifier: GPL-2.0

//! The `etherparse` crate's parse of a packet of either version, up to the transport header.
//!
//! Header by header, since its parsers of whole packets are stricter than the tracer, see
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
    TooManyExtensions,
    Truncated, //
};

/// The number of IPv6 extension headers that the tracer walks.
const MAX_EXTENSIONS: usize = 16;

/// The contents of a packet.
#[derive(Debug)]
pub(crate) struct Reading {
    /// `None` if the packet ends inside the IP header.
    pub(crate) network: Option<Net>,
    /// The transport header, if it is complete and where it should be. It may contradict itself.
    pub(crate) upper: Result<Upper, Malformed>,
    /// Source and destination port, as far as they are present.
    pub(crate) ports: (Option<u16>, Option<u16>),
    /// The defect of any of the headers.
    pub(crate) malformed: Option<Malformed>,
}

#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    /// Offset of the upper-layer header, and end of the datagram.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// TTL or hop limit, TOS or traffic class.
    pub(crate) hops: u8,
    pub(crate) class: u8,
    /// IPv4's identification and don't-fragment flag, or IPv6's flow label.
    pub(crate) v4: Option<(u16, bool)>,
    pub(crate) flow_label: u32,
    /// Identification, offset in units of 8 bytes, more-fragments flag.
    pub(crate) fragment: Option<(u32, u16, bool)>,
    /// The numbers of IPv6's extension headers.
    pub(crate) extensions: Vec<u8>,
    pub(crate) malformed: Option<Malformed>,
}

#[derive(Debug)]
pub(crate) enum Upper {
    /// With the header's bytes, as far as they are present, options included.
    Tcp {
        header: etherparse::TcpHeader,
        data_offset: usize,
        options: Option<Vec<u8>>,
    },
    Udp {
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
        tag: u32,
    },
    /// Only the ports are parsed.
    Ports,
    Other,
    LaterFragment,
}

impl Net {
    /// Returns the number of payload bytes.
    pub(crate) fn payload(&self, upper: &Upper) -> Option<usize> {
        let there = self.end.checked_sub(self.start)?;
        match upper {
            Upper::Tcp { data_offset, .. } => there.checked_sub(*data_offset),
            Upper::Udp { length: 0, .. } => Some(there - 8),
            Upper::Udp { length: 1..8, .. } => Some(0),
            Upper::Udp { length, .. } => Some(there.min((*length).into()) - 8),
            _ => None,
        }
    }

    /// Returns whether the upper-layer protocol is known.
    pub(crate) fn is_upper_known(&self) -> bool {
        self.v4.is_some() || !EXTENSIONS.contains(&self.protocol)
    }

    pub(crate) fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|(_, offset, _)| offset != 0)
    }
}

/// The extension headers, as the kernel defines them.
const EXTENSIONS: [u8; 5] = [0, 43, 44, 51, 60];

/// Parses a packet, which stands for many segments if `gso`.
pub(crate) fn read(packet: &[u8], v6: bool, gso: bool) -> Reading {
    let network = if v6 { read_v6(packet) } else { read_v4(packet) };
    let Some(net) = network else {
        return Reading {
            network: None,
            upper: Err(Truncated),
            ports: (None, None),
            malformed: Some(Truncated),
        };
    };
    let upper = match net.malformed {
        None => read_upper(packet, &net),
        Some(malformed) => Err(malformed),
    };
    let malformed = match &upper {
        Err(malformed) => Some(*malformed),
        Ok(upper) if !makes_sense(packet, &net, upper, gso) => Some(Invalid),
        Ok(Upper::Tcp { options: None, .. }) => Some(Truncated),
        Ok(_) => None,
    };
    let port = |at: usize| {
        let has_ports = [6, 17, 33, 132, 136].contains(&net.protocol) && !net.is_later_fragment();
        let bytes = packet.get(net.start + at..net.start + at + 2);
        bytes
            .filter(|_| has_ports)
            .map(|bytes| u16::from(bytes[0]) * 256 + u16::from(bytes[1]))
    };
    Reading {
        upper,
        ports: (port(0), port(2)),
        malformed,
        network: Some(net),
    }
}

/// Returns whether the lengths in a transport header are valid.
fn makes_sense(packet: &[u8], net: &Net, upper: &Upper, gso: bool) -> bool {
    match upper {
        Upper::Tcp { data_offset, .. } => *data_offset >= 20,
        Upper::Udp { length: 0, .. } => gso || is_jumbogram(packet, net),
        Upper::Udp { length, .. } => {
            let is_first_fragment = net.fragment.is_some_and(|(_, _, more)| more);
            *length >= 8 && (is_first_fragment || net.start + usize::from(*length) <= net.end)
        }
        _ => true,
    }
}

/// Returns whether IPv6's hop-by-hop options have one with a length of more than 16 bits.
fn is_jumbogram(packet: &[u8], net: &Net) -> bool {
    if net.v4.is_some() || packet[4..7] != [0, 0, 0] {
        return false;
    }
    let header = Ipv6RawExtHeaderSlice::from_slice(&packet[40..]).unwrap();
    let mut options = header.payload();
    for _ in 0..64 {
        options = match options {
            [194, len, value @ ..] => {
                return *len == 4 && value.len() >= 4 && value[..2] != [0, 0];
            }
            [0, rest @ ..] => rest,
            [_, len, ..] => options.get(usize::from(*len) + 2..).unwrap_or_default(),
            _ => return false,
        };
    }
    false
}

fn read_v4(packet: &[u8]) -> Option<Net> {
    // etherparse accepts a header whose length says that it is one of 20 bytes.
    let mut fixed: [u8; 20] = *packet.first_chunk()?;
    fixed[0] = 0x45;
    let header = Ipv4HeaderSlice::from_slice(&fixed).unwrap();
    // Options need not be present.
    let mut whole = packet.to_vec();
    whole.resize(packet.len().max(60), 0);
    let start = usize::from(packet[0] & 15) * 4;
    let (end, fits) = match usize::from(header.total_len()) {
        0 => (packet.len(), true),
        length => (length.min(packet.len()), length >= start),
    };
    let is_sound = fits && Ipv4HeaderSlice::from_slice(&whole).is_ok();
    let (offset, more) = (header.fragments_offset().value(), header.more_fragments());

    Some(Net {
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
        extensions: vec![],
        malformed: (!is_sound).then_some(Invalid),
    })
}

fn read_v6(packet: &[u8]) -> Option<Net> {
    let mut fixed: [u8; 40] = *packet.first_chunk()?;
    fixed[0] = 0x60 | (fixed[0] & 15);
    let header = Ipv6HeaderSlice::from_slice(&fixed).unwrap();
    let end = match usize::from(header.payload_length()) {
        0 => packet.len(),
        length => packet.len().min(length + 40),
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
        extensions: vec![],
        malformed: None,
    };
    if walk(packet, &mut net).is_none() {
        net.malformed = Some(Truncated);
    } else if !net.is_upper_known() && !net.is_later_fragment() {
        net.malformed = Some(TooManyExtensions);
    }
    if packet[0] >> 4 != 6 {
        net.malformed = Some(Invalid);
    }
    Some(net)
}

/// Continues to the header behind the extension headers. `None` if the datagram ends before.
fn walk(packet: &[u8], net: &mut Net) -> Option<()> {
    while EXTENSIONS.contains(&net.protocol) && net.extensions.len() < MAX_EXTENSIONS {
        net.extensions.push(net.protocol);
        let rest = packet.get(net.start..net.end).unwrap_or_default();
        let (next, len) = match net.protocol.into() {
            ip_number::IPV6_FRAG => {
                // Missing bytes of the header, or bytes behind the datagram's end, are 0, up to the
                // identification.
                let mut bytes = packet.get(net.start..).unwrap_or_default().to_vec();
                if bytes.len() < 4 {
                    return None;
                }
                if bytes.len() < 8 {
                    bytes.truncate(4);
                    bytes.resize(8, 0);
                }
                let header = Ipv6FragmentHeaderSlice::from_slice(&bytes).unwrap();
                let offset = header.fragment_offset().value();
                net.fragment = Some((header.identification(), offset, header.more_fragments()));
                if offset == 0 && rest.len() < 8 {
                    return None;
                }
                (header.next_header(), 8)
            }
            ip_number::AUTH if rest.len() >= 8 && rest[1] == 0 => (rest[0].into(), 8),
            ip_number::AUTH => {
                let header = IpAuthHeaderSlice::from_slice(rest).ok()?;
                (header.next_header(), header.slice().len())
            }
            _ => {
                let header = Ipv6RawExtHeaderSlice::from_slice(rest).ok()?;
                (header.next_header(), header.slice().len())
            }
        };
        net.protocol = next.0;
        net.start += len;
        // What follows the header of a later fragment belongs to no header.
        if net.is_later_fragment() {
            return (net.start <= net.end).then_some(());
        }
    }
    Some(())
}

fn read_upper(packet: &[u8], net: &Net) -> Result<Upper, Malformed> {
    if net.is_later_fragment() {
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
        ip_number::DCCP | ip_number::UDP_LITE => 4,
        _ => return Ok(Upper::Other),
    };
    if bytes.len() < needed {
        return Err(Truncated);
    }

    Ok(match net.protocol.into() {
        ip_number::TCP => {
            let mut fixed: [u8; 20] = *bytes.first_chunk().unwrap();
            let data_offset = usize::from(fixed[12] >> 4) * 4;
            // etherparse accepts a header whose length says that it has no options.
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
                length: header.length(),
                check: header.checksum(),
            }
        }
        ip_number::DCCP | ip_number::UDP_LITE => Upper::Ports,
        ip_number::SCTP => Upper::Sctp {
            tag: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        },
        _ => {
            // etherparse requires a complete timestamp message.
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
