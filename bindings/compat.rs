// SPDX-License-Identifier: GPL-2.0

//! What the kernel crate has in some of the supported releases only. When the oldest one has it, an
//! entry goes, and what uses it imports the kernel crate's.

use crate::bindings;
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    ffi::{
        c_char,
        c_ulong, //
    },
    module_param::ModuleParamAccess,
    sync::{
        atomic::{
            ordering,
            Atomic, //
        },
        lock::{
            Backend,
            Lock, //
        }, //
    }, //
};

/// The kernel crate's `error::code`. In the kernel crate since 7.3.
pub(crate) mod code {
    use crate::bindings;
    use kernel::error::Error;

    /// Creates an error of a constant, which the kernel crate's functions cannot.
    const fn error(errno: u32) -> Error {
        assert!(errno != 0 && errno <= bindings::MAX_ERRNO);
        // SAFETY: `Error` is a `NonZeroI32` of -1 to -MAX_ERRNO in all supported releases.
        unsafe { core::mem::transmute::<i32, Error>(-(errno as i32)) }
    }

    pub(crate) const ECONNREFUSED: Error = error(bindings::ECONNREFUSED);
    pub(crate) const EDEADLK: Error = error(bindings::EDEADLK);
    pub(crate) const ELOOP: Error = error(bindings::ELOOP);
    pub(crate) const ENOBUFS: Error = error(bindings::ENOBUFS);
    pub(crate) const EOPNOTSUPP: Error = error(bindings::EOPNOTSUPP);
    pub(crate) const ESHUTDOWN: Error = error(bindings::ESHUTDOWN);
}

/// The kernel crate's `sync::rcu`.
pub(crate) mod rcu {
    use crate::bindings;

    pub(crate) use kernel::sync::rcu::*;

    /// Waits for one RCU grace period. Sleeps.
    ///
    /// In the kernel crate since 7.3.
    #[inline]
    pub(crate) fn synchronize_rcu() {
        // SAFETY: It may be called from any context that may sleep, as all callers are.
        unsafe { bindings::synchronize_rcu() };
    }
}

/// Returns a module parameter's value.
///
/// In the kernel crate since 7.3: before that, its `value()` returned a reference.
#[allow(
    clippy::clone_on_copy,
    reason = "what is returned is copied either way"
)]
pub(crate) fn value_of<T: Copy>(parameter: &ModuleParamAccess<T>) -> T {
    parameter.value().clone()
}

/// An atomic pointer, which does not own what it points to.
///
/// In the kernel crate since 7.3, as `Atomic<*mut T>`; before that, `Atomic` is for integers.
pub(crate) struct AtomicPtr<T>(Atomic<usize>, PhantomData<fn(*mut T) -> *mut T>);

impl<T> AtomicPtr<T> {
    /// Creates a null pointer.
    pub(crate) const fn null() -> Self {
        Self(Atomic::new(0), PhantomData)
    }

    /// Creates an atomic pointer.
    pub(crate) fn new(value: *mut T) -> Self {
        Self(Atomic::new(value.expose_provenance()), PhantomData)
    }

    /// Loads the pointer without a function call: C's `READ_ONCE()`. Reads through the pointer are
    /// ordered by the address dependency.
    #[inline]
    pub(crate) fn read_once(&self) -> *mut T {
        // SAFETY: It is aligned and valid as `self` is, and is only replaced as a whole word.
        ptr::with_exposed_provenance_mut(unsafe { self.0.as_ptr().read_volatile() })
    }

    /// Loads the pointer.
    pub(crate) fn load<Ordering: ordering::AcquireOrRelaxed>(&self, order: Ordering) -> *mut T {
        ptr::with_exposed_provenance_mut(self.0.load(order))
    }

    /// Stores a pointer.
    pub(crate) fn store<Ordering: ordering::ReleaseOrRelaxed>(
        &self,
        value: *mut T,
        order: Ordering,
    ) {
        self.0.store(value.expose_provenance(), order);
    }

    /// Stores a pointer; returns the one before.
    pub(crate) fn xchg<Ordering: ordering::Ordering>(
        &self,
        value: *mut T,
        order: Ordering,
    ) -> *mut T {
        ptr::with_exposed_provenance_mut(self.0.xchg(value.expose_provenance(), order))
    }

    /// Stores a pointer if the one before is `old`; otherwise returns that as an error.
    pub(crate) fn cmpxchg<Ordering: ordering::Ordering>(
        &self,
        old: *mut T,
        new: *mut T,
        order: Ordering,
    ) -> Result<*mut T, *mut T> {
        self.0
            .cmpxchg(old.expose_provenance(), new.expose_provenance(), order)
            .map(ptr::with_exposed_provenance_mut)
            .map_err(ptr::with_exposed_provenance_mut)
    }
}

/// A spin lock that interrupt handlers may take, too.
///
/// In the kernel crate since 7.3. Unlike there, guards of several have to be dropped in the reverse
/// order: each restores the interrupt state that it found.
pub(crate) type SpinLockIrq<T> = Lock<T, SpinLockIrqBackend>;

/// C's `spinlock_t`, locked by `spin_lock_irqsave()`.
pub(crate) struct SpinLockIrqBackend;

// SAFETY: C's spin lock ensures mutual exclusion. `relock` is the default implementation.
unsafe impl Backend for SpinLockIrqBackend {
    type State = bindings::spinlock_t;
    type GuardState = c_ulong;

    unsafe fn init(ptr: *mut Self::State, name: *const c_char, key: *mut bindings::lock_class_key) {
        // SAFETY: By this function's requirements.
        unsafe { bindings::__spin_lock_init(ptr, name, key) }
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: By this function's requirements.
        unsafe { bindings::nf_tracer_spin_lock_irqsave(ptr) }
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, flags: &Self::GuardState) {
        // SAFETY: By this function's requirements; the flags are those of `lock`.
        unsafe { bindings::spin_unlock_irqrestore(ptr, *flags) }
    }

    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
        let mut flags = 0;
        // SAFETY: By this function's requirements.
        unsafe { bindings::nf_tracer_spin_trylock_irqsave(ptr, &mut flags) }.then_some(flags)
    }

    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // SAFETY: By this function's requirements.
        unsafe { bindings::spin_assert_is_held(ptr) }
    }
}

/// Creates an initialiser of a [`SpinLockIrq`]: the kernel crate's macro of this name.
macro_rules! new_spinlock_irq {
    ($inner:expr $(, $name:literal)?) => {
        $crate::bindings::compat::SpinLockIrq::new(
            $inner,
            ::kernel::optional_name!($($name)?),
            ::kernel::static_lock_class!(),
        )
    };
}
pub(crate) use new_spinlock_irq;
