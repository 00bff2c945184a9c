// SPDX-License-Identifier: GPL-2.0

//! What the module asks the system: the time, and where its lines go.

use super::bindings;

/// The monotonic clock, in nanoseconds. Any context.
///
/// C's `ktime_get_mono_fast_ns()`, which takes no lock.
#[inline]
pub(crate) fn monotonic_ns() -> u64 {
    // SAFETY: May be called from any context, even an NMI.
    unsafe { bindings::monotonic_ns() }
}

/// Whether what is logged at level info goes to a serial port, which is slow. May sleep.
pub(crate) fn serial_console_shows_info() -> bool {
    // SAFETY: May be called from process context, and takes the consoles' lock itself.
    unsafe { bindings::serial_console_shows_info() }
}
