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
    above::Above,
    bytes::Scattered,
    expected::full::{
        icmp_code,
        icmp_type, //
    },
    packet::{
        self,
        icmp,
        ipv6::MAX_EXTENSIONS,
        Bytes,
        Fragment,
        Ip,
        KnownPorts,
        Malformed,
        Network,
        Ports,
        Transport, //
    }, //
};

const SOURCE: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const DESTINATION: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// Builds an IPv6 packet of extension headers (number, bytes), and what follows them.
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

/// Builds an extension header whose length is in units of 8 bytes.
fn extension(units: u8, fill: u8) -> Vec<u8> {
    let mut bytes = vec![fill; (usize::from(units) + 1) * 8];
    bytes[1] = units;
    bytes
}

fn fragment(offset: u16, more: bool, id: u32) -> Vec<u8> {
    let header = Ipv6FragmentHeader::new(0.into(), offset.try_into().unwrap(), more, id);
    header.to_bytes().to_vec()
}

fn parse(packet: &[u8]) -> Network {
    let whole = Network::parse_ipv6(&packet);
    for size in [1, 3, 7, 40] {
        assert_eq!(Network::parse_ipv6(&Scattered::new(packet, size)), whole);
    }
    whole.unwrap()
}

fn parse_ipv4(packet: &[u8]) -> Network {
    Network::parse_ipv4(&packet).unwrap()
}

/// Returns the numbers from 0 to 255 that may be among the packet's headers.
fn numbers(network: &Network) -> Vec<u8> {
    (0..=255)
        .filter(|number| network.may_have(|has| has == *number))
        .collect()
}

fn both(source: u16, destination: u16) -> Ports {
    Ports {
        source: Some(source),
        destination: Some(destination),
    }
}

#[test]
fn the_fields_of_an_ipv6_header_are_read() {
    let network = parse(&ipv6(&[], 17, &[1; 20]));
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
        (60, extension(0, 4)),
    ];
    let network = parse(&ipv6(&extensions, 6, &[5; 20]));

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
    assert_eq!(numbers(&network), [0, 6, 43, 44, 51, 60]);
}

#[test]
fn what_is_no_extension_header_to_the_kernel_is_a_protocol() {
    for protocol in (0..=255).filter(|number| ![0, 43, 44, 51, 60].contains(number)) {
        let packet = ipv6(&[(60, extension(0, 0))], protocol, &[0; 40]);
        let network = parse(&packet);
        let all = Vec::from_iter([60.min(protocol), 60.max(protocol)]);

        assert_eq!((network.protocol, network.transport_offset), (protocol, 48));
        assert_eq!(numbers(&network), all);
    }
}

#[test]
fn a_later_fragment_ends_the_walk_and_has_no_ports() {
    let packet = ipv6(
        &[(44, fragment(185, false, 9))],
        17,
        &[0, 1, 2, 3, 4, 5, 6, 7],
    );
    let network = parse(&packet);

    assert_eq!(network.id(), 9);
    assert_eq!(numbers(&network), [17, 44]);
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
fn a_later_fragment_may_be_of_any_protocol_if_the_chain_goes_on_in_it() {
    let packet = ipv6(&[(44, fragment(1, true, 9))], 60, &[0; 16]);
    let network = parse(&packet);

    assert_eq!(numbers(&network), Vec::from_iter(0..=255));
    assert_eq!(network.info(&packet.as_slice()).ports(), KnownPorts::None);
    assert_eq!(network.check(&packet.as_slice()), Ok(()));
}

#[test]
fn as_many_extension_headers_as_the_stack_delivers_are_walked_and_not_many_more() {
    let chain = |number| vec![(60, extension(0, 0)); number];
    let udp = [0, 1, 0, 2, 0, 8, 0, 0];

    for number in 0..=MAX_EXTENSIONS {
        let packet = ipv6(&chain(number), 17, &udp);
        let network = parse(&packet);
        assert_eq!((network.protocol, network.malformed), (17, None));
        assert_eq!(network.info(&packet.as_slice()).ports().there(), both(1, 2));
    }
    // The kernel's `IP6_MAX_EXT_HDRS_CNT`, and the fragment header that conntrack removes.
    const { assert!(MAX_EXTENSIONS > 12) };

    for number in [MAX_EXTENSIONS + 1, 1000] {
        let packet = ipv6(&chain(number), 17, &udp);
        let network = parse(&packet);
        assert_eq!(network.malformed, Some(Malformed::TooManyExtensions));
        assert_eq!(network.source(), IpAddr::from(SOURCE));
        assert_eq!(network.transport_offset, 40 + 8 * MAX_EXTENSIONS);
        assert_eq!(
            network.info(&packet.as_slice()).ports(),
            KnownPorts::Unknown
        );
        assert_eq!(numbers(&network), Vec::from_iter(0..=255));
        assert_eq!(
            network.check(&packet.as_slice()),
            Err(Malformed::TooManyExtensions)
        );
    }
}

#[test]
fn a_chain_that_is_cut_may_go_on_with_anything_and_keeps_its_addresses() {
    let packet = ipv6(&[(60, extension(3, 0))], 17, &[0; 8]);

    for len in 40..packet.len() {
        let network = parse(&packet[..len]);
        let is_cut = len < 72;
        assert_eq!(network.source(), IpAddr::from(SOURCE));
        assert_eq!(network.destination(), IpAddr::from(DESTINATION));
        assert_eq!(network.malformed.is_some(), is_cut, "{len} bytes");
        assert_eq!(
            network.info(&&packet[..len]).ports() == KnownPorts::Unknown,
            is_cut,
            "{len} bytes"
        );
        assert_eq!(
            network.check(&&packet[..len]),
            Err(Malformed::Truncated),
            "{len} bytes"
        );
        assert_eq!(network.protocol, if is_cut { 60 } else { 17 });
    }
    for len in 0..40 {
        assert_eq!(Network::parse_ipv6(&&packet[..len]), None);
    }
    // Bytes beyond the datagram belong to no header, though they are in the packet.
    let mut short = packet.clone();
    short[5] = 16;
    assert_eq!(parse(&short).malformed, Some(Malformed::Truncated));

    // nft needs half of a later fragment's header to know its protocol.
    let later = ipv6(&[(44, fragment(1, false, 9))], 17, &[]);
    for len in 44..48 {
        let network = parse(&later[..len]);
        assert_eq!(network.malformed, Some(Malformed::Truncated));
        assert_eq!(numbers(&network), [17, 44]);
    }
}

#[test]
fn a_header_that_contradicts_itself_is_read_as_it_stands() {
    let mut v6 = ipv6(&[], 17, &[0, 1, 0, 2, 0, 8, 0, 0]);
    v6[0] = 0x45;
    let mut v4 = vec![0; 28];
    v4[..4].copy_from_slice(&[0x65, 0, 0, 28]);
    v4[9] = 17;
    v4[12..24].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 2]);

    for (packet, network) in [(&v6, parse(&v6)), (&v4, parse_ipv4(&v4))] {
        assert_eq!(network.malformed, Some(Malformed::Invalid));
        assert_eq!(network.protocol, 17);
        assert_eq!(network.info(&packet.as_slice()).ports().there(), both(1, 2));
        assert_eq!(network.check(&packet.as_slice()), Err(Malformed::Invalid));
    }
    assert_eq!(parse_ipv4(&v4).source(), IpAddr::from([1, 2, 3, 4]));
}

#[test]
fn ports_are_all_that_has_to_be_there_of_a_header_to_be_chosen_by_them() {
    for protocol in 0..=255 {
        for len in 0..8 {
            let mut packet = ipv6(&[], protocol, &[0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0][..len]);
            // They may even be beyond the datagram's end, where nft reads them.
            for padding in [0, 4] {
                packet.resize(40 + len + padding, 0xff);
                let network = parse(&packet);
                let known = network.info(&packet.as_slice()).ports();
                let cut = matches!(known, KnownPorts::Cut(_));
                let ports = known.there();
                let has_ports = [6, 17, 33, 132, 136].contains(&protocol);
                let there = len + padding;

                assert_eq!(ports.source.is_some(), has_ports && there >= 2);
                assert_eq!(ports.destination.is_some(), has_ports && there >= 4);
                assert_eq!(cut, has_ports && there < 4);
                if has_ports && len >= 4 {
                    assert_eq!(ports, both(0x1234, 0x5678));
                }
            }
        }
    }
}

#[test]
fn a_first_fragment_of_eight_bytes_has_ports_and_a_later_one_none() {
    let tcp = [0, 1, 0, 2, 0, 0, 0, 3];
    let first = ipv6(&[(44, fragment(0, true, 7))], 6, &tcp);
    let later = ipv6(&[(44, fragment(1, true, 7))], 6, &tcp);

    assert_eq!(
        parse(&first).info(&first.as_slice()).ports().there(),
        both(1, 2)
    );
    assert_eq!(
        parse(&first).transport(&first.as_slice()),
        Err(Malformed::Truncated)
    );
    assert_eq!(
        parse(&later).info(&later.as_slice()).ports().there(),
        Ports::default()
    );
    assert_eq!(
        parse(&later).info(&later.as_slice()).ports(),
        KnownPorts::None
    );
}

#[test]
fn types_and_codes_of_icmp_are_called_as_nft_calls_them_and_others_have_no_name() {
    for kind in 0..=255 {
        for code in 0..=255 {
            for v6 in [false, true] {
                let header = icmp::IcmpHeader::parse(&[kind, code, 0, 0, 0, 0, 0, 0], v6);
                let shown = |name: Option<&str>, number: u8| {
                    name.map_or(number.to_string(), |name| name.to_owned())
                };
                assert_eq!(shown(header.kind_name(), kind), icmp_type(kind, v6));
                assert_eq!(shown(header.code_name(), code), icmp_code(kind, code, v6));
            }
        }
    }
}

/// A packet that stands for many segments.
struct Gso<'a>(&'a [u8]);

impl Bytes for Gso<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn copy<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.0.copy(offset)
    }

    fn is_gso(&self) -> bool {
        true
    }
}

/// Returns whether a datagram with this length in its header and this number of bytes of data is
/// valid, and the number of payload bytes.
fn udp(extensions: &[(u8, Vec<u8>)], length: u16, data: usize) -> (bool, Option<usize>) {
    let header = [0, 1, 0, 2, (length >> 8) as u8, length as u8, 0, 0];
    let mut packet = ipv6(extensions, 17, &[&header[..], &vec![0; data]].concat());
    if extensions.iter().any(|(number, _)| *number == 0) {
        packet[4..6].fill(0);
    }
    let network = parse(&packet);
    let transport = network.transport(&packet.as_slice()).unwrap();

    (
        network.check(&packet.as_slice()).is_ok(),
        network.payload_len(&transport),
    )
}

#[test]
fn udp_has_a_length_of_its_own_that_has_to_be_possible() {
    for length in 0..8 {
        assert!(!udp(&[], length, 20).0, "{length}");
    }
    for length in 8..=28 {
        assert_eq!(
            udp(&[], length, 20),
            (true, Some(usize::from(length) - 8)),
            "what is behind is none of its data"
        );
    }
    for length in [29, 1000, 65535] {
        assert_eq!(udp(&[], length, 20), (false, Some(20)));
    }
    assert_eq!(udp(&[], 5, 20), (false, Some(0)));

    // A first fragment is shorter than its datagram; an atomic one is not.
    let first = [(44, fragment(0, true, 1))];
    let atomic = [(44, fragment(0, false, 1))];
    assert_eq!(udp(&first, 65535, 16), (true, Some(16)));
    assert_eq!(udp(&first, 12, 16), (true, Some(4)));
    assert_eq!(udp(&first, 7, 16), (false, Some(0)));
    assert_eq!(udp(&first, 0, 16), (false, Some(16)));
    assert_eq!(udp(&atomic, 25, 16), (false, Some(16)));
    assert_eq!(udp(&atomic, 24, 16), (true, Some(16)));
}

#[test]
fn a_length_of_0_is_that_of_a_jumbogram_or_of_an_aggregate() {
    let options = |bytes: [u8; 14]| [(0, [&[0, 1], &bytes[..]].concat())];
    let jumbo = options([194, 4, 0, 1, 0, 0, 1, 6, 0, 0, 0, 0, 0, 0]);
    let padded = options([1, 1, 0, 0, 194, 4, 0, 1, 0, 0, 1, 2, 0, 0]);
    let short = options([194, 4, 0, 0, 0xff, 0xff, 1, 6, 0, 0, 0, 0, 0, 0]);
    let other = options([5, 2, 0, 0, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    let odd = options([194, 5, 0, 1, 0, 0, 0, 1, 5, 0, 0, 0, 0, 0]);

    assert_eq!(udp(&jumbo, 0, 20), (true, Some(20)));
    assert_eq!(udp(&padded, 0, 20), (true, Some(20)));
    for options in [short, other, odd] {
        assert!(!udp(&options, 0, 20).0);
    }
    // They are hop-by-hop options only directly behind the IPv6 header, and only with a payload
    // length of 0.
    let behind = [(60, extension(0, 0)), jumbo[0].clone()];
    assert!(!udp(&behind, 0, 20).0);

    let mut v4 = Vec::new();
    PacketBuilder::ipv4([1; 4], [2; 4], 9)
        .udp(1, 2)
        .write(&mut v4, &[7; 9])
        .unwrap();
    v4[24..26].fill(0);
    let network = parse_ipv4(&v4);
    assert_eq!(network.check(&v4.as_slice()), Err(Malformed::Invalid));
    assert_eq!(network.check(&Gso(&v4)), Ok(()));
    let transport = network.transport(&Gso(&v4)).unwrap();
    assert_eq!(network.payload_len(&transport), Some(9));
}

#[test]
fn padding_is_no_part_of_a_datagram() {
    let mut packet = ipv6(&[], 17, &[0; 6]);
    packet.extend([0; 20]);

    let network = parse(&packet);
    assert_eq!(network.end, 46);
    assert_eq!(
        network.transport(&packet.as_slice()),
        Err(Malformed::Truncated)
    );
}

/// Returns the ports that etherparse parses.
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
            (&v4, parse_ipv4(&v4), id.into()),
            (&v6, parse(&v6), 0),
        ] {
            prop_assert_eq!(network.id(), id);
                prop_assert_eq!(network.info(&packet.as_slice()).ports().there(), both(sport, dport));
            prop_assert_eq!(network.check(&packet.as_slice()), Ok(()));
            let v6 = matches!(network.ip, Ip::V6(_));
            prop_assert_eq!(packet::source(&packet.as_slice(), v6), Some(network.source()));
            prop_assert_eq!(packet::destination(&packet.as_slice(), v6), Some(network.destination()));
            let transport = network.transport(&packet.as_slice()).unwrap();
            let Transport::Udp(udp) = transport else { panic!("{transport:?}") };
            prop_assert_eq!(transport.ports(), both(sport, dport));
            prop_assert_eq!(Some((sport, dport)), by_etherparse(packet));
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
        if packet.len() >= 40 {
            let network = parse(packet);
            prop_assert!(network.end <= packet.len());
            prop_assert!(network.transport_offset <= network.end || network.malformed.is_some());
            let whole = network.transport(&packet);
            prop_assert_eq!(network.transport(&Scattered::new(packet, 3)), whole);
                match network.check(&packet) {
                Ok(()) => prop_assert_eq!(whole.unwrap().ports(), network.info(&packet).ports().there()),
                Err(malformed) => {
                    // If the header is complete, its options may be truncated.
                    let told = network.malformed.or(whole.err()).unwrap_or(match whole {
                        Ok(Transport::Tcp(tcp)) if tcp.header_len() >= 20 => Malformed::Truncated,
                        _ => Malformed::Invalid,
                    });
                    prop_assert_eq!(malformed, told);
                }
            }
            if network.malformed.is_none() && network.fragment.is_none() && matches!(whole, Ok(Transport::Udp(_))) {
                if let Some(ports) = by_etherparse(packet) {
                    prop_assert_eq!(whole.unwrap().ports(), both(ports.0, ports.1));
                }
            }
        }
    }
}
