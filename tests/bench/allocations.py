# SPDX-License-Identifier: GPL-2.0
"""Counts memory allocations per packet, by the kernel's tracepoints."""

import os
import re
from pathlib import Path

import driver
import rows
from hooks import EVENTS, on_the_hook
from inside import Options

TRACEPOINTS = ["kmem/kmalloc", "kmem/kmem_cache_alloc", "kmem/mm_page_alloc", "percpu/percpu_alloc_percpu"]
TRACING = EVENTS.parent
CALLS = 2000


def events() -> int:
    """Returns the number of events since the buffers were emptied, overwritten ones included."""
    total = 0
    for stats in TRACING.glob("per_cpu/cpu*/stats"):
        numbers = dict(re.findall(r"^(entries|overrun): (\d+)$", stats.read_text(), re.MULTILINE))
        total += sum(int(number) for number in numbers.values())
    return total


def allocations(calls: int, row: rows.Row) -> int:
    """Returns the allocations of this process during so many calls."""
    (TRACING / "trace").write_text("")
    driver.call(calls=calls, batches=1, family=row.family)
    return events()


def measure(options: Options) -> dict[str, float]:
    """Returns the allocations per packet of each row. A listener's are its own process's."""
    switches = [EVENTS / name for name in TRACEPOINTS if Path(EVENTS, name).is_dir()]
    counts = {}

    for row in rows.load(rows.parameters_of(options.modules / "nf_tracer.ko")):
        if row.listener.startswith("event"):
            continue
        with on_the_hook(row, options.modules):
            for switch in switches:
                (switch / "filter").write_text(f"common_pid == {os.getpid()}")
                (switch / "enable").write_text("1")
            # The driver's own allocations are the same for few calls and for many.
            few, many = (allocations(calls, row) for calls in (CALLS, 2 * CALLS))
            for switch in switches:
                (switch / "enable").write_text("0")
        counts[row.what] = (many - few) / CALLS
    return counts
