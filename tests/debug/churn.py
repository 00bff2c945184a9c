# SPDX-License-Identifier: GPL-2.0
"""Packets on every CPU, while namespaces and devices come and go. Runs in the debug kernel."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from helpers import end, forked

from support.netns import bring_up_loopback, inside, ip


def send_datagrams(count: int | None = None, pause: float = 0, address: str = "127.0.0.1") -> None:
    """Sends datagrams to a port that nobody listens on; each is answered by an ICMP error."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    while count is None or count > 0:
        sock.sendto(b"x" * 100, (address, 9))
        count = None if count is None else count - 1
        if pause:
            time.sleep(pause)


def make_namespaces(pause: float = 0) -> None:
    """Makes namespaces that send a few packets and go, one after the other."""

    def live() -> None:
        os.unshare(os.CLONE_NEWNET)
        bring_up_loopback()
        send_datagrams(20)

    while True:
        os.waitpid(forked(live), 0)
        time.sleep(pause)


def make_devices(pause: float = 0) -> None:
    """Makes, renames and deletes a pair of devices, over and over."""
    changes = "link set stress1 mtu 1400\nlink set stress1 name other1\nlink set other1 name stress1\n" * 5
    round_trip = f"""\
link add stress0 type veth peer name stress1
link set stress0 up
link set stress1 up
{changes}
link del stress0
"""
    while True:
        subprocess.run(["ip", "-force", "-batch", "-"], input=round_trip * 10, text=True, check=False)
        time.sleep(pause)


def send_frames(pause: float = 0) -> None:
    """Sends frames through the pair of devices whenever it exists."""
    frame = b"\xff" * 6 + b"\x02" * 6 + b"\x08\x00" + b"E" + bytes(60)
    while True:
        with contextlib.suppress(OSError), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind(("stress0", 0))
            while True:
                sock.send(frame)
                time.sleep(pause)
        time.sleep(0.01)


@contextlib.contextmanager
def working(*work: Callable[[], None]) -> Iterator[None]:
    """Runs each function in a process of its own, until the context ends."""
    workers = [forked(each) for each in work]
    try:
        yield
    finally:
        end(*workers)


def traffic() -> contextlib.AbstractContextManager[None]:
    """Packets on every CPU, while namespaces and devices come and go."""
    return working(*[send_datagrams] * (os.cpu_count() or 1), make_namespaces, make_devices, send_frames)


@contextlib.contextmanager
def forwarding() -> Iterator[Callable[[], None]]:
    """Routes between two namespaces through this host; yields a function that sends by that route."""
    ends = {"left": 1, "right": 2}
    for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        Path("/proc/sys/net", setting).write_text("1")
    for name, number in ends.items():
        ip(
            f"""netns add {name}
            link add {name}0 type veth peer name {name}1 netns {name}
            addr add 10.9.{number}.1/24 dev {name}0
            addr add fd09:{number}::1/64 dev {name}0 nodad
            link set {name}0 up"""
        )
        ip(
            f"""addr add 10.9.{number}.2/24 dev {name}1
            addr add fd09:{number}::2/64 dev {name}1 nodad
            link set {name}1 up
            route add default via 10.9.{number}.1
            route add default via fd09:{number}::1""",
            netns=name,
        )

    def send() -> None:
        with inside("left"):
            while True:
                for address in ("10.9.2.2", "fd09:2::2"):
                    # At first neighbours are unresolved, and at last the namespaces go.
                    with contextlib.suppress(OSError):
                        send_datagrams(10, address=address)

    try:
        yield send
    finally:
        for name in ends:
            subprocess.run(["ip", "netns", "del", name], check=True)
