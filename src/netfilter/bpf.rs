// SPDX-License-Identifier: GPL-2.0

//! Classic BPF programs, which say whether a packet is one of those that are wanted.
//!
//! C header: [`include/linux/filter.h`](srctree/include/linux/filter.h)

use super::{
    rcu_box::check_context,
    Packet, //
};
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// An instruction of classic BPF, as `tcpdump -ddd` prints it.
#[repr(transparent)]
pub struct Instruction(bindings::sock_filter);

impl Instruction {
    /// The instruction of these fields, whose meaning is for the kernel to check.
    pub const fn new(code: u16, jt: u8, jf: u8, k: u32) -> Self {
        Self(bindings::sock_filter { code, jt, jf, k })
    }
}

/// A classic BPF program, checked and, where that is switched on, compiled by the kernel.
///
/// # Invariants
///
/// `0` comes from `bpf_prog_create()` and is owned by this object.
pub struct Program(NonNull<bindings::bpf_prog>);

// SAFETY: A program is only read once it is made, and belongs to no thread.
unsafe impl Send for Program {}

// SAFETY: As above.
unsafe impl Sync for Program {}

impl Program {
    /// Has the kernel check and compile a program. May sleep.
    ///
    /// `EINVAL` for what is no program of 1 to 4096 instructions that always ends, `ENOMEM`, and `EDEADLK` in a
    /// handler.
    pub fn new(instructions: &[Instruction]) -> Result<Self> {
        check_context()?;
        let mut program = core::ptr::null_mut();
        let len = u16::try_from(instructions.len()).map_err(|_| EINVAL)?;
        // SAFETY: There are as many instructions as said, and they are copied.
        to_result(unsafe {
            bindings::nf_tracer_bpf_prog_create_classic(
                &mut program,
                instructions.as_ptr().cast(),
                len,
            )
        })?;

        // INVARIANT: It was made just now.
        Ok(Self(NonNull::new(program).ok_or(EINVAL)?))
    }

    /// Whether the program takes the packet: whether its result is other than 0.
    ///
    /// Offset 0 is the start of the network header, as for `tcpdump -y RAW`, and the length counts from
    /// there, also where a link-layer header stands before it.
    #[inline]
    pub fn takes(&self, packet: &Packet<'_>) -> bool {
        // SAFETY: Both are valid by their types' invariants, and the packet is ours alone. A program reads
        // it, wherever its bytes lie, and writes to nothing but its control block, which is put back, as
        // is the start of its data.
        unsafe {
            bindings::nf_tracer_bpf_prog_run_at(
                self.0.as_ptr(),
                packet.as_ptr(),
                packet.network_offset(),
            ) != 0
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the program is ours.
        unsafe { bindings::bpf_prog_destroy(self.0.as_ptr()) };
    }
}
