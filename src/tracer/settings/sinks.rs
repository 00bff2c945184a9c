// SPDX-License-Identifier: GPL-2.0

//! The sinks of matching packets: `sink=`.

use super::{
    number,
    strip_prefix,
    tokens,
    write_list,
    ParseError,
    Value, //
};
use core::fmt;

/// A sink of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// A line in the kernel log.
    Log,
    /// The tracepoint `nf_tracer:packet`.
    Trace,
    /// The kernel's own NFLOG.
    Nflog,
}

impl Sink {
    /// All sinks, in the order of their numbers.
    pub(crate) const ALL: [Self; 3] = [Self::Log, Self::Trace, Self::Nflog];

    /// Returns the name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Trace => "trace",
            Self::Nflog => "nflog",
        }
    }
}

/// A set of sinks, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sinks {
    /// A bitmap, by the sinks' numbers.
    set: u8,
    /// The NFLOG group, 0 without NFLOG.
    group: u16,
}

impl Sinks {
    /// Only the log.
    pub(crate) const LOG: Self = Self {
        set: 1 << Sink::Log as u8,
        group: 0,
    };

    /// Returns the set of one sink, NFLOG without a group.
    #[inline]
    pub(crate) fn only(sink: Sink) -> Self {
        Self {
            set: 1 << sink as u8,
            group: 0,
        }
    }

    /// The number of [sets](Self::set), the empty one included.
    pub(crate) const SETS: usize = 1 << Sink::ALL.len();

    /// Returns the number of the set, below [`Self::SETS`].
    #[inline]
    pub(crate) fn set(self) -> usize {
        self.set.into()
    }

    /// Returns whether the set with this number contains the sink.
    #[inline]
    pub(crate) fn set_contains(set: usize, sink: Sink) -> bool {
        (set >> sink as usize) & 1 != 0
    }

    /// Returns whether the set contains the sink.
    #[inline]
    pub(crate) fn contain(self, sink: Sink) -> bool {
        Self::set_contains(self.set(), sink)
    }

    /// Returns the NFLOG group, if NFLOG is a sink.
    pub(crate) fn nflog_group(self) -> Option<u16> {
        self.contain(Sink::Nflog).then_some(self.group)
    }
}

impl Value for Sinks {
    const ALLOWED: &'static str =
        "log, trace, nflog:GROUP with a group from 0 to 65535, or several with commas";

    fn parse(text: &str) -> Result<Self, ParseError<'_>> {
        let mut sinks = Self { set: 0, group: 0 };

        for token in tokens(text) {
            let token = token?;
            let refused = |why| ParseError::new(token, why);
            let is = |word: &str| token.eq_ignore_ascii_case(word);
            let sink = if is("log") {
                Sink::Log
            } else if is("trace") {
                Sink::Trace
            } else if is("nflog") {
                return Err(refused("has no group: as in nflog:5"));
            } else if is("nf_log") {
                return Err(refused("is a format of the log's lines: format=nf_log"));
            } else {
                let group = strip_prefix(token, "nflog:").ok_or(refused("is no sink"))?;
                let group = number(
                    group,
                    "has a group that is not from 0 to 65535",
                    "has no number of a group",
                );
                let group = group.map_err(|part| refused(part.why))?;
                if sinks.nflog_group().is_some_and(|other| other != group) {
                    return Err(refused("is a second group"));
                }
                sinks.group = group;
                Sink::Nflog
            };
            sinks.set |= 1 << sink as u8;
        }
        match sinks.set {
            0 => Err(ParseError::new(text, "names no sink")),
            _ => Ok(sinks),
        }
    }

    fn write(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        let sinks = Sink::ALL.into_iter().filter(|sink| self.contain(*sink));

        write_list(to, sinks, |to, sink| {
            to.write_str(sink.name())?;
            match sink {
                Sink::Nflog => write!(to, ":{}", self.group),
                Sink::Log | Sink::Trace => Ok(()),
            }
        })
    }
}
