# SPDX-License-Identifier: GPL-2.0
"""Compares the conditions with what the stack delivers to sockets, and with what nft matches.

Random packets pass nf_tracer's hooks, and right behind each a chain of nft's with the same conditions. What is counted
differs only where nf_tracer chooses more, which is said where: see Conditions.rules(). Sockets say what they got.
"""

import contextlib
import random
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support import parameters
from support.differential_packets import MARKER, PORTS, PROTOCOLS, WITH_PORTS, Group, Way
from support.frames import AUTHENTICATION, DESTINATION, FRAGMENT, HOP_BY_HOP, ROUTING
from support.kernel import HOOKS, TRACING
from support.nft import Nft
from support.tap import FORWARD4, FORWARD6, LOCAL4, LOCAL6, NETNS, SOURCES4, SOURCES6, Tap, open_socket

FAMILIES = {"ip": (2, "ipv4"), "ip6": (10, "ipv6")}
PRIORITY = -1000
MODULE_PARAMETERS = f"hooks=all family=inet netns=all proto=all rate=0 sink=trace priority={PRIORITY}"
# nft's marks: a match, a protocol that nft cannot read, an authentication header, which stops nft.
MATCHES, UNREADABLE, AUTHENTICATED = 1, 2, 3

# nft's names of extension headers; it has none for an authentication header.
_EXTENSIONS = {HOP_BY_HOP: "hbh", ROUTING: "rt", FRAGMENT: "frag", DESTINATION: "dst"}


def is_v6(packet: bytes) -> bool:
    """Returns whether a packet is IPv6, by its destination: its version may be wrong."""
    return packet[24:26] in (b"\xfd\x07", b"\xfd\x08")


class Sender:
    """Sends packets, each its way."""

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        ipv6_hdrincl = 36
        self._raw4 = open_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._raw6 = open_socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._raw6.setsockopt(socket.IPPROTO_IPV6, ipv6_hdrincl, 1)

    def send(self, group: Group) -> None:
        for way, packet in group:
            # Some are refused, which is fine.
            with contextlib.suppress(OSError):
                if way == Way.RAW4:
                    self._raw4.sendto(packet, (socket.inet_ntop(socket.AF_INET, packet[16:20]), 0))
                elif way == Way.RAW6:
                    self._raw6.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0))
                else:
                    self.tap.send(packet, v6=is_v6(packet))

    def close(self) -> None:
        self._raw4.close()
        self._raw6.close()


@dataclass
class Conditions:
    """Values of the parameters that choose packets; an empty one is no condition."""

    protocols: list[int] = field(default_factory=list)
    host: list[str] = field(default_factory=list)
    source: list[str] = field(default_factory=list)
    dest: list[str] = field(default_factory=list)
    port: list[str] = field(default_factory=list)
    sport: list[str] = field(default_factory=list)
    dport: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)

    @classmethod
    def at_random(cls, rng: random.Random) -> "Conditions":
        def some(of: list[str], likely: float) -> list[str]:
            return rng.sample(of, rng.randrange(1, min(3, len(of)) + 1)) if rng.random() < likely else []

        addresses = [*SOURCES4, *SOURCES6, LOCAL4, LOCAL6, FORWARD4, FORWARD6, "10.7.0.0/16", "fd07::/48", "fd00::/8"]
        ports = [*map(str, PORTS), "50-79", "80-90", "1000-65535", "0-1"]
        protocols = list({*PROTOCOLS, *_EXTENSIONS, AUTHENTICATION})
        ask_for_ports = rng.random() < 0.7
        return cls(
            rng.sample(protocols, rng.randrange(1, 8)) if rng.random() < 0.7 else [],
            some(addresses, 0.3),
            some(addresses, 0.2),
            some(addresses, 0.2),
            some(ports, 0.4 * ask_for_ports),
            some(ports, 0.4 * ask_for_ports),
            some(ports, 0.5 * ask_for_ports),
            some(["tap0", "out0", "lo"], 0.2),
        )

    def put(self) -> None:
        values = {
            "proto": ",".join(map(str, self.protocols)) or "all",
            "host": ",".join(self.host),
            "src": ",".join(self.source),
            "dst": ",".join(self.dest),
            "port": ",".join(self.port),
            "sport": ",".join(self.sport),
            "dport": ",".join(self.dport),
            "iface": ",".join(self.devices),
        }
        for name, value in values.items():
            parameters.put(name, value)

    def rules(self, family: str) -> str:
        """Returns chains that mark what matches, of which the first is 'conditions'."""

        def of_family(addresses: list[str]) -> list[str]:
            return [address for address in addresses if (":" in address) == (family == "ip6")]

        def either(list_: list[str], *sides: str) -> list[str]:
            return [f"{side} {value}" for side in sides for value in list_]

        def addresses(list_: list[str], *sides: str) -> list[str] | None:
            if not list_:
                return None
            return either(of_family(list_), *(f"{family} {side}" for side in sides))

        protocols = [f"meta l4proto {{ {', '.join(map(str, self.protocols))} }}"] if self.protocols else None
        if protocols and family == "ip6":
            # nf_tracer matches each header of a packet.
            protocols += [f"exthdr {_EXTENSIONS[p]} exists" for p in self.protocols if p in _EXTENSIONS]
        with_ports = f"meta l4proto {{ {', '.join(map(str, WITH_PORTS))} }}"
        asks_for_ports = self.port or self.sport or self.dport
        # Steps are ANDed; alternatives of a step are ORed.
        steps = [
            addresses(self.host, "saddr", "daddr"),
            addresses(self.source, "saddr"),
            addresses(self.dest, "daddr"),
            either([f'"{name}"' for name in self.devices], "iifname", "oifname") or None,
            ["READABLE"],
            protocols,
            [with_ports] if asks_for_ports else None,
            either(self.port, "th sport", "th dport") or None,
            either(self.sport, "th sport") or None,
            either(self.dport, "th dport") or None,
        ]
        steps = [step for step in steps if step is not None]
        names = ["conditions", *(f"step{number}" for number in range(1, len(steps))), "matches"]
        chains = []
        for name, following, alternatives in zip(names, names[1:], steps, strict=False):
            if alternatives == ["READABLE"]:
                # A packet whose protocol nft cannot read meets neither a condition on it nor its negation.
                stops = "" if family == "ip" else f"meta l4proto {AUTHENTICATION} meta mark set {AUTHENTICATED}\n"
                readable = f"chain {name}_readable {{\n{stops}goto {following}\n}}\n"
                rules = f"meta l4proto {{ 0-254, 255 }} goto {name}_readable\nmeta mark set {UNREADABLE}"
            else:
                readable = ""
                rules = "\n".join(f"{rule} goto {following}" for rule in alternatives)
            chains.append(f"{readable}chain {name} {{\n{rules}\n}}")
        chains.append(f"chain matches {{\nmeta mark set {MATCHES}\n}}")
        # nft wants a chain defined before a goto.
        return "\n".join(reversed(chains))


class Rules:
    """nft chains at all hooks that count what matches."""

    def __init__(self) -> None:
        self._nft = Nft(NETNS)

    def put(self, conditions: Conditions) -> None:
        commands = []
        for family in FAMILIES:
            counters = "".join(f"counter {hook}_{mark} {{}}\n" for hook in HOOKS for mark in (1, 2, 3))
            chains = "".join(
                f"chain at_{hook} {{ type filter hook {hook} priority {PRIORITY + 1};\n"
                "meta mark set 0\njump conditions\n"
                + "".join(f"meta mark {mark} counter name {hook}_{mark}\n" for mark in (1, 2, 3))
                + "}\n"
                for hook in HOOKS
            )
            table = f"table {family} d {{\n{counters}{conditions.rules(family)}\n{chains}}}\n"
            commands.append(f"table {family} d\ndelete table {family} d\n{table}")
        self._nft.run("".join(commands))

    def read(self) -> dict[str, tuple[int, int]]:
        """Returns how many packets match, and how many more nf_tracer may choose, at each hook and family."""
        found = {}
        for family, (_, name) in FAMILIES.items():
            counters = self._nft.counters(f"{family} d")
            for hook in HOOKS:
                more = counters[f"{hook}_{UNREADABLE}"] + counters[f"{hook}_{AUTHENTICATED}"]
                found[f"{hook} {name}"] = counters[f"{hook}_{MATCHES}"], more
        return found


class Events:
    """Counts nf_tracer's events at each hook, those included that found no room in the buffers."""

    def __init__(self) -> None:
        netns = Path(f"/run/netns/{NETNS}").stat().st_ino
        self._folders = {}
        for number, hook in enumerate(HOOKS):
            for family, name in FAMILIES.values():
                folder = TRACING / f"instances/{hook}_{name}"
                folder.mkdir()
                self._folders[f"{hook} {name}"] = folder
                (folder / "buffer_size_kb").write_text("8")
                packet = folder / "events/nf_tracer/packet"
                (packet / "filter").write_text(f"netns == {netns} && hook == {number} && family == {family}")
                (packet / "enable").write_text("1")

    def read(self) -> dict[str, int]:
        found = {}
        for name, folder in self._folders.items():
            stats = "".join(file.read_text() for file in folder.glob("per_cpu/cpu*/stats"))
            numbers = re.findall(r"^(?:entries|overrun|dropped events): (\d+)", stats, re.MULTILINE)
            found[name] = sum(map(int, numbers))
        return found

    def close(self) -> None:
        for folder in self._folders.values():
            (folder / "events/nf_tracer/packet/enable").write_text("0")
            folder.rmdir()


class Receivers:
    """Sockets that report the datagrams received, and nft's mark on each."""

    _SO_RCVMARK, _SO_MARK, _SO_RCVBUFFORCE = 75, 36, 33

    def __init__(self, protocol: int, port: int) -> None:
        self._sockets = []
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104
            sock = open_socket(family, *((socket.SOCK_DGRAM, 0) if port else (socket.SOCK_RAW, protocol)))
            if port and family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.SOL_SOCKET, self._SO_RCVMARK, 1)
            sock.setsockopt(socket.SOL_SOCKET, self._SO_RCVBUFFORCE, 1 << 24)
            if port:
                sock.bind((address, port))
            sock.setblocking(False)
            self._sockets.append(sock)

    def read(self) -> Iterator[tuple[int | None, int]]:
        """Yields the number of each datagram, if its marker is there, and its mark."""
        for sock in self._sockets:
            while True:
                try:
                    data, ancillary, _, _ = sock.recvmsg(1 << 16, 256)
                except BlockingIOError:
                    break
                (mark,) = [
                    struct.unpack("=I", value)[0]
                    for level, kind, value in ancillary
                    if (level, kind) == (socket.SOL_SOCKET, self._SO_MARK)
                ]
                at = data.find(MARKER)
                number = data[at + len(MARKER) :][:4] if at >= 0 else b""
                yield struct.unpack("!I", number)[0] if len(number) == 4 else None, mark

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()


class DifferenceError(AssertionError):
    """Raised for a packet that only one of the two chooses."""


class Differential:
    """Sends groups of packets under conditions, and compares what was chosen. nf_tracer must be loaded."""

    def __init__(self, tap: Tap) -> None:
        self._sender, self._rules, self._events = Sender(tap), Rules(), Events()
        self.seen: Counter[str] = Counter()

    def close(self) -> None:
        self._events.close()
        self._sender.close()

    def _read(self) -> tuple[dict[str, tuple[int, int]], dict[str, int]]:
        """Returns both counts at a moment at which no packet is on its way."""
        # Drains what the namespace sends back.
        self._sender.tap.received()
        end = time.monotonic() + 60
        now = self._rules.read(), self._events.read()
        while (again := (self._rules.read(), self._events.read())) != now:
            assert time.monotonic() < end, "packets do not come to an end"
            now = again
        return now

    def _send(self, groups: list[Group]) -> tuple[Counter[str], Counter[str], Counter[str]]:
        """Returns how many packets nft matches, how many more nf_tracer may choose, and how many it does, by point."""
        theirs_before, ours_before = self._read()
        for group in groups:
            self._sender.send(group)
        theirs, ours = self._read()
        matches = {point: theirs[point][0] - theirs_before[point][0] for point in ours}
        more = {point: theirs[point][1] - theirs_before[point][1] for point in ours}
        chosen = {point: ours[point] - ours_before[point] for point in ours}
        return Counter(matches), Counter(more), Counter(chosen)

    def _differ(self, groups: list[Group]) -> list[str]:
        matches, more, chosen = self._send(groups)
        self.seen += Counter({"chosen": chosen.total(), "matched": matches.total(), "more": more.total()})
        return [
            f"{point}: nft {matches[point]} and at most {more[point]} more, nf_tracer {chosen[point]}"
            for point in chosen
            if not matches[point] <= chosen[point] <= matches[point] + more[point]
        ]

    def check(self, groups: list[Group], conditions: Conditions) -> None:
        """Checks that nf_tracer chooses what nft matches, at each hook."""
        conditions.put()
        self._rules.put(conditions)
        differences = self._differ(groups)
        if not differences:
            return
        while len(groups) > 1 and (half := self._half_that_differs(groups)):
            groups = half
        raise DifferenceError(self._report(differences, groups, conditions))

    def _half_that_differs(self, groups: list[Group]) -> list[Group]:
        middle = len(groups) // 2
        return next((half for half in (groups[:middle], groups[middle:]) if self._differ(half)), [])

    def _report(self, differences: list[str], groups: list[Group], conditions: Conditions) -> str:
        lines = [*differences, repr(conditions), f"one of {len(groups)}:"]
        for group in groups[:5]:
            lines += [f"{way.name} {packet.hex()}" for way, packet in group]
            lines += self._differ([group])
        return "\n".join(lines)

    def check_delivered(self, groups: list[Group], protocol: int, port: int = 0) -> int:
        """Checks that nf_tracer chooses what a socket receives; returns the number of datagrams."""
        ports = [str(port)] if port else []
        conditions = Conditions(protocols=[protocol], dport=ports)
        conditions.put()
        self._rules.put(conditions)
        receivers = Receivers(protocol, port)
        got = 0
        try:
            differences = self._differ(groups)
            unmarked = []
            for number, mark in receivers.read():
                got += 1
                if mark != MATCHES:
                    unmarked.append(number)
        finally:
            receivers.close()
        if differences:
            self.check(groups, conditions)
            raise DifferenceError("\n".join([*differences, repr(conditions), "not seen again"]))
        # nft has not matched these, or has marked another of their fragments.
        for number in filter(None, unmarked):
            marker = MARKER + struct.pack("!I", number)
            own = [group for group in groups if any(marker in packet for _, packet in group)]
            for group in own:
                _, _, chosen = self._send([group])
                family = "ipv6" if is_v6(group[0][1]) else "ipv4"
                if not chosen[f"input {family}"] and not chosen[f"prerouting {family}"]:
                    raise DifferenceError(self._report(["delivered, but not chosen"], [group], conditions))
        return got
