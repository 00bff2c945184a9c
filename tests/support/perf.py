# SPDX-License-Identifier: GPL-2.0
"""The module's tracepoint by perf_event_open(2), for tests of access."""

import ctypes
import os
import struct
from collections.abc import Callable

from support.kernel import EVENT
from support.listeners import holders
from support.syscalls import number

# From linux/perf_event.h.
PERF_SAMPLE_RAW = 1 << 10
_PERF_TYPE_TRACEPOINT, _DISABLED, _EXCLUDE_KERNEL = 2, 1, 1 << 5
# Of struct perf_event_attr: PERF_ATTR_SIZE_VER5.
_SIZE = 112
_SYS_PERF_EVENT_OPEN = number("perf_event_open")

_libc = ctypes.CDLL(None, use_errno=True)


def opener(sample: int, pid: int) -> Callable[[], str]:
    """Returns a function that opens the tracepoint, of one task or (-1) of all on a CPU, as perf does.

    That returns 'held' if it holds the module while it is open, else 'ok', and raises OSError if it is refused.
    """
    event = int((EVENT / "id").read_text())
    head = (_PERF_TYPE_TRACEPOINT, _SIZE, event, 1, sample, 0, _DISABLED | _EXCLUDE_KERNEL)
    attributes = struct.pack("=IIQQQQQ", *head).ljust(_SIZE, b"\0")
    cpu = 0 if pid == -1 else -1

    def open_event() -> str:
        before = holders()
        fd = _libc.syscall(_SYS_PERF_EVENT_OPEN, attributes, pid, cpu, -1, 0)
        if fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        after = holders()
        os.close(fd)
        return "held" if after > before else "ok"

    return open_event
