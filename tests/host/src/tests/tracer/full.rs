// SPDX-License-Identifier: GPL-2.0

//! Tests of `src/tracer/full.rs` and `src/packet/tcp_options.rs`.

use etherparse::{
    PacketBuilder,
    TcpOptionElement,
    TcpOptions as TheirOptions, //
};
use proptest::{
    collection::vec,
    prelude::*, //
};

use crate::{
    above::Above,
    packet::{
        tcp_options::TcpOptions,
        Malformed,
        Network,
        PktInfo,
        Ports,
        Transport, //
    },
    pieces::{
        full::{
            self,
            Meta, //
        },
        line::Line, //
    },
};

const META: Meta<'_> = Meta {
    hook: "prerouting",
    family: "ipv4",
    input: Some(b"eth0"),
    output: None,
    netns: 7,
    mark: 0x2a,
    uid: Some(1000),
    len: 60,
    segments: None,
    checksum: "none",
};
const HEAD: &str = "hook=prerouting family=ipv4 in=eth0 netns=7 mark=0x2a uid=1000 len=60";

/// Returns the tracer's full line for an IPv4 packet.
fn line(meta: &Meta<'_>, packet: &[u8]) -> String {
    let info = PktInfo::classify(Network::parse_ipv4(&packet), &packet);
    let options = match &info.headers {
        Some((network, Transport::Tcp(tcp))) if tcp.data_offset > 5 => {
            TcpOptions::read(&packet, network, tcp)
        }
        _ => None,
    };
    let mut line = Line::new();

    full::write(&mut line, meta, &info, options.as_ref());
    line.as_str().to_owned()
}

/// Builds a SYN with these bytes of options.
fn with_options(options: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(1, 2, 3, 4)
        .syn()
        .options_raw(options)
        .unwrap()
        .write(&mut packet, &[])
        .unwrap();
    packet
}

/// Returns the value of `options=`.
fn options(bytes: &[u8]) -> String {
    let line = line(&META, &with_options(bytes));
    line.split_once("options=").unwrap().1.to_owned()
}

#[test]
fn every_key_of_a_segment_is_there() {
    let mut packet = with_options(&[
        2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8, 1, 3, 3, 7,
    ]);
    packet[36..38].copy_from_slice(&[0xab, 0xcd]);

    assert_eq!(
        line(&META, &packet),
        format!(
            "{HEAD} src=10.0.0.1 dst=10.0.0.2 ttl=64 tos=0x0 id=0 df proto=tcp sport=1 dport=2 seq=3 ack=0 \
             window=4 flags=SYN urg=0 csum=0xabcd csum_state=none payload=0 \
             options=mss:1460,sackOK,ts:9:8,wscale:7"
        )
    );
}

#[test]
fn a_port_that_is_not_there_has_no_key() {
    let packet = with_options(&[]);
    let network = Network::parse_ipv4(&packet.as_slice()).unwrap();
    let ports = Ports {
        source: Some(7),
        destination: None,
    };
    let mut line = Line::new();
    let transport = Transport::Ports(ports);
    let info = PktInfo {
        headers: Some((network, transport)),
        malformed: None,
    };
    full::write(&mut line, &META, &info, None);

    assert!(line.as_str().ends_with(" proto=tcp sport=7"));
}

#[test]
fn ports_of_udp_lite_and_dccp_are_told_as_far_as_they_are_there() {
    for protocol in [33, 136] {
        let packet = |len| {
            let mut packet = Vec::new();
            let ports = [0x1f, 0x90, 0x00, 0x35];
            PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
                .write(&mut packet, protocol.into(), &ports[..len])
                .unwrap();
            packet
        };
        for (len, told) in [
            (4, " sport=8080 dport=53"),
            (3, " sport=8080 TRUNCATED"),
            (1, " TRUNCATED"),
        ] {
            let line = line(&META, &packet(len));
            assert!(
                line.ends_with(&format!(" proto={protocol}{told}")),
                "{line}"
            );
        }
    }
}

#[test]
fn options_of_every_kind_are_told_and_nonsense_is_called_so() {
    assert_eq!(options(&[5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1]), "sack:1-2");
    assert_eq!(
        options(&[34, 6, 0xde, 0xad, 0xbe, 0xef, 1, 1]),
        "fastopen:deadbeef"
    );
    assert_eq!(options(&[30, 4, 0x20, 0]), "mptcp:2");
    assert_eq!(options(&[254, 4, 0xf9, 0x89]), "opt-254:f989");
    assert_eq!(options(&[2, 3, 1, 1]), "opt-2:01");
    assert_eq!(options(&[2, 0, 1, 1]), "INVALID:02000101");
    assert_eq!(options(&[2, 9, 1, 1]), "INVALID:02090101");
    assert_eq!(options(&[1, 1, 1, 8]), "INVALID:08");
    assert_eq!(options(&[0, 2, 4, 5]), "");
}

#[test]
fn a_packet_that_is_cut_or_makes_no_sense_is_called_so() {
    let packet = with_options(&[2, 4, 5, 0xb4]);
    let with_end = |len: usize| {
        let mut cut = packet[..len].to_vec();
        cut[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        line(&META, &cut)
    };

    assert_eq!(line(&META, &packet[..19]), format!("{HEAD} TRUNCATED"));
    assert_eq!(
        line(&META, &[0x65; 40]),
        format!(
            "{HEAD} src=101.101.101.101 dst=101.101.101.101 ttl=101 tos=0x65 id=25957 df frag=11048+ \
             proto=101 INVALID"
        )
    );
    for len in 20..40 {
        let ports = match len {
            20 | 21 => "",
            22 | 23 => " sport=1",
            _ => " sport=1 dport=2",
        };
        let end = format!(" proto=tcp{ports} TRUNCATED");
        assert!(with_end(len).ends_with(&end), "{}", with_end(len));
    }
    assert!(with_end(42).ends_with(" csum_state=none TRUNCATED"));
    // Bytes behind the datagram are padding, not options.
    let mut padded = packet.clone();
    padded[3] = 42;
    assert!(line(&META, &padded).ends_with(" csum_state=none TRUNCATED"));
    let mut short = packet.clone();
    short[32] = 0x40;
    assert!(line(&META, &short).ends_with(" INVALID"));
    assert!(!line(&META, &packet).contains("INVALID"));
}

#[test]
fn nobody_forges_a_line_by_the_name_of_a_device() {
    let meta = Meta {
        input: Some(b"a\nb c=d\\\xff"),
        ..META
    };
    assert!(line(&meta, &with_options(&[])).contains(" in=a\\x0ab\\x20c\\x3dd\\x5c\\xff netns="));
}

#[test]
fn nothing_of_the_longest_line_is_cut() {
    let meta = Meta {
        hook: "postrouting",
        input: Some(&[0xff; 15]),
        output: Some(&[0xff; 15]),
        netns: u32::MAX,
        mark: u32::MAX,
        uid: Some(u32::MAX),
        len: u32::MAX as usize,
        segments: Some(u16::MAX),
        checksum: "unnecessary",
        ..META
    };
    // The longest form of options is that whose bytes are shown.
    let mut packet = with_options(&[[254; 2].as_slice(), &[0xff; 38]].concat());
    packet[41] = 40;
    packet[8..10].copy_from_slice(&[0xff, 6]);
    packet[12..32].fill(0xff);
    packet[33..40].fill(0xff);
    let line = line(&meta, &packet);

    assert!(line.ends_with(&"ff".repeat(38)), "{line}");
    // IPv6's two addresses take up to 48 characters more, besides its flow label.
    assert!(line.len() + 100 < full::CAPACITY, "{}", line.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn options_are_told_as_etherparse_reads_them(bytes in vec(any::<u8>(), 0..=40)) {
        let padded = TheirOptions::try_from_slice(&bytes).unwrap();
        let packet = with_options(&bytes);
        let network = Network::parse_ipv4(&packet.as_slice()).unwrap();
        let Ok(Transport::Tcp(tcp)) = network.transport(&packet.as_slice()) else { panic!() };
        let ours = TcpOptions::read(&packet.as_slice(), &network, &tcp).unwrap();

        use crate::packet::tcp_options::TcpOption::*;
        let mut ours = ours.iter();
        for theirs in padded.elements_iter() {
            // It cannot skip an option that it does not know.
            let Ok(theirs) = theirs else { break };
            match theirs {
                TcpOptionElement::Noop => {}
                TcpOptionElement::MaximumSegmentSize(mss) => prop_assert_eq!(ours.next(), Some(Mss(mss))),
                TcpOptionElement::WindowScale(shift) => prop_assert_eq!(ours.next(), Some(WindowScale(shift))),
                TcpOptionElement::SelectiveAcknowledgementPermitted => {
                    prop_assert_eq!(ours.next(), Some(SackPermitted));
                }
                TcpOptionElement::SelectiveAcknowledgement(first, more) => {
                    let Some(Sack(blocks)) = ours.next() else { panic!() };
                    let theirs: Vec<_> = [Some(first)].into_iter().chain(more).flatten().collect();
                    prop_assert_eq!(blocks.iter().collect::<Vec<_>>(), theirs);
                }
                TcpOptionElement::Timestamp(value, echo) => {
                    prop_assert_eq!(ours.next(), Some(Timestamps { value, echo }));
                }
            }
        }
    }

    #[test]
    fn any_packet_makes_a_line_of_plain_characters(packet in vec(any::<u8>(), 0..120)) {
        let line = line(&META, &packet);
        prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        let packet = packet.as_slice();
        let malformed = PktInfo::classify(Network::parse_ipv4(&packet), &packet).malformed;
        prop_assert_eq!(malformed == Some(Malformed::Invalid), line.ends_with(" INVALID"));
        prop_assert_eq!(malformed == Some(Malformed::Truncated), line.ends_with(" TRUNCATED"));
    }
}
