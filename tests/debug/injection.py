# SPDX-License-Identifier: GPL-2.0
"""Has the nth allocation, or the nth call of a function, fail. Runs in the debug kernel."""

import errno
import os
from pathlib import Path

_DEBUG = Path("/sys/kernel/debug")


class Memory:
    """Fails allocations of slabs and of pages by this process."""

    name = "memory"
    # What the failed load or write must return.
    error = errno.ENOMEM

    def __init__(self) -> None:
        for name, settings in (
            ("failslab", {"ignore-gfp-wait": "N", "verbose": "0"}),
            ("fail_page_alloc", {"ignore-gfp-wait": "N", "ignore-gfp-highmem": "N", "min-order": "0", "verbose": "0"}),
        ):
            for setting, value in settings.items():
                (_DEBUG / name / setting).write_text(value)
        self._nth = os.open("/proc/thread-self/fail-nth", os.O_RDWR)

    def arm(self, nth: int) -> None:
        os.pwrite(self._nth, str(nth).encode(), 0)

    def disarm(self) -> bool:
        """Returns whether one has failed."""
        # It counts down to the one that fails.
        failed = int(os.pread(self._nth, 16, 0).rstrip(b"\n\0")) == 0
        os.pwrite(self._nth, b"0", 0)
        return failed


class Function:
    """Fails calls of a function that the module refuser.ko names."""

    def __init__(self, name: str, error: int, *, gives_pointer: bool = False) -> None:
        self.name = name
        self.error = error
        self._folder = _DEBUG / "fail_function"
        self._gives = 0 if gives_pointer else (1 << 64) - error

    def __enter__(self) -> "Function":
        for setting, value in (("probability", "0"), ("interval", "1"), ("verbose", "0"), ("inject", self.name)):
            (self._folder / setting).write_text(value)
        (self._folder / self.name / "retval").write_text(hex(self._gives))
        return self

    def __exit__(self, *_: object) -> None:
        (self._folder / "inject").write_text(f"!{self.name}")

    def arm(self, nth: int) -> None:
        # Each call takes 1 of 'space'; the one that uses it up fails.
        for setting, value in (("space", nth), ("times", 1), ("probability", 100)):
            (self._folder / setting).write_text(str(value))

    def disarm(self) -> bool:
        """Returns whether one has failed."""
        (self._folder / "probability").write_text("0")
        return int((self._folder / "times").read_text()) == 0
