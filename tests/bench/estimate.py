# SPDX-License-Identifier: GPL-2.0
"""Extrapolates the measured times to a router of 100 Gbit/s with 64 CPUs.

A packet costs what it costs at one hook point, on the CPU that has it: CPUs share nothing that is written, and the cost
does not grow with the number of packets or of namespaces. So the share of all CPUs is packets a second times seconds a
packet, divided by the number of CPUs.
"""

from collections.abc import Iterator

import readings
import table

BITS = 100e9
CPUS = 64
# Preamble, Ethernet's header, checksum and gap.
FRAME_OVERHEAD = 38
SIZES = {"1500 bytes": 1500, "small (46 bytes)": 46}
ROWS = [
    "C hook that accepts",
    "nf_tracer, no match by proto",
    "nf_tracer, no match by 64 prefixes",
    "nf_tracer, line suppressed",
    "nf_tracer, tracepoint, recorded",
    "nf_tracer, classic line",
    "nft, no match",
    "nft log",
]


def packets_a_second(size: int) -> float:
    return BITS / 8 / (size + FRAME_OVERHEAD)


def share(nanoseconds: float, size: int) -> str:
    part = packets_a_second(size) * nanoseconds * 1e-9 / CPUS
    return f"{part:.1%}" if part < 1 else "more than all"


def lines(results: dict) -> Iterator[str]:
    native = readings.native(results["native"])
    nothing = native["nothing"].median
    head = ["of 64 CPUs, at one hook point"]
    head += [f"{name}, {packets_a_second(size) / 1e6:.1f} M/s" for name, size in SIZES.items()]
    body = (
        [what, *(share(native[what].median - nothing, size) for size in SIZES.values())]
        for what in ROWS
        if what in native
    )
    yield from table.table(head, body)
