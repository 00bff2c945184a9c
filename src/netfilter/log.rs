// SPDX-License-Identifier: GPL-2.0

//! The kernel's own packet loggers, `nf_log_syslog` and `nfnetlink_log`.
//!
//! C source: [`net/netfilter/nf_log.c`](srctree/net/netfilter/nf_log.c)

use super::{
    rcu_box::check_context,
    Packet, //
};
use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*,
    str::CStrExt, //
};

/// A packet logger for IPv4 and IPv6, held so that its module is not unloaded.
///
/// # Invariants
///
/// We hold a reference to the module of this kind's loggers, for each of the two families.
pub struct Logger(Kind);

enum Kind {
    Syslog,
    Nflog { group: u16 },
}

impl Kind {
    fn as_raw(&self) -> bindings::nf_log_type {
        match self {
            Self::Syslog => bindings::nf_log_type_NF_LOG_TYPE_LOG,
            Self::Nflog { .. } => bindings::nf_log_type_NF_LOG_TYPE_ULOG,
        }
    }
}

impl Logger {
    /// Returns the logger that writes lines to the kernel log, at level info, with all fields of
    /// nft's `log flags all`. May sleep.
    ///
    /// Loads `nf_log_syslog` if needed. `ENOENT` if that fails, `EDEADLK` in a handler.
    pub fn syslog() -> Result<Self> {
        Self::hold(Kind::Syslog)
    }

    /// Returns the NFLOG logger, which sends the packet itself to the consumer of `group`, in the
    /// packet's namespace. May sleep.
    ///
    /// Loads `nfnetlink_log` if needed. `ENOENT` if that fails, `EDEADLK` in a handler.
    pub fn nflog(group: u16) -> Result<Self> {
        Self::hold(Kind::Nflog { group })
    }

    fn hold(kind: Kind) -> Result<Self> {
        check_context()?;
        // INVARIANT: The references are taken here.
        // SAFETY: Called in process context.
        to_result(unsafe { bindings::nf_tracer_logger_load(kind.as_raw()) })?;
        Ok(Self(kind))
    }

    /// Logs an IPv4 or IPv6 packet. `prefix` is truncated to 127 bytes. Returns whether the packet
    /// was passed to the logger.
    ///
    /// Other families have no loggers here, and at a device's egress NFLOG would start with the
    /// link-layer header: these are not logged.
    ///
    /// As for nft, packets of namespaces other than the initial one are logged only with
    /// `net.netfilter.nf_log_all_netns`. Nothing is logged in interrupts or with interrupts off,
    /// where a queue's packets may be [processed](super::PacketQueue::process). Whether an NFLOG
    /// group has a consumer, with room for the packet, the logger does not report.
    pub fn log(&self, packet: &Packet<'_>, prefix: &CStr) -> bool {
        // The packet's own state: the loggers read its device where the state has one.
        let state = packet.state();
        if !matches!(
            u32::from(state.pf),
            bindings::NFPROTO_IPV4 | bindings::NFPROTO_IPV6
        ) {
            return false;
        }
        let (skb, prefix) = (packet.as_ptr(), prefix.as_char_ptr());

        match self.0 {
            // SAFETY: All are valid for the call by their types' invariants, and so are the
            // loggers. The packet is only read.
            Kind::Syslog => unsafe { bindings::nf_tracer_log_syslog(skb, state, prefix) },
            // SAFETY: As above.
            Kind::Nflog { group } => unsafe {
                bindings::nf_tracer_log_nflog(group, skb, state, prefix)
            },
        }
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        // SAFETY: By the type invariant we hold the references.
        unsafe { bindings::nf_logger_put(bindings::NFPROTO_INET as i32, self.0.as_raw()) };
    }
}
