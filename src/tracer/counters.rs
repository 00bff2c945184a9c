// SPDX-License-Identifier: GPL-2.0

//! How many packets were seen, and what became of each, for each of the sinks.

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

/// Why a packet is of no interest to any sink.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    /// It is none that was asked for.
    NotMatched,
    /// It ends inside a header.
    Truncated,
    /// A header makes no sense.
    Invalid,
}

/// What became of a packet that was asked for, at one sink.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The sink has it.
    Emitted,
    /// It would have made a line, had there not been too many.
    Suppressed,
    /// The sink did not take it: nobody listens, or the kernel's own logger has no line for it.
    Lost,
}

/// The words for the counts of one sink, in the order in which they are kept and written.
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

/// A hook point of an IP family, of which both enums have them first.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    family: Family,
    hook: Hook,
}

impl Point {
    const COUNT: usize = FAMILIES.len() * HOOKS.len();

    #[inline]
    pub(crate) fn new(family: Family, hook: Hook) -> Self {
        Self { family, hook }
    }

    #[inline]
    fn number(self) -> usize {
        self.family as usize * HOOKS.len() + self.hook as usize
    }

    /// All of them, in the order that packets pass them.
    fn all() -> impl Iterator<Item = Self> {
        HOOKS
            .into_iter()
            .flat_map(|hook| FAMILIES.map(|family| Self::new(family, hook)))
    }
}

/// The counts, kept per CPU.
///
/// A packet that is not wanted is counted once, for the set of active sinks; one that is wanted,
/// once for each sink. So what one sink has seen is the sum over all sets that it is in.
pub(crate) struct Counters(PerCpuCounters<{ Self::COUNT }>);

impl Counters {
    const PER_POINT: usize = Sinks::SETS * SKIPS.len() + Sink::ALL.len() * OUTCOMES.len();
    const COUNT: usize = Point::COUNT * Self::PER_POINT;

    /// Counters that are all zero. May sleep. `ENOMEM` is the only error.
    pub(crate) fn new() -> Result<Self> {
        PerCpuCounters::new().map(Self)
    }

    /// Counts a packet that none of the sinks gets. Any context.
    #[inline]
    pub(crate) fn count_skip(&self, point: Point, sinks: Sinks, skip: Skip) {
        self.0.inc(Self::skip(point, sinks.set(), skip));
    }

    /// Counts a packet at one of the sinks that it was for. Any context.
    #[inline]
    pub(crate) fn count(&self, point: Point, sink: Sink, outcome: Outcome) {
        self.0.inc(Self::outcome(point, sink, outcome));
    }

    /// How many packets had this outcome at this sink.
    pub(crate) fn total(&self, sink: Sink, outcome: Outcome) -> u64 {
        Point::all()
            .map(|point| self.0.sum(Self::outcome(point, sink, outcome)))
            .fold(0, u64::wrapping_add)
    }

    /// A line for each point and sink that has seen a packet: `prerouting ipv4 log seen 14 ...`.
    ///
    /// What is seen is the sum of all that follows, whatever is being counted meanwhile.
    pub(crate) fn lines(&self) -> impl Iterator<Item = CountsLine> + '_ {
        Point::all()
            .flat_map(|point| Sink::ALL.map(|sink| self.line(point, sink)))
            .filter(|line| line.seen() != 0)
    }

    /// The counts of all points together, for each sink that has seen a packet; for the log always.
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

/// All counts of a sink, at one point or at all of them, to be printed.
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
