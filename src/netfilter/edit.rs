// SPDX-License-Identifier: GPL-2.0

//! Packet modification, for handlers that filter or mangle.
//!
//! Data shared with clones is copied before it is written, and checksums computed by a device stay
//! correct. Checksums inside the packet are the caller's to update, with the functions here.
//!
//! The stack relies on what it has validated: writing a length larger than that would let it write
//! beyond its buffers. So validated bytes cannot be changed: see [`Packet::write`].
//!
//! C sources: [`nft_payload_set_eval()`](srctree/net/netfilter/nft_payload.c),
//! [`skb_ensure_writable()`](srctree/net/core/skbuff.c),
//! [`inet_proto_csum_replace4()`](srctree/net/core/utils.c),
//! [`ip_route_me_harder()`](srctree/net/ipv4/netfilter.c)

use super::{
    Packet,
    Verdict, //
};
use crate::bindings;
use core::ffi::c_int;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// The checksum to update, and what has changed under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Checksum {
    /// The IPv4 header checksum, after a change in that header.
    IpHeader = bindings::nf_checksum_NF_CHECKSUM_IP_HEADER,
    /// The Internet checksum of a transport header other than UDP's, such as TCP's or ICMP's, after
    /// a change behind the IP header. Not SCTP's, which is a CRC.
    Transport = bindings::nf_checksum_NF_CHECKSUM_TRANSPORT,
    /// The checksum of a transport header other than UDP's that covers the pseudo header, after a
    /// change of an address.
    PseudoHeader = bindings::nf_checksum_NF_CHECKSUM_PSEUDO_HEADER,
    /// The UDP checksum, after a change behind the IP header. A datagram without a checksum (0)
    /// stays without one, and none becomes one: a sum of 0 is written as 0xffff.
    Udp = bindings::nf_checksum_NF_CHECKSUM_UDP,
    /// The UDP checksum, likewise, after a change of an address.
    UdpPseudoHeader = bindings::nf_checksum_NF_CHECKSUM_UDP_PSEUDO_HEADER,
}

/// The bytes of a packet that must not change, by offset from the network header.
enum Checked {
    /// None: the stack has not parsed the packet yet.
    Nothing,
    Ipv4(TransportHeader),
    Ipv6(TransportHeader),
    Arp,
    /// All: what the stack has validated is not known here.
    Everything,
}

/// The end of options and extension headers.
struct TransportHeader {
    offset: usize,
    is_tcp: bool,
}

impl TransportHeader {
    /// Returns whether a byte behind the fixed network header must not change: those of options,
    /// extension headers and TCP's data offset.
    fn keeps(&self, index: usize) -> bool {
        const DATA_OFFSET: usize = 12;

        index < self.offset || self.is_tcp && index - self.offset == DATA_OFFSET
    }
}

impl Checked {
    /// Returns the bits of a byte that must not change.
    fn kept(&self, index: usize) -> u8 {
        let is_kept = match self {
            Self::Nothing => false,
            // The version, in front of the traffic class.
            Self::Ipv6(_) if index == 0 => return 0xf0,
            // DS field, identification, TTL, checksum, addresses.
            Self::Ipv4(_) if matches!(index, 1 | 4 | 5 | 8 | 10..20) => false,
            // Traffic class and flow label, hop limit, addresses.
            Self::Ipv6(_) if matches!(index, 1..4 | 7..40) => false,
            Self::Ipv4(header) | Self::Ipv6(header) => header.keeps(index),
            // Address types and lengths.
            Self::Arp => index < 6,
            Self::Everything => true,
        };

        if is_kept {
            0xff
        } else {
            0
        }
    }
}

impl<'a> Packet<'a> {
    /// Reroutes the packet by its current mark, addresses and DS field.
    ///
    /// A locally generated packet is routed before it reaches `LOCAL_OUT`. A handler that changes
    /// there what it was routed by calls this afterwards, as C's mangle table does. A no-op at
    /// other points, where packets are routed later or already for good, and for families other
    /// than IPv4 and IPv6.
    ///
    /// Without a route the packet is dropped, the sender gets the error, and only the verdict is
    /// returned.
    pub fn reroute(self) -> Result<Self, Verdict<'a>> {
        match (self.state().pf.into(), self.state().hook.into()) {
            (
                bindings::NFPROTO_IPV4 | bindings::NFPROTO_IPV6,
                bindings::nf_inet_hooks_NF_INET_LOCAL_OUT,
            ) => {}
            _ => return Ok(self),
        }
        // SAFETY: By the type invariant the packet is valid and exclusively ours, and the state is
        // its own.
        match to_result(unsafe { bindings::nf_tracer_reroute(self.as_ptr(), self.state()) }) {
            Ok(()) => Ok(self),
            Err(error) => Err(self.drop_with_error(error)),
        }
    }
}

impl Packet<'_> {
    /// Sets the mark. At `LOCAL_OUT` see [`reroute`](Self::reroute).
    #[inline]
    pub fn set_mark(&mut self, mark: u32) {
        // SAFETY: By the type invariant `skb` is valid and exclusively ours.
        unsafe { bindings::skb_set_mark(self.as_ptr(), mark) };
    }

    /// Sets the priority for queueing disciplines.
    #[inline]
    pub fn set_priority(&mut self, priority: u32) {
        // SAFETY: By the type invariant `skb` is valid and exclusively ours.
        unsafe { bindings::skb_set_priority(self.as_ptr(), priority) };
    }

    /// Clears the [`hash`](Self::hash) of the packet's flow, so that the next user recomputes it
    /// from the packet's current contents.
    ///
    /// No other function here does so. A received packet's hash is that of the flow on the wire, by
    /// which the device and RPS have steered it, and survives NAT; a socket has a hash of its own.
    /// For handlers that split one flow into several or merge several into one.
    #[inline]
    pub fn clear_hash(&mut self) {
        // SAFETY: By the type invariant `skb` is valid and exclusively ours.
        unsafe { bindings::skb_clear_hash(self.as_ptr()) };
    }

    /// Writes `bytes` at `offset`, in bytes from the network header.
    ///
    /// At a device's ingress, where the stack has not parsed the packet yet, any byte can be
    /// written. At all other points the fields that the stack has validated must not change, nor
    /// any byte of other protocols:
    ///
    /// - IPv4: version and lengths, fragmentation, protocol, options,
    /// - IPv6: version, length, next header, extension headers,
    /// - ARP: address types and lengths,
    /// - TCP: the data offset.
    ///
    /// `bytes` may cover such fields if it keeps their values. The caller updates checksums, the
    /// route and the hash: see [`update_checksum16`](Self::update_checksum16),
    /// [`reroute`](Self::reroute), [`clear_hash`](Self::clear_hash).
    ///
    /// # Errors
    ///
    /// On error the packet is unchanged.
    ///
    /// - `EINVAL`: the packet ends before the last byte,
    /// - `EPERM`: a byte that must not change would,
    /// - `EBUSY`: the sender reuses the packet, as pktgen does,
    /// - `EOPNOTSUPP`: the packet is a list of segments (C's `frag_list`), as SCTP sends, and the
    ///   last byte is behind the first of them,
    /// - `ENOMEM`: out of memory for a copy.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Result {
        // An index that overflows would panic in a module built with overflow checks.
        let end = offset.checked_add(bytes.len()).ok_or(EINVAL)?;
        let checked = self.checked();
        let changes = |(index, new): (usize, &u8)| match checked.kept(index) {
            0 => false,
            kept => self.copy(index).is_none_or(|[old]| (old ^ new) & kept != 0),
        };
        if (offset..end).zip(bytes).any(changes) {
            return Err(EPERM);
        }
        let start = self.make_writable(offset, bytes.len())?;

        // SAFETY: `skb` is valid and exclusively ours, and was made writable that far above.
        unsafe {
            bindings::nf_tracer_skb_write(
                self.as_ptr(),
                start,
                bytes.as_ptr().cast(),
                bytes.len() as c_int,
            );
        }
        Ok(())
    }

    /// Updates the checksum at `offset` after 16 bits have changed from `from` to `to`, both as
    /// they stand in the packet.
    ///
    /// Errors are those of [`Self::write`].
    pub fn update_checksum16(
        &mut self,
        offset: usize,
        from: [u8; 2],
        to: [u8; 2],
        checksum: Checksum,
    ) -> Result {
        let (from, to) = (u16::from_ne_bytes(from), u16::from_ne_bytes(to));

        self.update_checksum(offset, u32::from(from), u32::from(to), checksum)
    }

    /// As [`Self::update_checksum16`], for 32 bits.
    pub fn update_checksum32(
        &mut self,
        offset: usize,
        from: [u8; 4],
        to: [u8; 4],
        checksum: Checksum,
    ) -> Result {
        self.update_checksum(
            offset,
            u32::from_ne_bytes(from),
            u32::from_ne_bytes(to),
            checksum,
        )
    }

    fn update_checksum(&mut self, offset: usize, from: u32, to: u32, checksum: Checksum) -> Result {
        let checked = self.checked();
        let end = offset.checked_add(2).ok_or(EINVAL)?;
        if (offset..end).any(|index| checked.kept(index) != 0) {
            return Err(EPERM);
        }
        let start = self.make_writable(offset, 2)?;

        // SAFETY: `skb` is valid and exclusively ours, and was made writable beyond the checksum
        // above.
        unsafe {
            bindings::nf_tracer_skb_csum_replace(self.as_ptr(), start, from, to, checksum as u32);
        }
        Ok(())
    }

    /// Returns what the stack has validated of the packet at its hook.
    fn checked(&self) -> Checked {
        let ethertype = match self.state().pf.into() {
            bindings::NFPROTO_NETDEV if self.is_at_ingress() => return Checked::Nothing,
            bindings::NFPROTO_IPV4 => bindings::ETH_P_IP,
            bindings::NFPROTO_IPV6 => bindings::ETH_P_IPV6,
            bindings::NFPROTO_ARP => bindings::ETH_P_ARP,
            // SAFETY: `skb` is valid by the type invariant.
            _ => u32::from(unsafe { bindings::skb_protocol_host_order(self.as_ptr()) }),
        };

        match ethertype {
            bindings::ETH_P_IP => Checked::Ipv4(self.transport_header()),
            bindings::ETH_P_IPV6 => Checked::Ipv6(self.transport_header()),
            bindings::ETH_P_ARP => Checked::Arp,
            _ => Checked::Everything,
        }
    }

    fn is_at_ingress(&self) -> bool {
        u32::from(self.state().hook) == bindings::nf_dev_hooks_NF_NETDEV_INGRESS
    }

    fn transport_header(&self) -> TransportHeader {
        let mut is_tcp = false;
        // SAFETY: `skb` is valid by the type invariant.
        let offset =
            unsafe { bindings::nf_tracer_skb_transport_header_at(self.as_ptr(), &mut is_tcp) };

        TransportHeader {
            // If not found, all bytes up to the end must not change.
            offset: usize::try_from(offset).unwrap_or(usize::MAX),
            is_tcp,
        }
    }

    /// Makes the packet linear and unshared up to the end of `len` bytes at `offset`. Returns their
    /// offset from `skb->data`.
    fn make_writable(&mut self, offset: usize, len: usize) -> Result<c_int> {
        let start = self.data_offset(offset).ok_or(EINVAL)?;
        let end = start.checked_add(len).ok_or(EINVAL)?;

        if len > self.len().saturating_sub(offset) {
            return Err(EINVAL);
        }
        let end = u32::try_from(end).map_err(|_| EINVAL)?;
        // SAFETY: By the type invariant `skb` is valid, and ours except for a sender that waits to
        // transmit it again.
        to_result(unsafe { bindings::nf_tracer_skb_make_writable(self.as_ptr(), end) })?;

        c_int::try_from(start).map_err(|_| EINVAL)
    }
}
