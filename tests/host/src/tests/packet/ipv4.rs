// SPDX-License-Identifier: GPL-2.0

//! Tests of `src/packet/ipv4.rs`.

use std::net::Ipv4Addr;

use etherparse::Ipv4HeaderSlice;
use proptest::prelude::*;

use crate::{
    packet::ipv4::Ipv4Header,
    tests::strategies, //
};

/// Builds a header with all other fields 0.
fn header(version_ihl: u8, total_length: u16) -> [u8; 20] {
    let mut header = [0; 20];
    header[0] = version_ihl;
    header[2..4].copy_from_slice(&total_length.to_be_bytes());
    header
}

#[test]
fn the_header_of_a_known_packet_is_read() {
    // A well-known UDP example packet.
    let header = Ipv4Header::parse(&[
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00,
        0x01, 0xc0, 0xa8, 0x00, 0xc7,
    ]);

    assert_eq!(header.header_len(), 20);
    assert_eq!(header.total_length, 115);
    assert_eq!(header.fragment_offset, 0);
    assert_eq!(header.protocol, 17);
    assert_eq!(header.source, Ipv4Addr::new(192, 168, 0, 1));
    assert_eq!(header.destination, Ipv4Addr::new(192, 168, 0, 199));
}

#[test]
fn a_header_is_sound_if_and_only_if_version_and_lengths_make_sense() {
    for version_ihl in 0..=255 {
        let (version, header_len) = (version_ihl >> 4, usize::from(version_ihl & 0xf) * 4);

        for total_length in 0..=u16::MAX {
            let sane = version == 4
                && (20..=60).contains(&header_len)
                && (total_length == 0 || usize::from(total_length) >= header_len);
            let parsed = Ipv4Header::parse(&header(version_ihl, total_length));

            assert_eq!(
                (parsed.header_len(), parsed.total_length, parsed.is_sound()),
                (header_len, total_length, sane),
                "first byte {version_ihl:#x}, total length {total_length}",
            );
        }
    }
}

#[test]
fn the_fragment_offset_is_told_from_the_flags() {
    for field in 0..=u16::MAX {
        let mut header = header(0x45, 20);
        header[6..8].copy_from_slice(&field.to_be_bytes());
        let theirs = Ipv4HeaderSlice::from_slice(&header).unwrap();

        let ours = Ipv4Header::parse(&header).fragment_offset;
        assert_eq!(ours, field % 8192);
        assert_eq!(ours, theirs.fragments_offset().value());
    }
}

#[test]
fn a_datagram_ends_at_its_total_length_or_with_the_packet() {
    let header = |total_length| Ipv4Header::parse(&header(0x45, total_length));

    // With padding, without, and truncated.
    assert_eq!(header(100).datagram_len(146), 100);
    assert_eq!(header(100).datagram_len(100), 100);
    assert_eq!(header(100).datagram_len(99), 99);
    assert_eq!(header(65_535).datagram_len(70_000), 65_535);
    // With a total length of 0, nothing of the packet is padding.
    assert_eq!(header(0).datagram_len(20), 20);
    assert_eq!(header(0).datagram_len(500_000), 500_000);
    assert_eq!(header(0).datagram_len(usize::MAX), usize::MAX);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn headers_written_by_etherparse_are_read_as_they_were_written(
        theirs in strategies::ipv4_header(),
    ) {
        let bytes = theirs.to_bytes();
        let ours = Ipv4Header::parse(bytes.first_chunk().unwrap());

        prop_assert_eq!(ours.header_len(), bytes.len());
        prop_assert_eq!(ours.total_length, theirs.total_len);
        prop_assert_eq!(ours.fragment_offset, theirs.fragment_offset.value());
        prop_assert_eq!(ours.protocol, theirs.protocol.0);
        prop_assert_eq!(ours.source.octets(), theirs.source);
        prop_assert_eq!(ours.destination.octets(), theirs.destination);
    }
}
