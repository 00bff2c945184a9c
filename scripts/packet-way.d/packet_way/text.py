# SPDX-License-Identifier: GPL-2.0
"""Formats ways as text and as JSON."""

import json
from itertools import pairwise

from packet_way.events import Seen
from packet_way.ways import CONSUMED, DELIVERED, DROPPED, VANISHED, Way


class Names:
    """The names of network namespaces by inode number; a number stands for itself."""

    def __init__(self, names: dict[int, str]) -> None:
        self._names = names

    def __getitem__(self, inode: int) -> str:
        return self._names.get(inode, str(inode))


def plain(name: str) -> str:
    """Escapes what is no plain character: any user of a namespace of his own may name a device as he likes."""
    return "".join(char if "!" <= char <= "~" and char != "\\" else f"\\x{ord(char):02x}" for char in name)


def _took(before: int, after: int) -> str:
    return f"+{(after - before) / 1000:.1f} us"


def _with_port(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def flow(hop: Seen) -> str:
    """Returns both ends of a packet: 'ADDRESS:PORT > ADDRESS:PORT'."""
    return f"{_with_port(hop.saddr, hop.sport)} > {_with_port(hop.daddr, hop.dport)}"


def identity(hop: Seen) -> str:
    """Returns the fields that identify a packet within its flow."""
    parts = []
    if hop.protocol == "tcp" and not hop.frag_off:
        parts += [hop.flags.replace("|", ","), f"seq {hop.seq}"]
        if "ACK" in hop.flags:
            parts.append(f"ack {hop.ack_seq}")
    elif hop.protocol in ("icmp", "icmpv6") and not hop.frag_off:
        parts += [f"type {hop.type} code {hop.code}", f"seq {hop.seq}"]
    if hop.id:
        parts.append(f"id {hop.id}")
    if hop.frag_off:
        parts.append(f"fragment at {hop.frag_off}")
    parts.append(f"len {hop.len}")
    if hop.gso_segs > 1:
        parts.append(f"in {hop.gso_segs} segments")
    if hop.malformed != "no":
        parts.append(hop.malformed)
    return " ".join(filter(None, parts))


def ending(way: Way) -> str:
    """Returns how and where a way ended, in words."""
    end, hook = way.end, way.last.hook
    assert end
    where = f" in {end.location}" if end.location else ""
    if end.kind == DROPPED:
        return f"dropped after {hook}: {end.reason}{where}"
    if end.kind == CONSUMED:
        return f"consumed after {hook}{where}"
    if end.kind == VANISHED:
        return f"vanished after {hook}: not seen {end.why}"
    how = "delivered" if end.kind == DELIVERED else f"left by {plain(way.last.outdev)}"
    return f"{how}, freed{where}" if where else how


def _devices(hop: Seen) -> str:
    return " > ".join(plain(name) for name in (hop.indev, hop.outdev) if name)


def brief(way: Way) -> str:
    """Formats a way as one line."""
    parts = [f"{_title(way)}:", way.start.hook]
    for hop, after in pairwise(way.hops):
        parts += [_took(hop.time, after.time), after.hook]
        if flow(hop) != flow(after):
            parts.append(f"({flow(after)})")
    if way.end and way.end.time is not None:
        parts.append(_took(way.last.time, way.end.time))
    return " ".join([*parts, ending(way)])


def block(way: Way, names: Names) -> str:
    """Formats a way with a line for each hook, which has only what changed since the one before."""
    lines = [_title(way)]
    before = None
    for hop in way.hops:
        notes = []
        if not before or before.netns != hop.netns:
            notes.append(f"netns {names[hop.netns]}")
        if before and flow(before) != flow(hop):
            notes.append(flow(hop))
        took = _took(before.time, hop.time) if before else ""
        lines.append(f"  {took:>12}  {hop.hook:<11}  {_devices(hop):<16}  {'  '.join(notes)}".rstrip())
        before = hop
    took = _took(way.last.time, way.end.time) if way.end and way.end.time is not None else ""
    lines.append(f"  {took:>12}  {ending(way)}")
    return "\n".join(lines)


def _title(way: Way) -> str:
    start = way.start
    return f"{start.time / 1e9:.6f} {start.protocol} {flow(start)} {identity(start)}"


def as_json(way: Way, names: Names) -> str:
    """Formats a way as one line of JSON, with times in nanoseconds."""
    hops = [hop._asdict() | {"netns_name": names[hop.netns]} for hop in way.hops]
    assert way.end
    return json.dumps({"hops": hops, "end": way.end._asdict() | {"after": way.last.hook}})
