// SPDX-License-Identifier: GPL-2.0

//! Handler data that can be replaced while the handler runs.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)

use super::HookState;
use crate::bindings::{
    self,
    compat::{
        code::EDEADLK,
        AtomicPtr, //
    }, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Full, //
    }, //
};

/// An RCU-protected value that handlers read without a lock and that is replaced as a whole.
///
/// # Invariants
///
/// The pointer comes from a `KBox<T>`. Whoever takes it out waits for a grace period, and then owns
/// it.
pub struct RcuBox<T: Send + Sync + 'static>(AtomicPtr<T>);

impl<T: Send + Sync + 'static> RcuBox<T> {
    /// Creates a box that holds `value` until it is replaced.
    pub fn new(value: KBox<T>) -> Self {
        // INVARIANT: The pointer comes from a `KBox`.
        Self(AtomicPtr::new(KBox::into_raw(value)))
    }

    /// Returns the value, for the rest of the handler's call. Later calls may see another one.
    ///
    /// Like C's `rcu_dereference()`, a plain load: a load by the kernel crate's atomics would be a
    /// function call.
    #[inline]
    pub fn dereference<'a>(&'a self, _call: &HookState<'a>) -> &'a T {
        let value = self.0.read_once();

        // SAFETY: By the type invariant it is valid, and remains so for a grace period after it was
        // taken out. `'a` is within a call of a handler, which runs inside `rcu_read_lock()`.
        unsafe { &*value }
    }

    /// Replaces the value, waits for handlers that still read the old one, and drops that.
    ///
    /// # Context
    ///
    /// May sleep; waits for an expedited grace period, of microseconds rather than milliseconds.
    /// Not from a handler, which would wait for itself: returns `EDEADLK` there and keeps the old
    /// value.
    pub fn replace(&self, value: KBox<T>) -> Result {
        check_context()?;
        // INVARIANT: The new pointer comes from a `KBox`, and the old one is waited for.
        let old = self.0.xchg(KBox::into_raw(value), Full);

        synchronize_rcu_expedited();
        // SAFETY: By the type invariant it came from a `KBox`. It is no longer reachable, and every
        // call that had loaded it has ended.
        drop(unsafe { KBox::from_raw(old) });
        Ok(())
    }
}

impl<T: Send + Sync + 'static> Drop for RcuBox<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it came from a `KBox`, and `self` is exclusively borrowed.
        drop(unsafe { KBox::from_raw(self.0.load(Acquire)) });
    }
}

#[cfg(not(any(CONFIG_PREEMPT_COUNT, CONFIG_PREEMPT_RCU)))]
compile_error!(
    "this kernel has neither CONFIG_PREEMPT_COUNT nor CONFIG_PREEMPT_RCU: it cannot tell whether a handler runs"
);

/// Returns `EDEADLK` where handlers run, since waiting for them there would deadlock.
///
/// A kernel with neither of the options below could not detect a handler that runs in the sending
/// process's context.
pub(super) fn check_context() -> Result {
    // SAFETY: Any context.
    match unsafe { bindings::nf_tracer_may_wait_for_rcu() } {
        true => Ok(()),
        false => Err(EDEADLK),
    }
}

/// Waits for running handlers by an expedited grace period, which interrupts all CPUs: for changes
/// that a user waits for.
pub(super) fn synchronize_rcu_expedited() {
    // SAFETY: May be called from any context that may sleep, as all callers are.
    unsafe { bindings::synchronize_rcu_expedited() };
}
