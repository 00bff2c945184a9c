// SPDX-License-Identifier: GPL-2.0

//! A handler that is being called in every network namespace, those to come included.
//!
//! C source: [`net/core/net_namespace.c`](srctree/net/core/net_namespace.c)

use super::{
    handler::HookOps,
    Handler,
    Point, //
};
use crate::bindings;
use core::{
    marker::PhantomPinned,
    ptr::null_mut, //
};
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    ffi::{
        c_int,
        c_uint, //
    },
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
    types::Opaque, //
};

/// Where C finds a handler type's hooks when a namespace comes or goes.
///
/// C's `struct pernet_operations` hands its functions the namespace and nothing else, so there is
/// one slot, a static, for each handler type.
pub struct Slot {
    ops: Atomic<*mut bindings::nf_hook_ops>,
    len: Atomic<usize>,
}

impl Slot {
    /// An empty slot.
    pub const fn new() -> Self {
        Self {
            ops: Atomic::new(null_mut()),
            len: Atomic::new(0),
        }
    }

    /// The entries that are in the slot: none before the first and after the last namespace.
    fn get(&self) -> (*const bindings::nf_hook_ops, c_uint) {
        let ops = self.ops.load(Acquire);

        (ops, self.len.load(Relaxed) as c_uint)
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

/// A handler that can be called in every network namespace.
pub trait InEveryNet: Handler {
    /// The type's slot, always the same one:
    ///
    /// ```ignore
    /// fn slot() -> &'static Slot {
    ///     static SLOT: Slot = Slot::new();
    ///     &SLOT
    /// }
    /// ```
    fn slot() -> &'static Slot;
}

/// A handler that is being called in every network namespace, those to come included.
///
/// One handler serves all; [`State::net_inode`](super::State::net_inode) says where a packet is. The
/// points go into all namespaces that there are, or into none. A namespace in which they cannot be
/// registered later on fails to be made, and whoever makes it is told why.
///
/// Dropping it takes the handler out of all points of all namespaces, waits for running calls, once
/// for all, and then drops the handler.
///
/// # Invariants
///
/// Once initialised, `pernet` is registered, and `T`'s slot holds `ops`, whose `priv` points to
/// `handler`.
#[pin_data(PinnedDrop)]
pub struct EveryNet<T: InEveryNet> {
    #[pin]
    pernet: Opaque<bindings::pernet_operations>,
    ops: KVec<HookOps>,
    #[pin]
    handler: T,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: `pernet` is C's alone and guarded by its lock; the other fields may be sent.
unsafe impl<T: InEveryNet> Send for EveryNet<T> {}

// SAFETY: As above: shared access reaches the handler only, which is `Sync`.
unsafe impl<T: InEveryNet> Sync for EveryNet<T> {}

impl<T: InEveryNet> EveryNet<T> {
    /// Has `handler` called at `points` of every namespace. May sleep.
    ///
    /// `EBUSY` if a handler of this type is registered so already; otherwise the errors of
    /// [`Registration::new`](super::Registration::new).
    pub fn new<'a>(
        points: &'a [Point],
        handler: impl PinInit<T, Error> + 'a,
    ) -> impl PinInit<Self, Error> + 'a {
        try_pin_init!(&this in Self {
            pernet: Opaque::new(bindings::pernet_operations {
                init: Some(init_net::<T>),
                pre_exit: Some(pre_exit_net::<T>),
                ..Default::default()
            }),
            handler <- handler,
            ops: HookOps::for_points(
                points.iter().map(|point| point.to_ops()),
                // SAFETY: `this` is the memory that is being initialised, so a field has an address.
                unsafe { &raw const (*this.as_ptr()).handler },
            )?,
            _pin: PhantomPinned,
            // INVARIANT: The last step, and one that undoes itself if it fails.
            _: {
                let slot = T::slot();

                if slot
                    .ops
                    .cmpxchg(null_mut(), HookOps::as_ptr(ops).cast_mut(), Release)
                    .is_err()
                {
                    Err(EBUSY)?;
                }
                slot.len.store(ops.len(), Relaxed);
                // SAFETY: `pernet` is pinned and lives until `drop` has unregistered it, and so do
                // the entries in the slot. All other fields are initialised, as callbacks may run at
                // once. If it fails, it takes the hooks out again and waits for a grace period.
                let registered = to_result(unsafe {
                    bindings::register_pernet_subsys(pernet.get())
                });
                if registered.is_err() {
                    slot.ops.store(null_mut(), Release);
                }
                registered?;
            },
        })
    }

    /// The handler that is being called.
    pub fn handler(&self) -> &T {
        &self.handler
    }
}

#[pinned_drop]
impl<T: InEveryNet> PinnedDrop for EveryNet<T> {
    fn drop(self: Pin<&mut Self>) {
        // This waits for a grace period between `pre_exit` of the last namespace and its return.
        // SAFETY: By the type invariant it is registered.
        unsafe { bindings::unregister_pernet_subsys(self.pernet.get()) };
        T::slot().ops.store(null_mut(), Release);
    }
}

/// Called for each namespace that there is, and for each that comes.
///
/// # Safety
///
/// To be used only as the `init` of an [`EveryNet`]'s operations.
unsafe extern "C" fn init_net<T: InEveryNet>(net: *mut bindings::net) -> c_int {
    let (ops, len) = T::slot().get();

    from_result(|| {
        // SAFETY: C passes a valid namespace. The entries are in the slot for as long as the
        // operations are registered, and live longer.
        to_result(unsafe { bindings::nf_register_net_hooks(net, ops, len) })?;
        Ok(0)
    })
}

/// Called for each namespace that goes, and for all when the operations go. C waits afterwards.
///
/// # Safety
///
/// To be used only as the `pre_exit` of an [`EveryNet`]'s operations.
unsafe extern "C" fn pre_exit_net<T: InEveryNet>(net: *mut bindings::net) {
    let (ops, len) = T::slot().get();

    // SAFETY: C passes a namespace that `init_net` was called for, and the slot is as it was then.
    unsafe { bindings::nf_unregister_net_hooks(net, ops, len) };
}
