// SPDX-License-Identifier: GPL-2.0

//! Where packets that are chosen go: `sink=`.

use super::{
    decimal,
    tokens,
    write_list,
    Refused,
    Value, //
};
use core::fmt;

/// One of the places where packets can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// A line of the kernel's log.
    Log,
    /// The tracepoint `nf_tracer:packet`.
    Trace,
    /// The kernel's own NFLOG.
    Nflog,
}

impl Sink {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 3] = [Self::Log, Self::Trace, Self::Nflog];

    /// The word for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Trace => "trace",
            Self::Nflog => "nflog",
        }
    }
}

/// At least one of the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sinks {
    /// A bit for each, by its number.
    set: u8,
    /// Of NFLOG, 0 without it.
    group: u16,
}

impl Sinks {
    /// The log only.
    pub(crate) const LOG: Self = Self {
        set: 1 << Sink::Log as u8,
        group: 0,
    };

    /// How many different [sets](Self::set) there are, the empty one included.
    pub(crate) const SETS: usize = 1 << Sink::ALL.len();

    /// A number for the set, below [`Self::SETS`].
    #[inline]
    pub(crate) fn set(self) -> usize {
        self.set.into()
    }

    /// Whether the set of this number has the sink.
    #[inline]
    pub(crate) fn set_contains(set: usize, sink: Sink) -> bool {
        (set >> sink as usize) & 1 != 0
    }

    /// Whether packets go there.
    #[inline]
    pub(crate) fn contain(self, sink: Sink) -> bool {
        Self::set_contains(self.set(), sink)
    }

    /// The group of NFLOG that packets go to.
    pub(crate) fn nflog_group(self) -> Option<u16> {
        self.contain(Sink::Nflog).then_some(self.group)
    }
}

impl Value for Sinks {
    const ALLOWED: &'static str =
        "log, trace, nflog:GROUP with a group from 0 to 65535, or several with commas";

    fn parse(text: &str) -> Result<Self, Refused<'_>> {
        let mut sinks = Self { set: 0, group: 0 };

        for token in tokens(text) {
            let token = token?;
            let sink = match token {
                "log" => Sink::Log,
                "trace" => Sink::Trace,
                _ => {
                    let group = token
                        .strip_prefix("nflog:")
                        .ok_or(Refused::new(token, "is no sink"))?;
                    let group = decimal(group).ok_or(Refused::new(token, "has no such group"))?;
                    if sinks.nflog_group().is_some_and(|other| other != group) {
                        return Err(Refused::new(token, "is a second group"));
                    }
                    sinks.group = group;
                    Sink::Nflog
                }
            };
            sinks.set |= 1 << sink as u8;
        }
        match sinks.set {
            0 => Err(Refused::new(text, "names no sink")),
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
