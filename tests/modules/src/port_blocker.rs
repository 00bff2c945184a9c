// SPDX-License-Identifier: GPL-2.0

//! Refuses TCP connections to one port of this host, over IPv4 and IPv6.
//!
//! Shows: one handler for two families, reading headers, dropping with a reason that
//! `perf trace -e skb:kfree_skb` shows, and a parameter.

#[path = "../../../bindings/bindings.rs"]
mod bindings;
#[path = "../../../src/netfilter/mod.rs"]
pub mod netfilter;

use kernel::prelude::*;
use netfilter::*;

module! {
    type: PortBlocker,
    name: "port_blocker",
    authors: ["The nf_tracer authors"],
    description: "Refuses TCP connections to one port",
    license: "GPL",
    params: {
        port: u16 {
            default: 8081,
            description: "The port",
        },
    },
}

struct Blocker {
    port: u16,
}

impl Handler for Blocker {
    fn handle<'a>(&self, packet: Packet<'a>, state: &State<'a>) -> Verdict<'a> {
        match tcp_port(&packet, state.family()) {
            Some(port) if port == self.port => {
                packet.drop_with_reason(DropReason::SOCKET_FILTER, ECONNREFUSED)
            }
            _ => packet.accept(),
        }
    }
}

/// The destination port, if the packet is a TCP segment with no IPv6 extension headers.
fn tcp_port(packet: &Packet<'_>, family: Family) -> Option<u16> {
    let (protocol, header_len) = match family {
        Family::Ipv4 => {
            let [version_ihl] = packet.copy(0)?;
            (packet.copy(9)?, usize::from(version_ihl & 0xf) * 4)
        }
        _ => (packet.copy(6)?, 40),
    };

    match protocol {
        [6] => packet.copy(header_len + 2).map(u16::from_be_bytes),
        _ => None,
    }
}

#[pin_data]
struct PortBlocker {
    #[pin]
    registration: Registration<Blocker>,
}

impl kernel::InPlaceModule for PortBlocker {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        const POINTS: [Point; 1] = [Point::inet(InetHook::LocalIn, Priority::FILTER)];

        try_pin_init!(Self {
            registration <- Registration::new(
                Net::init(),
                &POINTS,
                Ok(Blocker { port: module_parameters::port.value() }),
            ),
        })
    }
}
