// SPDX-License-Identifier: GPL-2.0

//! A handler registered at a network device.
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
use crate::bindings::{
    self,
    compat::rcu, //
};
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
    types::Opaque, //
};

/// A handler registered at one or both hook points of a network device.
///
/// Created by [`ModuleHooks::register_at_device`](super::ModuleHooks::register_at_device); ended as
/// a [`Registration`](super::Registration) is.
///
/// The device is held while the handler is registered there, and released when it is unregistered
/// or moved to another namespace: then the handler is no longer called, and the registration has no
/// effect any more. The points are registered all or none.
///
/// # Invariants
///
/// Once initialised, and until `net` has ended, `notifier` is registered there. While `device` is
/// not null, `net` has not ended, its address is `raw_net`, a reference to the device is held and
/// each entry of `ops` is registered there, with `priv` pointing to `handler`. `device` is
/// protected by the RTNL.
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

// SAFETY: The fields that are not `Send` themselves are protected by locks of C.
unsafe impl<T: Handler> Send for DeviceRegistration<T> {}

// SAFETY: Shared access reaches only the handler, which is `Sync`, and what the RTNL protects.
unsafe impl<T: Handler> Sync for DeviceRegistration<T> {}

/// A guard of the RTNL, the lock of all network devices' configuration.
struct Rtnl;

impl Rtnl {
    /// Acquires the RTNL. May sleep.
    fn lock() -> Self {
        // SAFETY: Called in process context, by callers that do not hold the RTNL.
        unsafe { bindings::rtnl_lock() };
        Self
    }
}

impl Drop for Rtnl {
    fn drop(&mut self) {
        // SAFETY: It was acquired when `self` was created.
        unsafe { bindings::rtnl_unlock() };
    }
}

impl<T: Handler> DeviceRegistration<T> {
    /// Registers `handler` at `points` of the device `name` in `net`. May sleep; takes the RTNL.
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
                // SAFETY: `this` points to the memory being initialised, so taking a field's
                // address is sound.
                unsafe { &raw const (*this.as_ptr()).handler },
            )?,
            _pin: PhantomPinned,
            // INVARIANT: The last initialiser step, and it undoes itself on failure.
            _: {
                // SAFETY: `notifier` is pinned, lives until `drop` has unregistered it, and all
                // fields are initialised, as required since events of existing devices are replayed
                // at once. They find `device` null, and do nothing. The namespace is held.
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

    /// Returns the registered handler.
    pub fn handler(&self) -> &T {
        &self.handler
    }

    /// Takes a reference to the device and registers all entries there, or does nothing.
    fn attach(&self, name: &CStr) -> Result {
        let _rtnl = Rtnl::lock();
        // Under the RTNL a device found by name is not being unregistered.
        // SAFETY: The namespace is held, so it is valid; the name is NUL-terminated.
        let device =
            unsafe { bindings::dev_get_by_name(self.raw_net.as_ptr(), name.as_char_ptr()) };
        let device = NonNull::new(device).ok_or(ENODEV)?.as_ptr();

        for (index, entry) in self.ops.iter().enumerate() {
            let entry = entry.as_mut_ptr();
            // SAFETY: The entry is not registered, so it is not accessed otherwise. It lives longer
            // than it is registered, and so does the device, by the reference taken above.
            let error = unsafe {
                (*entry).dev = device;
                bindings::nf_register_net_hook(self.raw_net.as_ptr(), entry)
            };
            if let Err(error) = to_result(error) {
                let done = self.ops.get(..index).unwrap_or_default();
                // SAFETY: These were registered above, as the reference was taken.
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

    /// Unregisters all entries, without waiting for running calls, and releases the device.
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

    /// Unregisters the entries.
    ///
    /// # Safety
    ///
    /// `ops` must be registered.
    unsafe fn unregister(&self, ops: &[HookOps]) {
        for entry in ops {
            // SAFETY: By this function's requirement.
            unsafe { bindings::nf_unregister_net_hook(self.raw_net.as_ptr(), entry.as_mut_ptr()) };
        }
    }

    /// Ends the registration, without waiting for running calls. Returns whether it had not ended
    /// yet.
    fn end(&self) -> bool {
        // INVARIANT: The device is released and the notifier unregistered before `net` has ended.
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
            // Unregistering does not wait for running calls.
            rcu::synchronize_rcu();
        }
    }
}

/// Called on device events of the namespace, with the RTNL held.
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
        // SAFETY: `info` is what device events pass. The RTNL is held during them.
        unsafe {
            if bindings::netdev_notifier_info_to_dev(info.cast()) == *this.device.get() {
                this.detach();
            }
        }
    }
    bindings::NOTIFY_DONE as c_int
}
