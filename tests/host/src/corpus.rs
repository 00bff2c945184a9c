// SPDX-License-Identifier: GPL-2.0

//! The fuzz target's corpus: packets from their IPv4 header on, one per file.
//!
//! A file's name starts with the expected outcome, which a test compares. An input found by the
//! fuzzer is kept by adding it to the folder under such a name.

use std::path::{
    Path,
    PathBuf, //
};

use etherparse::{
    ip_number,
    IpFragOffset,
    IpNumber,
    Ipv4Header,
    TcpHeader, //
};

/// Returns the path of the corpus.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/packet")
}

/// Builds a TCP packet with `data`, after `change` of its headers.
fn tcp(change: impl FnOnce(&mut Ipv4Header, &mut TcpHeader), data: &[u8]) -> Vec<u8> {
    let mut ip = Ipv4Header::new(0, 64, ip_number::TCP, [10, 1, 2, 3], [192, 168, 4, 5])
        .expect("an empty datagram is not too long");
    let mut tcp = TcpHeader::new(55560, 80, 2_257_457_827, 20462);
    ip.dont_fragment = true;
    tcp.ack = true;
    tcp.acknowledgment_number = 4_262_703_343;
    tcp.checksum = 0xfe28;
    change(&mut ip, &mut tcp);

    ip.set_payload_len(tcp.header_len() + data.len())
        .expect("the packets here are short");
    ip.header_checksum = ip.calc_header_checksum();
    [&ip.to_bytes(), &tcp.to_bytes(), data].concat()
}

/// Builds a TCP packet without options or data, with `bytes` written over it at `offset`.
fn patched<const N: usize>(offset: usize, bytes: [u8; N]) -> Vec<u8> {
    let mut packet = tcp(|_, _| {}, &[]);
    packet[offset..offset + N].copy_from_slice(&bytes);
    packet
}

/// Truncates `packet` to `len` bytes.
fn cut(len: usize, packet: &[u8]) -> Vec<u8> {
    packet[..len].to_vec()
}

/// Builds a TCP packet with this number of words of IP options.
fn ip_options(words: usize) -> Vec<u8> {
    let no_operations = [1; 40];
    tcp(
        |ip, _| {
            ip.options = no_operations[..words * 4].try_into().expect("whole words");
        },
        b"data",
    )
}

/// Builds a fragment of 24 bytes with `offset` in units of 8 bytes.
fn fragment(offset: u16, more_fragments: bool) -> Vec<u8> {
    tcp(
        |ip, _| {
            ip.dont_fragment = false;
            ip.more_fragments = more_fragments;
            ip.fragment_offset = IpFragOffset::try_new(offset).expect("13 bits");
        },
        b"data",
    )
}

/// Builds a packet of another protocol.
fn other(protocol: IpNumber) -> Vec<u8> {
    tcp(|ip, _| ip.protocol = protocol, b"data")
}

/// Builds a TCP packet with an authentication header between IP and TCP.
fn authenticated() -> Vec<u8> {
    let mut packet = patched(9, [ip_number::AUTH.0]);
    // Next header, length in words minus 2, reserved, SPI, sequence number, 4 bytes of ICV.
    let auth = [6, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef];
    packet.splice(20..20, auth);
    packet[3] = 56;
    packet
}

/// Returns the names and contents of all files.
pub fn packets() -> Vec<(&'static str, Vec<u8>)> {
    let plain = || tcp(|_, _| {}, &[]);
    let padded = |total_length| [patched(2, [0, total_length]), vec![0; 6]].concat();

    vec![
        ("segment-plain", plain()),
        ("segment-data", tcp(|_, _| {}, b"GET / HTTP/1.0\r\n\r\n")),
        (
            "segment-syn-with-options",
            tcp(
                |_, tcp| {
                    (tcp.syn, tcp.ack) = (true, false);
                    tcp.set_options_raw(&[2, 4, 5, 180, 4, 2, 1, 3, 3, 7])
                        .expect("not too long");
                },
                &[],
            ),
        ),
        (
            "segment-urgent",
            tcp(
                |_, tcp| (tcp.urg, tcp.urgent_pointer) = (true, 0x1234),
                b"!",
            ),
        ),
        (
            "segment-loopback-of-the-readme",
            patched(12, [127, 0, 0, 1, 127, 0, 0, 1]),
        ),
        ("segment-fields-zero", patched(20, [0; 20])),
        ("segment-fields-all-ones", patched(12, [0xff; 28])),
        ("segment-check-of-one-digit", patched(36, [0, 0x0a])),
        ("segment-ip-options-1-word", ip_options(1)),
        ("segment-ip-options-9-words", ip_options(9)),
        ("segment-ip-options-10-words", ip_options(10)),
        ("segment-first-fragment", fragment(0, true)),
        ("segment-reserved-fragment-flag", patched(6, [0x80, 0])),
        ("segment-padding-behind", padded(40)),
        (
            "segment-big-tcp",
            [patched(2, [0, 0]), vec![0; 100]].concat(),
        ),
        (
            "segment-total-length-beyond-packet",
            patched(2, [0xff, 0xff]),
        ),
        (
            "segment-total-length-one-beyond-packet",
            patched(2, [0, 41]),
        ),
        ("segment-bad-ip-checksum", patched(10, [0, 0])),
        ("segment-tcp-data-offset-0", patched(32, [0x00])),
        ("segment-tcp-data-offset-4", patched(32, [0x40])),
        ("segment-tcp-options-cut", patched(32, [0xf0])),
        ("invalid-version-0", patched(0, [0x05])),
        ("invalid-version-5", patched(0, [0x55])),
        ("invalid-version-6", patched(0, [0x65])),
        ("invalid-ihl-0", patched(0, [0x40])),
        ("invalid-ihl-4", patched(0, [0x44])),
        ("invalid-total-length-1", patched(2, [0, 1])),
        ("invalid-total-length-19", patched(2, [0, 19])),
        ("invalid-total-length-in-options", {
            let mut packet = ip_options(10);
            packet[3] = 59;
            packet
        }),
        ("invalid-udp-of-version-6", {
            let mut packet = other(ip_number::UDP);
            packet[0] = 0x65;
            packet
        }),
        ("other-protocol-0", other(IpNumber(0))),
        ("other-protocol-icmp", other(ip_number::ICMP)),
        ("other-protocol-udp", other(ip_number::UDP)),
        ("other-protocol-sctp", other(ip_number::SCTP)),
        ("other-protocol-255", other(IpNumber(255))),
        ("other-protocol-authentication-before-tcp", authenticated()),
        ("other-protocol-later-fragment", {
            let mut packet = fragment(1, false);
            packet[9] = ip_number::UDP.0;
            packet
        }),
        (
            "other-protocol-without-payload",
            cut(20, &other(ip_number::UDP)),
        ),
        ("other-protocol-with-options-cut", {
            let mut packet = cut(24, &ip_options(10));
            packet[9] = ip_number::UDP.0;
            // Only the options are missing from the datagram.
            packet[3] = 60;
            packet
        }),
        ("later-fragment-second", fragment(3, true)),
        ("later-fragment-last", fragment(3, false)),
        ("later-fragment-offset-1", fragment(1, false)),
        ("later-fragment-offset-256", fragment(256, false)),
        ("later-fragment-offset-4096", fragment(4096, false)),
        ("later-fragment-offset-8191", fragment(8191, false)),
        ("later-fragment-of-8-bytes", cut(28, &fragment(1, false))),
        ("later-fragment-with-options-cut", {
            let mut packet = cut(24, &ip_options(10));
            packet[7] = 1;
            packet
        }),
        ("truncated-empty", vec![]),
        ("truncated-1-byte", cut(1, &plain())),
        ("truncated-19-bytes", cut(19, &plain())),
        ("truncated-20-bytes", cut(20, &plain())),
        ("truncated-39-bytes", cut(39, &plain())),
        ("truncated-ip-options", cut(59, &ip_options(10))),
        ("truncated-behind-ip-options", cut(79, &ip_options(10))),
        (
            "truncated-first-fragment-of-8-bytes",
            cut(28, &fragment(0, true)),
        ),
        ("truncated-big-tcp", cut(39, &patched(2, [0, 0]))),
        ("truncated-total-length-20-then-padding", padded(20)),
        ("truncated-total-length-39-then-padding", padded(39)),
    ]
}
