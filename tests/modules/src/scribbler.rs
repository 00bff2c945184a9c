// SPDX-License-Identifier: GPL-2.0

//! Attempts to change, and restore, each byte of the first packet of each protocol at a hook point,
//! and logs which writes were allowed: `IPV6 6: 0010...`, a digit for each byte from the network
//! header on, 1 for a writable one.
//!
//! Of the first GSO packet of each protocol, writes the first byte behind the linear part, and logs
//! whether that was allowed.
//!
//! Shows: fields that the stack has validated cannot be changed, nor what would have to be taken out
//! of a list of segments.

include!("../prelude.rs");

use kernel::{
    str::BStr,
    sync::atomic::{
        Atomic,
        Full, //
    }, //
};

module_netfilter_hooks! {
    type: Scribbler,
    name: "scribbler",
    authors: ["The nf_tracer authors"],
    description: "Tries to change each byte of a packet",
    license: "GPL",
    params: {
        device: u8 {
            default: 0,
            description: "At the ingress of hooked0",
        },
    },
}

/// The number of bytes that are tried.
const LEN: usize = 120;

struct Writer {
    /// Indexed by protocol.
    has_seen: [Atomic<bool>; 256],
    has_seen_gso: [Atomic<bool>; 256],
}

impl Writer {
    fn new() -> Self {
        Self {
            has_seen: [const { Atomic::new(false) }; 256],
            has_seen_gso: [const { Atomic::new(false) }; 256],
        }
    }

    fn is_first(seen: &[Atomic<bool>], protocol: u8) -> bool {
        seen.get(usize::from(protocol))
            .is_some_and(|has_seen| !has_seen.xchg(true, Full))
    }

    fn scribble(packet: &mut Packet<'_>, offset: usize) -> Result {
        let [old] = packet.copy(offset).ok_or(EINVAL)?;

        packet.write(offset, &[!old])?;
        packet.write(offset, &[old])
    }
}

impl Handler for Writer {
    fn handle<'a>(&self, mut packet: Packet<'a>, state: &HookState<'a>) -> Verdict<'a> {
        const TCP: u8 = 6;
        let family = state.family();
        let protocol = match packet.copy(0) {
            Some([first]) if first >> 4 == 6 => packet.copy(6),
            Some(_) => packet.copy(9),
            None => None,
        };
        let protocol = match (family, protocol) {
            (Family::Arp, _) => 0,
            (_, Some([protocol])) => protocol,
            (_, None) => return packet.accept(),
        };

        if packet.is_gso() && Self::is_first(&self.has_seen_gso, protocol) {
            let offset = packet.linear_len();

            if let Some([byte]) = packet.copy(offset) {
                let written = packet.write(offset, &[byte]);
                pr_info!("{family:?} {protocol}: behind the linear part: {written:?}\n");
            }
        }
        if Self::is_first(&self.has_seen, protocol) {
            // Offsets beyond the packet, up to the largest one.
            for offset in [packet.len(), usize::MAX - 1, usize::MAX] {
                if packet.write(offset, &[0; 2]).is_ok() {
                    pr_err!("written at {offset}\n");
                }
            }
            let mut map = [b'0'; LEN];
            let there = packet.len().min(LEN);

            for (offset, digit) in map.iter_mut().enumerate().take(there) {
                match Self::scribble(&mut packet, offset) {
                    Ok(()) => *digit = b'1',
                    Err(error) if error == EPERM => {}
                    Err(_) => *digit = b'?',
                }
            }
            let map = BStr::from_bytes(map.get(..there).unwrap_or_default());
            pr_info!("{family:?} {protocol}: {map}\n");
            // The TCP checksum is at 36, behind an IPv4 header of 20 bytes.
            if family == Family::Ipv4 && protocol == TCP {
                let sums = [10, 12, 32, 36].map(|offset| {
                    packet
                        .update_checksum16(offset, [0; 2], [0; 2], Checksum::Transport)
                        .is_ok()
                });
                pr_info!("sums at 10, 12, 32, 36: {sums:?}\n");
            }
        }
        packet.accept()
    }
}

struct Scribbler;

impl HookModule for Scribbler {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        const POINTS: [HookPoint; 3] = [
            HookPoint::ipv4(InetHook::LocalIn, Priority::FILTER),
            HookPoint::ipv6(InetHook::LocalIn, Priority::FILTER),
            HookPoint::arp(ArpHook::In, Priority::FILTER),
        ];
        const INGRESS: DevicePoint = DevicePoint {
            hook: DeviceHook::Ingress,
            priority: Priority::FILTER,
        };

        if value_of(&module_parameters::device) != 0 {
            hooks.register_at_device(Net::init(), c"hooked0", &[INGRESS], Ok(Writer::new()))?;
        } else {
            hooks.register(Net::init(), &POINTS, Ok(Writer::new()))?;
        }
        Ok(Self)
    }
}
