// SPDX-License-Identifier: GPL-2.0

//! Sets the mark of all UDP packets that this host sends, and reroutes them by it.
//!
//! Shows: changing a routing key, rerouting, and clearing the flow hash.

include!("../prelude.rs");

module_netfilter_hooks! {
    type: MarkRouter,
    name: "mark_router",
    authors: ["The nf_tracer authors"],
    description: "Marks UDP packets and routes them by the mark",
    license: "GPL",
    params: {
        mark: u32 {
            default: 42,
            description: "The mark",
        },
        reroute: u8 {
            default: 1,
            description: "Route again",
        },
        forget: u8 {
            default: 0,
            description: "Forget the hash of the flow",
        },
    },
}

struct Router {
    mark: u32,
    reroute: bool,
    forget: bool,
}

/// Returns the offset of the protocol or next-header field.
const fn protocol_offset(family: Family) -> usize {
    match family {
        Family::Ipv6 => 6,
        _ => 9,
    }
}

impl Handler for Router {
    fn handle<'a>(&self, mut packet: Packet<'a>, state: &HookState<'a>) -> Verdict<'a> {
        if packet.copy(protocol_offset(state.family())) != Some([17]) {
            return packet.accept();
        }
        packet.set_mark(self.mark);
        if self.forget {
            packet.clear_hash();
        }
        if !self.reroute {
            return packet.accept();
        }
        packet
            .reroute()
            .map_or_else(|verdict| verdict, Packet::accept)
    }
}

struct MarkRouter;

impl HookModule for MarkRouter {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        const POINTS: [HookPoint; 1] = [HookPoint::inet(InetHook::LocalOut, Priority::MANGLE)];
        let router = Router {
            mark: value_of(&module_parameters::mark),
            reroute: value_of(&module_parameters::reroute) != 0,
            forget: value_of(&module_parameters::forget) != 0,
        };

        hooks.register(Net::init(), &POINTS, Ok(router))?;
        Ok(Self)
    }
}
