// SPDX-License-Identifier: GPL-2.0

//! The tracepoint `nf_tracer:packet`, which `kernel::declare_trace!` cannot declare outside of the
//! kernel crate.
//!
//! C header: [`bindings/events.h`](../bindings/events.h)

use super::bindings;

pub(crate) use super::bindings::{
    nf_tracer_malformed_NF_TRACER_INVALID as INVALID,
    nf_tracer_malformed_NF_TRACER_TOO_MANY_EXTHDRS as TOO_MANY_EXTHDRS,
    nf_tracer_malformed_NF_TRACER_TRUNCATED as TRUNCATED,
    nf_tracer_packet as Packet, //
};

/// Returns why the tracepoint can have no consumer, if so. To be called while the module is being
/// loaded.
pub(crate) fn why_none() -> Option<&'static str> {
    // SAFETY: Only reads what the kernel has set up before it parses the module's parameters.
    let exists = || unsafe { bindings::nf_tracer_trace_event_exists() };

    if !cfg!(CONFIG_TRACEPOINTS) {
        Some("this kernel has no tracepoints")
    } else if !exists() {
        Some("the kernel has not made the event, as it does not for a module that is loaded by force")
    } else {
        None
    }
}

/// Returns whether the tracepoint has a consumer. Free without one, where the branch is patched in.
/// Any context.
#[inline(always)]
pub(crate) fn is_listened_to() -> bool {
    #[cfg(all(CONFIG_TRACEPOINTS, nf_tracer_static_branch))]
    // SAFETY: The key is that of a tracepoint that C defines.
    let listened_to = unsafe {
        kernel::jump_label::static_branch_unlikely!(
            bindings::__tracepoint_packet,
            kernel::bindings::tracepoint,
            key
        )
    };
    #[cfg(all(CONFIG_TRACEPOINTS, not(nf_tracer_static_branch)))]
    // SAFETY: Any context.
    let listened_to = unsafe { bindings::nf_tracer_trace_event_enabled() };
    #[cfg(not(CONFIG_TRACEPOINTS))]
    let listened_to = false;

    listened_to
}

/// Records the packet returned by `read`, if there is a consumer. Returns whether it did. Any
/// context.
///
/// Does not call `read` without a consumer.
#[inline(always)]
pub(crate) fn packet(read: impl FnOnce() -> Packet) -> bool {
    let listened_to = is_listened_to();

    #[cfg(CONFIG_TRACEPOINTS)]
    if listened_to {
        let packet = read();
        // SAFETY: The packet is valid, and is copied.
        unsafe { bindings::rust_do_trace_packet(&packet) };
    }
    #[cfg(not(CONFIG_TRACEPOINTS))]
    let _ = read;

    listened_to
}
