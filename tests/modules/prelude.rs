// SPDX-License-Identifier: GPL-2.0

// Included first by each module of `src/`, by `include!("../prelude.rs");`: the hook API, and the
// imports common to all. Parameters are integers, which each supported kernel has.

#[path = "../../bindings/bindings.rs"]
mod bindings;
#[path = "../../src/netfilter/mod.rs"]
pub mod netfilter;

#[allow(unused_imports, reason = "a module may have no parameters")]
use bindings::compat::value_of;
use kernel::prelude::*;
use netfilter::*;
