// SPDX-License-Identifier: GPL-2.0

//! A clock that costs one load, which the kernel crate does not have.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)

use super::bindings;

/// The length of a timer tick in nanoseconds, the step of [`coarse_ns`].
pub(crate) const COARSE_STEP_NS: u64 = bindings::TICK_NSEC as u64;

/// Returns the time since boot in nanoseconds, in steps of a timer tick. Monotonic. Any context.
///
/// C's `jiffies_64`: reading a finer clock costs more than all else that is done for most packets.
#[inline]
pub(crate) fn coarse_ns() -> u64 {
    // SAFETY: A whole word that always exists, and may change at any time.
    let jiffies: u64 = unsafe { (&raw const bindings::jiffies_64).read_volatile() };

    jiffies.wrapping_mul(COARSE_STEP_NS)
}
