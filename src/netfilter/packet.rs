// SPDX-License-Identifier: GPL-2.0

//! The packet that a handler is called with: read access.
//!
//! Modification is in [`edit`](super::edit), verdicts are in [`verdict`](super::verdict).
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::SocketRef;
use crate::bindings;
use core::{
    ffi::c_int,
    marker::PhantomData, //
};

/// A packet, borrowed for one call of a handler.
///
/// It is not reference-counted and cannot be kept: `'a` ends with the call. Returning a verdict
/// consumes it. To keep it, queue it with [`steal`](Self::steal).
///
/// Offsets count from the start of the network header, also where a link-layer header stands before
/// it. A packet need not be linear: page fragments and fragment lists are read like the linear
/// part. Nothing is read through `transport_header`, which at the first hooks is not yet set.
///
/// # Invariants
///
/// `skb` is valid, and `self` is the only access to it, for `'a`. `state` is that of the hook's
/// call for it, whose socket is valid for as long as the packet is.
pub struct Packet<'a> {
    skb: *mut bindings::sk_buff,
    state: &'a bindings::nf_hook_state,
    /// Offset of the network header from `skb->data`. If the header is before `data`, an offset
    /// beyond the end of any packet.
    network_offset: u32,
    /// Invariant in `'a`, so that a verdict on one packet cannot be returned for another.
    _call: PhantomData<fn(&'a ()) -> &'a ()>,
}

/// The checksum state of a packet's transport header, C's `ip_summed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ChecksumState {
    /// Not validated: `CHECKSUM_NONE`.
    None = bindings::CHECKSUM_NONE,
    /// Validated by a device: `CHECKSUM_UNNECESSARY`.
    Unnecessary = bindings::CHECKSUM_UNNECESSARY,
    /// Summed over the packet by a device, yet to be compared by the stack: `CHECKSUM_COMPLETE`.
    Complete = bindings::CHECKSUM_COMPLETE,
    /// Partial in the header, to be completed by a device: `CHECKSUM_PARTIAL`.
    Partial = bindings::CHECKSUM_PARTIAL,
}

impl<'a> Packet<'a> {
    /// Wraps the `skb` and the state that a hook was called with.
    ///
    /// # Safety
    ///
    /// `skb` must be valid for `'a`, with its network header set, and must not be accessed
    /// otherwise in that time. All that `state` refers to must be valid for as long, and `okfn`
    /// must be null or the function to call for the packet if it passes the hook point.
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

    /// Returns the packet for C.
    #[inline]
    pub(super) fn as_ptr(&self) -> *mut bindings::sk_buff {
        self.skb
    }

    /// Returns the state of the packet's hook for C.
    #[inline]
    pub(super) fn state(&self) -> &'a bindings::nf_hook_state {
        self.state
    }

    /// Returns the offset of the network header from `skb->data`; beyond the packet if that is
    /// before `data`.
    #[inline]
    pub(super) fn network_offset(&self) -> u32 {
        self.network_offset
    }

    /// Converts `offset` to an offset from `skb->data`. `None` on overflow.
    #[inline]
    pub(super) fn data_offset(&self, offset: usize) -> Option<usize> {
        (self.network_offset as usize).checked_add(offset)
    }

    /// Returns the number of bytes from the network header to the end, padding included.
    ///
    /// With segmentation offload this can exceed the range of the IP header's length field.
    #[inline]
    pub fn len(&self) -> usize {
        // SAFETY: `skb` is valid by the type invariant.
        let len = unsafe { (*self.skb).len };

        len.saturating_sub(self.network_offset) as usize
    }

    /// Returns whether the packet has no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of bytes from the network header on that are in the linear part.
    #[inline]
    pub fn linear_len(&self) -> usize {
        // SAFETY: `skb` is valid by the type invariant.
        let (len, data_len) = unsafe { ((*self.skb).len, (*self.skb).data_len) };
        len.wrapping_sub(data_len)
            .saturating_sub(self.network_offset) as usize
    }

    /// Copies `N` bytes at `offset`. `None` if the packet ends before them.
    ///
    /// Like C's `skb_header_pointer()`, but always a copy: the memory of a packet may be shared
    /// with clones and with user space, while a Rust reference asserts that nobody writes.
    ///
    /// Always inlined, so that only the bytes that the caller uses are loaded.
    #[inline(always)]
    pub fn copy<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let start = self.data_offset(offset)?;
        let end = start.checked_add(N)?;
        // SAFETY: `skb` is valid by the type invariant.
        let (data, len, data_len) =
            unsafe { ((*self.skb).data, (*self.skb).len, (*self.skb).data_len) };

        // `skb_headlen()`: this many bytes are at `data`, the others elsewhere.
        if end <= len.wrapping_sub(data_len) as usize {
            // SAFETY: `start + N` bytes from `data` on are in the linear part, as checked above,
            // and a byte array has no alignment.
            return Some(unsafe { data.add(start).cast::<[u8; N]>().read() });
        }
        self.copy_pieces(offset)
    }

    /// As [`copy`](Self::copy), also from the non-linear part. Out of line, to keep the fast path
    /// short.
    #[cold]
    #[inline(never)]
    fn copy_pieces<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];

        self.copy_to(offset, &mut bytes).then_some(bytes)
    }

    /// Copies bytes from `offset` on until `to` is full. Returns `false` if the packet ends before.
    pub fn copy_to(&self, offset: usize, to: &mut [u8]) -> bool {
        let Some(start) = self.data_offset(offset) else {
            return false;
        };
        // SAFETY: `skb` is valid by the type invariant.
        let len = unsafe { (*self.skb).len } as usize;

        if start.checked_add(to.len()).is_none_or(|end| end > len) {
            return false;
        }
        // SAFETY: `skb` is valid, and `to` has room for the requested bytes. The casts are
        // lossless: both numbers are at most `len`, which is below 2^31.
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

    /// Returns the address of C's `struct sk_buff`, by which the kernel's tracepoints identify
    /// packets.
    ///
    /// It is the same at each hook, and is reused once the packet is freed. Like any kernel
    /// address, it must not be disclosed.
    #[inline]
    pub fn address(&self) -> usize {
        self.skb.addr()
    }

    /// Returns the packet mark, shared by rules, routing and sockets.
    #[inline]
    pub fn mark(&self) -> u32 {
        // SAFETY: `skb` is valid by the type invariant.
        unsafe { bindings::skb_mark(self.skb) }
    }

    /// Returns the packet's priority for queueing disciplines.
    #[inline]
    pub fn priority(&self) -> u32 {
        // SAFETY: `skb` is valid by the type invariant.
        unsafe { bindings::skb_priority(self.skb) }
    }

    /// Returns the network protocol as an EtherType: 0x0800 is IPv4.
    #[inline]
    pub fn protocol(&self) -> u16 {
        // SAFETY: `skb` is valid by the type invariant.
        unsafe { bindings::skb_protocol_host_order(self.skb) }
    }

    /// Returns the number of segments that this packet stands for. `None` without segmentation
    /// offload.
    ///
    /// The kernel counts them where it builds such a packet. For one injected by a tap, virtio or
    /// vhost device, it counts only on the way out, in `qdisc_pkt_len_segs_init()`; before that,
    /// they are counted here, by the same rule. This needs `transport_offset`, in bytes from the
    /// network header.
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
        /// Offset of TCP's data offset field: header length in words of four bytes, in the upper
        /// four bits.
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
        // In a tunnel, each segment has the outer and inner headers.
        let transport = match inner {
            -1 => transport_offset,
            inner => (inner as usize).wrapping_sub(self.network_offset as usize),
        };
        // With UDP fragmentation, the UDP header is part of the data.
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

    /// Returns whether the packet is to be segmented by a device, or was aggregated from segments.
    #[inline]
    pub fn is_gso(&self) -> bool {
        // SAFETY: `skb` is valid by the type invariant.
        unsafe { bindings::skb_is_gso(self.skb) }
    }

    /// Returns the state of the transport checksum.
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

    /// Returns the flow hash, 0 if none is set. Does not compute it.
    #[inline]
    pub fn hash(&self) -> u32 {
        // SAFETY: `skb` is valid by the type invariant.
        unsafe { bindings::skb_hash(self.skb) }
    }

    /// Returns the receive time in nanoseconds since 1970, or the departure time by the clock that
    /// the sender chose. 0 if time stamping is off.
    #[inline]
    pub fn time_stamp(&self) -> i64 {
        // SAFETY: `skb` is valid by the type invariant.
        unsafe { bindings::skb_tstamp(self.skb) }
    }

    /// Returns the socket that the packet was sent by, or is for, if the stack has found it
    /// already. If it has none, the socket that the hook point was given: for tunnelled traffic,
    /// the tunnel's.
    #[inline]
    pub fn socket(&self) -> Option<SocketRef<'_>> {
        // SAFETY: Both sockets are null or valid, for as long as the packet is, by the type invariant.
        unsafe {
            SocketRef::from_raw((*self.skb).sk).or_else(|| SocketRef::from_raw(self.state.sk))
        }
    }
}

/// Returns the offset of the network header from `skb->data`, as C's `skb_network_offset()`: a huge
/// number if the header is before it.
///
/// On the fast path, so not a C helper call.
///
/// # Safety
///
/// `skb` must be valid.
#[inline]
unsafe fn network_offset(skb: *const bindings::sk_buff) -> u32 {
    // SAFETY: `skb` is valid by this function's requirement. The header offsets are plain numbers.
    let (head, data, header) = unsafe {
        let headers = (*skb).__bindgen_anon_4.headers.as_ref();
        ((*skb).head, (*skb).data, headers.network_header)
    };
    let header = head.wrapping_add(header.into());

    // Both are in the same buffer, of less than 2^31 bytes.
    header.addr().wrapping_sub(data.addr()) as u32
}
