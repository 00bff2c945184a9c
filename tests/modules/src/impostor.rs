// SPDX-License-Identifier: GPL-2.0

//! Tries to be made twice, to leak the one of its two selves that owns what is registered.
//!
//! The type that owns it is private, but names in a macro are not. Shows: there is one owner for a module, and
//! whoever asks for a second one gets `EBUSY`.

#[path = "../../../bindings/bindings.rs"]
mod bindings;
#[path = "../../../src/netfilter/mod.rs"]
pub mod netfilter;

use core::marker::PhantomData;
use kernel::prelude::*;
use netfilter::*;

module_netfilter_hooks! {
    type: Impostor<HookedModule>,
    name: "impostor",
    authors: ["The nf_tracer authors"],
    description: "Tries to be made twice",
    license: "GPL",
}

struct Impostor<M>(PhantomData<fn() -> M>);

impl<M: kernel::Module> HookModule for Impostor<M> {
    fn init(module: &'static ThisModule, _hooks: &ModuleHooks) -> Result<Self> {
        core::mem::forget(M::init(module)?);
        Ok(Self(PhantomData))
    }
}
