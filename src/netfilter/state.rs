// SPDX-License-Identifier: GPL-2.0

//! Where a packet is when a handler is called with it.
//!
//! C header: [`include/linux/netfilter.h`](srctree/include/linux/netfilter.h)

use super::{
    Family,
    Hook, //
};
use crate::bindings::nf_hook_state;
use core::marker::PhantomData;

/// What C's `struct nf_hook_state` says, for the time of one call of a handler.
pub(crate) struct State<'a> {
    hook: Hook,
    family: Family,
    _call: PhantomData<&'a nf_hook_state>,
}

impl<'a> State<'a> {
    /// Wraps the state that a hook was called with.
    ///
    /// `None` if it names a family or a hook point that [`Point`](super::Point) does not have,
    /// which the netfilter core never calls a hook of ours with.
    #[inline]
    pub(super) fn new(state: &'a nf_hook_state) -> Option<Self> {
        Some(Self {
            hook: Hook::from_raw(state.hook)?,
            family: Family::from_raw(state.pf)?,
            _call: PhantomData,
        })
    }

    /// The hook point that the packet is at.
    #[inline]
    pub(crate) fn hook(&self) -> Hook {
        self.hook
    }

    /// The packet's family.
    #[inline]
    pub(crate) fn family(&self) -> Family {
        self.family
    }
}
