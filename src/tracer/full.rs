// SPDX-License-Identifier: GPL-2.0

//! The full line format: all that is known of a packet, as `key=value` separated by blanks.
//!
//! ```text
//! hook=prerouting family=ipv4 in=eth0 netns=4026531833 mark=0x0 len=60 src=10.0.0.1 dst=10.0.0.2 ttl=64 tos=0x0 id=4711 df proto=tcp sport=41000 dport=80 seq=1 ack=0 window=64240 flags=SYN csum=0x1234 csum_state=none urg=0 payload=0 options=mss:1460,sackOK,ts:1:0,wscale:7
//! ```
//!
//! | key | value |
//! | --- | --- |
//! | `hook`, `family` | the hook point |
//! | `in`, `out` | devices, where the hook has them; bytes other than plain characters as `\xNN` |
//! | `netns` | inode number of the network namespace |
//! | `mark` | the packet mark |
//! | `uid` | owner of the packet's socket: the sender's, also inside a tunnel's packet; from `LOCAL_IN` on, or earlier with early demux, the receiver's; none for kernel sockets |
//! | `len` | bytes from the network header on |
//! | `segments` | with segmentation offload only, the number of packets this one stands for: as the kernel has counted them, or will |
//! | `src`, `dst`, `ttl`, `hoplimit`, `tos`, `tc`, `flowlabel`, `id` | of the IP header |
//! | `df` | don't fragment |
//! | `frag` | fragment offset in bytes, with `+` if more fragments follow; `fragid` is IPv6's identification |
//! | `proto` | name, or number; that of an extension header if the upper layer is not known |
//! | `sport`, `dport`, `seq`, `ack`, `window`, `urg`, `vtag` | of the transport header |
//! | `flags` | TCP's, in the order FIN,SYN,RST,PSH,ACK,URG,ECE,CWR,AE |
//! | `type`, `code`, `echoid`, `echoseq` | of ICMP, by name where there is one |
//! | `csum` | the checksum field as it is |
//! | `csum_state` | `none`: not validated; `unnecessary`: validated by a device; `complete`: a device summed the packet; `partial`: a device is to complete the field, which is not wrong but unfinished |
//! | `payload` | bytes of TCP or UDP payload in this packet; UDP's own length counts |
//! | `options` | TCP's, in order |
//!
//! The line of a packet that ends inside a header ends with `TRUNCATED`; with an invalid header,
//! `INVALID`; with more extension headers than are walked, `TOO_MANY_EXTHDRS`. The fields before
//! the defect are shown, and of a truncated header, the ports.
//!
//! Validated are IPv4's version, header length and total length; IPv6's version and the lengths of
//! its extension headers; TCP's data offset; and UDP's length, by the rules of `udp_rcv()`: not
//! less than its header, not more than is present except in a first fragment, and 0 only in a
//! jumbogram or with segmentation offload. Not validated are checksums, the options of IPv4 and
//! IPv6, and whatever else has a length of its own behind the first bytes of its header: SCTP's
//! chunks, the extensions of ICMP errors and what they quote, UDP-Lite's coverage, DCCP's data
//! offset. The kernel itself drops a packet for these after the hooks.
//!
//! Pure Rust, independent of the kernel, as [`packet`](crate::packet).

use super::{
    line::Line,
    settings::protocols, //
};
use crate::packet::{
    icmp::IcmpHeader,
    tcp::TcpHeader,
    tcp_options::{
        TcpOption,
        TcpOptions, //
    },
    Ip,
    Malformed,
    Network,
    PktInfo,
    Transport, //
};

/// Room for the longest line, which a test measures, in bytes. A record of the log holds 1,000.
pub(crate) const CAPACITY: usize = 896;

/// What the kernel knows of a packet beside its bytes, as nft's `meta`.
pub(crate) struct Meta<'a> {
    pub(crate) hook: &'static str,
    pub(crate) family: &'static str,
    /// The names of the input and output devices.
    pub(crate) input: Option<&'a [u8]>,
    pub(crate) output: Option<&'a [u8]>,
    /// The network namespace's inode number.
    pub(crate) netns: u32,
    pub(crate) mark: u32,
    /// The owner of the packet's socket.
    pub(crate) uid: Option<u32>,
    /// Bytes from the network header on.
    pub(crate) len: usize,
    /// The number of segments, with segmentation offload.
    pub(crate) segments: Option<u16>,
    pub(crate) checksum: &'static str,
}

/// Appends the full line of a packet, with TCP's options if it has any.
pub(crate) fn write(
    line: &mut Line<CAPACITY>,
    meta: &Meta<'_>,
    info: &PktInfo,
    options: Option<&TcpOptions>,
) {
    write_meta(line, meta);
    if let Some((network, transport)) = &info.headers {
        write_network(line, network);
        write_transport(line, network, transport, meta.checksum);
    }
    if let Some(options) = options {
        write_options(line, options);
    }
    match info.malformed {
        Some(Malformed::Truncated) => line.text(" TRUNCATED"),
        Some(Malformed::Invalid) => line.text(" INVALID"),
        Some(Malformed::TooManyExtensions) => line.text(" TOO_MANY_EXTHDRS"),
        None => line,
    };
}

fn write_meta(line: &mut Line<CAPACITY>, meta: &Meta<'_>) {
    line.text("hook=")
        .text(meta.hook)
        .text(" family=")
        .text(meta.family);
    if let Some(name) = meta.input {
        line.text(" in=").word(name);
    }
    if let Some(name) = meta.output {
        line.text(" out=").word(name);
    }
    line.text(" netns=")
        .decimal(meta.netns)
        .format(format_args!(" mark={:#x}", meta.mark));
    if let Some(uid) = meta.uid {
        line.text(" uid=").decimal(uid);
    }
    line.text(" len=").decimal(meta.len as u32);
    if let Some(segments) = meta.segments {
        line.text(" segments=").decimal(segments.into());
    }
}

fn write_network(line: &mut Line<CAPACITY>, network: &Network) {
    line.text(" src=")
        .address(network.source())
        .text(" dst=")
        .address(network.destination());
    match network.ip {
        Ip::V4(ip) => {
            line.text(" ttl=")
                .decimal(ip.ttl.into())
                .text(" tos=")
                .hex(ip.tos.into())
                .text(" id=")
                .decimal(ip.id.into());
            if ip.dont_fragment {
                line.text(" df");
            }
        }
        Ip::V6(ip) => {
            line.text(" hoplimit=")
                .decimal(ip.hop_limit.into())
                .text(" tc=")
                .hex(ip.traffic_class.into())
                .text(" flowlabel=")
                .decimal(ip.flow_label);
        }
    }
    if let Some(fragment) = network.fragment {
        line.text(" frag=")
            .decimal(u32::from(fragment.offset) * 8)
            .text(if fragment.more { "+" } else { "" });
        if matches!(network.ip, Ip::V6(_)) {
            line.text(" fragid=").decimal(fragment.id);
        }
    }
    line.text(" proto=");
    match protocols::name(network.protocol) {
        Some(name) => line.text(name),
        None => line.decimal(network.protocol.into()),
    };
}

fn write_transport(
    line: &mut Line<CAPACITY>,
    network: &Network,
    transport: &Transport,
    checksum: &'static str,
) {
    let ports = transport.ports();
    if let Some(source) = ports.source {
        line.text(" sport=").decimal(source.into());
    }
    if let Some(destination) = ports.destination {
        line.text(" dport=").decimal(destination.into());
    }
    let check = match transport {
        Transport::Tcp(tcp) => {
            write_tcp(line, tcp);
            Some(tcp.check)
        }
        Transport::Udp(udp) => Some(udp.check),
        Transport::Icmp(icmp) => {
            write_icmp(line, icmp);
            Some(icmp.check)
        }
        Transport::Sctp(sctp) => {
            line.text(" vtag=").decimal(sctp.verification_tag);
            None
        }
        Transport::Ports(_) | Transport::Other | Transport::LaterFragment => None,
    };
    if let Some(check) = check {
        line.text(" csum=")
            .hex(check)
            .text(" csum_state=")
            .text(checksum);
    }
    if let Some(len) = network.payload_len(transport) {
        line.text(" payload=").decimal(len as u32);
    }
}

fn write_tcp(line: &mut Line<CAPACITY>, tcp: &TcpHeader) {
    line.text(" seq=")
        .decimal(tcp.seq)
        .text(" ack=")
        .decimal(tcp.ack_seq)
        .text(" window=")
        .decimal(tcp.window.into())
        .text(" flags=");
    list(line, tcp.flags.names(), |line, name| {
        line.text(name);
    });
    line.text(" urg=").decimal(tcp.urg_ptr.into());
}

fn write_icmp(line: &mut Line<CAPACITY>, icmp: &IcmpHeader) {
    line.text(" type=");
    match icmp.kind_name() {
        Some(name) => line.text(name),
        None => line.decimal(icmp.kind.into()),
    };
    line.text(" code=");
    match icmp.code_name() {
        Some(name) => line.text(name),
        None => line.decimal(icmp.code.into()),
    };
    if let Some(echo) = icmp.echo {
        line.text(" echoid=")
            .decimal(echo.id.into())
            .text(" echoseq=")
            .decimal(echo.seq.into());
    }
}

fn write_options(line: &mut Line<CAPACITY>, options: &TcpOptions) {
    line.text(" options=");
    list(line, options.iter(), |line, option| match option {
        TcpOption::Mss(mss) => {
            line.text("mss:").decimal(mss.into());
        }
        TcpOption::WindowScale(shift) => {
            line.text("wscale:").decimal(shift.into());
        }
        TcpOption::SackPermitted => {
            line.text("sackOK");
        }
        TcpOption::Sack(blocks) => {
            line.text("sack");
            for (left, right) in blocks.iter() {
                line.text(":").decimal(left).text("-").decimal(right);
            }
        }
        TcpOption::Timestamps { value, echo } => {
            line.text("ts:").decimal(value).text(":").decimal(echo);
        }
        TcpOption::FastOpen(cookie) => {
            line.text("fastopen:").hex_bytes(cookie);
        }
        TcpOption::Mptcp(subtype) => {
            line.text("mptcp:").decimal(subtype.into());
        }
        TcpOption::Other { kind, data } => {
            line.text("opt-")
                .decimal(kind.into())
                .text(":")
                .hex_bytes(data);
        }
        TcpOption::Invalid(rest) => {
            line.text("INVALID:").hex_bytes(rest);
        }
    });
}

/// Appends a list separated by commas.
fn list<T>(
    line: &mut Line<CAPACITY>,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Line<CAPACITY>, T),
) {
    let mut comma = "";

    for item in items {
        line.text(comma);
        write(line, item);
        comma = ",";
    }
}
