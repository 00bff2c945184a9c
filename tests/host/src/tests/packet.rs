// SPDX-License-Identifier: GPL-2.0

//! Tests of `src/packet.rs`: from a packet to a segment, or to the reason why it is not one.

mod ipv4;
mod network;
mod tcp;

use std::net::Ipv4Addr;

use etherparse::{
    IpFragOffset,
    Ipv4Header,
    PacketBuilder,
    TcpHeader, //
};
use proptest::{
    collection::vec,
    prelude::*, //
};

use super::strategies;
use crate::{
    check_reading as parse,
    oracle::Fields,
    segment::{
        NoSegment,
        Segment, //
    },
};

/// A packet in which no two relevant bytes are equal, by hand.
#[rustfmt::skip]
const BY_HAND: [u8; 44] = [
    0x45, 0xa1, 0x00, 0x2c, 0xb2, 0xc3, 0x40, 0x00, 0xd4, 0x06, 0xe5, 0xf6,
    10, 11, 12, 13, 192, 168, 99, 254,
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c,
    0x50, 0x10, 0x0d, 0x0e, 0x0f, 0x11, 0x12, 0x13,
    b'd', b'a', b't', b'a',
];

/// Builds a packet with a header of `ihl` words, the given `total_length`, and `payload`.
fn packet(ihl: u8, total_length: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = BY_HAND[..20].to_vec();
    packet[0] = 0x40 | ihl;
    packet[2..4].copy_from_slice(&total_length.to_be_bytes());
    packet.resize(usize::from(ihl) * 4, 0);
    packet.extend(payload);
    packet
}

#[test]
fn every_field_of_a_packet_written_by_hand_is_read() {
    let segment = parse(&BY_HAND).unwrap();

    assert_eq!(
        Fields::of(&segment, BY_HAND.len()),
        Fields {
            header_len: 20,
            datagram_len: 44,
            total_length: 44,
            fragment_offset: 0,
            protocol: 6,
            source: Ipv4Addr::new(10, 11, 12, 13),
            destination: Ipv4Addr::new(192, 168, 99, 254),
            source_port: 0x0102,
            destination_port: 0x0304,
            seq: 0x0506_0708,
            ack_seq: 0x090a_0b0c,
            window: 0x0d0e,
            check: 0x0f11,
            urg_ptr: 0x1213,
        }
    );
}

#[test]
fn the_tcp_header_is_found_behind_ip_options_of_every_length() {
    for ihl in 5..=15 {
        let packet = packet(ihl, u16::from(ihl) * 4 + 20, &BY_HAND[20..40]);
        let segment = parse(&packet).unwrap();

        assert_eq!(segment.tcp, parse(&BY_HAND).unwrap().tcp);
        assert_eq!(segment.ip.header_len(), usize::from(ihl) * 4);
    }
}

#[test]
fn a_packet_cut_inside_its_headers_is_truncated() {
    for ihl in 5..=15 {
        let start = usize::from(ihl) * 4;
        let packet = packet(ihl, 120, &[0; 60]);

        for len in 0..=packet.len() {
            let outcome = parse(&packet[..len]);
            if len < start + 20 {
                assert_eq!(outcome, Err(NoSegment::Truncated), "ihl {ihl}, {len} bytes");
            } else {
                assert!(outcome.is_ok(), "ihl {ihl}, {len} bytes");
            }
        }
    }
}

#[test]
fn a_datagram_that_ends_inside_its_tcp_header_is_truncated_though_padding_follows() {
    for ihl in 5..=15 {
        let start = u16::from(ihl) * 4;

        for total_length in start..start + 30 {
            let outcome = parse(&packet(ihl, total_length, &[0; 46]));
            if total_length < start + 20 {
                assert_eq!(outcome, Err(NoSegment::Truncated), "total {total_length}");
            } else {
                assert!(outcome.is_ok(), "ihl {ihl}, total length {total_length}");
            }
        }
    }
}

#[test]
fn a_total_length_shorter_than_the_header_is_invalid() {
    for ihl in 5..=15 {
        for total_length in 1..u16::from(ihl) * 4 {
            assert_eq!(
                parse(&packet(ihl, total_length, &[0; 40])),
                Err(NoSegment::Invalid),
                "ihl {ihl}, total length {total_length}",
            );
        }
    }
}

#[test]
fn a_segment_of_big_tcp_ends_where_the_packet_does() {
    for len in [20, 21, 65_515, 65_516, 200_000] {
        let packet = packet(5, 0, &vec![7; len]);
        let segment = parse(&packet).unwrap();

        assert_eq!(segment.ip.datagram_len(packet.len()), 20 + len);
    }
    assert_eq!(parse(&packet(5, 0, &[7; 19])), Err(NoSegment::Truncated));
}

#[test]
fn later_fragments_make_no_segment() {
    let mut packet = BY_HAND;

    for offset in 1..1_u16 << 13 {
        for flags in 0..8 {
            let fragment = (flags << 13) | offset;
            packet[6..8].copy_from_slice(&fragment.to_be_bytes());
            assert_eq!(
                Segment::parse(&packet.as_slice()),
                Err(NoSegment::LaterFragment),
                "fragment field {fragment:#06x}",
            );
        }
        parse(&packet).unwrap_err();
    }
}

/// Returns the fields that the classic line needs.
fn fields(packet: &[u8]) -> Result<Fields, NoSegment> {
    parse(packet).map(|segment| Fields::of(&segment, packet.len()))
}

#[test]
fn whole_datagrams_and_first_fragments_make_a_segment_whatever_their_flags() {
    let mut packet = BY_HAND;

    for flags in 0..8 {
        packet[6] = flags << 5;
        assert_eq!(fields(&packet), fields(&BY_HAND));
    }
}

#[test]
fn a_later_fragment_needs_no_room_for_a_tcp_header() {
    let mut packet = packet(5, 28, &[0; 8]);
    packet[7] = 1;

    assert_eq!(parse(&packet), Err(NoSegment::LaterFragment));
}

#[test]
fn every_protocol_but_tcp_is_another_protocol() {
    for protocol in (0..=255).filter(|&protocol| protocol != 6) {
        let mut packet = BY_HAND;
        packet[9] = protocol;

        assert_eq!(parse(&packet), Err(NoSegment::OtherProtocol));
        // Neither fragments nor addresses and ports that TCP would not use make a difference.
        packet[7] = 1;
        assert_eq!(parse(&packet), Err(NoSegment::OtherProtocol));
        assert_eq!(parse(&packet[..20]), Err(NoSegment::OtherProtocol));
    }
}

#[test]
fn a_header_that_contradicts_itself_is_invalid_whatever_its_protocol() {
    for version_ihl in (0..=255).filter(|first| !(0x45..=0x4f).contains(first)) {
        for protocol in [6, 17] {
            let mut packet = BY_HAND;
            packet[0] = version_ihl;
            packet[9] = protocol;

            assert_eq!(parse(&packet), Err(NoSegment::Invalid), "{version_ihl:#x}");
        }
    }
}

#[test]
fn what_is_not_a_field_of_the_classic_line_changes_nothing_there() {
    let expected = fields(&BY_HAND);
    // TOS, identification, TTL, checksum; data offset and flags; data.
    let others = [1, 4, 5, 8, 10, 11, 32, 33, 40, 41, 42, 43];

    for index in others {
        for value in 0..=255 {
            let mut packet = BY_HAND;
            packet[index] = value;
            assert_eq!(fields(&packet), expected, "byte {index} is {value:#x}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn packets_built_by_etherparse_are_read_as_they_were_built(
        ip in strategies::ipv4_header(),
        tcp in strategies::tcp_header(),
        data in vec(any::<u8>(), 0..100),
        padding in 0..50_usize,
    ) {
        let ip = Ipv4Header {
            more_fragments: false,
            fragment_offset: IpFragOffset::ZERO,
            ..ip
        };
        let (source_port, destination_port) = (tcp.source_port, tcp.destination_port);
        let (seq, ack_seq) = (tcp.sequence_number, tcp.acknowledgment_number);
        let (window, urg_ptr) = (tcp.window_size, tcp.urgent_pointer);
        let (source, destination) = (ip.source.into(), ip.destination.into());
        let header_len = ip.header_len();
        let datagram_len = header_len + tcp.header_len() + data.len();

        let mut packet = Vec::new();
        PacketBuilder::ip(etherparse::IpHeaders::Ipv4(ip, Default::default()))
            .tcp_header(tcp)
            .write(&mut packet, &data)
            .unwrap();
        // The builder computes the checksum, and returns it only in the packet.
        let check = TcpHeader::from_slice(&packet[header_len..]).unwrap().0.checksum;
        packet.resize(packet.len() + padding, 0);

        prop_assert_eq!(
            parse(&packet).map(|segment| Fields::of(&segment, packet.len())),
            Ok(Fields {
                header_len,
                datagram_len,
                total_length: datagram_len as u16,
                fragment_offset: 0,
                protocol: 6,
                source,
                destination,
                source_port,
                destination_port,
                seq,
                ack_seq,
                window,
                check,
                urg_ptr,
            })
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    #[test]
    fn any_bytes_are_read_as_etherparse_reads_them(packet in strategies::any_bytes()) {
        _ = parse(&packet);
    }

    #[test]
    fn bytes_that_are_nearly_a_packet_are_read_as_etherparse_reads_them(
        packet in strategies::near_packet(),
    ) {
        _ = parse(&packet);
    }
}
