// SPDX-License-Identifier: GPL-2.0

//! The module's output.

use super::ffi::events;
use std::{
    cell::RefCell,
    mem::take, //
};

/// All output since it was last taken.
#[derive(Default)]
pub(crate) struct Output {
    /// The lines of the log, each with its newline.
    pub(crate) lines: Vec<String>,
    pub(crate) events: Vec<events::Packet>,
    /// The number of packets passed to the kernel's own loggers: for lines, and for NFLOG.
    pub(crate) syslog: usize,
    pub(crate) nflog: Vec<u16>,
    /// The number of scheduled reports of suppressed lines.
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
