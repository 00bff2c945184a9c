# SPDX-License-Identifier: GPL-2.0
"""Sums up ways: how many ended how, and how long each stretch took."""

from array import array
from collections import Counter, defaultdict

from packet_way.ways import DROPPED, KINDS, VANISHED, Way

Stretch = tuple[str, str]


class Summary:
    """Counts ends and losses, and keeps one number for each stretch of a way."""

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()
        self.losses: Counter[str] = Counter()
        """Of packets that got nowhere: after which hook, and by what."""
        self.stretches: dict[Stretch, array[int]] = defaultdict(lambda: array("q"))

    def add(self, way: Way) -> None:
        end = way.end
        assert end
        self.ends[end.kind] += 1
        if end.kind == DROPPED:
            function = end.location.partition("+")[0]
            self.losses[f"dropped after {way.last.hook}: {end.reason} in {function}"] += 1
        elif end.kind == VANISHED:
            self.losses[f"vanished after {way.last.hook}"] += 1
        for before, after, start, stop in way.stretches():
            self.stretches[before, after].append(stop - start)

    def text(self) -> str:
        total = self.ends.total()
        ends = ", ".join(f"{self.ends[kind]} {kind}" for kind in KINDS if self.ends[kind])
        lines = [f"{total} packet{'s' if total != 1 else ''}" + (f": {ends}" if ends else "")]
        lines += [f"{count:>8} {loss}" for loss, count in self.losses.most_common()]
        if self.stretches:
            lines.append(f"{'microseconds':<26}{'packets':>9}{'median':>10}{'99 %':>10}{'longest':>10}")
        for (before, after), times in self.stretches.items():
            ordered = sorted(times)
            numbers = (ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
            columns = "".join(f"{number / 1000:>10.1f}" for number in numbers)
            lines.append(f"{before + ' > ' + after:<26}{len(ordered):>9}{columns}")
        return "\n".join(lines)
