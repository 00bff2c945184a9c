// SPDX-License-Identifier: GPL-2.0

//! The consoles that log lines are printed on.
//!
//! C header: [`include/linux/console.h`](srctree/include/linux/console.h)

use super::bindings;

/// Returns whether messages of level info are printed on a serial console, which is slow. May
/// sleep.
pub(crate) fn serial_console_shows_info() -> bool {
    // SAFETY: May be called from process context; it takes the console lock itself.
    unsafe { bindings::nf_tracer_serial_console_shows_info() }
}
