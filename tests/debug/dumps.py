# SPDX-License-Identifier: GPL-2.0
"""Lists the hooks while they come and go. Runs in the debug kernel.

Whoever lists hooks reads what was registered, not only what packets need: C's nfnetlink_hook.c does so under RCU.
"""

import mmap
import os
import socket
import struct
from functools import partial
from pathlib import Path

from commotion import working
from helpers import kasan_has_reported, load, unload
from nflog_listener import NETLINK_NETFILTER, NLM_F_REQUEST

# From linux/netlink.h and linux/netfilter/nfnetlink.h and nfnetlink_hook.h.
_NLM_F_DUMP = 0x300
_NLMSG_DONE = 3
_NFNL_SUBSYS_HOOK, _NFNL_MSG_HOOK_GET = 12, 0
_NFNLA_HOOK_HOOKNUM = 1
_NF_INET_LOCAL_OUT = 3

_COUNT = struct.Struct("=Q")
_HOOKS = Path("/sys/module/nf_tracer/parameters/hooks")
# So many that one is always being put off while it looks at the tracer's hook.
_LISTERS = 8


def _list(seen: mmap.mmap) -> None:
    """Lists what is registered at the hook, over and over, and counts those that have the tracer."""
    kind = _NFNL_SUBSYS_HOOK << 8 | _NFNL_MSG_HOOK_GET
    attr = struct.pack("=HH", 8, _NFNLA_HOOK_HOOKNUM) + struct.pack(">I", _NF_INET_LOCAL_OUT)
    body = struct.pack("=BBH", socket.AF_INET, 0, 0) + attr
    request = struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | _NLM_F_DUMP, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as sock:
        while True:
            sock.send(request)
            while True:
                answer = sock.recv(1 << 16)
                if b"nf_tracer\0" in answer:
                    _COUNT.pack_into(seen, 0, _COUNT.unpack_from(seen)[0] + 1)
                if struct.unpack_from("=H", answer, 4)[0] == _NLMSG_DONE:
                    break


def change_under_lists(modules: Path, changes: int) -> None:
    """Takes the tracer out of a hook and puts it in again that often, while the hook is being listed."""
    error = load(modules / "nf_tracer.ko", "hooks=output priority=last")
    assert error == 0, os.strerror(error)
    seen = mmap.mmap(-1, _COUNT.size)
    with working(*[partial(_list, seen)] * _LISTERS):
        for _ in range(changes):
            if kasan_has_reported():
                break
            for hook in ("input", "output"):
                _HOOKS.write_text(f"{hook}\n")
    unload("nf_tracer")
    print(f"{changes} changes, {_COUNT.unpack_from(seen)[0]} lists with the tracer in them")
