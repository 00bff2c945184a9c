// SPDX-License-Identifier: GPL-2.0

//! Handles each received ICMP packet `times` times before it accepts it.
//!
//! Shows: the repeat verdict, implemented here since the core would warn and leak the packet, and
//! its bound: with `times` above it, the packet is dropped. The mark counts the calls.

include!("../prelude.rs");

module_netfilter_hooks! {
    type: Repeater,
    name: "repeater",
    authors: ["The nf_tracer authors"],
    description: "Looks at each ICMP packet several times",
    license: "GPL",
    params: {
        times: u32 {
            default: 3,
            description: "How often",
        },
        output: u8 {
            default: 0,
            description: "Look at packets that are sent, not at those that come in",
        },
    },
}

struct Again {
    times: u32,
}

impl Handler for Again {
    fn handle<'a>(&self, mut packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        const PROTOCOL: usize = 9;
        let calls = packet.mark().wrapping_add(1);

        if packet.copy(PROTOCOL) != Some([1]) {
            return packet.accept();
        }
        packet.set_mark(calls);
        if calls < self.times {
            packet.repeat()
        } else {
            packet.accept()
        }
    }
}

struct Repeater;

impl HookModule for Repeater {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        let hook = match value_of(&module_parameters::output) != 0 {
            false => InetHook::PreRouting,
            true => InetHook::LocalOut,
        };
        let points = [HookPoint::ipv4(hook, Priority::RAW)];
        let times = value_of(&module_parameters::times);

        hooks.register(Net::init(), &points, Ok(Again { times }))?;
        Ok(Self)
    }
}
