// SPDX-License-Identifier: GPL-2.0

//! Queues the UDP packets that this host sends to user space, by NFQUEUE.
//!
//! Shows: the queue verdict, and its behaviour without a listener.

include!("../prelude.rs");

module_netfilter_hooks! {
    type: QueueDiverter,
    name: "queue_diverter",
    authors: ["The nf_tracer authors"],
    description: "Hands UDP packets to user space",
    license: "GPL",
    params: {
        queue: u16 {
            default: 7,
            description: "The queue's number",
        },
        bypass: u8 {
            default: 0,
            description: "Let packets pass when nobody listens",
        },
    },
}

struct Diverter {
    queue: u16,
    no_listener: NoListener,
}

impl Handler for Diverter {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        const PROTOCOL: usize = 9;

        match packet.copy(PROTOCOL) {
            Some([17]) => packet
                .queue(self.queue, self.no_listener)
                .unwrap_or_else(Packet::accept),
            _ => packet.accept(),
        }
    }
}

struct QueueDiverter;

impl HookModule for QueueDiverter {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        const POINTS: [HookPoint; 1] = [HookPoint::ipv4(InetHook::LocalOut, Priority::MANGLE)];
        let diverter = Diverter {
            queue: value_of(&module_parameters::queue),
            no_listener: if value_of(&module_parameters::bypass) != 0 {
                NoListener::Bypass
            } else {
                NoListener::Drop
            },
        };

        hooks.register(Net::init(), &POINTS, Ok(diverter))?;
        Ok(Self)
    }
}
