// SPDX-License-Identifier: GPL-2.0

//! What a handler answers on a packet.
//!
//! Today's core knows five of netfilter's seven answers: it warns of `NF_REPEAT` and `NF_STOP` and
//! leaks the packet. These two are done on this side of it.
//!
//! C source: [`nf_hook_slow()`](srctree/net/netfilter/core.c)

use super::Packet;
use crate::bindings;
use core::marker::PhantomData;
use kernel::{
    error::{
        code::{
            ENOBUFS,
            EPERM, //
        },
        Error, //
    },
    ffi::{
        c_int,
        c_uint, //
    }, //
};

/// Why a packet is dropped, C's `enum skb_drop_reason`. Shown by the tracepoint `skb:kfree_skb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropReason(pub(super) bindings::skb_drop_reason);

impl DropReason {
    /// A netfilter hook said so.
    pub const NETFILTER_DROP: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_NETFILTER_DROP);
    /// A filter that a socket or a program set up said so.
    pub const SOCKET_FILTER: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_SOCKET_FILTER);
    /// Nobody said.
    pub const NOT_SPECIFIED: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_NOT_SPECIFIED);
    /// The IP header makes no sense.
    pub const IP_INHDR: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_IP_INHDR);
    /// The TCP checksum is wrong.
    pub const TCP_CSUM: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_TCP_CSUM);
    /// The UDP checksum is wrong.
    pub const UDP_CSUM: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_UDP_CSUM);
    /// The device is down, or a queue's packet has lost its device or namespace.
    pub const DEV_READY: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_DEV_READY);
    /// There was no memory.
    pub const NOMEM: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_NOMEM);
}

/// What to do when nobody listens to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoListener {
    /// Drop the packet.
    Drop,
    /// Let it pass: `NF_VERDICT_FLAG_QUEUE_BYPASS`.
    Bypass,
}

/// What the thunk has to do after the handler.
pub(super) enum Action {
    /// Return this value to the core.
    Return(c_uint),
    /// Call the handler again.
    Repeat,
    /// Call the hook point's continuation, and tell the core that the packet is gone.
    Stop,
}

/// A handler's answer on one packet, made by consuming the packet.
///
/// So each packet has exactly one answer, and what was answered can no longer be touched. An owned
/// packet has had its action, and can have no other.
#[must_use = "a packet without an answer would be lost"]
pub struct Verdict<'a> {
    action: Action,
    /// Invariant in `'a`, so that no answer on one packet passes for one on another.
    _call: PhantomData<fn(&'a ()) -> &'a ()>,
}

impl<'a> Verdict<'a> {
    /// # Safety
    ///
    /// `action` must fit what was done with the packet of this call, which must not be used again.
    #[inline]
    pub(super) unsafe fn new(action: Action) -> Self {
        Self {
            action,
            _call: PhantomData,
        }
    }

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
    /// Lets the packet pass on to the next hook: `NF_ACCEPT`.
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

    /// Drops the packet, and says why. A local sender gets `error`: `NF_DROP_REASON`.
    #[inline]
    pub fn drop_with_reason(self, reason: DropReason, error: Error) -> Verdict<'a> {
        // SAFETY: The packet is the hook's until it answers, and the answer is that it is gone.
        unsafe { bindings::sk_skb_reason_drop(core::ptr::null_mut(), self.as_ptr(), reason.0) };
        Verdict::value(errno(error) | bindings::NF_STOLEN)
    }

    /// Hands the packet to user space by queue `number`: `NF_QUEUE_NR`.
    ///
    /// Gives the packet back where it is not of IPv4, IPv6 or the bridge: the core takes no others back
    /// from user space.
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

    /// Has the handler called again with the packet, as `NF_REPEAT` did.
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

    /// Lets the packet pass, past all hooks that are left at this point, as `NF_STOP` did.
    ///
    /// What becomes of the packet then is what a local sender is told, as if all hooks had accepted.
    ///
    /// Gives the packet back where there is nothing to go on to: a device's hooks have no
    /// continuation that a hook could call, and that of a VRF device's prerouting frees the packet.
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

/// The answer after a hook point's continuation has taken the packet, and has said `result`.
///
/// The core hands the caller minus the number in the upper half of `NF_STOLEN`: so positive ones pass, too,
/// like `NET_XMIT_CN`. A 1 would have the caller use the packet; it is `NET_XMIT_DROP` or `NET_RX_DROP`,
/// of which `net_xmit_errno()` makes this error.
#[inline]
pub(super) fn continued(result: c_int) -> c_uint {
    let no_room = ENOBUFS.to_errno();
    let result = match i16::try_from(result) {
        Ok(1) | Err(_) => no_room,
        Ok(_) => result,
    };

    (result.wrapping_neg() as c_uint) << 16 | bindings::NF_STOLEN
}

/// An error number where a verdict has room for it.
///
/// Those from 512 on are between parts of the kernel, and a sender is not to get them: of `EIOCBQUEUED`,
/// `sock_sendmsg()` makes a `BUG()`. It gets what it would get without one.
#[inline]
pub(super) fn errno(error: Error) -> c_uint {
    const FIRST_INTERNAL: c_uint = 512;
    let number = match error.to_errno().unsigned_abs() {
        FIRST_INTERNAL.. => EPERM.to_errno().unsigned_abs(),
        number => number,
    };

    number << 16
}
