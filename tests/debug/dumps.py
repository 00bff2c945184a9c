# SPDX-License-Identifier: GPL-2.0
"""Lists the hooks while they come and go. Runs in the debug kernel.

A listing reads the registration itself, which nfnetlink_hook.c does under RCU.
"""

import mmap
import os
import socket
import struct
from functools import partial
from pathlib import Path

from churn import working
from helpers import kasan_has_reported, load, unload

from support import parameters
from support.kernel import OUTPUT
from support.module import NFNL_MSG_HOOK_GET, NFNLA_HOOK_HOOKNUM, NFNLA_HOOK_MODULE_NAME
from support.netlink import NetfilterSocket, Subsystem, attribute

_COUNT = struct.Struct("=Q")
# Enough that one of them is always preempted while it reads the tracer's hook.
_LISTERS = 8


def _list(seen: mmap.mmap) -> None:
    """Lists what is registered at the hook, over and over, and counts those that have the tracer."""
    request = attribute(NFNLA_HOOK_HOOKNUM, struct.pack(">I", OUTPUT))
    with NetfilterSocket() as sock:
        while True:
            for _, attributes in sock.dump(Subsystem.HOOK, NFNL_MSG_HOOK_GET, request, family=socket.AF_INET):
                if attributes.get(NFNLA_HOOK_MODULE_NAME) == b"nf_tracer\0":
                    _COUNT.pack_into(seen, 0, _COUNT.unpack_from(seen)[0] + 1)


def change_under_lists(modules: Path, changes: int) -> None:
    """Unhooks and rehooks the tracer that often, while the hook is being listed."""
    error = load(modules / "nf_tracer.ko", "hooks=output priority=last")
    assert error == 0, os.strerror(error)
    seen = mmap.mmap(-1, _COUNT.size)
    with working(*[partial(_list, seen)] * _LISTERS):
        for _ in range(changes):
            if kasan_has_reported():
                break
            for hook in ("input", "output"):
                parameters.put("hooks", hook)
    unload("nf_tracer")
    print(f"{changes} changes, {_COUNT.unpack_from(seen)[0]} lists with the tracer in them")
