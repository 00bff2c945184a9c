# SPDX-License-Identifier: GPL-2.0
"""System calls that glibc has no functions for.

Each returns an error number, or 0, and does nothing else: no allocation of Python's own comes in between where the
kernel's are made to fail.
"""

import ctypes
import os
import platform

_libc = ctypes.CDLL(None, use_errno=True)
# From asm/unistd_64.h of x86 and asm-generic/unistd.h of the others.
_NUMBERS = {
    "x86_64": {"capset": 126, "delete_module": 176, "perf_event_open": 298, "finit_module": 313, "bpf": 321},
    "aarch64": {"capset": 91, "delete_module": 106, "perf_event_open": 241, "finit_module": 273, "bpf": 280},
}


def number(name: str) -> int:
    """Returns the number of a system call on this architecture."""
    return _NUMBERS[platform.machine()][name]


_SYS_DELETE_MODULE, _SYS_FINIT_MODULE = number("delete_module"), number("finit_module")


def finit_module(fd: int, parameters: bytes, flags: int = 0) -> int:
    """Loads the module in an open file."""
    return ctypes.get_errno() if _libc.syscall(_SYS_FINIT_MODULE, fd, parameters, flags) else 0


def delete_module(name: bytes) -> int:
    """Unloads a module, unless somebody holds it."""
    return ctypes.get_errno() if _libc.syscall(_SYS_DELETE_MODULE, name, os.O_NONBLOCK) else 0
