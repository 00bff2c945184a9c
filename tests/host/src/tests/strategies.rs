// SPDX-License-Identifier: GPL-2.0

//! Proptest strategies for headers and packets.

use etherparse::{
    IpDscp,
    IpEcn,
    IpFragOffset,
    IpNumber,
    Ipv4Header,
    TcpHeader, //
};
use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::TestRunner, //
};

use crate::{
    oracle::{
        self,
        Difference, //
    },
    segment::NoSegment,
};

/// Returns a strategy for any IPv4 header that etherparse can write.
pub(super) fn ipv4_header() -> impl Strategy<Value = Ipv4Header> {
    let options = (0..=10_usize).prop_flat_map(|words| vec(any::<u8>(), words * 4));
    let flags = any::<(bool, bool)>();

    (any::<[u8; 20]>(), options, flags, 0..1_u16 << 13).prop_map(
        |(random, options, (dont_fragment, more_fragments), fragment_offset)| {
            let [dscp, ecn, len0, len1, id0, id1, ttl, protocol, check0, check1, ..] = random;
            let [.., s0, s1, s2, s3, d0, d1, d2, d3] = random;
            let mut header = Ipv4Header {
                dscp: IpDscp::try_new(dscp >> 2).unwrap(),
                ecn: IpEcn::try_new(ecn >> 6).unwrap(),
                total_len: u16::from_be_bytes([len0, len1]),
                identification: u16::from_be_bytes([id0, id1]),
                dont_fragment,
                more_fragments,
                fragment_offset: IpFragOffset::try_new(fragment_offset).unwrap(),
                time_to_live: ttl,
                protocol: IpNumber(protocol),
                header_checksum: u16::from_be_bytes([check0, check1]),
                source: [s0, s1, s2, s3],
                destination: [d0, d1, d2, d3],
                ..Ipv4Header::default()
            };
            header.options = options.as_slice().try_into().unwrap();
            // A header longer than its datagram is invalid, and has a test of its own.
            header.total_len = header.total_len.max(header.header_len() as u16);
            header
        },
    )
}

/// Returns a strategy for any TCP header that etherparse can write.
pub(super) fn tcp_header() -> impl Strategy<Value = TcpHeader> {
    let numbers = any::<(u16, u16, u32, u32, u16, u16, u16)>();
    let options = vec(any::<u8>(), 0..=40);

    (numbers, any::<[bool; 9]>(), options).prop_map(|(numbers, flags, options)| {
        let (source_port, destination_port, seq, ack_seq, window, checksum, urgent_pointer) =
            numbers;
        let [ns, fin, syn, rst, psh, ack, urg, ece, cwr] = flags;
        let mut header = TcpHeader {
            ns,
            fin,
            syn,
            rst,
            psh,
            ack,
            urg,
            ece,
            cwr,
            acknowledgment_number: ack_seq,
            checksum,
            urgent_pointer,
            ..TcpHeader::new(source_port, destination_port, seq, window)
        };
        header.set_options_raw(&options).unwrap();
        header
    })
}

/// Returns a strategy for arbitrary bytes. Hardly any are a packet.
pub(super) fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

/// Returns a strategy for bytes that are nearly a packet: every field on which the outcome depends
/// is valid most of the time, and otherwise close to it, or arbitrary.
pub(super) fn near_packet() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![20 => Just(4), 1 => 0..16_u8];
    let ihl = prop_oneof![4 => Just(5), 4 => 5..16_u8, 1 => 0..5_u8];
    let protocol = prop_oneof![8 => Just(6), 1 => Just(51), 1 => any::<u8>()];
    let fragment = prop_oneof![
        6 => prop_oneof![Just(0), Just(0x4000)],
        2 => prop_oneof![Just(0x2000), Just(0x8000)],
        1 => any::<u16>(),
    ];
    // Either relative to the packet's real length, or absolute.
    let total_length = prop_oneof![
        6 => (-4..5_isize).prop_map(Ok),
        4 => (-100..100_isize).prop_map(Ok),
        2 => Just(Err(0)),
        1 => any::<u16>().prop_map(Err),
    ];
    let header = (version, ihl, protocol, fragment, total_length);
    let cut = prop_oneof![3 => Just(None), 1 => (0..140_usize).prop_map(Some)];

    (header, any::<[u8; 60]>(), vec(any::<u8>(), 0..80), cut).prop_map(
        |((version, ihl, protocol, fragment, total_length), random, mut payload, cut)| {
            if let (51, [next_header, words, ..]) = (protocol, payload.as_mut_slice()) {
                (*next_header, *words) = (6, *words % 8);
            }
            let mut packet = random[..usize::from(ihl.max(5)) * 4].to_vec();
            packet.extend(payload);
            let total_length = match total_length {
                Ok(more) => packet.len().saturating_add_signed(more) as u16,
                Err(absolute) => absolute,
            };
            packet[0] = (version << 4) | ihl;
            packet[2..4].copy_from_slice(&total_length.to_be_bytes());
            packet[6..8].copy_from_slice(&fragment.to_be_bytes());
            packet[9] = protocol;
            packet.truncate(cut.unwrap_or(usize::MAX));
            packet
        },
    )
}

/// As [`near_packet`], for IPv6: with extension headers of all kinds, in any number, and those that
/// the kernel treats as protocols, with lengths that are mostly valid.
pub(super) fn near_packet_v6() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![20 => Just(6), 1 => 0..16_u8];
    let number = prop_oneof![
        8 => Just(60),
        4 => prop_oneof![Just(0), Just(43), Just(51)],
        3 => Just(44),
        1 => prop_oneof![Just(135), Just(139), Just(140), Just(59), Just(50)],
    ];
    let units = prop_oneof![12 => Just(0), 3 => 1..4_u8, 1 => any::<u8>()];
    let extension = (number, units, any::<[u8; 6]>());
    let count = prop_oneof![4 => 0..4_usize, 2 => 11..18_usize, 1 => 0..40_usize];
    let chain = count.prop_flat_map(move |count| vec(extension.clone(), count));
    let protocol = prop_oneof![4 => Just(6), 6 => Just(17), 2 => prop_oneof![Just(33), Just(132), Just(136), Just(58)],
        1 => any::<u8>()];
    let payload_length = prop_oneof![6 => Just(Ok(0)), 2 => (-30..9_isize).prop_map(Ok), 2 => Just(Err(0)),
        1 => any::<u16>().prop_map(Err)];
    let udp_length = prop_oneof![4 => (-3..9_isize).prop_map(Ok), 2 => Just(Err(0)), 1 => any::<u16>().prop_map(Err)];
    let cut = prop_oneof![3 => Just(None), 1 => (0..200_usize).prop_map(Some)];
    let header = (version, protocol, payload_length, udp_length);

    (
        header,
        any::<[u8; 40]>(),
        chain,
        vec(any::<u8>(), 0..60),
        cut,
    )
        .prop_map(
            |((version, protocol, payload_length, udp_length), fixed, chain, mut payload, cut)| {
                let mut packet = fixed.to_vec();
                packet[0] = (version << 4) | (packet[0] & 15);
                packet[6] = chain.first().map_or(protocol, |(number, ..)| *number);
                let absolute = |real: usize, length| match length {
                    Ok(more) => real.saturating_add_signed(more) as u16,
                    Err(absolute) => absolute,
                };
                for (index, (number, units, mut rest)) in chain.iter().copied().enumerate() {
                    let next = chain
                        .get(index + 1)
                        .map_or(protocol, |(number, ..)| *number);
                    match (number, rest[1] % 4) {
                        // Mostly a first fragment, or a complete datagram.
                        (44, 1..) => rest = [0, rest[1] & 1, rest[2], rest[3], rest[4], rest[5]],
                        (0, 1..) => rest = [194, 4, 0, rest[3] & 1, 0, 0],
                        _ => {}
                    }
                    packet.extend([next, units]);
                    packet.extend(rest);
                    let len = match number {
                        44 => 8,
                        51 => (usize::from(units) + 2) * 4,
                        _ => (usize::from(units) + 1) * 8,
                    };
                    if units < 4 {
                        packet.resize(packet.len() + len.saturating_sub(8), rest[5]);
                    }
                }
                if protocol == 17 && payload.len() >= 8 {
                    let length = absolute(payload.len(), udp_length);
                    payload[4..6].copy_from_slice(&length.to_be_bytes());
                }
                packet.extend(payload);
                let length = absolute(packet.len() - 40, payload_length);
                packet[4..6].copy_from_slice(&length.to_be_bytes());
                packet.truncate(cut.unwrap_or(usize::MAX));
                packet
            },
        )
}

/// Ensures that comparisons of such bytes are not vacuous.
#[test]
fn bytes_that_are_nearly_a_packet_show_every_outcome_and_every_difference_from_etherparse() {
    let mut runner = TestRunner::deterministic();
    let readings: Vec<_> = (0..5_000)
        .map(|_| near_packet().new_tree(&mut runner).unwrap())
        .map(|tree| oracle::read(&tree.current()))
        .collect();
    let count = |test: &dyn Fn(&oracle::Reading) -> bool| {
        readings.iter().filter(|reading| test(reading)).count()
    };

    for reason in [
        NoSegment::Invalid,
        NoSegment::OtherProtocol,
        NoSegment::LaterFragment,
        NoSegment::Truncated,
    ] {
        assert!(
            count(&|reading| reading.outcome == Err(reason)) > 100,
            "{reason:?}"
        );
    }
    assert!(count(&|reading| reading.outcome.is_ok()) > 1_000);
    assert!(count(&|reading| reading.outcome.is_ok() && reading.differences.is_empty()) > 100);
    for difference in Difference::ALL {
        assert!(
            count(&|reading| reading.differences.contains(&difference)) > 50,
            "{difference:?}"
        );
    }
}
