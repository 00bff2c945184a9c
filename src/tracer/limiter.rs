// SPDX-License-Identifier: GPL-2.0

//! How many lines there may be.

use super::settings::number::Lines;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

const SECOND: u64 = 1_000_000_000;

/// A token bucket that all CPUs share.
///
/// It keeps the time at which the bucket will be full again, not the number of tokens (the generic cell
/// rate algorithm, ITU-T I.371), so that an empty bucket is only read: CPUs whose lines are suppressed
/// share the memory without contending for it.
pub(super) struct Limiter {
    /// When the bucket is full again, in nanoseconds of the monotonic clock.
    full: Atomic<u64>,
    /// When it was last said how many lines were suppressed, and how many had been by then.
    told_at: Atomic<u64>,
    told: Atomic<u64>,
}

impl Limiter {
    pub(super) fn new() -> Self {
        Self {
            full: Atomic::new(0),
            told_at: Atomic::new(0),
            told: Atomic::new(0),
        }
    }

    /// Takes a token, if there is one. `rate` tokens come in a second, 0 for no limit, and there is room
    /// for `burst`, at least 1.
    #[inline]
    pub(super) fn allows(&self, rate: Lines, burst: Lines, now: impl FnOnce() -> u64) -> bool {
        /// More often than this nobody loses a race.
        const TRIES: usize = 64;
        let Some(interval) = SECOND.checked_div(rate.0.into()) else {
            return true;
        };
        let now = now();
        let room = interval.saturating_mul(burst.0.max(1).into());
        let mut full = self.full.load(Relaxed);

        for _ in 0..TRIES {
            let then = full.max(now).saturating_add(interval);
            if then.saturating_sub(now) > room {
                return false;
            }
            match self.full.cmpxchg(full, then, Relaxed) {
                Ok(_) => return true,
                Err(found) => full = found,
            }
        }
        false
    }

    /// How many of the `suppressed` lines were not told of, if that is to be told now: once a second.
    pub(super) fn tell(&self, suppressed: impl FnOnce() -> u64, now: u64) -> Option<u64> {
        let last = self.told_at.load(Relaxed);

        if now.saturating_sub(last) < SECOND || self.told_at.cmpxchg(last, now, Relaxed).is_err() {
            return None;
        }
        let suppressed = suppressed();
        let told = self.told.xchg(suppressed, Relaxed);
        Some(suppressed.saturating_sub(told)).filter(|number| *number != 0)
    }
}
