# SPDX-License-Identifier: GPL-2.0
"""Helpers of the scenes: modules, child processes, leaks. Runs in the debug kernel."""

import contextlib
import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from support.syscalls import delete_module, finit_module
from vm.guest import die_with_parent

_KMEMLEAK = Path("/sys/kernel/debug/kmemleak")


def forked(work: Callable[[], None]) -> int:
    """Runs `work` in a process group of its own, which ends with this one at the latest."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        die_with_parent()
        # Traffic must not starve what is being tested.
        os.nice(10)
        try:
            work()
        finally:
            os._exit(0)
    # Both do so: the group is there when this returns, whichever comes first.
    with contextlib.suppress(PermissionError):
        os.setpgid(child, child)
    return child


def end(*children: int) -> None:
    """Ends processes that are forked(), with those that they have started."""
    for child in children:
        os.killpg(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)


def load(file: Path, parameters: str = "") -> int:
    """Loads a module; returns the error number, or 0."""
    with file.open("rb") as opened:
        return finit_module(opened.fileno(), parameters.encode())


def try_to_unload(name: str) -> int:
    """Tries to unload a module; returns the error number, or 0."""
    return delete_module(name.encode())


def unload(name: str) -> None:
    while error := try_to_unload(name):
        # Whoever reads from the module at this moment has a reference to it.
        assert error in (errno.EAGAIN, errno.EBUSY), os.strerror(error)
        time.sleep(0.01)


def clear_leaks() -> None:
    """Forgets the leaks so far, and has kmemleak scan only on request."""
    _KMEMLEAK.write_text("scan=off")
    _KMEMLEAK.write_text("clear")


def leaks() -> str:
    """Returns kmemleak's report after two scans: it does not count objects younger than 5 s."""
    time.sleep(5)
    for _ in range(2):
        _KMEMLEAK.write_text("scan")
    return _KMEMLEAK.read_text()


def kasan_has_reported() -> bool:
    taint_bad_page = 1 << 5
    return bool(int(Path("/proc/sys/kernel/tainted").read_text()) & taint_bad_page)


def look_for_leaks() -> None:
    # After a report by KASAN a scan adds nothing, and takes long.
    if kasan_has_reported():
        return
    found = leaks()
    assert not found, found
