// SPDX-License-Identifier: GPL-2.0

//! Lets ICMP packets for this host in, past all rules that would follow.
//!
//! Shows: the verdict stop, on this side of a core that would warn and leak the packet. A later hook
//! that drops everything drops no ICMP while this module is loaded.

#[path = "../../../bindings/bindings.rs"]
mod bindings;
#[path = "../../../src/netfilter/mod.rs"]
pub mod netfilter;

use kernel::prelude::*;
use netfilter::*;

module_netfilter_hooks! {
    type: Stopper,
    name: "stopper",
    authors: ["The nf_tracer authors"],
    description: "Lets ICMP packets in past all rules",
    license: "GPL",
}

struct PastRules;

impl Handler for PastRules {
    fn handle<'a>(&self, packet: Packet<'a>, state: &State<'a>) -> Verdict<'a> {
        const PROTOCOL: usize = 9;

        match packet.copy(PROTOCOL) {
            Some([1]) => packet.stop(state).unwrap_or_else(Packet::accept),
            _ => packet.accept(),
        }
    }
}

struct Stopper;

impl HookModule for Stopper {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        const POINTS: [Point; 1] = [Point::ipv4(InetHook::LocalIn, Priority::MANGLE)];

        hooks.register(Net::init(), &POINTS, Ok(PastRules))?;
        Ok(Self)
    }
}
