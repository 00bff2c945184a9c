// SPDX-License-Identifier: GPL-2.0

//! Gives a peer of IPv4 connections a second address and port: packets that this host sends to
//! `address` go to `real_address`, replies appear to come from `address`, and TCP's and UDP's
//! `port` is `real_port` there.
//!
//! Shows: writing to the packet behind the IP header, and keeping every checksum correct, whether
//! it is complete in the packet or a device is to complete it.

include!("../prelude.rs");

module_netfilter_hooks! {
    type: TranslatorModule,
    name: "translator",
    authors: ["The nf_tracer authors"],
    description: "Rewrites addresses and ports, without state",
    license: "GPL",
    params: {
        address: u32 {
            default: 0x0a42_0009,
            description: "The address that programs use, as a number",
        },
        real_address: u32 {
            default: 0x0a42_0002,
            description: "The address that is on the wire, as a number",
        },
        port: u16 {
            default: 80,
            description: "The port that programs use",
        },
        real_port: u16 {
            default: 8080,
            description: "The port that is on the wire",
        },
    },
}

#[derive(Clone, Copy)]
struct End {
    address: [u8; 4],
    port: [u8; 2],
}

struct Translator {
    seen: End,
    real: End,
}

/// Offsets of fields in the IPv4 header.
const FRAGMENT: usize = 6;
const PROTOCOL: usize = 9;
const CHECK: usize = 10;
const SOURCE: usize = 12;
const DESTINATION: usize = 16;

/// A transport header that has ports and a checksum.
struct Transport {
    start: usize,
    check: usize,
    /// The checksum kinds for a change of an address, and of a port.
    kinds: [Checksum; 2],
}

/// Returns the header behind IPv4's. `None` if there is none.
fn transport(packet: &Packet<'_>) -> Option<Transport> {
    let [version_ihl] = packet.copy(0)?;
    let start = usize::from(version_ihl & 0xf) * 4;

    if u16::from_be_bytes(packet.copy(FRAGMENT)?) & 0x1fff != 0 {
        return None;
    }
    let (check, kinds) = match packet.copy(PROTOCOL)? {
        [6] => (start + 16, [Checksum::PseudoHeader, Checksum::Transport]),
        [17] => (start + 6, [Checksum::UdpPseudoHeader, Checksum::Udp]),
        _ => return None,
    };

    Some(Transport {
        start,
        check,
        kinds,
    })
}

/// Rewrites one end of the packet: the one with its address at `address`, and the source or
/// destination port.
fn translate(packet: &mut Packet<'_>, address: usize, port: usize, from: End, to: End) -> Result {
    if packet.copy(address) != Some(from.address) {
        return Ok(());
    }
    packet.write(address, &to.address)?;
    packet.update_checksum32(CHECK, from.address, to.address, Checksum::IpHeader)?;

    let Some(Transport {
        start,
        check,
        kinds: [of_address, of_port],
    }) = transport(packet)
    else {
        return Ok(());
    };
    packet.update_checksum32(check, from.address, to.address, of_address)?;
    if packet.copy(start + port) == Some(from.port) {
        packet.write(start + port, &to.port)?;
        packet.update_checksum16(check, from.port, to.port, of_port)?;
    }
    Ok(())
}

impl Handler for Translator {
    fn handle<'a>(&self, mut packet: Packet<'a>, state: &HookState<'a>) -> Verdict<'a> {
        let done = match state.hook() {
            Hook::LocalOut => translate(&mut packet, DESTINATION, 2, self.seen, self.real),
            _ => translate(&mut packet, SOURCE, 0, self.real, self.seen),
        };
        match done {
            Ok(()) => packet.accept(),
            Err(error) => packet.drop_with_error(error),
        }
    }
}

struct TranslatorModule;

impl HookModule for TranslatorModule {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        const POINTS: [HookPoint; 2] = [
            HookPoint::ipv4(InetHook::LocalOut, Priority::NAT_DST),
            HookPoint::ipv4(InetHook::PreRouting, Priority::NAT_DST),
        ];
        let translator = Translator {
            seen: End {
                address: value_of(&module_parameters::address).to_be_bytes(),
                port: value_of(&module_parameters::port).to_be_bytes(),
            },
            real: End {
                address: value_of(&module_parameters::real_address).to_be_bytes(),
                port: value_of(&module_parameters::real_port).to_be_bytes(),
            },
        };

        hooks.register(Net::init(), &POINTS, Ok(translator))?;
        Ok(Self)
    }
}
