// SPDX-License-Identifier: GPL-2.0

//! How many packets were seen, and what became of each.

use crate::{
    netfilter::{
        Family,
        Hook, //
    },
    percpu::PerCpuCounters, //
};
use kernel::{
    fmt,
    prelude::*, //
};

/// What became of a packet, as far as the tracer is concerned. Each packet has exactly one.
#[derive(Clone, Copy)]
pub(crate) enum Outcome {
    /// A line was printed.
    Emitted,
    /// It is none that was asked for.
    NotMatched,
    /// It is a fragment without the TCP header.
    Fragment,
    /// It ends inside a header.
    Truncated,
    /// Its IPv4 header makes no sense.
    Invalid,
}

impl Outcome {
    /// How many there are.
    const COUNT: usize = 5;
}

/// A count for each family, hook point and outcome, kept per CPU.
pub(crate) struct Counters(PerCpuCounters<{ Family::COUNT * Hook::COUNT * Outcome::COUNT }>);

impl Counters {
    /// Counters that are all zero. May sleep. `ENOMEM` is the only error.
    pub(crate) fn new() -> Result<Self> {
        PerCpuCounters::new().map(Self)
    }

    /// Counts a packet. Any context.
    #[inline]
    pub(crate) fn count(&self, family: Family, hook: Hook, outcome: Outcome) {
        self.0.inc(Self::index(family, hook, outcome));
    }

    /// The counts of one point, to be printed.
    pub(crate) fn summary(&self, family: Family, hook: Hook) -> Summary {
        let sum = |outcome| self.0.sum(Self::index(family, hook, outcome));

        Summary {
            hook,
            family,
            emitted: sum(Outcome::Emitted),
            not_matched: sum(Outcome::NotMatched),
            fragments: sum(Outcome::Fragment),
            truncated: sum(Outcome::Truncated),
            invalid: sum(Outcome::Invalid),
        }
    }

    #[inline]
    fn index(family: Family, hook: Hook, outcome: Outcome) -> usize {
        (family as usize * Hook::COUNT + hook as usize) * Outcome::COUNT + outcome as usize
    }
}

/// What was counted at one point. Every packet seen there is in exactly one of the counts.
pub(crate) struct Summary {
    hook: Hook,
    family: Family,
    emitted: u64,
    not_matched: u64,
    fragments: u64,
    truncated: u64,
    invalid: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            hook,
            family,
            emitted,
            not_matched,
            fragments,
            truncated,
            invalid,
        } = self;
        let seen = [emitted, not_matched, fragments, truncated, invalid]
            .into_iter()
            .fold(0, |sum: u64, count| sum.wrapping_add(*count));

        write!(
            f,
            "{} {}: seen {seen} = emitted {emitted} + not matched {not_matched} \
             + fragments {fragments} + truncated {truncated} + invalid {invalid}",
            hook.name(),
            family.name(),
        )
    }
}
