# SPDX-License-Identifier: GPL-2.0
"""A network namespace with a tap device for input, which forwards some packets to another device."""

import contextlib
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from support.frames import ETHERTYPE_IPV4, ETHERTYPE_IPV6
from support.netns import inside, ip, run

NETNS = "tapped"
LOCAL4, LOCAL6 = "10.7.0.1", "fd07::1"
# Packets to these leave by the other device, out0.
FORWARD4, FORWARD6 = "10.8.0.2", "fd08::2"
# The first two are neighbours.
SOURCES4 = "10.7.0.2", "10.7.0.3", "10.7.128.9", "192.0.2.1"
SOURCES6 = "fd07::2", "fd07::3", "fd07:0:0:1::9", "2001:db8::1"
DEVICE = "tap0"
# The virtio-net header of a packet without segmentation and checksum offload.
VNET_HEADER = bytes(10)

_DRIVER = Path("/dev/net/tun")
_MAC, _SENDER_MAC = "02:00:00:00:07:01", "02:00:00:00:07:02"


class Tap:
    """The tap device, which exists while it is open."""

    def __init__(self) -> None:
        tunsetiff, iff_tap, iff_no_pi, iff_vnet_hdr = 0x400454CA, 2, 0x1000, 0x4000
        if not _DRIVER.exists():
            run("modprobe", "tun")
        with inside(NETNS):
            self._fd = os.open(_DRIVER, os.O_RDWR | os.O_NONBLOCK)
        flags = iff_tap | iff_no_pi | iff_vnet_hdr
        fcntl.ioctl(self._fd, tunsetiff, struct.pack("16sH22x", DEVICE.encode(), flags))
        self._macs = bytes.fromhex((_MAC + _SENDER_MAC).replace(":", ""))

    def send(self, packet: bytes, *, v6: bool, vnet_header: bytes = VNET_HEADER) -> None:
        """Injects a packet."""
        ethertype = struct.pack("!H", ETHERTYPE_IPV6 if v6 else ETHERTYPE_IPV4)
        os.write(self._fd, vnet_header + self._macs + ethertype + packet)

    def received(self) -> list[bytes]:
        """Returns the packets sent to the device since the last call, without Ethernet headers."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(os.read(self._fd, 1 << 17)[len(VNET_HEADER) + 14 :])
        return found

    def close(self) -> None:
        os.close(self._fd)


@contextlib.contextmanager
def tapped() -> Iterator[Tap]:
    """Makes the namespace, which sends nothing but replies, and deletes it afterwards."""
    ip(f"netns add {NETNS}\n")
    try:
        _configure()
        tap = Tap()
        _bring_up()
        yield tap
        tap.close()
    finally:
        ip(f"netns del {NETNS}\n")


def _configure() -> None:
    with inside(NETNS):
        conf = Path("/proc/sys/net")
        for kind in ("default", "all"):
            # No autoconfigured addresses, and so no neighbour discovery for them.
            (conf / f"ipv6/conf/{kind}/disable_ipv6").write_text("0")
            (conf / f"ipv6/conf/{kind}/addr_gen_mode").write_text("1")
            (conf / f"ipv6/conf/{kind}/forwarding").write_text("1")
            for name in ("accept_local", "accept_source_route"):
                (conf / f"ipv4/conf/{kind}/{name}").write_text("1")
            (conf / f"ipv4/conf/{kind}/rp_filter").write_text("0")
        (conf / "ipv4/ip_forward").write_text("1")


def _bring_up() -> None:
    neighbours = "".join(
        f"neigh add {address} lladdr {_SENDER_MAC} dev {DEVICE} nud permanent\n"
        for address in (*SOURCES4[:2], *SOURCES6[:2])
    )
    ip(
        f"""link set lo up
        link set {DEVICE} address {_MAC} up
        link add out0 type dummy
        link set out0 up
        addr add {LOCAL4}/24 dev {DEVICE}
        addr add {LOCAL6}/64 dev {DEVICE} nodad
        addr add 10.8.0.1/24 dev out0
        addr add fd08::1/64 dev out0 nodad
        route add default dev out0
        route add ::/0 dev out0
        {neighbours}""",
        netns=NETNS,
    )


def open_socket(family: int, kind: int, protocol: int = 0) -> socket.socket:
    """Opens a socket in the namespace."""
    with inside(NETNS):
        return socket.socket(family, kind, protocol)
