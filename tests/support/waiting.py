# SPDX-License-Identifier: GPL-2.0
"""Waiting for something to happen."""

import time
from collections.abc import Callable

from vm.pace import Limit

PATIENCE = 20.0


def wait_until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Returns once the condition holds; fails if it does not within `patience` seconds at this machine's speed."""
    limit = Limit(patience)
    while not condition():
        assert not limit.is_over(), f"{what}: not after {patience:g} s"
        time.sleep(0.02)
