// SPDX-License-Identifier: GPL-2.0

//! The kernel crate, implemented by the standard library.

pub(crate) use core::fmt;

use core::result;

/// C's error numbers, as far as they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Error(i32);

impl Error {
    pub(crate) fn to_errno(self) -> i32 {
        self.0
    }
}

pub(crate) mod page {
    pub(crate) const PAGE_SIZE: usize = 4096;
}

/// Out of memory.
pub(crate) struct AllocError;

impl From<AllocError> for Error {
    fn from(_: AllocError) -> Self {
        Self(-12)
    }
}

pub(crate) type Result<T = (), E = Error> = result::Result<T, E>;

/// Allocation flags.
pub(crate) struct Flags;

pub(crate) mod prelude {
    pub(crate) use super::{
        pr_err,
        pr_info,
        pr_notice,
        pr_warn,
        Error,
        Flags,
        KBox,
        KVec,
        Result, //
    };
    pub(crate) use core::{
        ffi::CStr,
        format_args as fmt, //
    };

    pub(crate) const EACCES: Error = Error(-13);
    pub(crate) const EINVAL: Error = Error(-22);
    pub(crate) const ENOENT: Error = Error(-2);
    pub(crate) const EOPNOTSUPP: Error = Error(-95);
    pub(crate) const GFP_KERNEL: Flags = Flags;
}

macro_rules! pr_line {
    ($($argument:tt)*) => {
        crate::fake_kernel::output::add(|output| output.lines.push(format!($($argument)*)))
    };
}
pub(crate) use pr_line as pr_err;
pub(crate) use pr_line as pr_info;
pub(crate) use pr_line as pr_notice;
pub(crate) use pr_line as pr_warn;

pub(crate) struct KBox<T>(pub(super) Box<T>);

impl<T> KBox<T> {
    pub(crate) fn new(value: T, _: Flags) -> Result<Self, AllocError> {
        Ok(Self(Box::new(value)))
    }
}

pub(crate) struct KVec<T>(Vec<T>);

impl<T> KVec<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn with_capacity(capacity: usize, _: Flags) -> Result<Self, AllocError> {
        Ok(Self(Vec::with_capacity(capacity)))
    }

    pub(crate) fn push(&mut self, value: T, _: Flags) -> Result<(), AllocError> {
        self.0.push(value);
        Ok(())
    }
}

impl<T> core::ops::Deref for KVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T> IntoIterator for &'a KVec<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

pub(crate) mod sync {
    use super::{
        AllocError,
        Flags,
        Result, //
    };
    use core::ops::{
        Deref,
        DerefMut, //
    };

    pub(crate) struct Arc<T>(std::sync::Arc<T>);

    impl<T> Arc<T> {
        pub(crate) fn new(value: T, _: Flags) -> Result<Self, AllocError> {
            Ok(Self(std::sync::Arc::new(value)))
        }
    }

    impl<T> Clone for Arc<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl<T> Deref for Arc<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }

    pub(crate) struct UniqueArc<T>(Box<T>);

    impl<T> UniqueArc<T> {
        pub(crate) fn new(value: T, _: Flags) -> Result<Self, AllocError> {
            Ok(Self(Box::new(value)))
        }
    }

    impl<T> Deref for UniqueArc<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }

    impl<T> DerefMut for UniqueArc<T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.0
        }
    }

    impl<T> From<UniqueArc<T>> for Arc<T> {
        fn from(unique: UniqueArc<T>) -> Self {
            Self(std::sync::Arc::from(unique.0))
        }
    }

    pub(crate) mod rcu {
        use std::cell::RefCell;

        thread_local! {
            static AT_GRACE_PERIOD: RefCell<Vec<Box<dyn FnOnce()>>> = RefCell::default();
        }

        /// Runs `reader` at the next grace period, as the last thing that it waits for.
        #[cfg(test)]
        pub(crate) fn at_grace_period(reader: impl FnOnce() + 'static) {
            AT_GRACE_PERIOD.with_borrow_mut(|readers| readers.push(Box::new(reader)));
        }

        pub(crate) fn synchronize_rcu() {
            for reader in AT_GRACE_PERIOD.take() {
                reader();
            }
        }
    }

    pub(crate) mod atomic {
        pub(crate) use std::sync::atomic::Ordering::Relaxed;
        use std::sync::atomic::{
            AtomicU64,
            Ordering, //
        };

        pub(crate) struct Atomic<T>(AtomicU64, core::marker::PhantomData<T>);

        impl Atomic<u64> {
            pub(crate) const fn new(value: u64) -> Self {
                Self(AtomicU64::new(value), core::marker::PhantomData)
            }

            pub(crate) fn load(&self, order: Ordering) -> u64 {
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: u64, order: Ordering) {
                self.0.store(value, order);
            }

            pub(crate) fn xchg(&self, value: u64, order: Ordering) -> u64 {
                self.0.swap(value, order)
            }

            pub(crate) fn cmpxchg(&self, old: u64, new: u64, order: Ordering) -> Result<u64, u64> {
                self.0.compare_exchange(old, new, order, order)
            }
        }
    }
}
