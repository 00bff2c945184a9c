// SPDX-License-Identifier: GPL-2.0

//! Netfilter hooks.
//!
//! A hook is a function that the network stack calls for each packet that passes a hook point, and
//! whose verdict decides whether the packet continues. To use it, implement [`Handler`], name the
//! [`HookPoint`]s, declare the module by [`module_netfilter_hooks!`], and register with its
//! [`ModuleHooks`]: in one network namespace, in all of them, or at a device.
//!
//! This module sets no policy, parses no protocol, and exposes no raw pointer.
//!
//! # Context
//!
//! A handler runs inside `rcu_read_lock()`, in softirq context (packets that are received or
//! forwarded) or in process context with or without bottom halves disabled (packets that this host
//! sends), on several CPUs at once, and possibly again on the same CPU in a softirq that interrupts
//! it. So it must not sleep, and a lock that it takes must keep softirqs out, as
//! [`SpinLockIrq`](kernel::sync::SpinLockIrq) does. A panic is a `BUG()` here: read slices with
//! `get()`, and add with `checked_*()` or `wrapping_*()`.
//!
//! # Guarantees by type
//!
//! - A packet, its state, its devices and its socket are valid for one call: they carry its
//!   lifetime.
//! - A verdict is created by consuming the packet, so there is exactly one for each packet.
//! - A packet can be kept only in a queue, which releases it when its device or namespace goes away;
//!   its verdict has been returned then: see [`PacketQueue`].
//! - A handler is shared by all CPUs and called until it is unregistered: it is `Send`, `Sync` and
//!   `'static`.
//! - A hook point that does not exist cannot be named: see [`HookPoint`].
//! - Neither the handler nor what C reads is freed before a grace period has passed since it was
//!   unregistered.
//! - Registrations end with the module: see [`ModuleHooks`].
//!
//! # Examples
//!
//! Drop received packets shorter than 40 bytes. `tests/modules` has complete modules.
//!
//! ```ignore
//! struct NoRunts;
//!
//! impl Handler for NoRunts {
//!     fn handle<'a>(&self, packet: Packet<'a>, _state: &HookState<'a>) -> Verdict<'a> {
//!         if packet.len() < 40 {
//!             packet.drop()
//!         } else {
//!             packet.accept()
//!         }
//!     }
//! }
//!
//! struct NoRuntsModule;
//!
//! impl HookModule for NoRuntsModule {
//!     fn init(_module: &'static ThisModule, hooks: &ModuleHooks) -> Result<Self> {
//!         const POINTS: [HookPoint; 1] = [HookPoint::inet(InetHook::LocalIn, Priority::FILTER)];
//!
//!         hooks.register(Net::init(), &POINTS, Ok(NoRunts))?;
//!         Ok(Self)
//!     }
//! }
//!
//! module_netfilter_hooks! {
//!     type: NoRuntsModule,
//!     name: "no_runts",
//!     authors: ["Somebody"],
//!     description: "Drops short packets",
//!     license: "GPL",
//! }
//! ```
//!
//! C header: [`include/linux/netfilter.h`](srctree/include/linux/netfilter.h)

mod bpf;
mod device;
mod edit;
mod handler;
mod log;
mod module;
mod net;
mod packet;
mod pernet;
mod pernet_registration;
mod point;
mod queue;
mod rcu_box;
mod registration;
mod state;
mod verdict;

pub(crate) use self::module::module_netfilter_hooks;
pub use self::{
    bpf::{
        Instruction,
        Program, //
    },
    device::DeviceRegistration,
    edit::Checksum,
    handler::{
        Handler,
        MAX_REPEATS, //
    },
    log::Logger,
    module::{
        HookModule,
        ModuleHooks,
        Owner, //
    },
    net::Net,
    packet::{
        ChecksumState,
        Packet, //
    },
    pernet_registration::{
        NetScope,
        PernetRegistration,
        RegistrationError, //
    },
    point::{
        ArpHook,
        DeviceHook,
        DevicePoint,
        Family,
        Hook,
        HookPoint,
        InetHook,
        Priority, //
    },
    queue::{
        Fate,
        PacketQueue,
        Tag, //
    },
    rcu_box::RcuBox,
    registration::Registration,
    state::{
        DeviceName,
        DeviceRef,
        HookState, //
        SocketRef,
    },
    verdict::{
        DropReason,
        NoListener,
        Verdict, //
    },
};
