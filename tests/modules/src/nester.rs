// SPDX-License-Identifier: GPL-2.0

//! Holds each packet of a protocol that this host sends, and reinjects all held packets whenever
//! any packet is about to leave: also one that is being reinjected, and one that is sent with a
//! socket locked.
//!
//! Shows: a queue that is processed by handlers, and with interrupts off, where loggers do not log.

include!("../prelude.rs");

use bindings::compat::{
    new_spinlock_irq,
    SpinLockIrq, //
};
use kernel::sync::{
    atomic::{
        Atomic,
        Relaxed, //
    },
    Arc, //
};

module_netfilter_hooks! {
    type: Nester,
    name: "nester",
    authors: ["The nf_tracer authors"],
    description: "Sends packets on from within those that are being sent on",
    license: "GPL",
    params: {
        protocol: u8 {
            default: 17,
            description: "Which packets",
        },
    },
}

struct Nest {
    queue: Arc<PacketQueue<()>>,
    protocol: u8,
    logger: Logger,
    lock: Pin<KBox<Lock>>,
}

static LOGGED: Atomic<u64> = Atomic::new(0);

impl Handler for Nest {
    fn handle<'a>(&self, packet: Packet<'a>, state: &HookState<'a>) -> Verdict<'a> {
        const PROTOCOL: usize = 9;

        if state.hook() == Hook::PostRouting {
            let interrupts_off = self.lock.lock.lock();

            self.queue.process(|packet, ()| {
                LOGGED.add(self.logger.log(packet, c"nester").into(), Relaxed);
                Fate::Reinject
            });
            drop(interrupts_off);
            return packet.accept();
        }
        if packet.copy(PROTOCOL) != Some([self.protocol]) {
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
        const POINTS: [HookPoint; 2] = [
            HookPoint::ipv4(InetHook::LocalOut, Priority::FILTER),
            HookPoint::ipv4(InetHook::PostRouting, Priority::FILTER),
        ];
        let queue = hooks.packet_queue(1000)?;
        let lock = KBox::pin_init(
            pin_init!(Lock { lock <- new_spinlock_irq!(()) }),
            GFP_KERNEL,
        )?;
        let nest = Nest {
            queue,
            protocol: value_of(&module_parameters::protocol),
            logger: Logger::nflog(5)?,
            lock,
        };
        hooks.register(Net::init(), &POINTS, Ok(nest))?;
        Ok(Self)
    }
}

impl Drop for Nester {
    fn drop(&mut self) {
        pr_info!("logged {}\n", LOGGED.load(Relaxed));
    }
}
