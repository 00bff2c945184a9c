// SPDX-License-Identifier: GPL-2.0

//! Tests of IPv6, its extension headers, and all transport headers but TCP's, against etherparse.

use std::net::IpAddr;

use etherparse::{
    icmpv4,
    icmpv6,
    Icmpv4Type,
    Icmpv6Type,
    Ipv4HeaderSlice,
    Ipv6FlowLabel,
    Ipv6FragmentHeader,
    Ipv6Header,
    LaxSlicedPacket,
    PacketBuilder,
    TransportSlice, //
};
use proptest::{
    collection::vec,
    prelude::*, //
};

use crate::{
    bytes::Scattered,
    packet::{
        icmp,
        Fragment,
        Ip,
        Malformed,
        Network,
        Transport, //
    }, //
};

const SOURCE: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const DESTINATION: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// An IPv6 packet of these extension headers (number, bytes), and of what is behind them.
fn ipv6(extensions: &[(u8, Vec<u8>)], protocol: u8, rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (index, (_, bytes)) in extensions.iter().enumerate() {
        let next = extensions
            .get(index + 1)
            .map_or(protocol, |(number, _)| *number);
        body.push(next);
        body.extend_from_slice(&bytes[1..]);
    }
    body.extend_from_slice(rest);
    let header = Ipv6Header {
        traffic_class: 0xa5,
        flow_label: Ipv6FlowLabel::try_new(0x12345).unwrap(),
        payload_length: body.len() as u16,
        next_header: extensions
            .first()
            .map_or(protocol, |(number, _)| *number)
            .into(),
        hop_limit: 61,
        source: SOURCE,
        destination: DESTINATION,
    };
    let mut packet = header.to_bytes().to_vec();
    packet.extend(body);
    packet
}

/// An extension header whose length is in units of 8 bytes.
fn extension(units: u8, fill: u8) -> Vec<u8> {
    let mut bytes = vec![fill; (usize::from(units) + 1) * 8];
    bytes[1] = units;
    bytes
}

fn fragment(offset: u16, more: bool, id: u32) -> Vec<u8> {
    let header = Ipv6FragmentHeader::new(0.into(), offset.try_into().unwrap(), more, id);
    header.to_bytes().to_vec()
}

fn parse(packet: &[u8]) -> Result<Network, Malformed> {
    let whole = Network::parse_ipv6(&packet);
    for size in [1, 3, 7, 40] {
        assert_eq!(Network::parse_ipv6(&Scattered::new(packet, size)), whole);
    }
    whole
}

#[test]
fn the_fields_of_an_ipv6_header_are_read() {
    let network = parse(&ipv6(&[], 17, &[1; 20])).unwrap();
    let Ip::V6(ip) = network.ip else { panic!() };

    assert_eq!(
        (ip.traffic_class, ip.flow_label, ip.hop_limit),
        (0xa5, 0x12345, 61)
    );
    assert_eq!(
        (network.source(), network.destination()),
        (IpAddr::from(SOURCE), IpAddr::from(DESTINATION))
    );
    assert_eq!(
        (network.protocol, network.transport_offset, network.end),
        (17, 40, 60)
    );
}

#[test]
fn extension_headers_are_walked_to_the_protocol_above() {
    let authentication = {
        let mut bytes = vec![9; 24];
        bytes[1] = 4;
        bytes
    };
    let extensions = [
        (0, extension(0, 1)),
        (43, extension(2, 2)),
        (60, extension(1, 3)),
        (51, authentication),
        (44, fragment(0, true, 77)),
        (135, extension(0, 4)),
    ];
    let network = parse(&ipv6(&extensions, 6, &[5; 20])).unwrap();

    assert_eq!(
        (network.protocol, network.transport_offset),
        (6, 40 + 8 + 24 + 16 + 24 + 8 + 8)
    );
    assert_eq!(
        network.fragment,
        Some(Fragment {
            id: 77,
            offset: 0,
            more: true
        })
    );
}

#[test]
fn a_later_fragment_ends_the_walk_and_has_no_ports() {
    let packet = ipv6(
        &[(44, fragment(185, false, 9))],
        17,
        &[0, 1, 2, 3, 4, 5, 6, 7],
    );
    let network = parse(&packet).unwrap();

    assert_eq!(network.id(), 9);
    assert_eq!(
        network.fragment,
        Some(Fragment {
            id: 9,
            offset: 185,
            more: false
        })
    );
    assert_eq!(
        network.transport(&packet.as_slice()),
        Ok(Transport::LaterFragment)
    );
}

#[test]
fn nobody_makes_the_walk_long_or_leaves_the_packet_with_it() {
    let eight: Vec<_> = (0..8).map(|_| (60, extension(0, 0))).collect();
    let nine: Vec<_> = (0..9).map(|_| (60, extension(0, 0))).collect();

    assert_eq!(
        parse(&ipv6(&eight, 17, &[0; 8])).map(|network| network.protocol),
        Ok(17)
    );
    assert_eq!(parse(&ipv6(&nine, 17, &[0; 8])), Err(Malformed::Invalid));

    let packet = ipv6(&[(60, extension(3, 0))], 17, &[0; 8]);
    for len in 0..packet.len() {
        let expected = match len {
            72.. => Ok(Err(Malformed::Truncated)),
            _ => Err(Malformed::Truncated),
        };
        let read = parse(&packet[..len]).map(|network| network.transport(&&packet[..len]));
        assert_eq!(read, expected, "{len} bytes");
    }
    assert_eq!(parse(&[0x45; 40]), Err(Malformed::Invalid));
}

#[test]
fn padding_is_no_part_of_a_datagram() {
    let mut packet = ipv6(&[], 17, &[0; 6]);
    packet.extend([0; 20]);

    let network = parse(&packet).unwrap();
    assert_eq!(network.end, 46);
    assert_eq!(
        network.transport(&packet.as_slice()),
        Err(Malformed::Truncated)
    );
}

/// What etherparse says of the transport header, in our words.
fn by_etherparse(packet: &[u8]) -> Option<(u16, u16)> {
    match LaxSlicedPacket::from_ip(packet).unwrap().transport? {
        TransportSlice::Udp(udp) => Some((udp.source_port(), udp.destination_port())),
        TransportSlice::Tcp(tcp) => Some((tcp.source_port(), tcp.destination_port())),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn udp_over_both_versions_is_read_as_etherparse_writes_it(
        source: [u8; 4], destination: [u8; 4], sport: u16, dport: u16, payload in vec(any::<u8>(), 0..40),
    ) {
        let mut v4 = Vec::new();
        PacketBuilder::ipv4(source, destination, 9).udp(sport, dport).write(&mut v4, &payload).unwrap();
        v4[4..6].copy_from_slice(&[payload.len() as u8, 7]);
        let id = Ipv4HeaderSlice::from_slice(&v4).unwrap().identification();
        let mut v6 = Vec::new();
        PacketBuilder::ipv6(SOURCE, DESTINATION, 9).udp(sport, dport).write(&mut v6, &payload).unwrap();

        for (packet, network, id) in [
            (&v4, Network::parse_ipv4(&v4.as_slice()), id.into()),
            (&v6, Network::parse_ipv6(&v6.as_slice()), 0),
        ] {
            let network = network.unwrap();
            prop_assert_eq!(network.id(), id);
            let glance = network.glance();
            prop_assert_eq!(glance.protocol, network.protocol);
            prop_assert_eq!(glance.source(&packet.as_slice()), Some(network.source()));
            prop_assert_eq!(glance.destination(&packet.as_slice()), Some(network.destination()));
            let transport = network.transport(&packet.as_slice()).unwrap();
            let Transport::Udp(udp) = transport else { panic!("{transport:?}") };
            prop_assert_eq!(transport.ports(), Some((sport, dport)));
            prop_assert_eq!(transport.ports(), by_etherparse(packet));
            prop_assert_eq!(usize::from(udp.length), 8 + payload.len());
            prop_assert_eq!(network.payload_len(&transport), Some(payload.len()));
            let start = network.transport_offset;
            prop_assert_eq!(udp.check.to_be_bytes(), [packet[start + 6], packet[start + 7]]);
        }
    }

    #[test]
    fn echoes_are_read_as_etherparse_writes_them(id: u16, seq: u16, reply: bool) {
        let echo = etherparse::IcmpEchoHeader { id, seq };
        let (v4, v6) = if reply {
            (Icmpv4Type::EchoReply(echo), Icmpv6Type::EchoReply(echo))
        } else {
            (Icmpv4Type::EchoRequest(echo), Icmpv6Type::EchoRequest(echo))
        };
        let mut packet4 = Vec::new();
        PacketBuilder::ipv4([1; 4], [2; 4], 9).icmpv4(v4).write(&mut packet4, &[]).unwrap();
        let mut packet6 = Vec::new();
        PacketBuilder::ipv6(SOURCE, DESTINATION, 9).icmpv6(v6).write(&mut packet6, &[]).unwrap();

        let name = if reply { "echo-reply" } else { "echo-request" };
        for (packet, network, kind) in [
            (&packet4, Network::parse_ipv4(&packet4.as_slice()), [icmpv4::TYPE_ECHO_REQUEST, icmpv4::TYPE_ECHO_REPLY]),
            (&packet6, Network::parse_ipv6(&packet6.as_slice()), [icmpv6::TYPE_ECHO_REQUEST, icmpv6::TYPE_ECHO_REPLY]),
        ] {
            let transport = network.unwrap().transport(&packet.as_slice()).unwrap();
            let Transport::Icmp(header) = transport else { panic!("{transport:?}") };
            prop_assert_eq!(header.kind, kind[usize::from(reply)]);
            prop_assert_eq!(header.kind_name(), Some(name));
            prop_assert_eq!(header.echo, Some(icmp::Echo { id, seq }));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_wherever_they_lie(mut bytes in vec(any::<u8>(), 0..120), plain: bool) {
        if let Some(first) = bytes.first_mut() {
            *first = 0x60 | (*first & 0x0f);
        }
        if let (true, Some(next)) = (plain, bytes.get_mut(6)) {
            *next = [0, 43, 44, 51, 60, 6, 17, 58][usize::from(*next % 8)];
        }
        let packet = bytes.as_slice();
        if let Ok(network) = parse(packet) {
            prop_assert!(network.end <= packet.len());
            prop_assert!(network.transport_offset <= network.end);
            let whole = network.transport(&packet);
            prop_assert_eq!(network.transport(&Scattered::new(packet, 3)), whole);
            let sound = whole.and_then(|transport| match transport.is_invalid() {
                true => Err(Malformed::Invalid),
                false => Ok(()),
            });
            prop_assert_eq!(network.glance().check_transport(&packet), sound);
            if network.fragment.is_none() && matches!(whole, Ok(Transport::Udp(_))) {
                if let Some(ports) = by_etherparse(packet) {
                    prop_assert_eq!(whole.unwrap().ports(), Some(ports));
                }
            }
        }
    }
}
