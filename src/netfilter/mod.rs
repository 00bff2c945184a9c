// SPDX-License-Identifier: GPL-2.0

//! Netfilter hooks.
//!
//! A hook is a function that the network stack calls for each packet that passes a point on its
//! way, and whose answer decides whether the packet goes on. Implement [`Handler`], name the
//! [`HookPoint`]s, declare the module by [`module_netfilter_hooks!`], and register with its [`ModuleHooks`]: in
//! one network namespace, in all of them, or at a device.
//!
//! What this module does not do: it has no opinion on what a handler is for, knows no protocol
//! above the packet's bytes, and hands out no raw pointer.
//!
//! # Context
//!
//! A handler runs inside `rcu_read_lock()`, in softirq context (packets that come in or are
//! forwarded) or in process context with or without bottom halves disabled (packets that this host
//! sends), on several CPUs at once, and possibly again on the same CPU in a softirq that interrupts
//! it. So it must not sleep, and a lock that it takes must keep softirqs out, as
//! [`SpinLockIrq`](kernel::sync::SpinLockIrq) does. A panic is a `BUG()` here: slices are best read
//! with `get()`, sums made with `checked_*()` or `wrapping_*()`.
//!
//! # What the types rule out
//!
//! - A packet, its state, its devices and its socket live for one call: they carry its lifetime.
//! - A verdict is made by consuming the packet, so there is one, and none is forgotten.
//! - A packet is kept only in a queue, which lets it go when its device or namespace goes, and is then
//!   answered already: [`PacketQueue`].
//! - A handler is shared by all CPUs and called until it is unregistered: it is `Send`, `Sync` and
//!   `'static`.
//! - A point that does not exist cannot be named: see [`HookPoint`].
//! - Neither the handler nor what C looks at is freed before a grace period has passed since it was
//!   unregistered.
//! - What is registered ends with the module: see [`ModuleHooks`].
//!
//! # Examples
//!
//! Drop whatever is shorter than 40 bytes on its way in. `tests/modules` has whole modules.
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
