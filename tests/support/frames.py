# SPDX-License-Identifier: GPL-2.0
"""Ethernet frames with IPv4 or IPv6, in which every field may be wrong, and random ones."""

import random
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

ETHERTYPE_IPV4, ETHERTYPE_IPV6 = 0x0800, 0x86DD
PROTO_TCP, PROTO_UDP = 6, 17
# IPv6's extension headers.
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
# Of the two ends of the link between the tests' namespaces.
HOST_MAC = "02:00:00:00:00:01"
PEER_MAC = "02:00:00:00:00:02"
HOST = "10.66.0.1"
PEER = "10.66.0.2"
MORE_FRAGMENTS = 0x2000


def ethernet(packet: bytes, ethertype: int = ETHERTYPE_IPV4, dest: str = HOST_MAC) -> bytes:
    """Returns a frame to the host."""
    macs = [bytes.fromhex(mac.replace(":", "")) for mac in (dest, PEER_MAC)]
    return b"".join(macs) + struct.pack("!H", ethertype) + packet


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
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
    """Returns a TCP segment; `flags` are the nine, `rest` is what follows the first 20 bytes."""
    offset = doff << 12 | flags
    return struct.pack("!HHIIHHHH", *ports, seq, ack, offset, window, csum, urg) + rest


def udp(data: bytes, ports: tuple[int, int] = (40000, 80), *, length: int | None = None) -> bytes:
    """Returns a UDP datagram without a checksum; its length is right if none is given."""
    return struct.pack("!HHHH", *ports, 8 + len(data) if length is None else length, 0) + data


def with_checksum(protocol: int, segment: bytes, source: str, dest: str, *, length: int | None = None) -> bytes:
    """Returns TCP or UDP with the right checksum, over `length` bytes if that is given."""
    ends = ip_address(source).packed + ip_address(dest).packed
    length = len(segment) if length is None else length
    # A jumbogram's length has more than 16 bits.
    pseudo = ends + struct.pack("!II" if ":" in source else "!HH", length, protocol)
    at = 16 if protocol == PROTO_TCP else 6
    zeroed = segment[:at] + b"\0\0" + segment[at + 2 :]
    value = checksum(pseudo + zeroed[:length]) or 0xFFFF
    return segment[:at] + struct.pack("!H", value) + segment[at + 2 :]


def extension(kind: int = DESTINATION, units: int = 0) -> tuple[int, bytes]:
    """Returns an extension header with an option to be skipped, without its first byte: see chained()."""
    return kind, bytes([units, 0x1E, 4 + units * 8]) + bytes(4 + units * 8)


def fragment(offset: int, *, more: bool, ident: int) -> tuple[int, bytes]:
    """Returns a fragment header without its first byte; `offset` is in bytes."""
    return FRAGMENT, struct.pack("!BHI", 0, offset | more, ident)


def chained(headers: list[tuple[int, bytes]], protocol: int, rest: bytes) -> tuple[int, bytes]:
    """Chains extension headers: puts the next header's number in front of each; returns the first one's, and all."""
    for kind, header in reversed(headers):
        protocol, rest = kind, bytes([protocol]) + header + rest
    return protocol, rest


def ipv6(
    payload: bytes,
    source: str,
    dest: str,
    *,
    protocol: int = PROTO_TCP,
    extensions: list[tuple[int, bytes]] | None = None,
    version: int = 6,
    payload_len: int | None = None,
) -> bytes:
    """Returns an IPv6 packet; what is not given is right."""
    following, rest = chained(extensions or [], protocol, payload)
    length = len(rest) if payload_len is None else payload_len
    header = struct.pack("!IHBB", version << 28, length & 0xFFFF, following, 64)
    return header + IPv6Address(source).packed + IPv6Address(dest).packed + rest


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
    """Returns an IPv4 packet; what is not given is right."""
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
    """Returns a random packet, mostly TCP and mostly wrong in something."""
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
