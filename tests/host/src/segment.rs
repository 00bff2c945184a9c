// SPDX-License-Identifier: GPL-2.0

//! TCP over IPv4 as the tests against etherparse see it: both headers at once, or one reason why
//! they are absent.

use crate::{
    above::Above,
    packet::{
        ipv4::Ipv4Header,
        tcp::{
            self,
            TcpHeader, //
        },
        Bytes,
        Ip,
        Malformed,
        Network,
        Transport, //
    },
};

/// A TCP segment over IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) network: Network,
    pub(crate) ip: Ipv4Header,
    pub(crate) tcp: TcpHeader,
}

/// The reason why a packet is not a [`Segment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSegment {
    Invalid,
    OtherProtocol,
    LaterFragment,
    Truncated,
}

impl From<Malformed> for NoSegment {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Invalid => Self::Invalid,
            Malformed::Truncated => Self::Truncated,
            Malformed::TooManyExtensions => panic!("IPv4 has no extension headers"),
        }
    }
}

impl Segment {
    pub(crate) fn parse(packet: &impl Bytes) -> Result<Self, NoSegment> {
        let network = Network::parse_ipv4(packet).ok_or(Malformed::Truncated)?;
        let Ip::V4(ip) = network.ip else {
            panic!("an IPv4 header was read as {network:?}");
        };

        if let Some(malformed) = network.malformed {
            return Err(malformed.into());
        }
        if network.protocol != tcp::PROTOCOL {
            return Err(NoSegment::OtherProtocol);
        }
        match network.transport(packet)? {
            Transport::Tcp(tcp) => Ok(Self { network, ip, tcp }),
            Transport::LaterFragment => Err(NoSegment::LaterFragment),
            other => panic!("TCP was read as {other:?}"),
        }
    }
}
