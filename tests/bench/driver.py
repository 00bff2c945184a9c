# SPDX-License-Identifier: GPL-2.0
"""The driver module, which calls the hooks: see modules/bench_driver.c."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

FILE = "/proc/nf_tracer_bench"


@contextlib.contextmanager
def loaded(modules: Path) -> Iterator[None]:
    subprocess.run(["insmod", modules / "bench_driver.ko"], check=True)
    try:
        yield
    finally:
        subprocess.run(["rmmod", "bench_driver"], check=True)


def call(*, calls: int, batches: int, family: int = 4, pause_ns: int = 0) -> list[float]:
    """Calls the hooks; returns the nanoseconds of a call, for each batch."""
    fd = os.open(FILE, os.O_RDWR)
    try:
        os.write(fd, f"{family} {calls} {batches} {pause_ns}".encode())
        text = b""
        while piece := os.read(fd, 1 << 16):
            text += piece
    finally:
        os.close(fd)
    return [int(line) / calls for line in text.split()]
