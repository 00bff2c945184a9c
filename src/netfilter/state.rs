// SPDX-License-Identifier: GPL-2.0

//! Where a packet is when a handler is called with it.
//!
//! C header: [`include/linux/netfilter.h`](srctree/include/linux/netfilter.h)

use super::{
    point,
    Family,
    Hook, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    num::NonZeroU64,
    ptr::NonNull, //
};
use kernel::{
    fmt,
    str::BStr, //
};

/// What C's `struct nf_hook_state` says, for the time of one call of a handler.
///
/// It may be looked at after the packet was answered: the call is inside `rcu_read_lock()`, for which devices
/// and the namespace stay. A socket may stay only with its packet: [`Packet::socket`](super::Packet::socket).
pub struct HookState<'a> {
    raw: &'a bindings::nf_hook_state,
    family: Family,
    hook: Hook,
}

impl<'a> HookState<'a> {
    /// Wraps the state that a hook was called with.
    ///
    /// `None` if it names a point that nothing here can be registered at.
    ///
    /// # Safety
    ///
    /// The devices and the namespace that `raw` names must be valid for `'a`.
    #[inline]
    pub(super) unsafe fn new(raw: &'a bindings::nf_hook_state) -> Option<Self> {
        let (family, hook) = point::from_raw(raw.pf, raw.hook)?;

        Some(Self { raw, family, hook })
    }

    /// The packet's family.
    #[inline]
    pub fn family(&self) -> Family {
        self.family
    }

    /// The hook point that the packet is at.
    #[inline]
    pub fn hook(&self) -> Hook {
        self.hook
    }

    /// C's number of the family, `NFPROTO_*`.
    #[inline]
    pub fn pf(&self) -> u8 {
        self.raw.pf
    }

    /// C's number of the hook point, in its family.
    #[inline]
    pub fn hooknum(&self) -> u8 {
        self.raw.hook
    }

    /// The device that the packet came in by, if the hook point knows.
    #[inline]
    pub fn input(&self) -> Option<DeviceRef<'a>> {
        NonNull::new(self.raw.in_).map(|raw| DeviceRef(raw, PhantomData))
    }

    /// The device that the packet is to leave by, if the hook point knows.
    #[inline]
    pub fn output(&self) -> Option<DeviceRef<'a>> {
        NonNull::new(self.raw.out).map(|raw| DeviceRef(raw, PhantomData))
    }

    /// The inode number of the network namespace, as in `/proc/PID/ns/net`.
    #[inline]
    pub fn net_inode(&self) -> u32 {
        // SAFETY: The core passes the namespace that the hook is called in.
        unsafe { bindings::net_inode(self.raw.net) }
    }

    /// Whether the hook is called in the network namespace that the kernel boots into, C's `init_net`.
    #[inline]
    pub fn is_initial_net(&self) -> bool {
        core::ptr::eq(self.raw.net, &raw const bindings::init_net)
    }
}

/// A network device, for the time of one call of a handler.
///
/// # Invariants
///
/// The device is valid for `'a`.
#[derive(Clone, Copy)]
pub struct DeviceRef<'a>(NonNull<bindings::net_device>, PhantomData<&'a ()>);

impl DeviceRef<'_> {
    /// The interface index, unique in its namespace.
    #[inline]
    pub fn index(&self) -> i32 {
        // SAFETY: The device is valid by the type invariant.
        unsafe { bindings::netdev_ifindex(self.0.as_ptr()) }
    }

    /// The name. If it is changed at this moment, it may be a mixture of both.
    #[inline]
    pub fn name(&self) -> DeviceName {
        let mut name = DeviceName([0; bindings::IFNAMSIZ as usize]);
        // SAFETY: The device is valid by the type invariant, and there is room for a name.
        unsafe { bindings::nf_tracer_netdev_copy_name(self.0.as_ptr(), name.0.as_mut_ptr()) };
        name
    }
}

/// The name of a network device.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceName([u8; bindings::IFNAMSIZ as usize]);

impl DeviceName {
    /// The name with the zeros behind it.
    #[inline]
    pub fn as_array(&self) -> &[u8; bindings::IFNAMSIZ as usize] {
        &self.0
    }

    /// The bytes of the name, at most 15.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        BStr::from_bytes(self.as_bytes()).fmt(f)
    }
}

/// A socket, for the time of one call of a handler.
///
/// # Invariants
///
/// The socket is a full one (no request, no time-wait socket) and valid for `'a`.
#[derive(Clone, Copy)]
pub struct SocketRef<'a>(NonNull<bindings::sock>, PhantomData<&'a ()>);

impl SocketRef<'_> {
    /// Wraps a socket, or the listener of one that is still a request. `None` if there is none.
    ///
    /// # Safety
    ///
    /// `sk` must be null, or valid for the lifetime of the result.
    #[inline]
    pub(super) unsafe fn from_raw(sk: *mut bindings::sock) -> Option<Self> {
        // SAFETY: By this function's requirement; a null pointer is passed through.
        let full = unsafe { bindings::sk_to_full_sk(sk) };
        // INVARIANT: The socket is full, and as valid as `sk`, which holds it.
        NonNull::new(full).map(|raw| Self(raw, PhantomData))
    }

    /// The user id of the socket's owner, as the initial user namespace has it. `None` for the kernel's own
    /// sockets, which no user has made.
    #[inline]
    pub fn uid(&self) -> Option<u32> {
        let sk = self.0.as_ptr();
        // SAFETY: The socket is valid by the type invariant.
        unsafe { (!bindings::sk_is_kern(sk)).then(|| bindings::sk_uid(sk)) }
    }

    /// The socket's cookie, unique since boot, as `ss -e` and `SO_COOKIE` say it. `None` before
    /// anybody has asked for it there: making one is not a module's to do.
    #[inline]
    pub fn cookie(&self) -> Option<NonZeroU64> {
        // SAFETY: The socket is valid by the type invariant.
        NonZeroU64::new(unsafe { bindings::sk_cookie(self.0.as_ptr()) })
    }
}
