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
        Unwanted, //
    },
    full::{
        Headers,
        Surroundings, //
    },
    limiter::Limiter,
    line::Line,
    report::Report,
    settings::{
        choice::Format,
        protocols::Protocols,
        sinks::Sink,
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
        EveryNet,
        Family,
        Handler,
        Hook,
        Logger,
        ModuleHooks,
        Packet,
        RegistrationError,
        Replaceable,
        State,
        Verdict, //
    },
    packet::{
        ipv6,
        tcp_options::TcpOptions,
        Bytes,
        Glance,
        Malformed,
        Network,
        Transport, //
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
pub(crate) struct Tracing(Arc<EveryNet<Tracer>>);

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
    config: Replaceable<Config>,
    limiter: Limiter,
    report: Report,
    counters: Counters,
}

impl Tracer {
    /// A tracer that has counted nothing yet. May sleep.
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            config: Replaceable::new(Config::new(settings)?),
            limiter: Limiter::new(),
            report: Report::new(),
            counters: Counters::new()?,
        })
    }

    /// Does with a packet what is to be done, other than to find that its protocol is not wanted.
    ///
    /// Out of line, so that packets that leave before pay for nothing of it. So are the ways on from here,
    /// for the most common one is short.
    #[inline(never)]
    fn trace(&self, config: &Config, packet: &Packet<'_>, state: &State<'_>) {
        if config.is_plain && self.nobody_takes(config, state) {
            self.check_only(config, packet, state);
        } else {
            self.choose(config, packet, state);
        }
    }

    /// Counts a packet that would be wanted, had there been somebody to take it.
    #[inline(never)]
    fn check_only(&self, config: &Config, packet: &Packet<'_>, state: &State<'_>) {
        let checked = match glance(packet, state) {
            Some(glance) => glance.check(packet),
            None => Err(Malformed::Truncated),
        };

        match checked {
            Ok(()) => self.count_nobody_takes(config, state),
            Err(malformed) => self.emit_malformed(config, packet, state, malformed),
        }
    }

    /// Finds out whether a packet is wanted, and gives it to the sinks if it is.
    #[inline(never)]
    fn choose(&self, config: &Config, packet: &Packet<'_>, state: &State<'_>) {
        match self.look(config, packet, state) {
            Look::Wanted => {
                if let Err(malformed) = self.emit(config, packet, state) {
                    self.emit_malformed(config, packet, state, malformed);
                }
            }
            Look::NotMatched => {
                self.counters.count_unwanted(
                    point(state),
                    config.settings.sink,
                    Unwanted::NotMatched,
                );
            }
            Look::NobodyTakes => self.count_nobody_takes(config, state),
            Look::Malformed(malformed) => self.emit_malformed(config, packet, state, malformed),
        }
    }

    /// Finds out whether a packet is wanted, and reads no more of it than tells that: what the
    /// conditions in force do not ask for is not even loaded.
    #[inline]
    fn look(&self, config: &Config, packet: &Packet<'_>, state: &State<'_>) -> Look {
        let settings = &config.settings;
        if config.is_plain && config.reads_headers {
            // There is nothing to be found out that `emit` does not find.
            return Look::Wanted;
        }
        let wanted = config.is_plain
            || (settings.want_addresses(packet, state.family()) && settings.want_devices(state));
        if !wanted {
            return Look::NotMatched;
        }
        let Some(glance) = glance(packet, state) else {
            return Look::Malformed(Malformed::Truncated);
        };
        if !config.is_plain {
            match settings.want_ports(glance, packet) {
                Ok(true) => {}
                Ok(false) => return Look::NotMatched,
                Err(malformed) => return Look::Malformed(malformed),
            }
            if !settings.bpf_takes(packet) {
                return Look::NotMatched;
            }
        }
        if let Err(malformed) = glance.check(packet) {
            return Look::Malformed(malformed);
        }
        // Of plain ones, `trace` has found out.
        if !config.is_plain && self.nobody_takes(config, state) {
            return Look::NobodyTakes;
        }
        Look::Wanted
    }

    /// Whether it can be told beforehand that no sink takes a packet now.
    #[inline]
    fn nobody_takes(&self, config: &Config, state: &State<'_>) -> bool {
        let sinks = config.settings.sink;
        let has_room = || {
            let is_host = state.is_initial_net();
            self.limiter.has_room(is_host, &config.limit, coarse_ns())
        };

        let taken = (sinks.contain(Sink::Log) && has_room())
            || (sinks.contain(Sink::Trace) && events::is_listened_to())
            || sinks.contain(Sink::Nflog);
        !taken
    }

    /// Gives a packet to all sinks, and counts what became of it at each.
    ///
    /// If its headers make no sense, no sink gets it, and nothing is counted. That can be so although
    /// [`look`](Self::look) found them sound, since whoever sent it may share its memory.
    #[inline]
    fn emit(
        &self,
        config: &Config,
        packet: &Packet<'_>,
        state: &State<'_>,
    ) -> Result<(), Malformed> {
        if config.reads_headers {
            self.emit_headers(config, packet, state)?;
        }
        // The kernel's own loggers read the packet themselves.
        if config.syslog.is_some() {
            self.log(config, state, || log_nf_log(config, packet));
        }
        if config.nflog.is_some() {
            let outcome = send_to_nflog(config, packet, state);
            self.counters.count(point(state), Sink::Nflog, outcome);
        }
        Ok(())
    }

    /// Reads all headers of a packet for the sinks that want them read.
    #[inline(never)]
    fn emit_headers(
        &self,
        config: &Config,
        packet: &Packet<'_>,
        state: &State<'_>,
    ) -> Result<(), Malformed> {
        let settings = &config.settings;
        let network = parse(packet, state).ok_or(Malformed::Truncated)?;
        let transport = network.glance().sound_transport(packet)?;

        if settings.sink.contain(Sink::Log) {
            match settings.format {
                Format::Classic => self.log(config, state, || log_classic(&network, &transport)),
                Format::Full => self.log(config, state, || {
                    log_full_headers(packet, state, &network, &transport)
                }),
                Format::NfLog => {}
            }
        }
        if settings.sink.contain(Sink::Trace) {
            let headers = Headers::sound(&network, &transport);
            let outcome = event::record(packet, state, &headers);
            self.counters.count(point(state), Sink::Trace, outcome);
        }
        Ok(())
    }

    /// Has a line logged, if there may be one: that is decided before anything is formatted.
    #[inline(always)]
    fn log(&self, config: &Config, state: &State<'_>, line: impl FnOnce() -> Outcome) {
        let outcome = match self.allows(config, state) {
            true => line(),
            false => Outcome::Suppressed,
        };

        self.counters.count(point(state), Sink::Log, outcome);
        if outcome == Outcome::Suppressed {
            self.report.request();
        }
    }

    /// Whether there may be one more line for a packet that passes here.
    fn allows(&self, config: &Config, state: &State<'_>) -> bool {
        self.limiter
            .allows(state.is_initial_net(), &config.limit, coarse_ns())
    }

    /// Counts a packet that is wanted at each sink, none of which takes it now.
    #[inline]
    fn count_nobody_takes(&self, config: &Config, state: &State<'_>) {
        let (point, sinks) = (point(state), config.settings.sink);

        if sinks.contain(Sink::Log) {
            self.counters.count(point, Sink::Log, Outcome::Suppressed);
            self.report.request();
        }
        if sinks.contain(Sink::Trace) {
            self.counters.count(point, Sink::Trace, Outcome::Lost);
        }
    }

    /// Gives a packet that makes no sense to all sinks that have a word for it.
    ///
    /// It is counted as malformed, whatever they make of it, so that no count depends on that.
    #[cold]
    #[inline(never)]
    fn emit_malformed(
        &self,
        config: &Config,
        packet: &Packet<'_>,
        state: &State<'_>,
        malformed: Malformed,
    ) {
        let settings = &config.settings;
        self.counters
            .count_unwanted(point(state), settings.sink, malformed.into());
        let network = parse(packet, state);
        let glance = network.as_ref().map(Network::glance);
        // What could not be read meets no condition, but for what may stand behind extension headers.
        let ports = match glance {
            Some(glance) => settings.want_ports(glance, packet) == Ok(true),
            None => !settings.ask_for_ports(),
        };
        if !ports
            || !settings.want_addresses(packet, state.family())
            || !settings.want_devices(state)
            || !settings.bpf_takes(packet)
        {
            return;
        }
        let whole = network
            .filter(|network| network.malformed.is_none())
            .and_then(|network| network.transport(packet).ok());
        // Of a header that is cut, or that is not where it should be, the ports are all that counts.
        let ports = || glance.map(|glance| glance.ports(packet));
        let transport = whole.or_else(|| ports().map(Transport::Ports));
        let headers = Headers {
            network: network.as_ref(),
            transport: transport.as_ref(),
            options: None,
            malformed: Some(malformed),
        };

        if settings.sink.contain(Sink::Log)
            && (settings.format != Format::Classic
                || whole.is_some()
                || network.as_ref().is_some_and(classic::has_line))
            && self.allows(config, state)
        {
            match (settings.format, headers.network, headers.transport) {
                (Format::NfLog, _, _) => _ = log_nf_log(config, packet),
                (Format::Classic, Some(network), Some(transport)) => {
                    log_classic(network, transport);
                }
                _ => log_full(packet, state, &headers),
            }
        }
        if settings.sink.contain(Sink::Trace) {
            event::record(packet, state, &headers);
        }
        if settings.sink.contain(Sink::Nflog) {
            send_to_nflog(config, packet, state);
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

/// What a look at a packet shows.
enum Look {
    /// It is to go to the sinks.
    Wanted,
    /// It is none that was asked for.
    NotMatched,
    /// It was asked for, but no sink takes it now.
    NobodyTakes,
    /// It makes no sense. Where it could not be read, it is not known whether it was asked for.
    Malformed(Malformed),
}

impl Handler for Tracer {
    /// A packet of a protocol that is not wanted leaves here: nothing else of it is read.
    #[inline]
    fn handle<'a>(&self, packet: Packet<'a>, state: &State<'a>) -> Verdict<'a> {
        let config = self.config.read(state);
        let Settings { proto, sink, .. } = &config.settings;
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

        if wanted {
            self.trace(config, &packet, state);
        } else {
            self.counters
                .count_unwanted(point(state), *sink, Unwanted::NotMatched);
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

/// Reads what most packets are looked at for. `None` if the packet ends inside of the network header.
#[inline(always)]
fn glance(packet: &Packet<'_>, state: &State<'_>) -> Option<Glance> {
    match state.family() {
        Family::Ipv4 => Network::parse_ipv4(packet).map(|network| network.glance()),
        _ => glance_at_ipv6(packet),
    }
}

/// Walks IPv6's extension headers. Out of line, since IPv4 has none.
#[inline(never)]
fn glance_at_ipv6(packet: &Packet<'_>) -> Option<Glance> {
    Network::parse_ipv6(packet).map(|network| network.glance())
}

/// Reads the network header of either family. `None` if the packet ends inside of it.
#[inline(never)]
fn parse(packet: &Packet<'_>, state: &State<'_>) -> Option<Network> {
    match state.family() {
        Family::Ipv4 => Network::parse_ipv4(packet),
        _ => Network::parse_ipv6(packet),
    }
}

/// Where a packet is counted.
#[inline]
fn point(state: &State<'_>) -> Point {
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

impl From<Malformed> for Unwanted {
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
fn log_classic(network: &Network, transport: &Transport) -> Outcome {
    let mut line = Line::new();

    classic::write(&mut line, network, transport);
    pr_info!("{}\n", line.as_str());
    Outcome::Emitted
}

#[inline(never)]
fn log_full_headers(
    packet: &Packet<'_>,
    state: &State<'_>,
    network: &Network,
    transport: &Transport,
) -> Outcome {
    let mut headers = Headers::sound(network, transport);
    let options = match transport {
        Transport::Tcp(tcp) if tcp.data_offset > 5 => Some(TcpOptions::read(packet, network, tcp)),
        _ => None,
    };

    match &options {
        Some(Ok(options)) => headers.options = Some(options),
        Some(Err(malformed)) => headers.malformed = Some(*malformed),
        None => {}
    }
    log_full(packet, state, &headers);
    Outcome::Emitted
}

/// How many segments a packet with segmentation offload stands for.
#[inline]
fn segments(packet: &Packet<'_>, headers: &Headers<'_>) -> Option<u16> {
    packet.segments(
        headers
            .network
            .map_or(0, |network| network.transport_offset),
    )
}

#[inline(never)]
fn log_full(packet: &Packet<'_>, state: &State<'_>, headers: &Headers<'_>) {
    let mut line = Line::new();
    let name = |device: DeviceRef<'_>| device.name();
    let (input, output) = (state.input().map(name), state.output().map(name));
    let around = Surroundings {
        hook: state.hook().name(),
        family: state.family().name(),
        input: input.as_ref().map(|name| name.as_bytes()),
        output: output.as_ref().map(|name| name.as_bytes()),
        netns: state.net_inode(),
        mark: packet.mark(),
        uid: packet.socket().and_then(|socket| socket.uid()),
        len: packet.len(),
        segments: segments(packet, headers),
        checksum: match packet.checksum_state() {
            ChecksumState::None => "none",
            ChecksumState::Unnecessary => "unnecessary",
            ChecksumState::Complete => "complete",
            ChecksumState::Partial => "partial",
        },
    };

    full::write(&mut line, &around, headers);
    pr_info!("{}\n", line.as_str());
}

#[inline(never)]
fn log_nf_log(config: &Config, packet: &Packet<'_>) -> Outcome {
    give(&config.syslog, packet, c"nf_tracer: ")
}

/// The prefix names the hook, which a capture does not have elsewhere.
#[inline(never)]
fn send_to_nflog(config: &Config, packet: &Packet<'_>, state: &State<'_>) -> Outcome {
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
