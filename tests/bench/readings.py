# SPDX-License-Identifier: GPL-2.0
"""The readings of a row, for the table, the picture and the bars."""

import statistics
from dataclasses import dataclass

FLOOR = "C hook that accepts"


@dataclass(frozen=True)
class Native:
    """Statistics of several rounds, in nanoseconds."""

    median: float
    least: float
    most: float
    # The ratio to the floor, in the same round.
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
    """Returns the median ratio of two rows within a round."""
    return statistics.median(one / other for one, other in zip(times[what], times[to], strict=True))
