// SPDX-License-Identifier: GPL-2.0

//! The numbers of the parameters, and the lock that guards their values.

use std::{
    any::Any,
    sync::{
        Mutex,
        MutexGuard,
        PoisonError, //
    }, //
};

/// C's `enum nf_tracer_param`.
pub(crate) mod bindings {
    #![allow(
        non_camel_case_types,
        non_upper_case_globals,
        reason = "as bindgen has them"
    )]

    pub(crate) type nf_tracer_param = u32;

    macro_rules! numbers {
        ($($number:literal $name:ident,)+) => {
            $(pub(crate) const $name: nf_tracer_param = $number;)+
        };
    }
    numbers! {
        0 nf_tracer_param_NF_TRACER_HOOKS,
        1 nf_tracer_param_NF_TRACER_FAMILY,
        2 nf_tracer_param_NF_TRACER_PROTO,
        3 nf_tracer_param_NF_TRACER_HOST,
        4 nf_tracer_param_NF_TRACER_SRC,
        5 nf_tracer_param_NF_TRACER_DST,
        6 nf_tracer_param_NF_TRACER_PORT,
        7 nf_tracer_param_NF_TRACER_SPORT,
        8 nf_tracer_param_NF_TRACER_DPORT,
        9 nf_tracer_param_NF_TRACER_IFACE,
        10 nf_tracer_param_NF_TRACER_BPF,
        11 nf_tracer_param_NF_TRACER_NETNS,
        12 nf_tracer_param_NF_TRACER_RATE,
        13 nf_tracer_param_NF_TRACER_BURST,
        14 nf_tracer_param_NF_TRACER_FORMAT,
        15 nf_tracer_param_NF_TRACER_SINK,
        16 nf_tracer_param_NF_TRACER_PRIORITY,
        17 nf_tracer_param_NF_TRACER_COUNTS,
    }
}

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
