# SPDX-License-Identifier: GPL-2.0
"""The readings of a row: what the table, the picture and the bars are made of."""

import statistics
from dataclasses import dataclass

FLOOR = "C hook that accepts"


@dataclass(frozen=True)
class Native:
    """Nanoseconds of several rounds."""

    median: float
    least: float
    most: float
    # To the floor, in the same round.
    ratio: float


def native(times: dict[str, list[float]]) -> dict[str, Native]:
    floor = times[FLOOR]
    return {
        what: Native(
            median=statistics.median(rounds),
            least=min(rounds),
            most=max(rounds),
            ratio=statistics.median(time / base for time, base in zip(rounds, floor, strict=True)),
        )
        for what, rounds in times.items()
    }


def ratio(times: dict[str, list[float]], what: str, to: str) -> float:
    """Of two rows, in the same round."""
    return statistics.median(one / other for one, other in zip(times[what], times[to], strict=True))
