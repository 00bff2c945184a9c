// SPDX-License-Identifier: GPL-2.0

//! Classic BPF programs that match packets.
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
    /// Creates an instruction from its fields, which the kernel validates in [`Program::new`].
    pub const fn new(code: u16, jt: u8, jf: u8, k: u32) -> Self {
        Self(bindings::sock_filter { code, jt, jf, k })
    }
}

/// A classic BPF program, checked by the kernel and, where the JIT is enabled, compiled.
///
/// # Invariants
///
/// `0` comes from `bpf_prog_create()` and is owned by this object.
pub struct Program(NonNull<bindings::bpf_prog>);

// SAFETY: A program is read-only once created, and is not bound to a thread.
unsafe impl Send for Program {}

// SAFETY: As above.
unsafe impl Sync for Program {}

impl Program {
    /// Creates a program, which the kernel checks and compiles. May sleep.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: not a valid program of 1 to 4096 instructions that always ends,
    /// - `ENOMEM`: out of memory,
    /// - `EDEADLK`: called in a handler.
    pub fn new(instructions: &[Instruction]) -> Result<Self> {
        check_context()?;
        let mut program = core::ptr::null_mut();
        let len = u16::try_from(instructions.len()).map_err(|_| EINVAL)?;
        // SAFETY: The length is that of `instructions`, which are copied.
        to_result(unsafe {
            bindings::nf_tracer_bpf_prog_create_classic(
                &mut program,
                instructions.as_ptr().cast(),
                len,
            )
        })?;

        // INVARIANT: It was created above.
        Ok(Self(NonNull::new(program).ok_or(EINVAL)?))
    }

    /// Returns whether the program matches the packet: whether its result is not 0.
    ///
    /// Offset 0 is the start of the network header, as for `tcpdump -y RAW`, and the length counts
    /// from there, also where a link-layer header stands before it.
    #[inline]
    pub fn takes(&self, packet: &Packet<'_>) -> bool {
        // SAFETY: Both are valid by their types' invariants, and the packet is exclusively ours. A
        // program reads it, wherever its bytes are, and writes only to its control block, which is
        // restored, as is the start of its data.
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
        // SAFETY: By the type invariant the program is owned by us.
        unsafe { bindings::bpf_prog_destroy(self.0.as_ptr()) };
    }
}
