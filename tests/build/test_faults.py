# SPDX-License-Identifier: GPL-2.0
"""The faults that tests/mutants/run puts into the sources."""

import tomllib
from collections import Counter
from pathlib import Path

_TOP = Path(__file__).resolve().parents[2]


def test_each_fault_can_be_put_in_at_one_place_and_has_a_name_of_its_own() -> None:
    files = sorted((_TOP / "tests/mutants/faults").glob("*.toml"))
    faults = [(file.stem.split("-")[0], fault) for file in files for fault in tomllib.loads(file.read_text())["fault"]]
    assert len(faults) > 100
    stale = [fault["what"] for _, fault in faults if (_TOP / fault["file"]).read_text().count(fault["old"]) != 1]
    assert not stale
    assert [fault["what"] for suite, fault in faults if fault["tests"].split()[0] != suite] == []
    assert [what for what, count in Counter(fault["what"] for _, fault in faults).items() if count > 1] == []
