# SPDX-License-Identifier: GPL-2.0
"""The events of a trace.dat file, as `trace-cmd report` prints them."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from packet_way.errors import UserError

PACKET, KFREE, CONSUME = "nf_tracer:packet", "skb:kfree_skb", "skb:consume_skb"


class Seen(NamedTuple):
    """A packet at a hook: the fields of nf_tracer:packet, which bindings/events.h describes."""

    time: int
    """In nanoseconds, of the clock that the trace was recorded with."""
    skb: str
    """The address of the sk_buff, which all events of the packet have in common."""
    hook: str
    family: str
    indev: str
    outdev: str
    netns: int
    mark: int
    len: int
    payload: int
    gso_segs: int
    id: int
    frag_off: int
    protocol: str
    saddr: str
    daddr: str
    sport: int
    dport: int
    seq: int
    ack_seq: int
    flags: str
    type: int
    code: int
    csum: int
    csum_state: str
    malformed: str


class Freed(NamedTuple):
    """An sk_buff that was freed: dropped, with the kernel's reason, or done with, without one."""

    time: int
    skb: str
    location: str
    """Who freed it: a function of the kernel, with an offset."""
    reason: str = ""
    protocol: int = 0
    """The Ethernet protocol, which only drops have."""


class Lost(NamedTuple):
    """Events that found no room in the buffer of a CPU before the next event."""

    cpu: int
    count: int | None
    """How many, where the kernel knows."""


Event = Seen | Freed | Lost

# Greedy at its start: the task's name, which comes first, may contain anything.
_LINE = re.compile(r".*\[(\d+)\]\s+(?:\S+\s+)?(\d+)\.(\d+):\s+(\w+):\s+(.*)")
_LOST = re.compile(r".*\bCPU:(\d+) \[(?:(\d+) )?EVENTS DROPPED\]")
_LOCATION = re.compile(r"skbaddr=(\S+) .*?location=(\S+)")
_DROP = re.compile(r"skbaddr=(\S+) .*?protocol=(\d+) location=(\S+).* reason: (\S+)")

_NUMBERS = {name for name, kind in Seen.__annotations__.items() if kind is int}
_TEXTS = [name for name in Seen._fields if name not in _NUMBERS]


def read(file: Path) -> Iterator[Event]:
    """Yields the events of a file in the order of time."""
    if not file.is_file():
        raise UserError(f"{file}: there is no such file")
    command = ["trace-cmd", "report", "-t", "-i", str(file)]
    try:
        report = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="latin-1")
    except FileNotFoundError:
        raise UserError("there is no trace-cmd here: install it (Debian: apt install trace-cmd)") from None
    with report:
        assert report.stdout
        yield from parse(report.stdout)
    if report.returncode:
        raise UserError(f"{file}: trace-cmd cannot read it: is it a file of trace-cmd record?")


def parse(lines: Iterable[str]) -> Iterator[Event]:
    """Yields the events of packets among the lines of a report; skips other lines."""
    for line in lines:
        match = _LINE.match(line)
        if match:
            event = _event(*match.groups()[1:])
            if event:
                yield event
        elif "EVENTS DROPPED" in line and (match := _LOST.match(line)):
            yield Lost(int(match[1]), int(match[2]) if match[2] else None)


def _event(seconds: str, fraction: str, name: str, text: str) -> Event | None:
    # As many digits as trace-cmd chose to print.
    time = int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])
    if name == "packet":
        return _seen(time, text)
    if name == "consume_skb" and (match := _LOCATION.match(text)):
        return Freed(time, match[1], match[2])
    if name == "kfree_skb" and (match := _DROP.match(text)):
        return Freed(time, match[1], match[3], match[4], int(match[2]))
    return None


def _seen(time: int, text: str) -> Seen | None:
    fields = dict(token.partition("=")[::2] for token in text.split(" "))
    try:
        if fields["family"] != "ipv4":
            fields["saddr"], fields["daddr"] = fields["saddrv6"], fields["daddrv6"]
        fields["skb"] = fields["skbaddr"]
        numbers = {name: int(fields[name], 0) for name in _NUMBERS - {"time"}}
        return Seen(time=time, **{name: fields[name] for name in _TEXTS}, **numbers)
    except (KeyError, ValueError):
        # Another system's event of this name.
        return None
