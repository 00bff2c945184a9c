# SPDX-License-Identifier: GPL-2.0
"""Well-formed packets, and packets with one field wrong."""

import contextlib
import random
from collections.abc import Iterator

from scapy.all import (
    AH,
    GRE,
    ICMP,
    IP,
    SCTP,
    TCP,
    UDP,
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    ICMPv6PacketTooBig,
    IPOption,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    Packet,
    Raw,
    SCTPChunkInit,
    raw,
)

# Addresses of the router in malformed_inside.py, of the host behind it, and of the sender.
ROUTER, BEHIND, SENDER = ("10.9.0.1", "fd09::1"), ("10.8.0.2", "fd08::2"), ("10.9.0.2", "fd09::2")


def transports(v6: bool) -> Iterator[Packet]:
    """Yields what can follow an IP header."""
    yield TCP(sport=40000, dport=80, flags="PA") / Raw(b"GET / HTTP/1.0\r\n\r\n")
    options = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 2)), ("NOP", None), ("WScale", 7)]
    yield TCP(sport=22, dport=40001, flags="S", options=options)
    yield TCP(sport=1, dport=2, flags="A", options=[("SAck", (1, 2, 3, 4)), ("NOP", None), ("NOP", None)])
    yield UDP(sport=53, dport=5353) / Raw(bytes(range(40)))
    yield UDP(sport=9, dport=9)
    yield SCTP(sport=5000, dport=5001, tag=0xDEADBEEF) / SCTPChunkInit()
    yield GRE() / IP() / ICMP()
    yield AH(spi=1, seq=1, icv=bytes(12), nh=6) / TCP(sport=3, dport=80)
    if v6:
        yield ICMPv6EchoRequest(id=1, seq=2, data=b"echo")
        yield ICMPv6DestUnreach() / IPv6() / UDP()
        yield ICMPv6PacketTooBig(mtu=1280) / IPv6() / TCP()
        yield ICMPv6ND_NS(tgt=ROUTER[1])
    else:
        yield ICMP(type=8, id=1, seq=2) / Raw(b"echo")
        yield ICMP(type=3, code=4, nexthopmtu=576) / IP() / UDP()
        yield ICMP(type=13)


def seeds() -> Iterator[Packet]:
    """Yields well-formed packets, to the router and to the host behind it."""
    for destination4, destination6 in zip(*zip(ROUTER, BEHIND, strict=True), strict=True):
        ip = IP(src=SENDER[0], dst=destination4, id=7, ttl=64)
        ip6 = IPv6(src=SENDER[1], dst=destination6, hlim=64, fl=7)
        for transport in transports(False):
            yield ip / transport
        for transport in transports(True):
            yield ip6 / transport
        tcp, udp = TCP(sport=40000, dport=80) / Raw(b"x" * 60), UDP(sport=7, dport=80) / Raw(b"x" * 60)
        for options in (bytes([1] * 4), bytes([7, 39, 4, *[0] * 36, 0]), bytes([148, 4, 0, 0])):
            yield IP(**{**ip.fields, "options": [IPOption(options)]}) / tcp
        for flags, frag in (("MF", 0), ("MF", 3), (0, 185), ("DF", 0)):
            yield IP(**{**ip.fields, "flags": flags, "frag": frag}) / udp
        extensions = (
            IPv6ExtHdrHopByHop(),
            IPv6ExtHdrDestOpt(),
            IPv6ExtHdrRouting(addresses=["fd09::3"], segleft=0),
            IPv6ExtHdrFragment(m=1, id=5),
            IPv6ExtHdrFragment(offset=9, id=5),
            IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(id=6),
            IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt(),
        )
        for extension in extensions:
            for transport in (tcp, udp):
                yield ip6 / extension / transport


def field_by_field(packet: Packet, rng: random.Random) -> Iterator[bytes]:
    """Yields copies with each field of each layer set to its boundary values, lengths and sums made right."""
    for depth, layer in enumerate(layers(packet)):
        for field in layer.fields_desc:
            is_number = isinstance(layer.getfieldval(field.name), int | None)
            if not is_number or not isinstance(getattr(field, "sz", None), int | float):
                continue
            bits = int(getattr(field, "size", field.sz * 8))
            top = (1 << bits) - 1
            for value in sorted({0, 1, 5, 8, top >> 1, top - 1, top, rng.getrandbits(bits)}):
                copy = packet.copy()
                setattr(list(layers(copy))[depth], field.name, value & top)
                # Scapy raises whatever it likes for a value that it cannot write.
                with contextlib.suppress(Exception):
                    yield raw(copy)


def layers(packet: Packet) -> Iterator[Packet]:
    while packet and not isinstance(packet, Raw):
        yield packet
        packet = packet.payload
