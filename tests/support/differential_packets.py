# SPDX-License-Identifier: GPL-2.0
"""Random packets that exercise the kernel's and nft's search for a protocol and ports.

Usage: tests/python -m support.differential_packets COUNT SEED FILE

Right more often than not, since the kernel is to deliver many of them. A group of packets is one datagram: its
fragments, or all of it.
"""

import random
import struct
import sys
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

from support.frames import (
    AUTHENTICATION,
    DESTINATION,
    FRAGMENT,
    HOP_BY_HOP,
    PROTO_TCP,
    PROTO_UDP,
    ROUTING,
    chained,
    ipv4,
    ipv6,
    tcp,
    udp,
    with_checksum,
)
from support.frames import fragment as fragment_header
from support.tap import FORWARD4, FORWARD6, LOCAL4, LOCAL6, SOURCES4, SOURCES6

PORTS = 53, 80, 81, 8080, 40000
_DCCP, _SCTP, _UDP_LITE = 33, 132, 136
WITH_PORTS = PROTO_TCP, PROTO_UDP, _DCCP, _SCTP, _UDP_LITE
# Some of these are extension headers, but not to the kernel.
_NAMED = 1, 58, 47, 50, 59, 135, 139, 140, 4, 41, 255
PROTOCOLS = (*WITH_PORTS, PROTO_TCP, PROTO_UDP, PROTO_UDP, PROTO_UDP, *_NAMED)

# Each datagram's data has this and then its number, by which receivers identify it.
MARKER = b"\xa5nf\xa5"

_RECORD = struct.Struct("=HBI")


class Way(IntEnum):
    """How a packet gets into the kernel."""

    TAP = 0  # to a tap device, behind a header of virtio-net's
    RAW4 = 1  # by a raw socket that takes the IP header as it is
    RAW6 = 2


Packet = tuple[Way, bytes]
Group = list[Packet]


def _transport(rng: random.Random, protocol: int, source: str, dest: str, data: bytes) -> bytes:
    ports = rng.choice(PORTS), rng.choice(PORTS)
    if protocol == PROTO_TCP:
        doff = rng.choice((5, 5, 5, 5, 6, 8, 4, 0, 15))
        flags = rng.choice((0x02, 0x10, 0x18, 0x04, 0x12))
        segment = tcp(ports, doff=doff, flags=flags, rest=bytes(max(doff * 4 - 20, 0)) + data)
        return with_checksum(protocol, segment, source, dest)
    if protocol == PROTO_UDP:
        length = 8 + len(data)
        if rng.random() < 0.15:
            length = rng.choice((0, 1, 7, 8, 9, length - 1, length + 1, length + 100, 65535)) & 0xFFFF
        return with_checksum(protocol, udp(data, ports, length=length), source, dest, length=length)
    if protocol in WITH_PORTS:
        return struct.pack("!HHII", *ports, rng.getrandbits(32), 0) + data
    if protocol in (1, 58):
        kind = rng.choice((8, 13, 3) if protocol == 1 else (128, 1, 4))
        return struct.pack("!BBHHH", kind, 0, 0, 1, 2) + data
    return rng.randbytes(rng.choice((0, 1, 2, 3, 4, 8, 20))) + data


def _cut(rng: random.Random, payload: bytes) -> bytes:
    """Truncates some payloads within the transport header."""
    return payload if rng.random() < 0.85 else payload[: rng.randrange(0, 24)]


def _fragments(rng: random.Random, payload: bytes) -> list[tuple[int, bool, bytes]]:
    """Cuts a payload into (offset, more, data): most often into one piece."""
    choice = rng.random()
    if choice < 0.75:
        return [(0, False, payload)]
    if choice < 0.93:
        cut = 8 * rng.choice((1, 1, 1, 2, 3, 4, 6))
        pieces = [(0, True, payload[:cut]), (cut, False, payload[cut:])]
        return pieces if rng.random() < 0.8 else pieces[::-1]
    return [(8 * rng.randrange(0x2000), rng.random() < 0.5, payload)]


def _ipv4(rng: random.Random, data: bytes) -> Group:
    source, dest = rng.choice(SOURCES4), rng.choice((LOCAL4, LOCAL4, FORWARD4))
    protocol = rng.choice((*PROTOCOLS, AUTHENTICATION, rng.randrange(256)))
    payload = _cut(rng, _transport(rng, protocol, source, dest, data))
    ident = rng.getrandbits(16)
    options = rng.choice((b"", b"", b"", b"\1" * 4, b"\1" * 8, b"\1" * 40, bytes([7, 7, 4, 0, 0, 0, 0, 0])))
    way = Way.RAW4 if rng.random() < 0.2 else Way.TAP
    group: Group = []
    for offset, more, piece in _fragments(rng, payload):
        total, lie = 20 + len(options) + len(piece), rng.random()
        if lie < 0.03:
            total += rng.choice((-30, -4, -1, 1, 4))
        elif lie < 0.04:
            total = rng.choice((0, 19, 20, 0xFFFF))
        flags = rng.choice((0, 0x4000)) if (offset, more) == (0, False) else more << 13
        packet = ipv4(
            piece,
            source,
            dest,
            protocol=protocol,
            version=4 if rng.random() < 0.99 else rng.randrange(16),
            options=options,
            ihl=None if rng.random() < 0.99 else rng.randrange(16),
            total_len=total & 0xFFFF,
            fragment=flags | offset >> 3,
            ident=ident,
        )
        group.append((way, _padded(rng, packet)))
    return group


def _padded(rng: random.Random, packet: bytes) -> bytes:
    return packet if rng.random() < 0.9 else packet + rng.randbytes(rng.randrange(1, 40))


def _extension(rng: random.Random, kind: int) -> bytes:
    """Returns an extension header, mostly a valid one, without its first byte."""
    if kind == FRAGMENT:
        return fragment_header(0, more=False, ident=rng.getrandbits(32))[1]
    if kind == AUTHENTICATION:
        words = rng.choice((0, 1, 2, 4))
        return bytes([words]) + rng.randbytes((words + 2) * 4 - 2)
    units = rng.choice((0, 0, 0, 0, 0, 1, 2, 7))
    length = (units + 1) * 8
    if rng.random() < 0.03:
        units = rng.choice((units + 1, 0, 255))
    if kind == ROUTING:
        return bytes([units, rng.choice((0, 2, 3, 4, 5, 253)), rng.choice((0, 0, 0, 0, 0, 1))]) + bytes(length - 4)
    # An option that is to be skipped, whatever it is.
    return bytes([units, 0x1E, length - 4]) + bytes(length - 4)


def _chain(rng: random.Random) -> list[int]:
    count = rng.choice((0, 0, 0, 1, 1, 1, 2, 3, 5, rng.choice((8, 9, 11, 12, 12, 13, 13, 14, 17, 20))))
    if not count:
        return []
    kinds = [DESTINATION] * 12 + [ROUTING] * 2 + [FRAGMENT, HOP_BY_HOP]
    chain = [rng.choice(kinds) for _ in range(count)]
    if rng.random() < 0.15:
        chain[0] = HOP_BY_HOP
    if rng.random() < 0.1:
        chain[rng.randrange(count)] = AUTHENTICATION
    return chain


def _ipv6(rng: random.Random, data: bytes) -> Group:
    source, dest = rng.choice(SOURCES6), rng.choice((LOCAL6, LOCAL6, FORWARD6))
    protocol = rng.choice((*PROTOCOLS, rng.randrange(256)))
    payload = _cut(rng, _transport(rng, protocol, source, dest, data))
    headers = [(kind, _extension(rng, kind)) for kind in _chain(rng)]
    # Headers before the fragment header are in each fragment.
    before = rng.randrange(len(headers) + 1)
    first, fragmentable = chained(headers[before:], protocol, payload)
    ident = rng.getrandbits(32)
    way = Way.RAW6 if rng.random() < 0.2 else Way.TAP
    group: Group = []
    for offset, more, piece in _fragments(rng, fragmentable):
        own = headers[:before]
        if (offset, more) != (0, False):
            own = [*own, fragment_header(offset & 0xFFF8, more=more, ident=ident)]
        length, lie = len(chained(own, first, piece)[1]), rng.random()
        if lie < 0.03:
            length += rng.choice((-30, -4, -1, 1, 4))
        elif lie < 0.04:
            length = rng.choice((0, 1, 8, 0xFFFF))
        version = 6 if rng.random() < 0.99 else rng.randrange(16)
        packet = ipv6(piece, source, dest, protocol=first, extensions=own, version=version, payload_len=max(length, 0))
        if rng.random() < 0.03:
            packet = packet[: rng.randrange(40, len(packet) + 1)]
        group.append((way, _padded(rng, packet)))
    return group


def groups(count: int, seed: int) -> Iterator[Group]:
    rng = random.Random(seed)
    for number in range(count):
        data = MARKER + struct.pack("!I", number) + rng.randbytes(rng.choice((0, 0, 8, 24, 100)))
        make = _ipv6 if rng.random() < 0.6 else _ipv4
        yield make(rng, data)


def write(file: Path, made: Iterator[Group]) -> None:
    with file.open("wb") as out:
        for group in made:
            for position, (way, packet) in enumerate(group):
                # The last of a group says so.
                out.write(_RECORD.pack(len(group) - position - 1, way, len(packet)) + packet)


def read(file: Path) -> list[Group]:
    data = file.read_bytes()
    found: list[Group] = []
    at, group = 0, []
    while at < len(data):
        follow, way, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        group.append((Way(way), data[at : at + length]))
        at += length
        if follow == 0:
            found.append(group)
            group = []
    return found


def main() -> None:
    count, seed, file = sys.argv[1:]
    write(Path(file), groups(int(count), int(seed)))


if __name__ == "__main__":
    main()
