# SPDX-License-Identifier: GPL-2.0
"""What somebody with other rights than ours can do: it is tried in a child process that has only those."""

import ctypes
import errno
import json
import os
import struct
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
# From asm/unistd_64.h, linux/prctl.h and linux/capability.h.
_SYS_CAPSET = 126
_PR_SET_DUMPABLE = 4
_CAPABILITY_VERSION_3, _CAP_SYS_MODULE = 0x20080522, 16
_UID = 1000


def _root_with(capabilities: int) -> None:
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    sets = struct.pack("=IIIIII", capabilities, capabilities, 0, 0, 0, 0)
    if _libc.syscall(_SYS_CAPSET, header, sets):
        raise OSError(ctypes.get_errno(), "capset")


def powerless_root() -> None:
    """uid 0 in the initial user namespace without any capability, as in some containers."""
    _root_with(0)


def module_loader() -> None:
    """uid 0 with the right to load modules, as systemd-modules-load, and no other."""
    _root_with(1 << _CAP_SYS_MODULE)


def user() -> None:
    """An ordinary user."""
    os.setgroups([])
    os.setresgid(_UID, _UID, _UID)
    os.setresuid(_UID, _UID, _UID)


def _userns_root(namespaces: int) -> None:
    user()
    # Else its own files in /proc belong to root, after the change of user.
    _libc.prctl(_PR_SET_DUMPABLE, 1)
    os.unshare(os.CLONE_NEWUSER | namespaces)
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {_UID} 1"), ("gid_map", f"0 {_UID} 1")):
        Path("/proc/self", file).write_text(text)


def userns_root() -> None:
    """Root of a user namespace, in the host's network namespace: what `unshare -Ur` gives to any user."""
    _userns_root(0)


def netns_root() -> None:
    """Root of a user namespace and a network namespace that belongs to it: `unshare -Urn`."""
    _userns_root(os.CLONE_NEWNET)


def attempt(become: Callable[[], None] | None, what: Callable[[], object]) -> object:
    """What `what` gives if somebody else calls it, or the name of the error that it meets."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # There is a thread, pytest's, which would end a test that hangs.
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
