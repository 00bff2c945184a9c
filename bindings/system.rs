// SPDX-License-Identifier: GPL-2.0

//! What the module asks the system: the time, and where its lines go.

use super::bindings;
use kernel::sync::atomic::Atomic;

/// How far apart two readings of [`coarse_ns`] are that differ: a timer tick.
pub(crate) const COARSE_STEP_NS: u64 = bindings::TICK_NSEC as u64;

/// A monotonic clock that goes in steps, in nanoseconds. Any context.
///
/// C's `jiffies_64`, a load from memory: to read a finer clock takes longer than all else that is done
/// with most packets.
#[inline]
pub(crate) fn coarse_ns() -> u64 {
    // SAFETY: It is a whole word that is always there, and changes at any time.
    let jiffies: u64 = unsafe { (&raw const bindings::jiffies_64).read_volatile() };

    jiffies.wrapping_mul(COARSE_STEP_NS)
}

/// C's `READ_ONCE()`. The kernel crate's own way to load an atomic is the call of a function.
#[inline]
pub(crate) fn read_once(atomic: &Atomic<u64>) -> u64 {
    // SAFETY: The pointer is valid and aligned as the reference is, and read as a whole word.
    unsafe { atomic.as_ptr().read_volatile() }
}

/// Has [`params::report_suppressed`](crate::params::report_suppressed) called in a second, unless that is
/// to come anyway. Any context but an NMI.
pub(crate) fn schedule_report() {
    // SAFETY: It is a work of C's own, which is cancelled before the module's text goes.
    unsafe { bindings::schedule_report() };
}

/// Whether what is logged at level info goes to a serial port, which is slow. May sleep.
pub(crate) fn serial_console_shows_info() -> bool {
    // SAFETY: May be called from process context, and takes the consoles' lock itself.
    unsafe { bindings::serial_console_shows_info() }
}
