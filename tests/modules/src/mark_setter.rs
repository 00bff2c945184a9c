// SPDX-License-Identifier: GPL-2.0

//! Sets the mark of all received IPv4 packets, before connection tracking and rules see them, and
//! decrements their TTL.
//!
//! Shows: priorities with an offset, setting the mark, and writing to the packet with its checksum.

include!("../prelude.rs");

module_netfilter_hooks! {
    type: MarkSetter,
    name: "mark_setter",
    authors: ["The nf_tracer authors"],
    description: "Sets the mark and lowers the TTL of what comes in",
    license: "GPL",
    params: {
        mark: u32 {
            default: 42,
            description: "The mark",
        },
    },
}

struct Setter {
    mark: u32,
}

/// Offsets of TTL, protocol and checksum in the IPv4 header.
const TTL: usize = 8;
const CHECK: usize = 10;

impl Setter {
    fn lower_ttl(packet: &mut Packet<'_>) -> Result {
        let [ttl, protocol] = packet.copy(TTL).ok_or(EINVAL)?;
        let lower = [ttl.saturating_sub(1), protocol];

        packet.write(TTL, &lower)?;
        packet.update_checksum16(CHECK, [ttl, protocol], lower, Checksum::IpHeader)
    }
}

impl Handler for Setter {
    fn handle<'a>(&self, mut packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        packet.set_mark(self.mark);
        match Self::lower_ttl(&mut packet) {
            Ok(()) => packet.accept(),
            Err(error) => packet.drop_with_error(error),
        }
    }
}

struct MarkSetter;

impl HookModule for MarkSetter {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        const POINTS: [HookPoint; 1] = [HookPoint::ipv4(
            InetHook::PreRouting,
            Priority::CONNTRACK.offset(-1),
        )];
        let mark = value_of(&module_parameters::mark);

        hooks.register(Net::init(), &POINTS, Ok(Setter { mark }))?;
        Ok(Self)
    }
}
