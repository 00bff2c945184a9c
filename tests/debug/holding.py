# SPDX-License-Identifier: GPL-2.0
"""Holds packets while everything that they refer to goes away. Runs in the debug kernel."""

import contextlib
import os
import random
import socket
import struct
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from churn import forwarding, make_devices, make_namespaces, send_datagrams, send_frames, working
from helpers import load, look_for_leaks, unload

from support import frames
from support.kernel import FORWARD, INPUT, OUTPUT, POSTROUTING, PREROUTING
from support.netns import bring_up_loopback, inside, ip

_UDP = socket.IPPROTO_UDP
_LONG = 600_000
_LEFT, _HERE, _RIGHT = "10.9.1.2", "10.9.1.1", "10.9.2.2"


@contextlib.contextmanager
def delayer(modules: Path, **parameters: object) -> Iterator[None]:
    text = " ".join(f"{name}={value}" for name, value in parameters.items())
    error = load(modules / "real/tests/modules/delayer.ko", text)
    assert error == 0, os.strerror(error)
    try:
        yield
    finally:
        unload("delayer")


def bound(address: str, netns: str | None = None) -> socket.socket:
    with inside(netns) if netns else contextlib.nullcontext():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 0))
    sock.settimeout(5)
    return sock


def socket_is_closed(modules: Path) -> None:
    """Closes the socket of packets that early demux has found, without a reference."""
    with delayer(modules, hook=INPUT, protocol=_UDP, delay=500):
        for _ in range(20):
            with bound(_LEFT, "left") as sender, bound(_HERE) as receiver:
                receiver.connect(sender.getsockname())
                sender.sendto(b"x", receiver.getsockname())
        time.sleep(1.5)


def route_is_replaced(modules: Path) -> None:
    """Replaces the route of received packets, which only an RCU reader protects."""
    with delayer(modules, hook=FORWARD, protocol=_UDP, delay=500), bound(_LEFT, "left") as sender:
        for _ in range(10):
            sender.sendto(b"x", (_RIGHT, 9))
        ip("route del 10.9.2.0/24\nroute add 10.9.2.0/24 dev right0")
        time.sleep(1.5)


def route_is_gone(modules: Path) -> None:
    """Lets packets pass that cannot be held because their route is gone."""
    error = load(modules / "tests/debug/modules/vanishing.ko")
    assert error == 0, os.strerror(error)
    with (
        delayer(modules, hook=FORWARD, protocol=_UDP, delay=_LONG),
        bound(_LEFT, "left") as sender,
        bound(_RIGHT, "right") as receiver,
    ):
        for number in range(10):
            sender.sendto(bytes([number]), receiver.getsockname())
        assert [receiver.recv(1)[0] for _ in range(10)] == list(range(10))
    unload("vanishing")


def namespace_goes_without_its_device(modules: Path) -> None:
    """Moves the input device out of the packet's namespace, and frees the namespace."""
    error = load(modules / "tests/debug/modules/vanishing.ko")
    assert error == 0, os.strerror(error)
    with delayer(modules, hook=PREROUTING, protocol=_UDP, delay=2000, everywhere=1):
        ip("netns add doomed\nlink set plain0 netns doomed")
        ip(f"link set plain0 address {frames.HOST_MAC} up\naddr add 10.8.0.1/24 dev plain0", netns="doomed")
        with inside("doomed"):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with sock:
            sock.bind(("plain0", 0))
            datagram = struct.pack("!HHHH", 9, 9, 8, 0)
            packet = frames.ipv4(datagram, "10.8.0.2", "10.8.0.1", protocol=_UDP)
            sock.send(frames.ethernet(packet))
        ip("netns del doomed")
        start = time.monotonic()
        while not Path("/sys/class/net/plain0").exists():
            assert time.monotonic() < start + 60, "the namespace does not go"
            time.sleep(0.1)
        time.sleep(3)
    unload("vanishing")


def module_goes(modules: Path) -> None:
    """Unloads the module, which reinjects the rest in process context, with bottom halves on."""
    with bound(_LEFT, "left") as sender, bound(_HERE) as receiver:
        receiver.connect(sender.getsockname())
        for hook in (PREROUTING, INPUT):
            with delayer(modules, hook=hook, protocol=_UDP, delay=_LONG):
                for number in range(10):
                    sender.sendto(bytes([number]), receiver.getsockname())
                time.sleep(0.2)
            assert [receiver.recv(1)[0] for _ in range(10)] == list(range(10))


def everything_goes(modules: Path, seconds: float) -> None:
    """Holds and reinjects packets of all kinds, while namespaces, devices and the module come and go."""
    with (
        forwarding() as send,
        working(
            *(send_datagrams, partial(send_datagrams, pause=0.001), send),
            *(make_namespaces, make_devices, partial(send_frames, pause=0.001)),
        ),
    ):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with delayer(
                modules,
                hook=random.choice((PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING)),
                protocol=random.choice((socket.IPPROTO_ICMP, _UDP)),
                delay=random.choice((0, 1, 10, 100, _LONG)),
                everywhere=1,
            ):
                time.sleep(random.uniform(0, 2))


def hold(modules: Path, seconds: str) -> None:
    bring_up_loopback()
    with forwarding():
        for scene in (
            socket_is_closed,
            route_is_replaced,
            route_is_gone,
            namespace_goes_without_its_device,
            module_goes,
        ):
            print(f"holding: {scene.__name__}", flush=True)
            scene(modules)
    everything_goes(modules, float(seconds))
    look_for_leaks()
    print("holding: all is said")
