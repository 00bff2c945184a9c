// SPDX-License-Identifier: GPL-2.0

//! The packet that a handler is called with, and what a handler may answer.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use core::{
    ffi::c_int,
    marker::PhantomData, //
};
use kernel::{
    bindings,
    ffi::c_uint, //
};

/// A packet, for the time of one call of a handler.
///
/// It is not reference-counted and cannot be kept: `'a` ends with the call. Answering consumes it,
/// so that nothing can be done with a packet that was dropped.
///
/// Offsets count from the start of the network header, also where a link-layer header stands before
/// it. A packet need not be linear: what lies in page fragments or in a fragment list is read like
/// the rest. Nothing is ever read from where `transport_header` points, which at the first hooks is
/// not yet set to the transport header.
///
/// # Invariants
///
/// `skb` is valid, and `self` is the only access to it, for `'a`.
pub(crate) struct Packet<'a> {
    skb: *mut bindings::sk_buff,
    /// Where the network header starts, from `skb->data`.
    network_offset: c_int,
    /// Invariant in `'a`, so that no verdict on one packet passes for one on another.
    _call: PhantomData<fn(&'a ()) -> &'a ()>,
}

impl Packet<'_> {
    /// Wraps the `skb` that a hook was called with.
    ///
    /// # Safety
    ///
    /// `skb` must be valid for `'a`, with its network header set, and be used by nobody else in
    /// that time.
    #[inline]
    pub(super) unsafe fn from_raw(skb: *mut bindings::sk_buff) -> Self {
        // INVARIANT: By this function's safety requirements.
        Self {
            skb,
            // SAFETY: The caller guarantees that `skb` is valid and its network header set.
            network_offset: unsafe { crate::bindings::skb_network_offset(skb) },
            _call: PhantomData,
        }
    }

    /// The number of bytes from the network header to the end, padding included.
    ///
    /// With segmentation offload this can be more than fits the IP header's length field.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        // SAFETY: `skb` is valid by the type invariant.
        let len = unsafe { (*self.skb).len };

        usize::try_from(i64::from(len) - i64::from(self.network_offset)).unwrap_or(0)
    }

    /// Copies `N` bytes at `offset`. `None` if the packet ends before them.
    ///
    /// As C's `skb_header_pointer()`, but always a copy: the memory of a packet may be shared with
    /// clones and with user space, and a Rust reference promises that nobody writes.
    #[inline]
    pub(crate) fn copy<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let start = usize::try_from(self.network_offset)
            .ok()?
            .checked_add(offset)?;
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
        if end > len as usize {
            return None;
        }

        let mut bytes = [0; N];
        // SAFETY: `skb` is valid, and there are `N` bytes to write to. The casts lose nothing: both
        // numbers are at most `end`, which is at most `len`, which is below 2^31.
        let error = unsafe {
            bindings::skb_copy_bits(
                self.skb,
                start as c_int,
                bytes.as_mut_ptr().cast(),
                N as c_int,
            )
        };
        (error == 0).then_some(bytes)
    }
}

impl<'a> Packet<'a> {
    /// Lets the packet pass on to the next hook, `NF_ACCEPT`.
    #[inline]
    pub(crate) fn accept(self) -> Verdict<'a> {
        Verdict {
            value: bindings::NF_ACCEPT,
            _call: self._call,
        }
    }
}

/// A handler's answer on one packet, made by consuming the packet.
///
/// # Invariants
///
/// `value` is one that `nf_hook_slow()` knows and that fits what was done with the packet.
pub(crate) struct Verdict<'a> {
    value: c_uint,
    _call: PhantomData<fn(&'a ()) -> &'a ()>,
}

impl Verdict<'_> {
    /// The value for C.
    #[inline]
    pub(super) fn into_raw(self) -> c_uint {
        self.value
    }
}
