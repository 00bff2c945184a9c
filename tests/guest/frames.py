# SPDX-License-Identifier: GPL-2.0
"""Ethernet frames with IPv4 in them, right or wrong in every detail, and random ones."""

import random
import struct
from ipaddress import IPv4Address

ETHERTYPE_IPV4 = 0x0800
PROTO_TCP = 6
# Of the two ends of the link between the tests' namespaces.
HOST_MAC = "02:00:00:00:00:01"
PEER_MAC = "02:00:00:00:00:02"
HOST = "10.66.0.1"
PEER = "10.66.0.2"
MORE_FRAGMENTS = 0x2000


def ethernet(packet: bytes, ethertype: int = ETHERTYPE_IPV4, dest: str = HOST_MAC) -> bytes:
    """A frame to the host."""
    macs = [bytes.fromhex(mac.replace(":", "")) for mac in (dest, PEER_MAC)]
    return b"".join(macs) + struct.pack("!H", ethertype) + packet


def checksum(data: bytes) -> int:
    words = struct.unpack(f"!{len(data) // 2}H", data)
    total = sum(words)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def tcp(
    ports: tuple[int, int] = (40000, 80),
    seq: int = 1000,
    ack: int = 2000,
    *,
    doff: int = 5,
    flags: int = 0x010,
    window: int = 512,
    csum: int = 0xABCD,
    urg: int = 0,
    rest: bytes = b"",
) -> bytes:
    """A TCP segment; `flags` are the nine, `rest` is what follows the first 20 bytes."""
    offset = doff << 12 | flags
    return struct.pack("!HHIIHHHH", *ports, seq, ack, offset, window, csum, urg) + rest


def ipv4(
    payload: bytes,
    source: str,
    dest: str,
    *,
    protocol: int = PROTO_TCP,
    version: int = 4,
    options: bytes = b"",
    ihl: int | None = None,
    total_len: int | None = None,
    fragment: int = 0,
    ident: int = 1,
    bad_checksum: bool = False,
) -> bytes:
    """An IPv4 packet; what is not given is as it should be."""
    if ihl is None:
        ihl = 5 + len(options) // 4
    if total_len is None:
        total_len = 20 + len(options) + len(payload)
    addresses = IPv4Address(source).packed + IPv4Address(dest).packed
    start = struct.pack("!BBHHHBB", version << 4 | ihl, 0, total_len, ident, fragment, 64, protocol)
    header = start + b"\0\0" + addresses + options
    value = checksum(header[: ihl * 4].ljust(ihl * 4, b"\0")) ^ (0x5555 if bad_checksum else 0)
    return start + struct.pack("!H", value) + addresses + options + payload


def random_ipv4(rng: random.Random, dest: str = HOST) -> bytes:
    """A packet that is TCP more often than not, and wrong in something as often."""
    header_words = rng.choice([5, 5, 5, rng.randrange(5, 16)])
    segment = rng.randbytes(rng.choice([20, 20, 32, 60, rng.randrange(0, 100)]))
    total_len = None
    if rng.random() < 0.2:
        total_len = max(0, header_words * 4 + len(segment) + rng.randrange(-30, 10))
    return ipv4(
        segment + rng.randbytes(rng.choice([0, 0, 6])),
        f"10.68.{rng.randrange(256)}.{rng.randrange(256)}",
        dest,
        protocol=rng.choice([6, 6, 6, 6, rng.randrange(256)]),
        version=4 if rng.random() < 0.97 else rng.randrange(16),
        options=rng.randbytes(header_words * 4 - 20),
        ihl=None if rng.random() < 0.95 else rng.randrange(16),
        total_len=total_len,
        fragment=rng.choice([0, 0, 0, 0x4000, MORE_FRAGMENTS, rng.randrange(0x10000)]),
        ident=rng.randrange(0x10000),
        bad_checksum=rng.random() < 0.05,
    )
