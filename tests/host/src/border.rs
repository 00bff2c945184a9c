// SPDX-License-Identifier: GPL-2.0

//! What the module has below it, on a host: the kernel crate, the hooks, the parameters' lock.
//!
//! As little of each as the module's own files need, so that they build and run here as they are. What
//! comes out of the module is kept in [`output`].

pub(crate) mod events;
pub(crate) mod kernel;
pub(crate) mod netfilter;
pub(crate) mod output;
pub(crate) mod parameters;

/// C's counters per CPU, of the one CPU that there is.
pub(crate) mod percpu {
    use super::kernel::Result;
    use std::sync::atomic::{
        AtomicU64,
        Ordering, //
    };

    pub(crate) struct PerCpuCounters<const N: usize>(Vec<AtomicU64>);

    impl<const N: usize> PerCpuCounters<N> {
        pub(crate) fn new() -> Result<Self> {
            Ok(Self((0..N).map(|_| AtomicU64::new(0)).collect()))
        }

        pub(crate) fn inc(&self, index: usize) {
            self.0[index].fetch_add(1, Ordering::Relaxed);
        }

        pub(crate) fn sum(&self, index: usize) -> u64 {
            self.0[index].load(Ordering::Relaxed)
        }
    }
}

/// A clock that stands still.
pub(crate) mod system {
    use super::{
        kernel::sync::atomic::{
            Atomic,
            Relaxed, //
        },
        output, //
    };

    pub(crate) const COARSE_STEP_NS: u64 = 4_000_000;

    pub(crate) fn coarse_ns() -> u64 {
        1_000 * COARSE_STEP_NS
    }

    pub(crate) fn read_once(atomic: &Atomic<u64>) -> u64 {
        atomic.load(Relaxed)
    }

    pub(crate) fn schedule_report() {
        output::add(|output| output.reports += 1);
    }

    pub(crate) fn serial_console_shows_info() -> bool {
        false
    }
}
