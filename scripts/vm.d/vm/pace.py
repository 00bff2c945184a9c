# SPDX-License-Identifier: GPL-2.0
"""Time limits that scale with the machine's speed at the moment.

Limits are written down for two idle cores and, in a guest, for emulation (TCG). On a machine that others use too, or
that is older, the same work takes longer, and is not wrong for that.
"""

import time
from pathlib import Path

# (rounds, seconds) of the loop below on the machine that limits are written for.
_HERE, _IN_GUEST = (1_000_000, 0.04), (250_000, 0.25)
# Made by scripts/vm.d/init.
_GUESTS_OWN = Path("/run/vm/job")
_latest = 1.0


def slowness() -> float:
    """Measures how many times slower the machine is than the one that limits are written for; at least 1."""
    global _latest
    rounds, seconds = _IN_GUEST if _GUESTS_OWN.exists() else _HERE
    start = time.monotonic()
    for _ in range(rounds):
        pass
    _latest = max(1.0, (time.monotonic() - start) / seconds)
    return _latest


def patience(seconds: float) -> float:
    """Scales a limit that something else enforces, such as a socket, by the speed measured last."""
    return seconds * _latest


class Limit:
    """A limit in seconds, each of which counts for as much as the machine does in it.

    Its speed is measured every few seconds of those that pass, whenever somebody asks whether the limit is over.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._step = min(30.0, max(5.0, seconds / 10))
        self._left = seconds
        self._since = time.monotonic()

    def left(self) -> float:
        """Returns when to ask again, in seconds of the clock from now."""
        return max(0.0, min(self._step, self._left) - (time.monotonic() - self._since))

    def is_over(self) -> bool:
        if self.left() > 0:
            return False
        before, now = _latest, slowness()
        passed = time.monotonic() - self._since
        self._left -= passed / ((before + now) / 2)
        self._since += passed
        # Each step takes a part of what is left, never all of it.
        return self._left <= self.seconds / 20
