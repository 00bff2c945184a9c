// SPDX-License-Identifier: GPL-2.0

//! Registers and unregisters handlers of every kind, again and again, while packets pass.
//!
//! Shows: registering at run time, in one namespace, in all of them and at a device that may go at
//! any moment. The debug kernel's tests run it; a handler that is freed too early is read after that.

#[path = "../../../bindings/bindings.rs"]
mod bindings;
#[path = "../../../src/netfilter/mod.rs"]
pub mod netfilter;

use core::hint::black_box;
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};
use netfilter::*;

module! {
    type: Registrar,
    name: "registrar",
    authors: ["The nf_tracer authors"],
    description: "Registers and unregisters netfilter hooks again and again",
    license: "GPL",
    params: {
        rounds: u32 {
            default: 1,
            description: "How often each kind of registration is made and dropped",
        },
    },
}

/// How many packets each kind of registration was called with.
static SEEN: [Atomic<u64>; 3] = [const { Atomic::new(0) }; 3];

/// Reads memory of its own for as long as a call may well last.
struct Reader {
    kind: usize,
    memory: KVec<u64>,
}

impl Reader {
    fn new(kind: usize) -> Result<Self> {
        let mut memory = KVec::new();
        memory.resize(64, 1, GFP_KERNEL)?;
        Ok(Self { kind, memory })
    }
}

impl Handler for Reader {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &State<'a>) -> Verdict<'a> {
        for _ in 0..50 {
            black_box(self).memory.iter().for_each(|word| {
                black_box(word);
            });
        }
        if let Some(seen) = SEEN.get(self.kind) {
            seen.add(1, Relaxed);
        }
        packet.accept()
    }
}

impl InEveryNet for Reader {
    fn slot() -> &'static Slot {
        static SLOT: Slot = Slot::new();
        &SLOT
    }
}

/// One registration of each kind, one after the other.
fn register() -> Result {
    const POINTS: [Point; 3] = [
        Point::ipv4(InetHook::PreRouting, Priority::FIRST),
        Point::ipv4(InetHook::LocalOut, Priority::FIRST),
        Point::inet(InetHook::LocalIn, Priority::LAST),
    ];
    const DEVICE_POINTS: [DevicePoint; 2] = [
        DevicePoint {
            hook: DeviceHook::Ingress,
            priority: Priority::FIRST,
        },
        DevicePoint {
            hook: DeviceHook::Egress,
            priority: Priority::FIRST,
        },
    ];
    let let_packets_pass = || fsleep(Delta::from_micros(500));

    {
        let reader = Reader::new(0);
        let _here = KBox::pin_init(Registration::new(Net::init(), &POINTS, reader), GFP_KERNEL)?;
        let_packets_pass();
    }
    {
        let _everywhere = KBox::pin_init(EveryNet::new(&POINTS, Reader::new(1)), GFP_KERNEL)?;
        let_packets_pass();
    }
    let device = c"stress0";
    let reader = Reader::new(2);
    let at_device = DeviceRegistration::new(Net::init(), device, &DEVICE_POINTS, reader);
    match KBox::pin_init(at_device, GFP_KERNEL) {
        Ok(_at_device) => let_packets_pass(),
        // It comes and goes.
        Err(error) if error == ENODEV => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

struct Registrar;

impl kernel::Module for Registrar {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let rounds = module_parameters::rounds.value();

        for _ in 0..rounds {
            register()?;
        }
        let [here, everywhere, at_device] = SEEN.each_ref().map(|seen| seen.load(Relaxed));
        pr_info!("{rounds} rounds: here {here}, everywhere {everywhere}, at_device {at_device}\n");
        Ok(Self)
    }
}
