// SPDX-License-Identifier: GPL-2.0

//! A handler that is being called in one network namespace.
//!
//! C source: [`net/netfilter/core.c`](srctree/net/netfilter/core.c)

use super::{
    handler::{
        distinct,
        HookOps, //
    },
    module::{
        Ending,
        Revoke, //
    },
    pernet::NetPtr,
    Handler,
    HookPoint, //
    Net,
};
use crate::bindings;
use core::marker::PhantomPinned;
use kernel::{
    error::to_result,
    ffi::c_uint,
    prelude::*,
    sync::rcu, //
};

/// A handler that is being called, at one point or at several of a network namespace.
///
/// Made by [`ModuleHooks::register`](super::ModuleHooks::register), and ended with the module or by
/// [`ModuleHooks::unregister`](super::ModuleHooks::unregister).
///
/// All points go in together or not at all. The handler may run before it is known to be registered, and
/// runs no more once the registration is ended: that takes it out of all its points and waits for the
/// calls that are still running, once for all of them. Then the handler is dropped with the last
/// reference. The namespace is held until the registration is ended.
///
/// Both may sleep. From atomic context they are as wrong as any sleeping function, and a kernel with
/// `CONFIG_DEBUG_ATOMIC_SLEEP` says so. A handler is registered twice by two registrations only, and
/// is then called twice.
///
/// # Invariants
///
/// Once initialised, and until `net` has ended, each entry of `ops` is registered there with `priv`
/// pointing to `handler`.
#[pin_data(PinnedDrop)]
pub struct Registration<T: Handler> {
    #[pin]
    net: Ending<Net>,
    ops: KVec<HookOps>,
    #[pin]
    handler: T,
    #[pin]
    _pin: PhantomPinned,
}

impl<T: Handler> Registration<T> {
    /// Has `handler` called at `points` of `net`. May sleep.
    ///
    /// # Safety
    ///
    /// The result must be revoked or dropped before the module's text is freed: it must not be leaked.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory,
    /// - `E2BIG`: a point has its 1,024 hooks already,
    /// - `EOPNOTSUPP`: the kernel is built without the family,
    /// - `EBUSY`: the point takes only one hook of this kind,
    /// - and those of `handler`'s own initialiser.
    pub unsafe fn new<'a>(
        net: Net,
        points: &'a [HookPoint],
        handler: impl PinInit<T, Error> + 'a,
    ) -> impl PinInit<Self, Error> + 'a {
        let raw_net = NetPtr::of(&net);

        try_pin_init!(&this in Self {
            net <- Ending::new(net),
            handler <- handler,
            ops: HookOps::list(
                distinct(points).map(|point| point.to_ops()),
                // SAFETY: `this` is the memory that is being initialised, so a field has an address.
                unsafe { &raw const (*this.as_ptr()).handler },
            )?,
            _pin: PhantomPinned,
            // INVARIANT: The last step, and one that undoes itself if it fails: nothing is left
            // registered then.
            _: {
                // SAFETY: All other fields are initialised, as the callback may run at once. `ops`
                // lives on the heap, and `handler` is pinned, so both stay where they are until
                // `drop` has taken the hooks out and has waited. The namespace is held.
                let registered = to_result(unsafe {
                    bindings::nf_register_net_hooks(
                        raw_net.as_ptr(),
                        HookOps::as_ptr(ops),
                        ops.len() as c_uint,
                    )
                });
                if registered.is_err() {
                    // Those that were undone may have run, and may still be running.
                    rcu::synchronize_rcu();
                }
                registered?;
            },
        })
    }

    /// The handler that is being called.
    pub fn handler(&self) -> &T {
        &self.handler
    }

    /// Takes all entries out, without waiting for running calls. Says whether they were in.
    fn take_out(&self) -> bool {
        // INVARIANT: The entries are taken out before it has ended.
        // SAFETY: By the type invariant these entries are registered in this namespace.
        self.net.end(|net| unsafe {
            bindings::nf_unregister_net_hooks(
                net.as_ptr(),
                HookOps::as_ptr(&self.ops),
                self.ops.len() as c_uint,
            );
        })
    }
}

impl<T: Handler> Revoke for Registration<T> {
    fn revoke(&self) {
        self.take_out();
    }
}

#[pinned_drop]
impl<T: Handler> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        if self.take_out() {
            // Unregistering does not wait: other CPUs may be inside the handler, and dumps of the
            // hook lists may be reading `ops`. Both do so under RCU, and both fields are dropped after
            // this function. Whoever revokes waits likewise.
            rcu::synchronize_rcu();
        }
    }
}
