# SPDX-License-Identifier: GPL-2.0
"""The number of segments of a tap device's packets, which the kernel counts only on output."""

import struct

import pytest

from support import kmsg, parameters
from support.frames import PROTO_TCP, PROTO_UDP, extension, ipv4, ipv6, tcp, udp
from support.listeners import events, ftrace, trace_pipe
from support.tap import DEVICE, LOCAL4, LOCAL6, SOURCES4, SOURCES6, tapped

# From linux/virtio_net.h.
_NEEDS_CSUM = 1
_GSO_TCPV4, _GSO_UDP, _GSO_TCPV6, _GSO_UDP_L4 = 1, 3, 4, 5
_ETHERNET_HEADER = 14
_SIZE = 1448


def _vnet_header(kind: int, size: int, network: int, transport: int, checksum_at: int) -> bytes:
    start = _ETHERNET_HEADER + network
    return struct.pack("=BBHHHH", _NEEDS_CSUM, kind, start + transport, size, start, checksum_at)


# Offload, transport header, number of extension headers, bytes of data, and expected segments; for fragments,
# UDP's header counts as data.
_CASES = {
    "TCP": (_GSO_TCPV4, tcp(), 0, 14480, 10),
    "TCP, the last one short": (_GSO_TCPV4, tcp(), 0, 14481, 11),
    "TCP with options": (_GSO_TCPV4, tcp(doff=8, rest=b"\1" * 12), 0, 14480, 10),
    "TCP over IPv6": (_GSO_TCPV6, tcp(), 0, 14480, 10),
    "TCP with options over IPv6": (_GSO_TCPV6, tcp(doff=15, rest=b"\1" * 40), 0, 14481, 11),
    "TCP over IPv6 behind extension headers": (_GSO_TCPV6, tcp(), 3, 14480, 10),
    "UDP": (_GSO_UDP_L4, b"", 0, 14480, 10),
    "UDP, the last one short": (_GSO_UDP_L4, b"", 0, 1449, 2),
    "UDP over IPv6": (_GSO_UDP_L4, b"", 0, 14479, 10),
    "UDP to be cut into fragments": (_GSO_UDP, b"", 0, 14480 - 8, 10),
    "UDP to be cut into one more": (_GSO_UDP, b"", 0, 14480 - 7, 11),
}


@pytest.mark.parametrize("case", _CASES)
def test_segments_of_a_packet_of_a_tap_are_counted(case: str) -> None:
    kind, header, extensions, length, expected = _CASES[case]
    data = bytes(length)
    protocol = PROTO_TCP if header else PROTO_UDP
    segment = header + data if header else udp(data)
    if v6 := "IPv6" in case:
        packet = ipv6(segment, SOURCES6[0], LOCAL6, protocol=protocol, extensions=[extension()] * extensions)
    else:
        packet = ipv4(segment, SOURCES4[0], LOCAL4, protocol=protocol)
    transport = len(packet) - len(segment)
    vnet = _vnet_header(kind, _SIZE, transport, len(segment) - length, 16 if header else 6)
    log = kmsg.KernelLog()
    with (
        tapped() as tap,
        parameters.loaded(f"netns=all family=inet proto=all rate=0 format=full sink=log,trace iface={DEVICE}"),
    ):
        with ftrace():
            tap.send(packet, v6=v6, vnet_header=vnet)
            found = [event for event in events(trace_pipe()) if event["hook"] == "prerouting"]
        lines = [text for _, text in log.read() if "hook=prerouting" in text]
        # A packet without segmentation has no segments in its line.
        tap.send(packet, v6=v6)
        plain = [text for _, text in log.read() if "hook=prerouting" in text]
    log.close()
    (line,), (event,), (other,) = lines, found, plain
    assert f" segments={expected} " in line, line
    assert event["gso_segs"] == str(expected)
    assert "segments=" not in other
