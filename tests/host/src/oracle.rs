// SPDX-License-Identifier: GPL-2.0

//! The `etherparse` crate's parse of a packet.
//!
//! etherparse is stricter than the tracer. Wherever that matters, the [`Difference`] is recorded,
//! the cause of the error is repaired, and parsing continues: every packet is compared.

use std::net::Ipv4Addr;

use etherparse::{
    err::{
        ipv4::{
            HeaderSliceError,
            SliceError, //
        },
        tcp,
        Layer,
        LenError, //
    },
    IpNumber,
    Ipv4HeaderSlice,
    Ipv4Slice,
    LaxIpv4Slice,
    LenSource,
    NetSlice,
    SlicedPacket,
    TcpHeaderSlice,
    TransportSlice, //
};

use crate::segment::{
    NoSegment,
    Segment, //
};

/// A difference between the tracer and etherparse's strict parse of a whole packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// It rejects a header with truncated options. The tracer parses the 20 bytes that are present,
    /// to recognise another protocol or a later fragment.
    OptionsCut,
    /// It rejects a total length of 0. The tracer takes that for BIG TCP, which ends where the
    /// packet does; so does etherparse's lax parser.
    TotalLengthZero,
    /// It rejects a packet that ends before its total length, as in truncated captures. The tracer
    /// only needs the headers; so does etherparse's lax parser.
    PacketCut,
    /// It skips an authentication header (RFC 4302). To the tracer that is another protocol.
    TcpBehindAuthentication,
    /// It does not parse fragments. The tracer parses the TCP header in the first one.
    FirstFragment,
    /// It rejects a TCP header with a length below 20 bytes. The tracer does not check the data
    /// offset.
    DataOffsetTooSmall,
    /// It rejects a TCP header with truncated options. The tracer does not parse them.
    TcpOptionsCut,
}

impl Difference {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 7] = [
        Self::OptionsCut,
        Self::TotalLengthZero,
        Self::PacketCut,
        Self::TcpBehindAuthentication,
        Self::FirstFragment,
        Self::DataOffsetTooSmall,
        Self::TcpOptionsCut,
    ];
}

/// All fields of a segment that the tracer parses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) header_len: usize,
    pub(crate) datagram_len: usize,
    pub(crate) total_length: u16,
    pub(crate) fragment_offset: u16,
    pub(crate) protocol: u8,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) seq: u32,
    pub(crate) ack_seq: u32,
    pub(crate) window: u16,
    pub(crate) check: u16,
    pub(crate) urg_ptr: u16,
}

impl Fields {
    /// Returns the tracer's fields for a packet of `packet_len` bytes.
    pub(crate) fn of(segment: &Segment, packet_len: usize) -> Self {
        let Segment { ip, tcp, .. } = segment;

        Self {
            header_len: ip.header_len(),
            datagram_len: ip.datagram_len(packet_len),
            total_length: ip.total_length,
            fragment_offset: ip.fragment_offset,
            protocol: ip.protocol,
            source: ip.source,
            destination: ip.destination,
            source_port: tcp.source_port,
            destination_port: tcp.destination_port,
            seq: tcp.seq,
            ack_seq: tcp.ack_seq,
            window: tcp.window,
            check: tcp.check,
            urg_ptr: tcp.urg_ptr,
        }
    }

    /// Returns etherparse's fields.
    fn read(ip: &LaxIpv4Slice<'_>, tcp: &TcpHeaderSlice<'_>) -> Self {
        let header = ip.header();

        Self {
            header_len: header.slice().len(),
            datagram_len: header.slice().len() + ip.payload().payload.len(),
            total_length: header.total_len(),
            fragment_offset: header.fragments_offset().value(),
            protocol: header.protocol().0,
            source: header.source_addr(),
            destination: header.destination_addr(),
            source_port: tcp.source_port(),
            destination_port: tcp.destination_port(),
            seq: tcp.sequence_number(),
            ack_seq: tcp.acknowledgment_number(),
            window: tcp.window_size(),
            check: tcp.checksum(),
            urg_ptr: tcp.urgent_pointer(),
        }
    }

    /// Returns the classic line, by the standard library's formatting.
    pub(crate) fn classic_line(&self) -> String {
        format!(
            "source : {}:{} | dest : {}:{} | seq : {} | ack_seq : {} | window : {} | csum : {:#x} | urg_ptr : {}",
            self.source,
            self.source_port,
            self.destination,
            self.destination_port,
            self.seq,
            self.ack_seq,
            self.window,
            self.check,
            self.urg_ptr,
        )
    }
}

/// A packet as parsed by etherparse.
pub(crate) struct Reading {
    pub(crate) outcome: Result<Fields, NoSegment>,
    pub(crate) differences: Vec<Difference>,
}

/// Parses a packet from its IPv4 header on.
pub(crate) fn read(packet: &[u8]) -> Reading {
    let mut differences = Vec::new();
    let outcome = read_leniently(packet, &mut differences);

    // There must be a recorded difference exactly if the results differ.
    let strictly = read_strictly(packet);
    let expected = outcome.ok().filter(|_| differences.is_empty());
    assert_eq!(
        strictly, expected,
        "the strict reading (left) of {packet:02x?} is not the one expected with {differences:?}",
    );

    Reading {
        outcome,
        differences,
    }
}

/// Parses by etherparse's entry point, without authentication headers.
fn read_strictly(packet: &[u8]) -> Option<Fields> {
    let sliced = SlicedPacket::from_ip(packet).ok()?;
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Tcp(tcp))) = (sliced.net, sliced.transport)
    else {
        return None;
    };
    if ip.extensions().auth.is_some() {
        return None;
    }

    let (ip, _) = LaxIpv4Slice::from_slice(packet).ok()?;
    let tcp = TcpHeaderSlice::from_slice(tcp.header_slice()).ok()?;
    Some(Fields::read(&ip, &tcp))
}

/// Parses layer by layer, past every [`Difference`].
fn read_leniently(packet: &[u8], differences: &mut Vec<Difference>) -> Result<Fields, NoSegment> {
    let mut packet = packet.to_vec();

    match Ipv4HeaderSlice::from_slice(&packet) {
        Ok(_) => {}
        Err(HeaderSliceError::Content(_)) => return Err(NoSegment::Invalid),
        Err(HeaderSliceError::Len(LenError { required_len, .. })) => {
            if required_len == etherparse::Ipv4Header::MIN_LEN {
                return Err(NoSegment::Truncated);
            }
            differences.push(Difference::OptionsCut);
            packet.resize(required_len, 0);
        }
    }

    match Ipv4Slice::from_slice(&packet) {
        Err(SliceError::Len(LenError {
            layer: Layer::Ipv4Packet,
            len_source: LenSource::Ipv4HeaderTotalLen,
            len,
            ..
        })) => {
            if len != 0 {
                return Err(NoSegment::Invalid);
            }
            differences.push(Difference::TotalLengthZero);
        }
        Err(SliceError::Len(LenError {
            layer: Layer::Ipv4Packet,
            len_source: LenSource::Slice,
            ..
        })) => differences.push(Difference::PacketCut),
        // The remaining errors are those in an authentication header.
        Ok(_) | Err(_) => {}
    }
    let (ip, _) = LaxIpv4Slice::from_slice(&packet).expect("the header has been read before");

    if ip.header().protocol() != IpNumber::TCP {
        if ip.payload_ip_number() == IpNumber::TCP {
            differences.push(Difference::TcpBehindAuthentication);
        }
        return Err(NoSegment::OtherProtocol);
    }
    if ip.header().fragments_offset().value() != 0 {
        return Err(NoSegment::LaterFragment);
    }
    if ip.header().more_fragments() {
        differences.push(Difference::FirstFragment);
    }

    let tcp = ip.payload().payload;
    let mut tcp = *tcp
        .first_chunk::<{ etherparse::TcpHeader::MIN_LEN }>()
        .ok_or(NoSegment::Truncated)?;
    match TcpHeaderSlice::from_slice(ip.payload().payload) {
        Ok(_) => {}
        Err(tcp::HeaderSliceError::Content(tcp::HeaderError::DataOffsetTooSmall { .. })) => {
            differences.push(Difference::DataOffsetTooSmall);
        }
        Err(tcp::HeaderSliceError::Len(_)) => differences.push(Difference::TcpOptionsCut),
    }
    // etherparse accepts a header whose length says that it has no options.
    tcp[12] = (5 << 4) | (tcp[12] & 0x0f);
    let tcp = TcpHeaderSlice::from_slice(&tcp).expect("20 bytes that say so are a TCP header");

    Ok(Fields::read(&ip, &tcp))
}
