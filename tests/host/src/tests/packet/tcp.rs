// SPDX-License-Identifier: GPL-2.0

//! Tests of `src/packet/tcp.rs`.

use etherparse::TcpHeaderSlice;
use proptest::prelude::*;

use crate::{
    packet::tcp::{
        TcpHeader,
        PROTOCOL, //
    },
    tests::strategies,
};

#[test]
fn the_protocol_number_is_that_of_iana() {
    assert_eq!(PROTOCOL, etherparse::ip_number::TCP.0);
}

#[test]
fn the_header_of_the_example_line_is_read() {
    let header = TcpHeader::parse(&[
        0xd9, 0x08, 0xa2, 0xe9, 0x86, 0x8e, 0x12, 0xa3, 0xfe, 0x13, 0xb0, 0xef, 0x80, 0x10, 0x4f,
        0xee, 0xfe, 0x28, 0x00, 0x00,
    ]);

    assert_eq!(
        header,
        TcpHeader {
            source_port: 55560,
            destination_port: 41705,
            seq: 2_257_457_827,
            ack_seq: 4_262_703_343,
            data_offset: 8,
            flags: header.flags,
            window: 20462,
            check: 0xfe28,
            urg_ptr: 0,
        }
    );
    assert_eq!(header.flags.names().collect::<Vec<_>>(), ["ACK"]);
}

/// Returns the names of the flags, by etherparse's accessors.
fn names(flags: [bool; 9]) -> Vec<&'static str> {
    let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"];
    names
        .into_iter()
        .zip(flags)
        .filter_map(|(name, set)| set.then_some(name))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn headers_written_by_etherparse_are_read_as_they_were_written(
        theirs in strategies::tcp_header(),
    ) {
        let ours = TcpHeader::parse(theirs.to_bytes().first_chunk().unwrap());

        prop_assert_eq!(
            ours.flags.names().collect::<Vec<_>>(),
            names([
                theirs.fin, theirs.syn, theirs.rst, theirs.psh, theirs.ack, theirs.urg, theirs.ece,
                theirs.cwr, theirs.ns,
            ])
        );
        prop_assert_eq!(
            ours,
            TcpHeader {
                source_port: theirs.source_port,
                destination_port: theirs.destination_port,
                seq: theirs.sequence_number,
                ack_seq: theirs.acknowledgment_number,
                data_offset: theirs.data_offset(),
                flags: ours.flags,
                window: theirs.window_size,
                check: theirs.checksum,
                urg_ptr: theirs.urgent_pointer,
            }
        );
    }

    #[test]
    fn any_20_bytes_are_a_header_whatever_their_data_offset(mut bytes: [u8; 20]) {
        let ours = TcpHeader::parse(&bytes);

        let data_offset = bytes[12] >> 4;
        let flags = u16::from_be_bytes([bytes[12] & 1, bytes[13]]);
        prop_assert_eq!(ours.flags.bits(), flags);
        // The only data offset that etherparse accepts with 20 bytes.
        bytes[12] = (5 << 4) | (bytes[12] & 0x0f);
        let theirs = TcpHeaderSlice::from_slice(&bytes).unwrap();

        prop_assert_eq!(
            ours,
            TcpHeader {
                source_port: theirs.source_port(),
                destination_port: theirs.destination_port(),
                seq: theirs.sequence_number(),
                ack_seq: theirs.acknowledgment_number(),
                data_offset,
                flags: ours.flags,
                window: theirs.window_size(),
                check: theirs.checksum(),
                urg_ptr: theirs.urgent_pointer(),
            }
        );
    }
}
