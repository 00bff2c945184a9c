# SPDX-License-Identifier: GPL-2.0
"""Loading and unloading nf_tracer.ko, by the system calls, whose return is a moment to measure by."""

import functools
import os
import shutil
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

from support.kernel import HOOKS
from support.netlink import NetfilterSocket, Subsystem, attribute
from support.paths import TOP
from support.syscalls import delete_module, finit_module

NAME = "nf_tracer"
FILE = TOP / f"{NAME}.ko"

# From linux/netfilter/nfnetlink_hook.h. `nft list hooks` reads the same, but is slow.
NFNL_MSG_HOOK_GET, NFNLA_HOOK_HOOKNUM, NFNLA_HOOK_MODULE_NAME, _NFNLA_HOOK_PRIORITY = 0, 1, 5, 2
# From linux/module.h: what insmod's -f asks for.
BY_FORCE = 2


def _check(error: int) -> None:
    if error:
        raise OSError(error, os.strerror(error))


@functools.cache
def _stripped() -> Path:
    """Returns a copy without the debugging information, which takes half of a load to read, as packages install it."""
    copy = Path(tempfile.mkdtemp(), FILE.name)
    subprocess.run(["strip", "--strip-debug", "-o", copy, FILE], check=True)
    return copy


def load(parameters: str = "rate=0", flags: int = 0, file: Path | None = None) -> None:
    """Loads the module, by default without a limit: most tests ask whether each packet has its line."""
    with (file or _stripped()).open("rb") as opened:
        _check(finit_module(opened.fileno(), parameters.encode(), flags))


def modprobe(folder: Path) -> tuple[Path, list[str]]:
    """Makes a tree for modprobe with the module in it; returns its configuration, to be written, and the command."""
    release = os.uname().release
    tree = folder / "lib/modules" / release
    tree.mkdir(parents=True)
    shutil.copy(FILE, tree)
    subprocess.run(["depmod", "-b", folder, release], check=True)
    config = folder / "modprobe.conf"
    return config, ["modprobe", "-d", str(folder), "-C", str(config), NAME]


def unload() -> None:
    """Unloads the module."""
    _check(delete_module(NAME.encode()))


def is_loaded() -> bool:
    """Returns whether the module is loaded."""
    return Path("/sys/module", NAME).exists()


def hooks(netns: str | None = None) -> list[str]:
    """Returns the module's hooks in a namespace as the kernel lists them, each as 'family hook priority'."""
    found = []
    with NetfilterSocket(netns) as sock:
        for family, number in (("ip", socket.AF_INET), ("ip6", socket.AF_INET6)):
            for point, hook in enumerate(HOOKS):
                request = attribute(NFNLA_HOOK_HOOKNUM, struct.pack(">I", point))
                for _, attributes in sock.dump(Subsystem.HOOK, NFNL_MSG_HOOK_GET, request, family=number):
                    if attributes.get(NFNLA_HOOK_MODULE_NAME) == f"{NAME}\0".encode():
                        priority = int.from_bytes(attributes[_NFNLA_HOOK_PRIORITY], signed=True)
                        found.append(f"{family} {hook} {priority}")
    return sorted(found)
