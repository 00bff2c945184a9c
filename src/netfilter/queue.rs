// SPDX-License-Identifier: GPL-2.0

//! Packets that outlive the call of the handler: `NF_STOLEN`.
//!
//! As a queue to user space does, a [`PacketQueue`] holds what a packet and its hook's state refer to,
//! and frees the packets of a device that goes down and of a namespace that goes away. The owner never
//! has a packet of his own: he says of each what is to become of it, and a work item sees to that. It
//! holds no lock that the packet's further way could want.
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
use crate::bindings;
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
/// From the first packet on that is part of a connection of connection tracking's, `nf_conntrack` cannot be
/// unloaded before the queue is gone, nor `nf_nat` from the first one on whose connection it knows of.
///
/// There is room for as many packets as was said in the beginning, and no memory is taken afterwards.
///
/// What is left at the module's end is sent on. From then on packets are given back by [`Packet::steal`].
///
/// # Invariants
///
/// Once initialised, and until `open` has ended, `notifier` is registered. `work` is not queued any more
/// then. Each packet in `packets`, with the references that [`bindings::nf_tracer_held_take`] takes, is
/// ours, and was live when it was put there, with the lock held. Who takes one out is under RCU until it is
/// back or gone.
#[pin_data(PinnedDrop)]
pub struct PacketQueue<T: Tag> {
    #[pin]
    notifier: Opaque<bindings::notifier_block>,
    /// Does with packets that leave what was decided.
    #[pin]
    work: Opaque<bindings::work_struct>,
    #[pin]
    packets: SpinLockIrq<Packets<T>>,
    #[pin]
    open: Ending<()>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The notifier and the work are guarded by locks of C; the other fields may be sent.
unsafe impl<T: Tag> Send for PacketQueue<T> {}

// SAFETY: As above: shared access reaches the packets only under their lock.
unsafe impl<T: Tag> Sync for PacketQueue<T> {}

struct Packets<T> {
    /// Those that are to be decided on, by their numbers, of which each is given once.
    held: RBTree<u64, Held<T>>,
    /// Those whose fate is not [`Fate::Keep`].
    leaving: RBTree<u64, Held<T>>,
    /// As much as there is still.
    room: KVec<Room<T>>,
    next: u64,
    /// How many somebody has taken out at this moment.
    out: usize,
    /// Modules of connection tracking's that we have a reference to.
    modules: bindings::nf_held_modules,
    is_closed: bool,
}

/// Memory for a packet in a queue.
type Room<T> = RBTreeNodeReservation<u64, Held<T>>;

/// A packet that is out of the queue.
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
    fate: Fate,
}

// SAFETY: Neither a packet nor what it refers to belongs to a thread.
unsafe impl<T: Send> Send for Held<T> {}

impl<T> Held<T> {
    /// Whether nothing that the packet refers to is going away.
    fn is_live(&self) -> bool {
        // SAFETY: Devices and namespace are valid: either the call of the packet's hook goes on, or the
        // packet is in a queue, or was taken out of one under RCU.
        unsafe { bindings::nf_tracer_held_is_live(&self.raw) }
    }

    /// What becomes of the packet, which is freed where it cannot stay nor go on.
    fn settled(&self, fate: Fate) -> Fate {
        match fate {
            Fate::Keep | Fate::Reinject if !self.is_live() => Fate::Free(DropReason::DEV_READY),
            other => other,
        }
    }

    /// Has its fate become of the packet.
    ///
    /// # Safety
    ///
    /// It must be ours, and was taken out of the queue in `section`. It is not ours any more.
    unsafe fn leave(self, _section: &Section) {
        match self.settled(self.fate) {
            // SAFETY: By this function's requirement.
            Fate::Free(reason) => unsafe {
                bindings::sk_skb_reason_drop(null_mut(), self.raw.skb, reason.0);
            },
            // SAFETY: By this function's requirement; a packet is held only if there is a continuation. Without
            // bottom halves and under RCU is how it is called by the core.
            Fate::Keep | Fate::Reinject => unsafe {
                bindings::nf_tracer_hook_continue(&self.raw.state, self.raw.skb);
            },
        }
        // SAFETY: The packet has gone, and the references are ours.
        unsafe { bindings::nf_tracer_held_release(&self.raw) };
    }
}

/// A time in which a packet may go on its way: in process context, without bottom halves and under RCU.
struct Section(());

impl Section {
    fn enter() -> Self {
        // SAFETY: Called in process context, by who holds no lock that a packet's way could want.
        unsafe { bindings::nf_tracer_reinject_begin() };
        Self(())
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        // SAFETY: It was begun when `self` was made, by this thread.
        unsafe { bindings::nf_tracer_reinject_end() };
    }
}

impl<'a> Packet<'a> {
    /// Takes the packet from the stack and puts it in a queue. The verdict says so.
    ///
    /// Gives the packet back, as it was, if the queue is full or closed; if its route, its socket, a device
    /// or the namespace is just going away; if it is the first of a connection of connection tracking's that
    /// others have in common with it, or to which a helper or a timeout policy belongs; for what a bridge
    /// forwards, whose ports a hook cannot hold; where the way on is a module's that may be unloaded, as for
    /// what IPVS sends; and where nothing goes on, as for [`Packet::stop`]. For any context of a handler.
    pub fn steal<T: Tag>(self, queue: &PacketQueue<T>, tag: T) -> Result<Verdict<'a>, Self> {
        // SAFETY: A packet by value is the one of the hook's call that this is in. It is the hook's until it
        // answers, and then it is the queue's.
        if unsafe { queue.put(&self, tag) } {
            // SAFETY: The packet is the queue's now, which is what this answer says.
            Ok(unsafe { Verdict::new(Action::Return(bindings::NF_STOLEN)) })
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
            work <- Opaque::ffi_init(|slot| {
                // SAFETY: The slot is pinned memory for it, and the function that it is to call.
                unsafe { bindings::work_init(slot, Some(dispatch::<T>)) };
            }),
            packets <- new_spinlock_irq!(Packets::new(capacity)?, "PacketQueue"),
            open <- Ending::new(()),
            _pin: PhantomPinned,
            // INVARIANT: The last step, and one that undoes itself if it fails.
            _: {
                // SAFETY: `notifier` is pinned and lives until `drop` has unregistered it. All fields are
                // initialised, as events of devices that there are come at once.
                to_result(unsafe { bindings::register_netdevice_notifier(notifier.get()) })?;
            },
        })
    }

    /// Has `decide` say of each packet that is to be decided on what becomes of it, from the oldest on.
    ///
    /// Those that come in the meantime are left for the next time. Calls on several CPUs at once each get
    /// other packets. What leaves does so soon afterwards, in its order, from a work item.
    ///
    /// # Context
    ///
    /// Wherever a `SpinLockIrq` may be taken, handlers and interrupts included; with `PREEMPT_RT`, which makes
    /// it a lock that sleeps, not with interrupts off. `decide` is called under RCU: it must not sleep.
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

            // SAFETY: The packet is ours alone by the type invariant and until we decide, what its state names
            // is held, and a packet at a hook has its network header set.
            let packet = unsafe { Packet::from_raw(held.raw.skb, &held.raw.state) };
            let fate = decide(&packet, held.tag);

            if self.packets.lock().put_back(taken, fate) {
                // INVARIANT: It is open: who closes it waits for us.
                // SAFETY: It was initialised, and is cancelled before it goes.
                unsafe { bindings::work_schedule(self.work.get()) };
            }
        }
    }

    /// Has their fates become of the packets that leave, up to those that have not come yet. May sleep.
    ///
    /// By whoever holds no lock that a packet's way could want. The RTNL is none.
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

    /// Has all packets leave whose devices or namespace go. May sleep. None of them is anywhere afterwards.
    fn flush(&self) {
        self.process(|_, _| Fate::Keep);
        // They come back, to leave now,
        self.wait_for_those_out();
        self.dispatch();
        // or the work has had them leave.
        self.wait_for_those_out();
    }

    /// Waits until packets that are out at this moment are back or gone. May sleep.
    fn wait_for_those_out(&self) {
        if self.packets.lock().out != 0 {
            synchronize_rcu_expedited();
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
        let held = Held {
            raw,
            tag,
            fate: Fate::Keep,
        };
        let mut packets = self.packets.lock();

        // A device or namespace that begins to go after this sends an event, which waits for the lock.
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
        // INVARIANT: The references were taken, and it is live.
        let number = packets.next;
        packets.next += 1;
        packets.held.insert(room.into_node(number, held));
        true
    }

    /// Sends on all packets that are left, and takes none any more. May sleep.
    fn close(&self) {
        self.open.end(|()| self.send_on_for_good());
    }

    fn send_on_for_good(&self) {
        self.packets.lock().is_closed = true;
        self.process(|_, _| Fate::Reinject);
        // Who has one out puts it back, to leave, and queues the work for it. None comes after these.
        rcu::synchronize_rcu();
        // INVARIANT: Nobody queues the work from here on, and it has ended when this is done.
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

    /// Takes out the first packet that is to be decided on whose number is `first` or higher, but lower than
    /// `end`.
    fn take(&mut self, first: u64, end: u64) -> Option<Taken<T>> {
        let (number, held) = first_between(&self.held, first, end)?;
        let room = self.held.remove_node(&number)?.into_reservation();

        self.out += 1;
        Some(Taken { number, held, room })
    }

    /// Takes out the first packet that leaves whose number is lower than `end`.
    fn take_leaving(&mut self, end: u64) -> Option<Held<T>> {
        let (number, held) = first_between(&self.leaving, 0, end)?;
        let room = self.leaving.remove_node(&number)?.into_reservation();

        self.give_back(room);
        self.out += 1;
        Some(held)
    }

    /// Puts a packet back with its fate. Says whether it leaves.
    fn put_back(&mut self, taken: Taken<T>, fate: Fate) -> bool {
        let Taken { number, held, room } = taken;
        // The event of a device or namespace that is going may have found it missing.
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
        // There is room for all that have been made.
        let _ = self.room.push_within_capacity(room);
    }
}

/// The first packet of a list whose number is `first` or higher, but lower than `end`.
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
    // SAFETY: By this function's requirement it is the field of a queue, which is not dropped before this
    // has been cancelled.
    let queue = unsafe { &*kernel::container_of!(Opaque::cast_from(work), PacketQueue<T>, work) };

    queue.dispatch();
}

/// Called when something happens to a device of any namespace, with the RTNL held.
///
/// The last device that a namespace takes down is its loopback device, before anything of the namespace is
/// freed.
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
