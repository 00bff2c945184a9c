// SPDX-License-Identifier: GPL-2.0

//! Holds each ICMP packet that this host sends for `delay` milliseconds.
//!
//! Shows: taking packets over, keeping them beyond the call of the handler, and sending them on from
//! another context. The lock keeps interrupts out, as the timer and the handler may meet on a CPU.

#[path = "../../../bindings/bindings.rs"]
mod bindings;
#[path = "../../../src/netfilter/mod.rs"]
pub mod netfilter;

use kernel::{
    impl_has_hr_timer,
    new_spinlock_irq,
    prelude::*,
    sync::{
        Arc,
        SpinLockIrq, //
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
use netfilter::*;

module_netfilter_hooks! {
    type: Delayer,
    name: "delayer",
    authors: ["The nf_tracer authors"],
    description: "Holds each outgoing ICMP packet for a while",
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
    },
}

/// How many packets there is room for. More pass at once.
const ROOM: usize = 256;

/// A packet, and when it came.
type Held = (Instant<Monotonic>, OwnedPacket);

#[pin_data(PinnedDrop)]
struct Queue {
    #[pin]
    packets: SpinLockIrq<KVec<Held>>,
    #[pin]
    timer: HrTimer<Self>,
    delay: Delta,
    lose: u8,
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Queue {
        mode: RelativeSoftMode<Monotonic>, field: self.timer
    }
}

#[pinned_drop]
impl PinnedDrop for Queue {
    fn drop(self: Pin<&mut Self>) {
        self.release(Delta::ZERO);
    }
}

impl Queue {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            packets <- new_spinlock_irq!(KVec::with_capacity(ROOM, GFP_KERNEL)?),
            timer <- HrTimer::new(),
            delay: Delta::from_millis(module_parameters::delay.value()),
            lose: module_parameters::lose.value(),
        })
    }

    /// The oldest packet that has been held for so long.
    fn pop(&self, at_least: Delta) -> Option<OwnedPacket> {
        let mut packets = self.packets.lock();

        match packets.first() {
            Some((since, _)) if since.elapsed() >= at_least => {
                packets.remove(0).ok().map(|(_, packet)| packet)
            }
            _ => None,
        }
    }

    /// Sends all packets on that have been held for so long.
    fn release(&self, at_least: Delta) {
        while let Some(packet) = self.pop(at_least) {
            match self.lose {
                0 => {
                    // A packet that has nowhere to go on to is dropped.
                    let _ = packet.reinject();
                }
                1 => drop(packet),
                _ => packet.free(DropReason::SOCKET_FILTER),
            }
        }
    }
}

impl HrTimerCallback for Queue {
    type Pointer<'a> = Arc<Self>;

    fn run(
        this: kernel::sync::ArcBorrow<'_, Self>,
        mut timer: HrTimerCallbackContext<'_, Self>,
    ) -> HrTimerRestart {
        this.release(this.delay);
        timer.forward_now(Delta::from_millis(1));
        HrTimerRestart::Restart
    }
}

struct Holder(Arc<Queue>);

impl Handler for Holder {
    fn handle<'a>(&self, packet: Packet<'a>, state: &State<'a>) -> Verdict<'a> {
        const PROTOCOL: usize = 9;

        if packet.copy(PROTOCOL) != Some([1]) {
            return packet.accept();
        }
        let mut packets = self.0.packets.lock();
        if packets.len() == ROOM {
            return packet.accept();
        }
        match packet.steal(state) {
            Ok((owned, verdict)) => {
                // There is room, so this takes no memory.
                let _ = packets.push_within_capacity((Instant::now(), owned));
                verdict
            }
            Err(packet) => packet.accept(),
        }
    }
}

/// What is dropped first stands first: no timer runs any more, and then what is left in the queue goes on.
/// What comes after that goes on when the handler is dropped.
struct Delayer {
    _timer: ArcHrTimerHandle<Queue>,
}

impl HookModule for Delayer {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        const POINTS: [Point; 1] = [Point::ipv4(InetHook::LocalOut, Priority::LAST)];
        let queue = Arc::pin_init(Queue::new(), GFP_KERNEL)?;
        let timer = queue.clone().start(Delta::from_millis(1));

        hooks.register(Net::init(), &POINTS, Ok(Holder(queue)))?;
        Ok(Self { _timer: timer })
    }
}
