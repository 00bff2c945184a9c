// SPDX-License-Identifier: GPL-2.0

//! Looks at each ICMP packet that comes in `times` times before it lets it pass.
//!
//! Shows: the verdict repeat, on this side of a core that would warn and leak the packet, and its
//! bound: with `times` above it, the packet is dropped. The mark counts the calls.

#[path = "../../../bindings/bindings.rs"]
mod bindings;
#[path = "../../../src/netfilter/mod.rs"]
pub mod netfilter;

use kernel::prelude::*;
use netfilter::*;

module! {
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
        output: bool {
            default: false,
            description: "Look at packets that are sent, not at those that come in",
        },
    },
}

struct Again {
    times: u32,
}

impl Handler for Again {
    fn handle<'a>(&self, mut packet: Packet<'a>, _state: &State<'a>) -> Verdict<'a> {
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

#[pin_data]
struct Repeater {
    #[pin]
    registration: Registration<Again>,
}

impl kernel::InPlaceModule for Repeater {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        const INPUT: [Point; 1] = [Point::ipv4(InetHook::PreRouting, Priority::RAW)];
        const OUTPUT: [Point; 1] = [Point::ipv4(InetHook::LocalOut, Priority::RAW)];
        let points = match module_parameters::output.value() {
            false => &INPUT,
            true => &OUTPUT,
        };

        try_pin_init!(Self {
            registration <- Registration::new(
                Net::init(),
                points,
                Ok(Again { times: module_parameters::times.value() }),
            ),
        })
    }
}
