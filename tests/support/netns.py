# SPDX-License-Identifier: GPL-2.0
"""Network namespaces and their devices."""

import contextlib
import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path


def run(*command: str, netns: str | None = None) -> str:
    """Runs a program to its end, in a namespace; returns what it prints."""
    prefix = ["ip", "netns", "exec", netns] if netns else []
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout


@contextlib.contextmanager
def _away_from_home() -> Iterator[None]:
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        yield
    finally:
        os.setns(home, os.CLONE_NEWNET)
        os.close(home)


@contextlib.contextmanager
def inside(netns: str) -> Iterator[None]:
    """Enters a namespace with this thread, and leaves it afterwards. Sockets made there stay there."""
    there = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    try:
        with _away_from_home():
            os.setns(there, os.CLONE_NEWNET)
            yield
    finally:
        os.close(there)


@contextlib.contextmanager
def inside_new() -> Iterator[None]:
    """Enters a new namespace with this thread; it goes away afterwards."""
    with _away_from_home():
        os.unshare(os.CLONE_NEWNET)
        yield


@contextlib.contextmanager
def more(number: int) -> Iterator[None]:
    """Makes namespaces beside this one, to which this process holds the only references."""
    held = []
    try:
        with _away_from_home():
            for _ in range(number):
                os.unshare(os.CLONE_NEWNET)
                held.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        yield
    finally:
        for fd in held:
            os.close(fd)


def bring_up_loopback() -> None:
    """Brings up loopback by an ioctl, for where a process would take too long."""
    siocsifflags, iff_up = 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, siocsifflags, struct.pack("16sh22x", b"lo", iff_up))


def ip(arguments: str, netns: str | None = None) -> None:
    """Runs ip(8) commands, one a line, in one process."""
    options = ["-n", netns] if netns else []
    done = subprocess.run(["ip", *options, "-batch", "-"], input=arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def mac_of(interface: str) -> str:
    return Path(f"/sys/class/net/{interface}/address").read_text().strip()


def counter(interface: str, name: str) -> int:
    return int(Path(f"/sys/class/net/{interface}/statistics/{name}").read_text())


@contextlib.contextmanager
def ipv6_enabled(*devices: str) -> Iterator[None]:
    """Enables IPv6 on devices, and disables it afterwards: without it the kernel sends nothing of its own."""
    settings = [Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6") for device in devices]
    for setting in settings:
        setting.write_text("0")
    try:
        yield
    finally:
        for setting in settings:
            setting.write_text("1")
