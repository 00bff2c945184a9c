// SPDX-License-Identifier: GPL-2.0

//! Netfilter hooks.
//!
//! A hook is a function that the network stack calls for each packet that passes a point on its
//! way, and whose answer decides whether the packet goes on. Implement [`Handler`], name the
//! [`Point`]s, and keep the [`Registration`] for as long as the handler is to be called.
//!
//! What this module does not do: it has no opinion on what a handler is for, knows no protocol
//! above the packet's bytes, and hands out no raw pointer.
//!
//! # Context
//!
//! A handler runs inside `rcu_read_lock()`, in softirq context (packets that come in or are
//! forwarded) or in process context with or without bottom halves disabled (packets that this host
//! sends), on several CPUs at once, and possibly again on the same CPU in a softirq that interrupts
//! it. So it must not sleep, and a lock that it takes must keep softirqs out. A panic is a `BUG()`
//! here: slices are best read with `get()`, sums made with `checked_*()` or `wrapping_*()`.
//!
//! # Examples
//!
//! Drop whatever is shorter than 40 bytes on its way in.
//!
//! ```ignore
//! struct NoRunts;
//!
//! impl Handler for NoRunts {
//!     fn handle<'a>(&self, packet: Packet<'a>, _state: &State<'a>) -> Verdict<'a> {
//!         if packet.len() < 40 {
//!             packet.drop()
//!         } else {
//!             packet.accept()
//!         }
//!     }
//! }
//!
//! let points = [Point::new(Family::Inet, Hook::LocalIn, Priority::FILTER)];
//! let registration = KBox::pin_init(
//!     Registration::new(Net::init(), &points, try_pin_init!(NoRunts {}? Error)),
//!     GFP_KERNEL,
//! )?;
//! ```
//!
//! C header: [`include/linux/netfilter.h`](srctree/include/linux/netfilter.h)

mod net;
mod packet;
mod point;
mod registration;
mod state;

pub(crate) use self::{
    net::Net,
    packet::{
        Packet,
        Verdict, //
    },
    point::{
        Family,
        Hook,
        Point,
        Priority, //
    },
    registration::{
        Handler,
        Registration, //
    },
    state::State, //
};
