// SPDX-License-Identifier: GPL-2.0

//! The active configuration: the settings in the form that the packet path reads.

use super::{
    limiter::Limit,
    settings::{
        choice::{
            Families,
            Format,
            Netns, //
        },
        ports::Ports,
        prefixes::Prefixes,
        sinks::Sink,
        Settings, //
    }, //
};
use crate::{
    ffi::{
        compat::code::EOPNOTSUPP,
        events, //
    },
    netfilter::{
        Family,
        HookPoint,
        HookState, //
        InetHook,
        Logger,
        NetScope,
        Packet,
        Priority,
    },
    packet::{
        self,
        KnownPorts, //
    },
};
use core::net::IpAddr;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The hooks of the IP families, in the order of [`Hooks`]' numbers.
const HOOKS: [InetHook; 5] = [
    InetHook::PreRouting,
    InetHook::LocalIn,
    InetHook::Forward,
    InetHook::LocalOut,
    InetHook::PostRouting,
];

impl Settings {
    /// Returns the hook points to register at.
    pub(super) fn points(&self) -> Result<KVec<HookPoint>> {
        let priority = Priority::new(self.priority.0);
        let mut points = KVec::new();

        for (number, hook) in (0..).zip(HOOKS) {
            if !self.hooks.contain(number) {
                continue;
            }
            if self.family != Families::Ipv6 {
                points.push(HookPoint::ipv4(hook, priority), GFP_KERNEL)?;
            }
            if self.family != Families::Ipv4 {
                points.push(HookPoint::ipv6(hook, priority), GFP_KERNEL)?;
            }
        }
        Ok(points)
    }

    /// Returns the rate limit for lines.
    pub(super) fn limit(&self) -> Limit {
        Limit::new(self.rate, self.burst())
    }

    /// Returns the network namespaces to register in.
    pub(super) fn nets(&self) -> NetScope {
        match self.netns {
            Netns::Host => NetScope::Initial,
            Netns::All => NetScope::AllPossible,
        }
    }

    /// Returns whether there is a condition besides that on the protocol.
    fn has_conditions(&self) -> bool {
        self.has_conditions_on_addresses()
            || self.has_conditions_on_ports()
            || self.iface.is_some()
            || self.bpf.is_some()
    }

    /// Returns whether the conditions hold that need no transport header.
    #[inline(always)]
    pub(super) fn matches_early(&self, packet: &Packet<'_>, state: &HookState<'_>) -> bool {
        self.matches_addresses(packet, state.family()) && self.matches_devices(state)
    }

    /// Returns whether the conditions on the addresses hold. Missing addresses match none.
    #[inline]
    fn matches_addresses(&self, packet: &Packet<'_>, family: Family) -> bool {
        let v6 = family == Family::Ipv6;
        let among = |list: &Prefixes, address: Option<IpAddr>| {
            address.is_some_and(|address| list.contain(address))
        };
        let source = |list: &Prefixes| among(list, packet::source(packet, v6));
        let destination = |list: &Prefixes| among(list, packet::destination(packet, v6));

        holds(&self.host, |list| source(list) || destination(list))
            && holds(&self.src, source)
            && holds(&self.dst, destination)
    }

    /// Returns whether there is a condition on the addresses.
    fn has_conditions_on_addresses(&self) -> bool {
        self.host.is_some() || self.src.is_some() || self.dst.is_some()
    }

    /// Returns whether the conditions on the ports hold, which a packet without ports never meets.
    /// `None` if the packet ends before the ports that a condition needs, so that the result is not
    /// known.
    #[inline(always)]
    pub(super) fn matches_ports(&self, ports: impl FnOnce() -> KnownPorts) -> Option<bool> {
        if !self.has_conditions_on_ports() {
            return Some(true);
        }
        match ports() {
            KnownPorts::Both(source, destination) => {
                Some(self.matches_known_ports(Some(source), Some(destination)))
            }
            KnownPorts::Cut(source) => self.matches_known_ports(source, None).then_some(true),
            KnownPorts::Unknown => Some(true),
            KnownPorts::None => Some(false),
        }
    }

    #[inline(always)]
    fn matches_known_ports(&self, source: Option<u16>, destination: Option<u16>) -> bool {
        let among = |list: &Ports, port: Option<u16>| port.is_some_and(|port| list.contain(port));

        holds(&self.port, |list| {
            among(list, source) || among(list, destination)
        }) && holds(&self.sport, |list| among(list, source))
            && holds(&self.dport, |list| among(list, destination))
    }

    /// Returns whether there is a condition on the ports.
    #[inline]
    pub(super) fn has_conditions_on_ports(&self) -> bool {
        self.port.is_some() || self.sport.is_some() || self.dport.is_some()
    }

    /// Returns whether the condition on the devices holds, for the input or the output device.
    #[inline]
    fn matches_devices(&self, state: &HookState<'_>) -> bool {
        holds(&self.iface, |list| {
            [state.input(), state.output()]
                .into_iter()
                .flatten()
                .any(|device| list.contain(device.name().as_bytes()))
        })
    }

    /// Returns whether the BPF program matches the packet.
    #[inline]
    pub(super) fn matches_bpf(&self, packet: &Packet<'_>) -> bool {
        holds(&self.bpf, |bpf| bpf.program.takes(packet))
    }
}

/// Returns whether a condition holds, or there is none.
#[inline]
fn holds<T>(condition: &Option<Arc<T>>, check: impl FnOnce(&T) -> bool) -> bool {
    condition.as_ref().is_none_or(|condition| check(condition))
}

/// Settings with the resources that they need while active.
pub(super) struct Config {
    pub(super) settings: Settings,
    pub(super) limit: Limit,
    /// Whether the protocol is the only condition.
    pub(super) protocol_only: bool,
    /// Whether there is a sink that shows parsed fields, which the kernel's own loggers do not.
    pub(super) reads_headers: bool,
    /// The logger of `format=nf_log`.
    pub(super) syslog: Option<Logger>,
    /// The logger of `sink=nflog`.
    pub(super) nflog: Option<Logger>,
}

impl Config {
    /// Creates a configuration. May sleep, and load the kernel's loggers. Logs what this kernel
    /// does not have.
    ///
    /// `EOPNOTSUPP` for what this kernel does not have or may not load, `ENOMEM` if out of memory.
    pub(super) fn new(settings: &Settings) -> Result<KBox<Self>> {
        let sinks = settings.sink;
        let lines = sinks.contain(Sink::Log) && settings.format == Format::NfLog;
        let syslog = lines.then(Logger::syslog).transpose();
        let syslog = syslog.map_err(|error| no_logger(error, "format: nf_log: nf_log_syslog"))?;
        let nflog = sinks.nflog_group().map(Logger::nflog).transpose();
        let nflog = nflog.map_err(|error| no_logger(error, "sink: nflog: nfnetlink_log"))?;

        if let Some(why) = events::why_none().filter(|_| sinks.contain(Sink::Trace)) {
            pr_err!("sink: trace: {why}\n");
            return Err(EOPNOTSUPP);
        }
        Ok(KBox::new(
            Self {
                settings: settings.clone(),
                limit: settings.limit(),
                protocol_only: !settings.has_conditions(),
                reads_headers: sinks.contain(Sink::Trace)
                    || (sinks.contain(Sink::Log) && settings.format != Format::NfLog),
                syslog,
                nflog,
            },
            GFP_KERNEL,
        )?)
    }
}

/// Logs which of the kernel's loggers is missing, and returns the error for that.
fn no_logger(error: Error, what: &str) -> Error {
    match error {
        ENOENT => {
            pr_err!(
                "{what} is not there: this kernel has none, or may not load it, see modprobe(8)\n"
            );
            // `insmod` takes `ENOENT` for an unknown symbol.
            EOPNOTSUPP
        }
        error => error,
    }
}
