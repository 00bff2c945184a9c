# SPDX-License-Identifier: GPL-2.0
"""A plugin for pytest: each test leaves a record in a folder from before it runs, and several pytests share the tests.

The folder is NF_TRACER_RECORDS. A test is run by whoever claims it first, by a file that holds its number
NF_TRACER_RUNNER: a test by itself, or a whole file of tests that are marked in_order. Those with odd numbers begin with
the last file: two meet where half of the work is done. Who died has left the record of the test that it died in,
without an outcome, and claims. tests/guest/run reads all this, and takes back the claims.
"""

import hashlib
import itertools
import json
import os
import time
from pathlib import Path

import pytest

_FOLDER = Path(os.environ["NF_TRACER_RECORDS"])
_RUNNER = int(os.environ["NF_TRACER_RUNNER"])
_outcomes: dict[str, str] = {}
_failures: dict[str, str] = {}
_claimed: set[str] = set()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _RUNNER % 2:
        files = [list(group) for _, group in itertools.groupby(items, key=lambda item: item.path)]
        items[:] = [item for group in reversed(files) for item in group]


def pytest_collection_finish(session: pytest.Session) -> None:
    names = _FOLDER / f"names.{_RUNNER}"
    names.write_text(json.dumps([item.nodeid for item in session.items]))
    names.replace(_FOLDER / "names")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.outcome != "passed" and _outcomes[report.nodeid] != "failed":
        _outcomes[report.nodeid] = report.outcome
    if report.outcome == "failed":
        _failures[report.nodeid] = report.longreprtext


def _file(key: str, suffix: str) -> Path:
    return _FOLDER / (hashlib.sha256(key.encode()).hexdigest()[:16] + suffix)


def _is_ours(item: pytest.Item) -> bool:
    """Claims a test, where it has not been claimed."""
    key = str(item.path) if item.get_closest_marker("in_order") else item.nodeid
    if key not in _claimed:
        try:
            with _file(key, ".claim").open("x") as claim:
                claim.write(str(_RUNNER))
        except FileExistsError:
            return False
        _claimed.add(key)
    return not _file(item.nodeid, ".json").exists()


def _run(item: pytest.Item, following: pytest.Item | None) -> None:
    """Runs a test and keeps its record."""
    record = {"test": item.nodeid, "runner": _RUNNER}
    file = _file(item.nodeid, ".json")
    file.write_text(json.dumps(record))
    began = time.monotonic()
    _outcomes[item.nodeid] = "passed"
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    record |= {
        "outcome": _outcomes[item.nodeid],
        "failure": _failures.get(item.nodeid),
        "seconds": round(time.monotonic() - began, 1),
    }
    file.write_text(json.dumps(record))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    if session.testsfailed or session.config.option.collectonly:
        return None
    # One is claimed ahead: pytest keeps the fixtures that this test shares with the next one.
    ours = filter(_is_ours, session.items)
    item = next(ours, None)
    while item is not None:
        following = next(ours, None)
        _run(item, following)
        item = following
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
    return True
