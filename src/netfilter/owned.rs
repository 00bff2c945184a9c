// SPDX-License-Identifier: GPL-2.0

//! A packet that outlives the call of the handler: `NF_STOLEN`.
//!
//! As a queue to user space does, it holds what the packet and the hook's state refer to: devices,
//! socket, route.
//!
//! C source: [`net/netfilter/nf_queue.c`](srctree/net/netfilter/nf_queue.c)

use super::{
    verdict::Answer,
    DropReason,
    Packet,
    State,
    Verdict, //
};
use crate::bindings;
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};

/// A packet that was taken from the stack, and that only its owner decides on.
///
/// It may be moved to any context that may not sleep or may. Dropping it frees the packet, with the
/// reason [`DropReason::NETFILTER_DROP`]. While it exists, the devices that the packet came in by and
/// is to leave by cannot go away: whoever takes them down waits.
///
/// # Invariants
///
/// `entry` is valid and ours, with its references taken, and `entry->skb` is ours.
pub struct OwnedPacket {
    entry: NonNull<bindings::nf_queue_entry>,
}

// SAFETY: Neither a packet nor what it holds belongs to a thread.
unsafe impl Send for OwnedPacket {}

// SAFETY: Through a shared reference the packet is only read.
unsafe impl Sync for OwnedPacket {}

impl<'a> Packet<'a> {
    /// Takes the packet from the stack. The verdict says so, and is all that is left to return.
    ///
    /// Gives the packet back if there is no memory, if its route or socket is just going away, and
    /// for what a bridge forwards, whose devices a hook cannot hold. Takes memory atomically.
    pub fn steal(self, state: &State<'a>) -> Result<(OwnedPacket, Verdict<'a>), Self> {
        // SAFETY: Packet and state are those that the hook was called with, in the same call, since
        // they have the same `'a`, and the packet is the hook's until it answers.
        let entry = unsafe { bindings::nf_hook_steal(self.as_ptr(), state.as_raw()) };

        match NonNull::new(entry) {
            // INVARIANT: The entry was just made for us, and the packet is ours, as is said below.
            Some(entry) => Ok((
                OwnedPacket { entry },
                // SAFETY: The packet is ours now, which is what this answer says.
                unsafe { Verdict::new(Answer::Return(bindings::NF_STOLEN)) },
            )),
            None => Err(self),
        }
    }
}

impl OwnedPacket {
    /// Sends the packet on its way, past all hooks that were left at its hook point.
    ///
    /// Gives it back where there is nothing to go on to: a device's hooks have no continuation.
    /// Softirq or process context.
    pub fn reinject(self) -> Result<(), Self> {
        // SAFETY: The entry is valid by the type invariant.
        if unsafe { self.entry.as_ref() }.state.okfn.is_none() {
            return Err(self);
        }
        let this = ManuallyDrop::new(self);
        // SAFETY: By the type invariant entry and packet are ours, and both end here. There is a
        // continuation, as just checked.
        unsafe { bindings::nf_hook_reinject(this.entry.as_ptr()) };
        Ok(())
    }

    /// Frees the packet and says why.
    pub fn free(self, reason: DropReason) {
        let this = ManuallyDrop::new(self);
        // SAFETY: By the type invariant entry and packet are ours, and both end here.
        unsafe { bindings::nf_hook_free(this.entry.as_ptr(), reason.0) };
    }

    /// The number of bytes from the network header to the end.
    pub fn len(&self) -> usize {
        // SAFETY: By the type invariant entry and packet are valid.
        unsafe { (*self.entry.as_ref().skb).len as usize }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for OwnedPacket {
    fn drop(&mut self) {
        // SAFETY: By the type invariant entry and packet are ours, and both end here.
        unsafe { bindings::nf_hook_free(self.entry.as_ptr(), DropReason::NETFILTER_DROP.0) };
    }
}
