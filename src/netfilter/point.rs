// SPDX-License-Identifier: GPL-2.0

//! Where on a packet's way a handler is called: protocol family, hook point and priority.
//!
//! C headers: [`include/uapi/linux/netfilter.h`](srctree/include/uapi/linux/netfilter.h),
//! [`include/uapi/linux/netfilter_ipv4.h`](srctree/include/uapi/linux/netfilter_ipv4.h)

use crate::bindings as nf;
use kernel::bindings;

/// A protocol family of hooks, C's `NFPROTO_*`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4, `NFPROTO_IPV4`.
    Ipv4,
    /// IPv6, `NFPROTO_IPV6`.
    Ipv6,
}

impl Family {
    /// How many there are.
    pub(crate) const COUNT: usize = 2;

    /// The family that C calls `value`, if it is one of those above.
    pub(super) fn from_raw(value: u8) -> Option<Self> {
        match u32::from(value) {
            bindings::NFPROTO_IPV4 => Some(Self::Ipv4),
            bindings::NFPROTO_IPV6 => Some(Self::Ipv6),
            _ => None,
        }
    }

    /// The name that people know it by.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }

    pub(super) const fn as_raw(self) -> u8 {
        let value = match self {
            Self::Ipv4 => bindings::NFPROTO_IPV4,
            Self::Ipv6 => bindings::NFPROTO_IPV6,
        };
        value as u8
    }
}

/// A hook point of the IP families, C's `enum nf_inet_hooks`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    /// Come in by a device, before routing: `NF_INET_PRE_ROUTING`.
    PreRouting,
    /// For this host: `NF_INET_LOCAL_IN`.
    LocalIn,
    /// For another host: `NF_INET_FORWARD`.
    Forward,
    /// Made by this host, before routing is final: `NF_INET_LOCAL_OUT`.
    LocalOut,
    /// About to leave by a device: `NF_INET_POST_ROUTING`.
    PostRouting,
}

impl Hook {
    /// How many there are.
    pub(crate) const COUNT: usize = 5;

    /// The hook point that C calls `value`, if it is one of those above.
    pub(super) fn from_raw(value: u8) -> Option<Self> {
        match u32::from(value) {
            bindings::nf_inet_hooks_NF_INET_PRE_ROUTING => Some(Self::PreRouting),
            bindings::nf_inet_hooks_NF_INET_LOCAL_IN => Some(Self::LocalIn),
            bindings::nf_inet_hooks_NF_INET_FORWARD => Some(Self::Forward),
            bindings::nf_inet_hooks_NF_INET_LOCAL_OUT => Some(Self::LocalOut),
            bindings::nf_inet_hooks_NF_INET_POST_ROUTING => Some(Self::PostRouting),
            _ => None,
        }
    }

    /// The name that `nft` gives it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PreRouting => "prerouting",
            Self::LocalIn => "input",
            Self::Forward => "forward",
            Self::LocalOut => "output",
            Self::PostRouting => "postrouting",
        }
    }

    pub(super) const fn as_raw(self) -> u32 {
        match self {
            Self::PreRouting => bindings::nf_inet_hooks_NF_INET_PRE_ROUTING,
            Self::LocalIn => bindings::nf_inet_hooks_NF_INET_LOCAL_IN,
            Self::Forward => bindings::nf_inet_hooks_NF_INET_FORWARD,
            Self::LocalOut => bindings::nf_inet_hooks_NF_INET_LOCAL_OUT,
            Self::PostRouting => bindings::nf_inet_hooks_NF_INET_POST_ROUTING,
        }
    }
}

/// The place of a handler among those of the same hook point: lower is earlier.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Priority(i32);

impl Priority {
    /// Before all others, connection tracking and defragmentation included: `NF_IP_PRI_FIRST`.
    pub(crate) const FIRST: Self = Self(nf::nf_ip_hook_priorities_NF_IP_PRI_FIRST);

    pub(super) const fn as_raw(self) -> i32 {
        self.0
    }
}

/// Where a handler is called: a hook point of a family, at a priority.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) family: Family,
    pub(crate) hook: Hook,
    pub(crate) priority: Priority,
}
