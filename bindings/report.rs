// SPDX-License-Identifier: GPL-2.0

//! The report of suppressed lines, a delayed work item in C.
//!
//! C header: [`bindings/report.h`](../bindings/report.h)

use super::bindings;

/// Schedules [`report_suppressed`](crate::params::report_suppressed) to run in a second, unless it
/// is scheduled already. Any context but NMI.
pub(crate) fn schedule_report() {
    // SAFETY: The work is a static in C, which is cancelled before the module's text is freed.
    unsafe { bindings::nf_tracer_schedule_report() };
}

/// Runs the scheduled work: see `report.h`.
#[no_mangle]
extern "C" fn nf_tracer_report_suppressed() {
    crate::params::report_suppressed();
}
