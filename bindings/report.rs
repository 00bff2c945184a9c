// SPDX-License-Identifier: GPL-2.0

//! The report on suppressed lines, a delayed work of C's.
//!
//! C header: [`bindings/report.h`](../bindings/report.h)

use super::bindings;

/// Schedules [`report_suppressed`](crate::params::report_suppressed) to run in a second, unless it is scheduled
/// already. Any context but an NMI.
pub(crate) fn schedule_report() {
    // SAFETY: It is a static of C's own, which is cancelled before the module's text goes.
    unsafe { bindings::nf_tracer_schedule_report() };
}

/// Runs what was scheduled: see `report.h`.
#[no_mangle]
extern "C" fn nf_tracer_report_suppressed() {
    crate::params::report_suppressed();
}
