// SPDX-License-Identifier: GPL-2.0

// What each module of `src/` starts with, by `include!("../prelude.rs");`: the hook API, and what all of them use.

#[path = "../../bindings/bindings.rs"]
mod bindings;
#[path = "../../src/netfilter/mod.rs"]
pub mod netfilter;

use kernel::prelude::*;
use netfilter::*;
