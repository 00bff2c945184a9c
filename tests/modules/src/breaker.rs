// SPDX-License-Identifier: GPL-2.0

//! Attempts to cause harm from safe code: names points twice, leaks all its registrations, and
//! changes them from inside a handler.
//!
//! Shows: a handler is called once at each point, registrations end with the module all the same,
//! also with one whose init fails, no namespace is held any longer, and a handler is refused
//! anything that would wait for itself.

include!("../prelude.rs");

use bindings::compat::code::EDEADLK;
use kernel::sync::{
    atomic::{
        Atomic,
        Relaxed, //
    },
    Arc,
    SetOnce, //
};

module_netfilter_hooks! {
    type: Breaker,
    name: "breaker",
    authors: ["The nf_tracer authors"],
    description: "Tries to do harm with safe code",
    license: "GPL",
    params: {
        fail: u8 {
            default: 0,
            description: "Fail after all is registered",
        },
        pid: i32 {
            default: 0,
            description: "In the network namespace of this process instead of the initial one",
        },
    },
}

const POINTS: [HookPoint; 3] = [
    HookPoint::ipv4(InetHook::LocalIn, Priority::FIRST),
    HookPoint::ipv4(InetHook::LocalOut, Priority::FIRST),
    HookPoint::ipv4(InetHook::LocalIn, Priority::FIRST),
];
const INGRESS: DevicePoint = DevicePoint {
    hook: DeviceHook::Ingress,
    priority: Priority::FIRST,
};
const EGRESS: DevicePoint = DevicePoint {
    hook: DeviceHook::Egress,
    priority: Priority::FIRST,
};

/// A value in a static is never dropped.
static HOOKS: SetOnce<ModuleHooks> = SetOnce::new();
static HERE: SetOnce<Arc<Registration<Leaked>>> = SetOnce::new();
static EVERYWHERE: SetOnce<Arc<PernetRegistration<Leaked>>> = SetOnce::new();

/// The number of packets that a handler has seen.
static SEEN: Atomic<u64> = Atomic::new(0);

/// Reads memory of its own, and attempts once to end its own registration.
struct Leaked {
    memory: RcuBox<KVec<u64>>,
    has_tried: Atomic<bool>,
}

impl Leaked {
    fn new() -> Result<Self> {
        Ok(Self {
            memory: RcuBox::new(KBox::new(memory()?, GFP_KERNEL)?),
            has_tried: Atomic::new(false),
        })
    }

    /// Returns the number of attempts that are not refused, though each would wait for this very
    /// call.
    fn try_all(&self) -> usize {
        let (Some(hooks), Some(here), Some(everywhere)) =
            (HOOKS.as_ref(), HERE.as_ref(), EVERYWHERE.as_ref())
        else {
            return 0;
        };
        let empty = KBox::new(KVec::new(), GFP_ATOMIC).map_err(Error::from);

        [
            empty.and_then(|empty| self.memory.replace(empty)),
            hooks.unregister(here.clone()),
            hooks.unregister(everywhere.clone()),
            everywhere
                .change(NetScope::Initial, &[])
                .map_err(Error::from),
            hooks
                .register(Net::init(), &[], Err::<Leaked, Error>(EINVAL))
                .map(drop),
            everywhere.left_out(&mut []).map(drop),
            Net::of_process(1).map(drop),
            Program::new(&[Instruction::new(0x06, 0, 0, 0)]).map(drop),
            Logger::nflog(1).map(drop),
        ]
        .iter()
        .filter(|result| **result != Err(EDEADLK))
        .count()
    }
}

fn memory() -> Result<KVec<u64>> {
    let mut memory = KVec::new();

    memory.resize(64, 1, GFP_KERNEL)?;
    Ok(memory)
}

impl Handler for Leaked {
    fn handle<'a>(&self, packet: Packet<'a>, state: &HookState<'a>) -> Verdict<'a> {
        let before = self.memory.dereference(state);

        if HOOKS.as_ref().is_some() && !self.has_tried.xchg(true, Relaxed) {
            let harmful = self.try_all();
            pr_info!("in a handler {harmful} not refused\n");
        }
        let sum: u64 = before.iter().sum();
        SEEN.add(sum / 64, Relaxed);
        packet.accept()
    }
}

struct Breaker;

impl HookModule for Breaker {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        let net = || match value_of(&module_parameters::pid) {
            0 => Ok(Net::init()),
            pid => Net::of_process(pid),
        };
        let at_device = [INGRESS, EGRESS, INGRESS];
        let here = hooks.register(net()?, &POINTS, Leaked::new())?;
        let everywhere = hooks.register_in_nets(NetScope::All, &[], Leaked::new())?;
        let at_device = hooks.register_at_device(net()?, c"lo", &at_device, Leaked::new())?;

        everywhere.change(NetScope::All, &POINTS)?;
        core::mem::forget(here.clone());
        core::mem::forget(everywhere.clone());
        let _: &mut Arc<_> = KBox::leak(KBox::new(at_device, GFP_KERNEL)?);
        let _: &mut ModuleHooks = KBox::leak(KBox::new(hooks.clone(), GFP_KERNEL)?);
        HERE.populate(here);
        EVERYWHERE.populate(everywhere);
        HOOKS.populate(hooks.clone());
        if value_of(&module_parameters::fail) != 0 {
            return Err(EINVAL);
        }
        Ok(Self)
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        pr_info!("seen {}\n", SEEN.load(Relaxed));
    }
}
