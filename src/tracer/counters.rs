// SPDX-License-Identifier: GPL-2.0

//! How many packets were seen, and what became of each.

use crate::{
    netfilter::{
        Family,
        Hook, //
    },
    percpu::PerCpuCounters, //
};
use core::fmt;
use kernel::prelude::*;

/// What became of a packet, as far as the tracer is concerned. Each packet has exactly one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is none that was asked for.
    NotMatched,
    /// It ends inside a header.
    Truncated,
    /// A header makes no sense.
    Invalid,
    /// A line was printed.
    Emitted,
    /// A line would have been printed, had there not been too many.
    Suppressed,
    /// The kernel's own logger has no line for it.
    Lost,
}

impl Outcome {
    /// All of them, with the words for them, in the order of the counts.
    const ALL: [(Self, &'static str); 6] = [
        (Self::NotMatched, "not_matched"),
        (Self::Truncated, "truncated"),
        (Self::Invalid, "invalid"),
        (Self::Emitted, "emitted"),
        (Self::Suppressed, "suppressed"),
        (Self::Lost, "lost"),
    ];
}

const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];
const HOOKS: [Hook; 5] = [
    Hook::PreRouting,
    Hook::LocalIn,
    Hook::Forward,
    Hook::LocalOut,
    Hook::PostRouting,
];

/// A count for each family, hook point and outcome, kept per CPU.
pub(crate) struct Counters(PerCpuCounters<{ Self::COUNT }>);

impl Counters {
    const COUNT: usize = Family::COUNT * Hook::COUNT * Outcome::ALL.len();

    /// Counters that are all zero. May sleep. `ENOMEM` is the only error.
    pub(crate) fn new() -> Result<Self> {
        PerCpuCounters::new().map(Self)
    }

    /// Counts a packet. Any context.
    #[inline]
    pub(crate) fn count(&self, family: Family, hook: Hook, outcome: Outcome) {
        self.0.inc(Self::index(family, hook, outcome));
    }

    /// How many packets had this outcome.
    pub(crate) fn total(&self, outcome: Outcome) -> u64 {
        points()
            .map(|(hook, family)| self.0.sum(Self::index(family, hook, outcome)))
            .fold(0, u64::wrapping_add)
    }

    /// A line for each point that has seen a packet: `prerouting ipv4 seen 14 not_matched 2 ...`.
    ///
    /// What is seen is the sum of all that follows, whatever is being counted meanwhile.
    pub(crate) fn lines(&self) -> impl Iterator<Item = CountsLine> + '_ {
        points()
            .map(|point| {
                let (hook, family) = point;
                let count = |outcome| self.0.sum(Self::index(family, hook, outcome));
                CountsLine(Some(point), Outcome::ALL.map(|(outcome, _)| count(outcome)))
            })
            .filter(|line| line.seen() != 0)
    }

    /// The counts of all points together, without a point's name.
    pub(crate) fn summary(&self) -> CountsLine {
        CountsLine(None, Outcome::ALL.map(|(outcome, _)| self.total(outcome)))
    }

    #[inline]
    fn index(family: Family, hook: Hook, outcome: Outcome) -> usize {
        (family as usize * Hook::COUNT + hook as usize) * Outcome::ALL.len() + outcome as usize
    }
}

/// The points of the IP families, in the order that packets pass them.
fn points() -> impl Iterator<Item = (Hook, Family)> {
    HOOKS
        .into_iter()
        .flat_map(|hook| FAMILIES.map(|family| (hook, family)))
}

/// A count for each outcome, of a point or of all, to be printed.
pub(crate) struct CountsLine(Option<(Hook, Family)>, [u64; Outcome::ALL.len()]);

impl CountsLine {
    fn seen(&self) -> u64 {
        self.1.into_iter().fold(0, u64::wrapping_add)
    }
}

impl kernel::fmt::Display for CountsLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((hook, family)) = self.0 {
            write!(f, "{} {} ", hook.name(), family.name())?;
        }
        write!(f, "seen {}", self.seen())?;
        for ((_, name), count) in Outcome::ALL.iter().zip(self.1) {
            write!(f, " {name} {count}")?;
        }
        Ok(())
    }
}
