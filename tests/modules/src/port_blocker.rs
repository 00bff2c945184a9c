// SPDX-License-Identifier: GPL-2.0

//! Refuses TCP connections to one port, and drops UDP packets to it, over IPv4 and IPv6.
//!
//! Shows: one handler for two families, reading headers, dropping with a reason that the tracepoint
//! `skb:kfree_skb` shows and with an error that a local sender gets, and a parameter.

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
        match destination(&packet, state.family()) {
            Some((Protocol::Tcp, port)) if port == self.port => {
                packet.drop_with_reason(DropReason::SOCKET_FILTER, ECONNREFUSED)
            }
            Some((Protocol::Udp, port)) if port == self.port => packet.drop(),
            _ => packet.accept(),
        }
    }
}

enum Protocol {
    Tcp,
    Udp,
}

/// Protocol and destination port of TCP and UDP, without IPv6 extension headers.
fn destination(packet: &Packet<'_>, family: Family) -> Option<(Protocol, u16)> {
    let (protocol, header_len) = match family {
        Family::Ipv4 => {
            let [version_ihl] = packet.copy(0)?;
            (packet.copy(9)?, usize::from(version_ihl & 0xf) * 4)
        }
        _ => (packet.copy(6)?, 40),
    };
    let protocol = match protocol {
        [6] => Protocol::Tcp,
        [17] => Protocol::Udp,
        _ => return None,
    };

    Some((protocol, u16::from_be_bytes(packet.copy(header_len + 2)?)))
}

#[pin_data]
struct PortBlocker {
    #[pin]
    registration: Registration<Blocker>,
}

impl kernel::InPlaceModule for PortBlocker {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        const POINTS: [Point; 2] = [
            Point::inet(InetHook::LocalIn, Priority::FILTER),
            Point::inet(InetHook::LocalOut, Priority::FILTER),
        ];

        try_pin_init!(Self {
            registration <- Registration::new(
                Net::init(),
                &POINTS,
                Ok(Blocker { port: module_parameters::port.value() }),
            ),
        })
    }
}
