// SPDX-License-Identifier: GPL-2.0

//! A handler that is being called at a network device.
//!
//! C source: [`net/core/dev.c`](srctree/net/core/dev.c)

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
    DevicePoint,
    Handler,
    Net, //
};
use crate::bindings;
use core::{
    cell::UnsafeCell,
    marker::PhantomPinned,
    ptr::{
        null_mut,
        NonNull, //
    }, //
};
use kernel::{
    error::to_result,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    prelude::*,
    str::CStrExt,
    sync::rcu,
    types::Opaque, //
};

/// A handler that is being called at one or both points of a network device.
///
/// Made by [`ModuleHooks::register_at_device`](super::ModuleHooks::register_at_device), and ended as a
/// [`Registration`](super::Registration) is.
///
/// The device is held while the handler is called there, and let go when somebody takes it down for
/// good or moves it to another namespace: then the handler is called no more, and the registration
/// is left without effect. All points go in together or not at all.
///
/// # Invariants
///
/// Once initialised, and until `net` has ended, `notifier` is registered there. While `device` is not null,
/// `net` has not ended, its address is `raw_net`, a reference to the device is held and each entry of `ops` is
/// registered there, with `priv` pointing to `handler`. `device` is guarded by the RTNL.
#[pin_data(PinnedDrop)]
pub struct DeviceRegistration<T: Handler> {
    #[pin]
    net: Ending<Net>,
    raw_net: NetPtr,
    #[pin]
    notifier: Opaque<bindings::notifier_block>,
    device: UnsafeCell<*mut bindings::net_device>,
    ops: KVec<HookOps>,
    #[pin]
    handler: T,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The fields that are not `Send` of themselves are guarded by locks of C.
unsafe impl<T: Handler> Send for DeviceRegistration<T> {}

// SAFETY: Shared access reaches the handler only, which is `Sync`, and what the RTNL guards.
unsafe impl<T: Handler> Sync for DeviceRegistration<T> {}

/// The lock of all network devices' configuration, held.
struct Rtnl;

impl Rtnl {
    /// Takes it. May sleep.
    fn lock() -> Self {
        // SAFETY: Called in process context, where nothing here holds the RTNL.
        unsafe { bindings::rtnl_lock() };
        Self
    }
}

impl Drop for Rtnl {
    fn drop(&mut self) {
        // SAFETY: It was taken when `self` was made.
        unsafe { bindings::rtnl_unlock() };
    }
}

impl<T: Handler> DeviceRegistration<T> {
    /// Has `handler` called at `points` of the device called `name` in `net`. May sleep; takes the
    /// RTNL.
    ///
    /// # Safety
    ///
    /// As for [`Registration::new`](super::Registration::new).
    ///
    /// # Errors
    ///
    /// `ENODEV` if there is no such device; otherwise the errors of
    /// [`Registration::new`](super::Registration::new).
    pub unsafe fn new<'a>(
        net: Net,
        name: &'a CStr,
        points: &'a [DevicePoint],
        handler: impl PinInit<T, Error> + 'a,
    ) -> impl PinInit<Self, Error> + 'a {
        let raw_net = NetPtr::of(&net);

        try_pin_init!(&this in Self {
            net <- Ending::new(net),
            raw_net,
            notifier: Opaque::new(bindings::notifier_block {
                notifier_call: Some(device_event::<T>),
                ..Default::default()
            }),
            device: UnsafeCell::new(null_mut()),
            handler <- handler,
            ops: HookOps::list(
                distinct(points).map(|point| point.to_ops()),
                // SAFETY: `this` is the memory that is being initialised, so a field has an address.
                unsafe { &raw const (*this.as_ptr()).handler },
            )?,
            _pin: PhantomPinned,
            // INVARIANT: The last step, and one that undoes itself if it fails.
            _: {
                // SAFETY: `notifier` is pinned, lives until `drop` has unregistered it, and all
                // fields are initialised, as events of devices that there are come at once. They
                // find no device in `device`, and do nothing. The namespace is held.
                to_result(unsafe {
                    bindings::register_netdevice_notifier_net(raw_net.as_ptr(), notifier.get())
                })?;
                // SAFETY: All fields are initialised.
                let attached = unsafe { this.as_ref() }.attach(name);
                if attached.is_err() {
                    // SAFETY: It was registered above.
                    unsafe {
                        bindings::unregister_netdevice_notifier_net(raw_net.as_ptr(), notifier.get());
                    }
                    rcu::synchronize_rcu();
                }
                attached?;
            },
        })
    }

    /// The handler that is being called.
    pub fn handler(&self) -> &T {
        &self.handler
    }

    /// Takes the device and registers all entries there, or does nothing.
    fn attach(&self, name: &CStr) -> Result {
        let _rtnl = Rtnl::lock();
        // Under the RTNL a device that has a name is not being unregistered.
        // SAFETY: The namespace is valid, as it is held; the name ends in a zero.
        let device =
            unsafe { bindings::dev_get_by_name(self.raw_net.as_ptr(), name.as_char_ptr()) };
        let device = NonNull::new(device).ok_or(ENODEV)?.as_ptr();

        for (index, entry) in self.ops.iter().enumerate() {
            let entry = entry.as_mut_ptr();
            // SAFETY: The entry is not registered, so nobody else looks at it. It lives longer than
            // it is registered, and so does the device, by the reference just taken.
            let error = unsafe {
                (*entry).dev = device;
                bindings::nf_register_net_hook(self.raw_net.as_ptr(), entry)
            };
            if let Err(error) = to_result(error) {
                let done = self.ops.get(..index).unwrap_or_default();
                // SAFETY: These were registered just now; the reference was taken above.
                unsafe {
                    self.unregister(done);
                    bindings::dev_put(device);
                }
                return Err(error);
            }
        }
        // INVARIANT: The reference was taken, and all entries were registered.
        // SAFETY: The RTNL is held.
        unsafe { *self.device.get() = device };
        Ok(())
    }

    /// Takes all entries out, without waiting for running calls, and lets the device go.
    ///
    /// # Safety
    ///
    /// The RTNL must be held.
    unsafe fn detach(&self) {
        // SAFETY: The RTNL is held by this function's requirement.
        let device = unsafe { self.device.get().replace(null_mut()) };

        if !device.is_null() {
            // INVARIANT: `device` is null from here on.
            // SAFETY: By the type invariant all entries are registered, and the device is held.
            unsafe {
                self.unregister(&self.ops);
                bindings::dev_put(device);
            }
        }
    }

    /// # Safety
    ///
    /// `ops` must be registered.
    unsafe fn unregister(&self, ops: &[HookOps]) {
        for entry in ops {
            // SAFETY: By this function's requirement.
            unsafe { bindings::nf_unregister_net_hook(self.raw_net.as_ptr(), entry.as_mut_ptr()) };
        }
    }

    /// Ends it, without waiting for running calls. Says whether that was still to be done.
    fn end(&self) -> bool {
        // INVARIANT: The device is let go and the notifier unregistered before it has ended.
        self.net.end(|net| {
            let rtnl = Rtnl::lock();
            // SAFETY: The RTNL is held.
            unsafe { self.detach() };
            drop(rtnl);
            // SAFETY: By the type invariant it is registered.
            unsafe {
                bindings::unregister_netdevice_notifier_net(net.as_ptr(), self.notifier.get());
            }
        })
    }
}

impl<T: Handler> Revoke for DeviceRegistration<T> {
    fn revoke(&self) {
        self.end();
    }
}

#[pinned_drop]
impl<T: Handler> PinnedDrop for DeviceRegistration<T> {
    fn drop(self: Pin<&mut Self>) {
        if self.end() {
            // Unregistering hooks does not wait for those that are running.
            rcu::synchronize_rcu();
        }
    }
}

/// Called when something happens to a device of the namespace, with the RTNL held.
///
/// # Safety
///
/// To be used only as the `notifier_call` of a [`DeviceRegistration`]'s notifier.
unsafe extern "C" fn device_event<T: Handler>(
    notifier: *mut bindings::notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> c_int {
    let notifier = Opaque::cast_from(notifier.cast_const());
    // SAFETY: By this function's requirement the block is the field of a registration, which is not
    // dropped before it is unregistered.
    let this = unsafe { &*kernel::container_of!(notifier, DeviceRegistration<T>, notifier) };

    if event == bindings::netdev_cmd_NETDEV_UNREGISTER as c_ulong {
        // SAFETY: This is what device events come with. The RTNL is held during them.
        unsafe {
            if bindings::netdev_notifier_info_to_dev(info.cast()) == *this.device.get() {
                this.detach();
            }
        }
    }
    bindings::NOTIFY_DONE as c_int
}
