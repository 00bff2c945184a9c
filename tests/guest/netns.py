# SPDX-License-Identifier: GPL-2.0
"""Network namespaces, and what stands in them."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


def run(*command: str, netns: str | None = None) -> str:
    """Runs a program to its end, in a namespace, and gives what it says."""
    prefix = ["ip", "netns", "exec", netns] if netns else []
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout


@contextlib.contextmanager
def inside(netns: str) -> Iterator[None]:
    """This thread is in the namespace for a while. Sockets made there stay there."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    try:
        os.setns(there, os.CLONE_NEWNET)
        yield
    finally:
        os.setns(home, os.CLONE_NEWNET)
        os.close(home)
        os.close(there)


def ip(arguments: str, netns: str | None = None) -> None:
    """Runs ip(8)'s commands, one a line: one process for all of them."""
    options = ["-n", netns] if netns else []
    done = subprocess.run(["ip", *options, "-batch", "-"], input=arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def mac_of(interface: str) -> str:
    return Path(f"/sys/class/net/{interface}/address").read_text().strip()


def counter(interface: str, name: str) -> int:
    return int(Path(f"/sys/class/net/{interface}/statistics/{name}").read_text())
