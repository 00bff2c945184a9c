// SPDX-License-Identifier: GPL-2.0

//! The packet that a handler is called with: what can be read of it.
//!
//! What can be changed is in [`edit`](super::edit), what can be answered in
//! [`verdict`](super::verdict).
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::SocketRef;
use crate::bindings;
use core::{
    ffi::c_int,
    marker::PhantomData, //
};

/// A packet, for the time of one call of a handler.
///
/// It is not reference-counted and cannot be kept: `'a` ends with the call. Answering consumes it.
/// Whoever wants to keep it has it put in a queue with [`steal`](Self::steal).
///
/// Offsets count from the start of the network header, also where a link-layer header stands before
/// it. A packet need not be linear: what lies in page fragments or in a fragment list is read like
/// the rest. Nothing is ever read from where `transport_header` points, which at the first hooks is
/// not yet set to the transport header.
///
/// # Invariants
///
/// `skb` is valid, and `self` is the only access to it, for `'a`. `state` is that of the hook's call for it,
/// whose socket is valid for as long as the packet is.
pub struct Packet<'a> {
    skb: *mut bindings::sk_buff,
    state: &'a bindings::nf_hook_state,
    /// Where the network header starts, from `skb->data`. If that is before `data`, it is a number
    /// that is beyond the end of any packet.
    network_offset: u32,
    /// Invariant in `'a`, so that no verdict on one packet passes for one on another.
    _call: PhantomData<fn(&'a ()) -> &'a ()>,
}

/// How far the checksum of a packet's transport header has been made or checked, C's `ip_summed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ChecksumState {
    /// Nobody has looked: `CHECKSUM_NONE`.
    None = bindings::CHECKSUM_NONE,
    /// A device has found it right: `CHECKSUM_UNNECESSARY`.
    Unnecessary = bindings::CHECKSUM_UNNECESSARY,
    /// A device has summed up the packet, which the stack has yet to compare: `CHECKSUM_COMPLETE`.
    Complete = bindings::CHECKSUM_COMPLETE,
    /// Only a part is in the header, the rest is left to a device: `CHECKSUM_PARTIAL`.
    Partial = bindings::CHECKSUM_PARTIAL,
}

impl<'a> Packet<'a> {
    /// Wraps the `skb` that a hook was called with, and the state.
    ///
    /// # Safety
    ///
    /// `skb` must be valid for `'a`, with its network header set, and be used by nobody else in
    /// that time. All that `state` names must be valid for as long, and `okfn` be null or the function to
    /// call for the packet if it passes the hook point.
    #[inline]
    pub(super) unsafe fn from_raw(
        skb: *mut bindings::sk_buff,
        state: &'a bindings::nf_hook_state,
    ) -> Self {
        // INVARIANT: By this function's safety requirements.
        Self {
            skb,
            state,
            // SAFETY: The caller guarantees that `skb` is valid and its network header set.
            network_offset: unsafe { network_offset(skb) },
            _call: PhantomData,
        }
    }

    /// The packet for C.
    #[inline]
    pub(super) fn as_ptr(&self) -> *mut bindings::sk_buff {
        self.skb
    }

    /// The state of the packet's hook for C.
    #[inline]
    pub(super) fn state(&self) -> &'a bindings::nf_hook_state {
        self.state
    }

    /// Where the network header starts, from `skb->data`; beyond the packet if that is before `data`.
    #[inline]
    pub(super) fn network_offset(&self) -> u32 {
        self.network_offset
    }

    /// Where `offset` is, from `skb->data`. `None` beyond what a number can say.
    #[inline]
    pub(super) fn data_offset(&self, offset: usize) -> Option<usize> {
        (self.network_offset as usize).checked_add(offset)
    }

    /// The number of bytes from the network header to the end, padding included.
    ///
    /// With segmentation offload this can be more than fits the IP header's length field.
    #[inline]
    pub fn len(&self) -> usize {
        // SAFETY: `skb` is valid by the type invariant.
        let len = unsafe { (*self.skb).len };

        len.saturating_sub(self.network_offset) as usize
    }

    /// Whether there are no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of bytes from the network header on that lie in one piece.
    #[inline]
    pub fn linear_len(&self) -> usize {
        // SAFETY: `skb` is valid by the type invariant.
        let (len, data_len) = unsafe { ((*self.skb).len, (*self.skb).data_len) };
        len.wrapping_sub(data_len)
            .saturating_sub(self.network_offset) as usize
    }

    /// Copies `N` bytes at `offset`. `None` if the packet ends before them.
    ///
    /// As C's `skb_header_pointer()`, but always a copy: the memory of a packet may be shared with
    /// clones and with user space, and a Rust reference promises that nobody writes.
    ///
    /// Always inlined, so that of the bytes only those are loaded that the caller uses.
    #[inline(always)]
    pub fn copy<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let start = self.data_offset(offset)?;
        let end = start.checked_add(N)?;
        // SAFETY: `skb` is valid by the type invariant.
        let (data, len, data_len) =
            unsafe { ((*self.skb).data, (*self.skb).len, (*self.skb).data_len) };

        // What `skb_headlen()` says: this many bytes are at `data`, the others elsewhere.
        if end <= len.wrapping_sub(data_len) as usize {
            // SAFETY: `start + N` bytes from `data` on are in the linear part, as just checked, and
            // an array of bytes has no alignment.
            return Some(unsafe { data.add(start).cast::<[u8; N]>().read() });
        }
        self.copy_pieces(offset)
    }

    /// As [`copy`](Self::copy), from wherever they lie. Out of line, so that nobody else pays for it.
    #[cold]
    #[inline(never)]
    fn copy_pieces<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];

        self.copy_to(offset, &mut bytes).then_some(bytes)
    }

    /// Copies bytes from `offset` on until `to` is full. `false` if the packet ends before.
    pub fn copy_to(&self, offset: usize, to: &mut [u8]) -> bool {
        let Some(start) = self.data_offset(offset) else {
            return false;
        };
        // SAFETY: `skb` is valid by the type invariant.
        let len = unsafe { (*self.skb).len } as usize;

        if start.checked_add(to.len()).is_none_or(|end| end > len) {
            return false;
        }
        // SAFETY: `skb` is valid, and there is room for as many bytes as are asked for. The casts
        // lose nothing: both numbers are at most `len`, which is below 2^31.
        let error = unsafe {
            bindings::skb_copy_bits(
                self.skb,
                start as c_int,
                to.as_mut_ptr().cast(),
                to.len() as c_int,
            )
        };
        error == 0
    }

    /// The address of C's `struct sk_buff`, by which the kernel's tracepoints tell packets apart.
    ///
    /// It stays the same from hook to hook, and is another packet's once this one is freed. A secret
    /// of the kernel, as any address.
    #[inline]
    pub fn address(&self) -> usize {
        self.skb.addr()
    }

    /// The mark that rules, routing and sockets share.
    #[inline]
    pub fn mark(&self) -> u32 {
        // SAFETY: `skb` is valid by the type invariant.
        unsafe { bindings::skb_mark(self.skb) }
    }

    /// The packet's priority for queueing disciplines.
    #[inline]
    pub fn priority(&self) -> u32 {
        // SAFETY: `skb` is valid by the type invariant.
        unsafe { bindings::skb_priority(self.skb) }
    }

    /// The network protocol, as IEEE numbers Ethernet's types: 0x0800 is IPv4.
    #[inline]
    pub fn protocol(&self) -> u16 {
        // SAFETY: `skb` is valid by the type invariant.
        unsafe { bindings::skb_protocol_host_order(self.skb) }
    }

    /// How many segments this packet stands for. `None` without segmentation offload.
    ///
    /// The kernel counts them where it makes such a packet. What a tap, a virtio or a vhost device hands in it
    /// counts only on the way out, in `qdisc_pkt_len_segs_init()`: before, it is counted here, by the same rule.
    /// That needs to know where the transport header is, in bytes from the network header.
    #[inline]
    pub fn segments(&self, transport_offset: usize) -> Option<u16> {
        self.is_gso().then(|| {
            // SAFETY: `skb` is valid by the type invariant.
            match unsafe { bindings::skb_gso_segs(self.skb) } {
                0 => self.count_segments(transport_offset),
                counted => counted,
            }
        })
    }

    #[cold]
    fn count_segments(&self, transport_offset: usize) -> u16 {
        const TCP: c_int = bindings::SKB_GSO_TCPV4 | bindings::SKB_GSO_TCPV6;
        /// Where TCP's header says how long it is, in words of four bytes, in its upper half.
        const DATA_OFFSET: usize = 12;
        const UDP_HEADER_LEN: usize = 8;

        // SAFETY: `skb` is valid by the type invariant.
        let (size, kind, inner) = unsafe {
            (
                bindings::skb_gso_size(self.skb),
                bindings::skb_gso_type(self.skb),
                bindings::skb_inner_transport_offset(self.skb),
            )
        };
        // Inside of a tunnel the headers of both are in each segment.
        let transport = match inner {
            -1 => transport_offset,
            inner => (inner as usize).wrapping_sub(self.network_offset as usize),
        };
        // UDP's header is a part of the data where that is cut into fragments.
        let header = if kind & TCP != 0 {
            let byte = self.copy::<1>(transport.wrapping_add(DATA_OFFSET));
            byte.map_or(0, |[byte]| usize::from(byte >> 4) * 4)
        } else if kind & bindings::SKB_GSO_UDP_L4 != 0 {
            UDP_HEADER_LEN
        } else {
            0
        };
        let data = self.len().saturating_sub(transport.wrapping_add(header));

        data.div_ceil(size.max(1).into()).clamp(1, u16::MAX.into()) as u16
    }

    /// Whether the packet is to be segmented by a device, or was put together of segments.
    #[inline]
    pub fn is_gso(&self) -> bool {
        // SAFETY: `skb` is valid by the type invariant.
        unsafe { bindings::skb_is_gso(self.skb) }
    }

    /// How far the transport checksum has been made or checked.
    #[inline]
    pub fn checksum_state(&self) -> ChecksumState {
        // SAFETY: `skb` is valid by the type invariant.
        match u32::from(unsafe { bindings::skb_ip_summed(self.skb) }) {
            bindings::CHECKSUM_UNNECESSARY => ChecksumState::Unnecessary,
            bindings::CHECKSUM_COMPLETE => ChecksumState::Complete,
            bindings::CHECKSUM_PARTIAL => ChecksumState::Partial,
            _ => ChecksumState::None,
        }
    }

    /// The hash of the packet's flow, 0 if none was made. Not computed here.
    #[inline]
    pub fn hash(&self) -> u32 {
        // SAFETY: `skb` is valid by the type invariant.
        unsafe { bindings::skb_hash(self.skb) }
    }

    /// When the packet was received, in nanoseconds since 1970, or when it is to leave, by the clock
    /// that its sender chose. 0 if nobody has asked for time stamps.
    #[inline]
    pub fn time_stamp(&self) -> i64 {
        // SAFETY: `skb` is valid by the type invariant.
        unsafe { bindings::skb_tstamp(self.skb) }
    }

    /// The socket that the packet belongs to: that it was sent by, or is for, if the stack has found it
    /// already. Where it has none, that which the hook point knows: of what a tunnel has wrapped, the tunnel's.
    #[inline]
    pub fn socket(&self) -> Option<SocketRef<'_>> {
        // SAFETY: Both sockets are null or valid, for as long as the packet is, by the type invariant.
        unsafe {
            SocketRef::from_raw((*self.skb).sk).or_else(|| SocketRef::from_raw(self.state.sk))
        }
    }
}

/// C's `skb_network_offset()`: where the network header starts, from `skb->data`, which is a huge
/// number if it starts before.
///
/// Each packet pays for this one, so it is not a call of a C helper.
///
/// # Safety
///
/// `skb` must be valid.
#[inline]
unsafe fn network_offset(skb: *const bindings::sk_buff) -> u32 {
    // SAFETY: `skb` is valid by this function's requirement. The headers' offsets are plain numbers.
    let (head, data, header) = unsafe {
        let headers = (*skb).__bindgen_anon_4.headers.as_ref();
        ((*skb).head, (*skb).data, headers.network_header)
    };
    let header = head.wrapping_add(header.into());

    // Both are in the same buffer, of less than 2^31 bytes.
    header.addr().wrapping_sub(data.addr()) as u32
}
