// SPDX-License-Identifier: GPL-2.0

//! The tracer: reports each matching packet to the log, a tracepoint or a capture, and counts all
//! packets.
//!
//! It matches, rate-limits, formats and counts. Hooks are registered by
//! [`netfilter`](crate::netfilter), headers parsed by [`packet`](crate::packet), and parameter
//! values parsed by [`params`](crate::params).

mod classic;
mod config;
mod counters;
mod event;
mod full;
mod limiter;
mod line;
mod report;
pub(crate) mod settings;

use self::{
    config::Config,
    counters::{
        Counters,
        Outcome,
        Point,
        Skip, //
    },
    full::Meta,
    limiter::Limiter,
    line::Line,
    report::Report,
    settings::{
        choice::Format,
        protocols::Protocols,
        sinks::{
            Sink,
            Sinks, //
        },
        Settings, //
    }, //
};
use crate::{
    ffi::{
        clock::coarse_ns,
        events, //
    },
    netfilter::{
        ChecksumState,
        DeviceRef,
        Family,
        Handler,
        Hook,
        HookState,
        Logger,
        ModuleHooks,
        Packet,
        PernetRegistration,
        RcuBox,
        RegistrationError,
        Verdict, //
    },
    packet::{
        ipv6,
        tcp_options::TcpOptions,
        Bytes,
        Malformed,
        Network,
        PktInfo,
        Transport,
        UpperLayer, //
    }, //
};
use core::fmt;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The maximum number of left-out namespaces that the counts list.
const LEFT_OUT: usize = 8;

/// A registered tracer. Ends with its last reference, or with the module.
pub(crate) struct Tracing(Arc<PernetRegistration<Tracer>>);

/// What part of the settings may have changed.
pub(crate) struct Changed {
    pub(crate) hook_points: bool,
    pub(crate) config: bool,
}

impl Tracing {
    /// Registers a new tracer by the settings. May sleep.
    pub(crate) fn new(hooks: &ModuleHooks, settings: &Settings) -> Result<Self, RegistrationError> {
        let (nets, points) = (settings.nets(), settings.points()?);

        Ok(Self(hooks.register_in_nets(
            nets,
            &points,
            Tracer::new(settings),
        )?))
    }

    /// Switches from the old settings to the new ones; on error nothing changes. May sleep.
    ///
    /// Each packet is matched by all conditions of the old settings or by all of the new ones. If
    /// both hook points and conditions change, packets are seen at the new points before the new
    /// conditions apply.
    pub(crate) fn change(
        &self,
        old: &Settings,
        new: &Settings,
        changed: Changed,
    ) -> Result<(), RegistrationError> {
        let Tracer {
            config, limiter, ..
        } = self.0.handler();
        // Everything that may fail goes first.
        let new_config = changed.config.then(|| Config::new(new)).transpose()?;

        if changed.hook_points {
            self.0.change(new.nets(), &new.points()?)?;
        }
        if let Some(new_config) = new_config {
            let (from, to) = (old.limit(), new.limit());
            limiter.change(&from, &to, coarse_ns, || config.replace(new_config))?;
        }
        Ok(())
    }

    /// Logs the number of suppressed lines that were not reported yet, if any. May sleep.
    pub(crate) fn report_suppressed(&self) {
        let tracer = self.0.handler();

        log_suppressed(tracer.report.take(|| tracer.suppressed()));
    }

    /// Writes a line of counts for each point and sink that has seen a packet, and a line for each
    /// namespace that is left out.
    pub(crate) fn write_counts(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        for line in self.0.handler().counters.lines() {
            to.write_fmt(fmt!("{line}\n"))?;
        }
        let mut left_out = [None; LEFT_OUT];
        let total = self.0.left_out(&mut left_out).map_err(|_| fmt::Error)?;

        for (inode, error) in left_out.into_iter().flatten() {
            let error = error.to_errno();
            to.write_fmt(fmt!("netns {inode} left out: error {error}\n"))?;
        }
        match total.saturating_sub(LEFT_OUT) {
            0 => Ok(()),
            more => to.write_fmt(fmt!("netns left out: {more} more\n")),
        }
    }
}

/// Emits each matching packet to the sinks, and accepts every packet.
struct Tracer {
    config: RcuBox<Config>,
    limiter: Limiter,
    report: Report,
    counters: Counters,
}

impl Tracer {
    /// Creates a tracer with all counters zero. May sleep.
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            config: RcuBox::new(Config::new(settings)?),
            limiter: Limiter::new(),
            report: Report::new(),
            counters: Counters::new()?,
        })
    }

    /// Processes a packet of a matching protocol, and parses no more of it than the decision needs.
    ///
    /// Out of line, as are its callees, so that packets that leave earlier do not pay for it.
    #[inline(never)]
    fn process(&self, config: &Config, packet: &Packet<'_>, state: &HookState<'_>) {
        match self.decide(config, packet, state) {
            Decision::Emit => self.emit(config, packet, state),
            Decision::NoActiveSink => self.count_no_active_sink(config, state),
            Decision::Skip(skip) => self.skip(config, state, skip),
        }
    }

    /// As [`process`](Self::process), without other conditions: all that can be decided early is
    /// that no sink takes the packet.
    #[inline(never)]
    fn process_unconditionally(&self, config: &Config, packet: &Packet<'_>, state: &HookState<'_>) {
        if self.no_active_sink(config, state) && malformed(packet, state).is_none() {
            self.count_no_active_sink(config, state);
        } else {
            self.emit(config, packet, state);
        }
    }

    #[inline(always)]
    fn decide(&self, config: &Config, packet: &Packet<'_>, state: &HookState<'_>) -> Decision {
        let settings = &config.settings;

        if !settings.matches_early(packet, state) {
            return Decision::Skip(Skip::NotMatched);
        }
        let Some(upper) = upper_layer(packet, state) else {
            // A truncated packet matches no condition on the missing fields, and whether it was
            // asked for is not known.
            return match !settings.has_conditions_on_ports() && settings.matches_bpf(packet) {
                true => Decision::Emit,
                false => Decision::Skip(Skip::Truncated),
            };
        };
        match settings.matches_ports(|| upper.ports(packet)) {
            Some(true) if settings.matches_bpf(packet) => {}
            Some(_) => return Decision::Skip(Skip::NotMatched),
            None => return Decision::Skip(Skip::Truncated),
        }
        match self.no_active_sink(config, state) && upper.check(packet).is_ok() {
            true => Decision::NoActiveSink,
            false => Decision::Emit,
        }
    }

    /// Returns whether it is certain in advance that no sink takes a packet now.
    #[inline(always)]
    fn no_active_sink(&self, config: &Config, state: &HookState<'_>) -> bool {
        let sinks = config.settings.sink;
        let has_room = || {
            let is_host = state.is_initial_net();
            self.limiter.has_room(is_host, &config.limit, coarse_ns())
        };

        let is_active = sinks.contain(Sink::Nflog)
            || (sinks.contain(Sink::Log) && has_room())
            || (sinks.contain(Sink::Trace) && events::is_listened_to());

        !is_active
    }

    /// Counts a matching packet at each sink, none of which takes it now.
    #[inline]
    fn count_no_active_sink(&self, config: &Config, state: &HookState<'_>) {
        let (point, sinks) = (point(state), config.settings.sink);

        if sinks.contain(Sink::Log) {
            self.counters.count(point, Sink::Log, Outcome::Suppressed);
            self.report.request();
        }
        if sinks.contain(Sink::Trace) {
            self.counters.count(point, Sink::Trace, Outcome::Lost);
        }
    }

    /// Counts a packet that is emitted to no sink.
    #[inline]
    fn skip(&self, config: &Config, state: &HookState<'_>, skip: Skip) {
        self.counters
            .count_skip(point(state), config.settings.sink, skip);
    }

    /// Emits a packet to all sinks, and counts the outcome at each.
    #[inline]
    fn emit(&self, config: &Config, packet: &Packet<'_>, state: &HookState<'_>) {
        match config.reads_headers {
            true => self.emit_info(config, packet, state),
            false => self.emit_unread(config, packet, state),
        }
    }

    /// Emits a packet to the kernel's own loggers, which parse it themselves.
    #[inline(never)]
    fn emit_unread(&self, config: &Config, packet: &Packet<'_>, state: &HookState<'_>) {
        self.emit_to_loggers(config, packet, state, malformed(packet, state));
    }

    /// Parses a packet in full, and emits it to the sinks that show parsed fields.
    #[inline(never)]
    fn emit_info(&self, config: &Config, packet: &Packet<'_>, state: &HookState<'_>) {
        let settings = &config.settings;
        let info = &classify(packet, state);

        // The sender may have changed it since it was matched: the ports that are shown match. BPF
        // programs read the packet themselves.
        match settings.matches_ports(|| info.ports()) {
            Some(true) => {}
            Some(false) => return self.skip(config, state, Skip::NotMatched),
            None => return self.skip(config, state, Skip::Truncated),
        }
        if settings.sink.contain(Sink::Log) {
            match settings.format {
                Format::Classic if !classic::has_line(info) => {
                    self.count(state, Sink::Log, info.malformed, Outcome::Lost);
                }
                Format::Classic => self.log(config, state, info.malformed, || log_classic(info)),
                Format::Full => {
                    self.log(config, state, info.malformed, || {
                        log_full(packet, state, info)
                    });
                }
                Format::NfLog => {}
            }
        }
        if settings.sink.contain(Sink::Trace) {
            let outcome = event::record(packet, state, info);
            self.count(state, Sink::Trace, info.malformed, outcome);
        }
        self.emit_to_loggers(config, packet, state, info.malformed);
    }

    /// Emits a packet to the kernel's own loggers, if they are among the sinks.
    #[inline]
    fn emit_to_loggers(
        &self,
        config: &Config,
        packet: &Packet<'_>,
        state: &HookState<'_>,
        malformed: Option<Malformed>,
    ) {
        if config.syslog.is_some() {
            self.log(config, state, malformed, || log_nf_log(config, packet));
        }
        if config.nflog.is_some() {
            let outcome = send_to_nflog(config, packet, state);
            self.count(state, Sink::Nflog, malformed, outcome);
        }
    }

    /// Logs a line, if the rate limit allows it, which is checked before anything is formatted.
    #[inline(always)]
    fn log(
        &self,
        config: &Config,
        state: &HookState<'_>,
        malformed: Option<Malformed>,
        line: impl FnOnce() -> Outcome,
    ) {
        let outcome = match self
            .limiter
            .allows(state.is_initial_net(), &config.limit, coarse_ns())
        {
            true => line(),
            false => Outcome::Suppressed,
        };

        self.count(state, Sink::Log, malformed, outcome);
        if outcome == Outcome::Suppressed {
            self.report.request();
        }
    }

    /// Counts a packet at one sink: a malformed one as such, unless its line was suppressed.
    #[inline]
    fn count(
        &self,
        state: &HookState<'_>,
        sink: Sink,
        malformed: Option<Malformed>,
        outcome: Outcome,
    ) {
        match (malformed, outcome) {
            (None, _) | (_, Outcome::Suppressed) => {
                self.counters.count(point(state), sink, outcome);
            }
            (Some(malformed), _) => {
                self.counters
                    .count_skip(point(state), Sinks::only(sink), malformed.into())
            }
        }
    }

    /// Returns the total number of suppressed lines.
    fn suppressed(&self) -> u64 {
        self.counters.total(Sink::Log, Outcome::Suppressed)
    }
}

/// Logs the number of suppressed lines, if any.
fn log_suppressed(number: u64) {
    match number {
        0 => {}
        1 => pr_info!("1 line suppressed\n"),
        number => pr_info!("{number} lines suppressed\n"),
    }
}

/// What to do with a packet.
enum Decision {
    /// It matches. Whether it is malformed is known once it is parsed in full.
    Emit,
    /// It matches and is well-formed, but no sink takes it now.
    NoActiveSink,
    /// It is for no sink.
    Skip(Skip),
}

impl Handler for Tracer {
    /// Accepts every packet. One of a protocol that does not match leaves here: nothing else of it
    /// is parsed.
    #[inline]
    fn handle<'a>(&self, packet: Packet<'a>, state: &HookState<'a>) -> Verdict<'a> {
        let config = self.config.dereference(state);
        let proto = &config.settings.proto;
        // Only the protocol field is read here, so the other paths read it again.
        let wanted = match state.family() {
            Family::Ipv4 => {
                Network::parse_ipv4(&packet).is_none_or(|network| proto.contain(network.protocol))
            }
            _ => match ipv6::next_header(&packet) {
                Some(next) if ipv6::is_extension(next) => may_be_behind(&packet, proto),
                Some(next) => proto.contain(next),
                None => true,
            },
        };

        if !wanted {
            self.skip(config, state, Skip::NotMatched);
        } else if config.protocol_only {
            self.process_unconditionally(config, &packet, state);
        } else {
            self.process(config, &packet, state);
        }
        packet.accept()
    }
}

/// Returns whether one of `protocols` is among IPv6's extension headers, or may be behind them. Out
/// of line, since most packets have none.
#[cold]
#[inline(never)]
fn may_be_behind(packet: &Packet<'_>, protocols: &Protocols) -> bool {
    Network::parse_ipv6(packet)
        .is_none_or(|network| network.may_have(|protocol| protocols.contain(protocol)))
}

/// Returns a packet's defect.
#[inline(always)]
fn malformed(packet: &Packet<'_>, state: &HookState<'_>) -> Option<Malformed> {
    match upper_layer(packet, state) {
        Some(upper) => upper.check(packet).err(),
        None => Some(Malformed::Truncated),
    }
}

/// Parses a packet in full.
#[inline(always)]
fn classify(packet: &Packet<'_>, state: &HookState<'_>) -> PktInfo {
    match state.family() {
        Family::Ipv4 => PktInfo::classify(Network::parse_ipv4(packet), packet),
        _ => classify_ipv6(packet),
    }
}

/// Out of line, as all that walks extension headers, since IPv4 has none.
#[inline(never)]
fn classify_ipv6(packet: &Packet<'_>) -> PktInfo {
    PktInfo::classify(Network::parse_ipv6(packet), packet)
}

/// Parses the fields that most packets are matched on. `None` if the packet ends inside the network
/// header.
#[inline(always)]
fn upper_layer(packet: &Packet<'_>, state: &HookState<'_>) -> Option<UpperLayer> {
    match state.family() {
        Family::Ipv4 => Network::parse_ipv4(packet).map(|network| network.upper_layer()),
        _ => upper_layer_of_ipv6(packet),
    }
}

/// Walks IPv6's extension headers. Out of line, since IPv4 has none.
#[inline(never)]
fn upper_layer_of_ipv6(packet: &Packet<'_>) -> Option<UpperLayer> {
    Network::parse_ipv6(packet).map(|network| network.upper_layer())
}

/// Returns the point at which a packet is counted.
#[inline]
fn point(state: &HookState<'_>) -> Point {
    Point::new(state.family(), state.hook())
}

impl Drop for Tracer {
    /// Logs the counts. No handler runs any more, so they are final.
    fn drop(&mut self) {
        log_suppressed(self.report.take_rest(self.suppressed()));
        for line in Iterator::chain(self.counters.lines(), self.counters.summaries()) {
            pr_info!("{line}\n");
        }
    }
}

impl From<Malformed> for Skip {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Truncated => Self::Truncated,
            Malformed::Invalid | Malformed::TooManyExtensions => Self::Invalid,
        }
    }
}

// Lines are printed out of line, so that packets without one do not pay for their buffers. They are
// formatted first and printed as one string: this takes half the time of `pr_info!` with as many
// arguments.

#[inline(never)]
fn log_classic(info: &PktInfo) -> Outcome {
    let mut line = Line::new();

    let Some((network, transport)) = &info.headers else {
        return Outcome::Lost;
    };
    classic::write(&mut line, network, transport);
    pr_info!("{}\n", line.as_str());
    Outcome::Emitted
}

/// Returns the number of segments that a packet with segmentation offload stands for.
#[inline]
fn segments(packet: &Packet<'_>, info: &PktInfo) -> Option<u16> {
    packet.segments(info.network().map_or(0, |network| network.transport_offset))
}

#[inline(never)]
fn log_full(packet: &Packet<'_>, state: &HookState<'_>, info: &PktInfo) -> Outcome {
    let mut line = Line::new();
    let options = match &info.headers {
        Some((network, Transport::Tcp(tcp))) if tcp.data_offset > 5 => {
            TcpOptions::read(packet, network, tcp)
        }
        _ => None,
    };
    let name = |device: DeviceRef<'_>| device.name();
    let (input, output) = (state.input().map(name), state.output().map(name));
    let meta = Meta {
        hook: state.hook().name(),
        family: state.family().name(),
        input: input.as_ref().map(|name| name.as_bytes()),
        output: output.as_ref().map(|name| name.as_bytes()),
        netns: state.net_inode(),
        mark: packet.mark(),
        uid: packet.socket().and_then(|socket| socket.uid()),
        len: packet.len(),
        segments: segments(packet, info),
        checksum: match packet.checksum_state() {
            ChecksumState::None => "none",
            ChecksumState::Unnecessary => "unnecessary",
            ChecksumState::Complete => "complete",
            ChecksumState::Partial => "partial",
        },
    };

    full::write(&mut line, &meta, info, options.as_ref());
    pr_info!("{}\n", line.as_str());
    Outcome::Emitted
}

#[inline(never)]
fn log_nf_log(config: &Config, packet: &Packet<'_>) -> Outcome {
    give(&config.syslog, packet, c"nf_tracer: ")
}

/// Sends a packet to NFLOG. The prefix names the hook, which a capture does not have elsewhere.
#[inline(never)]
fn send_to_nflog(config: &Config, packet: &Packet<'_>, state: &HookState<'_>) -> Outcome {
    let prefix = match state.hook() {
        Hook::PreRouting => c"nf_tracer: prerouting",
        Hook::LocalIn => c"nf_tracer: input",
        Hook::Forward => c"nf_tracer: forward",
        Hook::LocalOut => c"nf_tracer: output",
        Hook::PostRouting => c"nf_tracer: postrouting",
        Hook::Ingress | Hook::Egress => c"nf_tracer",
    };
    give(&config.nflog, packet, prefix)
}

/// Passes a packet to one of the kernel's own loggers.
fn give(logger: &Option<Logger>, packet: &Packet<'_>, prefix: &CStr) -> Outcome {
    match logger {
        Some(logger) if logger.log(packet, prefix) => Outcome::Emitted,
        _ => Outcome::Lost,
    }
}

impl Bytes for Packet<'_> {
    #[inline]
    fn len(&self) -> usize {
        Packet::len(self)
    }

    #[inline(always)]
    fn copy<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        Packet::copy(self, offset)
    }

    #[inline]
    fn is_gso(&self) -> bool {
        Packet::is_gso(self)
    }
}
