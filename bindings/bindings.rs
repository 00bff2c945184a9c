// SPDX-License-Identifier: GPL-2.0

//! The bindings that bindgen generates from `bindings.h`, and nothing else.
//!
//! Types that the kernel crate has in all supported releases are the kernel crate's own (`sk_buff`,
//! `net`, ...), by the glob import below, which what is generated here takes precedence over.
//!
//! C header: [`include/linux/netfilter.h`](srctree/include/linux/netfilter.h)

#![allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    reason = "made by bindgen"
)]

pub(crate) use kernel::bindings::*;

include!(env!("NF_TRACER_BINDINGS"));

pub(crate) mod compat;

/// Asserts for bindgen's layouts what `helpers/layout.c` asserts for gcc's.
mod layout {
    use super::{nf_hook_ops, nf_hook_state};
    use core::ffi::c_int;
    use core::mem::{offset_of, size_of};
    use kernel::bindings::{callback_head, list_head};

    /// Returns the offset just behind `$field`, as C's `offsetofend()`.
    macro_rules! end {
        ($type:ty, $field:ident, $of:ty) => {
            offset_of!($type, $field) + size_of::<$of>()
        };
    }

    const POINTER: usize = size_of::<usize>();

    const _: () = assert!(offset_of!(nf_hook_ops, list) == 0);
    const _: () = assert!(offset_of!(nf_hook_ops, rcu) == size_of::<list_head>());
    const _: () = assert!(offset_of!(nf_hook_ops, hook) == end!(nf_hook_ops, rcu, callback_head));
    const _: () = assert!(offset_of!(nf_hook_ops, dev) == end!(nf_hook_ops, hook, usize));
    const _: () = assert!(offset_of!(nf_hook_ops, priv_) == end!(nf_hook_ops, dev, usize));
    const _: () = assert!(offset_of!(nf_hook_ops, pf) == end!(nf_hook_ops, priv_, usize));
    const _: () = assert!(
        offset_of!(nf_hook_ops, hooknum)
            == (end!(nf_hook_ops, pf, u8) + 1).next_multiple_of(size_of::<c_int>())
    );
    const _: () = assert!(offset_of!(nf_hook_ops, priority) == end!(nf_hook_ops, hooknum, c_int));
    const _: () = assert!(
        size_of::<nf_hook_ops>() == end!(nf_hook_ops, priority, c_int).next_multiple_of(POINTER)
    );

    const _: () = assert!(offset_of!(nf_hook_state, hook) == 0);
    const _: () = assert!(offset_of!(nf_hook_state, pf) == 1);
    const _: () = assert!(offset_of!(nf_hook_state, in_) == POINTER);
    const _: () = assert!(offset_of!(nf_hook_state, out) == 2 * POINTER);
    const _: () = assert!(offset_of!(nf_hook_state, sk) == 3 * POINTER);
    const _: () = assert!(offset_of!(nf_hook_state, net) == 4 * POINTER);
    const _: () = assert!(offset_of!(nf_hook_state, okfn) == 5 * POINTER);
    const _: () = assert!(size_of::<nf_hook_state>() == 6 * POINTER);
}
