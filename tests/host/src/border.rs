// SPDX-License-Identifier: GPL-2.0

//! What the module has below it, on a host: the kernel crate, the hooks, the parameters' lock.
//!
//! As little of each as the module's own files need, so that they build and run here as they are. What
//! comes out of the module is kept in [`output`].

pub(crate) mod ffi;
pub(crate) mod kernel;
pub(crate) mod netfilter;
pub(crate) mod output;
