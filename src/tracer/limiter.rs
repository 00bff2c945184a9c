// SPDX-License-Identifier: GPL-2.0

//! How many lines there may be.

use crate::ffi::{
    atomic::read_once,
    clock::COARSE_STEP_NS, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

const SECOND: u64 = 1_000_000_000;

/// How many lines there may be, as a bucket reckons.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
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
    pub(crate) fn new(rate: u32, burst: u32) -> Self {
        let interval = SECOND.checked_div(rate.into());
        let room = interval.map_or(0, |interval| interval.saturating_mul(burst.max(1).into()));

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
struct Bucket {
    /// When the bucket is full again, in nanoseconds of the monotonic clock.
    full: Atomic<u64>,
}

impl Bucket {
    const fn new() -> Self {
        Self {
            full: Atomic::new(0),
        }
    }

    #[inline]
    fn has_room(&self, limit: &Limit, now: u64) -> bool {
        let Some(interval) = limit.interval else {
            return true;
        };
        Self::next(read_once(&self.full), interval, now).saturating_sub(now) <= limit.room
    }

    fn allows(&self, limit: &Limit, now: u64) -> bool {
        let Some(interval) = limit.interval else {
            return true;
        };
        self.update(|full| {
            let then = Self::next(full, interval, now);
            (then.saturating_sub(now) <= limit.room).then_some(then)
        })
    }

    /// When a bucket is full again from which one more token was taken.
    #[inline]
    fn next(full: u64, interval: u64, now: u64) -> u64 {
        full.max(now).saturating_add(interval)
    }

    /// Reckons the tokens that are missing by another rate: as many remain missing.
    fn convert(&self, from: &Limit, to: &Limit, now: u64) {
        let (Some(from), Some(to)) = (from.interval, to.interval) else {
            return;
        };
        self.update(|full| {
            // A token that has come in part is missing. Above a rate of 10^9 none is, ever.
            let late = full
                .saturating_sub(now)
                .saturating_add(from.saturating_sub(1));
            let missing = late.checked_div(from).unwrap_or(0);
            Some(now.saturating_add(missing.saturating_mul(to)))
        });
    }

    /// Has no more tokens missing than there is room for; none where there is no limit.
    fn clamp(&self, limit: &Limit, now: u64) {
        let room = limit.interval.map_or(0, |_| limit.room);

        self.update(|full| Some(full.min(now.saturating_add(room))));
    }

    /// Changes the time, unless `change` gives none. Says whether it was changed.
    #[inline]
    fn update(&self, change: impl Fn(u64) -> Option<u64>) -> bool {
        /// More often than this nobody loses a race.
        const TRIES: usize = 64;
        let mut full = self.full.load(Relaxed);

        for _ in 0..TRIES {
            let Some(then) = change(full) else {
                return false;
            };
            match self.full.cmpxchg(full, then, Relaxed) {
                Ok(_) => return true,
                Err(found) => full = found,
            }
        }
        false
    }
}

/// Says of each line whether there may be one.
///
/// The initial network namespace has a bucket of its own, and all others share one: what goes on in a
/// container suppresses no line of the host's.
pub(crate) struct Limiter {
    host: Bucket,
    others: Bucket,
}

impl Limiter {
    pub(crate) const fn new() -> Self {
        Self {
            host: Bucket::new(),
            others: Bucket::new(),
        }
    }

    /// The bucket of the initial network namespace, or that of all others.
    #[inline]
    fn bucket(&self, is_host: bool) -> &Bucket {
        match is_host {
            true => &self.host,
            false => &self.others,
        }
    }

    /// Whether there is a token, or was a moment ago. Only reads.
    #[inline]
    pub(crate) fn has_room(&self, is_host: bool, limit: &Limit, now: u64) -> bool {
        self.bucket(is_host).has_room(limit, now)
    }

    /// Takes a token, if there is one.
    pub(crate) fn allows(&self, is_host: bool, limit: &Limit, now: u64) -> bool {
        self.bucket(is_host).allows(limit, now)
    }

    /// Carries the buckets over from one limit to another, which `change` makes active.
    ///
    /// A full bucket stays full, and of an empty one as many tokens are missing as before, if there is
    /// room for so many. `now` is asked for after `change`, too, which may take its time.
    ///
    /// Meanwhile packets go by the old limit or by the new one. So that none of the two finds more
    /// tokens than there are, what is reckoned by the slower rate is reckoned so first.
    pub(crate) fn change<R>(
        &self,
        from: &Limit,
        to: &Limit,
        now: impl Fn() -> u64,
        change: impl FnOnce() -> R,
    ) -> R {
        let buckets = [&self.host, &self.others];
        let convert = || {
            for bucket in buckets {
                bucket.convert(from, to, now());
            }
        };
        let becomes_slower = from.interval < to.interval;

        if becomes_slower {
            convert();
        }
        let changed = change();
        if !becomes_slower {
            convert();
        }
        for bucket in buckets {
            bucket.clamp(to, now());
        }
        changed
    }
}
