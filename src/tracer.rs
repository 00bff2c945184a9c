// SPDX-License-Identifier: GPL-2.0

//! What the user asked for: a log line for each packet that is wanted, and the count of all.
//!
//! Formats and counts, and leaves the rest to others: the hooks to [`netfilter`](crate::netfilter),
//! the reading of headers to [`packet`](crate::packet).

mod classic;
mod counters;
mod line;

use self::{
    counters::{
        Counters,
        Outcome, //
    },
    line::Line, //
};
use crate::{
    netfilter::{
        Family,
        Handler,
        InetHook,
        Packet,
        Point,
        Priority,
        State,
        Verdict, //
    },
    packet::{
        Bytes,
        NoSegment,
        Segment, //
    },
};
use kernel::prelude::*;

/// Where packets are traced: as they come in and as they are sent.
const HOOKS: [InetHook; 2] = [InetHook::PreRouting, InetHook::LocalOut];

/// The same, before any other hook has seen or changed the packets.
pub(crate) const POINTS: [Point; HOOKS.len()] = [
    Point::ipv4(HOOKS[0], Priority::FIRST),
    Point::ipv4(HOOKS[1], Priority::FIRST),
];

/// Prints a line for each TCP segment, and lets every packet pass.
pub(crate) struct Tracer {
    counters: Counters,
}

impl Tracer {
    /// A tracer that has counted nothing yet. May sleep. `ENOMEM` is the only error.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            counters: Counters::new()?,
        })
    }
}

impl Handler for Tracer {
    #[inline]
    fn handle<'a>(&self, packet: Packet<'a>, state: &State<'a>) -> Verdict<'a> {
        let outcome = match Segment::parse(&packet) {
            Ok(segment) => {
                log(&segment);
                Outcome::Emitted
            }
            Err(NoSegment::OtherProtocol) => Outcome::NotMatched,
            Err(NoSegment::LaterFragment) => Outcome::Fragment,
            Err(NoSegment::Truncated) => Outcome::Truncated,
            Err(NoSegment::Invalid) => Outcome::Invalid,
        };

        self.counters.count(state.family(), state.hook(), outcome);
        packet.accept()
    }
}

impl Drop for Tracer {
    /// Says what was counted. No handler runs any more, so the numbers are final.
    fn drop(&mut self) {
        for hook in HOOKS {
            pr_info!("{}\n", self.counters.summary(Family::Ipv4, hook.into()));
        }
    }
}

/// Prints the line of one segment.
///
/// Not inlined, so that packets that make no line do not pay for its buffer.
#[inline(never)]
fn log(segment: &Segment) {
    let mut line = Line::new();

    // Formatted first and printed as one string: that is half of what `pr_info!` takes to format
    // this many arguments.
    classic::write(&mut line, segment);
    pr_info!("{}\n", line.as_str());
}

impl Bytes for Packet<'_> {
    #[inline]
    fn len(&self) -> usize {
        Packet::len(self)
    }

    #[inline]
    fn copy<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        Packet::copy(self, offset)
    }
}
