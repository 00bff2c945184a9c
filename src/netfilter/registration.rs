// SPDX-License-Identifier: GPL-2.0

//! Handlers, and their being called.
//!
//! C source: [`net/netfilter/core.c`](srctree/net/netfilter/core.c)

use super::{
    Net,
    Packet,
    Point,
    State,
    Verdict, //
};
use crate::bindings as nf;
use core::{
    marker::PhantomPinned,
    ptr, //
};
use kernel::{
    bindings,
    error::to_result,
    ffi::{
        c_uint,
        c_void, //
    },
    prelude::*,
    sync::rcu,
    types::Opaque, //
};

/// A function that is called for packets, with its data.
pub(crate) trait Handler: Send + Sync {
    /// Called for each packet that passes a point that the handler is registered at.
    ///
    /// Runs inside `rcu_read_lock()`, on any CPU, often in softirq context: see the
    /// [context](super#context) that all handlers share.
    fn handle<'a>(&self, packet: Packet<'a>, state: &State<'a>) -> Verdict<'a>;
}

/// C's `struct nf_hook_ops`: one entry of a hook point's list.
#[repr(transparent)]
struct HookOps(Opaque<nf::nf_hook_ops>);

// SAFETY: Once filled in, it is only read, by the netfilter core and under its rules.
unsafe impl Send for HookOps {}

// SAFETY: As above.
unsafe impl Sync for HookOps {}

/// A handler that is being called, at one point or at several.
///
/// All points go in together or not at all. The handler may run before [`Registration::new`] has
/// returned, and runs no more once the registration is dropped: dropping takes it out of all its
/// points, waits for the calls that are still running, once for all of them, and then drops the
/// handler.
///
/// # Invariants
///
/// Once initialised, each entry of `ops` is registered in `net` with `priv` pointing to `handler`.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: Handler> {
    net: Net,
    ops: KVec<HookOps>,
    #[pin]
    handler: T,
    #[pin]
    _pin: PhantomPinned,
}

impl<T: Handler> Registration<T> {
    /// Has `handler` called at `points` of `net`. May sleep.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory,
    /// - `E2BIG`: a point has its 1,024 hooks already,
    /// - `EINVAL`, `EOPNOTSUPP`: the kernel does not have the point,
    /// - and those of `handler`'s own initialiser.
    pub(crate) fn new<'a>(
        net: Net,
        points: &'a [Point],
        handler: impl PinInit<T, Error> + 'a,
    ) -> impl PinInit<Self, Error> + 'a
    where
        T: 'a,
    {
        try_pin_init!(&this in Self {
            net,
            handler <- handler,
            // SAFETY: `this` is the memory that is being initialised, so a field of it has an
            // address.
            ops: Self::ops(points, unsafe { &raw const (*this.as_ptr()).handler })?,
            _pin: PhantomPinned,
            // INVARIANT: The last step, and one that undoes itself if it fails: nothing is left
            // registered then.
            _: {
                // SAFETY: All other fields are initialised, as the callback may run at once.
                // `ops` lives on the heap, and `handler` is pinned, so both stay where they are until
                // `drop` has taken the hooks out and has waited.
                let registered = to_result(unsafe {
                    nf::nf_register_net_hooks(net.as_ptr(), ops.as_ptr().cast(), ops.len() as c_uint)
                });
                if registered.is_err() {
                    // Those that were undone may have been called, and may still be running.
                    rcu::synchronize_rcu();
                }
                registered?;
            },
        })
    }

    /// One entry for each of `points`.
    fn ops(points: &[Point], handler: *const T) -> Result<KVec<HookOps>> {
        let mut ops = KVec::with_capacity(points.len(), GFP_KERNEL)?;

        for point in points {
            let entry = nf::nf_hook_ops {
                hook: Some(hook_fn::<T>),
                priv_: handler.cast_mut().cast(),
                pf: point.family.as_raw(),
                hooknum: point.hook.as_raw(),
                priority: point.priority.as_raw(),
                ..Default::default()
            };
            ops.push(HookOps(Opaque::new(entry)), GFP_KERNEL)?;
        }
        Ok(ops)
    }
}

#[pinned_drop]
impl<T: Handler> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant these entries are registered in this namespace.
        unsafe {
            nf::nf_unregister_net_hooks(
                self.net.as_ptr(),
                self.ops.as_ptr().cast(),
                self.ops.len() as c_uint,
            );
        }
        // Unregistering does not wait: other CPUs may be inside the handler, and dumps of the
        // hook lists may be reading `ops`. Both do so under RCU, and both fields are dropped after
        // this function.
        rcu::synchronize_rcu();
    }
}

/// What the netfilter core calls.
///
/// # Safety
///
/// To be used only as the `hook` of a [`Registration`]'s entries.
unsafe extern "C" fn hook_fn<T: Handler>(
    handler: *mut c_void,
    skb: *mut bindings::sk_buff,
    state: *const nf::nf_hook_state,
) -> c_uint {
    // SAFETY: `priv` points to the handler of a registration, which is not dropped before a grace
    // period has passed since the hook was taken out; this call is inside `rcu_read_lock()`.
    let handler = unsafe { &*ptr::from_ref(&*handler).cast::<T>() };
    // SAFETY: The core passes a valid state, which nobody writes to during the call.
    let state = unsafe { &*state };
    // SAFETY: The core passes a valid `skb` with its network header set, which belongs to the hook
    // until it returns.
    let packet = unsafe { Packet::from_raw(skb) };

    match State::new(state) {
        Some(state) => handler.handle(packet, &state).into_raw(),
        None => packet.accept().into_raw(),
    }
}
