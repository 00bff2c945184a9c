// SPDX-License-Identifier: GPL-2.0

//! The tracer's interface to C, other than netfilter, in both directions: safe to use, one file for
//! each C header.

use super::bindings;

pub(crate) use super::bindings::compat;

pub(crate) mod atomic;
pub(crate) mod clock;
pub(crate) mod console;
pub(crate) mod events;
pub(crate) mod modinfo;
pub(crate) mod params;
pub(crate) mod percpu;
pub(crate) mod report;
