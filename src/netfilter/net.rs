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

/// A network namespace that is held, so that it does not go away before this is dropped.
///
/// # Invariants
///
/// `0` is valid, and a reference to it is ours.
pub struct Net(*mut bindings::net);

// SAFETY: `struct net` belongs to no thread: it is counted atomically, and the functions that it is
// handed to take their own locks.
unsafe impl Send for Net {}

// SAFETY: As above.
unsafe impl Sync for Net {}

impl Net {
    /// The namespace that the kernel boots into, C's `init_net`.
    pub fn init() -> Self {
        // SAFETY: `init_net` is a static object of the kernel, and may always be counted.
        unsafe { Self::get(&raw mut bindings::init_net) }
    }

    /// The namespace of the process with this id, as the current process numbers them.
    ///
    /// `ESRCH` if there is none, `EDEADLK` in a handler: somebody may have the process locked.
    pub fn of_process(pid: i32) -> Result<Self> {
        check_context()?;
        // SAFETY: The function may be called with any number. It gives a reference, or an error.
        let net = unsafe { from_err_ptr(bindings::get_net_ns_by_pid(pid)) }?;

        // INVARIANT: The reference was just given to us.
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

    /// The namespace's inode number, as in `/proc/PID/ns/net`.
    pub fn inode(&self) -> u32 {
        // SAFETY: The pointer is valid by the type invariant.
        unsafe { bindings::net_inode(self.0) }
    }

    /// The pointer for C.
    pub(super) fn as_ptr(&self) -> *mut bindings::net {
        self.0
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours to give back.
        unsafe { bindings::put_net(self.0) };
    }
}
