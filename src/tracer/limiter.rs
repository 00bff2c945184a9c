// SPDX-License-Identifier: GPL-2.0

//! How many lines there may be.

use super::settings::number::Lines;
use crate::system::{
    read_once,
    COARSE_STEP_NS, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

const SECOND: u64 = 1_000_000_000;

/// How many lines there may be, as the bucket reckons.
pub(super) struct Limit {
    /// Nanoseconds from one token to the next. `None` for no limit.
    interval: Option<u64>,
    /// Nanoseconds that it takes to fill the bucket.
    room: u64,
}

impl Limit {
    /// `rate` tokens come in a second, 0 for no limit, and there is room for `burst`, at least 1.
    ///
    /// The bucket holds what comes between two steps of the clock in any case: with less, there would
    /// be fewer lines than the rate says.
    pub(super) fn new(rate: Lines, burst: Lines) -> Self {
        let interval = SECOND.checked_div(rate.0.into());
        let room = interval.map_or(0, |interval| interval.saturating_mul(burst.0.max(1).into()));

        Self {
            interval,
            room: room.max(COARSE_STEP_NS),
        }
    }
}

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

    /// Whether there is a token, or was a moment ago. Only reads.
    #[inline]
    pub(super) fn has_room(&self, limit: &Limit, now: u64) -> bool {
        let Some(interval) = limit.interval else {
            return true;
        };
        Self::next(read_once(&self.full), interval, now).saturating_sub(now) <= limit.room
    }

    /// Takes a token, if there is one.
    pub(super) fn allows(&self, limit: &Limit, now: u64) -> bool {
        /// More often than this nobody loses a race.
        const TRIES: usize = 64;
        let Some(interval) = limit.interval else {
            return true;
        };
        let mut full = self.full.load(Relaxed);

        for _ in 0..TRIES {
            let then = Self::next(full, interval, now);
            if then.saturating_sub(now) > limit.room {
                return false;
            }
            match self.full.cmpxchg(full, then, Relaxed) {
                Ok(_) => return true,
                Err(found) => full = found,
            }
        }
        false
    }

    /// When a bucket is full again from which one more token was taken.
    #[inline]
    fn next(full: u64, interval: u64, now: u64) -> u64 {
        full.max(now).saturating_add(interval)
    }

    /// Whether it is time to tell how many lines were suppressed, which is at most once a second.
    #[inline]
    pub(super) fn is_to_tell(&self, now: u64) -> bool {
        now.saturating_sub(read_once(&self.told_at)) >= SECOND
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
