// SPDX-License-Identifier: GPL-2.0

//! Loads of atomics without a function call, unlike those of the kernel crate.
//!
//! C header: [`include/asm-generic/rwonce.h`](srctree/include/asm-generic/rwonce.h)

use kernel::sync::atomic::Atomic;

/// Loads an atomic without ordering: C's `READ_ONCE()`. Any context.
#[inline]
pub(crate) fn read_once(atomic: &Atomic<u64>) -> u64 {
    // SAFETY: The pointer is valid and aligned as the reference is, and is read as a whole word.
    unsafe { atomic.as_ptr().read_volatile() }
}
