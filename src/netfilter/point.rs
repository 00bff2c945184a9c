// SPDX-License-Identifier: GPL-2.0

//! Hook points: family, hook and priority.
//!
//! C headers: [`include/uapi/linux/netfilter.h`](srctree/include/uapi/linux/netfilter.h),
//! [`include/uapi/linux/netfilter_ipv4.h`](srctree/include/uapi/linux/netfilter_ipv4.h),
//! [`include/uapi/linux/netfilter_arp.h`](srctree/include/uapi/linux/netfilter_arp.h),
//! [`include/uapi/linux/netfilter_bridge.h`](srctree/include/uapi/linux/netfilter_bridge.h)

use crate::bindings::{
    self,
    compat::code::EOPNOTSUPP, //
};
use kernel::{
    fmt,
    prelude::*, //
};

/// A hook family, C's `NFPROTO_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4, `NFPROTO_IPV4`.
    Ipv4,
    /// IPv6, `NFPROTO_IPV6`.
    Ipv6,
    /// ARP, `NFPROTO_ARP`.
    Arp,
    /// Bridged packets, `NFPROTO_BRIDGE`.
    Bridge,
    /// A network device, `NFPROTO_NETDEV`.
    Netdev,
}

impl Family {
    /// The number of families.
    pub const COUNT: usize = 5;

    /// Returns the name that `nft` uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Arp => "arp",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
        }
    }
}

/// A hook, independent of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Received, before routing: `NF_INET_PRE_ROUTING`.
    PreRouting,
    /// Routed to this host: `NF_INET_LOCAL_IN`, `NF_ARP_IN`.
    LocalIn,
    /// Routed to another host: `NF_INET_FORWARD`, `NF_ARP_FORWARD`.
    Forward,
    /// Locally generated, before routing is final: `NF_INET_LOCAL_OUT`, `NF_ARP_OUT`.
    LocalOut,
    /// About to leave by a device: `NF_INET_POST_ROUTING`.
    PostRouting,
    /// Just received from a device: `NF_NETDEV_INGRESS`, `NF_INET_INGRESS`.
    Ingress,
    /// About to be passed to a device: `NF_NETDEV_EGRESS`.
    Egress,
}

impl Hook {
    /// The number of hooks.
    pub const COUNT: usize = 7;

    /// Returns the name that `nft` uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PreRouting => "prerouting",
            Self::LocalIn => "input",
            Self::Forward => "forward",
            Self::LocalOut => "output",
            Self::PostRouting => "postrouting",
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// Converts `pf` and `hook` of C's `struct nf_hook_state`.
///
/// `None` for combinations that no [`HookPoint`] has, which the netfilter core does not call our
/// hooks with.
#[inline]
pub(super) fn from_raw(pf: u8, hook: u8) -> Option<(Family, Hook)> {
    let hook = u32::from(hook);
    let family = match u32::from(pf) {
        bindings::NFPROTO_IPV4 => Family::Ipv4,
        bindings::NFPROTO_IPV6 => Family::Ipv6,
        bindings::NFPROTO_BRIDGE => Family::Bridge,
        bindings::NFPROTO_ARP => {
            let hook = match hook {
                bindings::NF_ARP_IN => Hook::LocalIn,
                bindings::NF_ARP_OUT => Hook::LocalOut,
                bindings::NF_ARP_FORWARD => Hook::Forward,
                _ => return None,
            };
            return Some((Family::Arp, hook));
        }
        bindings::NFPROTO_NETDEV => {
            let hook = match hook {
                bindings::nf_dev_hooks_NF_NETDEV_INGRESS => Hook::Ingress,
                bindings::nf_dev_hooks_NF_NETDEV_EGRESS => Hook::Egress,
                _ => return None,
            };
            return Some((Family::Netdev, hook));
        }
        _ => return None,
    };
    // The bridge family uses the same numbers, as `NF_BR_*`.
    let hook = match hook {
        bindings::nf_inet_hooks_NF_INET_PRE_ROUTING => Hook::PreRouting,
        bindings::nf_inet_hooks_NF_INET_LOCAL_IN => Hook::LocalIn,
        bindings::nf_inet_hooks_NF_INET_FORWARD => Hook::Forward,
        bindings::nf_inet_hooks_NF_INET_LOCAL_OUT => Hook::LocalOut,
        bindings::nf_inet_hooks_NF_INET_POST_ROUTING => Hook::PostRouting,
        _ => return None,
    };

    Some((family, hook))
}

/// A hook of the IP families and the bridge, C's `enum nf_inet_hooks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InetHook {
    /// See [`Hook::PreRouting`].
    PreRouting,
    /// See [`Hook::LocalIn`].
    LocalIn,
    /// See [`Hook::Forward`].
    Forward,
    /// See [`Hook::LocalOut`].
    LocalOut,
    /// See [`Hook::PostRouting`].
    PostRouting,
}

impl InetHook {
    const fn as_raw(self) -> u32 {
        match self {
            Self::PreRouting => bindings::nf_inet_hooks_NF_INET_PRE_ROUTING,
            Self::LocalIn => bindings::nf_inet_hooks_NF_INET_LOCAL_IN,
            Self::Forward => bindings::nf_inet_hooks_NF_INET_FORWARD,
            Self::LocalOut => bindings::nf_inet_hooks_NF_INET_LOCAL_OUT,
            Self::PostRouting => bindings::nf_inet_hooks_NF_INET_POST_ROUTING,
        }
    }
}

impl From<InetHook> for Hook {
    fn from(hook: InetHook) -> Self {
        match hook {
            InetHook::PreRouting => Self::PreRouting,
            InetHook::LocalIn => Self::LocalIn,
            InetHook::Forward => Self::Forward,
            InetHook::LocalOut => Self::LocalOut,
            InetHook::PostRouting => Self::PostRouting,
        }
    }
}

/// A hook of ARP, C's `NF_ARP_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArpHook {
    /// See [`Hook::LocalIn`].
    In,
    /// See [`Hook::LocalOut`].
    Out,
    /// See [`Hook::Forward`].
    Forward,
}

impl ArpHook {
    const fn as_raw(self) -> u32 {
        match self {
            Self::In => bindings::NF_ARP_IN,
            Self::Out => bindings::NF_ARP_OUT,
            Self::Forward => bindings::NF_ARP_FORWARD,
        }
    }
}

/// A hook of a device, C's `enum nf_dev_hooks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceHook {
    /// See [`Hook::Ingress`].
    Ingress,
    /// See [`Hook::Egress`].
    Egress,
}

/// The priority of a handler at its hook point: lower is earlier.
///
/// Handlers of equal priority are called in reverse order of registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(i32);

/// Defines a constant for each C name.
macro_rules! priorities {
    ($($(#[$doc:meta])* $name:ident = $raw:ident,)+) => {
        $($(#[$doc])* pub const $name: Self = Self(bindings::$raw);)+
    };
}

impl Priority {
    priorities! {
        /// Before all others: `NF_IP_PRI_FIRST`.
        FIRST = nf_ip_hook_priorities_NF_IP_PRI_FIRST,
        /// The raw table, if it is to see fragments: `NF_IP_PRI_RAW_BEFORE_DEFRAG`.
        RAW_BEFORE_DEFRAG = nf_ip_hook_priorities_NF_IP_PRI_RAW_BEFORE_DEFRAG,
        /// Defragmentation: `NF_IP_PRI_CONNTRACK_DEFRAG`.
        CONNTRACK_DEFRAG = nf_ip_hook_priorities_NF_IP_PRI_CONNTRACK_DEFRAG,
        /// The raw table: `NF_IP_PRI_RAW`.
        RAW = nf_ip_hook_priorities_NF_IP_PRI_RAW,
        /// `NF_IP_PRI_SELINUX_FIRST`.
        SELINUX_FIRST = nf_ip_hook_priorities_NF_IP_PRI_SELINUX_FIRST,
        /// Connection tracking: `NF_IP_PRI_CONNTRACK`.
        CONNTRACK = nf_ip_hook_priorities_NF_IP_PRI_CONNTRACK,
        /// The mangle table: `NF_IP_PRI_MANGLE`.
        MANGLE = nf_ip_hook_priorities_NF_IP_PRI_MANGLE,
        /// Destination NAT: `NF_IP_PRI_NAT_DST`.
        NAT_DST = nf_ip_hook_priorities_NF_IP_PRI_NAT_DST,
        /// The filter table: `NF_IP_PRI_FILTER`.
        FILTER = nf_ip_hook_priorities_NF_IP_PRI_FILTER,
        /// The security table: `NF_IP_PRI_SECURITY`.
        SECURITY = nf_ip_hook_priorities_NF_IP_PRI_SECURITY,
        /// Source NAT: `NF_IP_PRI_NAT_SRC`.
        NAT_SRC = nf_ip_hook_priorities_NF_IP_PRI_NAT_SRC,
        /// `NF_IP_PRI_SELINUX_LAST`.
        SELINUX_LAST = nf_ip_hook_priorities_NF_IP_PRI_SELINUX_LAST,
        /// Connection tracking helpers: `NF_IP_PRI_CONNTRACK_HELPER`.
        CONNTRACK_HELPER = nf_ip_hook_priorities_NF_IP_PRI_CONNTRACK_HELPER,
        /// Confirmation of new connections, last: `NF_IP_PRI_CONNTRACK_CONFIRM`.
        CONNTRACK_CONFIRM = nf_ip_hook_priorities_NF_IP_PRI_CONNTRACK_CONFIRM,
        /// After all others: `NF_IP_PRI_LAST`.
        LAST = nf_ip_hook_priorities_NF_IP_PRI_LAST,

        /// For bridges: `NF_BR_PRI_NAT_DST_BRIDGED`.
        BRIDGE_NAT_DST_BRIDGED = nf_br_hook_priorities_NF_BR_PRI_NAT_DST_BRIDGED,
        /// For bridges: `NF_BR_PRI_FILTER_BRIDGED`.
        BRIDGE_FILTER_BRIDGED = nf_br_hook_priorities_NF_BR_PRI_FILTER_BRIDGED,
        /// For bridges, where the IP families' hooks are called from: `NF_BR_PRI_BRNF`.
        BRIDGE_BRNF = nf_br_hook_priorities_NF_BR_PRI_BRNF,
        /// For bridges: `NF_BR_PRI_NAT_DST_OTHER`.
        BRIDGE_NAT_DST_OTHER = nf_br_hook_priorities_NF_BR_PRI_NAT_DST_OTHER,
        /// For bridges: `NF_BR_PRI_FILTER_OTHER`.
        BRIDGE_FILTER_OTHER = nf_br_hook_priorities_NF_BR_PRI_FILTER_OTHER,
        /// For bridges: `NF_BR_PRI_NAT_SRC`.
        BRIDGE_NAT_SRC = nf_br_hook_priorities_NF_BR_PRI_NAT_SRC,
    }

    /// Creates a priority from its number.
    pub const fn new(number: i32) -> Self {
        Self(number)
    }

    /// Returns the priority `offset` later, or earlier if negative, clamped to the range from first
    /// to last.
    pub const fn offset(self, offset: i32) -> Self {
        Self(self.0.saturating_add(offset))
    }

    /// Returns the number.
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

/// A hook point of a network namespace, with the handler's priority there.
///
/// The constructors cover the pairs of family and hook that exist; no others can be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookPoint {
    pf: u32,
    hooknum: u32,
    priority: Priority,
}

impl HookPoint {
    const fn new(pf: u32, hooknum: u32, priority: Priority) -> Self {
        Self {
            pf,
            hooknum,
            priority,
        }
    }

    /// Creates a hook point of IPv4.
    pub const fn ipv4(hook: InetHook, priority: Priority) -> Self {
        Self::new(bindings::NFPROTO_IPV4, hook.as_raw(), priority)
    }

    /// Creates a hook point of IPv6.
    pub const fn ipv6(hook: InetHook, priority: Priority) -> Self {
        Self::new(bindings::NFPROTO_IPV6, hook.as_raw(), priority)
    }

    /// Creates a hook point of both IPv4 and IPv6. [`HookState::family`](super::HookState::family)
    /// returns the packet's.
    pub const fn inet(hook: InetHook, priority: Priority) -> Self {
        Self::new(bindings::NFPROTO_INET, hook.as_raw(), priority)
    }

    /// Creates a hook point of ARP.
    pub const fn arp(hook: ArpHook, priority: Priority) -> Self {
        Self::new(bindings::NFPROTO_ARP, hook.as_raw(), priority)
    }

    /// Creates a hook point of bridges.
    pub const fn bridge(hook: InetHook, priority: Priority) -> Self {
        Self::new(bindings::NFPROTO_BRIDGE, hook.as_raw(), priority)
    }

    /// Fills in the fields of C's `struct nf_hook_ops` that name a point.
    ///
    /// `EOPNOTSUPP` if the kernel is built without the family; the core would warn.
    pub(super) fn to_ops(self) -> Result<bindings::nf_hook_ops> {
        if (self.pf == bindings::NFPROTO_ARP && !cfg!(CONFIG_NETFILTER_FAMILY_ARP))
            || (self.pf == bindings::NFPROTO_BRIDGE && !cfg!(CONFIG_NETFILTER_FAMILY_BRIDGE))
        {
            return Err(EOPNOTSUPP);
        }
        Ok(bindings::nf_hook_ops {
            pf: self.pf as u8,
            hooknum: self.hooknum,
            priority: self.priority.as_raw(),
            ..Default::default()
        })
    }
}

/// Formats the point as `nft` names it, without the priority: `ipv4 prerouting`.
impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (family, pf) = match self.pf {
            bindings::NFPROTO_INET => (Some("inet"), bindings::NFPROTO_IPV4),
            pf => (None, pf),
        };

        match from_raw(pf as u8, self.hooknum as u8) {
            Some((of_hook, hook)) => {
                f.write_fmt(fmt!("{} {}", family.unwrap_or(of_hook.name()), hook.name()))
            }
            None => Ok(()),
        }
    }
}

/// A hook point of a device, with the handler's priority there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevicePoint {
    /// Ingress or egress.
    pub hook: DeviceHook,
    /// Priority among the handlers of the same device.
    pub priority: Priority,
}

impl DevicePoint {
    /// As [`HookPoint::to_ops`].
    pub(super) fn to_ops(self) -> Result<bindings::nf_hook_ops> {
        let hooknum = match self.hook {
            DeviceHook::Ingress if cfg!(CONFIG_NETFILTER_INGRESS) => {
                bindings::nf_dev_hooks_NF_NETDEV_INGRESS
            }
            DeviceHook::Egress if cfg!(CONFIG_NETFILTER_EGRESS) => {
                bindings::nf_dev_hooks_NF_NETDEV_EGRESS
            }
            _ => return Err(EOPNOTSUPP),
        };

        Ok(bindings::nf_hook_ops {
            pf: bindings::NFPROTO_NETDEV as u8,
            hooknum,
            priority: self.priority.as_raw(),
            ..Default::default()
        })
    }
}
