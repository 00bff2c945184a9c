// SPDX-License-Identifier: GPL-2.0

//! Logs all that can be read of each UDP packet that is received or sent.
//!
//! Shows: reading the state, the packet's metadata and its owner.

include!("../prelude.rs");

module_netfilter_hooks! {
    type: DumpMeta,
    name: "dump_meta",
    authors: ["The nf_tracer authors"],
    description: "Says all that can be read of UDP packets",
    license: "GPL",
}

struct Dumper;

impl Handler for Dumper {
    fn handle<'a>(&self, packet: Packet<'a>, state: &HookState<'a>) -> Verdict<'a> {
        const PROTOCOL: usize = 9;

        if packet.copy(PROTOCOL) == Some([17]) {
            dump(&packet, state);
        }
        packet.accept()
    }
}

fn dump(packet: &Packet<'_>, state: &HookState<'_>) {
    let device = |device: Option<DeviceRef<'_>>| match device {
        Some(device) => (device.name(), device.index()),
        None => (DeviceName::default(), 0),
    };
    let (input, output) = (device(state.input()), device(state.output()));
    let socket = packet.socket();
    let header_len = packet
        .copy(0)
        .map_or(0, |[first]| usize::from(first & 0xf) * 4);
    let checksum = match packet.checksum_state() {
        ChecksumState::None => "none",
        ChecksumState::Unnecessary => "unnecessary",
        ChecksumState::Complete => "complete",
        ChecksumState::Partial => "partial",
    };

    pr_info!(
        "{} {} in={}/{} out={}/{} netns={} uid={} cookie={} len={} linear={} mark={} priority={} \
         protocol={:#06x} segments={} gso={} checksum={} hash={} time={}\n",
        state.family().name(),
        state.hook().name(),
        input.0,
        input.1,
        output.0,
        output.1,
        state.net_inode(),
        socket.and_then(|socket| socket.uid()).map_or(-1, i64::from),
        socket
            .and_then(|socket| socket.cookie())
            .map_or(0, u64::from),
        packet.len(),
        packet.linear_len(),
        packet.mark(),
        packet.priority(),
        packet.protocol(),
        packet.segments(header_len).unwrap_or(1),
        packet.is_gso(),
        checksum,
        packet.hash(),
        packet.time_stamp(),
    );
}

struct DumpMeta;

impl HookModule for DumpMeta {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        const POINTS: [HookPoint; 2] = [
            HookPoint::ipv4(InetHook::PreRouting, Priority::CONNTRACK.offset(1)),
            HookPoint::ipv4(InetHook::LocalOut, Priority::LAST),
        ];

        hooks.register(Net::init(), &POINTS, Ok(Dumper))?;
        Ok(Self)
    }
}
