// SPDX-License-Identifier: GPL-2.0

//! Counters of the packets seen and their outcomes, for each sink.

use super::settings::sinks::{
    Sink,
    Sinks, //
};
use crate::{
    ffi::percpu::PerCpuCounters,
    netfilter::{
        Family,
        Hook, //
    }, //
};
use core::fmt;
use kernel::prelude::*;

/// The reason why a packet is for no sink.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    /// It does not match.
    NotMatched,
    /// It ends inside a header.
    Truncated,
    /// A header is invalid.
    Invalid,
}

/// The outcome for a matching packet at one sink.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The sink has taken it.
    Emitted,
    /// Its line exceeded the rate limit.
    Suppressed,
    /// The sink did not take it: it has no consumer, or the kernel's own logger does not log it.
    Lost,
}

/// The names of the counts of one sink, in the order in which they are kept and written.
const SKIPS: [(Skip, &str); 3] = [
    (Skip::NotMatched, "not_matched"),
    (Skip::Truncated, "truncated"),
    (Skip::Invalid, "invalid"),
];
const OUTCOMES: [(Outcome, &str); 3] = [
    (Outcome::Emitted, "emitted"),
    (Outcome::Suppressed, "suppressed"),
    (Outcome::Lost, "lost"),
];

const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];
const HOOKS: [Hook; 5] = [
    Hook::PreRouting,
    Hook::LocalIn,
    Hook::Forward,
    Hook::LocalOut,
    Hook::PostRouting,
];

/// A hook of an IP family. Both enums list these first, so they serve as indices.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    family: Family,
    hook: Hook,
}

impl Point {
    const COUNT: usize = FAMILIES.len() * HOOKS.len();

    /// Creates a point, which must be one of an IP family.
    #[inline]
    pub(crate) fn new(family: Family, hook: Hook) -> Self {
        Self { family, hook }
    }

    #[inline]
    fn number(self) -> usize {
        self.family as usize * HOOKS.len() + self.hook as usize
    }

    /// Returns all points, in the order in which packets traverse them.
    fn all() -> impl Iterator<Item = Self> {
        HOOKS
            .into_iter()
            .flat_map(|hook| FAMILIES.map(|family| Self::new(family, hook)))
    }
}

/// The counters, kept per CPU.
///
/// A packet that does not match is counted once, for the set of active sinks; one that matches,
/// once for each sink. So the number that one sink has seen is the sum over all sets that contain
/// it.
pub(crate) struct Counters(PerCpuCounters<{ Self::COUNT }>);

impl Counters {
    const PER_POINT: usize = Sinks::SETS * SKIPS.len() + Sink::ALL.len() * OUTCOMES.len();
    const COUNT: usize = Point::COUNT * Self::PER_POINT;

    /// Creates counters that are all zero. May sleep. `ENOMEM` is the only error.
    pub(crate) fn new() -> Result<Self> {
        PerCpuCounters::new().map(Self)
    }

    /// Counts a packet that is for no sink. Any context.
    #[inline]
    pub(crate) fn count_skip(&self, point: Point, sinks: Sinks, skip: Skip) {
        self.0.inc(Self::skip(point, sinks.set(), skip));
    }

    /// Counts a packet at one of its sinks. Any context.
    #[inline]
    pub(crate) fn count(&self, point: Point, sink: Sink, outcome: Outcome) {
        self.0.inc(Self::outcome(point, sink, outcome));
    }

    /// Returns the number of packets with this outcome at this sink.
    pub(crate) fn total(&self, sink: Sink, outcome: Outcome) -> u64 {
        Point::all()
            .map(|point| self.0.sum(Self::outcome(point, sink, outcome)))
            .fold(0, u64::wrapping_add)
    }

    /// Returns a line for each point and sink that has seen a packet: `prerouting ipv4 log seen 14
    /// ...`.
    ///
    /// `seen` is the sum of all counts that follow it, also while packets are being counted.
    pub(crate) fn lines(&self) -> impl Iterator<Item = CountsLine> + '_ {
        Point::all()
            .flat_map(|point| Sink::ALL.map(|sink| self.line(point, sink)))
            .filter(|line| line.seen() != 0)
    }

    /// Returns the counts over all points, for each sink that has seen a packet, and always for the
    /// log.
    pub(crate) fn summaries(&self) -> impl Iterator<Item = CountsLine> + '_ {
        Sink::ALL
            .into_iter()
            .map(|sink| {
                let mut sum = CountsLine::new(None, sink);
                for point in Point::all() {
                    sum.add(&self.line(point, sink));
                }
                sum
            })
            .filter(|line| line.sink == Sink::Log || line.seen() != 0)
    }

    fn line(&self, point: Point, sink: Sink) -> CountsLine {
        let sets = || (0..Sinks::SETS).filter(move |set| Sinks::set_contains(*set, sink));
        let skip = SKIPS.map(|(skip, _)| {
            sets()
                .map(|set| self.0.sum(Self::skip(point, set, skip)))
                .fold(0, u64::wrapping_add)
        });
        let outcomes = OUTCOMES.map(|(outcome, _)| self.0.sum(Self::outcome(point, sink, outcome)));

        CountsLine {
            skip,
            outcomes,
            ..CountsLine::new(Some(point), sink)
        }
    }

    #[inline]
    fn skip(point: Point, set: usize, skip: Skip) -> usize {
        point.number() * Self::PER_POINT + set * SKIPS.len() + skip as usize
    }

    #[inline]
    fn outcome(point: Point, sink: Sink, outcome: Outcome) -> usize {
        let sets = Sinks::SETS * SKIPS.len();

        point.number() * Self::PER_POINT + sets + sink as usize * OUTCOMES.len() + outcome as usize
    }
}

/// All counts of a sink, at one point or over all of them, for output.
pub(crate) struct CountsLine {
    point: Option<Point>,
    sink: Sink,
    skip: [u64; SKIPS.len()],
    outcomes: [u64; OUTCOMES.len()],
}

impl CountsLine {
    fn new(point: Option<Point>, sink: Sink) -> Self {
        Self {
            point,
            sink,
            skip: [0; SKIPS.len()],
            outcomes: [0; OUTCOMES.len()],
        }
    }

    fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let words = SKIPS.iter().map(|(_, word)| *word);
        let words = Iterator::chain(words, OUTCOMES.iter().map(|(_, word)| *word));

        words.zip(Iterator::chain(self.skip.iter(), &self.outcomes).copied())
    }

    fn seen(&self) -> u64 {
        self.counts()
            .fold(0, |sum, (_, count)| u64::wrapping_add(sum, count))
    }

    fn add(&mut self, other: &Self) {
        for (sum, count) in self.skip.iter_mut().zip(other.skip) {
            *sum = sum.wrapping_add(count);
        }
        for (sum, count) in self.outcomes.iter_mut().zip(other.outcomes) {
            *sum = sum.wrapping_add(count);
        }
    }
}

impl kernel::fmt::Display for CountsLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Point { family, hook }) = self.point {
            write!(f, "{} {} ", hook.name(), family.name())?;
        }
        write!(f, "{} seen {}", self.sink.name(), self.seen())?;
        for (word, count) in self.counts() {
            write!(f, " {word} {count}")?;
        }
        Ok(())
    }
}
