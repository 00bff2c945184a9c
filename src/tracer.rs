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
pub(crate) mod settings;

pub(crate) use self::config::{
    BpfFilter,
    Settings, //
};
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
    settings::{
        choice::Format,
        sinks::Sink, //
    }, //
};
use crate::{
    netfilter::{
        ChecksumState,
        DeviceRef,
        EveryNet,
        Family,
        Handler,
        Hook,
        InEveryNet,
        Logger,
        Packet,
        Replaceable,
        Slot,
        State,
        Verdict, //
    },
    packet::{
        tcp_options::TcpOptions,
        Bytes,
        Malformed,
        Network,
        Transport, //
    },
    system::monotonic_ns, //
};
use core::fmt;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The tracer where it is hooked in.
pub(crate) struct Hooks(Arc<EveryNet<Tracer>>);

impl Hooks {
    /// Hooks a new tracer in, as the settings say. May sleep.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let points = settings.points()?;
        let hooks = EveryNet::in_nets(settings.nets(), &points, Tracer::new(settings));

        Ok(Self(Arc::pin_init(hooks, GFP_KERNEL)?))
    }

    /// Has packets traced where the settings say from now on. May sleep.
    pub(crate) fn change_points(&self, settings: &Settings) -> Result {
        self.0.change(settings.nets(), &settings.points()?)
    }

    /// Has packets chosen and printed as the settings say from now on. May sleep.
    pub(crate) fn change_config(&self, settings: &Settings) -> Result {
        self.0.handler().config.replace(Config::new(settings)?);
        Ok(())
    }

    /// Writes a line of counts for each point and sink that has seen a packet.
    pub(crate) fn write_counts(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        for line in self.0.handler().counters.lines() {
            to.write_fmt(fmt!("{line}\n"))?;
        }
        Ok(())
    }
}

/// Gives each packet that is wanted to the sinks, and lets every packet pass.
struct Tracer {
    config: Replaceable<Config>,
    limiter: Limiter,
    counters: Counters,
}

impl Tracer {
    /// A tracer that has counted nothing yet. May sleep.
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            config: Replaceable::new(Config::new(settings)?),
            limiter: Limiter::new(),
            counters: Counters::new()?,
        })
    }

    /// Reads what a packet that is wanted has, and no more of others than tells that.
    #[inline]
    fn choose(
        &self,
        config: &Config,
        packet: &Packet<'_>,
        state: &State<'_>,
    ) -> Result<(Network, Transport), Unwanted> {
        let settings = &config.settings;
        let network = match state.family() {
            Family::Ipv4 => Network::parse_ipv4(packet),
            _ => Network::parse_ipv6(packet),
        };
        let network = network.map_err(|malformed| {
            if !settings.ask_for_addresses() && !settings.ask_for_ports() {
                self.emit_malformed(config, packet, state, Headers::None(malformed));
            }
            Unwanted::from(malformed)
        })?;

        if !settings.want_network(&network) || !settings.want_devices(state) {
            return Err(Unwanted::NotMatched);
        }
        let transport = network.transport(packet).map_err(|malformed| {
            if !settings.ask_for_ports() {
                let headers = Headers::Network(&network, malformed);
                self.emit_malformed(config, packet, state, headers);
            }
            Unwanted::from(malformed)
        })?;
        if !settings.want_ports(&transport) || !settings.bpf_takes(packet) {
            return Err(Unwanted::NotMatched);
        }
        Ok((network, transport))
    }

    /// Gives a packet to all sinks, and counts what became of it at each.
    #[inline]
    fn emit(
        &self,
        config: &Config,
        packet: &Packet<'_>,
        state: &State<'_>,
        network: &Network,
        transport: &Transport,
    ) {
        let settings = &config.settings;
        let point = point(state);

        if settings.sinks.contain(Sink::Log) {
            // Before anything is formatted.
            let outcome = if !self.allows_line(settings) {
                Outcome::Suppressed
            } else {
                match settings.format {
                    Format::Classic => log_classic(network, transport),
                    Format::Full => log_full_headers(packet, state, network, transport),
                    Format::NfLog => log_nf_log(config, packet, state),
                }
            };
            self.counters.count(point, Sink::Log, outcome);
            if outcome == Outcome::Suppressed {
                self.tell_suppressed();
            }
        }
        if settings.sinks.contain(Sink::Trace) {
            let headers = Headers::Transport(network, transport, None);
            let outcome = event::record(packet, state, headers);
            self.counters.count(point, Sink::Trace, outcome);
        }
        if settings.sinks.contain(Sink::Nflog) {
            let outcome = send_to_nflog(config, packet, state);
            self.counters.count(point, Sink::Nflog, outcome);
        }
    }

    /// Gives a packet that could not be read to all sinks that have a word for it.
    ///
    /// It is counted as malformed, whatever they make of it, so that no count depends on that.
    #[cold]
    fn emit_malformed(
        &self,
        config: &Config,
        packet: &Packet<'_>,
        state: &State<'_>,
        headers: Headers<'_>,
    ) {
        let settings = &config.settings;

        if !settings.want_devices(state) || !settings.bpf_takes(packet) {
            return;
        }
        if settings.sinks.contain(Sink::Log)
            && settings.format != Format::Classic
            && self.allows_line(settings)
        {
            match settings.format {
                Format::NfLog => _ = log_nf_log(config, packet, state),
                Format::Classic | Format::Full => log_full(packet, state, headers),
            }
        }
        if settings.sinks.contain(Sink::Trace) {
            event::record(packet, state, headers);
        }
        if settings.sinks.contain(Sink::Nflog) {
            send_to_nflog(config, packet, state);
        }
    }

    /// Whether there may be one more line now.
    #[inline]
    fn allows_line(&self, settings: &Settings) -> bool {
        let Settings { rate, burst, .. } = settings;

        self.limiter.allows(*rate, *burst, monotonic_ns)
    }

    /// Says how many lines were suppressed, once a second.
    #[cold]
    fn tell_suppressed(&self) {
        let total = || self.counters.total(Sink::Log, Outcome::Suppressed);

        if let Some(number) = self.limiter.tell(total, monotonic_ns()) {
            pr_info!("{number} lines suppressed\n");
        }
    }
}

impl Handler for Tracer {
    #[inline]
    fn handle<'a>(&self, packet: Packet<'a>, state: &State<'a>) -> Verdict<'a> {
        let config = self.config.read(state);

        match self.choose(config, &packet, state) {
            Ok((network, transport)) => self.emit(config, &packet, state, &network, &transport),
            Err(unwanted) => {
                let sinks = config.settings.sinks;
                self.counters.count_unwanted(point(state), sinks, unwanted);
            }
        }
        packet.accept()
    }
}

/// Where a packet is counted.
#[inline]
fn point(state: &State<'_>) -> Point {
    Point::new(state.family(), state.hook())
}

impl InEveryNet for Tracer {
    fn slot() -> &'static Slot {
        static SLOT: Slot = Slot::new();
        &SLOT
    }
}

impl Drop for Tracer {
    /// Says what was counted. No handler runs any more, so the numbers are final.
    fn drop(&mut self) {
        for line in Iterator::chain(self.counters.lines(), self.counters.summaries()) {
            pr_info!("{line}\n");
        }
    }
}

impl From<Malformed> for Unwanted {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Truncated => Self::Truncated,
            Malformed::Invalid => Self::Invalid,
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
    let options = match transport {
        Transport::Tcp(tcp) if tcp.data_offset > 5 => Some(TcpOptions::read(packet, network, tcp)),
        _ => None,
    };

    log_full(
        packet,
        state,
        Headers::Transport(network, transport, options.as_ref()),
    );
    Outcome::Emitted
}

#[inline(never)]
fn log_full(packet: &Packet<'_>, state: &State<'_>, headers: Headers<'_>) {
    let mut line = Line::new();
    let name = |device: DeviceRef<'_>| device.name();
    let (input, output) = (state.input().map(name), state.output().map(name));
    let socket = state.socket().or(packet.socket());
    let around = Surroundings {
        hook: state.hook().name(),
        family: state.family().name(),
        input: input.as_ref().map(|name| name.as_bytes()),
        output: output.as_ref().map(|name| name.as_bytes()),
        netns: state.net_inode(),
        mark: packet.mark(),
        uid: socket.map(|socket| socket.uid()),
        len: packet.len(),
        segments: packet.is_gso().then(|| packet.segments()),
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
fn log_nf_log(config: &Config, packet: &Packet<'_>, state: &State<'_>) -> Outcome {
    give(&config.syslog, packet, state, c"nf_tracer: ")
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
    give(&config.nflog, packet, state, prefix)
}

/// Gives a packet to one of the kernel's own loggers.
fn give(logger: &Option<Logger>, packet: &Packet<'_>, state: &State<'_>, prefix: &CStr) -> Outcome {
    match logger {
        Some(logger) if logger.log(packet, state, prefix) => Outcome::Emitted,
        _ => Outcome::Lost,
    }
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
