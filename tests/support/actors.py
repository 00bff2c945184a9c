# SPDX-License-Identifier: GPL-2.0
"""Actors with other rights than the tests', in child processes."""

import ctypes
import errno
import json
import os
import struct
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

from support.syscalls import number

_libc = ctypes.CDLL(None, use_errno=True)
_SYS_CAPSET = number("capset")
# From linux/prctl.h and linux/capability.h.
_PR_SET_DUMPABLE = 4
_CAPABILITY_VERSION_3, _CAP_SYS_MODULE = 0x20080522, 16
_UID = 1000


def _root_with(capabilities: int) -> None:
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    sets = struct.pack("=IIIIII", capabilities, capabilities, 0, 0, 0, 0)
    if _libc.syscall(_SYS_CAPSET, header, sets):
        raise OSError(ctypes.get_errno(), "capset")


def powerless_root() -> None:
    """Becomes uid 0 of the initial user namespace without any capability, as in some containers."""
    _root_with(0)


def module_loader() -> None:
    """Becomes uid 0 with CAP_SYS_MODULE only, as systemd-modules-load."""
    _root_with(1 << _CAP_SYS_MODULE)


def user() -> None:
    """Becomes an ordinary user."""
    os.setgroups([])
    os.setresgid(_UID, _UID, _UID)
    os.setresuid(_UID, _UID, _UID)


def _userns_root(namespaces: int) -> None:
    user()
    # Otherwise its files in /proc belong to root after the change of user.
    _libc.prctl(_PR_SET_DUMPABLE, 1)
    os.unshare(os.CLONE_NEWUSER | namespaces)
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {_UID} 1"), ("gid_map", f"0 {_UID} 1")):
        Path("/proc/self", file).write_text(text)


def userns_root() -> None:
    """Becomes root of a user namespace, in the host's network namespace, as by `unshare -Ur`."""
    _userns_root(0)


def netns_root() -> None:
    """Becomes root of a user namespace that owns its network namespace, as by `unshare -Urn`."""
    _userns_root(os.CLONE_NEWNET)


def attempt(become: Callable[[], None] | None, what: Callable[[], object]) -> object:
    """Calls `what` as somebody else; returns what it returns, or the name of its error."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python warns of fork() in a process with threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            if become:
                become()
            said = [what()]
        except OSError as error:
            said = [errno.errorcode[error.errno]]
        except BaseException:  # noqa: BLE001
            said = [traceback.format_exc()]
        os.write(writer, json.dumps(said).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        (said,) = json.load(pipe)
    os.waitpid(child, 0)
    return said
