# SPDX-License-Identifier: GPL-2.0
"""System calls that glibc has no functions for.

Each returns an error number, or 0, and does nothing else: no allocation of Python's own comes in between where the
kernel's are made to fail.
"""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
# From asm/unistd_64.h.
_SYS_DELETE_MODULE, _SYS_FINIT_MODULE = 176, 313


def finit_module(fd: int, parameters: bytes, flags: int = 0) -> int:
    """Loads the module in an open file."""
    return ctypes.get_errno() if _libc.syscall(_SYS_FINIT_MODULE, fd, parameters, flags) else 0


def delete_module(name: bytes) -> int:
    """Unloads a module, unless somebody holds it."""
    return ctypes.get_errno() if _libc.syscall(_SYS_DELETE_MODULE, name, os.O_NONBLOCK) else 0
