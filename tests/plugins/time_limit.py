# SPDX-License-Identifier: GPL-2.0
"""A plugin for pytest: a test that takes too long fails, by itself, and the others go on.

The limit goes by the machine's speed. It is one for each of a test's setup, call and teardown.
"""

import faulthandler
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from vm.pace import Limit, slowness

# How often a test is interrupted; each time it may take as long again to clean up.
_TIMES = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--time-limit", type=float, default=300.0, metavar="SECONDS", help="of a test, on two idle cores (default: 300)"
    )


def pytest_report_header() -> str:
    return f"time limits: {slowness():.1f} times as long as on two idle cores, and more where the machine gets slower"


def limit_all(items: list[pytest.Item], folder: Path, seconds: float) -> None:
    """Gives the tests below a folder this limit, unless they have one of their own."""
    for item in items:
        if item.path.is_relative_to(folder):
            item.add_marker(pytest.mark.time_limit(seconds))


class _Alarm:
    def __init__(self, seconds: float) -> None:
        self._limit = Limit(seconds)
        self._told = 0

    def __call__(self, _number: int, _frame: object) -> None:
        if self._limit.is_over():
            self._told += 1
            if self._told > _TIMES:
                # The test does not end, so the whole process must; its starter reports that.
                faulthandler.dump_traceback()
                os._exit(1)
            seconds = self._limit.seconds
            self._limit = Limit(seconds)
            self.set()
            pytest.fail(f"took more than {seconds:g} s, on a machine {slowness():.1f} times as slow as two idle cores")
        self.set()

    def set(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, max(0.01, self._limit.left()))


def _limited(item: pytest.Item) -> Iterator[None]:
    marker = item.get_closest_marker("time_limit")
    alarm = _Alarm(marker.args[0] if marker else item.config.getoption("time_limit"))
    before = signal.signal(signal.SIGALRM, alarm)
    alarm.set()
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    return (yield from _limited(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    return (yield from _limited(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    return (yield from _limited(item))
