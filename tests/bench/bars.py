# SPDX-License-Identifier: GPL-2.0
"""The bars that nf_tracer is held to, as ratios within one run."""

from collections.abc import Iterator
from dataclasses import dataclass

from readings import FLOOR, ratio

MISS = "nf_tracer, no match by proto"
HOST = "nf_tracer, no match by host"
PREFIXES = "nf_tracer, no match by 64 prefixes"
CLASSIC = "nf_tracer, classic line"
C_CLASSIC = "C hook, classic line by pr_info"
SUPPRESSED = "nf_tracer, line suppressed"
EVENT = "nf_tracer, tracepoint, recorded"
EVENT_OFF = "nf_tracer, tracepoint, off"
NFLOG_OFF = "nf_tracer, nflog, nobody listens"
# Compared with events that are recorded: neither costs this without a listener.
NFTRACE = "nft meta nftrace, listened to"


@dataclass(frozen=True)
class Bar:
    what: str
    found: float
    limit: float
    unit: str
    row: str = ""

    @property
    def is_met(self) -> bool:
        return self.found <= self.limit

    def __str__(self) -> str:
        word = "met" if self.is_met else "MISSED"
        return f"{word:7} {self.what}: {self.found:.3g}, at most {self.limit:.3g} {self.unit}"


RATIOS = [
    # row, reference row, limit natively, limit in instructions
    (MISS, FLOOR, 2, None),
    (PREFIXES, HOST, 1.5, 1.5),
    (CLASSIC, C_CLASSIC, 0.9, 0.6),
    (SUPPRESSED, FLOOR, 3, None),
    (EVENT, CLASSIC, 1 / 15, None),
    (EVENT, NFTRACE, 1, 1),
    (EVENT_OFF, FLOOR, 2.5, None),
    (NFLOG_OFF, FLOOR, 2.5, None),
]
MISS_INSTRUCTIONS = 200
# Rows that write to no memory to which another CPU may write.
WRITES_NOTHING_SHARED = [MISS, PREFIXES, SUPPRESSED, EVENT_OFF, NFLOG_OFF]
# Allocations by interrupts, in thousands of packets.
INTERRUPTS = 0.01
SECONDS_A_HUNDRED_NAMESPACES = 0.1


def profiled(results: dict) -> list[str]:
    """Returns the rows to follow: those that must write no shared memory, and those that miss a bar."""
    missed = [bar.row for bar in check(results) if bar.row and not bar.is_met]
    return list(dict.fromkeys([*WRITES_NOTHING_SHARED, *missed]))


def check(results: dict) -> Iterator[Bar]:
    """Yields the bars that the results have figures for."""
    instructions, native = results.get("instructions", {}), results.get("native", {})
    if MISS in instructions:
        yield Bar(MISS, instructions[MISS][0], MISS_INSTRUCTIONS, "instructions", MISS)
    for row, to, natively, in_instructions in RATIOS:
        for times, limit, how in (
            (native, natively, "natively"),
            (instructions, in_instructions, "in instructions"),
        ):
            if limit is not None and row in times and to in times:
                yield Bar(f"{row}, to {to}", ratio(times, row, to), limit, f"x {how}", row)
    for action, curve in results.get("namespaces", {}).items():
        most = max(int(number) for number in curve)
        a_hundred = curve[str(most)] / (most / 100)
        yield Bar(f"{action}, {most} namespaces", a_hundred, SECONDS_A_HUNDRED_NAMESPACES, "s a hundred, natively")
    for row, number in results.get("allocations", {}).items():
        # NFLOG's buffers and those of nf_log's lines are the kernel's own.
        if row.startswith("nf_tracer") and "nflog" not in row and "nf_log" not in row:
            yield Bar(f"{row}, allocations", abs(number), INTERRUPTS, "a packet")
    for row, profile in results.get("profile", {}).items():
        if row in WRITES_NOTHING_SHARED:
            yield Bar(f"{row}, writes to shared memory", sum(profile["elsewhere"].values()), 0, "a packet")
