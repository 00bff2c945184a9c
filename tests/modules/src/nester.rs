// SPDX-License-Identifier: GPL-2.0

//! Holds each UDP packet that this host sends, and sends on all that are held whenever any packet is about to
//! leave: those that are just being sent on as well.
//!
//! Shows: a queue that is worked on by handlers, where one packet that goes on might have the next one go on, and
//! so on until the stack is full; and that it says so where it cannot be worked on.

#[path = "../../../bindings/bindings.rs"]
mod bindings;
#[path = "../../../src/netfilter/mod.rs"]
pub mod netfilter;

use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLockIrq, //
    }, //
};
use netfilter::*;

module_netfilter_hooks! {
    type: Nester,
    name: "nester",
    authors: ["The nf_tracer authors"],
    description: "Sends packets on from within those that are being sent on",
    license: "GPL",
}

static REFUSED: Atomic<u64> = Atomic::new(0);

struct Nest {
    queue: Arc<PacketQueue<()>>,
}

impl Handler for Nest {
    fn handle<'a>(&self, packet: Packet<'a>, state: &State<'a>) -> Verdict<'a> {
        const PROTOCOL: usize = 9;

        if state.hook() == Hook::PostRouting {
            if self.queue.process(|_, ()| Fate::Reinject) == Err(EBUSY) {
                REFUSED.add(1, Relaxed);
            }
            return packet.accept();
        }
        if packet.copy(PROTOCOL) != Some([17]) {
            return packet.accept();
        }
        packet.steal(&self.queue, ()).unwrap_or_else(Packet::accept)
    }
}

#[pin_data]
struct Lock {
    #[pin]
    lock: SpinLockIrq<()>,
}

struct Nester;

impl HookModule for Nester {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        const POINTS: [Point; 2] = [
            Point::ipv4(InetHook::LocalOut, Priority::FILTER),
            Point::ipv4(InetHook::PostRouting, Priority::FILTER),
        ];
        let queue = hooks.packet_queue(1000)?;
        let lock = KBox::pin_init(
            pin_init!(Lock { lock <- new_spinlock_irq!(()) }),
            GFP_KERNEL,
        )?;
        let guard = lock.lock.lock();
        let result = queue.process(|_, ()| Fate::Keep);

        drop(guard);
        pr_info!("with interrupts off: {result:?}\n");
        hooks.register(Net::init(), &POINTS, Ok(Nest { queue }))?;
        Ok(Self)
    }
}

impl Drop for Nester {
    fn drop(&mut self) {
        pr_info!("refused {}\n", REFUSED.load(Relaxed));
    }
}
