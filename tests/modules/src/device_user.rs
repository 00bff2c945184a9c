// SPDX-License-Identifier: GPL-2.0

//! Attempts, at ingress and egress of the device `hooked0` and at ARP's hooks, each verdict: the
//! packet is queued, queued to user space, or passed beyond the remaining hooks, and is accepted
//! where that is refused. Packets that match a BPF program, which are ICMP of 84 bytes, are dropped
//! at the device instead.
//!
//! Shows: hooks of a device, a BPF program, and verdicts that return the packet.

include!("../prelude.rs");

use kernel::sync::{
    atomic::{
        Atomic,
        Relaxed, //
    },
    Arc, //
};

module_netfilter_hooks! {
    type: DeviceUser,
    name: "device_user",
    authors: ["The nf_tracer authors"],
    description: "Tries all answers at a device and at ARP's hooks",
    license: "GPL",
    params: {
        answer: u8 {
            default: 0,
            description: "0 accept, 1 into a queue, 2 to user space, 3 past the hooks that are left",
        },
    },
}

/// The number of verdicts of each kind at ingress, at egress, at ARP's hooks, and at the bridge's
/// forward hook.
struct Tally {
    answered: Atomic<u64>,
    given_back: Atomic<u64>,
    taken: Atomic<u64>,
}

static TALLIES: [Tally; 4] = [const {
    Tally {
        answered: Atomic::new(0),
        given_back: Atomic::new(0),
        taken: Atomic::new(0),
    }
}; 4];

struct User {
    answer: u8,
    program: Program,
    queue: Arc<PacketQueue<()>>,
}

impl User {
    fn new(queue: Arc<PacketQueue<()>>) -> Result<Self> {
        // Matches ICMP of 84 bytes.
        const PROGRAM: [Instruction; 6] = [
            Instruction::new(0x30, 0, 0, 9),
            Instruction::new(0x15, 0, 3, 1),
            Instruction::new(0x80, 0, 0, 0),
            Instruction::new(0x15, 0, 1, 84),
            Instruction::new(0x06, 0, 0, 1),
            Instruction::new(0x06, 0, 0, 0),
        ];

        Ok(Self {
            answer: value_of(&module_parameters::answer),
            program: Program::new(&PROGRAM)?,
            queue,
        })
    }
}

impl Handler for User {
    fn handle<'a>(&self, packet: Packet<'a>, state: &HookState<'a>) -> Verdict<'a> {
        let [ingress, egress, arp, arp_forward] = &TALLIES;
        let tally = match state.hook() {
            Hook::Ingress => ingress,
            Hook::Egress => egress,
            Hook::Forward => arp_forward,
            _ => arp,
        };
        if state.family() == Family::Netdev && self.program.takes(&packet) {
            tally.taken.add(1, Relaxed);
            return packet.drop();
        }
        // Held packets are reinjected with the next packet, or on module exit.
        self.queue.process(|_, ()| Fate::Reinject);
        let answer = match self.answer {
            1 => packet.steal(&self.queue, ()),
            2 => packet.queue(7, NoListener::Drop),
            3 => packet.stop(),
            _ => Err(packet),
        };
        match answer {
            Ok(verdict) => {
                tally.answered.add(1, Relaxed);
                verdict
            }
            Err(packet) => {
                tally.given_back.add(1, Relaxed);
                packet.accept()
            }
        }
    }
}

struct DeviceUser;

impl HookModule for DeviceUser {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        const ARP: [HookPoint; 3] = [
            HookPoint::arp(ArpHook::In, Priority::FILTER),
            HookPoint::arp(ArpHook::Forward, Priority::FILTER),
            HookPoint::arp(ArpHook::Out, Priority::FILTER),
        ];
        const DEVICE: [DevicePoint; 2] = [
            DevicePoint {
                hook: DeviceHook::Ingress,
                priority: Priority::FILTER,
            },
            DevicePoint {
                hook: DeviceHook::Egress,
                priority: Priority::FILTER,
            },
        ];
        let queue = hooks.packet_queue(16)?;
        let (at_device, at_arp) = (User::new(queue.clone())?, User::new(queue)?);

        hooks.register_at_device(Net::init(), c"hooked0", &DEVICE, Ok(at_device))?;
        hooks.register(Net::init(), &ARP, Ok(at_arp))?;
        Ok(Self)
    }
}

impl Drop for DeviceUser {
    fn drop(&mut self) {
        for (name, tally) in ["ingress", "egress", "arp", "arp_forward"]
            .iter()
            .zip(&TALLIES)
        {
            let [answered, given_back, taken] =
                [&tally.answered, &tally.given_back, &tally.taken].map(|count| count.load(Relaxed));

            pr_info!("{name}: answered {answered}, given back {given_back}, taken {taken}\n");
        }
    }
}
