// SPDX-License-Identifier: GPL-2.0

//! Packets that outlive the call of the handler: `NF_STOLEN`.
//!
//! As a queue to user space does, a [`PacketQueue`] holds what a packet and its hook's state refer to,
//! and frees the packets of a device that goes down and of a namespace that goes away. The owner never
//! has a packet of his own: he says of each what is to become of it.
//!
//! C sources: [`net/netfilter/nf_queue.c`](srctree/net/netfilter/nf_queue.c),
//! [`net/netfilter/nfnetlink_queue.c`](srctree/net/netfilter/nfnetlink_queue.c)

use super::{
    module::Revoke,
    verdict::Answer,
    DropReason,
    Packet,
    Verdict, //
};
use crate::bindings;
use core::marker::PhantomPinned;
use kernel::{
    error::to_result,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    new_spinlock_irq,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
    sync::{
        rcu,
        SpinLockIrq, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    types::Opaque, //
};

/// What an owner knows of a packet in a queue. Never dropped, so it can be dropped anywhere.
pub trait Tag: Copy + Send + Unpin + 'static {}

impl<T: Copy + Send + Unpin + 'static> Tag for T {}

/// What becomes of a packet that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays, at its place.
    Keep,
    /// It goes on its way, past all hooks that were left at its hook point.
    ///
    /// What was to be done there is not done: a connection that is new at `LOCAL_IN` or
    /// `POST_ROUTING`, where connection tracking confirms it, stays unconfirmed.
    Reinject,
    /// It is freed, and this is why.
    Free(DropReason),
}

/// Packets that were taken from the stack, in the order in which they came, each with a tag `T`.
///
/// A packet is put in by [`Packet::steal`], and its fate is decided in [`Self::process`]. While it is
/// held, so are its devices, its socket and its route. It is freed without anybody being asked, with the
/// reason [`DropReason::DEV_READY`], as soon as one of its devices goes down or its namespace is taken down:
/// neither waits for it. A socket whose last reference is a packet here, and with it the socket's
/// namespace, goes when the packet does, as with any packet on its way.
///
/// There is room for as many packets as was said in the beginning, and no memory is taken afterwards.
///
/// What is left at the module's end is sent on. From then on packets are given back by [`Packet::steal`].
///
/// # Invariants
///
/// Once initialised, and unless `is_closed`, `notifier` is registered. Each packet in `packets`, with the references that [`bindings::nf_held_take`] takes, is ours, and
/// was live when it was put there, with the lock held.
#[pin_data(PinnedDrop)]
pub struct PacketQueue<T: Tag> {
    #[pin]
    notifier: Opaque<bindings::notifier_block>,
    #[pin]
    packets: SpinLockIrq<Packets<T>>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The notifier is guarded by locks of C; the other fields may be sent.
unsafe impl<T: Tag> Send for PacketQueue<T> {}

// SAFETY: As above: shared access reaches the packets only under their lock.
unsafe impl<T: Tag> Sync for PacketQueue<T> {}

struct Packets<T> {
    /// By their numbers, of which each is given once.
    held: RBTree<u64, Held<T>>,
    /// As much as there is still.
    room: KVec<Room<T>>,
    next: u64,
    is_closed: bool,
}

/// Memory for a packet in a queue.
type Room<T> = RBTreeNodeReservation<u64, Held<T>>;

/// A packet that is being decided on.
struct Taken<T> {
    number: u64,
    held: Held<T>,
    room: Room<T>,
}

/// A packet with what is held for it, which is whoever's has the value.
#[derive(Clone, Copy)]
struct Held<T> {
    raw: bindings::nf_held,
    tag: T,
}

// SAFETY: Neither a packet nor what it refers to belongs to a thread.
unsafe impl<T: Send> Send for Held<T> {}

impl<T> Held<T> {
    /// Whether nothing that the packet refers to is going away.
    fn is_live(&self) -> bool {
        // SAFETY: Devices and namespace are valid: either the call of the packet's hook goes on, or the
        // packet is in a queue, or was taken out of one in this section.
        unsafe { bindings::nf_held_is_live(&self.raw) }
    }

    /// Lets the packet go on.
    ///
    /// # Safety
    ///
    /// It must be ours, and was taken out of the queue in `section`. It is not ours any more.
    unsafe fn reinject(&self, _section: &Section) {
        // SAFETY: By this function's requirement; a packet is held only if there is a continuation. Without
        // bottom halves and under RCU is how it is called by the core.
        unsafe {
            bindings::nf_hook_continue(&self.raw.state, self.raw.skb);
            bindings::nf_held_release(&self.raw);
        }
    }

    /// Frees the packet.
    ///
    /// # Safety
    ///
    /// As [`Self::reinject`].
    unsafe fn free(&self, reason: DropReason, _section: &Section) {
        // SAFETY: By this function's requirement.
        unsafe {
            bindings::sk_skb_reason_drop(core::ptr::null_mut(), self.raw.skb, reason.0);
            bindings::nf_held_release(&self.raw);
        }
    }
}

/// A time in which a packet that has been taken out of a queue is decided on.
///
/// Under RCU, so that a namespace does not go away before it has ended: see `device_event`. There are not
/// two inside each other: packets that go on come to handlers, who might have others go on, and so on until
/// the stack is full.
struct Section(());

impl Section {
    /// `EBUSY` in interrupts, with interrupts off, and inside another section.
    fn enter() -> Result<Self> {
        // SAFETY: May be called anywhere.
        if unsafe { bindings::nf_reinject_begin() } {
            Ok(Self(()))
        } else {
            Err(EBUSY)
        }
    }

    /// May sleep, so that it is inside no other section. With `PREEMPT_RT` another thread's may be
    /// under way on this CPU.
    fn wait() -> Self {
        loop {
            if let Ok(section) = Self::enter() {
                return section;
            }
            fsleep(Delta::from_millis(1));
        }
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        // SAFETY: It was begun when `self` was made, on this CPU.
        unsafe { bindings::nf_reinject_end() };
    }
}

impl<'a> Packet<'a> {
    /// Takes the packet from the stack and puts it in a queue. The verdict says so.
    ///
    /// Gives the packet back, as it was, if the queue is full or closed; if its route, its socket, a device
    /// or the namespace is just going away; if others have a new connection of connection tracking's in
    /// common with it; for what a bridge forwards, whose ports a hook cannot hold; and where nothing goes on,
    /// as for [`Packet::stop`]. For any context of a handler.
    pub fn steal<T: Tag>(self, queue: &PacketQueue<T>, tag: T) -> Result<Verdict<'a>, Self> {
        // SAFETY: A packet by value is the one of the hook's call that this is in. It is the hook's until it
        // answers, and then it is the queue's.
        if unsafe { queue.put(&self, tag) } {
            // SAFETY: The packet is the queue's now, which is what this answer says.
            Ok(unsafe { Verdict::new(Answer::Return(bindings::NF_STOLEN)) })
        } else {
            Err(self)
        }
    }
}

impl<T: Tag> PacketQueue<T> {
    /// A queue that has room for `capacity` packets. May sleep; takes the RTNL.
    ///
    /// # Safety
    ///
    /// The result must be revoked or dropped before the module's text is freed: it must not be leaked.
    pub unsafe fn new(capacity: usize) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            notifier: Opaque::new(bindings::notifier_block {
                notifier_call: Some(device_event::<T>),
                ..Default::default()
            }),
            packets <- new_spinlock_irq!(Packets::new(capacity)?, "PacketQueue"),
            _pin: PhantomPinned,
            // INVARIANT: The last step, and one that undoes itself if it fails.
            _: {
                // SAFETY: `notifier` is pinned and lives until `drop` has unregistered it. All fields are
                // initialised, as events of devices that there are come at once.
                to_result(unsafe { bindings::register_netdevice_notifier(notifier.get()) })?;
            },
        })
    }

    /// Has `decide` say of each packet what becomes of it, from the oldest on, and has it become of it.
    ///
    /// Those that come in the meantime are left for the next time. Calls on several CPUs at once each get
    /// other packets. For any context but interrupts.
    ///
    /// `decide` is called under RCU and without bottom halves: it must not sleep.
    ///
    /// `EBUSY` in interrupts, with interrupts off, and in what was called by a packet that was just sent
    /// on, by this queue or another one; nothing was done then.
    ///
    /// # Context
    ///
    /// Not in a handler if `decide` has packets sent on: its caller may hold a lock that their way wants, as
    /// `tcp_v4_rcv()` holds the socket's when it answers. In softirqs nothing tells a handler from a timer,
    /// so this is not checked.
    pub fn process(&self, decide: impl FnMut(&Packet<'_>, T) -> Fate) -> Result {
        self.each(Section::enter, decide)
    }

    fn each(
        &self,
        enter: impl Fn() -> Result<Section>,
        mut decide: impl FnMut(&Packet<'_>, T) -> Fate,
    ) -> Result {
        let end = self.packets.lock().next;
        let mut first = 0;

        loop {
            let section = enter()?;
            let Some(taken) = self.packets.lock().take(first, end) else {
                return Ok(());
            };
            let held = taken.held;
            first = taken.number + 1;

            // SAFETY: The packet is ours alone by the type invariant and until we decide, what its state names
            // is held, and a packet at a hook has its network header set.
            let packet = unsafe { Packet::from_raw(held.raw.skb, &held.raw.state) };
            let fate = decide(&packet, held.tag);
            let fate = self.packets.lock().put_back(taken, fate);

            // SAFETY: It was taken out in this section, and is not in the queue if it is to leave.
            unsafe {
                match fate {
                    Fate::Keep => {}
                    Fate::Reinject => held.reinject(&section),
                    Fate::Free(reason) => held.free(reason, &section),
                }
            }
        }
    }

    /// Puts a packet in. `false` if it was not, and is as it was.
    ///
    /// # Safety
    ///
    /// The packet must be the one of the hook's call that this is in. If it is put in, it must not be used
    /// any more.
    unsafe fn put(&self, packet: &Packet<'_>, tag: T) -> bool {
        let skb = packet.as_ptr();
        let raw = bindings::nf_held {
            skb,
            // SAFETY: The packet is valid by its type's invariant.
            dev: unsafe { bindings::skb_dev(skb) },
            state: *packet.state(),
        };
        let held = Held { raw, tag };
        let mut packets = self.packets.lock();

        // A device or namespace that begins to go after this sends an event, which waits for the lock.
        if packets.is_closed || !held.is_live() {
            return false;
        }
        let Some(room) = packets.room.pop() else {
            return false;
        };
        // SAFETY: By this function's requirement.
        if !unsafe { bindings::nf_held_take(&held.raw) } {
            packets.give_back(room);
            return false;
        }
        // INVARIANT: The references were taken, and it is live.
        let number = packets.next;
        packets.next += 1;
        packets.held.insert(room.into_node(number, held));
        true
    }

    /// Sends on all packets that are left, and takes none any more. May sleep. Says whether it was open.
    ///
    /// Others may still be deciding on packets that they have taken out, and send them on.
    fn close(&self) -> bool {
        if core::mem::replace(&mut self.packets.lock().is_closed, true) {
            return false;
        }
        // The only error is that of `enter`.
        let _ = self.each(|| Ok(Section::wait()), |_, _| Fate::Reinject);
        // SAFETY: By the type invariant it is registered.
        unsafe { bindings::unregister_netdevice_notifier(self.notifier.get()) };
        true
    }
}

impl<T: Tag> Revoke for PacketQueue<T> {
    fn revoke(&self) {
        self.close();
    }
}

impl<T: Copy> Packets<T> {
    fn new(capacity: usize) -> Result<Self> {
        let mut room = KVec::with_capacity(capacity, GFP_KERNEL)?;

        for _ in 0..capacity {
            room.push(RBTreeNodeReservation::new(GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self {
            held: RBTree::new(),
            room,
            next: 0,
            is_closed: false,
        })
    }

    /// Takes out the first packet whose number is `first` or higher, but lower than `end`.
    fn take(&mut self, first: u64, end: u64) -> Option<Taken<T>> {
        let (number, held) = {
            let cursor = self.held.cursor_lower_bound(&first)?;
            let (number, held) = cursor.current();
            (*number, *held)
        };
        if number >= end {
            return None;
        }
        let room = self.held.remove_node(&number)?.into_reservation();

        Some(Taken { number, held, room })
    }

    /// Puts a packet back that is to stay, or gives up its room. Says what becomes of it.
    fn put_back(&mut self, taken: Taken<T>, fate: Fate) -> Fate {
        let Taken { number, held, room } = taken;
        // The event of a device or namespace that is going may have found it missing.
        let fate = match fate {
            Fate::Keep if !held.is_live() => Fate::Free(DropReason::DEV_READY),
            Fate::Keep if self.is_closed => Fate::Reinject,
            other => other,
        };
        if fate == Fate::Keep {
            self.held.insert(room.into_node(number, held));
        } else {
            self.give_back(room);
        }
        fate
    }

    fn give_back(&mut self, room: Room<T>) {
        // There is room for all that have been made.
        let _ = self.room.push_within_capacity(room);
    }
}

#[pinned_drop]
impl<T: Tag> PinnedDrop for PacketQueue<T> {
    fn drop(self: Pin<&mut Self>) {
        if self.close() {
            rcu::synchronize_rcu();
        }
    }
}

/// Called when something happens to a device of any namespace, with the RTNL held.
///
/// The last device that a namespace takes down is its loopback device, before anything of the namespace is
/// freed, and then C waits for readers under RCU: for those who had taken a packet out when this came.
///
/// # Safety
///
/// To be used only as the `notifier_call` of a [`PacketQueue`]'s notifier.
unsafe extern "C" fn device_event<T: Tag>(
    notifier: *mut bindings::notifier_block,
    event: c_ulong,
    _info: *mut c_void,
) -> c_int {
    let notifier = Opaque::cast_from(notifier.cast_const());
    // SAFETY: By this function's requirement the block is the field of a queue, which is not dropped
    // before it is unregistered.
    let queue = unsafe { &*kernel::container_of!(notifier, PacketQueue<T>, notifier) };

    if event == bindings::netdev_cmd_NETDEV_DOWN as c_ulong
        || event == bindings::netdev_cmd_NETDEV_UNREGISTER as c_ulong
    {
        // Those that are not live any more do not stay.
        let _ = queue.each(|| Ok(Section::wait()), |_, _| Fate::Keep);
    }
    bindings::NOTIFY_DONE as c_int
}
