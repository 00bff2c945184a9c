// SPDX-License-Identifier: GPL-2.0

//! Module parameters that are text and writable at run time, which the kernel crate does not
//! support yet: `module!` registers read-only numbers.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use super::bindings;
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ptr, //
};
use kernel::{
    error::from_result,
    ffi::{
        c_char,
        c_int, //
    },
    page::PAGE_SIZE,
    prelude::*,
    str::CStrExt, //
};

/// The operations of each parameter.
///
/// On load, C calls `.set` whatever the mode. With this flag it also does so for a name without a
/// value, with a null pointer, so that the module logs its own error.
pub(crate) static OPS: kernel::bindings::kernel_param_ops = kernel::bindings::kernel_param_ops {
    flags: kernel::bindings::KERNEL_PARAM_OPS_FL_NOARG,
    set: Some(set),
    get: Some(get),
    free: Some(free),
};

/// Registers parameters with [`OPS`], numbered in order, and describes them to `modinfo`.
macro_rules! register_params {
    ($($name:ident, $mode:literal, $description:expr;)+) => {
        /// The numbers of the parameters.
        #[allow(non_camel_case_types, reason = "as the parameters are called")]
        enum Number {
            $($name,)+
        }

        $(const _: () = {
            $crate::ffi::modinfo::module_info!("parm", concat!(stringify!($name), ":", $description));

            #[link_section = "__param"]
            #[used(compiler)]
            static PARAM: ::kernel::module_param::KernelParam = $crate::ffi::params::param(
                concat!(stringify!($name), "\0"),
                $mode,
                Number::$name as usize,
            );
        };)+
    };
}
pub(crate) use register_params;

/// Creates a parameter for the section in which C finds them.
pub(crate) const fn param(
    name: &'static str,
    mode: u16,
    number: usize,
) -> kernel::module_param::KernelParam {
    kernel::module_param::KernelParam::new(kernel::bindings::kernel_param {
        name: name.as_ptr().cast(),
        mod_: &raw mut kernel::bindings::__this_module,
        ops: ptr::from_ref(&OPS),
        perm: mode,
        level: -1,
        flags: 0,
        __bindgen_anon_1: kernel::bindings::kernel_param__bindgen_ty_1 {
            arg: ptr::without_provenance_mut(number),
        },
    })
}

/// Returns the number of a parameter that was created by [`param`].
///
/// # Safety
///
/// `param` must be one of those.
unsafe fn number(param: *const kernel::bindings::kernel_param) -> usize {
    // SAFETY: By this function's requirement it is valid, and has the number in this field.
    unsafe { (*param).__bindgen_anon_1.arg.addr() }
}

/// Sets a parameter: from `insmod`'s arguments, or by a write to its file.
///
/// The files belong to uid 0, which need not have any capability in a container, and an open file
/// can be passed on. So the capability that nft requires is required, in the initial user
/// namespace; or that to load modules, since insmod sets values, too, also of read-only parameters.
///
/// # Safety
///
/// To be called by C's parameter code only, with the parameter lock held, with a NUL-terminated
/// string or a null pointer.
unsafe extern "C" fn set(
    value: *const c_char,
    param: *const kernel::bindings::kernel_param,
) -> c_int {
    // SAFETY: May be called in process context.
    let may = |capability: u32| unsafe { kernel::bindings::capable(capability as c_int) };

    from_result(|| {
        if !may(kernel::bindings::CAP_NET_ADMIN) && !may(kernel::bindings::CAP_SYS_MODULE) {
            return Err(EPERM);
        }
        let value = match value.is_null() {
            true => None,
            // SAFETY: By this function's requirement.
            false => Some(unsafe { CStr::from_char_ptr(value) }.to_bytes()),
        };
        // SAFETY: By this function's requirement.
        let number = unsafe { number(param) };
        // SAFETY: By this function's requirement.
        crate::params::set(&mut unsafe { ParamLock::of_caller() }, number, value)?;
        Ok(0)
    })
}

/// Reads a parameter. Returns the number of bytes, which is less than a page: `sysfs_kf_seq_show()`
/// warns on a full one.
///
/// # Safety
///
/// To be called by C's parameter code only, with the parameter lock held, with a page to write to.
unsafe extern "C" fn get(to: *mut c_char, param: *const kernel::bindings::kernel_param) -> c_int {
    // SAFETY: By this function's requirement; C has zeroed it.
    let to = unsafe { core::slice::from_raw_parts_mut(to.cast::<u8>(), PAGE_SIZE - 1) };
    // SAFETY: By this function's requirement.
    let number = unsafe { number(param) };

    // SAFETY: By this function's requirement.
    crate::params::get(&mut unsafe { ParamLock::of_caller() }, number, to) as c_int
}

/// Frees a parameter's value. Called on module exit, also if the module's init did not run.
extern "C" fn free(_arg: *mut kernel::ffi::c_void) {
    // SAFETY: Reports are not scheduled any more, and the parameter lock is not held.
    unsafe { bindings::nf_tracer_cancel_report() };
    crate::params::free();
}

/// A guard of the module's parameter lock. C holds the lock whenever a parameter is set or read.
pub(crate) struct ParamLock {
    /// Whether it was acquired by this object, not by C.
    ours: bool,
    /// The lock belongs to a task.
    _not_send: PhantomData<*const ()>,
}

impl ParamLock {
    /// Acquires the lock. May sleep; must not be called while a parameter is being set or read.
    pub(crate) fn take() -> Self {
        // SAFETY: Called in process context, with this module, which the kernel has set up.
        unsafe { bindings::kernel_param_lock(&raw mut kernel::bindings::__this_module) };
        Self {
            ours: true,
            _not_send: PhantomData,
        }
    }

    /// Returns a guard for the lock that the caller holds.
    ///
    /// # Safety
    ///
    /// The caller must hold it for as long as the result lives, and have no other guard of it.
    unsafe fn of_caller() -> Self {
        Self {
            ours: false,
            _not_send: PhantomData,
        }
    }
}

impl Drop for ParamLock {
    fn drop(&mut self) {
        if self.ours {
            // SAFETY: It was acquired when `self` was created, by the same task.
            unsafe { bindings::kernel_param_unlock(&raw mut kernel::bindings::__this_module) };
        }
    }
}

/// A value protected by the module's parameter lock.
pub(crate) struct ParamLocked<T>(UnsafeCell<T>);

// SAFETY: Access requires the lock, and a mutable borrow of its only guard.
unsafe impl<T: Send> Sync for ParamLocked<T> {}

impl<T> ParamLocked<T> {
    /// Creates a protected value.
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Returns the value, for as long as the guard is borrowed: there is no other access in that
    /// time.
    pub(crate) fn get<'a>(&'a self, _lock: &'a mut ParamLock) -> &'a mut T {
        // SAFETY: The lock is held, and its only guard is borrowed for as long as the result lives.
        unsafe { &mut *self.0.get() }
    }
}
