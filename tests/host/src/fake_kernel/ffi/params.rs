// SPDX-License-Identifier: GPL-2.0

//! The parameters, and the lock that protects their values.

use std::{
    any::Any,
    sync::{
        Mutex,
        MutexGuard,
        PoisonError, //
    }, //
};

/// Registers nothing: the tests call what C would call.
macro_rules! register_params {
    ($($name:ident, $mode:literal, $description:expr;)+) => {
        /// The parameters with their modes and their `modinfo` descriptions, in the order of their
        /// numbers.
        #[cfg_attr(not(test), allow(dead_code, reason = "a test compares them"))]
        pub(crate) const REGISTERED: [(&str, u16, &str); [$(stringify!($name)),+].len()] =
            [$((stringify!($name), $mode, $description)),+];
    };
}
pub(crate) use register_params;

/// The only value that the lock protects.
type Value = Option<&'static mut (dyn Any + Send)>;

static VALUE: Mutex<Value> = Mutex::new(None);

/// A guard of the lock.
pub(crate) struct ParamLock(MutexGuard<'static, Value>);

impl ParamLock {
    pub(crate) fn take() -> Self {
        Self(VALUE.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The protected value, until its first access.
pub(crate) struct ParamLocked<T>(Mutex<Option<T>>);

impl<T: Send + 'static> ParamLocked<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(Some(value)))
    }

    pub(crate) fn get<'a>(&'a self, lock: &'a mut ParamLock) -> &'a mut T {
        let first = || -> &'static mut (dyn Any + Send) {
            let value = self.0.lock().unwrap().take();
            Box::leak(Box::new(value.expect("there is one value")))
        };
        let value = lock.0.get_or_insert_with(first);
        value.downcast_mut().expect("there is one type of value")
    }
}
