// SPDX-License-Identifier: GPL-2.0

//! A handler registered in every network namespace, present and future.
//!
//! C source: [`net/netfilter/core.c`](srctree/net/netfilter/core.c)

use super::{
    handler::{
        distinct,
        HookOps, //
    },
    module::Revoke,
    pernet::{
        NetPtr,
        Pernet, //
    },
    rcu_box::{
        check_context,
        synchronize_rcu_expedited, //
    },
    Handler,
    HookPoint, //
    ModuleHooks,
};
use crate::bindings::{
    self,
    compat::{
        code::ESHUTDOWN,
        rcu, //
    }, //
};
use core::marker::PhantomPinned;
use kernel::{
    alloc::AllocError,
    error::to_result,
    fmt,
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// The number of left-out namespaces that one retry handles.
///
/// Bounds the time for which a user with many full namespaces can delay the others.
const RETRIES: usize = 256;

/// The network namespaces in which a handler is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetScope {
    /// The initial namespace, C's `init_net`.
    Initial,
    /// All present and future namespaces. If one does not take the handler, none does; a new
    /// namespace that does not take it cannot be created.
    ///
    /// Any user can cause such a failure in his own user namespace: a hook point has room for 1,024
    /// hooks, and those of his network namespace are his. So this is for handlers without which no
    /// packet may pass.
    All,
    /// All present and future namespaces, except those other than the initial one that do not take
    /// the handler. These are left out: see [`PernetRegistration`].
    AllPossible,
}

impl NetScope {
    /// Returns whether the scope includes a namespace.
    fn include(self, net: NetPtr) -> bool {
        self != Self::Initial || net.is_initial()
    }

    /// Returns whether a namespace must not be left out.
    fn need(self, net: NetPtr) -> bool {
        self == Self::All || net.is_initial()
    }
}

/// The reason why a handler is not registered in a network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrationError {
    /// The hook point that failed, if one did.
    pub point: Option<HookPoint>,
    /// As for [`Registration::new`](super::Registration::new).
    pub error: Error,
}

impl From<Error> for RegistrationError {
    fn from(error: Error) -> Self {
        Self { point: None, error }
    }
}

impl From<AllocError> for RegistrationError {
    fn from(error: AllocError) -> Self {
        Error::from(error).into()
    }
}

impl From<RegistrationError> for Error {
    fn from(error: RegistrationError) -> Self {
        error.error
    }
}

impl fmt::Display for RegistrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_fmt(fmt!("error {}", self.error.to_errno()))?;
        if let Some(point) = self.point {
            f.write_fmt(fmt!(" at {point}"))?;
        }
        if self.error == E2BIG {
            f.write_str(": it has its 1024 hooks, see 'nft list hooks' for some to remove")?;
        }
        Ok(())
    }
}

/// A handler registered in every network namespace, present and future.
///
/// One handler serves all namespaces; [`HookState::net_inode`](super::HookState::net_inode)
/// identifies the packet's. Created by [`ModuleHooks::register_in_nets`]; ended as a
/// [`Registration`](super::Registration) is.
///
/// The points and the scope can be [changed](Self::change) while packets pass.
///
/// With [`NetScope::AllPossible`], a namespace in which one of the points cannot be registered is
/// left out entirely. This is logged once and reported by [`left_out`](Self::left_out).
/// Registration is retried on each change and every five seconds.
///
/// # Invariants
///
/// Each entry of `table`, whose `priv` points to `handler`, is registered in those of its
/// namespaces for which `is_in` is set. If `is_ended`, there is no namespace; while there is one,
/// [`Namespaces`](super::pernet) or [`ModuleHooks`] holds a reference to this object.
#[pin_data]
pub struct PernetRegistration<T: Handler> {
    hooks: ModuleHooks,
    #[pin]
    table: Mutex<Table>,
    #[pin]
    handler: T,
    #[pin]
    _pin: PhantomPinned,
}

/// The entries, and the namespaces in which they are registered.
struct Table {
    /// All existing namespaces. May be vmalloc memory, since it can exceed a page.
    namespaces: KVVec<Namespace>,
    entries: KVec<Entry>,
    nets: NetScope,
    /// The index of the namespace to retry next.
    next: usize,
    is_ended: bool,
}

/// A namespace, with its registration state.
struct Namespace {
    net: NetPtr,
    inode: u32,
    is_in: bool,
    /// Why it is left out.
    left_out: Option<RegistrationError>,
    /// Why it is to be left out once the pending change is committed.
    refusal: Option<RegistrationError>,
    /// Whether this was logged.
    is_told: bool,
}

/// A hook point, with its C entry.
struct Entry {
    point: HookPoint,
    ops: KVec<HookOps>,
}

impl Entry {
    fn new<T: Handler>(point: HookPoint, handler: *const T) -> Result<Self> {
        Ok(Self {
            point,
            ops: HookOps::list([point.to_ops()].into_iter(), handler)?,
        })
    }

    fn list<T: Handler>(points: &[HookPoint], handler: *const T) -> Result<KVec<Self>> {
        let mut list = KVec::with_capacity(points.len(), GFP_KERNEL)?;

        for point in distinct(points) {
            list.push_within_capacity(Self::new(*point, handler)?)?;
        }
        Ok(list)
    }

    /// Registers the entry in a namespace.
    ///
    /// # Safety
    ///
    /// The namespace must be valid, and the entry must not be registered there. The entry must be
    /// unregistered, and a grace period must pass, before it and the handler are freed.
    unsafe fn register(&self, net: NetPtr) -> Result<(), RegistrationError> {
        // SAFETY: By this function's requirement; the array has one entry.
        to_result(unsafe {
            bindings::nf_register_net_hooks(net.as_ptr(), HookOps::as_ptr(&self.ops), 1)
        })
        .map_err(|error| RegistrationError {
            point: Some(self.point),
            error,
        })
    }

    /// Unregisters the entry from a namespace.
    ///
    /// # Safety
    ///
    /// The entry must be registered in this namespace.
    unsafe fn unregister(&self, net: NetPtr) {
        // SAFETY: By this function's requirement.
        unsafe { bindings::nf_unregister_net_hooks(net.as_ptr(), HookOps::as_ptr(&self.ops), 1) }
    }
}

/// Registers entries in a namespace, all or none. Entries that were rolled back may still be
/// running.
///
/// # Safety
///
/// For all entries as [`Entry::register`].
unsafe fn register_all<'a>(
    net: NetPtr,
    entries: impl Iterator<Item = &'a Entry> + Clone,
) -> Result<(), RegistrationError> {
    for (done, entry) in entries.clone().enumerate() {
        // SAFETY: By this function's requirement.
        if let Err(error) = unsafe { entry.register(net) } {
            for entry in entries.take(done) {
                // SAFETY: It was registered above.
                unsafe { entry.unregister(net) };
            }
            return Err(error);
        }
    }
    Ok(())
}

impl Namespace {
    /// Registers all entries, or leaves the namespace out.
    ///
    /// # Safety
    ///
    /// For all entries as [`Entry::register`].
    unsafe fn take_in(&mut self, entries: &[Entry]) {
        // SAFETY: By this function's requirement.
        self.left_out = unsafe { register_all(self.net, entries.iter()) }.err();
        // INVARIANT: All are registered, or none.
        self.is_in = self.left_out.is_none();
    }

    /// Unregisters the entries that are not to stay. The caller updates `is_in`.
    ///
    /// # Safety
    ///
    /// `entries` must be those of the table.
    unsafe fn take_out(&self, entries: &[Entry], stays: impl Fn(&Entry) -> bool) {
        if self.is_in {
            for entry in entries.iter().filter(|entry| !stays(entry)) {
                // SAFETY: By the type invariant of the registration it is registered there.
                unsafe { entry.unregister(self.net) };
            }
        }
    }

    /// Logs, once each, that the namespace is left out or no longer left out.
    fn tell(&mut self) {
        let is_left_out = self.left_out.is_some();
        // SAFETY: Any context.
        if is_left_out == self.is_told || unsafe { bindings::net_ratelimit() } == 0 {
            return;
        }
        let inode = self.inode;

        match self.left_out {
            Some(error) => pr_warn!("netns {inode} left out: {error}\n"),
            None if self.is_in => pr_info!("netns {inode} taken in\n"),
            None => {}
        }
        self.is_told = is_left_out;
    }
}

impl Table {
    /// Retries some of the namespaces that are left out. Returns whether any are left.
    fn retry(&mut self) -> bool {
        let Self {
            namespaces,
            entries,
            next,
            ..
        } = self;
        let mut is_left = false;
        // Resume where the last call ended, and wrap around.
        if *next > namespaces.len() {
            *next = 0;
        }
        let (before, from) = namespaces.split_at_mut_checked(*next).unwrap_or_default();
        let places = Iterator::chain(from.iter_mut().zip(*next..), before.iter_mut().zip(0..));

        let left_out = places.filter(|(namespace, _)| namespace.left_out.is_some());
        for (tried, (namespace, index)) in left_out.enumerate() {
            if tried == RETRIES {
                *next = index;
                return true;
            }
            // SAFETY: The namespace is in the table, so it is valid, and nothing is registered
            // there. The entries are the table's, so they live until they are unregistered.
            unsafe { namespace.take_in(entries) };
            namespace.tell();
            is_left |= !namespace.is_in;
        }
        is_left
    }
}

impl<T: Handler> PernetRegistration<T> {
    /// Prepares a registration of `handler` at `points` of `nets`, which takes effect once it has
    /// joined the module's namespaces.
    pub(super) fn new<'a>(
        hooks: ModuleHooks,
        nets: NetScope,
        points: &'a [HookPoint],
        handler: impl PinInit<T, Error> + 'a,
    ) -> impl PinInit<Self, Error> + 'a {
        try_pin_init!(&this in Self {
            hooks,
            handler <- handler,
            // INVARIANT: There is no namespace yet.
            table <- new_mutex!(Table {
                namespaces: KVVec::new(),
                // SAFETY: `this` points to the memory being initialised, so taking a field's
                // address is sound.
                entries: Entry::list(points, unsafe { &raw const (*this.as_ptr()).handler })?,
                nets,
                next: 0,
                is_ended: false,
            }),
            _pin: PhantomPinned,
        })
    }

    /// Moves the registration to `points` of `nets`. May sleep.
    ///
    /// A point that stays is left untouched: it misses no packet and sees none twice. New entries
    /// are registered before old ones are unregistered. Where only the priority of a point changes,
    /// a packet in flight at that point may be seen twice. Where there is no room for the new
    /// entries beside the old, a namespace that may be left out is registered again at once, but
    /// packets in between are missed.
    ///
    /// # Errors
    ///
    /// Those of [`Registration::new`](super::Registration::new), for a namespace that must not be
    /// left out; `ESHUTDOWN` if the registration was ended; `EDEADLK` in a handler. On error the
    /// old hooks are kept.
    pub fn change(&self, nets: NetScope, points: &[HookPoint]) -> Result<(), RegistrationError> {
        check_context()?;
        let mut guard = self.table.lock();
        let Table {
            namespaces,
            entries,
            is_ended: false,
            ..
        } = &mut *guard
        else {
            return Err(ESHUTDOWN.into());
        };
        let is_old = |point: &HookPoint| entries.iter().any(|entry| entry.point == *point);
        let is_new = |entry: &Entry| points.contains(&entry.point);

        // Allocate everything first.
        let mut added = KVec::new();
        for point in distinct(points).filter(|point| !is_old(point)) {
            added.push(Entry::new(*point, &raw const self.handler)?, GFP_KERNEL)?;
        }
        let mut kept = KVec::with_capacity(entries.len() + added.len(), GFP_KERNEL)?;
        let mut gone = KVec::with_capacity(entries.len(), GFP_KERNEL)?;

        let come = |is_in: bool| {
            let old = entries.iter().filter(move |entry| !is_in && is_new(entry));
            Iterator::chain(old, added.iter())
        };

        // Register the new entries, all or none in each namespace.
        let mut failed = None;
        for (index, namespace) in namespaces.iter_mut().enumerate() {
            namespace.refusal = None;
            if !nets.include(namespace.net) {
                continue;
            }
            // SAFETY: The namespace is in the table, so it is valid. By the type invariant these
            // entries are not registered there yet. They are kept below, and freed by a later call
            // or with the table, in each case after a grace period.
            let done = unsafe { register_all(namespace.net, come(namespace.is_in)) };
            match done {
                Err(error) if nets.need(namespace.net) => {
                    failed = Some((index, error));
                    break;
                }
                done => namespace.refusal = done.err(),
            }
        }
        if let Some((index, error)) = failed {
            for namespace in namespaces.iter().take(index) {
                if nets.include(namespace.net) && namespace.refusal.is_none() {
                    for entry in come(namespace.is_in) {
                        // SAFETY: It was registered above.
                        unsafe { entry.unregister(namespace.net) };
                    }
                }
            }
            drop(guard);
            // Entries that were rolled back may still be running, and `added` is freed now.
            rcu::synchronize_rcu();
            return Err(error);
        }

        // Unregister the old entries.
        for namespace in namespaces.iter_mut() {
            let stays = nets.include(namespace.net) && namespace.refusal.is_none();
            // SAFETY: These are the table's entries, and those not to stay are either dropped or
            // not registered.
            unsafe { namespace.take_out(entries, |entry| stays && is_new(entry)) };
            namespace.is_in = stays;
            namespace.left_out = namespace.refusal.take();
        }
        for entry in Iterator::chain(entries.drain_all(), added.drain_all()) {
            let list = if is_new(&entry) { &mut kept } else { &mut gone };
            // There is room for all; an entry without room is leaked, since packets may still be at
            // it.
            if let Err(entry) = list.push_within_capacity(entry) {
                core::mem::forget(entry);
            }
        }
        // INVARIANT: The table matches the registered entries again.
        *entries = kept;
        guard.nets = nets;
        // The old entries may have made room.
        let is_left = guard.retry();
        guard.namespaces.iter_mut().for_each(Namespace::tell);
        // Scheduled with the table locked: module exit waits for the lock before it waits for the
        // work.
        if is_left {
            self.hooks.namespaces().retry_later();
        }
        drop(guard);
        if !gone.is_empty() {
            synchronize_rcu_expedited();
        }
        Ok(())
    }

    /// Writes the namespaces that are left out to `to`, as inode number and reason, as far as there
    /// is room. Returns their total number. May sleep. `EDEADLK` in a handler.
    pub fn left_out(&self, to: &mut [Option<(u32, Error)>]) -> Result<usize> {
        check_context()?;
        let table = self.table.lock();
        let mut places = to.iter_mut();

        let number = table
            .namespaces
            .iter()
            .filter_map(|namespace| namespace.left_out.map(|it| (namespace.inode, it.error)))
            .inspect(|left_out| {
                if let Some(place) = places.next() {
                    *place = Some(*left_out);
                }
            })
            .count();
        Ok(number)
    }

    /// Returns the registered handler.
    pub fn handler(&self) -> &T {
        &self.handler
    }
}

impl<T: Handler> Pernet for PernetRegistration<T> {
    fn enter(&self, net: NetPtr) -> Result<(), RegistrationError> {
        let mut guard = self.table.lock();
        let table = &mut *guard;
        if table.is_ended {
            return Err(ESHUTDOWN.into());
        }
        let mut namespace = Namespace {
            net,
            // SAFETY: The namespace is valid until `leave` or `end`.
            inode: unsafe { bindings::net_inode(net.as_ptr()) },
            is_in: false,
            left_out: None,
            refusal: None,
            is_told: false,
        };
        // Tracking a namespace needs this much memory in any case.
        table.namespaces.reserve(1, GFP_KERNEL)?;

        if table.nets.include(net) {
            // SAFETY: The namespace is valid, as above, and nothing is registered there. The
            // entries are the table's, so they live until they are unregistered.
            unsafe { namespace.take_in(&table.entries) };
        }
        if let Some(error) = namespace.left_out {
            if table.nets.need(net) {
                return Err(error);
            }
            self.hooks.namespaces().retry_later();
        }
        namespace.tell();
        // Room was reserved before anything was registered.
        let listed = table.namespaces.push_within_capacity(namespace);
        Ok(listed.map_err(Error::from)?)
    }

    fn leave(&self, net: NetPtr) {
        let mut guard = self.table.lock();
        let table = &mut *guard;
        let Some(index) = table.namespaces.iter().position(|known| known.net == net) else {
            return;
        };

        if let Ok(namespace) = table.namespaces.remove(index) {
            // SAFETY: These are the table's entries. The namespace is no longer in the table.
            unsafe { namespace.take_out(&table.entries, |_| false) };
        }
    }

    fn end(&self) {
        let mut guard = self.table.lock();
        let table = &mut *guard;

        for namespace in &table.namespaces {
            // SAFETY: These are the table's entries.
            unsafe { namespace.take_out(&table.entries, |_| false) };
        }
        // INVARIANT: Nothing is registered, and nothing will be.
        table.namespaces = KVVec::new();
        table.is_ended = true;
    }

    fn retry(&self) -> bool {
        self.table.lock().retry()
    }
}

impl<T: Handler> Revoke for PernetRegistration<T> {
    fn revoke(&self) {
        self.hooks.namespaces().end(self);
    }
}
