# SPDX-License-Identifier: GPL-2.0
"""tests/guest/run and its plugins: what becomes of tests that hang, and of tests that take down what they run in.

The tests are made up, and run here instead of in a guest: there, killing the process is like a panic.
"""

import importlib.machinery
import importlib.util
import itertools
import re
import sys
import types
from pathlib import Path

import pytest

from support.paths import TOP
from vm import pace

HEAD = "import os, signal, time\nimport pytest\n"
PASSES = "def test_{}() -> None:\n    pass\n"
HANGS = "@pytest.mark.time_limit(0.2)\ndef test_{}() -> None:\n    time.sleep(1000)\n"
DOES_NOT_END = """\
@pytest.mark.time_limit(0.2)
def test_{}() -> None:
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass
"""
DIES = "def test_{}() -> None:\n    os.kill(os.getpid(), signal.SIGKILL)\n"
TAKES_TIME = "def test_{}() -> None:\n    time.sleep(0.05)\n"
IN_ORDER = "pytestmark = pytest.mark.in_order\n"
SKIPS = 'def test_{}() -> None:\n    pytest.skip("made up")\n'


@pytest.fixture(scope="module")
def runner() -> types.ModuleType:
    loader = importlib.machinery.SourceFileLoader("guest_run", str(TOP / "tests/guest/run"))
    spec = importlib.util.spec_from_loader("guest_run", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look up their module by its name.
    sys.modules["guest_run"] = module
    loader.exec_module(module)
    return module


def run(
    runner: types.ModuleType, folder: Path, guests: int, *files: list[str], guest: tuple[str, ...] = ()
) -> tuple[dict[str, str], str]:
    """Runs files of tests, named in order; returns the outcome of each, and the last line."""
    tests, records = folder / "tests", folder / "records"
    tests.mkdir()
    records.mkdir()
    number = itertools.count()
    for file, kinds in enumerate(files):
        text = "".join(kind.format(next(number)) for kind in kinds)
        (tests / f"test_{file}.py").write_text(HEAD + text)
    options = runner.Options(guests=guests, pytest=["--rootdir", str(tests), str(tests)], junit=folder / "junit.xml")
    suite = runner.Suite(options, records, guest=guest)
    suite.run()
    runner.write_junit(suite.records, options.junit)
    found = {record["test"].split("::test_")[1]: record.get("outcome", "") for record in suite.records.all()}
    return dict(sorted(found.items())), suite.totals()[0]


@pytest.mark.parametrize("guests", [1, 2])
def test_a_test_that_hangs_or_dies_fails_and_all_others_are_run(
    runner: types.ModuleType, guests: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcomes, last_line = run(runner, tmp_path, guests, [PASSES, HANGS, PASSES], [SKIPS, DIES, PASSES], [PASSES])
    failed = {"1": "failed", "4": "failed"}
    assert outcomes == {**dict.fromkeys("0123456", "passed"), **failed, "3": "skipped"}
    assert last_line == "4 passed, 2 failed, 1 skipped"
    said = capfd.readouterr().out
    assert "took more than 0.2 s" in said
    assert re.search(r"the guest died in \S+::test_4, after \d that passed in it", said)
    names = re.findall(r'<testcase [^>]*name="test_(\d)" time="[\d.]+"><failure>', (tmp_path / "junit.xml").read_text())
    assert set(names) == set(failed)


def test_a_test_that_does_not_end_when_it_is_told_to_fails_with_its_guest(
    runner: types.ModuleType, tmp_path: Path
) -> None:
    outcomes, last_line = run(runner, tmp_path, 1, [PASSES, DOES_NOT_END, PASSES])
    assert outcomes == {"0": "passed", "1": "failed", "2": "passed"}
    assert last_line == "2 passed, 1 failed"


@pytest.mark.parametrize(("deaths", "outcome"), [(1, "passed"), (2, "failed")])
def test_at_what_an_emulated_cpu_stops_at_a_test_is_run_once_more(
    runner: types.ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str], deaths: int, outcome: str
) -> None:
    dies = f"""\
def test_{{}}() -> None:
    file = {str(tmp_path / "deaths")!r}
    with open(file, "a") as deaths:
        deaths.write("x")
    if os.path.getsize(file) <= {deaths}:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    words = f"scripts/vm: {runner.EMULATORS_FAULT}: 0000 [#1] SMP"
    script = f'"$@"; status=$?; test $status -lt 128 || echo "{words}"; exit $status'
    outcomes, last_line = run(runner, tmp_path, 2, [PASSES, dies, PASSES], guest=("sh", "-c", script, "sh"))
    assert outcomes == {"0": "passed", "1": outcome, "2": "passed"}
    assert last_line == ("3 passed, 0 failed" if outcome == "passed" else "2 passed, 1 failed")
    assert "which is run once more" in capfd.readouterr().out


def test_guests_that_die_each_time_are_given_up_and_what_is_not_run_has_failed(
    runner: types.ModuleType, tmp_path: Path
) -> None:
    outcomes, last_line = run(runner, tmp_path, 1, [DIES] * (runner.MOST_DEATHS + 1) + [PASSES] * 2)
    assert set(outcomes.values()) == {"failed"}
    assert last_line == f"0 passed, {runner.MOST_DEATHS + 3} failed"


def test_guests_that_meet_within_a_file_share_its_tests(runner: types.ModuleType, tmp_path: Path) -> None:
    outcomes, last_line = run(runner, tmp_path, 3, *[[TAKES_TIME] * 5] * 4)
    assert set(outcomes.values()) == {"passed"}, outcomes
    assert last_line == "20 passed, 0 failed"


def test_tests_that_need_their_order_are_run_in_one_guest(runner: types.ModuleType, tmp_path: Path) -> None:
    run(runner, tmp_path, 3, [IN_ORDER] + [TAKES_TIME] * 6)
    records = runner.Records(tmp_path / "records").all()
    assert [record["test"][-1] for record in records] == list("123456")
    assert len({record["runner"] for record in records}) == 1


def test_what_a_guest_that_died_had_claimed_is_run_by_the_next(runner: types.ModuleType, tmp_path: Path) -> None:
    outcomes, last_line = run(runner, tmp_path, 1, [IN_ORDER, PASSES, DIES, PASSES], [PASSES])
    assert outcomes == {"1": "passed", "2": "failed", "3": "passed", "4": "passed"}
    assert last_line == "3 passed, 1 failed"


def test_what_cannot_be_collected_has_failed(runner: types.ModuleType, tmp_path: Path) -> None:
    _, last_line = run(runner, tmp_path, 1, ["import nothing_like_it\n"])
    assert last_line == "0 passed, 1 failed"


def test_a_limit_is_longer_by_as_much_as_the_machine_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(pace.time, "monotonic", lambda: now)
    speeds = itertools.chain([1.0] * 5, [4.0] * 5, itertools.repeat(1.0))

    def slowness() -> float:
        pace._latest = next(speeds)
        return pace._latest

    monkeypatch.setattr(pace, "slowness", slowness)
    monkeypatch.setattr(pace, "_latest", 1.0)
    limit = pace.Limit(300)
    while not limit.is_over():
        now += max(0.1, limit.left())
    # Five steps at full speed, five at a quarter of it, and then at full speed again: 300 seconds,
    # less the last twentieth, plus what the slow steps lose.
    assert 285 + 150 * 3 / 4 <= now <= 300 + 150 * 3 / 4 + 30
