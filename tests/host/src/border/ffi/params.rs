// SPDX-License-Identifier: GPL-2.0

//! The parameters, and the lock that guards their values.

use std::{
    any::Any,
    sync::{
        Mutex,
        MutexGuard,
        PoisonError, //
    }, //
};

/// Registers nothing: the tests call what C calls.
macro_rules! register_params {
    ($($name:ident, $mode:literal, $description:expr;)+) => {
        /// The parameters with their modes and what `modinfo` shows of them, in the order of their numbers.
        #[cfg_attr(not(test), allow(dead_code, reason = "a test compares them"))]
        pub(crate) const REGISTERED: [(&str, u16, &str); [$(stringify!($name)),+].len()] =
            [$((stringify!($name), $mode, $description)),+];
    };
}
pub(crate) use register_params;

/// What the lock guards, of which there is one.
type Value = Option<&'static mut (dyn Any + Send)>;

static VALUE: Mutex<Value> = Mutex::new(None);

/// The lock, held.
pub(crate) struct ParamLock(MutexGuard<'static, Value>);

impl ParamLock {
    pub(crate) fn take() -> Self {
        Self(VALUE.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The value that is guarded, until it is first looked at.
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
