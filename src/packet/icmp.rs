// SPDX-License-Identifier: GPL-2.0

//! ICMP headers, [RFC 792](https://www.rfc-editor.org/rfc/rfc792), and ICMPv6 headers, [RFC
//! 4443](https://www.rfc-editor.org/rfc/rfc4443#section-2.1).

/// ICMP's number in the IPv4 header.
pub(crate) const PROTOCOL: u8 = 1;
/// ICMPv6's number in the IPv6 header.
pub(crate) const PROTOCOL_V6: u8 = 58;

/// The fields of an ICMP or ICMPv6 header, in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IcmpHeader {
    /// The message type.
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) check: u16,
    /// Identifier and sequence number, for message types that have them.
    pub(crate) echo: Option<Echo>,
    v6: bool,
}

/// The fields that match a reply to its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Echo {
    pub(crate) id: u16,
    pub(crate) seq: u16,
}

impl IcmpHeader {
    /// Length in bytes of the part common to all messages.
    pub(crate) const LEN: usize = 8;

    /// Parses an ICMP header, or an ICMPv6 header if `v6`. Any bytes are valid.
    #[inline(always)]
    pub(crate) fn parse(bytes: &[u8; Self::LEN], v6: bool) -> Self {
        let [kind, code, c0, c1, i0, i1, s0, s1] = *bytes;
        // Echo, timestamp, information, address mask: as in `dump_ipv4_packet()`, except that it
        // knows echo only.
        let has_id = match v6 {
            true => matches!(kind, 128 | 129),
            false => matches!(kind, 0 | 8 | 13..=18),
        };

        Self {
            kind,
            code,
            check: u16::from_be_bytes([c0, c1]),
            echo: has_id.then_some(Echo {
                id: u16::from_be_bytes([i0, i1]),
                seq: u16::from_be_bytes([s0, s1]),
            }),
            v6,
        }
    }

    /// Returns the name of the type, as nft spells it.
    pub(crate) fn kind_name(&self) -> Option<&'static str> {
        Some(match (self.v6, self.kind) {
            (false, 0) => "echo-reply",
            (false, 3) => "destination-unreachable",
            (false, 4) => "source-quench",
            (false, 5) => "redirect",
            (false, 8) => "echo-request",
            (false, 9) => "router-advertisement",
            (false, 10) => "router-solicitation",
            (false, 11) => "time-exceeded",
            (false, 12) => "parameter-problem",
            (false, 13) => "timestamp-request",
            (false, 14) => "timestamp-reply",
            (false, 15) => "info-request",
            (false, 16) => "info-reply",
            (false, 17) => "address-mask-request",
            (false, 18) => "address-mask-reply",
            (true, 1) => "destination-unreachable",
            (true, 2) => "packet-too-big",
            (true, 3) => "time-exceeded",
            (true, 4) => "parameter-problem",
            (true, 128) => "echo-request",
            (true, 129) => "echo-reply",
            (true, 130) => "mld-listener-query",
            (true, 131) => "mld-listener-report",
            (true, 132) => "mld-listener-done",
            (true, 133) => "nd-router-solicit",
            (true, 134) => "nd-router-advert",
            (true, 135) => "nd-neighbor-solicit",
            (true, 136) => "nd-neighbor-advert",
            (true, 137) => "nd-redirect",
            (true, 143) => "mld2-listener-report",
            _ => return None,
        })
    }

    /// Returns the name of the code, as nft spells it, if the type's codes have names.
    pub(crate) fn code_name(&self) -> Option<&'static str> {
        Some(match (self.v6, self.kind, self.code) {
            (false, 3, 0) => "net-unreachable",
            (false, 3, 1) => "host-unreachable",
            (false, 3, 2) => "prot-unreachable",
            (false, 3, 3) => "port-unreachable",
            (false, 3, 4) => "frag-needed",
            (false, 3, 9) => "net-prohibited",
            (false, 3, 10) => "host-prohibited",
            (false, 3, 13) => "admin-prohibited",
            (false, 5, 0) => "net-redirect",
            (false, 5, 1) => "host-redirect",
            (false, 11, 0) | (true, 3, 0) => "ttl-exceeded",
            (false, 11, 1) | (true, 3, 1) => "reassembly-timeout",
            (true, 1, 0) => "no-route",
            (true, 1, 1) => "admin-prohibited",
            (true, 1, 3) => "addr-unreachable",
            (true, 1, 4) => "port-unreachable",
            (true, 1, 5) => "policy-fail",
            (true, 1, 6) => "reject-route",
            _ => return None,
        })
    }
}
