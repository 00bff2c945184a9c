// SPDX-License-Identifier: GPL-2.0

//! The context in which a handler is called for a packet.
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

/// C's `struct nf_hook_state`, borrowed for one call of a handler.
///
/// It may be used after the packet was consumed: the call is inside `rcu_read_lock()`, so devices
/// and the namespace stay valid. A socket is valid only as long as its packet: see
/// [`Packet::socket`](super::Packet::socket).
pub struct HookState<'a> {
    raw: &'a bindings::nf_hook_state,
    family: Family,
    hook: Hook,
}

impl<'a> HookState<'a> {
    /// Wraps the state that a hook was called with.
    ///
    /// `None` if it names a point at which nothing here can be registered.
    ///
    /// # Safety
    ///
    /// The devices and the namespace that `raw` refers to must be valid for `'a`.
    #[inline]
    pub(super) unsafe fn new(raw: &'a bindings::nf_hook_state) -> Option<Self> {
        let (family, hook) = point::from_raw(raw.pf, raw.hook)?;

        Some(Self { raw, family, hook })
    }

    /// Returns the packet's family.
    #[inline]
    pub fn family(&self) -> Family {
        self.family
    }

    /// Returns the hook point that the packet is at.
    #[inline]
    pub fn hook(&self) -> Hook {
        self.hook
    }

    /// Returns the family as C's `NFPROTO_*` number.
    #[inline]
    pub fn pf(&self) -> u8 {
        self.raw.pf
    }

    /// Returns the hook point as C's number within its family.
    #[inline]
    pub fn hooknum(&self) -> u8 {
        self.raw.hook
    }

    /// Returns the input device, if the hook point has one.
    #[inline]
    pub fn input(&self) -> Option<DeviceRef<'a>> {
        NonNull::new(self.raw.in_).map(|raw| DeviceRef(raw, PhantomData))
    }

    /// Returns the output device, if the hook point has one.
    #[inline]
    pub fn output(&self) -> Option<DeviceRef<'a>> {
        NonNull::new(self.raw.out).map(|raw| DeviceRef(raw, PhantomData))
    }

    /// Returns the inode number of the network namespace, as in `/proc/PID/ns/net`.
    #[inline]
    pub fn net_inode(&self) -> u32 {
        // SAFETY: The core passes the namespace that the hook is called in.
        unsafe { bindings::net_inode(self.raw.net) }
    }

    /// Returns whether the hook is called in the initial network namespace, C's `init_net`.
    #[inline]
    pub fn is_initial_net(&self) -> bool {
        core::ptr::eq(self.raw.net, &raw const bindings::init_net)
    }
}

/// A network device, borrowed for one call of a handler.
///
/// # Invariants
///
/// The device is valid for `'a`.
#[derive(Clone, Copy)]
pub struct DeviceRef<'a>(NonNull<bindings::net_device>, PhantomData<&'a ()>);

impl DeviceRef<'_> {
    /// Returns the interface index, unique in its namespace.
    #[inline]
    pub fn index(&self) -> i32 {
        // SAFETY: The device is valid by the type invariant.
        unsafe { bindings::netdev_ifindex(self.0.as_ptr()) }
    }

    /// Returns the name. During a rename it may be a mixture of both names.
    #[inline]
    pub fn name(&self) -> DeviceName {
        let mut name = DeviceName([0; bindings::IFNAMSIZ as usize]);
        // SAFETY: The device is valid by the type invariant, and the array has room for a name.
        unsafe { bindings::nf_tracer_netdev_copy_name(self.0.as_ptr(), name.0.as_mut_ptr()) };
        name
    }
}

/// The name of a network device.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceName([u8; bindings::IFNAMSIZ as usize]);

impl DeviceName {
    /// Returns the name, padded with zeros.
    #[inline]
    pub fn as_array(&self) -> &[u8; bindings::IFNAMSIZ as usize] {
        &self.0
    }

    /// Returns the bytes of the name, at most 15.
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

/// A socket, borrowed for one call of a handler.
///
/// # Invariants
///
/// The socket is a full one (no request, no time-wait socket) and valid for `'a`.
#[derive(Clone, Copy)]
pub struct SocketRef<'a>(NonNull<bindings::sock>, PhantomData<&'a ()>);

impl SocketRef<'_> {
    /// Wraps a socket, or the listener of a request socket. `None` if there is none.
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

    /// Returns the user id of the socket's owner, in the initial user namespace. `None` for kernel
    /// sockets, which no user created.
    #[inline]
    pub fn uid(&self) -> Option<u32> {
        let sk = self.0.as_ptr();
        // SAFETY: The socket is valid by the type invariant.
        unsafe { (!bindings::sk_is_kern(sk)).then(|| bindings::sk_uid(sk)) }
    }

    /// Returns the socket's cookie, unique since boot, as shown by `ss -e` and `SO_COOKIE`. `None`
    /// until one was requested there: generating one is not left to a module.
    #[inline]
    pub fn cookie(&self) -> Option<NonZeroU64> {
        // SAFETY: The socket is valid by the type invariant.
        NonZeroU64::new(unsafe { bindings::sk_cookie(self.0.as_ptr()) })
    }
}
