# SPDX-License-Identifier: GPL-2.0
"""Function probes: what the kernel's own functions are called with."""

import contextlib
import re
from collections.abc import Iterator

from support.kernel import TRACING

_NAME = "nf_tracer_test"


@contextlib.contextmanager
def probe(function: str, fields: str) -> Iterator[list[dict[str, str]]]:
    """Collects the arguments of a function's calls; they are in the list afterwards."""
    enable = TRACING / f"events/fprobes/{_NAME}/enable"
    (TRACING / "trace").write_text("")
    (TRACING / "dynamic_events").write_text(f"f:{_NAME} {function} {fields}")
    found: list[dict[str, str]] = []
    try:
        enable.write_text("1")
        yield found
        trace = (TRACING / "trace").read_text()
        for line in re.findall(rf" {_NAME}: \((.*)", trace):
            found.append(dict(re.findall(r"(\w+)=(\S+)", line)))
    finally:
        with contextlib.suppress(OSError):
            enable.write_text("0")
        (TRACING / "dynamic_events").write_text("")
