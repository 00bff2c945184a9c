# SPDX-License-Identifier: GPL-2.0
"""Measures what a packet costs with each row of the table on the hook."""

import statistics

import driver
import rows
from hooks import on_the_hook
from inside import Options

# A pause between batches, for a listener to catch up.
PAUSE_NS = 2_000_000


def one(row: rows.Row, options: Options) -> float:
    """Returns the time of one call."""
    pause = PAUSE_NS if row.listener else 0
    with on_the_hook(row, options.modules):
        driver.call(calls=row.calls, batches=2, family=row.family)
        times = driver.call(calls=row.calls, batches=options.batches, family=row.family, pause_ns=pause)
    return min(times) if options.exact else statistics.median(times)


def measure(options: Options) -> dict[str, list[float]]:
    """Returns the time of each round for each row."""
    chosen = rows.load(rows.parameters_of(options.modules / "nf_tracer.ko"))
    if options.only:
        chosen = [row for row in chosen if row.what in options.only]
    times: dict[str, list[float]] = {row.what: [] for row in chosen}

    for _ in range(options.rounds):
        for row in chosen:
            times[row.what].append(one(row, options))
    return times
