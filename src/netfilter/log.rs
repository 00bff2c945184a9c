// SPDX-License-Identifier: GPL-2.0

//! The kernel's own packet logger, `nf_log_syslog`.
//!
//! C source: [`net/netfilter/nf_log.c`](srctree/net/netfilter/nf_log.c)

use super::{
    Packet,
    State, //
};
use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// The logger of IPv4 and IPv6 that writes to the kernel's log, held so that it is not unloaded.
///
/// # Invariants
///
/// A reference to both loggers' modules is ours.
pub struct SyslogLogger(());

impl SyslogLogger {
    /// Holds the loggers. May sleep.
    ///
    /// Loads `nf_log_syslog` where that is not loaded. `ENOENT` if it cannot be.
    pub fn get() -> Result<Self> {
        // INVARIANT: The references are taken here.
        // SAFETY: Called in process context.
        to_result(unsafe { bindings::nf_log_syslog_get() })?;
        Ok(Self(()))
    }

    /// Logs a packet of IPv4 or IPv6 with all fields that nft's `log flags all` gives, at level info.
    ///
    /// `prefix` is cut off after 127 bytes. As for nft, there is no line from other namespaces than
    /// the initial one unless `net.netfilter.nf_log_all_netns` says so; `false` says that there is none.
    pub fn log(&self, packet: &Packet<'_>, state: &State<'_>, prefix: &CStr) -> bool {
        // SAFETY: All are valid for the call by their types' invariants, and so are the loggers. The
        // packet is only read.
        unsafe { bindings::nf_log_syslog(packet.as_ptr(), state.as_raw(), prefix.as_ptr().cast()) }
    }
}

impl Drop for SyslogLogger {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the references are ours.
        unsafe { bindings::nf_log_syslog_put() };
    }
}
