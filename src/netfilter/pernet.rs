// SPDX-License-Identifier: GPL-2.0

//! The network namespaces that there are and will be, for what is to be in each of them.
//!
//! C's `struct pernet_operations` hands its functions the namespace and nothing else. So a module has one
//! of them, whose functions find its only [`Namespaces`] in a static and pass on to all that joined it.
//!
//! C source: [`net/core/net_namespace.c`](srctree/net/core/net_namespace.c)

use super::{
    Net,
    RegistrationError, //
};
use crate::bindings;
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
            Atomic,
            Release, //
        },
        Arc,
        Mutex, //
    },
    time::msecs_to_jiffies,
    types::Opaque, //
};

/// How long after a failure it is tried again.
const RETRY_MS: u32 = 5_000;

/// A namespace that is valid for another reason than that it is held here: mostly, between C's calls of
/// `init` and `pre_exit` for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct NetPtr(*mut bindings::net);

// SAFETY: A namespace belongs to no thread.
unsafe impl Send for NetPtr {}

impl NetPtr {
    /// One that is valid for as long as `net` is held.
    pub(super) fn of(net: &Net) -> Self {
        Self(net.as_ptr())
    }

    pub(super) fn as_ptr(self) -> *mut bindings::net {
        self.0
    }

    pub(super) fn is_initial(self) -> bool {
        self.0 == &raw mut bindings::init_net
    }
}

/// Something that is in network namespaces, and is told when they come and go.
///
/// All is called with the list of namespaces locked: what a namespace has been entered for is valid until
/// [`leave`](Self::leave) or [`end`](Self::end) returns.
pub(super) trait Pernet: Send + Sync {
    /// Called for each namespace that there is, and for each that comes. An error keeps it from being made.
    fn enter(&self, net: NetPtr) -> Result<(), RegistrationError>;

    /// Called for each namespace that goes, also if it was not entered. C waits for a grace period
    /// before the namespace is gone.
    fn leave(&self, net: NetPtr);

    /// Leaves all namespaces, for good.
    fn end(&self);

    /// Called some seconds after [`Namespaces::retry_later`]. Says whether there is still something to be
    /// tried again.
    fn retry(&self) -> bool;
}

/// All network namespaces, and who is told of them.
///
/// # Invariants
///
/// While `stage` is [`Stage::Registered`], `operations` is registered, and [`NAMESPACES`] holds this
/// object. It is not dropped in that stage, and not before `work` has been cancelled.
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

// SAFETY: `operations` and `work` are C's alone, and guarded by its locks; the other fields may be sent.
unsafe impl Send for Namespaces {}

// SAFETY: As above: shared access reaches mutexes.
unsafe impl Sync for Namespaces {}

/// The module's namespaces, while C may call for them.
static NAMESPACES: Atomic<*mut Namespaces> = Atomic::new(null_mut());

enum Stage {
    /// Nobody has joined yet.
    Idle,
    /// C calls.
    Registered,
    /// The module has come to its end.
    Closed,
}

struct List {
    /// A page and more if there are many: not to be one piece of memory.
    nets: KVVec<NetPtr>,
    members: KVec<Arc<dyn Pernet>>,
    is_closed: bool,
}

impl Namespaces {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            operations: Opaque::new(bindings::pernet_operations {
                init: Some(init_net),
                pre_exit: Some(pre_exit_net),
                ..Default::default()
            }),
            work <- Opaque::ffi_init(|slot| {
                // SAFETY: The slot is pinned memory for it, and the function that it is to call.
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

    /// Has `member` enter all namespaces, and told of those that come. May sleep.
    ///
    /// If it fails, `member` has left all again, and is not kept.
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
        // There is room, which was made before anything was registered.
        Ok(members.push_within_capacity(member).map_err(Error::from)?)
    }

    /// Ends a member, whether it has joined or not. May sleep.
    pub(super) fn end(&self, member: &dyn Pernet) {
        let mut list = self.list.lock();
        let found = list
            .members
            .iter()
            .position(|known| core::ptr::addr_eq(Arc::as_ptr(known), member));

        member.end();
        let known = found.and_then(|index| list.members.remove(index).ok());
        // Nothing of its own is dropped with the lock held.
        drop(list);
        drop(known);
    }

    /// Has all members asked to try again after some seconds. Any context.
    pub(super) fn retry_later(&self) {
        // SAFETY: By the type invariant it is cancelled before it goes.
        unsafe { bindings::delayed_work_schedule(self.work.get(), msecs_to_jiffies(RETRY_MS)) };
    }

    /// Has C call no more. May sleep. Nobody may be a member any more.
    pub(super) fn close(&self) {
        let mut stage = self.stage.lock();

        if matches!(*stage, Stage::Registered) {
            // SAFETY: By the type invariant it is registered.
            unsafe { bindings::unregister_pernet_subsys(self.operations.get()) };
            NAMESPACES.store(null_mut(), Release);
        }
        *stage = Stage::Closed;
        self.list.lock().is_closed = true;
        // SAFETY: It was initialised, and nobody schedules it any more but itself.
        unsafe { bindings::cancel_delayed_work_sync(self.work.get()) };
    }

    /// Has C call, if it does not yet.
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
            // INVARIANT: It was registered just now.
            Ok(()) => *stage = Stage::Registered,
            Err(_) => NAMESPACES.store(null_mut(), Release),
        }
        registered
    }
}

/// The module's namespaces.
///
/// # Safety
///
/// To be used only while C may call the module's `struct pernet_operations`.
unsafe fn namespaces<'a>() -> &'a Namespaces {
    // SAFETY: In that time the static holds them, by the type invariant.
    unsafe { &*NAMESPACES.load(Acquire) }
}

/// Called for each namespace that there is, and for each that comes.
///
/// # Safety
///
/// To be used only as the `init` of [`Namespaces`]'s operations.
unsafe extern "C" fn init_net(net: *mut bindings::net) -> c_int {
    let net = NetPtr(net);

    from_result(|| {
        // SAFETY: C calls.
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

/// Called for each namespace that goes, and for all when the operations go. C waits afterwards.
///
/// # Safety
///
/// To be used only as the `pre_exit` of [`Namespaces`]'s operations.
unsafe extern "C" fn pre_exit_net(net: *mut bindings::net) {
    let net = NetPtr(net);
    // SAFETY: C calls.
    let mut list = unsafe { namespaces() }.list.lock();

    list.members.iter().for_each(|member| member.leave(net));
    if let Some(index) = list.nets.iter().position(|known| *known == net) {
        let _ = list.nets.remove(index);
    }
}

/// Called when it is time to try again.
///
/// # Safety
///
/// To be used only as the function of [`Namespaces`]'s work.
unsafe extern "C" fn retry(work: *mut bindings::work_struct) {
    // SAFETY: By this function's requirement it is the field of a delayed work, which is that of
    // `Namespaces`, which is not dropped before this has been cancelled.
    let this = unsafe {
        let work = kernel::container_of!(work, bindings::delayed_work, work);
        &*kernel::container_of!(Opaque::cast_from(work), Namespaces, work)
    };
    let list = this.list.lock();
    // Each of them, not only up to the first one.
    let is_left = list
        .members
        .iter()
        .fold(false, |is_left, member| member.retry() | is_left);

    drop(list);
    if is_left {
        this.retry_later();
    }
}
