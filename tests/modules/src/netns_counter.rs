// SPDX-License-Identifier: GPL-2.0

//! Counts IPv4 packets in each network namespace, including future ones.
//!
//! Shows: one handler in every namespace, and the namespace of a packet. Logs the counts on module
//! exit.

include!("../prelude.rs");

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

module_netfilter_hooks! {
    type: NetnsCounter,
    name: "netns_counter",
    authors: ["The nf_tracer authors"],
    description: "Counts packets in each network namespace",
    license: "GPL",
}

/// The maximum number of namespaces. Further ones share a count.
const ROOM: usize = 64;

/// A namespace's inode number, 0 while the entry is free, and its count.
struct Count {
    net: Atomic<u32>,
    incoming: Atomic<u64>,
    outgoing: Atomic<u64>,
}

struct Counter {
    counts: [Count; ROOM],
}

impl Counter {
    fn new() -> Self {
        let zero = || Count {
            net: Atomic::new(0),
            incoming: Atomic::new(0),
            outgoing: Atomic::new(0),
        };
        Self {
            counts: core::array::from_fn(|_| zero()),
        }
    }

    /// Returns the namespace's entry: its own, or the first free one, which it claims.
    fn of(&self, net: u32) -> Option<&Count> {
        self.counts.iter().find(|count| {
            let found = count.net.cmpxchg(0, net, Relaxed);
            found.is_ok() || found == Err(net)
        })
    }
}

impl Handler for Counter {
    fn handle<'a>(&self, packet: Packet<'a>, state: &HookState<'a>) -> Verdict<'a> {
        if let Some(count) = self.of(state.net_inode()) {
            match state.hook() {
                Hook::LocalOut => count.outgoing.add(1, Relaxed),
                _ => count.incoming.add(1, Relaxed),
            }
        }
        packet.accept()
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        for count in &self.counts {
            let net = count.net.load(Relaxed);
            if net != 0 {
                let (incoming, outgoing) =
                    (count.incoming.load(Relaxed), count.outgoing.load(Relaxed));
                pr_info!("netns {net}: in {incoming}, out {outgoing}\n");
            }
        }
    }
}

struct NetnsCounter;

impl HookModule for NetnsCounter {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        const POINTS: [HookPoint; 2] = [
            HookPoint::ipv4(InetHook::PreRouting, Priority::FIRST),
            HookPoint::ipv4(InetHook::LocalOut, Priority::FIRST),
        ];

        hooks.register_in_nets(NetScope::All, &POINTS, Ok(Counter::new()))?;
        Ok(Self)
    }
}
