# SPDX-License-Identifier: GPL-2.0
"""The device `hooked0`, at which test modules register."""

import contextlib
import socket
import struct
from collections.abc import Iterator

from support import frames
from support.netns import inside, ip, run
from vm.pace import patience


@contextlib.contextmanager
def hooked_device() -> Iterator[None]:
    """Makes hooked0, whose peer eth0 is in the namespace `other`; each knows the other's hardware address."""
    run("ip", "netns", "add", "other")
    run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", netns="other")
    ip(
        f"""link add hooked0 type veth peer name eth0 netns other
        link set hooked0 address {frames.HOST_MAC} up
        addr add 10.78.0.1/24 dev hooked0
        neigh add 10.78.0.2 lladdr {frames.PEER_MAC} dev hooked0"""
    )
    ip(
        f"""link set eth0 address {frames.PEER_MAC} up
        addr add 10.78.0.2/24 dev eth0
        neigh add 10.78.0.1 lladdr {frames.HOST_MAC} dev eth0""",
        netns="other",
    )
    try:
        yield
    finally:
        run("ip", "netns", "del", "other")


def arp_is_answered() -> bool:
    """Returns whether an ARP request that `other` sends to hooked0 is answered."""
    packet, request, reply = 0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1), b"\0\2"
    mac = bytes.fromhex(frames.PEER_MAC.replace(":", ""))
    with inside("other"):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(packet))
    with sock:
        sock.bind(("eth0", packet))
        sock.settimeout(patience(1))
        asked = mac + bytes([10, 78, 0, 2]) + bytes(6) + bytes([10, 78, 0, 1])
        sock.send(b"\xff" * 6 + mac + struct.pack("!H", packet) + request + asked)
        with contextlib.suppress(TimeoutError):
            while True:
                frame = sock.recv(100)
                if frame[20:22] == reply:
                    return True
    return False
