// SPDX-License-Identifier: GPL-2.0

//! Network namespaces.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

use super::rcu_box::check_context;
use crate::bindings;
use kernel::{
    error::from_err_ptr,
    prelude::*, //
};

/// A reference to a network namespace, which keeps it from going away.
///
/// # Invariants
///
/// `0` is valid, and we hold a reference to it.
pub struct Net(*mut bindings::net);

// SAFETY: `struct net` is not bound to a thread: its count is atomic, and the functions that it is
// passed to take their own locks.
unsafe impl Send for Net {}

// SAFETY: As above.
unsafe impl Sync for Net {}

impl Net {
    /// Returns the initial network namespace, C's `init_net`.
    pub fn init() -> Self {
        // SAFETY: `init_net` is a static object of the kernel, so a reference can always be taken.
        unsafe { Self::get(&raw mut bindings::init_net) }
    }

    /// Returns the network namespace of the process `pid`, in the current process's pid namespace.
    ///
    /// `ESRCH` if there is no such process, `EDEADLK` in a handler: the process may be locked.
    pub fn of_process(pid: i32) -> Result<Self> {
        check_context()?;
        // SAFETY: The function may be called with any number. It returns a reference, or an error.
        let net = unsafe { from_err_ptr(bindings::get_net_ns_by_pid(pid)) }?;

        // INVARIANT: The reference was taken by the call above.
        Ok(Self(net))
    }

    /// Takes a reference.
    ///
    /// # Safety
    ///
    /// `net` must be valid, with at least one reference to it.
    unsafe fn get(net: *mut bindings::net) -> Self {
        // INVARIANT: The reference is taken here.
        // SAFETY: By this function's requirement.
        Self(unsafe { bindings::get_net(net) })
    }

    /// Returns the namespace's inode number, as in `/proc/PID/ns/net`.
    pub fn inode(&self) -> u32 {
        // SAFETY: The pointer is valid by the type invariant.
        unsafe { bindings::net_inode(self.0) }
    }

    /// Returns the pointer for C.
    pub(super) fn as_ptr(&self) -> *mut bindings::net {
        self.0
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours to release.
        unsafe { bindings::put_net(self.0) };
    }
}
