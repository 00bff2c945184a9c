// SPDX-License-Identifier: GPL-2.0

//! What the user asked for: each packet that is wanted in the log, in a trace or in a capture, and the
//! count of all.
//!
//! Chooses, limits, formats and counts, and leaves the rest to others: the hooks to
//! [`netfilter`](crate::netfilter), the reading of headers to [`packet`](crate::packet), the parameters'
//! text to [`params`](crate::params).

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

/// How many namespaces that are left out the counts name.
const LEFT_OUT: usize = 8;

/// The tracer where it is hooked in. Ends with its last reference, or with the module.
pub(crate) struct Tracing(Arc<PernetRegistration<Tracer>>);

/// What of the settings may have changed.
pub(crate) struct Changed {
    pub(crate) hook_points: bool,
    pub(crate) config: bool,
}

impl Tracing {
    /// Hooks a new tracer in, as the settings say. May sleep.
    pub(crate) fn new(hooks: &ModuleHooks, settings: &Settings) -> Result<Self, RegistrationError> {
        let (nets, points) = (settings.nets(), settings.points()?);

        Ok(Self(hooks.register_in_nets(
            nets,
            &points,
            Tracer::new(settings),
        )?))
    }

    /// Has packets traced as the settings say from now on, instead of as others said; on error nothing is changed.
    /// May sleep.
    ///
    /// Each packet is chosen by all conditions of the one or by all of the other. Where both change, packets are seen
    /// at the new hook points before they are chosen by the new conditions.
    pub(crate) fn change(
        &self,
        old: &Settings,
        new: &Settings,
        changed: Changed,
    ) -> Result<(), RegistrationError> {
        let Tracer {
            config, limiter, ..
        } = self.0.handler();
        // First all that may fail.
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

    /// Says how many lines were suppressed that were not reported yet, if any. May sleep.
    pub(crate) fn report_suppressed(&self) {
        let tracer = self.0.handler();

        log_suppressed(tracer.report.take(|| tracer.suppressed()));
    }

    /// Writes a line of counts for each point and sink that has seen a packet, and one for each namespace
    /// in which none is seen.
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

/// Gives each packet that is wanted to the sinks, and lets every packet pass.
struct Tracer {
    config: RcuBox<Config>,
    limiter: Limiter,
    report: Report,
    counters: Counters,
}

impl Tracer {
    /// A tracer that has counted nothing yet. May sleep.
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            config: RcuBox::new(Config::new(settings)?),
            limiter: Limiter::new(),
            report: Report::new(),
            counters: Counters::new()?,
        })
    }

    /// Does with a packet of a wanted protocol what is to be done, and reads no more of it than tells that.
    ///
    /// Out of line, as what it calls, so that packets that leave before pay for nothing of it.
    #[inline(never)]
    fn process(&self, config: &Config, packet: &Packet<'_>, state: &HookState<'_>) {
        match self.decide(config, packet, state) {
            Decision::Emit => self.emit(config, packet, state),
            Decision::NoActiveSink => self.count_no_active_sink(config, state),
            Decision::Skip(skip) => self.skip(config, state, skip),
        }
    }

    /// As [`process`](Self::process), where there is no other condition: all that can be told beforehand is that no
    /// sink takes the packet.
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

        if !settings.matches_addresses(packet, state.family()) || !settings.matches_devices(state) {
            return Decision::Skip(Skip::NotMatched);
        }
        let Some(upper) = upper_layer(packet, state) else {
            // What could not be read meets no condition, and it is not known whether it was asked for.
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

    /// Whether it can be told beforehand that no sink takes a packet now.
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

    /// Counts a packet that is wanted at each sink, none of which takes it now.
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

    /// Counts a packet that none of the sinks gets.
    #[inline]
    fn skip(&self, config: &Config, state: &HookState<'_>, skip: Skip) {
        self.counters
            .count_skip(point(state), config.settings.sink, skip);
    }

    /// Emits a packet to all sinks, and counts what became of it at each.
    #[inline]
    fn emit(&self, config: &Config, packet: &Packet<'_>, state: &HookState<'_>) {
        match config.reads_headers {
            true => self.emit_info(config, packet, state),
            false => self.emit_unread(config, packet, state),
        }
    }

    /// The kernel's own loggers read a packet themselves.
    #[inline(never)]
    fn emit_unread(&self, config: &Config, packet: &Packet<'_>, state: &HookState<'_>) {
        self.emit_to_loggers(config, packet, state, malformed(packet, state));
    }

    /// Reads a packet as a whole, for the sinks that show what is read.
    #[inline(never)]
    fn emit_info(&self, config: &Config, packet: &Packet<'_>, state: &HookState<'_>) {
        let settings = &config.settings;
        let info = &classify(packet, state);

        // Whoever sends it may have changed it since it was decided on: what is shown is what was asked for.
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

    /// Gives a packet to the kernel's own loggers, if they are among the sinks.
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

    /// Logs a line, if there may be one: that is decided before anything is formatted.
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

    /// Counts a packet at one sink: what is malformed as that, but for a line that was suppressed.
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

    /// How many lines were suppressed in all.
    fn suppressed(&self) -> u64 {
        self.counters.total(Sink::Log, Outcome::Suppressed)
    }
}

/// Says how many lines were suppressed, if any.
fn log_suppressed(number: u64) {
    match number {
        0 => {}
        1 => pr_info!("1 line suppressed\n"),
        number => pr_info!("{number} lines suppressed\n"),
    }
}

/// What is to be done with a packet.
enum Decision {
    /// It is wanted. Whether it makes sense is found out when all of it is read.
    Emit,
    /// It was asked for and makes sense, but no sink takes it now.
    NoActiveSink,
    /// It is of no interest to any sink.
    Skip(Skip),
}

impl Handler for Tracer {
    /// A packet of a protocol that is not wanted leaves here: nothing else of it is read.
    #[inline]
    fn handle<'a>(&self, packet: Packet<'a>, state: &HookState<'a>) -> Verdict<'a> {
        let config = self.config.dereference(state);
        let proto = &config.settings.proto;
        // Only what tells the protocol is read here, so the other ways read it again.
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

/// Whether one of `protocols` is among IPv6's extension headers, or may be behind them. Out of line, since most
/// packets have none.
#[cold]
#[inline(never)]
fn may_be_behind(packet: &Packet<'_>, protocols: &Protocols) -> bool {
    Network::parse_ipv6(packet)
        .is_none_or(|network| network.may_have(|protocol| protocols.contain(protocol)))
}

/// Says what is wrong with a packet.
#[inline(always)]
fn malformed(packet: &Packet<'_>, state: &HookState<'_>) -> Option<Malformed> {
    match upper_layer(packet, state) {
        Some(upper) => upper.check(packet).err(),
        None => Some(Malformed::Truncated),
    }
}

/// Reads a packet as a whole.
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

/// Reads what most packets are looked at for. `None` if the packet ends inside of the network header.
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

/// Where a packet is counted.
#[inline]
fn point(state: &HookState<'_>) -> Point {
    Point::new(state.family(), state.hook())
}

impl Drop for Tracer {
    /// Says what was counted. No handler runs any more, so the numbers are final.
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

// The lines are printed out of line, so that packets that make none do not pay for their buffers, and
// formatted before they are printed as one string: that is half of what `pr_info!` takes to format as
// many arguments.

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

/// How many segments a packet with segmentation offload stands for.
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

/// The prefix names the hook, which a capture does not have elsewhere.
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

/// Gives a packet to one of the kernel's own loggers.
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
