// SPDX-License-Identifier: GPL-2.0

//! A clock that costs a load, which the kernel crate does not have.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)

use super::bindings;

/// The time between two ticks of the timer, which is how far apart two different readings of [`coarse_ns`] are.
pub(crate) const COARSE_STEP_NS: u64 = bindings::TICK_NSEC as u64;

/// Returns the time since boot in nanoseconds, in steps of a timer tick. Monotonic. Any context.
///
/// C's `jiffies_64`: reading a finer clock takes longer than all else that is done with most packets.
#[inline]
pub(crate) fn coarse_ns() -> u64 {
    // SAFETY: It is a whole word that is always there, and changes at any time.
    let jiffies: u64 = unsafe { (&raw const bindings::jiffies_64).read_volatile() };

    jiffies.wrapping_mul(COARSE_STEP_NS)
}
