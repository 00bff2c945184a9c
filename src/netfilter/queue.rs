// SPDX-License-Identifier: GPL-2.0

//! Queues for packets that outlive the call of the handler: `NF_STOLEN`.
//!
//! Like a queue to user space, a [`PacketQueue`] holds references to what a packet and its hook
//! state refer to, and frees the packets of a device that goes down and of a namespace that goes
//! away. The owner never gets a packet back: it decides each packet's fate, and a work item carries
//! that out, without a lock that the rest of the packet path could take.
//!
//! C sources: [`net/netfilter/nf_queue.c`](srctree/net/netfilter/nf_queue.c),
//! [`net/netfilter/nfnetlink_queue.c`](srctree/net/netfilter/nfnetlink_queue.c)

use super::{
    module::{
        Ending,
        Revoke, //
    },
    rcu_box::synchronize_rcu_expedited,
    verdict::Action,
    DropReason,
    Packet,
    Verdict, //
};
use crate::bindings::{
    self,
    compat::{
        new_spinlock_irq,
        rcu,
        SpinLockIrq, //
    }, //
};
use core::{
    marker::PhantomPinned,
    ptr::null_mut, //
};
use kernel::{
    error::to_result,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
    types::Opaque, //
};

/// The owner's data for a queued packet. `Copy`, so it has no destructor and can be discarded in
/// any context.
pub trait Tag: Copy + Send + Unpin + 'static {}

impl<T: Copy + Send + Unpin + 'static> Tag for T {}

/// The fate of a held packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The packet stays queued, at its position.
    Keep,
    /// The packet continues, past all remaining hooks of its hook point.
    ///
    /// What those hooks would do is skipped: a new connection at `LOCAL_IN` or `POST_ROUTING`,
    /// where connection tracking confirms it, stays unconfirmed.
    Reinject,
    /// The packet is freed, for this reason.
    Free(DropReason),
}

/// A FIFO of packets stolen from the stack, each with a tag `T`.
///
/// A packet is queued by [`Packet::steal`], and its fate is decided in [`Self::process`]. While it
/// is held, so are its devices, its socket and its route. It is freed without a decision, with the
/// reason [`DropReason::DEV_READY`], as soon as one of its devices goes down or its namespace is
/// dismantled: neither waits for it. A socket whose last reference is held by a queued packet, and
/// with it the socket's namespace, goes away with the packet, as for any packet in flight.
///
/// Once a packet of a tracked connection was queued, `nf_conntrack` cannot be unloaded until the
/// queue is gone; likewise `nf_nat`, once a packet of a connection that it knows of was queued.
///
/// The capacity is fixed on creation, and nothing is allocated afterwards.
///
/// On module exit the remaining packets are reinjected. From then on [`Packet::steal`] returns the
/// packet.
///
/// # Invariants
///
/// Once initialised, and until `open` has ended, `notifier` is registered. `work` is not queued any
/// more then. Each packet in `packets`, with the references that [`bindings::nf_tracer_held_take`]
/// takes, is ours, and was live when it was put there, with the lock held. Whoever takes one out is
/// under RCU until it is back or gone.
#[pin_data(PinnedDrop)]
pub struct PacketQueue<T: Tag> {
    #[pin]
    notifier: Opaque<bindings::notifier_block>,
    /// Carries out the fates of packets that leave.
    #[pin]
    work: Opaque<bindings::work_struct>,
    #[pin]
    packets: SpinLockIrq<Packets<T>>,
    #[pin]
    open: Ending<()>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The notifier and the work are protected by locks of C; the other fields are `Send`.
unsafe impl<T: Tag> Send for PacketQueue<T> {}

// SAFETY: As above; shared access reaches the packets only under their lock.
unsafe impl<T: Tag> Sync for PacketQueue<T> {}

struct Packets<T> {
    /// Packets to be decided on, by their numbers, each of which is assigned once.
    held: RBTree<u64, Held<T>>,
    /// Packets whose fate is not [`Fate::Keep`].
    leaving: RBTree<u64, Held<T>>,
    /// The free capacity.
    room: KVec<Room<T>>,
    next: u64,
    /// The number of packets that are taken out at the moment.
    out: usize,
    /// The connection tracking modules that we hold references to.
    modules: bindings::nf_held_modules,
    is_closed: bool,
}

/// Preallocated memory for one queued packet.
type Room<T> = RBTreeNodeReservation<u64, Held<T>>;

/// A packet taken out of the queue.
struct Taken<T> {
    number: u64,
    held: Held<T>,
    room: Room<T>,
}

/// A packet with its references, owned by the owner of the value.
#[derive(Clone, Copy)]
struct Held<T> {
    raw: bindings::nf_held,
    tag: T,
    fate: Fate,
}

// SAFETY: Neither a packet nor what it refers to is bound to a thread.
unsafe impl<T: Send> Send for Held<T> {}

impl<T> Held<T> {
    /// Returns whether nothing that the packet refers to is going away.
    fn is_live(&self) -> bool {
        // SAFETY: Devices and namespace are valid: the call of the packet's hook has not returned,
        // or the packet is in a queue, or was taken out of one under RCU.
        unsafe { bindings::nf_tracer_held_is_live(&self.raw) }
    }

    /// Returns the packet's actual fate: it is freed where it can neither stay nor continue.
    fn settled(&self, fate: Fate) -> Fate {
        match fate {
            Fate::Keep | Fate::Reinject if !self.is_live() => Fate::Free(DropReason::DEV_READY),
            other => other,
        }
    }

    /// Carries out the packet's fate.
    ///
    /// # Safety
    ///
    /// The packet must be ours and must have been taken out of the queue in `section`. It is not
    /// ours any more afterwards.
    unsafe fn leave(self, _section: &Section) {
        match self.settled(self.fate) {
            // SAFETY: By this function's requirement.
            Fate::Free(reason) => unsafe {
                bindings::sk_skb_reason_drop(null_mut(), self.raw.skb, reason.0);
            },
            // SAFETY: By this function's requirement; a packet is held only if there is a
            // continuation. The core, too, calls it with bottom halves disabled and under RCU.
            Fate::Keep | Fate::Reinject => unsafe {
                bindings::nf_tracer_hook_continue(&self.raw.state, self.raw.skb);
            },
        }
        // SAFETY: The packet is gone, and the references are ours.
        unsafe { bindings::nf_tracer_held_release(&self.raw) };
    }
}

/// A section in which packets may be reinjected: in process context, with bottom halves disabled
/// and under RCU.
struct Section(());

impl Section {
    fn enter() -> Self {
        // SAFETY: Called in process context, by callers that hold no lock that the packet path
        // could take.
        unsafe { bindings::nf_tracer_reinject_begin() };
        Self(())
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        // SAFETY: It was begun when `self` was created, by this thread.
        unsafe { bindings::nf_tracer_reinject_end() };
    }
}

impl<'a> Packet<'a> {
    /// Steals the packet from the stack and queues it. The verdict is `NF_STOLEN`.
    ///
    /// Returns the packet, unchanged, if
    ///
    /// - the queue is full or closed,
    /// - its route, its socket, a device or the namespace is going away,
    /// - it is the first of a tracked connection that others share, or that has a helper or a
    ///   timeout policy,
    /// - it is forwarded by a bridge, whose ports a hook cannot hold,
    /// - its continuation belongs to a module that may be unloaded, as for packets that IPVS sends,
    /// - it has no continuation, as for [`Packet::stop`].
    ///
    /// # Context
    ///
    /// Any context of a handler.
    pub fn steal<T: Tag>(self, queue: &PacketQueue<T>, tag: T) -> Result<Verdict<'a>, Self> {
        // SAFETY: A packet by value is the one of the current hook call. It is the hook's until
        // that returns a verdict, and the queue's from then on.
        if unsafe { queue.put(&self, tag) } {
            // SAFETY: The packet is the queue's now, which is what this verdict means.
            Ok(unsafe { Verdict::new(Action::Return(bindings::NF_STOLEN)) })
        } else {
            Err(self)
        }
    }
}

impl<T: Tag> PacketQueue<T> {
    /// Creates a queue with room for `capacity` packets. May sleep; takes the RTNL.
    ///
    /// # Safety
    ///
    /// The result must be revoked or dropped before the module's text is freed: it must not be
    /// leaked.
    pub unsafe fn new(capacity: usize) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            notifier: Opaque::new(bindings::notifier_block {
                notifier_call: Some(device_event::<T>),
                ..Default::default()
            }),
            work <- Opaque::ffi_init(|slot| {
                // SAFETY: The slot is pinned memory for the work, and `dispatch` is its function.
                unsafe { bindings::work_init(slot, Some(dispatch::<T>)) };
            }),
            packets <- new_spinlock_irq!(Packets::new(capacity)?, "PacketQueue"),
            open <- Ending::new(()),
            _pin: PhantomPinned,
            // INVARIANT: The last initialiser step, and it undoes itself on failure.
            _: {
                // SAFETY: `notifier` is pinned and lives until `drop` has unregistered it. All
                // fields are initialised, as required since events of existing devices are replayed
                // at once.
                to_result(unsafe { bindings::register_netdevice_notifier(notifier.get()) })?;
            },
        })
    }

    /// Calls `decide` for each held packet, oldest first, to get its fate.
    ///
    /// Packets queued in the meantime are left for the next call. Concurrent calls on several CPUs
    /// get different packets. Packets that leave do so soon afterwards, in order, from a work item.
    ///
    /// # Context
    ///
    /// Wherever a `SpinLockIrq` may be taken, handlers and interrupts included; with `PREEMPT_RT`,
    /// where it is a sleeping lock, not with interrupts off. `decide` is called under RCU: it must
    /// not sleep.
    pub fn process(&self, mut decide: impl FnMut(&Packet<'_>, T) -> Fate) {
        let end = self.packets.lock().next;
        let mut first = 0;

        loop {
            let _rcu = rcu::read_lock();
            let Some(taken) = self.packets.lock().take(first, end) else {
                return;
            };
            let held = taken.held;
            first = taken.number + 1;

            // SAFETY: By the type invariant the packet is exclusively ours until its fate is
            // decided, what its state refers to is held, and a packet at a hook has its network
            // header set.
            let packet = unsafe { Packet::from_raw(held.raw.skb, &held.raw.state) };
            let fate = decide(&packet, held.tag);

            if self.packets.lock().put_back(taken, fate) {
                // INVARIANT: The queue is open: closing it waits for us.
                // SAFETY: It was initialised, and is cancelled before it is freed.
                unsafe { bindings::work_schedule(self.work.get()) };
            }
        }
    }

    /// Carries out the fates of packets that leave, except those that start to leave later. May
    /// sleep.
    ///
    /// The caller must hold no lock that the packet path could take, which the RTNL is not.
    fn dispatch(&self) {
        let end = self.packets.lock().next;

        loop {
            let section = Section::enter();
            let Some(leaving) = self.packets.lock().take_leaving(end) else {
                return;
            };
            // SAFETY: It was taken out in this section.
            unsafe { leaving.leave(&section) };
            self.packets.lock().out -= 1;
        }
    }

    /// Flushes all packets whose devices or namespace go away. May sleep. On return none of them is
    /// held anywhere.
    fn flush(&self) {
        self.process(|_, _| Fate::Keep);
        // They are put back, to leave now,
        self.wait_for_those_out();
        self.dispatch();
        // or the work has carried out their fates.
        self.wait_for_those_out();
    }

    /// Waits until packets that are out at the moment are back or gone. May sleep.
    fn wait_for_those_out(&self) {
        if self.packets.lock().out != 0 {
            synchronize_rcu_expedited();
        }
    }

    /// Queues a packet. On `false` it was not queued and is unchanged.
    ///
    /// # Safety
    ///
    /// The packet must be the one of the current hook call. Once queued, it must not be used any
    /// more.
    unsafe fn put(&self, packet: &Packet<'_>, tag: T) -> bool {
        let skb = packet.as_ptr();
        let raw = bindings::nf_held {
            skb,
            // SAFETY: The packet is valid by its type's invariant.
            dev: unsafe { bindings::skb_dev(skb) },
            state: *packet.state(),
        };
        let held = Held {
            raw,
            tag,
            fate: Fate::Keep,
        };
        let mut packets = self.packets.lock();

        // A device or namespace that starts to go away after this check sends an event, which waits
        // for the lock.
        if packets.is_closed || !held.is_live() {
            return false;
        }
        let Some(room) = packets.room.pop() else {
            return false;
        };
        // SAFETY: By this function's requirement.
        if !unsafe { bindings::nf_tracer_held_take(&held.raw, &mut packets.modules) } {
            packets.give_back(room);
            return false;
        }
        // INVARIANT: The references were taken, and the packet is live.
        let number = packets.next;
        packets.next += 1;
        packets.held.insert(room.into_node(number, held));
        true
    }

    /// Reinjects all remaining packets, and closes the queue. May sleep.
    fn close(&self) {
        self.open.end(|()| self.send_on_for_good());
    }

    fn send_on_for_good(&self) {
        self.packets.lock().is_closed = true;
        self.process(|_, _| Fate::Reinject);
        // Whoever has a packet out puts it back, to leave, and queues the work for it. No new ones
        // follow.
        rcu::synchronize_rcu();
        // INVARIANT: The work is not queued from here on, and has ended when this is done.
        // SAFETY: Both were initialised; by the type invariant the notifier is registered.
        unsafe {
            bindings::cancel_work_sync(self.work.get());
            bindings::unregister_netdevice_notifier(self.notifier.get());
        }
        self.dispatch();
        // SAFETY: No packet is left.
        unsafe { bindings::nf_tracer_held_put_modules(&self.packets.lock().modules) };
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
            leaving: RBTree::new(),
            room,
            next: 0,
            out: 0,
            modules: bindings::nf_held_modules::default(),
            is_closed: false,
        })
    }

    /// Takes out the first packet to be decided on with a number in `first..end`.
    fn take(&mut self, first: u64, end: u64) -> Option<Taken<T>> {
        let (number, held) = first_between(&self.held, first, end)?;
        let room = self.held.remove_node(&number)?.into_reservation();

        self.out += 1;
        Some(Taken { number, held, room })
    }

    /// Takes out the first packet that leaves with a number below `end`.
    fn take_leaving(&mut self, end: u64) -> Option<Held<T>> {
        let (number, held) = first_between(&self.leaving, 0, end)?;
        let room = self.leaving.remove_node(&number)?.into_reservation();

        self.give_back(room);
        self.out += 1;
        Some(held)
    }

    /// Puts a packet back with its fate. Returns whether it leaves.
    fn put_back(&mut self, taken: Taken<T>, fate: Fate) -> bool {
        let Taken { number, held, room } = taken;
        // The event of a device or namespace that is going away may have missed it while it was
        // out.
        let fate = match held.settled(fate) {
            Fate::Keep if self.is_closed => Fate::Reinject,
            other => other,
        };
        let list = match fate {
            Fate::Keep => &mut self.held,
            _ => &mut self.leaving,
        };

        list.insert(room.into_node(number, Held { fate, ..held }));
        self.out -= 1;
        fate != Fate::Keep
    }

    fn give_back(&mut self, room: Room<T>) {
        // There is room for all reservations that were made.
        let _ = self.room.push_within_capacity(room);
    }
}

/// Returns the first packet of a list with a number in `first..end`.
fn first_between<T: Copy>(
    list: &RBTree<u64, Held<T>>,
    first: u64,
    end: u64,
) -> Option<(u64, Held<T>)> {
    let cursor = list.cursor_lower_bound(&first)?;
    let (number, held) = cursor.current();

    (*number < end).then_some((*number, *held))
}

#[pinned_drop]
impl<T: Tag> PinnedDrop for PacketQueue<T> {
    fn drop(self: Pin<&mut Self>) {
        self.close();
    }
}

/// Called when packets leave.
///
/// # Safety
///
/// To be used only as the function of a [`PacketQueue`]'s work.
unsafe extern "C" fn dispatch<T: Tag>(work: *mut bindings::work_struct) {
    // SAFETY: By this function's requirement `work` is the field of a queue, which is not dropped
    // before this has been cancelled.
    let queue = unsafe { &*kernel::container_of!(Opaque::cast_from(work), PacketQueue<T>, work) };

    queue.dispatch();
}

/// Called on device events of any namespace, with the RTNL held.
///
/// The last device that a namespace takes down is its loopback device, before anything of the
/// namespace is freed.
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
        queue.flush();
    }
    bindings::NOTIFY_DONE as c_int
}
