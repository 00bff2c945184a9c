# SPDX-License-Identifier: GPL-2.0
"""Measures what a packet costs at growing rates, with and without a limit on lines."""

import statistics

import driver
from hooks import on_the_hook
from inside import Options
from rows import Row

# A bunch of packets each millisecond, for a second.
BUNCHES = 1000
RATES = [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
CASES = {
    "nf_tracer, limited to 1000 lines/s": Row("", "nf_tracer", module="nf_tracer rate=1000 burst=10"),
    "nf_tracer, no match": Row("", "nf_tracer", module="nf_tracer proto=udp"),
    "C hook, classic line by pr_info": Row("", "C", module="c_classic"),
}


def measure(options: Options) -> dict[str, dict[int, float]]:
    """Returns the nanoseconds of a packet, without outliers, for each rate that a case can sustain."""
    curves: dict[str, dict[int, float]] = {}
    for case, row in CASES.items():
        curves[case] = {}
        for rate in RATES:
            calls = rate // BUNCHES
            with on_the_hook(row, options.modules):
                driver.call(calls=calls, batches=20, pause_ns=1_000_000)
                times = driver.call(calls=calls, batches=BUNCHES, pause_ns=1_000_000)
            # Outliers are noise of the machine. Not the median, since the
            # clock's steps are longer than a short bunch.
            typical = statistics.mean(sorted(times)[: len(times) * 95 // 100])
            if typical * rate > 1e9:
                break
            # The clock's steps may be longer than a bunch.
            if typical > 0:
                curves[case][rate] = typical
    return curves
