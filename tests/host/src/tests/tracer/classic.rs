// SPDX-License-Identifier: GPL-2.0

//! Tests of `src/tracer/classic.rs`.

use std::net::SocketAddrV4;

use proptest::prelude::*;

use crate::{
    oracle::Fields,
    packet::{
        Network,
        PktInfo,
        Ports,
        Transport, //
    },
    pieces::{
        classic,
        line::Line, //
    },
    segment::Segment,
    tests::strategies,
};

/// Returns the segment of a packet with these addresses and this TCP header.
fn segment(addresses: [u8; 8], tcp: [u8; 20]) -> Segment {
    let mut packet = [0; 40];
    packet[0] = 0x45;
    packet[9] = 6;
    packet[12..20].copy_from_slice(&addresses);
    packet[20..].copy_from_slice(&tcp);
    Segment::parse(&packet.as_slice()).unwrap()
}

/// Returns the line for a segment.
fn line(segment: &Segment) -> String {
    let mut line = Line::new();
    classic::write(&mut line, &segment.network, &Transport::Tcp(segment.tcp));
    line.as_str().to_owned()
}

/// Parses a line as a script would: by its separators, and by the names of its fields.
fn read_back(line: &str) -> Vec<(&str, &str)> {
    line.split(" | ")
        .map(|field| field.split_once(" : ").unwrap())
        .collect()
}

#[test]
fn the_line_of_the_design_is_written() {
    let segment = segment(
        [127, 0, 0, 1, 127, 0, 0, 1],
        [
            0xd9, 0x08, 0xa2, 0xe9, 0x86, 0x8e, 0x12, 0xa3, 0xfe, 0x13, 0xb0, 0xef, 0x80, 0x10,
            0x4f, 0xee, 0xfe, 0x28, 0x00, 0x00,
        ],
    );

    assert_eq!(
        line(&segment),
        "source : 127.0.0.1:55560 | dest : 127.0.0.1:41705 | seq : 2257457827 \
         | ack_seq : 4262703343 | window : 20462 | csum : 0xfe28 | urg_ptr : 0"
    );
}

#[test]
fn no_two_fields_are_mixed_up() {
    let segment = segment(
        [10, 20, 30, 40, 50, 60, 70, 80],
        [
            0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0x50, 0, 0, 5, 0, 6, 0, 7,
        ],
    );

    assert_eq!(
        line(&segment),
        "source : 10.20.30.40:1 | dest : 50.60.70.80:2 | seq : 3 | ack_seq : 4 | window : 5 \
         | csum : 0x6 | urg_ptr : 7"
    );
}

#[test]
fn nothing_of_the_longest_line_is_cut() {
    assert_eq!(
        line(&segment([0xff; 8], [0xff; 20])),
        "source : 255.255.255.255:65535 | dest : 255.255.255.255:65535 | seq : 4294967295 \
         | ack_seq : 4294967295 | window : 65535 | csum : 0xffff | urg_ptr : 65535"
    );
}

#[test]
fn of_packets_without_a_whole_transport_header_those_have_a_line_that_may_be_delivered() {
    let ipv4 = |fragment: u8, first: u8| {
        let mut packet = [0; 28];
        packet[0] = first;
        packet[6] = fragment;
        packet[9] = 6;
        packet[20..24].copy_from_slice(&[0, 1, 0, 2]);
        PktInfo::classify(Network::parse_ipv4(&packet.as_slice()), &packet.as_slice())
    };
    let ipv6 = |next: u8, rest: &[u8]| {
        let mut packet = [&[0; 40], rest].concat();
        (packet[0], packet[6]) = (0x60, next);
        PktInfo::classify(Network::parse_ipv6(&packet.as_slice()), &packet.as_slice())
    };

    assert!(!classic::has_line(&ipv4(0, 0x45)));
    assert!(classic::has_line(&ipv4(0x20, 0x45)));
    assert!(!classic::has_line(&ipv4(0x20, 0x44)));
    assert!(!classic::has_line(&ipv6(6, &[])));
    assert!(classic::has_line(&ipv6(60, &[60, 0, 0, 0, 0, 0, 0, 0])));
    assert!(classic::has_line(&ipv6(
        60,
        &[60, 0, 0, 0, 0, 0, 0, 0].repeat(20)
    )));
    assert!(classic::has_line(&ipv6(44, &[6, 0, 0, 1, 0, 0, 0, 0])));

    // As for any other fragment, with the ports.
    let (network, _) = ipv4(0x20, 0x45).headers.unwrap();
    let ports = Ports {
        source: Some(1),
        destination: Some(2),
    };
    let mut line = Line::new();
    classic::write(&mut line, &network, &Transport::Ports(ports));
    assert_eq!(
        line.as_str(),
        "source : 0.0.0.0:1 | dest : 0.0.0.0:2 | protocol : 6 | fragment : 0 | id : 0 | length : 8"
    );
}

#[test]
fn the_line_is_appended_to_what_is_there() {
    let segment = segment([0; 8], [0; 20]);
    let mut both = Line::new();
    both.text("> ");
    classic::write(&mut both, &segment.network, &Transport::Tcp(segment.tcp));

    assert_eq!(both.as_str(), format!("> {}", line(&segment)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn the_fields_can_be_read_back_from_the_line(tcp in strategies::tcp_header(), ip: [u8; 8]) {
        let tcp20 = *tcp.to_bytes().first_chunk().unwrap();
        let line = line(&segment(ip, tcp20));
        let fields = read_back(&line);

        let names: Vec<_> = fields.iter().map(|&(name, _)| name).collect();
        prop_assert_eq!(
            names,
            ["source", "dest", "seq", "ack_seq", "window", "csum", "urg_ptr"]
        );

        let [s0, s1, s2, s3, d0, d1, d2, d3] = ip;
        let source = SocketAddrV4::new([s0, s1, s2, s3].into(), tcp.source_port);
        let destination = SocketAddrV4::new([d0, d1, d2, d3].into(), tcp.destination_port);
        let value = |index: usize| fields[index].1;
        prop_assert_eq!(value(0).parse(), Ok(source));
        prop_assert_eq!(value(1).parse(), Ok(destination));
        prop_assert_eq!(value(2).parse(), Ok(tcp.sequence_number));
        prop_assert_eq!(value(3).parse(), Ok(tcp.acknowledgment_number));
        prop_assert_eq!(value(4).parse(), Ok(tcp.window_size));
        let check = value(5).strip_prefix("0x").unwrap();
        prop_assert_eq!(u16::from_str_radix(check, 16), Ok(tcp.checksum));
        prop_assert_eq!(value(6).parse(), Ok(tcp.urgent_pointer));
    }

    #[test]
    fn any_segment_is_written_as_rust_formats_it_and_no_longer_than_the_longest_line(
        addresses: [u8; 8],
        tcp: [u8; 20],
    ) {
        let segment = segment(addresses, tcp);
        let longest = self::segment([0xff; 8], [0xff; 20]);

        prop_assert_eq!(line(&segment), Fields::of(&segment, 40).classic_line());
        prop_assert!(line(&segment).len() <= line(&longest).len());
    }
}
