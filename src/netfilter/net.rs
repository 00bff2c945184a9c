// SPDX-License-Identifier: GPL-2.0

//! Network namespaces.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

use kernel::bindings;

/// A network namespace that lives for as long as `'static`.
///
/// # Invariants
///
/// The pointer is valid, and the namespace that it points to never goes away.
#[derive(Clone, Copy)]
pub(crate) struct Net(*mut bindings::net);

// SAFETY: `struct net` belongs to no thread, and all that is done with it here is to hand it to
// functions that take their own locks.
unsafe impl Send for Net {}

// SAFETY: As above.
unsafe impl Sync for Net {}

impl Net {
    /// The namespace that the kernel boots into, C's `init_net`.
    pub(crate) fn init() -> Self {
        // INVARIANT: `init_net` is a static object of the kernel.
        Self(&raw mut bindings::init_net)
    }

    /// The pointer for C.
    pub(super) fn as_ptr(self) -> *mut bindings::net {
        self.0
    }
}
