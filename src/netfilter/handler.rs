// SPDX-License-Identifier: GPL-2.0

//! Handlers, and the thunk by which C calls them.
//!
//! C source: [`net/netfilter/core.c`](srctree/net/netfilter/core.c)

use super::{
    verdict::Action,
    HookState,
    Packet,
    Verdict, //
};
use crate::bindings::{
    self,
    compat::code::ELOOP, //
};
use kernel::{
    ffi::{
        c_uint,
        c_void, //
    },
    prelude::*,
    types::Opaque, //
};

/// The maximum number of times that a handler that returns [`Packet::repeat`] is called again with
/// the same packet.
pub const MAX_REPEATS: usize = 16;

/// A packet handler, with its data.
///
/// The data is owned, since C may call for as long as the handler is registered, and shared by all
/// CPUs.
pub trait Handler: Send + Sync + 'static {
    /// Called for each packet that passes a point at which the handler is registered.
    ///
    /// Runs inside `rcu_read_lock()`, on any CPU, often in softirq context: see the
    /// [context](super#context) that all handlers share.
    fn handle<'a>(&self, packet: Packet<'a>, state: &HookState<'a>) -> Verdict<'a>;
}

/// Returns `points` without duplicates: C would call a handler twice at a point listed twice.
pub(super) fn distinct<P: PartialEq>(points: &[P]) -> impl Iterator<Item = &P> + Clone {
    let is_first =
        |(index, point): &(usize, &P)| !points.iter().take(*index).any(|it| it == *point);

    points
        .iter()
        .enumerate()
        .filter(is_first)
        .map(|(_, point)| point)
}

/// C's `struct nf_hook_ops`: one entry of a hook point's list.
#[repr(transparent)]
pub(super) struct HookOps(Opaque<bindings::nf_hook_ops>);

// SAFETY: Once filled in, it is read only, by the netfilter core and under its rules.
unsafe impl Send for HookOps {}

// SAFETY: As above.
unsafe impl Sync for HookOps {}

impl HookOps {
    /// Creates an entry for each of `points`. `handler` is not dereferenced yet.
    pub(super) fn list<T: Handler>(
        points: impl Iterator<Item = Result<bindings::nf_hook_ops>>,
        handler: *const T,
    ) -> Result<KVec<Self>> {
        let mut ops = KVec::new();

        for point in points {
            let entry = bindings::nf_hook_ops {
                hook: Some(hook_fn::<T>),
                priv_: handler.cast_mut().cast(),
                ..point?
            };
            ops.push(Self(Opaque::new(entry)), GFP_KERNEL)?;
        }
        Ok(ops)
    }

    /// Returns the entry for C.
    pub(super) fn as_mut_ptr(&self) -> *mut bindings::nf_hook_ops {
        self.0.get()
    }

    /// Returns the entries for C.
    pub(super) fn as_ptr(ops: &[Self]) -> *const bindings::nf_hook_ops {
        ops.as_ptr().cast()
    }
}

/// The function that the netfilter core calls.
///
/// # Safety
///
/// To be used only as the `hook` of an entry whose `priv` points to a `T`, which is not dropped
/// before a grace period has passed since the entry was unregistered.
unsafe extern "C" fn hook_fn<T: Handler>(
    handler: *mut c_void,
    skb: *mut bindings::sk_buff,
    raw_state: *const bindings::nf_hook_state,
) -> c_uint {
    // SAFETY: By this function's requirement; this call is inside `rcu_read_lock()`.
    let handler = unsafe { &*handler.cast_const().cast::<T>() };
    // SAFETY: The core passes a valid state, which is not written to during the call.
    let raw_state = unsafe { &*raw_state };
    // SAFETY: What the core's state refers to is valid during the call.
    let Some(state) = (unsafe { HookState::new(raw_state) }) else {
        return bindings::NF_ACCEPT;
    };

    for _ in 0..=MAX_REPEATS {
        // SAFETY: The core passes a valid `skb` with its network header set, which is the hook's
        // until it returns a verdict, and its state. After `repeat()` the handler no longer has the
        // former packet.
        let packet = unsafe { Packet::from_raw(skb, raw_state) };

        match handler.handle(packet, &state).into_action() {
            Action::Return(value) => return value,
            Action::Stop => {
                // SAFETY: There is a continuation, or `stop()` would not have returned this. It
                // consumes the packet, as it would if all hooks had accepted.
                let result = unsafe { bindings::nf_tracer_hook_continue(raw_state, skb) };
                return super::verdict::continued(result);
            }
            Action::Repeat => {}
        }
    }
    super::verdict::errno(ELOOP) | bindings::NF_DROP
}
