// SPDX-License-Identifier: GPL-2.0

//! Rejects TCP connections to one port, and drops UDP packets to it, over IPv4 and IPv6.
//!
//! Shows: one handler for two families, parsing headers, dropping with a reason that the tracepoint
//! `skb:kfree_skb` reports and with an error for a local sender, parameters, and a namespace other
//! than the initial one.

include!("../prelude.rs");

use bindings::compat::code::ECONNREFUSED;

module_netfilter_hooks! {
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
        error: i32 {
            default: 0,
            description: "The error that a sender of UDP gets, 0 for the one of a plain drop",
        },
        pid: i32 {
            default: 0,
            description: "A process in whose network namespace to do it, 0 for the initial one",
        },
    },
}

struct Blocker {
    port: u16,
    error: i32,
}

impl Handler for Blocker {
    fn handle<'a>(&self, packet: Packet<'a>, state: &HookState<'a>) -> Verdict<'a> {
        match destination(&packet, state.family()) {
            Some((Protocol::Tcp, port)) if port == self.port => {
                packet.drop_with_reason(DropReason::SOCKET_FILTER, ECONNREFUSED)
            }
            Some((Protocol::Udp, port)) if port == self.port => match self.error {
                0 => packet.drop(),
                error => packet.drop_with_error(Error::from_errno(error.wrapping_neg())),
            },
            _ => packet.accept(),
        }
    }
}

enum Protocol {
    Tcp,
    Udp,
}

/// Returns the protocol and destination port of TCP and UDP, without IPv6 extension headers.
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

/// Returns the namespace given as a parameter. It is held, and so stays as long as the module does.
fn net() -> Result<Net> {
    match value_of(&module_parameters::pid) {
        0 => Ok(Net::init()),
        pid => Net::of_process(pid),
    }
}

struct PortBlocker;

impl HookModule for PortBlocker {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        const POINTS: [HookPoint; 2] = [
            HookPoint::inet(InetHook::LocalIn, Priority::FILTER),
            HookPoint::inet(InetHook::LocalOut, Priority::FILTER),
        ];
        let blocker = Blocker {
            port: value_of(&module_parameters::port),
            error: value_of(&module_parameters::error),
        };

        hooks.register(net()?, &POINTS, Ok(blocker))?;
        Ok(Self)
    }
}
