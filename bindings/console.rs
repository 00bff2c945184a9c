// SPDX-License-Identifier: GPL-2.0

//! The consoles that lines of the log go to.
//!
//! C header: [`include/linux/console.h`](srctree/include/linux/console.h)

use super::bindings;

/// Returns whether what is logged at level info goes to a serial port, which is slow. May sleep.
pub(crate) fn serial_console_shows_info() -> bool {
    // SAFETY: May be called from process context, and takes the consoles' lock itself.
    unsafe { bindings::nf_tracer_serial_console_shows_info() }
}
