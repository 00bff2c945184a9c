// SPDX-License-Identifier: GPL-2.0

//! Counters per CPU, which the kernel crate does not have yet.
//!
//! Counting writes only to the counting CPU's own memory, so that CPUs that count at the same time
//! share no cache line, and is a single instruction on x86.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)

use super::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;

/// `N` counters of 64 bits on each possible CPU.
///
/// # Invariants
///
/// `base` comes from `alloc_percpu_counters(N)` and is owned by this object.
pub(crate) struct PerCpuCounters<const N: usize> {
    base: NonNull<u64>,
}

// SAFETY: The memory belongs to no thread. It may be freed from any process context.
unsafe impl<const N: usize> Send for PerCpuCounters<N> {}

// SAFETY: Counting is atomic against everything else on the same CPU, and no other CPU writes to
// this CPU's counters. Reading takes whole words.
unsafe impl<const N: usize> Sync for PerCpuCounters<N> {}

impl<const N: usize> PerCpuCounters<N> {
    /// Allocates the counters, all zero. May sleep. `ENOMEM` is the only error.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: The function may be called with any number; the cast is checked below.
        let base = unsafe { bindings::alloc_percpu_counters(const { Self::to_c(N) }) };

        // INVARIANT: `base` is the allocation of `N` counters just made, and nobody else has it.
        Ok(Self {
            base: NonNull::new(base).ok_or(ENOMEM)?,
        })
    }

    /// Adds one to counter `index` of this CPU. Any context. Does nothing beyond `N`.
    #[inline]
    pub(crate) fn inc(&self, index: usize) {
        if index < N {
            // SAFETY: By the type invariant there are `N` counters at `base`, and `index` is below.
            unsafe { this_cpu_inc(self.base.as_ptr().wrapping_add(index)) };
        }
    }

    /// The sum of counter `index` over all CPUs, 0 beyond `N`. Exact once nobody counts any more.
    pub(crate) fn sum(&self, index: usize) -> u64 {
        if index >= N {
            return 0;
        }
        // SAFETY: By the type invariant there are `N` counters at `base`, and `index` is below.
        unsafe { bindings::nf_tracer_sum_percpu_counter(self.base.as_ptr(), Self::to_c(index)) }
    }

    /// `index`, which is at most `N`, as C wants it.
    const fn to_c(index: usize) -> u32 {
        const { assert!(N <= u32::MAX as usize) };
        index as u32
    }
}

impl<const N: usize> Drop for PerCpuCounters<N> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the allocation is ours, and with `self` goes its last user.
        unsafe { bindings::free_percpu_counters(self.base.as_ptr()) };
    }
}

/// C's `this_cpu_inc()`, for a counter of 64 bits.
///
/// Each packet is counted, so where it is a single instruction it is not the call of a C helper.
///
/// # Safety
///
/// `counter` must be one of an allocation by `alloc_percpu_counters()`.
#[inline]
unsafe fn this_cpu_inc(counter: *mut u64) {
    #[cfg(all(target_arch = "x86_64", CONFIG_SMP, not(CONFIG_UML)))]
    // SAFETY: By this function's requirement it is the offset of a counter, from where each CPU's own
    // begin, which is what the segment says. An interrupt comes before the instruction or after.
    unsafe {
        core::arch::asm!("inc qword ptr gs:[{}]", in(reg) counter, options(nostack))
    };

    #[cfg(all(target_arch = "x86_64", not(CONFIG_SMP)))]
    // SAFETY: By this function's requirement it is a counter, the one CPU's own. As above.
    unsafe {
        core::arch::asm!("inc qword ptr [{}]", in(reg) counter, options(nostack))
    };

    #[cfg(not(all(target_arch = "x86_64", any(not(CONFIG_SMP), not(CONFIG_UML)))))]
    // SAFETY: By this function's requirement.
    unsafe {
        bindings::this_cpu_inc_counter(counter, 0)
    };
}
