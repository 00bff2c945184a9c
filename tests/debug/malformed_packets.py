# SPDX-License-Identifier: GPL-2.0
"""Makes malformed packets, field by field and at random; a seed always makes the same ones.

Usage: malformed_packets.py COUNT SEED FILE

Each packet is written with the way that it is to take into the kernel, see Way, behind its length.
"""

import random
import struct
import sys
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

from malformed_seeds import BEHIND, ROUTER, SENDER, field_by_field, seeds
from scapy.all import IP, IPv6, raw

# The first address is that of the receiving device.
FRAME_HEADER = bytes.fromhex("020000000801 020000000802")
TAP_HEADER = bytes.fromhex("020000000701 020000000702")

RECORD = struct.Struct("=BI")
BIG_ONES = 40


class Way(IntEnum):
    """How a packet gets into the kernel."""

    TUN = 0  # to a tun device, behind a header of virtio-net's: segmentation offload and unfinished checksums
    FRAME = 1  # as a frame through a pair of devices, by a packet socket, with such a header as well
    PIECES = 2  # to a tap device in pieces, each of which is a page fragment: the lengths of the pieces first
    RAW_V4 = 3  # by a raw socket that takes the IP header as it is
    RAW_V6 = 4
    BIG = 5  # as TUN, but larger than a page, so that it is not linear


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return (total + (total >> 16) & 0xFFFF) ^ 0xFFFF


def mend(packet: bytearray, rng: random.Random) -> None:
    """Mends most packets so far that the kernel lets them through to the first hook."""
    if len(packet) < 20:
        return
    if packet[0] >> 4 == 6 and len(packet) >= 40:
        if rng.random() < 0.7:
            struct.pack_into("!H", packet, 4, len(packet) - 40 & 0xFFFF)
    elif packet[0] >> 4 == 4:
        if rng.random() < 0.7:
            struct.pack_into("!H", packet, 2, len(packet) & 0xFFFF)
        if rng.random() < 0.9:
            header = (packet[0] & 15) * 4
            packet[10:12] = b"\0\0"
            struct.pack_into("!H", packet, 10, checksum(bytes(packet[:header]).ljust(header, b"\0")))


def mutated(pool: list[bytes], rng: random.Random) -> bytes:
    """Returns one of the packets with a few random mistakes."""
    packet = bytearray(rng.choice(pool))
    # Nobody reads beyond that.
    headers = min(len(packet), 120)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if not packet:
            break
        at = rng.randrange(min(len(packet), headers))
        kind = rng.randrange(8)
        if kind == 0:
            packet[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            packet[at] = rng.choice((0, 1, 4, 5, 6, 17, 43, 44, 51, 58, 60, 127, 128, 132, 255))
        elif kind == 2:
            packet[at : at + 2] = rng.randbytes(2)
        elif kind == 3:
            del packet[at:]
        elif kind == 4:
            packet += rng.randbytes(rng.randrange(1, 64))
        elif kind == 5:
            # One more extension header, in front of the others.
            at = 40 if packet[0] >> 4 == 6 and len(packet) >= 40 else at
            rest = bytes([rng.choice((0, 0, 0, 1, 2, 4, 254, 255))]) + rng.randbytes(6)
            number = rng.choice((0, 43, 44, 51, 60, 135))
            packet[at:at] = packet[6:7] + rest
            packet[6 if at == 40 else at] = number
        elif kind == 6:
            packet[at:] = rng.choice(pool)[at:]
        else:
            packet[max(at, 20) :] = rng.randbytes(rng.randrange(0, 80))
    mend(packet, rng)
    return bytes(packet)


def virtio_header(packet: bytes, rng: random.Random, *, link_layer: int = 0, big: bool = False) -> bytes:
    """Returns a virtio-net header, which may ask for a checksum or for segmentation."""
    v6 = packet[:1] >= b"\x60"
    header = 40 if v6 else (packet[0] & 15) * 4 if packet else 0
    protocol = packet[6 if v6 else 9] if len(packet) >= 20 else 0
    choice = 0.9 if big else rng.random()
    if choice < 0.6:
        return bytes(10)
    start, offset = link_layer + header, {6: 16, 17: 6}.get(protocol, rng.randrange(20))
    if choice < 0.75:
        return struct.pack("=BBHHHH", 1, 0, 0, 0, rng.choice((start, start, start, rng.getrandbits(6))), offset)
    if choice < 0.78:
        numbers = [rng.getrandbits(11) for _ in range(4)]
        return struct.pack("=BBHHHH", rng.getrandbits(2), rng.choice((0, 1, 3, 4, 5, 129)), *numbers)
    kind = {6: 4 if v6 else 1, 17: 5}.get(protocol, rng.choice((1, 3, 4, 5)))
    size = rng.choice((1, 8, 100, 536, 1400))
    length = rng.choice((start + 20, start + 8, 1, 54)) if big else rng.choice((start + 20, start, 200))
    return struct.pack("=BBHHHH", 1, kind, length, 1400 if big else size, start, offset)


def big(rng: random.Random) -> bytes:
    """Returns a packet larger than a page, and so not linear; some exceed their length field."""
    length = rng.choice((4200, 9000, 40000, 65000, 66000, 100000))
    tcp = struct.pack("!HHIIHHHH", 40000, 80, 1, 2, rng.choice((5, 5, 5, 6, 15, 4)) << 12 | 0x10, 512, 0, 0)
    payload = tcp + bytes(length - 20)
    if rng.random() < 0.5:
        address = rng.choice((ROUTER, BEHIND))[0]
        packet = bytearray(raw(IP(src=SENDER[0], dst=address, proto=6, len=20)))
        struct.pack_into("!H", packet, 2, (length + 20) if length + 20 < 65536 else 0)
        packet[10:12] = b"\0\0"
        struct.pack_into("!H", packet, 10, checksum(bytes(packet)))
    else:
        address = rng.choice((ROUTER, BEHIND))[1]
        packet = bytearray(raw(IPv6(src=SENDER[1], dst=address, nh=6, plen=0)))
        struct.pack_into("!H", packet, 4, length if length < 65536 else 0)
    return bytes(packet) + payload


def records(count: int, seed: int) -> Iterator[tuple[Way, bytes]]:
    rng = random.Random(seed)
    good = list(seeds())
    pool = [raw(packet) for packet in good]
    fields = [packet for seed_packet in good for packet in field_by_field(seed_packet, rng)]
    rng.shuffle(fields)
    for _ in range(BIG_ONES):
        packet = big(rng)
        yield Way.BIG, virtio_header(packet, rng, big=True) + packet
    for number in range(count):
        # A third has one field wrong, as long as there are any left.
        packet = fields.pop() if fields and number % 3 == 0 else mutated(pool, rng)
        ethertype = b"\x86\xdd" if packet[:1] >= b"\x60" else b"\x08\x00"
        by_raw_socket = Way.RAW_V4 if ethertype == b"\x08\x00" else Way.RAW_V6
        way = rng.choice((Way.TUN, Way.TUN, Way.FRAME, Way.PIECES, by_raw_socket))
        if way == Way.TUN:
            yield way, virtio_header(packet, rng) + packet
        elif way == Way.FRAME:
            header = virtio_header(packet, rng, link_layer=len(FRAME_HEADER + ethertype))
            yield way, header + FRAME_HEADER + ethertype + packet
        elif way == Way.PIECES:
            frame = TAP_HEADER + ethertype + packet
            cuts = {14 + rng.randrange(1, 64) for _ in range(rng.randrange(1, 5))}
            cuts = [*sorted(cut for cut in cuts if cut < len(frame)), len(frame)]
            yield way, struct.pack(f"=B{len(cuts)}H", len(cuts), *cuts) + frame
        else:
            yield way, packet


def main() -> None:
    count, seed, file = sys.argv[1:]
    with Path(file).open("wb") as out:
        for way, packet in records(int(count), int(seed)):
            out.write(RECORD.pack(way, len(packet)) + packet)


if __name__ == "__main__":
    main()
