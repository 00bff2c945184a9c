// SPDX-License-Identifier: GPL-2.0

//! Rate limiting of lines.

use crate::ffi::{
    atomic::read_once,
    clock::COARSE_STEP_NS, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

const SECOND: u64 = 1_000_000_000;

/// A rate limit for lines, in the units of a token bucket.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    /// Nanoseconds per token. `None` for no limit.
    interval: Option<u64>,
    /// Nanoseconds that it takes to fill the bucket.
    room: u64,
}

impl Limit {
    /// Creates a limit of `rate` tokens per second, 0 for no limit, and a bucket of `burst`, at
    /// least 1.
    ///
    /// The bucket always has room for the tokens of one clock step: a smaller one would lower the
    /// rate.
    pub(crate) fn new(rate: u32, burst: u32) -> Self {
        let interval = SECOND.checked_div(rate.into());
        let room = interval.map_or(0, |interval| interval.saturating_mul(burst.max(1).into()));

        Self {
            interval,
            room: room.max(COARSE_STEP_NS),
        }
    }
}

/// A token bucket shared by all CPUs.
///
/// It keeps the time at which the bucket will be full again, not the number of tokens (the generic
/// cell rate algorithm, ITU-T I.371), so that an empty bucket is only read: CPUs whose lines are
/// suppressed share the memory without contending for it.
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

    /// Returns when a bucket is full again after one more token was taken.
    #[inline]
    fn next(full: u64, interval: u64, now: u64) -> u64 {
        full.max(now).saturating_add(interval)
    }

    /// Converts the missing tokens to another rate: the same number stays missing.
    fn convert(&self, from: &Limit, to: &Limit, now: u64) {
        let (Some(from), Some(to)) = (from.interval, to.interval) else {
            return;
        };
        self.update(|full| {
            // A partial token counts as missing. Above a rate of 10^9 none ever is.
            let late = full
                .saturating_sub(now)
                .saturating_add(from.saturating_sub(1));
            let missing = late.checked_div(from).unwrap_or(0);
            Some(now.saturating_add(missing.saturating_mul(to)))
        });
    }

    /// Limits the missing tokens to the bucket's size; to none where there is no limit.
    fn clamp(&self, limit: &Limit, now: u64) {
        let room = limit.interval.map_or(0, |_| limit.room);

        self.update(|full| Some(full.min(now.saturating_add(room))));
    }

    /// Updates the time, unless `change` returns `None`. Returns whether it was updated.
    #[inline]
    fn update(&self, change: impl Fn(u64) -> Option<u64>) -> bool {
        /// The maximum number of attempts, more than any CPU loses in practice.
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

/// A rate limiter for lines.
///
/// The initial network namespace has a bucket of its own, and all others share one: traffic in a
/// container suppresses no line of the host's.
pub(crate) struct Limiter {
    host: Bucket,
    others: Bucket,
}

impl Limiter {
    /// Creates a limiter with full buckets.
    pub(crate) const fn new() -> Self {
        Self {
            host: Bucket::new(),
            others: Bucket::new(),
        }
    }

    /// Returns the bucket of the initial network namespace, or that of all others.
    #[inline]
    fn bucket(&self, is_host: bool) -> &Bucket {
        match is_host {
            true => &self.host,
            false => &self.others,
        }
    }

    /// Returns whether there is a token, or was a moment ago. Only reads.
    #[inline]
    pub(crate) fn has_room(&self, is_host: bool, limit: &Limit, now: u64) -> bool {
        self.bucket(is_host).has_room(limit, now)
    }

    /// Takes a token. Returns whether there was one.
    pub(crate) fn allows(&self, is_host: bool, limit: &Limit, now: u64) -> bool {
        self.bucket(is_host).allows(limit, now)
    }

    /// Carries the buckets over from one limit to another, which `change` makes active.
    ///
    /// A full bucket stays full; otherwise the same number of tokens stays missing, up to the new
    /// size. `now` is read again after `change`, which may take long.
    ///
    /// Meanwhile packets use the old limit or the new one. So that neither finds more tokens than
    /// there are, the bucket is kept in units of the slower rate in that time.
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
