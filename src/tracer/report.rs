// SPDX-License-Identifier: GPL-2.0

//! When it is said how many lines were suppressed.
//!
//! A second after a packet whose line was suppressed, by somebody who need not hurry; then a second after
//! the next one. So packets of a flood only look whether that is to come.

use crate::ffi::{
    atomic::read_once,
    report::schedule_report, //
};
use kernel::sync::{
    atomic::{
        Atomic,
        Relaxed, //
    },
    rcu::synchronize_rcu, //
};

/// What was said so far of suppressed lines.
pub(crate) struct Report {
    /// 1 if it is going to be said how many there were.
    is_due: Atomic<u64>,
    /// How many it was said of.
    reported: Atomic<u64>,
}

impl Report {
    pub(crate) const fn new() -> Self {
        Self {
            is_due: Atomic::new(0),
            reported: Atomic::new(0),
        }
    }

    /// Has a line that was counted as suppressed reported, in a second. For a handler's call.
    #[inline]
    pub(crate) fn request(&self) {
        if read_once(&self.is_due) == 0 {
            self.schedule();
        }
    }

    #[cold]
    #[inline(never)]
    fn schedule(&self) {
        // Of several CPUs one does it.
        if self.is_due.xchg(1, Relaxed) == 0 {
            schedule_report();
        }
    }

    /// How many of all suppressed lines were not reported yet. May sleep.
    ///
    /// To be called when what was scheduled is to happen, by one at a time.
    pub(crate) fn take(&self, suppressed: impl FnOnce() -> u64) -> u64 {
        self.is_due.store(0, Relaxed);
        // Who has counted a line, and found that it is going to be reported, has counted it when this
        // returns. Who counts one later finds that it is not, and has it scheduled again.
        synchronize_rcu();
        self.take_rest(suppressed())
    }

    /// As [`take`](Self::take), where nothing is counted any more.
    pub(crate) fn take_rest(&self, suppressed: u64) -> u64 {
        suppressed.wrapping_sub(self.reported.xchg(suppressed, Relaxed))
    }
}
