// SPDX-License-Identifier: GPL-2.0

//! A handler that is being called in every network namespace, those to come included.
//!
//! C source: [`net/core/net_namespace.c`](srctree/net/core/net_namespace.c)

use super::{
    handler::HookOps,
    module::Revoke,
    replaceable::synchronize_rcu_expedited,
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
    ffi::c_int,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Release, //
        },
        rcu,
        Mutex, //
    },
    types::Opaque, //
};

/// In which network namespaces a handler is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nets {
    /// In the one that the kernel boots into, C's `init_net`.
    Initial,
    /// In all that there are, and in all that will be.
    All,
}

impl Nets {
    /// Whether a namespace is one of these.
    fn include(self, net: NetPtr) -> bool {
        self == Self::All || net.0 == &raw mut bindings::init_net
    }
}

/// Where C finds a handler type's hooks when a namespace comes or goes.
///
/// C's `struct pernet_operations` hands its functions the namespace and nothing else, so there is
/// one slot, a static, for each handler type.
pub struct Slot(Atomic<*mut Mutex<Table>>);

impl Slot {
    /// An empty slot.
    pub const fn new() -> Self {
        Self(Atomic::new(null_mut()))
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
/// The points, and whether they are those of every namespace, can be [changed](Self::change) while
/// packets pass.
///
/// Made by [`ModuleHooks::register_in_nets`](super::ModuleHooks::register_in_nets), and ended as a
/// [`Registration`](super::Registration) is; of one type there cannot be a second one at a time.
///
/// # Invariants
///
/// Once initialised, and unless `is_revoked`, `pernet` is registered, and `T`'s slot holds `table`. Each
/// entry of `table`, whose `priv` points to `handler`, is registered in those of its namespaces that
/// `nets` includes.
#[pin_data(PinnedDrop)]
pub struct EveryNet<T: InEveryNet> {
    #[pin]
    pernet: Opaque<bindings::pernet_operations>,
    #[pin]
    table: Mutex<Table>,
    is_revoked: Atomic<bool>,
    #[pin]
    handler: T,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: `pernet` is C's alone and guarded by its lock; the other fields may be sent.
unsafe impl<T: InEveryNet> Send for EveryNet<T> {}

// SAFETY: As above: shared access reaches the handler, which is `Sync`, and a mutex.
unsafe impl<T: InEveryNet> Sync for EveryNet<T> {}

/// A namespace between C's calls of `init` and `pre_exit` for it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct NetPtr(*mut bindings::net);

// SAFETY: A namespace belongs to no thread.
unsafe impl Send for NetPtr {}

/// What is registered where.
struct Table {
    /// All namespaces that there are.
    namespaces: KVec<NetPtr>,
    entries: KVec<Entry>,
    nets: Nets,
}

/// A point, with what C has of it in each namespace.
struct Entry {
    point: Point,
    ops: KVec<HookOps>,
}

impl Entry {
    fn new<T: Handler>(point: Point, handler: *const T) -> Result<Self> {
        Ok(Self {
            point,
            ops: HookOps::for_points([point.to_ops()].into_iter(), handler)?,
        })
    }

    fn list<T: Handler>(points: &[Point], handler: *const T) -> Result<KVec<Self>> {
        let mut list = KVec::with_capacity(points.len(), GFP_KERNEL)?;

        for point in points {
            list.push(Self::new(*point, handler)?, GFP_KERNEL)?;
        }
        Ok(list)
    }

    /// # Safety
    ///
    /// The namespace must be valid, the entry not be registered there, and be taken out again and a
    /// grace period pass before it and the handler are freed.
    unsafe fn register(&self, net: NetPtr) -> Result {
        // SAFETY: By this function's requirement; there is one entry.
        to_result(unsafe { bindings::nf_register_net_hooks(net.0, HookOps::as_ptr(&self.ops), 1) })
    }

    /// # Safety
    ///
    /// The entry must be registered in this namespace.
    unsafe fn unregister(&self, net: NetPtr) {
        // SAFETY: By this function's requirement.
        unsafe { bindings::nf_unregister_net_hooks(net.0, HookOps::as_ptr(&self.ops), 1) }
    }
}

/// Registers those of the pairs of namespace and entry that are not yet, all or none.
///
/// Those that were undone may still be running.
///
/// # Safety
///
/// For all `pairs` as [`Entry::register`].
unsafe fn register_all<'a>(pairs: impl Iterator<Item = (NetPtr, &'a Entry)> + Clone) -> Result {
    for (done, (net, entry)) in pairs.clone().enumerate() {
        // SAFETY: By this function's requirement.
        if let Err(error) = unsafe { entry.register(net) } {
            for (net, entry) in pairs.take(done) {
                // SAFETY: It was registered just now.
                unsafe { entry.unregister(net) };
            }
            return Err(error);
        }
    }
    Ok(())
}

impl<T: InEveryNet> EveryNet<T> {
    /// Has `handler` called at `points` of `nets`, until that is changed. May sleep.
    ///
    /// # Safety
    ///
    /// As for [`Registration::new`](super::Registration::new).
    ///
    /// # Errors
    ///
    /// `EBUSY` if a handler of this type is registered so already; otherwise the errors of
    /// [`Registration::new`](super::Registration::new).
    pub unsafe fn new<'a>(
        nets: Nets,
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
            table <- new_mutex!(Table {
                namespaces: KVec::new(),
                // SAFETY: `this` is the memory that is being initialised, so a field has an address.
                entries: Entry::list(points, unsafe { &raw const (*this.as_ptr()).handler })?,
                nets,
            }),
            is_revoked: Atomic::new(false),
            _pin: PhantomPinned,
            // INVARIANT: The last step, and one that undoes itself if it fails.
            _: {
                let slot = &T::slot().0;
                let table = core::ptr::from_ref(&*table).cast_mut();

                if slot.cmpxchg(null_mut(), table, Release).is_err() {
                    Err(EBUSY)?;
                }
                // SAFETY: `pernet` is pinned and lives until `drop` has unregistered it, and so does
                // the table in the slot. All other fields are initialised, as callbacks may run at
                // once. If it fails, it takes the hooks out again and waits for a grace period.
                let registered = to_result(unsafe {
                    bindings::register_pernet_subsys(pernet.get())
                });
                if registered.is_err() {
                    slot.store(null_mut(), Release);
                }
                registered?;
            },
        })
    }

    /// Has the handler called at `points` of `nets` from now on, and nowhere else. May sleep.
    ///
    /// At a point that stays, no packet is missed and none comes twice, since nothing is touched
    /// there. What is new goes in before what is old goes out; where just the priority of a point
    /// changes, a packet that is on its way through that point may come twice.
    ///
    /// # Errors
    ///
    /// Those of [`Registration::new`](super::Registration::new), and `ESHUTDOWN` if it was ended; what was
    /// in force then stays.
    pub fn change(&self, nets: Nets, points: &[Point]) -> Result {
        if self.is_revoked.load(Acquire) {
            return Err(ESHUTDOWN);
        }
        let mut guard = self.table.lock();
        let table = &mut *guard;
        let is_old = |point: &Point| table.entries.iter().any(|entry| entry.point == *point);
        let is_new = |entry: &Entry| points.contains(&entry.point);

        // All memory first.
        let mut added = KVec::new();
        for point in points.iter().filter(|point| !is_old(point)) {
            added.push(Entry::new(*point, &raw const self.handler)?, GFP_KERNEL)?;
        }
        let mut kept = KVec::with_capacity(table.entries.len() + added.len(), GFP_KERNEL)?;
        let mut gone = KVec::with_capacity(table.entries.len(), GFP_KERNEL)?;

        let come = table.namespaces.iter().flat_map(|net| {
            let old = table
                .entries
                .iter()
                .filter(|entry| is_new(entry) && nets.include(*net) && !table.nets.include(*net));
            let new = added.iter().filter(|_| nets.include(*net));
            Iterator::chain(old, new).map(|entry| (*net, entry))
        });
        // SAFETY: The namespaces are valid, as the table is locked: `pre_exit_net` takes them out.
        // These entries are not registered there yet by the type invariant. They are kept below, and
        // freed by `drop` or by a later call, after a grace period each.
        if let Err(error) = unsafe { register_all(come) } {
            drop(guard);
            // Those that were undone may still be running, and `added` is freed now.
            rcu::synchronize_rcu();
            return Err(error);
        }

        for net in table
            .namespaces
            .iter()
            .filter(|net| table.nets.include(**net))
        {
            for entry in &table.entries {
                if !(is_new(entry) && nets.include(*net)) {
                    // SAFETY: By the type invariant it is registered there.
                    unsafe { entry.unregister(*net) };
                }
            }
        }
        // INVARIANT: The table says again what is registered where.
        table.nets = nets;
        for entry in Iterator::chain(table.entries.drain_all(), added.drain_all()) {
            let list = if is_new(&entry) { &mut kept } else { &mut gone };
            // There is room for all.
            list.push(entry, GFP_KERNEL)?;
        }
        table.entries = kept;
        drop(guard);
        if !gone.is_empty() {
            synchronize_rcu_expedited();
        }
        Ok(())
    }

    /// The handler that is being called.
    pub fn handler(&self) -> &T {
        &self.handler
    }
}

impl<T: InEveryNet> Revoke for EveryNet<T> {
    fn revoke(&self) {
        // INVARIANT: It is unregistered just below, by nobody else.
        if self.is_revoked.xchg(true, Full) {
            return;
        }
        // This waits for a grace period between `pre_exit` of the last namespace and its return.
        // SAFETY: By the type invariant it is registered.
        unsafe { bindings::unregister_pernet_subsys(self.pernet.get()) };
        T::slot().0.store(null_mut(), Release);
    }
}

#[pinned_drop]
impl<T: InEveryNet> PinnedDrop for EveryNet<T> {
    fn drop(self: Pin<&mut Self>) {
        self.revoke();
    }
}

/// The table in a handler type's slot.
///
/// # Safety
///
/// To be used only while `T`'s operations are being registered, are registered or being unregistered.
unsafe fn table<T: InEveryNet>() -> &'static Mutex<Table> {
    // SAFETY: In that time the slot holds the table of an `EveryNet`, which lives longer.
    unsafe { &*T::slot().0.load(Acquire) }
}

/// Called for each namespace that there is, and for each that comes.
///
/// # Safety
///
/// To be used only as the `init` of an [`EveryNet`]'s operations.
unsafe extern "C" fn init_net<T: InEveryNet>(net: *mut bindings::net) -> c_int {
    let net = NetPtr(net);

    from_result(|| {
        // SAFETY: The operations are being registered or are registered.
        let mut table = unsafe { table::<T>() }.lock();
        table.namespaces.push(net, GFP_KERNEL)?;

        let nets = table.nets;
        let pairs = table.entries.iter().filter(|_| nets.include(net));
        // SAFETY: C passes a valid namespace, a new one. The entries live longer than they are
        // registered there: until `pre_exit_net`, or `change`. C waits where one is not made.
        if let Err(error) = unsafe { register_all(pairs.map(|entry| (net, entry))) } {
            table.namespaces.pop();
            return Err(error);
        }
        Ok(0)
    })
}

/// Called for each namespace that goes, and for all when the operations go. C waits afterwards.
///
/// # Safety
///
/// To be used only as the `pre_exit` of an [`EveryNet`]'s operations.
unsafe extern "C" fn pre_exit_net<T: InEveryNet>(net: *mut bindings::net) {
    let net = NetPtr(net);
    // SAFETY: The operations are registered, or being unregistered.
    let mut table = unsafe { table::<T>() }.lock();

    // C calls this also for a namespace whose `init` has failed.
    let Some(index) = table.namespaces.iter().position(|known| *known == net) else {
        return;
    };
    if table.nets.include(net) {
        for entry in &table.entries {
            // SAFETY: By the type invariant it is registered there.
            unsafe { entry.unregister(net) };
        }
    }
    let _ = table.namespaces.remove(index);
}
