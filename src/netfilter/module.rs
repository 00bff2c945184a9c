// SPDX-License-Identifier: GPL-2.0

//! Ownership of a module's registrations.
//!
//! The kernel calls what is registered for as long as it is registered, so nothing may stay
//! registered once the module's text is freed. A value owned by safe code cannot ensure that, since
//! safe code may leak it. So the module's own type, of which safe code cannot make a value, has a
//! list of all registrations and revokes them on module exit.

use super::{
    pernet::Namespaces,
    rcu_box::check_context,
    DevicePoint,
    DeviceRegistration,
    Handler,
    HookPoint,
    Net,
    NetScope,
    PacketQueue,
    PernetRegistration,
    Registration,
    RegistrationError,
    Tag, //
};
use crate::bindings::compat::{
    code::ESHUTDOWN,
    rcu, //
};
use kernel::{
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
    }, //
};

/// A module that registers hooks, for [`module_netfilter_hooks!`](super::module_netfilter_hooks).
pub trait HookModule: Send + Sync + Sized {
    /// Called when the module is loaded. On error loading fails, and all registrations are revoked.
    /// May sleep.
    ///
    /// On module exit the result is dropped first; then all remaining registrations are revoked.
    fn init(module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self>;
}

/// A registration that can be ended without being dropped.
pub trait Revoke: Send + Sync {
    /// Unregisters it. May sleep.
    ///
    /// Calls that have begun in an RCU read-side critical section may still be running on return:
    /// the caller waits for a grace period before it drops its reference. Does nothing if it was
    /// revoked before; waits for a concurrent call.
    fn revoke(&self);
}

/// A value that is consumed once, by ending what it belongs to.
#[pin_data]
pub(super) struct Ending<T> {
    #[pin]
    left: Mutex<Option<T>>,
    is_over: Atomic<bool>,
}

impl<T: Unpin> Ending<T> {
    /// Creates an ending that is still to happen and will consume `left`.
    pub(super) fn new(left: T) -> impl PinInit<Self> {
        pin_init!(Self {
            left <- new_mutex!(Some(left)),
            is_over: Atomic::new(false),
        })
    }

    /// Ends it by `end`, unless it has ended. Returns whether this call did.
    ///
    /// May sleep, and waits for a concurrent call. Any context once it has ended: the last
    /// reference may be dropped anywhere.
    pub(super) fn end(&self, end: impl FnOnce(T)) -> bool {
        if self.is_over.load(Acquire) {
            return false;
        }
        let mut left = self.left.lock();
        let Some(value) = left.take() else {
            return false;
        };

        end(value);
        self.is_over.store(true, Release);
        true
    }
}

/// A module's registrations. All end with the module, wherever references to them are kept.
///
/// May be cloned, and kept to register at run time; once the module is exiting, that fails with
/// `ESHUTDOWN`.
#[derive(Clone)]
pub struct ModuleHooks(Arc<Owned>);

#[pin_data]
struct Owned {
    #[pin]
    list: Mutex<List>,
    #[pin]
    namespaces: Namespaces,
}

struct List {
    entries: KVec<Arc<dyn Revoke>>,
    /// The module is exiting.
    is_closed: bool,
}

impl ModuleHooks {
    /// Registers `handler` at `points` of `net`. May sleep. For the errors see
    /// [`Registration::new`].
    pub fn register<T: Handler>(
        &self,
        net: Net,
        points: &[HookPoint],
        handler: impl PinInit<T, Error>,
    ) -> Result<Arc<Registration<T>>> {
        // SAFETY: It is owned by the next call.
        self.own(unsafe { Registration::new(net, points, handler) })
    }

    /// Registers `handler` at `points` of `nets`, which can be changed later. May sleep.
    ///
    /// For the errors see [`Registration::new`]; those of namespaces that may be left out are not
    /// returned.
    pub fn register_in_nets<T: Handler>(
        &self,
        nets: NetScope,
        points: &[HookPoint],
        handler: impl PinInit<T, Error>,
    ) -> Result<Arc<PernetRegistration<T>>, RegistrationError> {
        let registration =
            self.own(PernetRegistration::new(self.clone(), nets, points, handler))?;

        if let Err(error) = self.0.namespaces.join(registration.clone()) {
            self.unregister(registration)?;
            return Err(error);
        }
        Ok(registration)
    }

    /// Registers `handler` at `points` of the device `name` in `net`. May sleep; takes the RTNL.
    /// For the errors see [`DeviceRegistration::new`].
    pub fn register_at_device<T: Handler>(
        &self,
        net: Net,
        name: &CStr,
        points: &[DevicePoint],
        handler: impl PinInit<T, Error>,
    ) -> Result<Arc<DeviceRegistration<T>>> {
        // SAFETY: As in `register`.
        self.own(unsafe { DeviceRegistration::new(net, name, points, handler) })
    }

    /// Creates a queue for packets that outlive the call of a handler, with room for `capacity` of
    /// them. May sleep; takes the RTNL.
    pub fn packet_queue<T: Tag>(&self, capacity: usize) -> Result<Arc<PacketQueue<T>>> {
        // SAFETY: As in `register`.
        self.own(unsafe { PacketQueue::new(capacity) })
    }

    /// Ends a registration before module exit. May sleep.
    ///
    /// On return the handler is not running any more; it is dropped with the last reference.
    /// `EDEADLK` in a handler, which would wait for itself: nothing is ended then.
    pub fn unregister<R: Revoke>(&self, registration: Arc<R>) -> Result {
        check_context()?;
        // It stays listed until then: module exit finds it, and waits for this call.
        registration.revoke();
        rcu::synchronize_rcu();

        let address = Arc::as_ptr(&registration);
        let mut list = self.0.list.lock();
        let found = list
            .entries
            .iter()
            .position(|entry| core::ptr::addr_eq(Arc::as_ptr(entry), address));
        let entry = found.and_then(|index| list.entries.remove(index).ok());

        drop(list);
        drop(entry);
        Ok(())
    }

    /// Initialises a registration, and lists it to be revoked on module exit or before.
    ///
    /// `ESHUTDOWN` if the module is exiting, `EDEADLK` in a handler.
    pub(super) fn own<R: Revoke + 'static>(&self, init: impl PinInit<R, Error>) -> Result<Arc<R>> {
        check_context()?;
        if self.0.list.lock().is_closed {
            return Err(ESHUTDOWN);
        }
        let owned = Arc::pin_init(init, GFP_KERNEL)?;
        let mut list = self.0.list.lock();
        let listed = match list.is_closed {
            true => Err(ESHUTDOWN),
            false => list
                .entries
                .push(owned.clone(), GFP_KERNEL)
                .map_err(Error::from),
        };

        drop(list);
        listed.map(|()| owned)
    }

    /// Returns the module's namespaces, for objects present in each of them.
    pub(super) fn namespaces(&self) -> &Namespaces {
        &self.0.namespaces
    }
}

/// The part of a module that revokes its registrations when dropped.
pub struct Owner(ModuleHooks);

impl Owner {
    /// Creates an owner with an empty list.
    ///
    /// # Safety
    ///
    /// The result must be dropped before the module's text is freed: it must not be leaked.
    pub unsafe fn new() -> Result<Self> {
        let owned = pin_init!(Owned {
            list <- new_mutex!(List {
                entries: KVec::new(),
                is_closed: false,
            }),
            namespaces <- Namespaces::new(),
        });

        Ok(Self(ModuleHooks(Arc::pin_init(owned, GFP_KERNEL)?)))
    }

    /// Returns what the module registers with.
    pub fn hooks(&self) -> &ModuleHooks {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut list = self.0 .0.list.lock();
        list.is_closed = true;
        let entries = core::mem::take(&mut list.entries);
        drop(list);

        // In reverse order, as later ones may rely on earlier ones.
        for entry in entries.iter().rev() {
            entry.revoke();
        }
        self.0.namespaces().close();
        rcu::synchronize_rcu();
    }
}

/// Declares a module that registers hooks.
///
/// Takes the fields of [`module!`](kernel::prelude::module), except that `type` is a
/// [`HookModule`](super::HookModule). See [the example](super#examples).
// A second owner of the registrations could be leaked. There is one for each module: the code that
// the kernel's `module!` generates is the first to create it, as nothing else of the module runs
// before.
macro_rules! module_netfilter_hooks {
    (type: $type:ty, name: $name:literal, $($info:tt)*) => {
        const __LOG_PREFIX: &[u8] = ::core::concat!($name, "\0").as_bytes();

        /// The name by which the kernel crate's macros refer to the module.
        #[allow(dead_code, reason = "few modules use those macros")]
        type LocalModule = __netfilter_module::HookedModule;

        #[allow(unused_imports, reason = "a module may have no parameters")]
        use __netfilter_module::parameters as module_parameters;

        mod __netfilter_module {
            #[allow(clippy::wildcard_imports, unused_imports, reason = "the type stands there")]
            use super::*;

            #[doc(hidden)]
            pub(super) mod parameters {
                #[allow(unused_imports, reason = "a module may have no parameters")]
                pub(crate) use super::module_parameters::*;
            }

            /// Fields are dropped in order.
            pub(super) struct HookedModule {
                _module: $type,
                _owner: $crate::netfilter::Owner,
            }

            impl ::kernel::Module for HookedModule {
                fn init(module: &'static ::kernel::ThisModule) -> ::kernel::error::Result<Self> {
                    use ::kernel::sync::atomic::{Atomic, Full};

                    // Safe code can name this type, call this, and leak the result.
                    static IS_MADE: Atomic<bool> = Atomic::new(false);
                    if IS_MADE.xchg(true, Full) {
                        return Err(::kernel::error::code::EBUSY);
                    }
                    // SAFETY: This is the first call, which is that of the code that `module!`
                    // generates: it drops the result with the module, and it is dropped below on
                    // error.
                    let owner = unsafe { $crate::netfilter::Owner::new() }?;

                    Ok(Self {
                        _module: <$type as $crate::netfilter::HookModule>::init(module, owner.hooks())?,
                        _owner: owner,
                    })
                }
            }

            ::kernel::prelude::module! {
                type: HookedModule,
                name: $name,
                $($info)*
            }
        }
    };
}

pub(crate) use module_netfilter_hooks;
