// SPDX-License-Identifier: GPL-2.0

//! Traces packets in netfilter hooks.
//!
//! From its loading to its unloading the module tells of each packet that its parameters ask for, by a
//! line of the log unless they say otherwise: by default, of each TCP segment over IPv4 that comes in
//! (`NF_INET_PRE_ROUTING`) or is sent (`NF_INET_LOCAL_OUT`) in the initial network namespace. It changes
//! nothing and lets everything pass.

// Counters and times of 64 bits are read and written as whole words.
#[cfg(not(CONFIG_64BIT))]
compile_error!("nf_tracer is for 64-bit kernels only");

#[path = "../bindings/bindings.rs"]
mod bindings;
#[path = "../bindings/ffi.rs"]
mod ffi;
pub mod netfilter;
mod packet;
mod params;
mod tracer;

use kernel::{
    prelude::*,
    sync::Arc, //
};
use netfilter::{
    module_netfilter_hooks,
    HookModule,
    ModuleHooks, //
};
use tracer::Tracing;

module_netfilter_hooks! {
    type: NfTracer,
    name: "nf_tracer",
    authors: ["The nf_tracer authors"],
    description: "Traces packets in netfilter hooks",
    license: "GPL",
}

// That of CHANGELOG.md.
ffi::modinfo::module_info!("version", "0.1.0");

/// The loaded module.
///
/// What parameters change while it is loaded they reach by the reference that [`params::start`] keeps; it is taken
/// back first, since fields are dropped in their order.
struct NfTracer {
    _params: params::Attachment,
    _tracing: Arc<Tracing>,
}

impl HookModule for NfTracer {
    fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
        let (params, tracing) = params::start(hooks)?;

        Ok(Self {
            _params: params,
            _tracing: tracing,
        })
    }
}
