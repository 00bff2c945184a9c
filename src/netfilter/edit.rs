// SPDX-License-Identifier: GPL-2.0

//! Changing a packet, for those who filter or mangle.
//!
//! Bytes are written to a copy of what is shared with clones, and sums that a device has made stay
//! right. Checksums inside the packet are the writer's to keep right, with the functions here.
//!
//! What the stack has checked once it relies on afterwards: a length that has grown since has it write beyond
//! what it made room for. So such bytes stay as they are: see [`Packet::write`].
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

/// Which checksum is brought up to date, and what of it has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Checksum {
    /// The IPv4 header's own, after a change in that header.
    IpHeader = bindings::nf_checksum_NF_CHECKSUM_IP_HEADER,
    /// The Internet checksum of a transport header other than UDP's, such as TCP's or ICMP's, after a change
    /// behind the IP header. SCTP's is none: a CRC.
    Transport = bindings::nf_checksum_NF_CHECKSUM_TRANSPORT,
    /// That of a transport header other than UDP's which covers the pseudo header too, after a change of an
    /// address.
    PseudoHeader = bindings::nf_checksum_NF_CHECKSUM_PSEUDO_HEADER,
    /// UDP's, after a change behind the IP header. A datagram without a sum, which has 0 there, stays one,
    /// and none becomes one: a sum of 0 is written as 0xffff.
    Udp = bindings::nf_checksum_NF_CHECKSUM_UDP,
    /// UDP's, likewise, after a change of an address.
    UdpPseudoHeader = bindings::nf_checksum_NF_CHECKSUM_UDP_PSEUDO_HEADER,
}

/// Which bytes of a packet stay as they are, by their offset from the network header.
enum Checked {
    /// None: the stack has looked at nothing yet.
    Nothing,
    Ipv4(TransportHeader),
    Ipv6(TransportHeader),
    Arp,
    /// All: what the stack knows of it is not known here.
    Everything,
}

/// Where options and extension headers end.
struct TransportHeader {
    offset: usize,
    is_tcp: bool,
}

impl TransportHeader {
    /// Whether a byte behind the fixed network header stays as it is: options, extension headers and TCP's data
    /// offset do.
    fn keeps(&self, index: usize) -> bool {
        const DATA_OFFSET: usize = 12;

        index < self.offset || self.is_tcp && index - self.offset == DATA_OFFSET
    }
}

impl Checked {
    /// Which bits of a byte stay as they are.
    fn kept(&self, index: usize) -> u8 {
        let is_kept = match self {
            Self::Nothing => false,
            // The version in front of the traffic class.
            Self::Ipv6(_) if index == 0 => return 0xf0,
            // DS field, identification, time to live, checksum, addresses.
            Self::Ipv4(_) if matches!(index, 1 | 4 | 5 | 8 | 10..20) => false,
            // Traffic class and flow label, hop limit, addresses.
            Self::Ipv6(_) if matches!(index, 1..4 | 7..40) => false,
            Self::Ipv4(header) | Self::Ipv6(header) => header.keeps(index),
            // Kinds and lengths of addresses.
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
    /// Routes the packet again by what it is now: its mark, addresses and DS field.
    ///
    /// A packet that this host sends has its route before it comes to `LOCAL_OUT`. Whoever changes there what
    /// it was routed by calls this afterwards, as C's mangle table does. At other points, where packets are
    /// routed later or have been for good, and for other families than IPv4 and IPv6, nothing happens.
    ///
    /// If there is no route, all that is left is the verdict: the packet is dropped, and the sender is
    /// told.
    pub fn reroute(self) -> Result<Self, Verdict<'a>> {
        match (self.state().pf.into(), self.state().hook.into()) {
            (
                bindings::NFPROTO_IPV4 | bindings::NFPROTO_IPV6,
                bindings::nf_inet_hooks_NF_INET_LOCAL_OUT,
            ) => {}
            _ => return Ok(self),
        }
        // SAFETY: The packet is valid and ours alone, and the state is its own, by the type invariant.
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
        // SAFETY: `skb` is valid, and ours alone, by the type invariant.
        unsafe { bindings::skb_set_mark(self.as_ptr(), mark) };
    }

    /// Sets the priority for queueing disciplines.
    #[inline]
    pub fn set_priority(&mut self, priority: u32) {
        // SAFETY: `skb` is valid, and ours alone, by the type invariant.
        unsafe { bindings::skb_set_priority(self.as_ptr(), priority) };
    }

    /// Forgets the [`hash`](Self::hash) of the packet's flow, so that who needs one makes it of what is in
    /// the packet then.
    ///
    /// Nothing else here does. A received packet's hash is that of the flow on the wire, by which the device
    /// and RPS have steered it, and stays so when NAT changes addresses; a socket's is one of its own.
    /// Whoever makes several flows of one, or one of several, calls this.
    #[inline]
    pub fn clear_hash(&mut self) {
        // SAFETY: `skb` is valid, and ours alone, by the type invariant.
        unsafe { bindings::skb_clear_hash(self.as_ptr()) };
    }

    /// Writes `bytes` at `offset`.
    ///
    /// At a device's ingress, where the stack has not looked at the packet yet, anywhere. At all other points
    /// what it has checked stays as it is, and so do all bytes of other protocols:
    ///
    /// - IPv4: version and lengths, fragmentation, protocol, options,
    /// - IPv6: version, length, next header, extension headers,
    /// - ARP: kinds and lengths of addresses,
    /// - TCP: the data offset.
    ///
    /// `bytes` may cover those, with what stands there. Checksums, the route and the hash are the caller's to
    /// keep right: see [`update_checksum16`](Self::update_checksum16), [`reroute`](Self::reroute),
    /// [`clear_hash`](Self::clear_hash).
    ///
    /// `EINVAL` if the packet ends before them, `EPERM` if a byte that is to stay would not, `EBUSY` if who
    /// sends the packet uses it again, as pktgen does, `ENOMEM` if what has to be copied first cannot be; the
    /// packet is as it was then.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Result {
        // No index beyond what a number can say, which may be a panic where a module checks for overflows.
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

        // SAFETY: `skb` is valid and ours alone, and has just been made writable that far.
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

    /// Brings the checksum at `offset` up to date after 16 bits have changed `from` one value `to`
    /// another, both as they stand in the packet.
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

        // SAFETY: `skb` is valid and ours alone, and has just been made writable beyond the sum.
        unsafe {
            bindings::nf_tracer_skb_csum_replace(self.as_ptr(), start, from, to, checksum as u32);
        }
        Ok(())
    }

    /// What the stack has checked of the packet where its hook is.
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
            // Where it is not found, all up to the end is kept.
            offset: usize::try_from(offset).unwrap_or(usize::MAX),
            is_tcp,
        }
    }

    /// Has the packet up to the end of `len` bytes at `offset` linear and unshared. Gives where they
    /// start, from `skb->data`.
    fn make_writable(&mut self, offset: usize, len: usize) -> Result<c_int> {
        let start = self.data_offset(offset).ok_or(EINVAL)?;
        let end = start.checked_add(len).ok_or(EINVAL)?;

        if len > self.len().saturating_sub(offset) {
            return Err(EINVAL);
        }
        let end = u32::try_from(end).map_err(|_| EINVAL)?;
        // SAFETY: `skb` is valid, and ours but for who waits to send it once more, by the type invariant.
        to_result(unsafe { bindings::nf_tracer_skb_make_writable(self.as_ptr(), end) })?;

        c_int::try_from(start).map_err(|_| EINVAL)
    }
}
