// SPDX-License-Identifier: GPL-2.0

//! Delays each IPv4 packet of a protocol by `delay` milliseconds, by default ICMP that this host
//! sends.
//!
//! Shows: a queue of packets that outlive the call of the handler, and a timer that decides on
//! them. Packets held on module exit are reinjected.

include!("../prelude.rs");

use kernel::{
    impl_has_hr_timer,
    sync::{
        Arc,
        ArcBorrow, //
    },
    time::{
        hrtimer::{
            ArcHrTimerHandle,
            HrTimer,
            HrTimerCallback,
            HrTimerCallbackContext,
            HrTimerPointer,
            HrTimerRestart,
            RelativeSoftMode, //
        },
        Delta,
        Instant,
        Monotonic, //
    }, //
};

module_netfilter_hooks! {
    type: Delayer,
    name: "delayer",
    authors: ["The nf_tracer authors"],
    description: "Holds packets for a while",
    license: "GPL",
    params: {
        delay: i64 {
            default: 100,
            description: "For how long, in milliseconds",
        },
        lose: u8 {
            default: 0,
            description: "1: lose packets afterwards, 2: lose them as a socket's filter would",
        },
        protocol: u8 {
            default: 1,
            description: "Which packets",
        },
        hook: usize {
            default: 3,
            description: "Where: 0 prerouting, 1 input, 2 forward, 3 output, 4 postrouting",
        },
        everywhere: u8 {
            default: 0,
            description: "In all network namespaces",
        },
    },
}

/// The capacity of the queue. Packets beyond it pass at once.
const ROOM: usize = 256;

/// A queue that stores each packet's arrival time.
type Queue = Arc<PacketQueue<Instant<Monotonic>>>;

#[pin_data]
struct Releaser {
    queue: Queue,
    #[pin]
    timer: HrTimer<Self>,
    delay: Delta,
    fate: Fate,
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Releaser {
        mode: RelativeSoftMode<Monotonic>, field: self.timer
    }
}

impl Releaser {
    fn new(queue: Queue) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            queue,
            timer <- HrTimer::new(),
            delay: Delta::from_millis(value_of(&module_parameters::delay)),
            fate: match value_of(&module_parameters::lose) {
                0 => Fate::Reinject,
                1 => Fate::Free(DropReason::NETFILTER_DROP),
                _ => Fate::Free(DropReason::SOCKET_FILTER),
            },
        })
    }
}

impl HrTimerCallback for Releaser {
    type Pointer<'a> = Arc<Self>;

    fn run(
        this: ArcBorrow<'_, Self>,
        mut timer: HrTimerCallbackContext<'_, Self>,
    ) -> HrTimerRestart {
        this.queue.process(|_, since| {
            if since.elapsed() >= this.delay {
                this.fate
            } else {
                Fate::Keep
            }
        });
        timer.forward_now(Delta::from_millis(1));
        HrTimerRestart::Restart
    }
}

struct Holder {
    queue: Queue,
    protocol: u8,
}

impl Handler for Holder {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        const PROTOCOL: usize = 9;

        if packet.copy(PROTOCOL) != Some([self.protocol]) {
            return packet.accept();
        }
        packet
            .steal(&self.queue, Instant::now())
            .unwrap_or_else(Packet::accept)
    }
}

struct Delayer {
    _timer: ArcHrTimerHandle<Releaser>,
}

impl HookModule for Delayer {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        let hook = [
            InetHook::PreRouting,
            InetHook::LocalIn,
            InetHook::Forward,
            InetHook::LocalOut,
            InetHook::PostRouting,
        ]
        .into_iter()
        .nth(value_of(&module_parameters::hook))
        .ok_or(EINVAL)?;
        let nets = match value_of(&module_parameters::everywhere) != 0 {
            true => NetScope::All,
            false => NetScope::Initial,
        };
        let queue: Queue = hooks.packet_queue(ROOM)?;
        let releaser = Arc::pin_init(Releaser::new(queue.clone()), GFP_KERNEL)?;
        let holder = Holder {
            queue,
            protocol: value_of(&module_parameters::protocol),
        };

        hooks.register_in_nets(nets, &[HookPoint::ipv4(hook, Priority::LAST)], Ok(holder))?;
        Ok(Self {
            _timer: releaser.start(Delta::from_millis(1)),
        })
    }
}
