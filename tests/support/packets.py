# SPDX-License-Identifier: GPL-2.0
"""One packet of each kind that the formats have a form for."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.sctp import SCTP
from scapy.packet import Raw

from support import frames

_TO_HOST = {"dst": frames.HOST}
PACKETS = [
    IP(src="10.1.0.1", ttl=7, id=3, flags="DF", **_TO_HOST)
    / TCP(sport=1, dport=2, seq=3, ack=4, window=5, urgptr=6, flags="SAUP", options=[("MSS", 1460), ("WScale", 7)]),
    IP(src="10.1.0.2", tos=0xB8, **_TO_HOST)
    / TCP(sport=1, dport=2, flags="A", options=[("Timestamp", (1, 2)), ("SAck", (10, 20, 30, 40))])
    / Raw(b"payload"),
    IP(src="10.1.0.3", **_TO_HOST)
    / TCP(sport=9, dport=10, flags="FRECN", options=[("SAckOK", b""), (254, b"\xf9\x89")]),
    IP(src="10.1.0.4", **_TO_HOST) / UDP(sport=53, dport=54) / Raw(b"abc"),
    IP(src="10.1.0.5", **_TO_HOST) / ICMP(type=8, id=17, seq=18),
    IP(src="10.1.0.6", **_TO_HOST) / ICMP(type=3, code=1) / IP(src=frames.HOST, dst="10.9.9.9") / UDP(sport=5, dport=6),
    IP(src="10.1.0.7", proto=47, **_TO_HOST) / Raw(b"gre?"),
    IP(src="10.1.0.8", frag=185, flags="MF", id=99, proto=17, **_TO_HOST) / Raw(b"f" * 16),
    IP(src="10.1.0.9", **_TO_HOST) / SCTP(sport=11, dport=12, tag=0xDEADBEEF),
    IP(src="10.1.0.10", proto=6, **_TO_HOST) / Raw(b"short"),
]
