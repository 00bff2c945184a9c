// SPDX-License-Identifier: GPL-2.0

//! The tracer's interface to C, other than netfilter.

pub(crate) mod events;
pub(crate) mod params;

/// Loads of atomics.
pub(crate) mod atomic {
    use crate::fake_kernel::kernel::sync::atomic::{
        Atomic,
        Relaxed, //
    };

    pub(crate) fn read_once(atomic: &Atomic<u64>) -> u64 {
        atomic.load(Relaxed)
    }
}

/// The kernel crate has it all.
pub(crate) mod compat {
    pub(crate) use crate::fake_kernel::kernel::sync::rcu;

    pub(crate) mod code {
        pub(crate) use crate::fake_kernel::kernel::prelude::EOPNOTSUPP;
    }
}

/// A clock that does not advance.
pub(crate) mod clock {
    pub(crate) const COARSE_STEP_NS: u64 = 4_000_000;

    pub(crate) fn coarse_ns() -> u64 {
        1_000 * COARSE_STEP_NS
    }
}

/// No console.
pub(crate) mod console {
    pub(crate) fn serial_console_shows_info() -> bool {
        false
    }
}

/// C's per-CPU counters, with a single CPU.
pub(crate) mod percpu {
    use crate::fake_kernel::kernel::Result;
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

/// Counts the reports that are scheduled.
pub(crate) mod report {
    use crate::fake_kernel::output;

    pub(crate) fn schedule_report() {
        output::add(|output| output.reports += 1);
    }
}
