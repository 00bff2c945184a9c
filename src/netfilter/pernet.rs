// SPDX-License-Identifier: GPL-2.0

//! Per-network-namespace operations, for objects present in each namespace.
//!
//! C's `struct pernet_operations` passes its functions the namespace and nothing else. So a module
//! has one of them, whose functions find the only [`Namespaces`] through a static and forward to
//! all members.
//!
//! C source: [`net/core/net_namespace.c`](srctree/net/core/net_namespace.c)

use super::{
    Net,
    RegistrationError, //
};
use crate::bindings::{
    self,
    compat::{
        code::ESHUTDOWN,
        AtomicPtr, //
    }, //
};
use core::ptr::{
    from_ref,
    null_mut, //
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
            Release, //
        },
        Arc,
        Mutex, //
    },
    time::msecs_to_jiffies,
    types::Opaque, //
};

/// Delay before a retry after a failure, in milliseconds.
const RETRY_MS: u32 = 5_000;

/// A namespace that is valid without a reference held here: mostly, between C's calls of `init` and
/// `pre_exit` for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct NetPtr(*mut bindings::net);

// SAFETY: A namespace is not bound to a thread.
unsafe impl Send for NetPtr {}

impl NetPtr {
    /// Returns a pointer that is valid for as long as `net` is held.
    pub(super) fn of(net: &Net) -> Self {
        Self(net.as_ptr())
    }

    /// Returns the pointer for C.
    pub(super) fn as_ptr(self) -> *mut bindings::net {
        self.0
    }

    /// Returns whether this is the initial namespace, C's `init_net`.
    pub(super) fn is_initial(self) -> bool {
        self.0 == &raw mut bindings::init_net
    }
}

/// An object present in network namespaces, notified when they come and go.
///
/// All functions are called with the list of namespaces locked: a namespace that was entered stays
/// valid until [`leave`](Self::leave) or [`end`](Self::end) returns.
pub(super) trait Pernet: Send + Sync {
    /// Called for each existing namespace, and for each new one. An error fails the namespace's
    /// creation.
    fn enter(&self, net: NetPtr) -> Result<(), RegistrationError>;

    /// Called for each namespace that goes away, also if it was not entered. C waits for a grace
    /// period before the namespace is freed.
    fn leave(&self, net: NetPtr);

    /// Leaves all namespaces, for good.
    fn end(&self);

    /// Called some seconds after [`Namespaces::retry_later`]. Returns whether another retry is
    /// needed.
    fn retry(&self) -> bool;
}

/// All network namespaces, and the members notified of them.
///
/// # Invariants
///
/// While `stage` is [`Stage::Registered`], `operations` is registered, and [`NAMESPACES`] holds
/// this object. It is not dropped in that stage, and not before `work` has been cancelled.
#[pin_data]
pub(super) struct Namespaces {
    #[pin]
    operations: Opaque<bindings::pernet_operations>,
    #[pin]
    work: Opaque<bindings::delayed_work>,
    #[pin]
    stage: Mutex<Stage>,
    #[pin]
    list: Mutex<List>,
}

// SAFETY: `operations` and `work` are accessed by C only, under its locks; the other fields are
// `Send`.
unsafe impl Send for Namespaces {}

// SAFETY: As above; shared access goes through mutexes.
unsafe impl Sync for Namespaces {}

/// The module's namespaces, while C may call the operations.
static NAMESPACES: AtomicPtr<Namespaces> = AtomicPtr::null();

enum Stage {
    /// Nothing has joined yet.
    Idle,
    /// The operations are registered.
    Registered,
    /// The module is exiting.
    Closed,
}

struct List {
    /// May be vmalloc memory, since it can exceed a page.
    nets: KVVec<NetPtr>,
    members: KVec<Arc<dyn Pernet>>,
    is_closed: bool,
}

impl Namespaces {
    /// Creates an empty list of members. Registers nothing yet.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            operations: Opaque::new(bindings::pernet_operations {
                init: Some(init_net),
                pre_exit: Some(pre_exit_net),
                ..Default::default()
            }),
            work <- Opaque::ffi_init(|slot| {
                // SAFETY: The slot is pinned memory for the work, and `retry` is its function.
                unsafe { bindings::delayed_work_init(slot, Some(retry)) };
            }),
            stage <- new_mutex!(Stage::Idle),
            list <- new_mutex!(List {
                nets: KVVec::new(),
                members: KVec::new(),
                is_closed: false,
            }),
        })
    }

    /// Adds a member, which enters all namespaces and is notified of new ones. May sleep.
    ///
    /// On error `member` has left all namespaces again and is not kept.
    pub(super) fn join(&self, member: Arc<dyn Pernet>) -> Result<(), RegistrationError> {
        self.register()?;
        let mut list = self.list.lock();
        let List {
            nets,
            members,
            is_closed: false,
        } = &mut *list
        else {
            return Err(ESHUTDOWN.into());
        };

        members.reserve(1, GFP_KERNEL)?;
        for (entered, net) in nets.iter().enumerate() {
            if let Err(error) = member.enter(*net) {
                nets.iter().take(entered).for_each(|net| member.leave(*net));
                return Err(error);
            }
        }
        // Room was reserved before anything was registered.
        Ok(members.push_within_capacity(member).map_err(Error::from)?)
    }

    /// Ends a member, whether or not it has joined. May sleep.
    pub(super) fn end(&self, member: &dyn Pernet) {
        let mut list = self.list.lock();
        let found = list
            .members
            .iter()
            .position(|known| core::ptr::addr_eq(Arc::as_ptr(known), member));

        member.end();
        let known = found.and_then(|index| list.members.remove(index).ok());
        // The member is dropped without the lock held.
        drop(list);
        drop(known);
    }

    /// Schedules a retry of all members after some seconds. Any context.
    pub(super) fn retry_later(&self) {
        // SAFETY: By the type invariant it is cancelled before it is freed.
        unsafe { bindings::delayed_work_schedule(self.work.get(), msecs_to_jiffies(RETRY_MS)) };
    }

    /// Unregisters the operations. May sleep. There must be no members left.
    pub(super) fn close(&self) {
        let mut stage = self.stage.lock();

        if matches!(*stage, Stage::Registered) {
            // SAFETY: By the type invariant it is registered.
            unsafe { bindings::unregister_pernet_subsys(self.operations.get()) };
            NAMESPACES.store(null_mut(), Release);
        }
        *stage = Stage::Closed;
        self.list.lock().is_closed = true;
        // SAFETY: It was initialised, and nothing but the work itself schedules it any more.
        unsafe { bindings::cancel_delayed_work_sync(self.work.get()) };
    }

    /// Registers the operations, if not done yet.
    fn register(&self) -> Result {
        let mut stage = self.stage.lock();

        match *stage {
            Stage::Idle => {}
            Stage::Registered => return Ok(()),
            Stage::Closed => return Err(ESHUTDOWN),
        }
        let this = from_ref(self).cast_mut();
        if NAMESPACES.cmpxchg(null_mut(), this, Release).is_err() {
            return Err(EBUSY);
        }
        // SAFETY: `operations` is pinned, and unregistered before this object is dropped.
        let error = unsafe { bindings::register_pernet_subsys(self.operations.get()) };
        let registered = to_result(error);
        match registered {
            // INVARIANT: It was registered above.
            Ok(()) => *stage = Stage::Registered,
            Err(_) => NAMESPACES.store(null_mut(), Release),
        }
        registered
    }
}

/// Returns the module's namespaces.
///
/// # Safety
///
/// Must be called only while C may call the module's `struct pernet_operations`.
unsafe fn namespaces<'a>() -> &'a Namespaces {
    // SAFETY: In that time the static holds them, by the type invariant.
    unsafe { &*NAMESPACES.load(Acquire) }
}

/// Called for each existing namespace, and for each new one.
///
/// # Safety
///
/// To be used only as the `init` of [`Namespaces`]'s operations.
unsafe extern "C" fn init_net(net: *mut bindings::net) -> c_int {
    let net = NetPtr(net);

    from_result(|| {
        // SAFETY: Called by C, as the operations' `init`.
        let mut list = unsafe { namespaces() }.list.lock();
        let List { nets, members, .. } = &mut *list;

        nets.push(net, GFP_KERNEL)?;
        for (entered, member) in members.iter().enumerate() {
            if let Err(error) = member.enter(net) {
                members.iter().take(entered).for_each(|it| it.leave(net));
                nets.pop();
                return Err(error.into());
            }
        }
        Ok(0)
    })
}

/// Called for each namespace that goes away, and for all when the operations are unregistered. C
/// waits for a grace period afterwards.
///
/// # Safety
///
/// To be used only as the `pre_exit` of [`Namespaces`]'s operations.
unsafe extern "C" fn pre_exit_net(net: *mut bindings::net) {
    let net = NetPtr(net);
    // SAFETY: Called by C, as the operations' `pre_exit`.
    let mut list = unsafe { namespaces() }.list.lock();

    list.members.iter().for_each(|member| member.leave(net));
    if let Some(index) = list.nets.iter().position(|known| *known == net) {
        let _ = list.nets.remove(index);
    }
}

/// Called when a retry is due.
///
/// # Safety
///
/// To be used only as the function of [`Namespaces`]'s work.
unsafe extern "C" fn retry(work: *mut bindings::work_struct) {
    // SAFETY: By this function's requirement `work` is the field of a delayed work, which is that
    // of `Namespaces`, which is not dropped before this has been cancelled.
    let this = unsafe {
        let work = kernel::container_of!(work, bindings::delayed_work, work);
        &*kernel::container_of!(Opaque::cast_from(work), Namespaces, work)
    };
    let list = this.list.lock();
    // Retry all members, not only up to the first one left.
    let is_left = list
        .members
        .iter()
        .fold(false, |is_left, member| member.retry() | is_left);

    drop(list);
    if is_left {
        this.retry_later();
    }
}
