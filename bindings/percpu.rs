// SPDX-License-Identifier: GPL-2.0

//! Per-CPU counters, which the kernel crate does not have yet.
//!
//! Counting writes only to the counting CPU's own memory, so that CPUs that count at the same time
//! share no cache line, and is a single instruction on x86.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)

use super::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;

/// `N` 64-bit counters on each possible CPU.
///
/// # Invariants
///
/// `base` comes from `alloc_percpu_counters(N)` and is owned by this object.
pub(crate) struct PerCpuCounters<const N: usize> {
    base: NonNull<u64>,
}

// SAFETY: The memory is not bound to a thread. It may be freed from any process context.
unsafe impl<const N: usize> Send for PerCpuCounters<N> {}

// SAFETY: Counting is atomic with respect to everything else on the same CPU, and no other CPU
// writes to this CPU's counters. Reading takes whole words.
unsafe impl<const N: usize> Sync for PerCpuCounters<N> {}

impl<const N: usize> PerCpuCounters<N> {
    /// Allocates the counters, all zero. May sleep. `ENOMEM` is the only error.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: The function may be called with any number; the cast is checked below.
        let base = unsafe { bindings::alloc_percpu_counters(const { Self::to_c(N) }) };

        // INVARIANT: `base` is the allocation of `N` counters made above, and nothing else has it.
        Ok(Self {
            base: NonNull::new(base).ok_or(ENOMEM)?,
        })
    }

    /// Increments counter `index` of this CPU. Any context. A no-op if `index` is not below `N`.
    #[inline]
    pub(crate) fn inc(&self, index: usize) {
        if index < N {
            // SAFETY: By the type invariant there are `N` counters at `base`, and `index` is below
            // `N`.
            unsafe { this_cpu_inc(self.base.as_ptr().wrapping_add(index)) };
        }
    }

    /// Returns the sum of counter `index` over all CPUs, 0 if `index` is not below `N`. Exact once
    /// counting has stopped.
    pub(crate) fn sum(&self, index: usize) -> u64 {
        if index >= N {
            return 0;
        }
        // SAFETY: By the type invariant there are `N` counters at `base`, and `index` is below `N`.
        unsafe { bindings::nf_tracer_sum_percpu_counter(self.base.as_ptr(), Self::to_c(index)) }
    }

    /// Converts `index`, which is at most `N`, to C's type.
    const fn to_c(index: usize) -> u32 {
        const { assert!(N <= u32::MAX as usize) };
        index as u32
    }
}

impl<const N: usize> Drop for PerCpuCounters<N> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the allocation is ours, and `self` is its last user.
        unsafe { bindings::free_percpu_counters(self.base.as_ptr()) };
    }
}

/// C's `this_cpu_inc()`, for a 64-bit counter.
///
/// Called for each packet, so where it is a single instruction it is not a C helper call.
///
/// # Safety
///
/// `counter` must be one of an allocation by `alloc_percpu_counters()`.
#[inline]
unsafe fn this_cpu_inc(counter: *mut u64) {
    #[cfg(all(target_arch = "x86_64", CONFIG_SMP, not(CONFIG_UML)))]
    // SAFETY: By this function's requirement it is the offset of a counter from the CPU's per-CPU
    // base, which is what the segment adds. An interrupt occurs before or after the instruction.
    unsafe {
        core::arch::asm!("inc qword ptr gs:[{}]", in(reg) counter, options(nostack))
    };

    #[cfg(all(target_arch = "x86_64", not(CONFIG_SMP)))]
    // SAFETY: By this function's requirement it is a counter of the only CPU. As above.
    unsafe {
        core::arch::asm!("inc qword ptr [{}]", in(reg) counter, options(nostack))
    };

    #[cfg(not(all(target_arch = "x86_64", any(not(CONFIG_SMP), not(CONFIG_UML)))))]
    // SAFETY: By this function's requirement.
    unsafe {
        bindings::this_cpu_inc_counter(counter, 0)
    };
}
