# SPDX-License-Identifier: GPL-2.0
"""The debug suite's time limit."""

from pathlib import Path

import pytest

from plugins.time_limit import limit_all
from support.debug_guest import TIMEOUT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves it to scripts/vm to end a guest that takes too long."""
    limit_all(items, Path(__file__).parent, TIMEOUT + 600)
