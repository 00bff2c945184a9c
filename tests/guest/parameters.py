# SPDX-License-Identifier: GPL-2.0
"""The module's parameters, and its counts, while it is loaded."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import kmsg
import module

FOLDER = Path("/sys/module", module.NAME, "parameters")


@contextlib.contextmanager
def loaded(parameters: str) -> Iterator[None]:
    """Has the module loaded for a while."""
    module.load(parameters)
    try:
        yield
    finally:
        module.unload()


def put(name: str, value: str | bytes) -> None:
    """Writes a value by one write, as echo does. Raises OSError if it is refused."""
    with (FOLDER / name).open("wb", buffering=0) as file:
        # Without a line's end, what is empty would not get to the module.
        file.write((value.encode() if isinstance(value, str) else value) + b"\n")


def get(name: str) -> str:
    return (FOLDER / name).read_text().removesuffix("\n")


def counts() -> dict[str, kmsg.Summary]:
    """The counts by 'hook family'. They add up, or parsing them fails."""
    points = {}
    for line in get("counts").splitlines():
        hook, family, _, rest = line.split(" ", 3)
        points[f"{hook} {family}"] = kmsg.parse_summary(rest)
    return points


def total() -> kmsg.Summary:
    return kmsg.Summary(*(sum(column) for column in zip(kmsg.Summary(), *counts().values(), strict=True)))


def bpf(expression: str) -> str:
    """What tcpdump makes of an expression, as the parameter takes it."""
    command = ["tcpdump", "-y", "RAW", "-ddd", expression]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.replace("\n", ",")
