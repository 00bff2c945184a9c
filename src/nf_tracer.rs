// SPDX-License-Identifier: GPL-2.0

//! Traces packets in netfilter hooks.
//!
//! From its loading to its unloading the module prints a line for each TCP segment over IPv4 that
//! comes in (`NF_INET_PRE_ROUTING`) or is sent (`NF_INET_LOCAL_OUT`) in the initial network
//! namespace. It changes nothing and lets everything pass.

#[path = "../bindings/bindings.rs"]
mod bindings;
pub mod netfilter;
mod packet;
#[path = "../bindings/percpu.rs"]
mod percpu;
mod tracer;

use crate::{
    netfilter::{
        Net,
        Registration, //
    },
    tracer::Tracer, //
};
use kernel::prelude::*;

module! {
    type: NfTracer,
    name: "nf_tracer",
    authors: ["The nf_tracer authors"],
    description: "Traces packets in netfilter hooks",
    license: "GPL",
}

/// The loaded module.
#[pin_data]
struct NfTracer {
    #[pin]
    hooks: Registration<Tracer>,
}

impl kernel::InPlaceModule for NfTracer {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            hooks <- Registration::new(Net::init(), &tracer::POINTS, Tracer::new()),
        })
    }
}
