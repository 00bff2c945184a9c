// SPDX-License-Identifier: GPL-2.0

// Included first by each module of `src/`, by `include!("../prelude.rs");`: the hook API, and the
// imports common to all.

#[path = "../../bindings/bindings.rs"]
mod bindings;
#[path = "../../src/netfilter/mod.rs"]
pub mod netfilter;

use kernel::prelude::*;
use netfilter::*;
