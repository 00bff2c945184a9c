// SPDX-License-Identifier: GPL-2.0

//! A handler's verdict on a packet.
//!
//! The current core implements five of netfilter's seven verdicts: it warns on `NF_REPEAT` and
//! `NF_STOP` and leaks the packet. These two are implemented here.
//!
//! C source: [`nf_hook_slow()`](srctree/net/netfilter/core.c)

use super::Packet;
use crate::bindings::{
    self,
    compat::code::ENOBUFS, //
};
use core::marker::PhantomData;
use kernel::{
    error::{
        code::EPERM,
        Error, //
    },
    ffi::{
        c_int,
        c_uint, //
    }, //
};

/// The reason why a packet is dropped, C's `enum skb_drop_reason`. Shown by the tracepoint
/// `skb:kfree_skb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropReason(pub(super) bindings::skb_drop_reason);

impl DropReason {
    /// Dropped by a netfilter hook.
    pub const NETFILTER_DROP: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_NETFILTER_DROP);
    /// Dropped by a filter of a socket or a program.
    pub const SOCKET_FILTER: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_SOCKET_FILTER);
    /// No reason given.
    pub const NOT_SPECIFIED: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_NOT_SPECIFIED);
    /// Malformed IP header.
    pub const IP_INHDR: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_IP_INHDR);
    /// Bad TCP checksum.
    pub const TCP_CSUM: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_TCP_CSUM);
    /// Bad UDP checksum.
    pub const UDP_CSUM: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_UDP_CSUM);
    /// The device is down, or the device or namespace of a queued packet is gone.
    pub const DEV_READY: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_DEV_READY);
    /// Out of memory.
    pub const NOMEM: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_NOMEM);
}

/// What to do with a packet if a queue has no listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoListener {
    /// Drop the packet.
    Drop,
    /// Accept the packet: `NF_VERDICT_FLAG_QUEUE_BYPASS`.
    Bypass,
}

/// What the thunk does after the handler has returned.
pub(super) enum Action {
    /// Return this value to the core.
    Return(c_uint),
    /// Call the handler again.
    Repeat,
    /// Call the hook point's continuation, and return to the core that the packet is gone.
    Stop,
}

/// A handler's verdict on one packet, created by consuming the packet.
///
/// So each packet gets exactly one verdict, is acted on once, and cannot be accessed afterwards.
#[must_use = "a packet without an answer would be lost"]
pub struct Verdict<'a> {
    action: Action,
    /// Invariant in `'a`, so that a verdict on one packet cannot be returned for another.
    _call: PhantomData<fn(&'a ()) -> &'a ()>,
}

impl<'a> Verdict<'a> {
    /// Creates a verdict.
    ///
    /// # Safety
    ///
    /// `action` must match what was done with the packet of this call, which must not be used
    /// again.
    #[inline]
    pub(super) unsafe fn new(action: Action) -> Self {
        Self {
            action,
            _call: PhantomData,
        }
    }

    /// Returns what the thunk does.
    #[inline]
    pub(super) fn into_action(self) -> Action {
        self.action
    }

    #[inline]
    fn value(value: c_uint) -> Self {
        Self {
            action: Action::Return(value),
            _call: PhantomData,
        }
    }
}

impl<'a> Packet<'a> {
    /// Passes the packet on to the next hook: `NF_ACCEPT`.
    #[inline]
    pub fn accept(self) -> Verdict<'a> {
        Verdict::value(bindings::NF_ACCEPT)
    }

    /// Drops the packet: `NF_DROP`. A local sender gets `EPERM`.
    #[inline]
    pub fn drop(self) -> Verdict<'a> {
        Verdict::value(bindings::NF_DROP)
    }

    /// Drops the packet. A local sender gets `error`: `NF_DROP_ERR`.
    #[inline]
    pub fn drop_with_error(self, error: Error) -> Verdict<'a> {
        Verdict::value(errno(error) | bindings::NF_DROP)
    }

    /// Drops the packet with a reason. A local sender gets `error`: `NF_DROP_REASON`.
    #[inline]
    pub fn drop_with_reason(self, reason: DropReason, error: Error) -> Verdict<'a> {
        // SAFETY: The packet is the hook's until it returns a verdict, and the verdict is that it
        // is gone.
        unsafe { bindings::sk_skb_reason_drop(core::ptr::null_mut(), self.as_ptr(), reason.0) };
        Verdict::value(errno(error) | bindings::NF_STOLEN)
    }

    /// Queues the packet to user space, to queue `number`: `NF_QUEUE_NR`.
    ///
    /// Returns the packet if its family is not IPv4, IPv6 or bridge: the core does not reinject
    /// others from user space.
    #[inline]
    pub fn queue(self, number: u16, no_listener: NoListener) -> Result<Verdict<'a>, Self> {
        match self.state().pf.into() {
            bindings::NFPROTO_IPV4 | bindings::NFPROTO_IPV6 | bindings::NFPROTO_BRIDGE => {}
            _ => return Err(self),
        }
        let flag = match no_listener {
            NoListener::Drop => 0,
            NoListener::Bypass => bindings::NF_VERDICT_FLAG_QUEUE_BYPASS,
        };
        Ok(Verdict::value(
            u32::from(number) << 16 | flag | bindings::NF_QUEUE,
        ))
    }

    /// Calls the handler again with the packet, as `NF_REPEAT` did.
    ///
    /// At most [`MAX_REPEATS`](super::MAX_REPEATS) times; then the packet is dropped, and a local
    /// sender gets `ELOOP`.
    #[inline]
    pub fn repeat(self) -> Verdict<'a> {
        Verdict {
            action: Action::Repeat,
            _call: PhantomData,
        }
    }

    /// Accepts the packet, skipping all remaining hooks at this point, as `NF_STOP` did.
    ///
    /// A local sender gets the result of the continuation, as if all hooks had accepted.
    ///
    /// Returns the packet if it has no continuation: a device's hooks have none that a hook could
    /// call, and that of a VRF device's prerouting frees the packet.
    #[inline]
    pub fn stop(self) -> Result<Verdict<'a>, Self> {
        // SAFETY: The state and its devices are valid by the packet's type invariant.
        if !unsafe { bindings::nf_tracer_hook_goes_on(self.state()) } {
            return Err(self);
        }
        Ok(Verdict {
            action: Action::Stop,
            _call: PhantomData,
        })
    }
}

/// Returns the verdict after a hook point's continuation has consumed the packet and returned
/// `result`.
///
/// The core returns the negated upper half of `NF_STOLEN` to its caller, so positive results such
/// as `NET_XMIT_CN` pass, too. A 1 would make the caller use the packet; it is `NET_XMIT_DROP` or
/// `NET_RX_DROP`, which `net_xmit_errno()` converts to this error.
#[inline]
pub(super) fn continued(result: c_int) -> c_uint {
    let no_room = ENOBUFS.to_errno();
    let result = match i16::try_from(result) {
        Ok(1) | Err(_) => no_room,
        Ok(_) => result,
    };

    (result.wrapping_neg() as c_uint) << 16 | bindings::NF_STOLEN
}

/// Returns an error number as a verdict encodes it.
///
/// Those from 512 on are internal to the kernel and must not reach a sender: `sock_sendmsg()` has a
/// `BUG()` on `EIOCBQUEUED`. Such an error becomes `EPERM`, which the sender would get without one.
#[inline]
pub(super) fn errno(error: Error) -> c_uint {
    const FIRST_INTERNAL: c_uint = 512;
    let number = match error.to_errno().unsigned_abs() {
        FIRST_INTERNAL.. => EPERM.to_errno().unsigned_abs(),
        number => number,
    };

    number << 16
}
