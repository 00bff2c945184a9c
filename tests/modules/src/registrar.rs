// SPDX-License-Identifier: GPL-2.0

//! Registers and unregisters handlers of every kind, repeatedly, while packets pass.
//!
//! Shows: registering at run time, in one namespace, in all of them and at a device that may go
//! away at any moment, and failing at the last point. Each registration is dropped while a packet
//! is inside its handler, which reads its own memory for a while: the debug kernel reports memory
//! that is freed too early.

include!("../prelude.rs");

use core::{
    hint::black_box,
    ops::Range, //
};
use kernel::{
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    }, //
};

module_netfilter_hooks! {
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

/// The number of calls of each kind of registration.
static SEEN: [Atomic<u64>; 4] = [const { Atomic::new(0) }; 4];

fn seen(kind: usize) -> u64 {
    SEEN.get(kind).map_or(0, |seen| seen.load(Relaxed))
}

/// How long the first packet of each registration stays in the handler.
const STAY: Delta = Delta::from_millis(5);
/// The maximum number of hooks at a hook point, C's `MAX_HOOK_COUNT`.
const MAX_HOOKS: i32 = 1024;

/// Reads memory of its own, in its first call for a while.
struct Reader {
    kind: usize,
    calls: Atomic<u64>,
    memory: KVec<u64>,
}

impl Reader {
    fn new(kind: usize) -> Result<Self> {
        let mut memory = KVec::new();
        memory.resize(64, 1, GFP_KERNEL)?;
        Ok(Self {
            kind,
            calls: Atomic::new(0),
            memory,
        })
    }

    fn read(&self) {
        black_box(self).memory.iter().for_each(|word| {
            black_box(word);
        });
    }
}

impl Handler for Reader {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        if let Some(seen) = SEEN.get(self.kind) {
            seen.add(1, Relaxed);
        }
        self.read();
        if self.calls.fetch_add(1, Relaxed) == 0 {
            let entered = Instant::<Monotonic>::now();
            while entered.elapsed() < STAY {
                self.read();
            }
        }
        packet.accept()
    }
}

/// A hook with no room left, at which nothing is called.
const FULL: InetHook = InetHook::Forward;

/// Returns points of one hook, with these priorities.
fn many(hook: InetHook, priorities: Range<i32>) -> Result<KVec<HookPoint>> {
    let mut points = KVec::new();

    for priority in priorities {
        points.push(HookPoint::ipv4(hook, Priority::new(priority)), GFP_KERNEL)?;
    }
    Ok(points)
}

/// Makes one registration of each kind, in turn.
fn register(hooks: &ModuleHooks) -> Result {
    const POINTS: [HookPoint; 3] = [
        HookPoint::ipv4(InetHook::PreRouting, Priority::FIRST),
        HookPoint::ipv4(InetHook::LocalOut, Priority::FIRST),
        HookPoint::inet(InetHook::LocalIn, Priority::LAST),
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
    // So many that packets arrive before the last one is refused.
    const REFUSED: usize = 100;
    // Waits until a packet is inside; at most 10 ms, since the device may be gone.
    let await_packet = |kind: usize, before: u64| {
        for _ in 0..100 {
            if seen(kind) != before {
                break;
            }
            fsleep(Delta::from_micros(100));
        }
    };
    let [here, everywhere, at_device] = [0, 1, 2].map(seen);

    let at_sending = many(InetHook::LocalOut, 0..REFUSED as i32)?;
    let mut points = KVec::new();
    points.extend_from_slice(&at_sending, GFP_KERNEL)?;
    points.push(HookPoint::ipv4(FULL, Priority::LAST), GFP_KERNEL)?;
    match hooks.register(Net::init(), &points, Reader::new(3)) {
        Err(error) if error == E2BIG => {}
        result => return result.and(Err(EINVAL)),
    }

    let registration = hooks.register(Net::init(), &POINTS, Reader::new(0))?;
    await_packet(0, here);
    hooks.unregister(registration)?;

    let registration = hooks.register_in_nets(NetScope::All, &POINTS, Reader::new(1))?;
    // A second one of the same type, which ends independently.
    let other = hooks.register_in_nets(NetScope::All, &POINTS, Reader::new(1))?;
    hooks.unregister(other)?;
    await_packet(1, everywhere);
    hooks.unregister(registration)?;

    let device = c"stress0";
    match hooks.register_at_device(Net::init(), device, &DEVICE_POINTS, Reader::new(2)) {
        Ok(registration) => {
            await_packet(2, at_device);
            hooks.unregister(registration)?;
        }
        // The device comes and goes.
        Err(error) if error == ENODEV => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

struct Registrar;

impl HookModule for Registrar {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        let rounds = value_of(&module_parameters::rounds);
        let full = hooks.register(Net::init(), &many(FULL, 0..MAX_HOOKS)?, Reader::new(3))?;

        for _ in 0..rounds {
            register(hooks)?;
        }
        hooks.unregister(full)?;
        let [here, everywhere, at_device, refused] = [0, 1, 2, 3].map(seen);
        pr_info!("{rounds} rounds: here {here}, everywhere {everywhere}, at_device {at_device}, refused {refused}\n");
        Ok(Self)
    }
}
