// SPDX-License-Identifier: GPL-2.0

//! A handler registered in one network namespace.
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
use crate::bindings::{
    self,
    compat::rcu, //
};
use core::marker::PhantomPinned;
use kernel::{
    error::to_result,
    ffi::c_uint,
    prelude::*, //
};

/// A handler registered at one or more hook points of a network namespace.
///
/// Created by [`ModuleHooks::register`](super::ModuleHooks::register); ended by
/// [`ModuleHooks::unregister`](super::ModuleHooks::unregister) or on module exit.
///
/// The points are registered all or none. The handler may run before the registration returns.
/// Ending the registration removes all entries, waits once for running calls to finish, and drops
/// the handler with the last reference; the handler does not run after that. The namespace is held
/// until the registration ends.
///
/// Two registrations of one handler call it twice.
///
/// # Context
///
/// Registering and ending may sleep; `CONFIG_DEBUG_ATOMIC_SLEEP` reports a call from atomic
/// context.
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
    /// Registers `handler` at `points` of `net`. May sleep.
    ///
    /// # Safety
    ///
    /// The result must be revoked or dropped before the module's text is freed: it must not be
    /// leaked.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: out of memory,
    /// - `E2BIG`: a point already has the maximum of 1,024 hooks,
    /// - `EOPNOTSUPP`: the kernel is built without the family,
    /// - `EBUSY`: the point takes only one hook of this kind,
    /// - any error of `handler`'s initialiser.
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
                // SAFETY: `this` points to the memory being initialised, so taking a field's
                // address is sound.
                unsafe { &raw const (*this.as_ptr()).handler },
            )?,
            _pin: PhantomPinned,
            // INVARIANT: The last initialiser step, and it undoes itself on failure: nothing stays
            // registered.
            _: {
                // SAFETY: All other fields are initialised, as required since the callback may run
                // at once. `ops` is on the heap and `handler` is pinned, so both stay in place
                // until `drop` has removed the hooks and waited. The namespace is held.
                let registered = to_result(unsafe {
                    bindings::nf_register_net_hooks(
                        raw_net.as_ptr(),
                        HookOps::as_ptr(ops),
                        ops.len() as c_uint,
                    )
                });
                if registered.is_err() {
                    // Entries that were rolled back may still be running.
                    rcu::synchronize_rcu();
                }
                registered?;
            },
        })
    }

    /// Returns the registered handler.
    pub fn handler(&self) -> &T {
        &self.handler
    }

    /// Removes all entries, without waiting for running calls. Returns whether they were
    /// registered.
    fn take_out(&self) -> bool {
        // INVARIANT: The entries are removed before `net` has ended.
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
            // Unregistering does not wait: other CPUs may still be inside the handler, and dumps of
            // the hook lists may be reading `ops`. Both run under RCU, and both fields are dropped
            // after this function. Callers of `revoke()` wait likewise.
            rcu::synchronize_rcu();
        }
    }
}
