# SPDX-License-Identifier: GPL-2.0
"""Joins the events of one packet, by the address of its sk_buff.

An address says less than it seems to: once a packet is freed, the next one gets it, and some frees are not traced,
those of TCP's receive queue for one. So an event goes on with a packet only if it can be the same one: the hooks are in
an order that there is, what the way leaves alone is the same, and so is one end at least, as NAT at one point changes
only one.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from packet_way.events import Event, Freed, Lost, Seen

DELIVERED, LEFT, DROPPED, CONSUMED, VANISHED = KINDS = ("delivered", "left", "dropped", "consumed", "vanished")

# The hooks that can follow each hook, those included that skip hooks at which the module is not registered.
_NEXT = {
    "prerouting": {"input", "forward", "postrouting"},
    # IPVS forwards from input.
    "input": {"output"},
    "forward": {"postrouting", "prerouting", "input"},
    "output": {"postrouting", "prerouting", "input"},
    # By loopback, or by veth into another namespace.
    "postrouting": {"prerouting", "input", "forward"},
}
# With a bridge, a VRF or IPsec a packet passes a hook once for each of two devices.
_TWICE = {"prerouting", "forward", "output", "postrouting"}
# The hooks after which a packet can enter another namespace.
_LEAVING = {"forward", "output", "postrouting"}

_ETHERTYPES = {"ipv4": 0x0800, "ipv6": 0x86DD}
# VLAN, MPLS and PPPoE, which may encapsulate a packet that leaves.
_WRAPPERS = {0x8100, 0x88A8, 0x8847, 0x8848, 0x8864}
# These functions never free a packet that was at a hook, but clones at most.
_OTHERS = ("unix_", "netlink_", "packet_", "tpacket_", "arp_")

# How many packets may wait for an earlier one to end, to come out in the order of their starts.
WINDOW = 50_000


class End(NamedTuple):
    """The end of a packet's way, as far as it is known."""

    kind: str
    """One of KINDS."""
    time: int | None = None
    """When it was freed; None where that was not seen."""
    location: str = ""
    reason: str = ""
    why: str = ""
    """Of a packet that vanished: until when nothing was seen of it."""


@dataclass(slots=True)
class Way:
    """A packet from hook to hook."""

    hops: list[Seen]
    end: End | None = None
    losses: int = field(default=0, repr=False)
    """How often events had been lost when it was last seen."""

    @property
    def start(self) -> Seen:
        return self.hops[0]

    @property
    def last(self) -> Seen:
        return self.hops[-1]

    def stretches(self) -> Iterator[tuple[str, str, int, int]]:
        """Yields (from, to, start, stop) of each stretch; the last one ends at the free, if that was seen."""
        for hop, after in pairwise(self.hops):
            yield hop.hook, after.hook, hop.time, after.time
        if self.end and self.end.time is not None:
            yield self.last.hook, "free", self.last.time, self.end.time


class Joiner:
    """Joins events into ways."""

    def __init__(self, window: int = WINDOW) -> None:
        self.lost: Counter[int] = Counter()
        """How many events each CPU lost; at least one each time where the kernel did not say."""
        self._window = window
        self._open: dict[str, Way] = {}
        self._waiting: deque[Way] = deque()
        self._losses = 0
        self.seen = 0
        """How many events of packets at hooks there were."""

    def join(self, events: Iterable[Event]) -> Iterator[Way]:
        """Yields the ways in the order of their starts."""
        for event in events:
            match event:
                case Seen():
                    self._seen(event)
                case Freed():
                    self._freed(event)
                case Lost():
                    self._losses += 1
                    self.lost[event.cpu] += event.count or 1
            if self._waiting and (self._waiting[0].end or len(self._waiting) > self._window):
                yield from self._ready()
        for way in self._open.values():
            self._lose(way, "until the recording ended")
        self._open.clear()
        yield from self._ready()

    def _seen(self, event: Seen) -> None:
        self.seen += 1
        way = self._open.get(event.skb)
        if way and follows(way.last, event):
            way.hops.append(event)
        else:
            if way:
                self._lose(way, "until its memory was used again")
            way = self._open[event.skb] = Way([event])
            self._waiting.append(way)
        way.losses = self._losses

    def _freed(self, event: Freed) -> None:
        way = self._open.pop(event.skb, None)
        if not way:
            return
        last = way.last
        if is_of_another(last, event):
            self._lose(way, "until its memory was used again")
        elif event.reason:
            way.end = End(DROPPED, event.time, event.location, event.reason)
        else:
            way.end = End(_by_hook(last.hook) or CONSUMED, event.time, event.location)

    def _lose(self, way: Way, why: str) -> None:
        """Ends a way whose free was not seen."""
        if way.losses != self._losses:
            why += ", and events were lost"
        kind = _by_hook(way.last.hook)
        way.end = End(kind) if kind else End(VANISHED, why=why)

    def _ready(self) -> Iterator[Way]:
        waiting = self._waiting
        while waiting and waiting[0].end:
            yield waiting.popleft()
        if len(waiting) > self._window:
            way = waiting.popleft()
            del self._open[way.last.skb]
            self._lose(way, f"among the next {self._window} packets")
            yield way


def _by_hook(hook: str) -> str | None:
    """Returns the end that the last hook implies, if it implies one."""
    return {"input": DELIVERED, "postrouting": LEFT}.get(hook)


def follows(last: Seen, event: Seen) -> bool:
    """Returns whether an event at the same address can be the same packet at its next hook."""
    if last.netns != event.netns:
        in_order = last.hook in _LEAVING and event.hook in _NEXT["postrouting"]
    elif last.hook == event.hook:
        in_order = event.hook in _TWICE and (last.indev, last.outdev) != (event.indev, event.outdev)
    else:
        in_order = event.hook in _NEXT[last.hook]
    return in_order and is_same(last, event)


def is_same(last: Seen, event: Seen) -> bool:
    """Returns whether the fields that no hook changes are equal."""
    if (last.family, last.protocol) != (event.family, event.protocol):
        return False
    if not (_end(last, event, "s") or _end(last, event, "d")):
        return False
    if last.family == "ipv4" and (last.id or event.id):
        return last.id == event.id
    if last.id and not event.id:
        # An IPv6 datagram has no identification once it is reassembled.
        return True
    unchanged = _end(last, event, "s") and _end(last, event, "d") and last.csum_state == event.csum_state
    if last.protocol == "udp" and unchanged and last.csum != event.csum:
        # Without NAT the checksum is unchanged, and alone distinguishes datagrams of one flow.
        return False
    return _fingerprint(last) == _fingerprint(event)


def _end(last: Seen, event: Seen, which: str) -> bool:
    """Returns whether one end is equal. A later fragment has no port, but the reassembled packet has."""
    same_port = getattr(last, f"{which}port") == getattr(event, f"{which}port") or last.frag_off > 0
    return same_port and getattr(last, f"{which}addr") == getattr(event, f"{which}addr")


def _fingerprint(event: Seen) -> tuple[object, ...]:
    return (event.payload, event.seq, event.ack_seq, event.flags, event.type, event.code, event.id)


def is_of_another(last: Seen, event: Freed) -> bool:
    """Returns whether a free belongs to another sk_buff at the same address."""
    is_wrapped = last.hook == "postrouting" and event.protocol in _WRAPPERS
    if event.protocol and event.protocol != _ETHERTYPES.get(last.family) and not is_wrapped:
        return True
    return event.location.startswith(_OTHERS)
