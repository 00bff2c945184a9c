// SPDX-License-Identifier: GPL-2.0

//! Host replacements for what the module uses: the kernel crate, the hooks, the parameter lock.
//!
//! As little of each as the module's own files need to build and run here unchanged. The module's
//! output is collected in [`output`].

pub(crate) mod ffi;
pub(crate) mod kernel;
pub(crate) mod netfilter;
pub(crate) mod output;
