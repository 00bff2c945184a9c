# SPDX-License-Identifier: GPL-2.0
"""A plugin for pytest: each test leaves a record in a folder from before it runs, and several pytests share the tests.

The folder is NF_TRACER_RECORDS. A test is run by whoever makes its record first; in it stands who that was, the number
NF_TRACER_RUNNER. Those with odd ones begin with the last file: two meet where half of the work is done. Who died has
left the record of the test that it died in, without an outcome. tests/guest/run reads all this.
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


def _run(item: pytest.Item, following: pytest.Item | None) -> None:
    """Runs a test and keeps its record, unless there is one."""
    name = hashlib.sha256(item.nodeid.encode()).hexdigest()[:16] + ".json"
    try:
        with (_FOLDER / name).open("x") as record:
            json.dump({"test": item.nodeid, "runner": _RUNNER}, record)
    except FileExistsError:
        return
    began = time.monotonic()
    _outcomes[item.nodeid] = "passed"
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    (_FOLDER / name).write_text(
        json.dumps(
            {
                "test": item.nodeid,
                "runner": _RUNNER,
                "outcome": _outcomes[item.nodeid],
                "failure": _failures.get(item.nodeid),
                "seconds": round(time.monotonic() - began, 1),
            }
        )
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    if session.testsfailed or session.config.option.collectonly:
        return None
    for item, following in itertools.zip_longest(session.items, session.items[1:]):
        _run(item, following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
    return True
