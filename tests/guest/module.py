# SPDX-License-Identifier: GPL-2.0
"""Loading and unloading the module, by the system calls, whose return is a moment to measure by."""

import contextlib
import ctypes
import os
import socket
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from netns import inside

NAME = "nf_tracer"
FILE = Path(__file__).resolve().parents[2] / f"{NAME}.ko"

_libc = ctypes.CDLL(None, use_errno=True)
# From asm/unistd_64.h: glibc has no functions for them.
_SYS_DELETE_MODULE = 176
_SYS_FINIT_MODULE = 313
# From linux/netlink.h and linux/netfilter/nfnetlink_hook.h. `nft list hooks` asks the same, and takes long for it.
_NETLINK_NETFILTER, _REQUEST_DUMP, _NLMSG_ERROR, _NLMSG_DONE = 12, 0x301, 2, 3
_HOOK_GET, _HOOKNUM, _PRIORITY, _MODULE_NAME = 12 << 8, 1, 2, 5
# From linux/module.h: what insmod's -f asks for.
BY_FORCE = 2


def _syscall(number: int, *args: object) -> None:
    if _libc.syscall(number, *args) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def load(parameters: str = "rate=0", flags: int = 0) -> None:
    """Loads it, by default without a limit: what most tests ask is whether each packet is there."""
    with FILE.open("rb") as file:
        _syscall(_SYS_FINIT_MODULE, file.fileno(), parameters.encode(), flags)


def unload() -> None:
    _syscall(_SYS_DELETE_MODULE, NAME.encode(), os.O_NONBLOCK)


def is_loaded() -> bool:
    return Path("/sys/module", NAME).exists()


def hooks(netns: str | None = None) -> list[str]:
    """Where the module is hooked in in a namespace, as 'family hook priority', by what the kernel says."""
    found = []
    with inside(netns) if netns else contextlib.nullcontext():
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    with sock:
        for family, number in (("ip", socket.AF_INET), ("ip6", socket.AF_INET6)):
            for point, hook in enumerate(("prerouting", "input", "forward", "output", "postrouting")):
                header = struct.pack("=IHHIIBBH", 28, _HOOK_GET, _REQUEST_DUMP, 0, 0, number, 0, 0)
                sock.send(header + struct.pack("=HH", 8, _HOOKNUM) + struct.pack("!I", point))
                ops = [attributes for attributes in _dump(sock) if attributes[_MODULE_NAME] == f"{NAME}\0".encode()]
                found += [f"{family} {hook} {int.from_bytes(each[_PRIORITY], signed=True)}" for each in ops]
    return sorted(found)


def _dump(sock: socket.socket) -> Iterator[defaultdict[int, bytes]]:
    """The attributes of each message of an answer."""
    while True:
        messages = sock.recv(1 << 16)
        while messages:
            length, kind = struct.unpack_from("=IH", messages)
            message, messages = messages[:length], messages[(length + 3) & ~3 :]
            assert kind != _NLMSG_ERROR, message
            if kind == _NLMSG_DONE:
                return
            attributes, at = defaultdict(bytes), 20
            while at < length:
                size, name = struct.unpack_from("=HH", message, at)
                attributes[name] = message[at + 4 : at + size]
                at += (size + 3) & ~3
            yield attributes
