// SPDX-License-Identifier: GPL-2.0

//! What the user asked for: a log line for each packet that is wanted, and the count of all.
//!
//! Chooses, limits, formats and counts, and leaves the rest to others: the hooks to
//! [`netfilter`](crate::netfilter), the reading of headers to [`packet`](crate::packet), the parameters'
//! text to [`params`](crate::params).

mod classic;
mod config;
mod counters;
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
        Outcome, //
    },
    full::{
        Headers,
        Surroundings, //
    },
    limiter::Limiter,
    line::Line,
    settings::choice::Format, //
};
use crate::{
    netfilter::{
        ChecksumState,
        DeviceRef,
        EveryNet,
        Family,
        Handler,
        InEveryNet,
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

    /// Writes a line of counts for each point that has seen a packet.
    pub(crate) fn write_counts(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        for line in self.0.handler().counters.lines() {
            to.write_fmt(fmt!("{line}\n"))?;
        }
        Ok(())
    }
}

/// Prints a line for each packet that is wanted, and lets every packet pass.
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

    /// Prints what is to be printed of a packet. Says what became of it.
    #[inline]
    fn trace(&self, config: &Config, packet: &Packet<'_>, state: &State<'_>) -> Outcome {
        let settings = &config.settings;
        let network = match state.family() {
            Family::Ipv4 => Network::parse_ipv4(packet),
            _ => Network::parse_ipv6(packet),
        };
        let network = match network {
            Ok(network) => network,
            Err(malformed) => {
                if !settings.ask_for_addresses() && !settings.ask_for_ports() {
                    self.log_malformed(config, packet, state, Headers::None(malformed));
                }
                return malformed.into();
            }
        };

        if !settings.want_network(&network) || !settings.want_devices(state) {
            return Outcome::NotMatched;
        }
        let transport = match network.transport(packet) {
            Ok(transport) => transport,
            Err(malformed) => {
                if !settings.ask_for_ports() {
                    let headers = Headers::Network(&network, malformed);
                    self.log_malformed(config, packet, state, headers);
                }
                return malformed.into();
            }
        };
        if !settings.want_ports(&transport) || !settings.bpf_takes(packet) {
            return Outcome::NotMatched;
        }
        // Before anything is formatted.
        if !self
            .limiter
            .allows(settings.rate, settings.burst, monotonic_ns())
        {
            return Outcome::Suppressed;
        }
        let logged = match config.settings.format {
            Format::Classic => log_classic(&network, &transport),
            Format::Full => log_full_headers(packet, state, &network, &transport),
            Format::NfLog => log_nf_log(config, packet, state),
        };
        match logged {
            true => Outcome::Emitted,
            false => Outcome::Lost,
        }
    }

    /// Prints what could be read of a packet, in a format that has a word for it.
    ///
    /// It is counted as malformed, with a line or without, so that no count depends on the format.
    #[cold]
    fn log_malformed(
        &self,
        config: &Config,
        packet: &Packet<'_>,
        state: &State<'_>,
        headers: Headers<'_>,
    ) {
        let settings = &config.settings;
        if settings.format == Format::Classic
            || !settings.want_devices(state)
            || !settings.bpf_takes(packet)
            || !self
                .limiter
                .allows(settings.rate, settings.burst, monotonic_ns())
        {
            return;
        }
        match settings.format {
            Format::NfLog => {
                log_nf_log(config, packet, state);
            }
            _ => log_full(packet, state, headers),
        }
    }

    /// Says how many lines were suppressed, once a second.
    #[cold]
    fn tell_suppressed(&self) {
        let total = || self.counters.total(Outcome::Suppressed);

        if let Some(number) = self.limiter.tell(total, monotonic_ns()) {
            pr_info!("{number} lines suppressed\n");
        }
    }
}

impl Handler for Tracer {
    #[inline]
    fn handle<'a>(&self, packet: Packet<'a>, state: &State<'a>) -> Verdict<'a> {
        let outcome = self.trace(self.config.read(state), &packet, state);

        self.counters.count(state.family(), state.hook(), outcome);
        if outcome == Outcome::Suppressed {
            self.tell_suppressed();
        }
        packet.accept()
    }
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
        for line in self.counters.lines() {
            pr_info!("{line}\n");
        }
        pr_info!("{}\n", self.counters.summary());
    }
}

impl From<Malformed> for Outcome {
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
fn log_classic(network: &Network, transport: &Transport) -> bool {
    let mut line = Line::new();

    classic::write(&mut line, network, transport);
    pr_info!("{}\n", line.as_str());
    true
}

#[inline(never)]
fn log_full_headers(
    packet: &Packet<'_>,
    state: &State<'_>,
    network: &Network,
    transport: &Transport,
) -> bool {
    let options = match transport {
        Transport::Tcp(tcp) if tcp.data_offset > 5 => Some(TcpOptions::read(packet, network, tcp)),
        _ => None,
    };

    log_full(
        packet,
        state,
        Headers::Transport(network, transport, options.as_ref()),
    );
    true
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
fn log_nf_log(config: &Config, packet: &Packet<'_>, state: &State<'_>) -> bool {
    let logger = config.logger.as_ref();

    logger.is_some_and(|logger| logger.log(packet, state, c"nf_tracer: "))
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
