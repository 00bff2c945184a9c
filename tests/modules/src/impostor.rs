// SPDX-License-Identifier: GPL-2.0

//! Attempts to initialise the module's own type twice, to leak the instance that owns the
//! registrations.
//!
//! Safe code can name that type. Shows: a module has one owner, and a second
//! one is refused with `EBUSY`.

include!("../prelude.rs");

use core::marker::PhantomData;

module_netfilter_hooks! {
    type: Impostor<HookedModule>,
    name: "impostor",
    authors: ["The nf_tracer authors"],
    description: "Tries to be made twice",
    license: "GPL",
}

struct Pass;

impl Handler for Pass {
    fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
        packet.accept()
    }
}

struct Impostor<M>(PhantomData<fn() -> M>);

impl<M: kernel::Module> HookModule for Impostor<M> {
    fn init(module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        const POINTS: [HookPoint; 1] = [HookPoint::ipv4(InetHook::LocalOut, Priority::FILTER)];

        core::mem::forget(M::init(module)?);
        // The second instance to come here would be the one that is leaked.
        hooks.register(Net::init(), &POINTS, Ok(Pass))?;
        Ok(Self(PhantomData))
    }
}
