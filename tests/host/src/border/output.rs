// SPDX-License-Identifier: GPL-2.0

//! What comes out of the module.

use super::ffi::events;
use std::{
    cell::RefCell,
    mem::take, //
};

/// All that came out since it was last taken.
#[derive(Default)]
pub(crate) struct Output {
    /// The lines of the log, each with its end.
    pub(crate) lines: Vec<String>,
    pub(crate) events: Vec<events::Packet>,
    /// How many packets the kernel's own loggers got: for lines, and for NFLOG.
    pub(crate) syslog: usize,
    pub(crate) nflog: Vec<u16>,
    /// How often a report on suppressed lines was scheduled.
    pub(crate) reports: usize,
}

thread_local! {
    static OUTPUT: RefCell<Output> = RefCell::default();
}

pub(crate) fn add(change: impl FnOnce(&mut Output)) {
    OUTPUT.with_borrow_mut(change);
}

pub(crate) fn take_output() -> Output {
    OUTPUT.with_borrow_mut(take)
}
