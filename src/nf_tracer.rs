// SPDX-License-Identifier: GPL-2.0

//! Traces packets in netfilter hooks.
//!
//! While loaded, the module reports each packet that matches its parameters, by default with a line
//! in the kernel log. The default match is each TCP segment over IPv4 that is received
//! (`NF_INET_PRE_ROUTING`) or sent (`NF_INET_LOCAL_OUT`) in the initial network namespace. It
//! modifies no packet and drops none.

// 64-bit counters and times are read and written as single words.
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

// As in CHANGELOG.md.
ffi::modinfo::module_info!("version", "0.1.0");

/// The loaded module.
///
/// Run-time changes of parameters reach the tracer through the reference that [`params::start`]
/// keeps. Fields are dropped in order, so that reference is dropped first.
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
