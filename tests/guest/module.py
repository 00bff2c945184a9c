# SPDX-License-Identifier: GPL-2.0
"""Loading and unloading the module, by the system calls, whose return is a moment to measure by."""

import ctypes
import os
import re
import subprocess
from pathlib import Path

NAME = "nf_tracer"
FILE = Path(__file__).resolve().parents[2] / f"{NAME}.ko"

_libc = ctypes.CDLL(None, use_errno=True)
# From asm/unistd_64.h: glibc has no functions for them.
_SYS_DELETE_MODULE = 176
_SYS_FINIT_MODULE = 313


def _syscall(number: int, *args: object) -> None:
    if _libc.syscall(number, *args) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def load(parameters: str = "rate=0") -> None:
    """Loads it, by default without a limit: what most tests ask is whether each packet is there."""
    with FILE.open("rb") as file:
        _syscall(_SYS_FINIT_MODULE, file.fileno(), parameters.encode(), 0)


def unload() -> None:
    _syscall(_SYS_DELETE_MODULE, NAME.encode(), os.O_NONBLOCK)


def is_loaded() -> bool:
    return Path("/sys/module", NAME).exists()


def hooks() -> list[str]:
    """Where the module is hooked in, as 'family hook priority', by what nft says."""
    text = subprocess.run(["nft", "list", "hooks"], check=True, capture_output=True, text=True)
    found = []
    family = hook = ""
    for line in text.stdout.splitlines():
        if match := re.fullmatch(r"family (\w+) {", line):
            family = match[1]
        elif match := re.fullmatch(r"\s+hook (\w+) {", line):
            hook = match[1]
        elif match := re.fullmatch(rf"\s+([+-]?\d+) .*\[{NAME}\]", line):
            found.append(f"{family} {hook} {int(match[1])}")
    return found
