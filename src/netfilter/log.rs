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

/// A logger of IPv4 and IPv6, held so that it is not unloaded.
///
/// # Invariants
///
/// A reference to the module of this kind's loggers is ours, for each of the two families.
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
    /// The one that writes lines to the kernel's log, at level info, with all fields that nft's
    /// `log flags all` gives. May sleep.
    ///
    /// Loads `nf_log_syslog` where that is not loaded. `ENOENT` if it cannot be, `EDEADLK` in a handler.
    pub fn syslog() -> Result<Self> {
        Self::hold(Kind::Syslog)
    }

    /// NFLOG: the one that sends packets as they are to the program that listens to `group`, in the
    /// packet's namespace. May sleep.
    ///
    /// Loads `nfnetlink_log` where that is not loaded. `ENOENT` if it cannot be, `EDEADLK` in a handler.
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

    /// Logs a packet of IPv4 or IPv6. `prefix` is cut off after 127 bytes.
    ///
    /// Others have no loggers here, and at a device's egress NFLOG would begin with the link-layer header:
    /// for them there is no line.
    ///
    /// As for nft, there is no line from other namespaces than the initial one unless
    /// `net.netfilter.nf_log_all_netns` says so; nor is there one in interrupts or with interrupts off, where a
    /// queue's packets may be [decided on](super::PacketQueue::process). `false` says that there is none.
    /// Whether somebody listens to an NFLOG group, and has room for the packet, that logger tells nobody.
    pub fn log(&self, packet: &Packet<'_>, prefix: &CStr) -> bool {
        // The packet's own: the loggers look at its device where the state has one.
        let state = packet.state();
        if !matches!(
            u32::from(state.pf),
            bindings::NFPROTO_IPV4 | bindings::NFPROTO_IPV6
        ) {
            return false;
        }
        let (skb, prefix) = (packet.as_ptr(), prefix.as_char_ptr());

        match self.0 {
            // SAFETY: All are valid for the call by their types' invariants, and so are the loggers.
            // The packet is only read.
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
        // SAFETY: By the type invariant the references are ours.
        unsafe { bindings::nf_logger_put(bindings::NFPROTO_INET as i32, self.0.as_raw()) };
    }
}
