// SPDX-License-Identifier: GPL-2.0

//! Counts packets at every hook point: IPv4, IPv6, ARP, bridges, and both points of the device
//! `hooked0`, if there is one.
//!
//! Shows: all families, a set of points that is registered all or none, and hooks of a device,
//! which end with the device. Logs the counts on module exit.

include!("../prelude.rs");

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

module_netfilter_hooks! {
    type: PointsCounter,
    name: "points_counter",
    authors: ["The nf_tracer authors"],
    description: "Counts packets at every hook point",
    license: "GPL",
}

const FAMILIES: [Family; Family::COUNT] = [
    Family::Ipv4,
    Family::Ipv6,
    Family::Arp,
    Family::Bridge,
    Family::Netdev,
];
const HOOKS: [Hook; Hook::COUNT] = [
    Hook::PreRouting,
    Hook::LocalIn,
    Hook::Forward,
    Hook::LocalOut,
    Hook::PostRouting,
    Hook::Ingress,
    Hook::Egress,
];

struct Counter([[Atomic<u64>; Hook::COUNT]; Family::COUNT]);

impl Counter {
    fn new() -> Self {
        Self([const { [const { Atomic::new(0) }; Hook::COUNT] }; Family::COUNT])
    }

    fn of(&self, family: Family, hook: Hook) -> Option<&Atomic<u64>> {
        self.0.get(family as usize)?.get(hook as usize)
    }
}

impl Handler for Counter {
    fn handle<'a>(&self, packet: Packet<'a>, state: &HookState<'a>) -> Verdict<'a> {
        if let Some(count) = self.of(state.family(), state.hook()) {
            count.add(1, Relaxed);
        }
        packet.accept()
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        for family in FAMILIES {
            for hook in HOOKS {
                let count = self.of(family, hook).map_or(0, |count| count.load(Relaxed));
                if count != 0 {
                    pr_info!("{} {}: {count}\n", family.name(), hook.name());
                }
            }
        }
    }
}

const POINTS: [HookPoint; 13] = {
    const P: Priority = Priority::FIRST;
    [
        HookPoint::inet(InetHook::PreRouting, P),
        HookPoint::inet(InetHook::LocalIn, P),
        HookPoint::inet(InetHook::Forward, P),
        HookPoint::inet(InetHook::LocalOut, P),
        HookPoint::inet(InetHook::PostRouting, P),
        HookPoint::arp(ArpHook::In, P),
        HookPoint::arp(ArpHook::Out, P),
        HookPoint::arp(ArpHook::Forward, P),
        HookPoint::bridge(InetHook::PreRouting, P),
        HookPoint::bridge(InetHook::LocalIn, P),
        HookPoint::bridge(InetHook::Forward, P),
        HookPoint::bridge(InetHook::LocalOut, P),
        HookPoint::bridge(InetHook::PostRouting, P),
    ]
};

struct PointsCounter;

impl HookModule for PointsCounter {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
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
        let (net, device) = (Net::init(), c"hooked0");

        hooks.register(Net::init(), &POINTS, Ok(Counter::new()))?;
        match hooks.register_at_device(net, device, &DEVICE_POINTS, Ok(Counter::new())) {
            Err(error) if error != ENODEV => Err(error),
            _ => Ok(Self),
        }
    }
}
