// SPDX-License-Identifier: GPL-2.0

//! Reports of suppressed lines.
//!
//! A report is due a second after a packet whose line was suppressed, from a work item; then a
//! second after the next such packet. So packets of a flood only check whether a report is
//! scheduled.

use crate::ffi::{
    atomic::read_once,
    compat::rcu::synchronize_rcu,
    report::schedule_report, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// The state of the reports.
pub(crate) struct Report {
    /// 1 if a report is scheduled.
    is_due: Atomic<u64>,
    /// The number of suppressed lines reported so far.
    reported: Atomic<u64>,
}

impl Report {
    /// Creates the state of nothing reported or scheduled.
    pub(crate) const fn new() -> Self {
        Self {
            is_due: Atomic::new(0),
            reported: Atomic::new(0),
        }
    }

    /// Schedules a report, in a second, of a line that was counted as suppressed. For a handler's
    /// call.
    #[inline]
    pub(crate) fn request(&self) {
        if read_once(&self.is_due) == 0 {
            self.schedule();
        }
    }

    #[cold]
    #[inline(never)]
    fn schedule(&self) {
        // One of several CPUs does it.
        if self.is_due.xchg(1, Relaxed) == 0 {
            schedule_report();
        }
    }

    /// Returns the number of suppressed lines that were not reported yet. May sleep.
    ///
    /// To be called from the scheduled work, by one caller at a time.
    pub(crate) fn take(&self, suppressed: impl FnOnce() -> u64) -> u64 {
        self.is_due.store(0, Relaxed);
        // Whoever counted a line and found a report scheduled has done so by the time this returns.
        // Whoever counts one later finds none scheduled, and schedules it again.
        synchronize_rcu();
        self.take_rest(suppressed())
    }

    /// As [`take`](Self::take), once nothing is counted any more.
    pub(crate) fn take_rest(&self, suppressed: u64) -> u64 {
        suppressed.wrapping_sub(self.reported.xchg(suppressed, Relaxed))
    }
}
