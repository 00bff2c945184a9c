// SPDX-License-Identifier: GPL-2.0

//! Accepts ICMP packets to this host past all remaining rules; with `output=1`, UDP packets that
//! this host sends.
//!
//! Shows: the stop verdict, implemented here since the core would warn and leak the packet. A later
//! hook that drops everything drops no ICMP while this module is loaded.

include!("../prelude.rs");

module_netfilter_hooks! {
    type: Stopper,
    name: "stopper",
    authors: ["The nf_tracer authors"],
    description: "Lets packets pass all rules",
    license: "GPL",
    params: {
        output: u8 {
            default: 0,
            description: "UDP that this host sends, in place of ICMP that comes in",
        },
    },
}

struct PastRules {
    protocol: u8,
}

impl Handler for PastRules {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        const PROTOCOL: usize = 9;

        if packet.copy(PROTOCOL) == Some([self.protocol]) {
            packet.stop().unwrap_or_else(Packet::accept)
        } else {
            packet.accept()
        }
    }
}

struct Stopper;

impl HookModule for Stopper {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        let (hook, protocol) = match value_of(&module_parameters::output) != 0 {
            true => (InetHook::LocalOut, 17),
            false => (InetHook::LocalIn, 1),
        };

        hooks.register(
            Net::init(),
            &[HookPoint::ipv4(hook, Priority::MANGLE)],
            Ok(PastRules { protocol }),
        )?;
        Ok(Self)
    }
}
