// SPDX-License-Identifier: GPL-2.0

//! The tracepoint, which always has a consumer.

use crate::fake_kernel::output;

pub(crate) fn why_none() -> Option<&'static str> {
    None
}

pub(crate) const TRUNCATED: u32 = 1;
pub(crate) const INVALID: u32 = 2;
pub(crate) const TOO_MANY_EXTHDRS: u32 = 3;

/// The bindgen output for `struct nf_tracer_packet`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) skbaddr: usize,
    pub(crate) saddr: [u8; 16],
    pub(crate) daddr: [u8; 16],
    pub(crate) indev: [u8; 16],
    pub(crate) outdev: [u8; 16],
    pub(crate) netns: u32,
    pub(crate) mark: u32,
    pub(crate) len: u32,
    pub(crate) payload: u32,
    pub(crate) id: u32,
    pub(crate) seq: u32,
    pub(crate) ack_seq: u32,
    pub(crate) frag_off: u16,
    pub(crate) sport: u16,
    pub(crate) dport: u16,
    pub(crate) window: u16,
    pub(crate) csum: u16,
    pub(crate) urg_ptr: u16,
    pub(crate) flags: u16,
    pub(crate) gso_segs: u16,
    pub(crate) hook: u8,
    pub(crate) family: u8,
    pub(crate) protocol: u8,
    pub(crate) type_: u8,
    pub(crate) code: u8,
    pub(crate) csum_state: u8,
    pub(crate) malformed: u8,
}

pub(crate) fn is_listened_to() -> bool {
    true
}

pub(crate) fn packet(read: impl FnOnce() -> Packet) -> bool {
    output::add(|output| output.events.push(read()));
    true
}
