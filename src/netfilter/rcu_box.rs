// SPDX-License-Identifier: GPL-2.0

//! Data of a handler that is replaced while the handler is being called.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)

use super::HookState;
use crate::bindings;
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Full, //
    }, //
};

/// A value that handlers read without a lock, and that somebody else replaces as a whole.
///
/// # Invariants
///
/// The pointer comes from a `KBox<T>`. Whoever takes it out waits for a grace period, and then owns it.
pub struct RcuBox<T: Send + Sync + 'static>(Atomic<*mut T>);

impl<T: Send + Sync + 'static> RcuBox<T> {
    /// Holds `value` until it is replaced.
    pub fn new(value: KBox<T>) -> Self {
        // INVARIANT: The pointer comes from a `KBox`.
        Self(Atomic::new(KBox::into_raw(value)))
    }

    /// The value, for the rest of the handler's call. Later calls may see another one.
    ///
    /// As C's `rcu_dereference()`, one plain load: that the value is read through the pointer orders the
    /// two. Loading by the kernel crate's atomics is the call of a function.
    #[inline]
    pub fn dereference<'a>(&'a self, _call: &HookState<'a>) -> &'a T {
        // SAFETY: The pointer is aligned and valid as `self` is; it is only replaced by whole words.
        let value = unsafe { self.0.as_ptr().read_volatile() };

        // SAFETY: By the type invariant it is valid, and remains so for a grace period after it was
        // taken out. `'a` is within a call of a handler, which runs inside `rcu_read_lock()`.
        unsafe { &*value }
    }

    /// Puts `value` in place, waits for handlers that still read the former one, and drops that.
    ///
    /// # Context
    ///
    /// May sleep; the wait is an expedited one, of microseconds rather than milliseconds. Not from a
    /// handler, which would wait for itself: `EDEADLK`, and the value is as it was.
    pub fn replace(&self, value: KBox<T>) -> Result {
        check_context()?;
        // INVARIANT: The new pointer comes from a `KBox`, and the old one is waited for.
        let old = self.0.xchg(KBox::into_raw(value), Full);

        synchronize_rcu_expedited();
        // SAFETY: It came from a `KBox` by the type invariant. Nobody can find it any more, and
        // whoever had found it before has ended its call.
        drop(unsafe { KBox::from_raw(old) });
        Ok(())
    }
}

impl<T: Send + Sync + 'static> Drop for RcuBox<T> {
    fn drop(&mut self) {
        // SAFETY: It came from a `KBox` by the type invariant, and nobody else has `self`.
        drop(unsafe { KBox::from_raw(self.0.load(Acquire)) });
    }
}

#[cfg(not(any(CONFIG_PREEMPT_COUNT, CONFIG_PREEMPT_RCU)))]
compile_error!(
    "this kernel has neither CONFIG_PREEMPT_COUNT nor CONFIG_PREEMPT_RCU: it cannot tell whether a handler runs"
);

/// Gives `EDEADLK` where nothing may wait for handlers, which is where handlers run.
///
/// A kernel that has neither of the options below could not tell of a handler that is called for what a process
/// sends.
pub(super) fn check_context() -> Result {
    // SAFETY: May be called from any context.
    match unsafe { bindings::nf_tracer_may_wait_for_rcu() } {
        true => Ok(()),
        false => Err(EDEADLK),
    }
}

/// Waits for handlers that are running, by interrupting all CPUs: for changes that somebody waits for.
pub(super) fn synchronize_rcu_expedited() {
    // SAFETY: May be called from any context that may sleep, as all callers are.
    unsafe { bindings::synchronize_rcu_expedited() };
}
