// SPDX-License-Identifier: GPL-2.0

//! Module parameters that are text and may change while the module is loaded, which the kernel crate
//! does not have yet.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use super::bindings;
use core::{
    cell::UnsafeCell,
    marker::PhantomData, //
};
use kernel::{
    error::from_result,
    ffi::{
        c_char,
        c_int,
        c_uint, //
    },
    prelude::*,
    str::CStrExt, //
};

/// The module's parameter lock, held. C holds it whenever a parameter is set or read.
pub(crate) struct ParamLock {
    /// Taken by this object, not by C.
    ours: bool,
    /// It belongs to a task.
    _not_send: PhantomData<*const ()>,
}

impl ParamLock {
    /// Takes the lock. May sleep; not to be called while a parameter is being set or read.
    pub(crate) fn take() -> Self {
        // SAFETY: Called in process context.
        unsafe { bindings::param_lock() };
        Self {
            ours: true,
            _not_send: PhantomData,
        }
    }
}

impl Drop for ParamLock {
    fn drop(&mut self) {
        if self.ours {
            // SAFETY: It was taken when `self` was made, by the same task.
            unsafe { bindings::param_unlock() };
        }
    }
}

/// A value that the module's parameter lock guards.
pub(crate) struct ParamLocked<T>(UnsafeCell<T>);

// SAFETY: Access needs the lock, and a mutable borrow of the one proof that it is held.
unsafe impl<T: Send> Sync for ParamLocked<T> {}

impl<T> ParamLocked<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The value, for as long as the lock is borrowed: there is no other access in that time.
    pub(crate) fn get<'a>(&'a self, _lock: &'a mut ParamLock) -> &'a mut T {
        // SAFETY: The lock is held, and its only proof is borrowed for as long as the result lives.
        unsafe { &mut *self.0.get() }
    }
}

/// What C calls when a parameter is set: see `params.h`.
///
/// # Safety
///
/// To be called by C's parameter code only, with a string that ends in 0, or a null pointer.
#[no_mangle]
unsafe extern "C" fn nf_tracer_param_set(param: c_uint, value: *const c_char) -> c_int {
    from_result(|| {
        let value = match value.is_null() {
            true => None,
            // SAFETY: By this function's requirement.
            false => Some(unsafe { CStr::from_char_ptr(value) }.to_bytes()),
        };
        let mut lock = ParamLock {
            ours: false,
            _not_send: PhantomData,
        };
        crate::params::set(&mut lock, param, value)?;
        Ok(0)
    })
}

/// What C calls when a parameter is read: see `params.h`.
///
/// # Safety
///
/// To be called by C's parameter code only, with `size` bytes to write to.
#[no_mangle]
unsafe extern "C" fn nf_tracer_param_get(param: c_uint, to: *mut c_char, size: usize) -> c_int {
    // SAFETY: By this function's requirement; C has zeroed them.
    let to = unsafe { core::slice::from_raw_parts_mut(to.cast::<u8>(), size) };
    let mut lock = ParamLock {
        ours: false,
        _not_send: PhantomData,
    };
    crate::params::get(&mut lock, param, to) as c_int
}

/// What C calls a second after a report was scheduled: see `report.h`.
#[no_mangle]
extern "C" fn nf_tracer_report_suppressed() {
    crate::params::report_suppressed();
}

/// What C calls when the module goes: see `params.h`.
#[no_mangle]
extern "C" fn nf_tracer_param_free(_param: c_uint) {
    crate::params::free();
}
